#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>

/*
 * The log hook: the glue adapts it to ngx_log_error, blob-tier to stderr.
 * May be called from any thread of the owner. Never pass credentials.
 */
typedef enum {
    TIER_LOG_ERROR = 0,
    TIER_LOG_WARN,
    TIER_LOG_NOTICE,
    TIER_LOG_INFO,
    TIER_LOG_DEBUG
} tier_log_level_t;

typedef struct tier_log_s {
    void (*fn)(void *ctx, tier_log_level_t level, const char *line);
    void *ctx;
    tier_log_level_t level; /* lines above it are not formatted */
} tier_log_t;

/* Formats one line (cut at 1 KiB) and calls the hook; log may be NULL. */
void tier_log(const tier_log_t *log, tier_log_level_t level, const char *fmt,
              ...) __attribute__((format(printf, 3, 4)));

#endif
