#ifndef ORIGIN_ORIGIN_H
#define ORIGIN_ORIGIN_H

#include "base/log.h"
#include "base/props.h"
#include "base/rc.h"
#include "base/view.h"
#include "base/writer.h"
#include "proto/error.h"
#include "proto/headers.h"
#include "proto/xml_out.h"

/*
 * The lake's client: requests to one account's Blob service on libcurl.
 * An origin_t says where and as whom, does not change and may be used by all
 * threads; an origin_conn_t keeps connections open and belongs to one thread
 * at a time. Requests block.
 */
#define ORIGIN_VERSION     "2021-12-02" /* the one x-ms-version spoken */
#define ORIGIN_HEADERS_MAX 320          /* metadata: up to 256 */

typedef struct origin_s origin_t;
typedef struct origin_conn_s origin_conn_t;

typedef struct origin_opts_s {
    view_t url;     /* https://ACCOUNT.blob..., or http://HOST:PORT/ACCOUNT */
    view_t account; /* to sign as */
    view_t key;     /* decoded; empty: none */
    view_t sas;     /* query string without `?`; empty: none */
    const tier_log_t *log; /* outlives the origin */
} origin_opts_t;

/* Once per process, before threads. */
tier_rc_t origin_global_init(void);

/* Copies the options. */
TIER_MUST_CHECK tier_rc_t origin_new(const origin_opts_t *opts,
                                     origin_t **ret);
void origin_free(origin_t *origin);
TIER_MUST_CHECK tier_rc_t origin_conn_new(origin_conn_t **ret);
void origin_conn_free(origin_conn_t *conn);

/* Fills buf with the next bytes of a body: how many, 0 at its end, -1 on
 * failure (the request is then given up). */
typedef int64_t (*origin_read_fn)(void *ctx, void *buf, size_t cap);

typedef struct origin_req_s {
    const char *method;
    view_t container; /* decoded; empty: the account */
    view_t blob;      /* decoded; empty: the container */
    view_t query;     /* encoded, without `?`, sorted or not; or empty */
    const proto_header_t *headers; /* x-ms-date, x-ms-version and
                                      Authorization are added */
    unsigned nheaders;
    origin_read_fn read;       /* NULL: no body */
    bool (*rewind)(void *ctx); /* back to its beginning, if curl must */
    void *read_ctx;
    uint64_t length;
    writer_t *body; /* takes the answer's body; NULL: dropped */
    long timeout_s; /* of the whole request; 0: by size */
} origin_req_t;

/* What an answer means for a caller who may try again. */
typedef enum {
    ORIGIN_OK = 0,    /* 2xx */
    ORIGIN_NOT_FOUND, /* 404 */
    ORIGIN_CONDITION, /* 412, 409 BlobAlreadyExists, 304 */
    ORIGIN_TRANSIENT, /* no answer, 5xx, ContainerBeingDeleted */
    ORIGIN_THROTTLED, /* 429, 503 ServerBusy: wait retry_after_s */
    ORIGIN_AUTH,      /* 401, 403: an operator has to look */
    ORIGIN_PERMANENT  /* any other refusal */
} origin_class_t;

typedef struct origin_answer_s {
    origin_class_t class_;
    unsigned status; /* 0: there was no answer */
    bool sent;       /* request bytes went out: it may have taken effect */
    unsigned retry_after_s;
    int64_t date_s;  /* the origin's clock; 0: unknown */
    int64_t local_s; /* ours then */
    proto_header_t headers[ORIGIN_HEADERS_MAX];
    unsigned nheaders;
    view_t code;      /* x-ms-error-code */
    char text[192];   /* one line for logs and operators: no credentials */
    writer_t scratch; /* headers point into buf */
    uint8_t buf[24 * 1024];
} origin_answer_t;

/* TIER_OK when there was an answer of any kind or none came (see class_);
 * negative: no memory. */
TIER_MUST_CHECK tier_rc_t origin_request(origin_conn_t *conn,
                                         const origin_t *origin,
                                         const origin_req_t *req,
                                         origin_answer_t *ret);

/* HEAD of a blob; *ret is filled when class_ is ORIGIN_OK, its views point
 * into the answer. */
TIER_MUST_CHECK tier_rc_t origin_head(origin_conn_t *conn,
                                      const origin_t *origin, view_t container,
                                      view_t blob, origin_answer_t *answer,
                                      blob_props_t *ret);

/* ---- listings (list.c) ---- */

typedef struct origin_item_s {
    view_t name; /* decoded */
    bool prefix; /* a BlobPrefix: only the name */
    bool base;   /* what the name stands for now: no snapshot, no former
                    version, not deleted */
    view_t rank; /* which of a name's entries: empty, or text of its own that
                    grows with time */
    unsigned at; /* its place on the page as it came */
    blob_props_t props; /* times and ETag: all that is changed of an entry */
    proto_list_said_t said;
} origin_item_t;

/* One page of List Blobs; items are sorted by the bytes of their names, those
 * of one name stay in the origin's order. */
typedef struct origin_page_s {
    origin_item_t *items;
    unsigned n;
    view_t next_marker; /* empty: the last page */
    writer_t strings;
} origin_page_t;

TIER_MUST_CHECK tier_rc_t origin_page_parse(view_t xml, origin_page_t *ret);
void origin_page_free(origin_page_t *page);

/* Committed (or uncommitted) blocks of Get Block List; fn returns false to
 * stop. */
typedef bool (*origin_block_fn)(void *ctx, view_t id_text, uint64_t size);
TIER_MUST_CHECK tier_rc_t origin_blocks_parse(view_t xml, bool committed,
                                              origin_block_fn fn, void *ctx);

#endif
