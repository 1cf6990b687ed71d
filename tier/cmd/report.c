#include "cmd/daemon.h"

#define QUEUE_LIMIT 1000u


static void
field(writer_t *w, bool json, const char *name, uint64_t value)
{
    if (json) {
        writer_puts(w, w->len > 1 ? ",\n  \"" : "\n  \"");
        writer_puts(w, name);
        writer_puts(w, "\": ");
        writer_put_u64(w, value);
        return;
    }

    writer_puts(w, name);

    for (size_t i = strlen(name); i < 24; i++) {
        writer_putc(w, ' ');
    }

    writer_put_u64(w, value);
    writer_putc(w, '\n');
}


/* d: the daemon's own figures too; NULL: it is not running. */
void
report_status(store_reader_t *reader, const daemon_t *d, bool json,
              writer_t *w)
{
    store_stats_t st;
    tier_rc_t rc = store_stats(reader, VIEW_NULL, &st);

    if (rc != TIER_OK) {
        writer_puts(w, json ? "{}\n" : "the store's figures cannot be read\n");
        return;
    }

    if (json) {
        writer_putc(w, '{');
    }

    field(w, json, "serving", d != NULL);
    field(w, json, "failed", st.failed);
    field(w, json, "last_commit", st.last_number);
    field(w, json, "durable", st.durable);
    field(w, json, "containers", st.containers);
    field(w, json, "blobs", st.blobs);
    field(w, json, "queued", st.queued);
    field(w, json, "parked", st.parked);
    field(w, json, "dirty_bytes", st.dirty_bytes);
    field(w, json, "owned_bytes", st.owned_bytes);
    field(w, json, "clean_bytes", st.clean_bytes);
    field(w, json, "uncommitted_bytes", st.uncommitted_bytes);
    field(w, json, "reserved_bytes", st.reserved_bytes);
    field(w, json, "journal_bytes", st.journal_bytes);
    field(w, json, "segment_bytes", st.segment_bytes);
    field(w, json, "index_bytes", st.index_bytes);
    field(w, json, "free_bytes", st.free_bytes);

    if (d != NULL) {
        field(w, json, "carried", d->carried);
        field(w, json, "carried_bytes", d->carried_bytes);
        field(w, json, "failed_attempts", d->failed_attempts);
        field(w, json, "conflicts", d->conflicts);
        field(w, json, "evicted_bytes", d->evicted_bytes);
        field(w, json, "uptime_s",
              (uint64_t) (daemon_now_ms() - d->started_ms) / 1000);
    }

    if (json) {
        writer_puts(w, "\n}\n");
    }
}


/* ---- the queue -------------------------------------------------------- */

typedef struct queue_report_s {
    writer_t *w;
    bool json;
    bool first;
} queue_report_t;


static void
put_json_string(writer_t *w, view_t v)
{
    writer_putc(w, '"');

    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] == '"' || v.ptr[i] == '\\') {
            writer_putc(w, '\\');
            writer_putc(w, v.ptr[i]);

        } else if (v.ptr[i] < 0x20) {
            writer_puts(w, "\\u");
            writer_put_hex(w, v.ptr[i], 4);

        } else {
            writer_putc(w, v.ptr[i]);
        }
    }

    writer_putc(w, '"');
}


static const char *
kind_name(store_queue_kind_t kind)
{
    switch (kind) {
    case STORE_Q_PUT:
        return "put";
    case STORE_Q_BLOCK_LIST:
        return "block-list";
    case STORE_Q_SET:
        return "set";
    case STORE_Q_DELETE:
        return "delete";
    case STORE_Q_CONTAINER_CREATE:
        return "create-container";
    case STORE_Q_CONTAINER_SET:
        return "set-container";
    case STORE_Q_CONTAINER_DELETE:
        return "delete-container";
    }

    return "unknown";
}


static void
entry_json(queue_report_t *r, const store_entry_t *e)
{
    writer_t *w = r->w;

    writer_puts(w, r->first ? "\n" : ",\n");
    writer_puts(w, "  {\"number\": ");
    writer_put_u64(w, e->number);
    writer_puts(w, ", \"kind\": \"");
    writer_puts(w, kind_name(e->kind));
    writer_puts(w, "\", \"account\": ");
    put_json_string(w, e->account);
    writer_puts(w, ", \"container\": ");
    put_json_string(w, e->container);
    writer_puts(w, ", \"name\": ");
    put_json_string(w, e->name);
    writer_puts(w, ", \"bytes\": ");
    writer_put_u64(w, e->props.content_length);
    writer_puts(w, ", \"attempts\": ");
    writer_put_u64(w, e->attempts);
    writer_puts(w, e->parked ? ", \"parked\": true" : ", \"parked\": false");
    writer_puts(w, ", \"error\": ");
    put_json_string(w, e->error);
    writer_putc(w, '}');
}


static void
entry_text(queue_report_t *r, const store_entry_t *e)
{
    writer_t *w = r->w;

    writer_put_u64(w, e->number);
    writer_putc(w, ' ');
    writer_puts(w, e->parked ? "parked " : "");
    writer_puts(w, kind_name(e->kind));
    writer_putc(w, ' ');
    writer_put(w, e->account);
    writer_putc(w, '/');
    writer_put(w, e->container);

    if (e->name.len != 0) {
        writer_putc(w, '/');
        writer_put(w, e->name);
    }

    writer_putc(w, ' ');
    writer_put_u64(w, e->props.content_length);

    if (e->error.len != 0) {
        writer_puts(w, "  ");
        writer_put(w, e->error);
    }

    writer_putc(w, '\n');
}


static int
entry(void *ctx, const store_entry_t *e)
{
    queue_report_t *r = ctx;

    if (r->json) {
        entry_json(r, e);

    } else {
        entry_text(r, e);
    }

    r->first = false;
    return 0;
}


void
report_queue(store_reader_t *reader, bool json, writer_t *w)
{
    queue_report_t r = { w, json, true };

    writer_puts(w, json ? "[" : "");

    if (store_queue_scan(reader, 0, QUEUE_LIMIT, entry, &r) < 0) {
        writer_puts(w, json ? "" : "the queue cannot be read\n");
    }

    writer_puts(w, json ? "\n]\n" : "");
}
