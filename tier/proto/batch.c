#include "proto/batch.h"


typedef struct lines_s {
    view_t body;
    size_t pos;
} lines_t;


/* The next line without its end; false at the end of the body. */
static bool
next_line(lines_t *in, view_t *ret)
{
    if (in->pos >= in->body.len) {
        return false;
    }

    size_t end = view_find(in->body, '\n', in->pos);
    view_t line = view_sub(in->body, in->pos, end - in->pos);

    in->pos = end < in->body.len ? end + 1 : end;
    if (line.len != 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }

    *ret = line;
    return true;
}


/* ---- boundary --------------------------------------------------------- */

/* One `name=value` of a header's parameters, from *pos on: a quoted value
 * may hold semicolons and escapes nothing. */
static bool
next_param(view_t v, size_t *pos, view_t *name, view_t *value)
{
    size_t from = *pos, eq, end;

    while (
        from < v.len
        && (v.ptr[from] == ';' || v.ptr[from] == ' ' || v.ptr[from] == '\t'))
    {
        from++;
    }

    if (from >= v.len) {
        return false;
    }

    eq = view_find(v, '=', from);
    end = view_find(v, ';', from);
    if (eq > end) {
        eq = end;
    }
    *name = view_trim(view_sub(v, from, eq - from));
    *value = view_trim(view_sub(v, eq + 1, end > eq ? end - eq - 1 : 0));

    if (value->len != 0 && value->ptr[0] == '"') {
        size_t open = (size_t) (value->ptr - v.ptr) + 1;
        size_t close = view_find(v, '"', open);

        *value = view_sub(v, open, close - open);
        end = view_find(v, ';', close);
    }

    *pos = end;
    return true;
}


static bool
boundary_ok(view_t v)
{
    if (v.len == 0 || v.len > PROTO_BATCH_BOUNDARY_MAX
        || v.ptr[v.len - 1] == ' ') {
        return false;
    }

    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] < 0x20 || v.ptr[i] > 0x7e) {
            return false;
        }
    }

    return true;
}


proto_err_t
proto_batch_boundary(view_t content_type, view_t *ret, proto_fault_t *fault)
{
    size_t pos = view_find(content_type, ';', 0);
    view_t type = view_trim(view_sub(content_type, 0, pos));
    view_t name, value;

    if (content_type.len == 0) {
        return proto_fault(fault, PROTO_ERR_MISSING_REQUIRED_HEADER,
                           VIEW("Content-Type"), VIEW_NULL);
    }

    if (view_eq_ci(type, VIEW("multipart/mixed"))) {
        while (next_param(content_type, &pos, &name, &value)) {
            if (view_eq_ci(name, VIEW("boundary"))) {
                if (!boundary_ok(value)) {
                    break;
                }
                *ret = value;
                return PROTO_OK;
            }
        }
    }

    return proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE,
                       VIEW("Content-Type"), content_type);
}


/* ---- parts ------------------------------------------------------------ */

typedef enum { LINE_OTHER = 0, LINE_NEXT, LINE_LAST } line_t;


static line_t
line_kind(view_t line, view_t boundary)
{
    view_t rest;

    if (line.len < boundary.len + 2 || line.ptr[0] != '-' || line.ptr[1] != '-'
        || !view_eq(view_sub(line, 2, boundary.len), boundary))
    {
        return LINE_OTHER;
    }

    rest = view_sub(line, 2 + boundary.len, line.len);
    if (view_trim(rest).len == 0) {
        return LINE_NEXT;
    }

    return view_starts_with(rest, VIEW("--"))
                && view_trim(view_sub(rest, 2, rest.len)).len == 0
             ? LINE_LAST
             : LINE_OTHER;
}


static bool
is_token(view_t v)
{
    for (size_t i = 0; i < v.len; i++) {
        uint8_t c = v.ptr[i];

        if (c <= 0x20 || c >= 0x7f || c == ':') {
            return false;
        }
    }

    return v.len != 0;
}


static bool
is_text(view_t v)
{
    for (size_t i = 0; i < v.len; i++) {
        if ((v.ptr[i] < 0x20 && v.ptr[i] != '\t') || v.ptr[i] == 0x7f) {
            return false;
        }
    }

    return true;
}


/* Folded lines are refused: no client writes them. */
static bool
split_header(view_t line, view_t *name, view_t *value)
{
    size_t colon = view_find(line, ':', 0);

    *name = view_sub(line, 0, colon);
    *value = view_trim(view_sub(line, colon + 1, line.len));
    return colon < line.len && is_token(*name) && is_text(*value);
}


static bool
part_mime(lines_t *in, proto_batch_part_t *part)
{
    view_t line, name, value;
    bool http = false;

    while (next_line(in, &line) && line.len != 0) {
        if (!split_header(line, &name, &value)) {
            return false;
        }

        if (view_eq_ci(name, VIEW("Content-Type"))) {
            http = view_eq_ci(
                view_trim(view_sub(value, 0, view_find(value, ';', 0))),
                VIEW("application/http"));

        } else if (view_eq_ci(name, VIEW("Content-ID"))) {
            part->content_id = value;
        }
    }

    return http;
}


static bool
part_request(lines_t *in, proto_batch_part_t *part)
{
    view_t line = VIEW_NULL, version;
    size_t one, two;

    /* there may be empty lines before it, as before any request */
    while (next_line(in, &line) && line.len == 0) {
    }

    one = view_find(line, ' ', 0);
    two = view_find(line, ' ', one + 1);
    part->method = view_sub(line, 0, one);
    part->target = view_sub(line, one + 1, two > one ? two - one - 1 : 0);
    version = view_sub(line, two + 1, line.len);

    return is_token(part->method) && part->target.len != 0
        && part->target.ptr[0] == '/' && is_text(part->target)
        && view_starts_with(version, VIEW("HTTP/1."));
}


static bool
part_head(lines_t *in, proto_batch_part_t *part)
{
    view_t line, name, value;
    size_t from = in->pos, to = from;

    while (next_line(in, &line) && line.len != 0) {
        if (++part->nhdrs > PROTO_BATCH_HEADERS_MAX
            || !split_header(line, &name, &value))
        {
            return false;
        }
        to = in->pos;
    }

    part->head = view_sub(in->body, from, to - from);

    /* neither of the two operations has a body */
    while (next_line(in, &line)) {
        if (view_trim(line).len != 0) {
            return false;
        }
    }

    return true;
}


static bool
part_parse(view_t text, proto_batch_part_t *ret)
{
    lines_t in = { .body = text };

    *ret = (proto_batch_part_t){ .nhdrs = 0 };
    return part_mime(&in, ret) && part_request(&in, ret)
        && part_head(&in, ret);
}


proto_err_t
proto_batch_parse(view_t body, view_t boundary, proto_batch_part_t *parts,
                  unsigned *ret_n, proto_fault_t *fault)
{
    lines_t in = { .body = body };
    size_t from = 0, at = 0;
    bool inside = false;
    unsigned n = 0;
    view_t line;

    for (; next_line(&in, &line); at = in.pos) {
        line_t kind = line_kind(line, boundary);

        if (kind == LINE_OTHER) {
            continue;
        }

        if (inside) {
            if (n == PROTO_BATCH_PARTS_MAX) {
                return proto_fault(fault,
                                   PROTO_ERR_EXCEEDS_MAX_BATCH_REQUEST_COUNT,
                                   VIEW_NULL, VIEW_NULL);
            }

            if (!part_parse(view_sub(body, from, at - from), &parts[n])) {
                break;
            }
            n++;
        }

        if (kind == LINE_LAST) {
            if (n == 0) {
                break;
            }
            *ret_n = n;
            return PROTO_OK;
        }

        inside = true;
        from = in.pos;
    }

    return proto_fault(fault, PROTO_ERR_INVALID_INPUT, VIEW_NULL, VIEW_NULL);
}


void
proto_batch_headers(const proto_batch_part_t *part, proto_header_t *ret)
{
    lines_t in = { .body = part->head };
    view_t line;

    for (unsigned i = 0; i < part->nhdrs && next_line(&in, &line); i++) {
        (void) split_header(line, &ret[i].name, &ret[i].value);
    }
}


/* ---- what a part means ------------------------------------------------ */

/* The segment of the raw path that begins at `from`, and where it ends. */
static view_t
segment(view_t path, size_t from, size_t *ret_end)
{
    *ret_end = view_find(path, '/', from);
    return view_sub(path, from, *ret_end - from);
}


proto_uri_opts_t
proto_batch_uri_opts(const proto_uri_t *outer, view_t target)
{
    proto_uri_opts_t opts = { .style = PROTO_URI_FIXED,
                              .account = outer->account };
    view_t path = view_sub(target, 0, view_find(target, '?', 0));
    size_t end;
    view_t first = segment(path, 1, &end);
    view_t second = segment(path, end + 1, &end);

    if (!outer->path_style || !view_eq(first, outer->account)
        || (view_eq(first, outer->container)
            && !view_eq(second, outer->container)))
    {
        return opts;
    }

    opts.style = PROTO_URI_PATH;
    return opts;
}


/* A parameter of the raw query; no client escapes the names that matter, and
 * what is executed is checked once more. */
static view_t
raw_param(view_t target, view_t name)
{
    size_t from = view_find(target, '?', 0) + 1, to, eq;

    for (; from < target.len; from = to + 1) {
        to = view_find(target, '&', from);
        eq = view_find(target, '=', from);
        if (eq > to) {
            eq = to;
        }
        if (view_eq_ci(view_sub(target, from, eq - from), name)) {
            return view_sub(target, eq + 1, to > eq ? to - eq - 1 : 0);
        }
    }

    return VIEW_NULL;
}


static bool
part_kind(const proto_batch_part_t *part, proto_op_id_t *ret)
{
    view_t comp = raw_param(part->target, VIEW("comp"));
    view_t restype = raw_param(part->target, VIEW("restype"));

    if (restype.len != 0) {
        return false;
    }

    if (view_eq(part->method, VIEW("DELETE")) && comp.len == 0) {
        *ret = PROTO_OP_DELETE_BLOB;
        return true;
    }

    if (view_eq(part->method, VIEW("PUT")) && view_eq_ci(comp, VIEW("tier"))) {
        *ret = PROTO_OP_SET_BLOB_TIER;
        return true;
    }

    return false;
}


proto_err_t
proto_batch_check(const proto_batch_part_t *parts, unsigned n,
                  proto_op_id_t *ret, proto_fault_t *fault)
{
    proto_op_id_t kind = PROTO_OP_COUNT, first = PROTO_OP_COUNT;

    for (unsigned i = 0; i < n; i++) {
        if (!part_kind(&parts[i], &kind) || (i != 0 && kind != first)) {
            return proto_fault(fault, PROTO_ERR_INVALID_INPUT, VIEW_NULL,
                               VIEW_NULL);
        }
        first = kind;
    }

    *ret = kind;
    return PROTO_OK;
}


proto_err_t
proto_batch_part_check(const proto_uri_t *outer, proto_op_id_t kind,
                       const proto_op_t *op, const proto_uri_t *uri)
{
    if (op->id != kind || !view_eq(uri->account, outer->account)
        || (outer->container.len != 0
            && !view_eq(uri->container, outer->container)))
    {
        return PROTO_ERR_INVALID_INPUT;
    }

    return PROTO_OK;
}


void
proto_batch_inherit(const proto_headers_t *outer, const proto_uri_t *outer_uri,
                    proto_headers_t *headers)
{
    view_t *version = &headers->known[PROTO_HDR_X_MS_VERSION];

    if (headers->version != 0 || outer->version == 0) {
        return;
    }

    headers->version = outer->version;
    *version = proto_hdr(outer, PROTO_HDR_X_MS_VERSION);
    if (version->len == 0) {
        *version = proto_uri_param(outer_uri, PROTO_PARAM_API_VERSION);
    }
}


/* ---- the answer ------------------------------------------------------- */

static void
put_boundary(writer_t *w, view_t guid)
{
    writer_puts(w, "batchresponse_");
    writer_put(w, guid);
}


void
proto_batch_put_type(writer_t *w, view_t guid)
{
    writer_puts(w, "multipart/mixed; boundary=");
    put_boundary(w, guid);
}


static const char *
reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } rows[] = { { 200, "OK" },
                 { 202, "Accepted" },
                 { 304, "Not Modified" },
                 { 400, "Bad Request" },
                 { 401, "Unauthorized" },
                 { 403, "Forbidden" },
                 { 404, "Not Found" },
                 { 405, "Method Not Allowed" },
                 { 409, "Conflict" },
                 { 411, "Length Required" },
                 { 412, "Precondition Failed" },
                 { 414, "URI Too Long" },
                 { 429, "Too Many Requests" },
                 { 500, "Internal Server Error" },
                 { 501, "Not Implemented" },
                 { 503, "Service Unavailable" } };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].status == status) {
            return rows[i].text;
        }
    }

    return status < 400 ? "OK" : "Error";
}


void
proto_batch_put_open(writer_t *w, view_t guid, view_t content_id,
                     unsigned status)
{
    writer_puts(w, "--");
    put_boundary(w, guid);
    writer_puts(w, "\r\nContent-Type: application/http\r\n");
    if (content_id.ptr != NULL) {
        proto_batch_put_header(w, VIEW("Content-ID"), content_id);
    }
    writer_puts(w, "\r\nHTTP/1.1 ");
    writer_put_u64(w, status);
    writer_putc(w, ' ');
    writer_puts(w, reason(status));
    writer_puts(w, "\r\n");
}


void
proto_batch_put_header(writer_t *w, view_t name, view_t value)
{
    writer_put(w, name);
    writer_puts(w, ": ");
    writer_put(w, value);
    writer_puts(w, "\r\n");
}


void
proto_batch_put_body(writer_t *w, view_t body)
{
    writer_puts(w, "\r\n");
    writer_put(w, body);
    writer_puts(w, "\r\n");
}


void
proto_batch_put_close(writer_t *w, view_t guid)
{
    writer_puts(w, "--");
    put_boundary(w, guid);
    writer_puts(w, "--\r\n");
}
