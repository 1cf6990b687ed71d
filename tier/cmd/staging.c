#include "cmd/staging.h"

#include <stdio.h>
#include <stdlib.h>

#include "cmd/env.h"
#include "sync/stage.h"

#define STAGES_MAX 16 /* at once; each has up to DAEMON_LANES connections */

typedef struct staging_s {
    daemon_t *d;
    env_t env;
    view_t account;
    uint64_t incarnation;
    sync_list_t list;
} staging_t;


static view_t
param(struct MHD_Connection *conn, const char *name)
{
    const char *v =
        MHD_lookup_connection_value(conn, MHD_GET_ARGUMENT_KIND, name);

    return v == NULL ? VIEW_NULL : view_str(v);
}


static enum MHD_Result
answer(struct MHD_Connection *conn, const sync_staged_t *staged)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(
        strlen(staged->text), (void *) (uintptr_t) staged->text,
        MHD_RESPMEM_MUST_COPY);
    enum MHD_Result ok;

    if (r == NULL) {
        return MHD_NO;
    }

    MHD_add_response_header(r, "Content-Type", "text/plain");

    if (staged->code[0] != 0) {
        MHD_add_response_header(r, "x-ms-error-code", staged->code);
    }

    ok = MHD_queue_response(conn, staged->status, r);
    MHD_destroy_response(r);
    return ok;
}


static void
fail(sync_staged_t *staged, unsigned status, const char *code,
     const char *text)
{
    *staged = (sync_staged_t){ .status = status };
    snprintf(staged->code, sizeof(staged->code), "%s", code);
    snprintf(staged->text, sizeof(staged->text), "%s", text);
}


static tier_rc_t
waiting(void *ctx, store_extent_fn fn, void *fn_ctx)
{
    staging_t *s = ctx;

    return store_uncommitted_extents(s->env.reader, s->incarnation,
                                     s->list.name, fn, fn_ctx);
}


static tier_rc_t
find_container(staging_t *s)
{
    uint8_t *buf = malloc(STORE_RECORD_MAX);
    store_container_t c = { 0 };
    writer_t scratch;
    tier_rc_t rc = TIER_ENOMEM;

    if (buf != NULL) {
        writer_init_fixed(&scratch, buf, STORE_RECORD_MAX);
        rc = store_container_get(s->env.reader, s->account, s->list.container,
                                 &scratch, &c);
    }

    if (rc == TIER_OK) {
        s->incarnation = c.incarnation;
    }

    free(buf);
    return rc;
}


static void
stage(staging_t *s, sync_staged_t *ret)
{
    tier_rc_t rc = find_container(s);
    sync_env_t env;

    if (rc != TIER_OK) {
        fail(ret, rc == TIER_NOT_FOUND ? 404 : 503,
             rc == TIER_NOT_FOUND ? "ContainerNotFound" : "ServerBusy",
             tier_rc_name(rc));
        return;
    }

    env = env_sync(&s->env);
    sync_stage_list(&env, &s->list, ret);
    tier_log(&s->d->log, ret->status == 200 ? TIER_LOG_DEBUG : TIER_LOG_WARN,
             "staging %.*s/%.*s/%.*s: %u, %u blocks, %llu bytes%s%s",
             (int) s->account.len, (const char *) s->account.ptr,
             (int) s->list.container.len, (const char *) s->list.container.ptr,
             (int) s->list.name.len, (const char *) s->list.name.ptr,
             ret->status, ret->blocks, (unsigned long long) ret->bytes,
             ret->text[0] != 0 ? ": " : "", ret->text);
}


enum MHD_Result
staging_serve(daemon_t *d, struct MHD_Connection *conn, view_t body)
{
    staging_t s = { .d = d,
                    .account = param(conn, "account"),
                    .list = { .container = param(conn, "container"),
                              .name = param(conn, "blob"),
                              .xml = body,
                              .waiting = waiting } };
    config_t *config = daemon_config(d);
    sync_staged_t staged;

    s.list.ctx = &s;
    /* the answer takes as long as the lake does */
    MHD_set_connection_option(conn, MHD_CONNECTION_OPTION_TIMEOUT, 0u);

    if (s.list.name.len == 0 || s.list.container.len == 0) {
        fail(&staged, 400, "InvalidUri", "which blob's list?");

    } else if (config == NULL || config_origin(config, s.account) == NULL) {
        fail(&staged, 503, "ServerBusy", "the account is not known yet");

    } else if (d->staging++ >= STAGES_MAX) {
        d->staging--;
        fail(&staged, 503, "ServerBusy", "too many lists at once");

    } else {
        if (env_open(&s.env, d) != TIER_OK) {
            fail(&staged, 503, "ServerBusy", "the store cannot be read");

        } else {
            s.env.origin = config_origin(config, s.account);
            stage(&s, &staged);
            env_close(&s.env);
        }

        d->staging--;
    }

    config_unref(config);
    return answer(conn, &staged);
}
