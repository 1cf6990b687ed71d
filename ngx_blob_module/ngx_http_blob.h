#ifndef NGX_HTTP_BLOB_H
#define NGX_HTTP_BLOB_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <stdbool.h>

#include "base/policy.h"
#include "base/props.h"
#include "base/rc.h"
#include "base/view.h"
#include "base/writer.h"
#include "proto/auth.h"
#include "proto/cond.h"
#include "proto/error.h"
#include "proto/headers.h"
#include "proto/lease.h"
#include "proto/op.h"
#include "proto/service.h"
#include "proto/uri.h"
#include "store/store.h"

/*
 * What the files of the glue share. Everything runs on the event loop of one
 * worker, but for the `run` functions of tasks.
 *
 * Which function lives where:
 *
 *   core
 *     module.c    directive table, confs, phases; conf.c: the directives
 *     process.c   policy file, opening the store in each process
 *     handler.c   entry, parse, gate, dispatch; log.c: lines without secrets
 *     conf_auth.c directives on who is let in, other names of an account
 *     step.c      driver, wake, timers, tasks, finish
 *     commit.c    batches of changes; waiting until durable
 *     body.c      request bodies: bounded into memory, streamed to the store
 *     reply.c     headers, errors, answers without a blob's content
 *     file.c      files of the store open for reading
 *     read.c      Get Blob, HEAD: lookups, conditions, resident bytes
 *     frame.c     answers as structured messages
 *     fetch.c     bytes of a copy's source outside the edge
 *     copy.c      copies: the source, sharing its content
 *     copy_move.c bytes of a content into a body
 *     write.c     Put Blob, Put Block, block list, metadata, props, delete
 *     snapshot.c  Snapshot Blob; write.h: what writes share
 *     lease.c     Lease Blob, Lease Container; leases in the way of others
 *     append.c    append blobs: Put Blob, Append Block, Append Blob Seal
 *     tags.c      Get and Set Blob Tags, Set Blob Tier
 *     find.c      Find Blobs by Tags
 *     container.c containers, account rows
 *     service.c   service properties
 *     cors.c      CORS: preflights, headers of answers, an origin's rules
 *     list.c      List Blobs, List Containers, block lists
 *     batch.c     Blob Batch: parts as subrequests
 *
 *   origin side (ngx_http_blob_origin.h)
 *     vars.c      variables of conf/blob_origin.conf
 *     ask.c       asking (HEAD/GET) with @blob_ask; origin.c: facts
 *     resolve.c   containers: known from the origin, renewed
 *     crowd.c     many who want the same: one asks, one fetches
 *     verdict.c   what the origin says of a caller; zone.c keeps it
 *     slice.c     reads through the hot tier, @blob_slice
 *     forward.c   flush, fence, @blob_forward, @blob_tier listings
 *     list_account.c  List Containers, forwarded and completed
 *     stage.c     blocks that wait here, for a list that is forwarded
 *     answer.c    what comes back of what was forwarded
 *     tier.c      a connection to blob-tier
 *     filter.c    ngx_http_blob_filter_module: header and body filter,
 *                 Azure bodies for nginx's own errors
 *
 * ctx, its scratch buffers and everything in r->pool live until the request
 * ends; `container` and `blob` until the next find_container / find_blob.
 *
 * A request is a run of steps. A step's `run` does its work and returns
 *   BLOB_NEXT  ctx->step names the next one (ngx_http_blob_goto);
 *   BLOB_WAIT  exactly one wake source is armed (task, timer, commit, body,
 *              subrequest), and it will call ngx_http_blob_wake;
 *   BLOB_DONE  ngx_http_blob_finish was called.
 * After finish() or wake() nothing touches ctx.
 */
#define BLOB_NEXT          NGX_OK
#define BLOB_WAIT          NGX_AGAIN
#define BLOB_DONE          NGX_DONE

#define BLOB_SCRATCH_SIZE  (24 * 1024) /* names, metadata */
#define BLOB_BODY_BUF_SIZE (256 * 1024)
#define BLOB_BODY_BUFS     2
#define BLOB_SMALL_READ    (32 * 1024)

extern ngx_module_t ngx_http_blob_module;
extern ngx_module_t ngx_http_blob_filter_module;

typedef struct ngx_http_blob_ctx_s ngx_http_blob_ctx_t;
typedef struct ngx_http_blob_body_s ngx_http_blob_body_t;
typedef struct ngx_http_blob_batch_part_s ngx_http_blob_batch_part_t;
typedef struct ngx_http_blob_account_s ngx_http_blob_account_t;
typedef struct ngx_http_blob_copy_s ngx_http_blob_copy_t;

typedef ngx_int_t (*ngx_http_blob_step_pt)(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);

typedef struct {
    const char *name;   /* in debug lines */
    const char *action; /* log->action: "while ..." */
    ngx_http_blob_step_pt run;
} ngx_http_blob_step_t;

/* ---- configuration ---------------------------------------------------- */

struct ngx_http_blob_account_s {
    ngx_str_t name;
    ngx_str_t keys_conf[POLICY_KEYS_MAX]; /* as written */
    u_char keys_buf[POLICY_KEYS_MAX][64];
    view_t keys[POLICY_KEYS_MAX]; /* decoded */
    ngx_uint_t nkeys;

    ngx_str_t origin;   /* URL as written, without a trailing slash; or none */
    ngx_str_t upstream; /* upstream=NAME, or empty */
    ngx_str_t origin_account; /* to sign with; = name unless told */
    ngx_str_t origin_key_conf;
    ngx_str_t origin_sas_conf;
    u_char origin_key_buf[64];
    view_t origin_key; /* decoded; null: none */

    ngx_array_t aliases;      /* ngx_str_t: other names, hosts */
    ngx_uint_t auth_refused;  /* 1u << proto_cred_t */
    ngx_flag_t auth_insecure; /* tokens over http */
    ngx_flag_t auth_given;
    ngx_str_t tenant; /* of the challenge; empty: common */
    view_t challenge; /* WWW-Authenticate */

    policy_account_t policy; /* rules[0] is the account's own */
    ngx_array_t rules;       /* policy_rule_t while parsing */
    ngx_array_t sources;     /* view_t: blob_copy_source, while parsing */

    u_char *file; /* where the block stands, for messages */
    ngx_uint_t line;

    void *origin_data; /* made by ngx_http_blob_origin_account */
};

typedef struct {
    ngx_array_t accounts; /* ngx_http_blob_account_t * */
    ngx_str_t store_path; /* absolute; empty: no blob_store */
    policy_t policy;      /* what is published */
    u_char *file;
    ngx_uint_t line;

    ngx_thread_pool_t *io;      /* blob_io: bodies, scans, waits */
    ngx_thread_pool_t *commits; /* blob_commit */

    ngx_uint_t passes;    /* locations with blob_pass */
    ngx_shm_zone_t *zone; /* verdicts and keys of an origin; or NULL */

    ngx_http_blob_account_t *open_account; /* while parsing */
    ngx_uint_t open_rule;

    void *origin_data; /* the origin side's */

    /* of this process, set in init_process; store is NULL while it could
     * not be opened: answer ServerBusy */
    store_t *store;
    store_reader_t *reader; /* the event loop's */
    tier_log_t log;
    ngx_event_t open_timer;
    void *open_state; /* process.c's */
    tier_rc_t open_rc;
} ngx_http_blob_main_conf_t;

typedef struct {
    ngx_uint_t pass;       /* a location of this server has blob_pass */
    ngx_uint_t origin;     /* ... of an account with an origin */
    ngx_uint_t all;        /* ... of "*" */
    ngx_array_t *accounts; /* those named: ngx_http_blob_account_t * */
    void *origin_data;     /* the origin side's: the named locations */
} ngx_http_blob_srv_conf_t;

typedef struct {
    ngx_flag_t pass;
    ngx_str_t account_name;           /* "*": as the URL says */
    ngx_http_blob_account_t *account; /* NULL if "*" */
    proto_uri_style_t style;
    ngx_uint_t auth_refused; /* beside the account's */
    ngx_flag_t auth_insecure;
    u_char *file; /* where blob_pass stands, for messages */
    ngx_uint_t line;
} ngx_http_blob_loc_conf_t;

/* ---- a request -------------------------------------------------------- */

/* First member of whatever is a request's module ctx. */
typedef enum {
    BLOB_CTX_MAIN = 0, /* ngx_http_blob_ctx_t */
    BLOB_CTX_ASK,      /* the origin side's, of subrequests */
    BLOB_CTX_SLICE,
    BLOB_CTX_TIER
} ngx_http_blob_kind_t;

typedef enum {
    BLOB_LOOKUP_NONE = 0, /* not looked up */
    BLOB_LOOKUP_ABSENT,   /* there is none (here; at the origin: unknown) */
    BLOB_LOOKUP_FOUND
} ngx_http_blob_lookup_t;

typedef void (*ngx_http_blob_task_pt)(void *data, const tier_log_t *log);

struct ngx_http_blob_ctx_s {
    ngx_http_blob_kind_t kind;
    ngx_http_request_t *r;
    const ngx_http_blob_step_t *step;
    ngx_http_blob_main_conf_t *bmcf;
    ngx_http_blob_loc_conf_t *blcf;

    /* what was asked */
    view_t target; /* raw, as on the wire */
    view_t host;
    proto_header_t *hdrs;
    unsigned nhdrs;
    proto_uri_t uri;
    const proto_op_t *op;
    proto_headers_t headers;
    proto_lease_guard_t lease; /* zeros with an origin: it keeps the leases */
    proto_body_check_t body_check; /* what the body must be */
    proto_auth_in_t auth_in;
    proto_auth_out_t auth;
    proto_fault_t fault; /* filled by whatever refuses */
    view_t challenge;    /* the origin's, with a 401 of its */
    int64_t now_s;

    /* what is known */
    ngx_http_blob_account_t *account;
    policy_rule_t policy;
    uint64_t snapshot; /* the blob is this one of it; 0: the base */
    ngx_http_blob_lookup_t container_found;
    store_container_t container;
    ngx_http_blob_lookup_t blob_found;
    store_blob_t blob;
    writer_t scratch; /* what uri and headers point into */
    writer_t container_scratch;
    writer_t blob_scratch;
    uint64_t seen; /* highest commit number that the answer reflects */

    /* what is under way */
    const ngx_http_blob_step_t *next; /* where the origin side goes on */
    const ngx_http_blob_step_t *container_next; /* need_container's */
    proto_err_t late_err;                       /* fail_durable's */
    ngx_http_blob_body_t *body;
    void *durable;           /* commit.c's */
    void *commit;            /* and the one that waits for a fence */
    int64_t fenced_until_ms; /* it is given up; 0: none was met */
    void *parse;             /* write.c's */
    struct ngx_http_blob_fetch_s *fetch;
    ngx_event_t timer;
    ngx_thread_task_t *task;
    void *op_data;              /* of the operation's file */
    ngx_http_blob_copy_t *copy; /* rows with a copy source */

    /* x-ms-copy-source as the origin is to read it; null: not to be sent. What
     * clients know its version by, and what the origin does */
    view_t copy_source;
    view_t copy_etag;
    view_t copy_origin_etag;
    int64_t copy_modified_s;
    int64_t copy_origin_modified_s;
    void *origin;  /* of the origin side's files */
    void *frame;   /* frame.c's, while it frames what leaves */
    view_t splice; /* our uncommitted blocks, for a forwarded list */
    /* of a batch that r stands for; NULL: r is the client's */
    ngx_http_blob_batch_part_t *part;

    u_char request_id[36];
    unsigned finished:1;
    unsigned own_reply:1;    /* headers were composed here: filters pass it */
    unsigned keep_headers:1; /* an error keeps those already added */
    unsigned resolved:1;     /* the origin was asked for the container */
    unsigned unreachable:1;  /* ... and did not answer, container_reach */
    unsigned looked_again:4; /* the content had gone, see read.c */
    unsigned facts_asked:1;  /* ... for the blob, see fact_for_write */
    unsigned cors_known:1;   /* the origin's CORS rules, for this request */
    unsigned framed:1;       /* the answer is a structured message */
};

/* ---- step.c ----------------------------------------------------------- */

/* Makes the ctx and hangs it on r; NULL: no memory. */
ngx_http_blob_ctx_t *ngx_http_blob_ctx_create(ngx_http_request_t *r);
ngx_int_t ngx_http_blob_goto(ngx_http_blob_ctx_t *ctx,
                             const ngx_http_blob_step_t *step);
/* From the content handler: runs ctx->step as far as it goes. */
void ngx_http_blob_run(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx);
/* From a wake source, on the event loop: runs on with ctx->step, then the
 * posted requests. */
void ngx_http_blob_wake(ngx_http_blob_ctx_t *ctx);
/* Sole caller of ngx_http_finalize_request for the client's request. */
ngx_int_t ngx_http_blob_finish(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                               ngx_int_t rc);
/* Arms the timer; `step` runs when it fires. Returns BLOB_WAIT. */
ngx_int_t ngx_http_blob_sleep(ngx_http_blob_ctx_t *ctx, ngx_msec_t ms,
                              const ngx_http_blob_step_t *step);
/* Runs fn(data) in a thread, then `step`. `data` is pool memory of the
 * request, which lives until then (r->blocked). No r, pool or conf in fn.
 * Returns BLOB_WAIT, or NGX_ERROR when it cannot be posted. */
ngx_int_t ngx_http_blob_task(ngx_http_blob_ctx_t *ctx, ngx_thread_pool_t *tp,
                             ngx_http_blob_task_pt fn, void *data,
                             const ngx_http_blob_step_t *step);
/* The wall clock, not nginx's cached one; in threads, too. */
int64_t ngx_http_blob_now_ms(void);
/* Busy-count for wake sources of other files: keeps the request's memory. */
void ngx_http_blob_block(ngx_http_blob_ctx_t *ctx);
void ngx_http_blob_unblock(ngx_http_blob_ctx_t *ctx);

/* ---- commit.c --------------------------------------------------------- */

/* Queues the change (pool memory of the request, all it points to as well);
 * `step` runs when it is committed and durable, or refused: look at
 * change->rc and change->verdict. Returns BLOB_WAIT or NGX_ERROR. */
ngx_int_t ngx_http_blob_commit(ngx_http_blob_ctx_t *ctx,
                               store_change_t *change,
                               const ngx_http_blob_step_t *step);
/* The same; a patient change that had to wait for a fence is not committed
 * after that: `again` runs. NULL: it is. */
ngx_int_t ngx_http_blob_commit_again(ngx_http_blob_ctx_t *ctx,
                                     store_change_t *change,
                                     const ngx_http_blob_step_t *step,
                                     const ngx_http_blob_step_t *again);
/* Goes to `step` once ctx->seen is durable; at once as a rule. */
ngx_int_t ngx_http_blob_wait_durable(ngx_http_blob_ctx_t *ctx,
                                     const ngx_http_blob_step_t *step);

/* A reader for a task of this request, given back when the request ends. */
store_reader_t *ngx_http_blob_thread_reader(ngx_http_blob_ctx_t *ctx);

/* ---- body.c ----------------------------------------------------------- */

/* Reads a bounded body into memory (limit: the operation row's), then
 * `step`; the bytes are ngx_http_blob_body_view. Answers the error itself. */
ngx_int_t ngx_http_blob_body_read(ngx_http_request_t *r,
                                  ngx_http_blob_ctx_t *ctx, size_t limit,
                                  const ngx_http_blob_step_t *step);
view_t ngx_http_blob_body_view(ngx_http_blob_ctx_t *ctx);
/* Streams the body into the store, checks its length, MD5 and CRC64, then
 * `step`; the store_body_t is then ngx_http_blob_body_take's. */
ngx_int_t ngx_http_blob_body_stream(ngx_http_request_t *r,
                                    ngx_http_blob_ctx_t *ctx,
                                    const ngx_http_blob_step_t *step);
store_body_t *ngx_http_blob_body_take(ngx_http_blob_ctx_t *ctx);
const store_digest_t *ngx_http_blob_body_digest(ngx_http_blob_ctx_t *ctx);
/* It came as a structured message, which the answer has to say again. */
bool ngx_http_blob_body_framed(ngx_http_blob_ctx_t *ctx);

/* ---- reply.c ---------------------------------------------------------- */

/* Adds a response header; name static, value copied into the pool. Content-
 * Type, Content-Length, ETag, Last-Modified, Date go to their places. */
ngx_int_t ngx_http_blob_header(ngx_http_request_t *r, view_t name,
                               view_t value);
/* The text that the store gives an ETag: into the request's pool. */
view_t ngx_http_blob_etag_text(ngx_http_request_t *r, uint64_t etag);
/* The same as proto's emit callback; ctx is the ngx_http_request_t. */
void ngx_http_blob_emit(void *r, view_t name, view_t value);
/* x-ms-request-id, x-ms-version, x-ms-client-request-id, Date, Server; for
 * every answer, also those of the filters. */
ngx_int_t ngx_http_blob_common_headers(ngx_http_request_t *r,
                                       ngx_http_blob_ctx_t *ctx);
void ngx_http_blob_request_id(u_char ret[36]);
/* Sends headers so far (nothing is added) and `body`, not copied: pool memory
 * or static. For a HEAD a Content-Length that was set stays. BLOB_DONE. */
ngx_int_t ngx_http_blob_send(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                             ngx_uint_t status, view_t body);
/* Common headers, then as ngx_http_blob_send. Drains or closes what is left
 * of the request's body. */
ngx_int_t ngx_http_blob_reply(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                              ngx_uint_t status, view_t content_type,
                              view_t body);
/* Azure's answer to an error; details come from ctx->fault. BLOB_DONE. */
ngx_int_t ngx_http_blob_fail(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                             proto_err_t err);
/* The status and, as the service does, the message as reason phrase. */
ngx_int_t ngx_http_blob_status_line(ngx_http_request_t *r, proto_err_t err);
/* The one translator from tier_rc_t, and what a refused change means. */
proto_err_t ngx_http_blob_change_error(const store_change_t *change);
proto_err_t ngx_http_blob_rc_error(tier_rc_t rc);
/* Last thing before own headers are sent: allow_ranges, not_modified, gzip
 * off; own_reply on. */
void ngx_http_blob_own_reply(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx);
/* The Azure error document into pool memory. */
ngx_int_t ngx_http_blob_error_body(ngx_http_request_t *r,
                                   ngx_http_blob_ctx_t *ctx, proto_err_t err,
                                   view_t *ret);

/* ---- file.c ----------------------------------------------------------- */

typedef struct ngx_http_blob_file_s ngx_http_blob_file_t;

/* A file of the store open for reading, for the request's life; NULL: it
 * cannot be opened (logged), or is gone. */
ngx_file_t *ngx_http_blob_file_get(ngx_http_blob_ctx_t *ctx, ngx_uint_t kind,
                                   uint64_t id);

/* ---- read.c ----------------------------------------------------------- */

/* Looks the container / blob up in the index; sets container_found,
 * blob_found, seen. TIER_NOT_FOUND is not an error here. */
tier_rc_t ngx_http_blob_find_container(ngx_http_blob_ctx_t *ctx);
tier_rc_t ngx_http_blob_find_blob(ngx_http_blob_ctx_t *ctx);
/* Goes to `next` with a container, asking the origin if there is one; or
 * answers ContainerNotFound. */
ngx_int_t ngx_http_blob_need_container(ngx_http_request_t *r,
                                       ngx_http_blob_ctx_t *ctx,
                                       const ngx_http_blob_step_t *next);
/* Answers `err` once what led to it is durable. */
ngx_int_t ngx_http_blob_fail_durable(ngx_http_request_t *r,
                                     ngx_http_blob_ctx_t *ctx,
                                     proto_err_t err);
/* Status line, headers and (unless HEAD) resident bytes of ctx->blob; checks
 * conditions and the range first. */
ngx_int_t ngx_http_blob_read_resident(ngx_http_request_t *r,
                                      ngx_http_blob_ctx_t *ctx);
/* Conditions and range against `props`; PROTO_OK or what to answer (also
 * 304). Range is whole when none was asked; *ret_partial: 206. */
proto_err_t ngx_http_blob_read_check(ngx_http_blob_ctx_t *ctx,
                                     const blob_props_t *props,
                                     view_t origin_etag, uint64_t *ret_off,
                                     uint64_t *ret_len, bool *ret_partial);
/* All headers of a GET/HEAD of a blob with these properties; `framed`: length
 * of the structured message, 0 for a plain answer. */
ngx_int_t ngx_http_blob_read_headers(ngx_http_request_t *r,
                                     ngx_http_blob_ctx_t *ctx,
                                     const blob_props_t *props, uint64_t off,
                                     uint64_t len, bool partial,
                                     uint64_t framed);

/* A refusal with what it has to say of the blob (304, 416). */
ngx_int_t ngx_http_blob_read_refuse(ngx_http_request_t *r,
                                    ngx_http_blob_ctx_t *ctx, proto_err_t err,
                                    const blob_props_t *props);
/* scheme://host[/account]/ as the client wrote it, for documents. */
view_t ngx_http_blob_endpoint(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx);

/* ---- frame.c ---------------------------------------------------------- */

/* `body` of pool memory as a structured message in pool memory. */
ngx_int_t ngx_http_blob_frame_memory(ngx_http_request_t *r, view_t body,
                                     view_t *ret);
/* Before the headers: what is sent from now on, `length` bytes, leaves as a
 * structured message. Returns the message's length in *ret. */
ngx_int_t ngx_http_blob_frame_start(ngx_http_request_t *r,
                                    ngx_http_blob_ctx_t *ctx, uint64_t length,
                                    uint64_t *ret);
/* From the body filter, while ctx->frame is set. */
ngx_int_t ngx_http_blob_frame_body(ngx_http_request_t *r,
                                   ngx_http_blob_ctx_t *ctx, ngx_chain_t *in);

/* ---- lease.c ---------------------------------------------------------- */

/* Whether the lease lets a read or, under the index's lock, `change` pass:
 * PROTO_OK or 412. A change that passes may take an old lease with it. `lease`
 * NULL: there is no such blob. */
proto_err_t ngx_http_blob_lease_guard(const proto_lease_guard_t *guard,
                                      store_change_t *change,
                                      const lease_t *lease);

/* ---- batch.c ---------------------------------------------------------- */

/* A subrequest that stands for a part of a batch. Its ctx has `part` set; no
 * such ctx: there was no memory. */
bool ngx_http_blob_is_part(ngx_http_request_t *r);
/* How its target is to be read. */
void ngx_http_blob_part_opts(ngx_http_blob_ctx_t *ctx, proto_uri_opts_t *opts);
/* After parsing: what the batch's request says of it; PROTO_OK or what to
 * answer. */
proto_err_t ngx_http_blob_part_check(ngx_http_blob_ctx_t *ctx);
/* In place of the client's connection, at the end of the filters. */
ngx_int_t ngx_http_blob_part_header(ngx_http_request_t *sr,
                                    ngx_http_blob_batch_part_t *part);
ngx_int_t ngx_http_blob_part_body(ngx_http_request_t *sr,
                                  ngx_http_blob_batch_part_t *part,
                                  ngx_chain_t *in);

/* ---- tags.c ----------------------------------------------------------- */

/* The request asks for a condition of tags (x-ms-if-tags), and only the origin
 * knows those of the blob that was looked up: a record says which tags a blob
 * has only while its version is ours. */
bool ngx_http_blob_tags_elsewhere(const ngx_http_blob_ctx_t *ctx);

/* ---- service.c -------------------------------------------------------- */

/* A request without a version is read as one of the account's default
 * version. */
ngx_int_t ngx_http_blob_service_version(ngx_http_blob_ctx_t *ctx);
/* What is kept of the account, or nothing; `buf` of BLOB_SERVICE_BUF backs
 * it. */
#define BLOB_SERVICE_BUF (2 * STORE_SERVICE_MAX) /* a document, its texts */
tier_rc_t ngx_http_blob_service_load(ngx_http_blob_ctx_t *ctx, u_char *buf,
                                     store_account_t *account,
                                     proto_service_t *service);

/* ---- cors.c ----------------------------------------------------------- */

/* What the account's CORS rules add to an answer, once all its other headers
 * are there. ctx may be NULL. */
ngx_int_t ngx_http_blob_cors_headers(ngx_http_request_t *r,
                                     ngx_http_blob_ctx_t *ctx);

/* A request with an Origin to an account with an origin: its rules are asked
 * for unless they are fresh; then `next`. ctx->cors_known: they count. */
ngx_int_t ngx_http_blob_cors_know(ngx_http_request_t *r,
                                  ngx_http_blob_ctx_t *ctx,
                                  const ngx_http_blob_step_t *next);
/* Rules were set at the origin through here: what is known of them is old. */
ngx_int_t ngx_http_blob_cors_forget(ngx_http_blob_ctx_t *ctx,
                                    const ngx_http_blob_step_t *next);

/* ---- handler.c -------------------------------------------------------- */

ngx_http_blob_account_t *
ngx_http_blob_account_find(ngx_http_blob_main_conf_t *bmcf, view_t name);
/* The account of that name, if a location of the request's server serves it;
 * else NULL. */
ngx_http_blob_account_t *ngx_http_blob_account_served(ngx_http_request_t *r,
                                                      view_t name);
/* Is it a name of the account? */
bool ngx_http_blob_account_is(ngx_http_blob_account_t *account, view_t name);
/* Reads addresses as the request's host is, when it is an account's other
 * name. */
void ngx_http_blob_host_account(ngx_http_request_t *r,
                                ngx_http_blob_ctx_t *ctx,
                                proto_uri_opts_t *opts);
/* What the gate knows of an account: keys, what is let in, its origin. */
void ngx_http_blob_auth_account(ngx_http_blob_ctx_t *ctx,
                                ngx_http_blob_account_t *account,
                                proto_auth_in_t *in);
/* And of ctx's container, once it was looked for. */
void ngx_http_blob_auth_container(ngx_http_blob_ctx_t *ctx);
/* The content handler of a location with blob_pass. */
ngx_int_t ngx_http_blob_handler(ngx_http_request_t *r);

/* An account without an origin, or a row that is native with one too. */
static inline bool
ngx_http_blob_has_origin(const ngx_http_blob_ctx_t *ctx)
{
    return ctx->account->origin.len != 0;
}

/* error log lines of this connection without SAS signatures */
u_char *ngx_http_blob_log_handler(ngx_http_request_t *r,
                                  ngx_http_request_t *sr, u_char *buf,
                                  size_t len);

static inline view_t
ngx_http_blob_view(ngx_str_t s)
{
    return view_of(s.data, s.len);
}

/* ---- first steps of operations (handler.c's table) -------------------- */

ngx_int_t ngx_http_blob_read(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_put(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_put_block(ngx_http_request_t *r,
                                  ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_put_block_list(ngx_http_request_t *r,
                                       ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_get_block_list(ngx_http_request_t *r,
                                       ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_set(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_get_tags(ngx_http_request_t *r,
                                 ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_set_tags(ngx_http_request_t *r,
                                 ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_set_tier(ngx_http_request_t *r,
                                 ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_find_by_tags(ngx_http_request_t *r,
                                     ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_delete(ngx_http_request_t *r,
                               ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_append_create(ngx_http_request_t *r,
                                      ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_append_block(ngx_http_request_t *r,
                                     ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_seal(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_snapshot(ngx_http_request_t *r,
                                 ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_lease(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_abort_copy(ngx_http_request_t *r,
                                   ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_container_create(ngx_http_request_t *r,
                                         ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_container_get(ngx_http_request_t *r,
                                      ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_container_set(ngx_http_request_t *r,
                                      ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_container_delete(ngx_http_request_t *r,
                                         ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_list_blobs(ngx_http_request_t *r,
                                   ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_list_containers(ngx_http_request_t *r,
                                        ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_batch(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_account_info(ngx_http_request_t *r,
                                     ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_service_get(ngx_http_request_t *r,
                                    ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_service_set(ngx_http_request_t *r,
                                    ngx_http_blob_ctx_t *ctx);
ngx_int_t ngx_http_blob_preflight(ngx_http_request_t *r,
                                  ngx_http_blob_ctx_t *ctx);

/* ---- the origin side's entry points; each returns as a step does
 * -------------------- `next`: where to go on when the thing asked for is
 * known or done. */

/* GET/HEAD of a blob with an origin that is not resident (clean and evicted,
 * or unknown): facts, ask, slices, the whole answer. */
ngx_int_t ngx_http_blob_read_origin(ngx_http_request_t *r,
                                    ngx_http_blob_ctx_t *ctx);
/* Flush up to the blob (or container), forward the request, refresh the
 * record, answer. Body not read yet. */
ngx_int_t ngx_http_blob_forward(ngx_http_request_t *r,
                                ngx_http_blob_ctx_t *ctx);
/* Until the origin has what was committed here of ctx's blob, then `next`;
 * answers ServerBusy when that takes too long. */
ngx_int_t ngx_http_blob_flush(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                              const ngx_http_blob_step_t *next);
/* May what was said of a record or fact at that time be believed still? */
bool ngx_http_blob_is_fresh(ngx_http_blob_ctx_t *ctx, int64_t checked_at_ms);
/* Container without a record, account with an origin: asks, commits what
 * was found; ctx->container_found is FOUND or ABSENT at `next`. */
ngx_int_t ngx_http_blob_container_resolve(ngx_http_request_t *r,
                                          ngx_http_blob_ctx_t *ctx,
                                          const ngx_http_blob_step_t *next);
/* The record of a container is looked up and, if the origin has not spoken of
 * it within `fresh`, asked for anew; FOUND or ABSENT at `next`. */
ngx_int_t ngx_http_blob_container_renew(ngx_http_request_t *r,
                                        ngx_http_blob_ctx_t *ctx,
                                        const ngx_http_blob_step_t *next);
/* Before a container is created: FOUND if it is known to be there, else the
 * origin was asked and ctx->unreachable says that it did not answer. */
ngx_int_t ngx_http_blob_container_reach(ngx_http_request_t *r,
                                        ngx_http_blob_ctx_t *ctx,
                                        const ngx_http_blob_step_t *next);
/* A conditional write to a blob without a record: fetches the fact. At
 * `next` ctx->blob_found is FOUND (blob.props and .origin_etag filled, .state
 * CLEAN and not resident) or ABSENT (the origin has none). */
ngx_int_t ngx_http_blob_fact_for_write(ngx_http_request_t *r,
                                       ngx_http_blob_ctx_t *ctx,
                                       const ngx_http_blob_step_t *next);
/* What the origin says of the caller, for ctx->auth; at `next` it is a fact
 * of ctx->auth_in. Or answers ServerBusy. */
ngx_int_t ngx_http_blob_verdict(ngx_http_request_t *r,
                                ngx_http_blob_ctx_t *ctx,
                                const ngx_http_blob_step_t *next);
/* The user delegation key that ctx->auth names, null if it is not known. */
view_t ngx_http_blob_verdict_key(ngx_http_blob_ctx_t *ctx);
/* Before a native write to a blob of an account with an origin: answers
 * what the lake's version forbids (a lease, its type), else goes on. */
ngx_int_t ngx_http_blob_lake_allows(ngx_http_request_t *r,
                                    ngx_http_blob_ctx_t *ctx,
                                    const ngx_http_blob_step_t *next);
/* List Containers: the origin's, with the containers that it is still to be
 * told of. */
ngx_int_t ngx_http_blob_list_account(ngx_http_request_t *r,
                                     ngx_http_blob_ctx_t *ctx);
/* The merged listing through @blob_tier, the whole answer. */
ngx_int_t ngx_http_blob_list_origin(ngx_http_request_t *r,
                                    ngx_http_blob_ctx_t *ctx);

/* Configuration: after an account block / at preconfiguration / at
 * postconfiguration. NGX_CONF_OK or NGX_CONF_ERROR after logging. */
char *ngx_http_blob_origin_account(ngx_conf_t *cf,
                                   ngx_http_blob_main_conf_t *bmcf,
                                   ngx_http_blob_account_t *account);
ngx_int_t ngx_http_blob_origin_preconf(ngx_conf_t *cf);
ngx_int_t ngx_http_blob_origin_postconf(ngx_conf_t *cf,
                                        ngx_http_blob_main_conf_t *bmcf);

#endif
