#include <stdio.h>

#include "base/log.h"

#define LOG_LINE_MAX 1024


void
tier_log(const tier_log_t *log, tier_log_level_t level, const char *fmt, ...)
{
    char line[LOG_LINE_MAX];
    va_list args;

    if (log == NULL || log->fn == NULL || level > log->level) {
        return;
    }

    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);

    log->fn(log->ctx, level, line);
}
