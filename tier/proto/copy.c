#include "base/digest.h"
#include "proto/answer.h"
#include "proto/copy.h"
#include "proto/date.h"
#include "proto/sas.h"
#include "proto/tags.h"

#define EDGE_SUFFIX ".blob.core.windows.net"


static proto_err_t
header_fault(proto_fault_t *fault, const char *name, view_t value)
{
    return proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE, view_str(name),
                       value);
}


/* ---- the URL -------------------------------------------------------------
 */

static bool
parse_port(view_t text, uint16_t *ret)
{
    uint64_t n;

    if (!view_to_u64(text, &n) || n == 0 || n > UINT16_MAX) {
        return false;
    }

    *ret = (uint16_t) n;
    return true;
}


/* host[:port], [v6][:port]; no user information: nobody means it. */
static bool
parse_authority(view_t authority, uint16_t port, view_t *ret_host,
                uint16_t *ret_port)
{
    bool literal = authority.len != 0 && authority.ptr[0] == '[';
    size_t end = literal ? view_find(authority, ']', 0) + 1
                         : view_find(authority, ':', 0);

    if (end == 0 || end > authority.len
        || view_find(authority, '@', 0) != authority.len)
    {
        return false;
    }

    *ret_host = view_sub(authority, 0, end);
    *ret_port = port;

    if (end == authority.len) {
        return true;
    }

    return authority.ptr[end] == ':'
        && parse_port(view_sub(authority, end + 1, authority.len), ret_port);
}


/* What a request line cannot carry cannot be part of a URL. */
static bool
is_clean(view_t v)
{
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] <= 0x20 || v.ptr[i] == 0x7F || v.ptr[i] == '#') {
            return false;
        }
    }

    return true;
}


bool
proto_copy_url_parse(view_t text, proto_copy_url_t *ret)
{
    proto_copy_url_t u = { .text = text };
    size_t from;

    u.https = view_eq_ci(view_sub(text, 0, 8), VIEW("https://"));
    from = u.https ? 8 : 7;

    if ((!u.https && !view_eq_ci(view_sub(text, 0, 7), VIEW("http://")))
        || !is_clean(text))
    {
        return false;
    }

    size_t slash = view_find(text, '/', from);
    size_t question = view_find(text, '?', from);
    size_t end = slash < question ? slash : question;

    u.authority = view_sub(text, from, end - from);
    u.target = view_sub(text, end, text.len);

    if (u.target.len == 0) {
        u.target = VIEW("/");

    } else if (u.target.ptr[0] != '/') { /* http://host?query */
        return false;
    }

    question = view_find(u.target, '?', 0);
    u.path = view_sub(u.target, 0, question);
    u.query = view_sub(u.target, question + 1, u.target.len);

    if (!parse_authority(u.authority, u.https ? 443 : 80, &u.host, &u.port)) {
        return false;
    }

    *ret = u;
    return true;
}


/* ---- ours or not ---------------------------------------------------------
 */

/* What follows the first label, with its dot. */
static view_t
host_rest(view_t host)
{
    return view_sub(host, view_find(host, '.', 0), host.len);
}


static bool
serves_host(const proto_copy_url_t *url, const proto_copy_edge_t *edge)
{
    uint8_t buf[64];
    writer_t w;
    view_t label = view_sub(url->host, 0, view_find(url->host, '.', 0));
    view_t second = VIEW("-secondary");

    writer_init_fixed(&w, buf, sizeof(buf));

    for (size_t i = 0; i < label.len; i++) {
        uint8_t c = label.ptr[i];

        writer_putc(&w, c >= 'A' && c <= 'Z' ? (uint8_t) (c | 0x20) : c);
    }

    label = writer_view(&w);

    if (view_ends_with(label, second)) {
        label = view_sub(label, 0, label.len - second.len);
    }

    return writer_ok(&w) && label.len != 0 && edge->serves != NULL
        && edge->serves(edge->ctx, label);
}


/* How the URL's address is read, if it is ours. */
static bool
is_ours(const proto_copy_url_t *url, const proto_copy_edge_t *edge,
        proto_uri_opts_t *ret)
{
    view_t host;
    uint16_t port;

    if (view_eq_ci(host_rest(url->host), VIEW(EDGE_SUFFIX))
        && (url->port == 443 || url->port == 80) && serves_host(url, edge))
    {
        *ret = (proto_uri_opts_t){ .style = PROTO_URI_HOST };
        return true;
    }

    /* in front of an edge TLS may end elsewhere: the two usual ports are one
     * endpoint */
    if (!parse_authority(edge->host, edge->https ? 443 : 80, &host, &port)
        || (port != url->port
            && !((port == 80 || port == 443)
                 && (url->port == 80 || url->port == 443))))
    {
        return false;
    }

    if (view_eq_ci(host, url->host)) {
        *ret = edge->opts;
        return true;
    }

    *ret = (proto_uri_opts_t){ .style = PROTO_URI_HOST };

    if (edge->opts.style == PROTO_URI_PATH
        || (edge->opts.style == PROTO_URI_AUTO
            && proto_uri_host_is_path(edge->host)))
    {
        return false;
    }

    /* a name of one label and a top level could be anybody's */
    return view_find(host_rest(host), '.', 1) < host_rest(host).len
        && view_eq_ci(host_rest(host), host_rest(url->host))
        && serves_host(url, edge);
}


static proto_err_t
parse_source(const proto_headers_t *h, const proto_copy_edge_t *edge,
             writer_t *scratch, proto_copy_t *ret, proto_fault_t *fault)
{
    view_t v = proto_hdr(h, PROTO_HDR_X_MS_COPY_SOURCE);
    proto_uri_opts_t opts;
    proto_fault_t why;

    if (v.len == 0 || v.len > PROTO_COPY_SOURCE_MAX
        || !proto_copy_url_parse(v, &ret->url))
    {
        return header_fault(fault, "x-ms-copy-source",
                            v.len > PROTO_COPY_SOURCE_MAX ? VIEW_NULL : v);
    }

    ret->local = is_ours(&ret->url, edge, &opts);

    if (!ret->local) {
        return PROTO_OK;
    }

    if (proto_uri_parse(ret->url.target, ret->url.host, &opts, scratch,
                        &ret->uri, &why)
            != PROTO_OK
        || ret->uri.blob.len == 0)
    {
        return header_fault(fault, "x-ms-copy-source", v);
    }

    return PROTO_OK;
}


/* ---- the terms -----------------------------------------------------------
 */

static proto_err_t
parse_range(const proto_headers_t *h, const proto_op_t *op, proto_copy_t *ret,
            proto_fault_t *fault)
{
    view_t v = proto_hdr(h, PROTO_HDR_X_MS_SOURCE_RANGE);
    uint64_t first, last;

    ret->range_len = UINT64_MAX;

    if (v.len == 0) {
        return PROTO_OK;
    }

    /* whole blobs are copied whole: a part would not be what was asked */
    if (op->comp == NULL || !proto_range_parse(v, &first, &last)) {
        return header_fault(fault, "x-ms-source-range", v);
    }

    ret->has_range = true;
    ret->range_off = first;
    ret->range_len = last == UINT64_MAX ? UINT64_MAX : last - first + 1;
    return PROTO_OK;
}


static proto_err_t
parse_date(const proto_headers_t *h, proto_hdr_id_t id, const char *name,
           bool *has, int64_t *ret_s, proto_fault_t *fault)
{
    view_t v = proto_hdr(h, id);

    *has = v.len != 0;

    return *has && !proto_date_parse_http(v, ret_s)
             ? header_fault(fault, name, v)
             : PROTO_OK;
}


/* REST has it for copies of whole blobs. */
static proto_err_t
parse_if_tags(const proto_headers_t *h, const proto_op_t *op, proto_cond_t *c,
              proto_fault_t *fault)
{
    view_t v = proto_hdr(h, PROTO_HDR_X_MS_SOURCE_IF_TAGS);

    c->if_tags = v.len != 0 ? v : VIEW_NULL;

    if (v.len != 0 && op->id != PROTO_OP_COPY_BLOB
        && op->id != PROTO_OP_COPY_BLOB_FROM_URL
        && op->id != PROTO_OP_PUT_BLOB_FROM_URL)
    {
        return proto_fault(fault, PROTO_ERR_CONDITION_HEADERS_NOT_SUPPORTED,
                           VIEW("x-ms-source-if-tags"), v);
    }

    return proto_tags_if_check("x-ms-source-if-tags", v, fault);
}


static proto_err_t
parse_cond(const proto_headers_t *h, const proto_op_t *op, proto_cond_t *c,
           proto_fault_t *fault)
{
    view_t im = proto_hdr(h, PROTO_HDR_X_MS_SOURCE_IF_MATCH);
    view_t inm = proto_hdr(h, PROTO_HDR_X_MS_SOURCE_IF_NONE_MATCH);
    proto_err_t err;

    c->if_match = im.len != 0 ? im : VIEW_NULL;
    c->if_none_match = inm.len != 0 ? inm : VIEW_NULL;

    err = parse_date(h, PROTO_HDR_X_MS_SOURCE_IF_MODIFIED_SINCE,
                     "x-ms-source-if-modified-since", &c->has_modified_since,
                     &c->modified_since_s, fault);

    if (err == PROTO_OK) {
        err = parse_date(h, PROTO_HDR_X_MS_SOURCE_IF_UNMODIFIED_SINCE,
                         "x-ms-source-if-unmodified-since",
                         &c->has_unmodified_since, &c->unmodified_since_s,
                         fault);
    }

    return err == PROTO_OK ? parse_if_tags(h, op, c, fault) : err;
}


static proto_err_t
parse_check(const proto_headers_t *h, proto_body_check_t *ret,
            proto_fault_t *fault)
{
    view_t md5 = proto_hdr(h, PROTO_HDR_X_MS_SOURCE_CONTENT_MD5);
    view_t crc = proto_hdr(h, PROTO_HDR_X_MS_SOURCE_CONTENT_CRC64);
    uint8_t buf[MD5_LEN];
    size_t len = 0;

    if (md5.len != 0 && crc.len != 0) {
        return proto_fault(fault, PROTO_ERR_BOTH_CRC64_AND_MD5_HEADER_PRESENT,
                           VIEW_NULL, VIEW_NULL);
    }

    if (md5.len != 0) {
        if (!base64_decode(md5, buf, sizeof(buf), &len) || len != MD5_LEN) {
            return proto_fault(fault, PROTO_ERR_INVALID_MD5, VIEW_NULL,
                               VIEW_NULL);
        }

        memcpy(ret->md5, buf, MD5_LEN);
        ret->has_md5 = true;
    }

    if (crc.len != 0) {
        if (!base64_decode(crc, buf, sizeof(ret->crc64), &len)
            || len != sizeof(ret->crc64))
        {
            return header_fault(fault, "x-ms-source-content-crc64", crc);
        }

        memcpy(&ret->crc64, buf, sizeof(ret->crc64));
        ret->has_crc64 = true;
    }

    return PROTO_OK;
}


static proto_err_t
parse_options(const proto_headers_t *h, proto_copy_t *ret,
              proto_fault_t *fault)
{
    view_t props = proto_hdr(h, PROTO_HDR_X_MS_COPY_SOURCE_BLOB_PROPERTIES);
    view_t tags = proto_hdr(h, PROTO_HDR_X_MS_COPY_SOURCE_TAG_OPTION);

    ret->source_props = !view_eq_ci(props, VIEW("false"));

    if (props.len != 0 && ret->source_props
        && !view_eq_ci(props, VIEW("true"))) {
        return header_fault(fault, "x-ms-copy-source-blob-properties", props);
    }

    ret->source_tags = view_eq_ci(tags, VIEW("COPY"));

    if (tags.len != 0 && !ret->source_tags
        && !view_eq_ci(tags, VIEW("REPLACE"))) {
        return header_fault(fault, "x-ms-copy-source-tag-option", tags);
    }

    if (ret->source_tags && proto_hdr(h, PROTO_HDR_X_MS_TAGS).len != 0) {
        return proto_fault(
            fault,
            PROTO_ERR_BOTH_USER_TAGS_AND_SOURCE_TAGS_COPY_PRESENT_EXCEPTION,
            VIEW_NULL, VIEW_NULL);
    }

    return PROTO_OK;
}


/* REST, "Copy Blob": a token for the source belongs to the synchronous ones,
 * and there is only the scheme Bearer. The value is not shown again. */
static proto_err_t
parse_authorization(const proto_headers_t *h, const proto_op_t *op,
                    proto_copy_t *ret, proto_fault_t *fault)
{
    view_t v = proto_hdr(h, PROTO_HDR_X_MS_COPY_SOURCE_AUTHORIZATION);

    ret->authorization = v.len != 0 ? v : VIEW_NULL;

    if (v.len == 0) {
        return PROTO_OK;
    }

    if (!proto_copy_tells_source(op)) {
        return proto_fault(fault, PROTO_ERR_UNSUPPORTED_HEADER,
                           VIEW("x-ms-copy-source-authorization"), VIEW_NULL);
    }

    return view_eq_ci(view_sub(v, 0, 7), VIEW("Bearer "))
             ? PROTO_OK
             : header_fault(fault, "x-ms-copy-source-authorization",
                            VIEW_NULL);
}


proto_err_t
proto_copy_parse(const proto_headers_t *h, const proto_op_t *op,
                 const proto_copy_edge_t *edge, writer_t *scratch,
                 proto_copy_t *ret, proto_fault_t *fault)
{
    proto_err_t err;

    memset(ret, 0, sizeof(*ret));
    err = parse_source(h, edge, scratch, ret, fault);

    if (err == PROTO_OK) {
        err = parse_range(h, op, ret, fault);
    }

    if (err == PROTO_OK) {
        err = parse_cond(h, op, &ret->cond, fault);
    }

    if (err == PROTO_OK) {
        err = parse_check(h, &ret->check, fault);
    }

    if (err == PROTO_OK) {
        err = parse_options(h, ret, fault);
    }

    return err != PROTO_OK ? err : parse_authorization(h, op, ret, fault);
}


/* ---- who may read it -----------------------------------------------------
 */

bool
proto_copy_trusted(const proto_copy_t *copy, proto_cred_t cred,
                   bool same_account)
{
    return copy->local && same_account && copy->authorization.ptr == NULL
        && (cred == PROTO_CRED_SHARED_KEY
            || cred == PROTO_CRED_SHARED_KEY_LITE);
}


static bool
has_signature(const proto_uri_t *uri)
{
    for (unsigned i = 0; i < uri->nparams; i++) {
        if (view_eq(uri->params[i].name, VIEW("sig"))) {
            return true;
        }
    }

    return false;
}


view_t
proto_copy_token(const proto_copy_t *copy, const proto_headers_t *h,
                 proto_cred_t cred, bool same_account)
{
    if (copy->authorization.ptr != NULL) {
        return copy->authorization;
    }

    return copy->local && same_account && cred == PROTO_CRED_BEARER
                && !has_signature(&copy->uri)
             ? proto_hdr(h, PROTO_HDR_AUTHORIZATION)
             : VIEW_NULL;
}


bool
proto_copy_reads_tags(const proto_copy_t *copy)
{
    return copy->source_tags || copy->cond.if_tags.ptr != NULL;
}


void
proto_copy_auth_in(const proto_copy_t *copy, const proto_auth_in_t *from,
                   view_t token, proto_copy_gate_t *room, proto_auth_in_t *ret)
{
    memset(room, 0, sizeof(*room));
    room->headers.version = from->headers->version;

    memset(ret, 0, sizeof(*ret));

    if (token.ptr != NULL) {
        room->headers.known[PROTO_HDR_AUTHORIZATION] = token;
        room->token.name = VIEW("Authorization");
        room->token.value = token;
        ret->hdrs = &room->token;
        ret->nhdrs = 1;
    }

    ret->method = VIEW("GET");
    ret->uri = &copy->uri;
    ret->op = proto_op_row(PROTO_OP_GET_BLOB);
    ret->also = proto_copy_reads_tags(copy) ? PROTO_PERM_T : 0;
    ret->headers = &room->headers;
    ret->now_s = from->now_s;
    ret->client_ip = from->client_ip;
    /* a token has come the way of this request */
    ret->https = token.ptr != NULL ? from->https : copy->url.https;
}


/* ---- what is copied ------------------------------------------------------
 */

proto_err_t
proto_copy_cond(const proto_copy_t *copy, const proto_cond_state_t *state)
{
    return proto_cond_check_read(&copy->cond, state) == PROTO_OK
             ? PROTO_OK
             : PROTO_ERR_SOURCE_CONDITION_NOT_MET;
}


void
proto_copy_cond_there(proto_copy_t *copy, const proto_cond_state_t *here,
                      int64_t origin_s)
{
    proto_cond_t *c = &copy->cond;

    if (here->origin_etag.len != 0
        && view_eq(proto_answer_etag(c->if_match), here->etag))
    {
        c->if_match = here->origin_etag;
    }

    if (here->origin_etag.len != 0
        && view_eq(proto_answer_etag(c->if_none_match), here->etag))
    {
        c->if_none_match = here->origin_etag;
    }

    c->modified_since_s =
        proto_cond_since(c->modified_since_s, here->last_modified_s, origin_s);
    c->unmodified_since_s = proto_cond_since(c->unmodified_since_s,
                                             here->last_modified_s, origin_s);
}


/* The most that the row copies at once; 0: there is no bound. */
static uint64_t
row_limit(const proto_op_t *op)
{
    switch (op->id) {
    case PROTO_OP_COPY_BLOB_FROM_URL:
        return PROTO_COPY_SYNC_MAX;
    case PROTO_OP_PUT_BLOB_FROM_URL:
        return PROTO_COPY_BLOB_MAX;
    case PROTO_OP_PUT_BLOCK_FROM_URL:
        return PROTO_COPY_BLOCK_MAX;
    case PROTO_OP_APPEND_BLOCK_FROM_URL:
        return PROTO_COPY_APPEND_MAX;
    default:
        return 0;
    }
}


proto_err_t
proto_copy_part(const proto_copy_t *copy, const proto_op_t *op, uint64_t size,
                uint64_t *ret_off, uint64_t *ret_len)
{
    uint64_t limit = row_limit(op), len = size;

    if (copy->has_range) {
        if (copy->range_off >= size) {
            return PROTO_ERR_INVALID_RANGE;
        }

        len = size - copy->range_off;
        len = copy->range_len < len ? copy->range_len : len;
    }

    if (limit != 0 && len > limit) {
        return PROTO_ERR_REQUEST_BODY_TOO_LARGE;
    }

    if (len == 0
        && (op->id == PROTO_OP_PUT_BLOCK_FROM_URL
            || op->id == PROTO_OP_APPEND_BLOCK_FROM_URL))
    {
        return PROTO_ERR_INVALID_INPUT; /* no block is empty */
    }

    *ret_off = copy->has_range ? copy->range_off : 0;
    *ret_len = len;
    return PROTO_OK;
}


proto_err_t
proto_copy_source_error(unsigned status)
{
    switch (status) {
    case 401:
        return PROTO_ERR_COPY_SOURCE_UNAUTHORIZED;
    case 404:
        return PROTO_ERR_CANNOT_VERIFY_COPY_SOURCE;
    case 409:
        return PROTO_ERR_COPY_SOURCE_CONFLICT;
    case 412:
        return PROTO_ERR_SOURCE_CONDITION_NOT_MET;
    case 416:
        return PROTO_ERR_INVALID_RANGE;
    case 503:
        return PROTO_ERR_COPY_SOURCE_BUSY;
    default:
        return status >= 400 && status < 500 ? PROTO_ERR_COPY_SOURCE_FORBIDDEN
                                             : PROTO_ERR_COPY_SOURCE_FAILED;
    }
}


bool
proto_copy_tells_source(const proto_op_t *op)
{
    switch (op->id) {
    case PROTO_OP_COPY_BLOB_FROM_URL:
    case PROTO_OP_PUT_BLOB_FROM_URL:
    case PROTO_OP_PUT_BLOCK_FROM_URL:
    case PROTO_OP_APPEND_BLOCK_FROM_URL:
    case PROTO_OP_PUT_PAGE_FROM_URL:
        return true;
    default:
        return false;
    }
}


bool
proto_copy_has_source(const proto_op_t *op)
{
    return op->id == PROTO_OP_COPY_BLOB
        || op->id == PROTO_OP_INCREMENTAL_COPY_BLOB
        || proto_copy_tells_source(op);
}


proto_err_t
proto_copy_target_error(const proto_op_t *op, proto_err_t err)
{
    return op->id == PROTO_OP_COPY_BLOB && err == PROTO_ERR_CONDITION_NOT_MET
             ? PROTO_ERR_TARGET_CONDITION_NOT_MET
             : err;
}


static view_t
sent_or(view_t sent, view_t source)
{
    return sent.ptr != NULL ? sent : source;
}


void
proto_copy_props(const proto_copy_t *copy, const proto_op_t *op,
                 const blob_props_t *source, const blob_props_t *sent,
                 blob_props_t *ret)
{
    bool put = op->id == PROTO_OP_PUT_BLOB_FROM_URL;
    bool keep = !put || copy->source_props;
    blob_props_t none = { 0 }, over = { 0 };
    const blob_props_t *from = keep ? source : &none;
    const blob_props_t *to = put ? sent : &over;

    memset(ret, 0, sizeof(*ret));
    ret->content_length = source->content_length;
    ret->type = put ? BLOB_BLOCK : source->type;
    ret->committed_blocks = put ? 0 : source->committed_blocks;
    ret->tier = sent->tier; /* the source's is not taken along */

    ret->content_type = sent_or(to->content_type, from->content_type);
    ret->content_encoding =
        sent_or(to->content_encoding, from->content_encoding);
    ret->content_language =
        sent_or(to->content_language, from->content_language);
    ret->content_disposition =
        sent_or(to->content_disposition, from->content_disposition);
    ret->cache_control = sent_or(to->cache_control, from->cache_control);

    if (ret->content_type.len == 0) {
        ret->content_type = VIEW("application/octet-stream");
    }

    /* the bytes are the same: so is their digest, unless the client says
     * what it wants to read there */
    from = to->has_md5 ? to : source;
    ret->has_md5 = from->has_md5;
    memcpy(ret->md5, from->md5, sizeof(ret->md5));

    ret->metadata =
        sent->metadata.len != 0 || !keep ? sent->metadata : source->metadata;
    from = copy->source_tags ? source : sent;
    ret->tags = from->tags;
    ret->tag_count = from->tag_count;
}


/* ---- what an origin reads it with ----------------------------------------
 */

void
proto_copy_sas(writer_t *w, const proto_copy_t *copy, view_t account,
               view_t key, int64_t expiry_s)
{
    proto_sas_t sas = { .account = account,
                        .key = key,
                        .perms = proto_copy_reads_tags(copy) ? VIEW("rt")
                                                             : VIEW("r"),
                        .container = copy->uri.container,
                        .blob = copy->uri.blob };
    uint8_t buf[40];
    writer_t t;

    sas.snapshot = proto_uri_param(&copy->uri, PROTO_PARAM_SNAPSHOT);
    sas.version = proto_uri_param(&copy->uri, PROTO_PARAM_VERSIONID);

    /* SAS times have no fraction */
    writer_init_fixed(&t, buf, sizeof(buf));
    proto_date_iso8601(&t, expiry_s);
    t.len = sizeof("2026-01-02T03:04:05") - 1;
    writer_putc(&t, 'Z');
    sas.expiry = writer_view(&t);

    proto_sas_service(w, &sas);
}


int64_t
proto_copy_sas_lifetime_s(const proto_op_t *op)
{
    return proto_copy_tells_source(op) ? 15 * 60 : 24 * 60 * 60;
}


/* ---- the source in writing -----------------------------------------------
 */

static bool
is_source_param(view_t name)
{
    return view_eq_ci(name, VIEW("snapshot"))
        || view_eq_ci(name, VIEW("versionid"));
}


/* Those parameters that say which blob it is. */
static bool
put_params(writer_t *w, const proto_uri_t *uri)
{
    bool any = false;

    for (unsigned i = 0; i < uri->nparams; i++) {
        if (is_source_param(uri->params[i].name)) {
            writer_putc(w, any ? '&' : '?');
            writer_put(w, uri->params[i].name);
            writer_putc(w, '=');
            proto_uri_encode(w, uri->params[i].value, false);
            any = true;
        }
    }

    return any;
}


void
proto_copy_source_put(writer_t *w, const proto_copy_t *copy, view_t endpoint,
                      view_t sas)
{
    writer_put(w, endpoint);
    writer_putc(w, '/');
    proto_uri_encode(w, copy->uri.container, false);
    writer_putc(w, '/');
    proto_uri_encode(w, copy->uri.blob, true);

    bool any = put_params(w, &copy->uri);

    if (sas.len != 0) {
        writer_putc(w, any ? '&' : '?');
        writer_put(w, sas);
    }
}


void
proto_copy_source_shown(writer_t *w, const proto_copy_t *copy)
{
    const proto_copy_url_t *u = &copy->url;

    writer_puts(w, u->https ? "https://" : "http://");
    writer_put(w, u->authority);
    writer_put(w, u->path);

    if (copy->local) {
        (void) put_params(w, &copy->uri);
    }
}


proto_err_t
proto_abort_copy_check(const proto_uri_t *uri, const proto_headers_t *h,
                       proto_fault_t *fault)
{
    view_t action = proto_hdr(h, PROTO_HDR_X_MS_COPY_ACTION);

    if (action.len == 0) {
        return proto_fault(fault, PROTO_ERR_MISSING_REQUIRED_HEADER,
                           VIEW("x-ms-copy-action"), VIEW_NULL);
    }

    if (!view_eq_ci(action, VIEW("abort"))) {
        return header_fault(fault, "x-ms-copy-action", action);
    }

    return proto_uri_param(uri, PROTO_PARAM_COPYID).len != 0
             ? PROTO_OK
             : proto_fault(fault, PROTO_ERR_MISSING_REQUIRED_QUERY_PARAMETER,
                           VIEW("copyid"), VIEW_NULL);
}
