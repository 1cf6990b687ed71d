#ifndef NGX_HTTP_BLOB_ORIGIN_H
#define NGX_HTTP_BLOB_ORIGIN_H

#include "ngx_http_blob.h"

#include "proto/answer.h"

/*
 * What the files of the origin side share. The ways out are the named
 * locations of conf/blob_origin.conf; the module composes the whole request
 * (target, headers, signature), they carry it.
 *
 *     read ──▶ know the blob: record, fact, else ask (HEAD by subrequest)
 *          ──▶ conditions and range, here
 *          ──▶ slices: subrequests through proxy_cache, in order
 *     forward ──▶ flush ──▶ the client's own request goes out
 *             ──▶ mutating: the answer waits until facts, record and container
 *                 are put right, then it goes to the client
 *
 * The ctx of a subrequest begins with ngx_http_blob_sub_t.
 */
#define BLOB_SLICE_SIZE        (4ULL * 1024 * 1024)
#define BLOB_SLICES_MAX        4 /* in flight or not sent yet, a request */
#define BLOB_READ_TRIES        3
#define BLOB_ORIGIN_VERSION    "2023-11-03"
#define BLOB_FLUSH_DEADLINE_MS 30000
#define BLOB_FORWARD_BODY_MAX  (64 * 1024) /* of an answer that is held */
#define BLOB_FORWARD_EDIT_MAX  (16 * 1024 * 1024) /* ... to be edited */

/* An account's origin, made at configuration: account->origin_data. */
typedef struct {
    view_t scheme; /* http:// or https:// */
    view_t host;   /* as in the Host header */
    view_t name;   /* without port, for TLS */
    view_t path;   /* /ACCOUNT in path style, else empty */
    view_t upstream;
    view_t forward; /* the same peers without keepalive */
    view_t sas;     /* query string or null */
} ngx_http_blob_lake_t;

/* The named locations of a server: bscf->origin_data. */
typedef struct {
    ngx_http_core_loc_conf_t *slice;
    ngx_http_core_loc_conf_t *ask;
    ngx_http_core_loc_conf_t *forward;
    ngx_http_core_loc_conf_t *tier;
} ngx_http_blob_ways_t;

/* A request as it goes out; variables answer from it. */
typedef struct {
    ngx_str_t url;
    ngx_str_t host;
    ngx_str_t name;
    ngx_str_t if_match;
    ngx_str_t cache_key;
    ngx_list_t headers;
} ngx_http_blob_out_t;

/* What it is made of. Headers without date, version, authorisation. */
typedef struct {
    view_t method;
    view_t resource; /* raw: /container/blob */
    view_t query;    /* raw, without credentials */
    view_t version;
    const proto_header_t *hdrs;
    unsigned nhdrs;
    int64_t content_length; /* -1: none is sent */
    bool forward;
    /* As the caller, not as the edge: with its token or its SAS, unsigned. */
    bool caller;
    view_t authorization;
    view_t sas;
} ngx_http_blob_out_spec_t;

typedef struct {
    ngx_http_blob_kind_t kind;
    ngx_http_blob_ctx_t *ctx; /* the client's request */
    ngx_http_blob_out_t out;
    ngx_uint_t status; /* of the origin; 0: no answer */
    view_t code;       /* x-ms-error-code */
    proto_header_t *hdrs;
    unsigned nhdrs;
    view_t body; /* of an answer that is wanted in memory */
    unsigned in_memory:1;
    unsigned done:1;
    unsigned failed:1; /* it ended with an error */
} ngx_http_blob_sub_t;

typedef struct ngx_http_blob_slices_s ngx_http_blob_slices_t;
typedef struct ngx_http_blob_fwd_s ngx_http_blob_fwd_t;

/* A client's request that goes out itself. */
struct ngx_http_blob_fwd_s {
    ngx_http_blob_ctx_t *ctx;
    uint64_t upto; /* flush: this number has to be gone */
    int64_t deadline_ms;
    ngx_msec_t poll_ms;
    const ngx_http_blob_step_t *flushed; /* NULL: the request goes out */
    const ngx_http_blob_step_t *before;  /* once fenced; NULL: nothing */
    store_change_t change;
    ngx_uint_t status;
    u_char *body;
    size_t len;
    size_t cap;
    unsigned edit:1; /* the answer is a document that we change */
    unsigned tier:1;
    unsigned read:1; /* the request's body is in memory */
    unsigned out:1;
    unsigned fenced:1;
    unsigned held:1;
    unsigned last:1;      /* all of the answer is in body */
    unsigned refreshed:1; /* and what follows from it is done */
    unsigned deleted:1;   /* here: the origin did not have it */
    unsigned replaced:1;  /* an error document goes instead */
};

/* Has waited for another one's question, which is enough; TWICE: for one that
 * was sent after this request had come; ABSENT: and the answer to that was
 * that there is nothing. */
typedef enum {
    BLOB_FOLLOW_NEVER = 0,
    BLOB_FOLLOW_ONCE,
    BLOB_FOLLOW_TWICE,
    BLOB_FOLLOW_ABSENT
} ngx_http_blob_follow_t;

/* ctx->origin of a client's request */
typedef struct {
    ngx_http_blob_ctx_t *ctx;
    ngx_http_blob_out_t out; /* when the request itself goes out */
    ngx_http_blob_sub_t *ask;
    int64_t asked_ms; /* when the last ask began */

    store_fact_t fact;
    writer_t fact_scratch;
    bool has_fact;
    int64_t doubt_ms; /* since then what was known before is old; 0 */
    tier_rc_t task_rc;
    store_change_t change;
    container_props_t container_props;
    const ngx_http_blob_step_t *after;
    const ngx_http_blob_step_t *write_next; /* lake_allows's */

    /* reads */
    blob_props_t props; /* as the client sees them */
    view_t origin_etag;
    uint64_t off;
    uint64_t len;
    bool partial;
    bool force; /* believe neither fact nor record */
    ngx_uint_t tries;
    ngx_http_blob_slices_t *slices;

    ngx_http_blob_fwd_t *fwd;

    /* crowd.c's: the node of one who asks, whose queue has those that wait */
    ngx_str_node_t crowd;
    ngx_queue_t crowd_queue;
    ngx_event_t crowd_event;
    bool leads;
    bool follows;
    bool absent; /* leads: what is asked for is not there */
    ngx_http_blob_follow_t follow;
} ngx_http_blob_way_t;

/* A slice under way in this worker. */
typedef struct {
    ngx_queue_t queue;
    ngx_http_request_t *sr;
    ngx_str_t key;
    unsigned wake:1;
    unsigned ended:1;
} ngx_http_blob_fill_t;

/* ---- origin.c --------------------------------------------------------- */

ngx_http_blob_way_t *ngx_http_blob_way(ngx_http_blob_ctx_t *ctx);
ngx_http_blob_ways_t *ngx_http_blob_ways(ngx_http_request_t *r);

/* A read from its beginning: what is known of the blob, then its bytes. */
ngx_int_t ngx_http_blob_read_know(ngx_http_request_t *r,
                                  ngx_http_blob_ctx_t *ctx);

static inline ngx_http_blob_lake_t *
ngx_http_blob_lake(ngx_http_blob_ctx_t *ctx)
{
    return ctx->account->origin_data;
}

/* ---- vars.c ----------------------------------------------------------- */

ngx_int_t ngx_http_blob_vars_add(ngx_conf_t *cf);
/* Composes and signs; all memory from `pool`. */
ngx_int_t ngx_http_blob_out_make(ngx_pool_t *pool, ngx_http_blob_ctx_t *ctx,
                                 const ngx_http_blob_out_spec_t *spec,
                                 ngx_http_blob_out_t *ret);
ngx_int_t ngx_http_blob_out_header(ngx_http_blob_out_t *out, view_t name,
                                   view_t value);
/* /container/blob, encoded from the decoded names. */
ngx_int_t ngx_http_blob_out_resource(ngx_pool_t *pool,
                                     ngx_http_blob_ctx_t *ctx, view_t *ret);
ngx_str_t ngx_http_blob_str(view_t v);

/* ---- ask.c ------------------------------------------------------------ */

/* Starts a subrequest of r in one of the ways; `handler` runs when it ends,
 * then r's write event handler. */
ngx_int_t ngx_http_blob_launch(ngx_http_request_t *r, ngx_pool_t *pool,
                               ngx_http_core_loc_conf_t *way,
                               ngx_http_blob_sub_t *sub, ngx_uint_t method,
                               ngx_http_request_t **ret);
typedef enum {
    BLOB_ASK_BLOB = 0,  /* HEAD */
    BLOB_ASK_CONTAINER, /* HEAD */
    BLOB_ASK_ACL        /* GET of the container's */
} ngx_http_blob_ask_t;

/* Sends what spec says (resource and all), its answer into memory or only its
 * header. way->ask has what was said when `next` runs. */
ngx_int_t ngx_http_blob_ask_send(ngx_http_request_t *r,
                                 ngx_http_blob_ctx_t *ctx,
                                 const ngx_http_blob_out_spec_t *spec,
                                 bool in_memory,
                                 const ngx_http_blob_step_t *next);
/* way->ask has what was said when `next` runs. */
ngx_int_t ngx_http_blob_ask(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                            ngx_http_blob_ask_t what,
                            const ngx_http_blob_step_t *next);
/* The header of a subrequest's answer, from the filter: status, code and all
 * headers. */
ngx_int_t ngx_http_blob_sub_take(ngx_http_request_t *sr,
                                 ngx_http_blob_sub_t *sub);
/* way->fact, way->has_fact from the store, of this blob (empty: of the
 * container). */
void ngx_http_blob_fact_find(ngx_http_blob_ctx_t *ctx, view_t blob);
/* Stores it in a thread, lets a crowd go, then `next`. */
ngx_int_t ngx_http_blob_fact_post(ngx_http_blob_ctx_t *ctx, view_t blob,
                                  const store_fact_t *fact,
                                  const ngx_http_blob_step_t *next);
bool ngx_http_blob_fact_fresh(ngx_http_blob_ctx_t *ctx);
/* The answer of a blob's HEAD becomes way->fact and is stored; then `next`.
 * Anything but 200 and 404 is answered as the error that it is. */
ngx_int_t ngx_http_blob_fact_learn(ngx_http_request_t *r,
                                   ngx_http_blob_ctx_t *ctx,
                                   const ngx_http_blob_step_t *next);
/* What the origin says from now on is news: no fact from before counts. */
ngx_int_t ngx_http_blob_fact_unknown(ngx_http_blob_ctx_t *ctx,
                                     const ngx_http_blob_step_t *next);

/* ---- crowd.c ---------------------------------------------------------- */

/* NGX_DECLINED: nobody asks, so that ctx does. BLOB_WAIT: somebody does; then
 * `again`. key NULL: for the request's blob. */
ngx_int_t ngx_http_blob_crowd_join(ngx_http_blob_ctx_t *ctx,
                                   const ngx_str_t *key,
                                   const ngx_http_blob_step_t *again);
/* What the one who asks was told; who has followed twice learns of it. */
void ngx_http_blob_crowd_absent(ngx_http_blob_way_t *way);
/* The answer is known, or there will be none. */
void ngx_http_blob_crowd_release(ngx_http_blob_way_t *way);
/* Lives as long as sr's pool. */
ngx_int_t ngx_http_blob_fill_add(ngx_http_blob_fill_t *fill,
                                 ngx_http_request_t *sr, ngx_str_t *key);
void ngx_http_blob_fill_ended(ngx_http_blob_fill_t *fill);

/* ---- slice.c ---------------------------------------------------------- */

/* Bytes way->off, way->len of the content that way->props and
 * way->origin_etag tell of; conditions and range are settled. */
ngx_int_t ngx_http_blob_slices(ngx_http_request_t *r,
                               ngx_http_blob_ctx_t *ctx);
/* A slice's subrequest has ended. */
void ngx_http_blob_slice_ended(ngx_http_blob_sub_t *sub);
/* From the filters, for subrequests of kind BLOB_CTX_SLICE. */
ngx_int_t ngx_http_blob_slice_header(ngx_http_request_t *sr,
                                     ngx_http_blob_sub_t *sub);
ngx_int_t ngx_http_blob_slice_body(ngx_http_request_t *sr,
                                   ngx_http_blob_sub_t *sub, ngx_chain_t *in);

/* ---- forward.c -------------------------------------------------------- */

bool ngx_http_blob_forwarding(ngx_http_blob_ctx_t *ctx);
ngx_http_blob_fwd_t *ngx_http_blob_fwd(ngx_http_blob_ctx_t *ctx);
/* fwd->change, cleared and addressed, of a state that the origin has. */
store_change_t *ngx_http_blob_fwd_change(ngx_http_blob_ctx_t *ctx,
                                         store_kind_t kind);
/* ctx->blob is a record that the origin has too. */
bool ngx_http_blob_fwd_record(ngx_http_blob_ctx_t *ctx);
bool ngx_http_blob_word_in(view_t v, const char *const *words);
/* From fwd->before: goes on with sending it. */
ngx_int_t ngx_http_blob_forward_out(ngx_http_blob_ctx_t *ctx);
/* Sets the fence, anew if it is there; fwd->change.rc says whether. */
ngx_int_t ngx_http_blob_forward_hold(ngx_http_request_t *r,
                                     ngx_http_blob_ctx_t *ctx,
                                     const ngx_http_blob_step_t *next);

/* ---- stage.c ---------------------------------------------------------- */

/* Before a block list whose body was read goes out: blob-tier uploads what it
 * names of the blocks that wait here. Ends in ngx_http_blob_forward_out, or
 * answers the error. */
const ngx_http_blob_step_t *ngx_http_blob_stage_step(void);

/* ---- answer.c --------------------------------------------------------- */

/* From the filters, for a client's request that went out. NGX_DECLINED: the
 * answer is nginx's own. */
ngx_int_t ngx_http_blob_forward_header(ngx_http_request_t *r,
                                       ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_forward_body(ngx_http_request_t *r,
                                     ngx_http_blob_ctx_t *ctx,
                                     ngx_chain_t *in);

/* The rest of an answer will not come: what is held ends with what is there,
 * once what follows from it is done. */
void ngx_http_blob_forward_lost(ngx_http_request_t *r,
                                ngx_http_blob_ctx_t *ctx);

/* ---- verdict.c -------------------------------------------------------- */

/* ctx's credential goes out as it came. */
ngx_int_t ngx_http_blob_caller(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                               ngx_http_blob_out_spec_t *spec);
/* The client's query: only what it proved itself with, or without that. */
ngx_int_t ngx_http_blob_query_part(ngx_http_request_t *r,
                                   ngx_http_blob_ctx_t *ctx, bool credential,
                                   view_t *ret);
/* The answer to Get User Delegation Key. */
void ngx_http_blob_key_learn(ngx_http_blob_ctx_t *ctx, view_t answer);

/* ---- zone.c ----------------------------------------------------------- */

#define BLOB_ZONE_VALUE_MAX 512

/* At configuration; sets bmcf->zone. */
ngx_int_t ngx_http_blob_zone_add(ngx_conf_t *cf,
                                 ngx_http_blob_main_conf_t *bmcf);
/* Copies into buf; false: not there, or over. */
bool ngx_http_blob_zone_get(ngx_shm_zone_t *zone, const u_char name[32],
                            u_char buf[BLOB_ZONE_VALUE_MAX], size_t *ret_len);
/* Replaces; the least used go when there is no room. */
void ngx_http_blob_zone_put(ngx_shm_zone_t *zone, const u_char name[32],
                            time_t until, view_t value);

/* ---- filter.c --------------------------------------------------------- */

ngx_int_t ngx_http_blob_next_header(ngx_http_request_t *r);
ngx_int_t ngx_http_blob_next_body(ngx_http_request_t *r, ngx_chain_t *in);
/* Sends the header of an error in place of the one at hand; its document
 * replaces the body. From the header filter. */
ngx_int_t ngx_http_blob_error_replace(ngx_http_request_t *r,
                                      ngx_http_blob_ctx_t *ctx,
                                      proto_err_t err);

/* list_account.c: the query as the origin is to read it, the document with our
 * containers in it. Nothing of other requests. */
ngx_int_t ngx_http_blob_list_query(ngx_http_request_t *r,
                                   ngx_http_blob_ctx_t *ctx, view_t *query);
ngx_int_t ngx_http_blob_list_pending(ngx_http_request_t *r,
                                     ngx_http_blob_ctx_t *ctx);

#endif
