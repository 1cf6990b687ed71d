#include <stdio.h>

#include "base/digest.h"
#include "proto/answer.h"
#include "proto/date.h"
#include "proto/tags.h"
#include "sync/carry_parts.h"

/* ---- outcomes --------------------------------------------------------- */

void
carry_outcome(carry_t *c, sync_verdict_t verdict, const char *what)
{
    c->out->verdict = verdict;
    snprintf(c->out->text, sizeof(c->out->text), "%s", what);
}


static void
outcome_answer(carry_t *c, sync_verdict_t verdict, const char *what)
{
    c->out->verdict = verdict;
    snprintf(c->out->text, sizeof(c->out->text), "%s: %s", what,
             c->answer->text);
}


/* Answers that say the same for every operation. */
void
carry_failed(carry_t *c, const char *what)
{
    switch (c->answer->class_) {
    case ORIGIN_TRANSIENT:
        outcome_answer(c, SYNC_LATER, what);
        break;

    case ORIGIN_THROTTLED:
        outcome_answer(c, SYNC_LATER, what);
        c->out->throttled = true;
        break;

    default:
        outcome_answer(c, SYNC_PARK, what);
    }

    c->out->retry_after_s = c->answer->retry_after_s;
}


void
carry_done(carry_t *c, view_t etag, int64_t last_modified_s)
{
    c->out->verdict = SYNC_DONE;
    c->out->etag_len =
        etag.len < sizeof(c->out->etag) ? etag.len : sizeof(c->out->etag);

    if (c->out->etag_len != 0) {
        memcpy(c->out->etag, etag.ptr, c->out->etag_len);
    }

    c->out->last_modified_s = last_modified_s;
}


void
carry_done_answer(carry_t *c)
{
    const origin_answer_t *a = c->answer;
    int64_t t = 0;

    (void) proto_date_parse_http(
        proto_answer_header(a->headers, a->nheaders, VIEW("last-modified")),
        &t);
    carry_done(c,
               proto_answer_etag(
                   proto_answer_header(a->headers, a->nheaders, VIEW("etag"))),
               t);
}


/* ---- requests --------------------------------------------------------- */

void
carry_headers_reset(carry_t *c)
{
    c->nh = 0;
    c->crowded = false;
    writer_init_fixed(&c->text, c->text_buf, sizeof(c->text_buf));
}


void
carry_header(carry_t *c, view_t name, view_t value)
{
    if (value.ptr == NULL) {
        return;
    }

    if (c->nh == CARRY_HEADERS_MAX) {
        c->crowded = true;
        return;
    }

    c->h[c->nh++] = (proto_header_t){ name, value };
}


/* value between quotes, as ETags are sent */
static view_t
quoted(carry_t *c, view_t etag)
{
    size_t at = c->text.len;

    writer_putc(&c->text, '"');
    writer_put(&c->text, etag);
    writer_putc(&c->text, '"');
    return view_of(c->text.buf + at, c->text.len - at);
}


void
carry_headers_cond(carry_t *c)
{
    if (c->if_absent) {
        carry_header(c, VIEW("if-none-match"), VIEW("*"));

    } else if (c->if_match.len != 0) {
        carry_header(c, VIEW("if-match"), quoted(c, c->if_match));
    }
}


static view_t
base64_text(carry_t *c, const void *p, size_t len)
{
    size_t at = c->text.len;

    base64_encode(&c->text, view_of(p, len));
    return view_of(c->text.buf + at, c->text.len - at);
}


void
carry_headers_metadata(carry_t *c, view_t packed)
{
    view_t name, value;

    for (size_t pos = 0; props_pairs_next(packed, &pos, &name, &value);) {
        size_t at = c->text.len;

        writer_puts(&c->text, "x-ms-meta-");
        writer_put(&c->text, name);
        carry_header(c, view_of(c->text.buf + at, c->text.len - at), value);
    }
}


/* Empty says the same as absent, and some servers keep the empty value. */
static void
header_prop(carry_t *c, view_t name, view_t value)
{
    carry_header(c, name, value.len != 0 ? value : VIEW_NULL);
}

void
carry_headers_props(carry_t *c, const blob_props_t *p)
{
    header_prop(c, VIEW("x-ms-blob-content-type"), p->content_type);
    header_prop(c, VIEW("x-ms-blob-content-encoding"), p->content_encoding);
    header_prop(c, VIEW("x-ms-blob-content-language"), p->content_language);
    header_prop(c, VIEW("x-ms-blob-content-disposition"),
                p->content_disposition);
    header_prop(c, VIEW("x-ms-blob-cache-control"), p->cache_control);

    if (p->has_md5) {
        carry_header(c, VIEW("x-ms-blob-content-md5"),
                     base64_text(c, p->md5, sizeof(p->md5)));
    }
}


void
carry_headers_tier(carry_t *c, const blob_props_t *p)
{
    static const char *const names[] = { NULL, "Hot", "Cool", "Cold",
                                         "Archive" };

    if (p->tier != TIER_NONE) {
        carry_header(c, VIEW("x-ms-access-tier"), view_str(names[p->tier]));
    }
}


void
carry_headers_tags(carry_t *c, const blob_props_t *p)
{
    size_t at = c->text.len;

    if (p->tags.len != 0) {
        proto_tags_format(&c->text, p->tags);
        carry_header(c, VIEW("x-ms-tags"),
                     view_of(c->text.buf + at, c->text.len - at));
    }
}


int64_t
carry_text_read(void *text, void *buf, size_t cap)
{
    carry_text_t *t = text;
    view_t part = view_sub(t->v, t->at, cap);

    memcpy(buf, part.ptr, part.len);
    t->at += part.len;
    return (int64_t) part.len;
}


bool
carry_text_rewind(void *text)
{
    ((carry_text_t *) text)->at = 0;
    return true;
}


/* Sends it to c->name; false when it was not sent (outcome set). */
bool
carry_send(carry_t *c, origin_req_t *req)
{
    req->container = c->e->container;
    req->blob = c->name;
    req->headers = c->h;
    req->nheaders = c->nh;

    c->crowded |= !writer_ok(&c->text);

    if (c->crowded) {
        carry_outcome(c, SYNC_PARK, "more headers than a request can have");
        return false;
    }

    if (c->env->request(c->env->ctx, 0, req, c->answer) != TIER_OK) {
        carry_outcome(c, SYNC_LATER, "no memory");
        return false;
    }

    return true;
}
