#include "proto/uri.h"

/* Bytes that need no escape in a path or query value (RFC 3986 2.3). */
static bool
is_unreserved(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'
        || c == '~';
}


static int
hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


bool
proto_uri_decode(view_t raw, bool plus_is_space, writer_t *scratch,
                 view_t *ret)
{
    if (view_find(raw, '%', 0) == raw.len
        && (!plus_is_space || view_find(raw, '+', 0) == raw.len))
    {
        *ret = raw.ptr == NULL ? VIEW("") : raw;
        return view_find(raw, 0, 0) == raw.len;
    }

    uint8_t *out = writer_reserve(scratch, raw.len);
    size_t len = 0;

    if (out == NULL) {
        return false;
    }

    for (size_t i = 0; i < raw.len; i++) {
        uint8_t c = raw.ptr[i];

        if (c == '%') {
            int hi = i + 2 < raw.len ? hex_value(raw.ptr[i + 1]) : -1;
            int lo = i + 2 < raw.len ? hex_value(raw.ptr[i + 2]) : -1;

            if (hi < 0 || lo < 0) {
                return false;
            }

            c = (uint8_t) (hi << 4 | lo);
            i += 2;

        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }

        if (c == 0) {
            return false;
        }

        out[len++] = c;
    }

    scratch->len -= raw.len - len;
    *ret = view_of(out, len);
    return true;
}


void
proto_uri_encode(writer_t *w, view_t v, bool keep_slash)
{
    for (size_t i = 0; i < v.len; i++) {
        if (is_unreserved(v.ptr[i]) || (keep_slash && v.ptr[i] == '/')) {
            writer_putc(w, v.ptr[i]);

        } else {
            writer_putc(w, '%');
            writer_put_hex(w, v.ptr[i], 2);
        }
    }
}


static proto_err_t
uri_fault(proto_fault_t *fault, proto_err_t err, view_t path)
{
    return proto_fault(fault, err, VIEW_NULL, path);
}


proto_err_t
proto_container_name_check(view_t name, proto_fault_t *fault)
{
    if (view_eq(name, VIEW("$root")) || view_eq(name, VIEW("$web"))
        || view_eq(name, VIEW("$logs"))
        || view_eq(name, VIEW("$blobchangefeed")))
    {
        return PROTO_OK;
    }

    if (name.len < PROTO_CONTAINER_NAME_MIN
        || name.len > PROTO_CONTAINER_NAME_MAX) {
        return uri_fault(fault, PROTO_ERR_OUT_OF_RANGE_INPUT, VIEW_NULL);
    }

    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        bool inner = i != 0 && i + 1 != name.len && name.ptr[i - 1] != '-';

        if (!alnum && !(c == '-' && inner)) {
            return uri_fault(fault, PROTO_ERR_INVALID_RESOURCE_NAME,
                             VIEW_NULL);
        }
    }

    return PROTO_OK;
}


/* Length in UTF-16 code units, or 0 if not well-formed UTF-8 (RFC 3629). */
static size_t
utf16_units(view_t v)
{
    size_t units = 0;

    for (size_t i = 0; i < v.len;) {
        unsigned len = view_utf8(v, i);

        if (len == 0) {
            return 0;
        }

        units += len == 4 ? 2 : 1;
        i += len;
    }

    return units;
}


proto_err_t
proto_blob_name_check(view_t name, proto_fault_t *fault)
{
    size_t units = utf16_units(name);
    unsigned segments = 0;

    if (units == 0) {
        return uri_fault(fault, PROTO_ERR_INVALID_URI, VIEW_NULL);
    }

    if (units > PROTO_BLOB_NAME_UNITS) {
        return uri_fault(fault, PROTO_ERR_OUT_OF_RANGE_INPUT, VIEW_NULL);
    }

    /* `.`, `..` and `name.`: the service drops a dot that ends a segment */
    for (size_t from = 0; from <= name.len; segments++) {
        size_t to = view_find(name, '/', from);

        if (to != from && name.ptr[to - 1] == '.') {
            return uri_fault(fault, PROTO_ERR_INVALID_URI, VIEW_NULL);
        }

        from = to + 1;
    }

    if (segments > PROTO_BLOB_NAME_SEGMENTS
        || view_find(name, '\\', 0) != name.len)
    {
        return uri_fault(fault, PROTO_ERR_INVALID_URI, VIEW_NULL);
    }

    return PROTO_OK;
}


/* Host without its port; brackets of an IPv6 literal stay. */
static view_t
host_name(view_t host)
{
    if (host.len != 0 && host.ptr[0] == '[') {
        return view_sub(host, 0, view_find(host, ']', 0) + 1);
    }

    return view_sub(host, 0, view_find(host, ':', 0));
}


/* What SDKs take for path style (blob-api 4.6): IP literals and the names
 * that emulators go by. */
bool
proto_uri_host_is_path(view_t host)
{
    view_t name = host_name(host);
    bool digits = name.len != 0;

    if (name.len != 0 && name.ptr[0] == '[') {
        return true;
    }

    for (size_t i = 0; i < name.len; i++) {
        digits &=
            (name.ptr[i] >= '0' && name.ptr[i] <= '9') || name.ptr[i] == '.';
    }

    return digits || name.len == 0 || view_eq_ci(name, VIEW("localhost"))
        || view_eq_ci(name, VIEW("host.docker.internal"))
        || view_find(name, '.', 0) == name.len;
}


/* Host names have no case, accounts are lower case. */
static view_t
lower(view_t v, writer_t *scratch)
{
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] >= 'A' && v.ptr[i] <= 'Z') {
            uint8_t *p = writer_reserve(scratch, v.len);

            for (size_t k = 0; p != NULL && k < v.len; k++) {
                uint8_t c = v.ptr[k];

                p[k] = c >= 'A' && c <= 'Z' ? (uint8_t) (c | 0x20) : c;
            }

            return p == NULL ? v : view_of(p, v.len);
        }
    }

    return v;
}


static void
take_account(proto_uri_t *u, view_t account)
{
    view_t suffix = VIEW("-secondary");

    u->secondary = view_ends_with(account, suffix) && account.len > suffix.len;
    u->account =
        view_sub(account, 0, account.len - (u->secondary ? suffix.len : 0));
}


/* Splits off the account; sets raw_resource to what is left. */
static proto_err_t
parse_account(proto_uri_t *u, view_t host, const proto_uri_opts_t *opts,
              writer_t *scratch, proto_fault_t *fault)
{
    proto_uri_style_t style = opts->style;

    if (style == PROTO_URI_AUTO) {
        style = proto_uri_host_is_path(host) ? PROTO_URI_PATH : PROTO_URI_HOST;
    }

    u->path_style = style == PROTO_URI_PATH;
    u->raw_resource = u->raw_path;

    if (style == PROTO_URI_FIXED) {
        u->account = opts->account;
        return PROTO_OK;
    }

    if (style == PROTO_URI_HOST) {
        view_t name = host_name(host);

        name = view_sub(name, 0, view_find(name, '.', 0));
        take_account(u, lower(name, scratch));
        return PROTO_OK;
    }

    size_t end = view_find(u->raw_path, '/', 1);

    if (end <= 1) { /* "/" or "//..." */
        return uri_fault(fault, PROTO_ERR_INVALID_URI, u->raw_path);
    }

    take_account(u, view_sub(u->raw_path, 1, end - 1));
    u->raw_resource = view_sub(u->raw_path, end, u->raw_path.len);
    return PROTO_OK;
}


/* Where the container ends: at a slash or, since some clients encode the
 * separator too (blob-api 4.1), at %2F. *ret_len: of that separator. */
static size_t
container_end(view_t rest, size_t *ret_len)
{
    size_t slash = view_find(rest, '/', 0);

    for (size_t i = view_find(rest, '%', 0); i < slash;
         i = view_find(rest, '%', i + 1))
    {
        if (view_eq_ci(view_sub(rest, i, 3), VIEW("%2f"))) {
            *ret_len = 3;
            return i;
        }
    }

    *ret_len = slash == rest.len ? 0 : 1;
    return slash;
}


static proto_err_t
parse_resource(proto_uri_t *u, writer_t *scratch, proto_fault_t *fault)
{
    view_t rest = view_sub(u->raw_resource, 1, u->raw_resource.len);
    size_t sep_len;
    size_t end = container_end(rest, &sep_len);
    proto_err_t err;

    u->container = VIEW("");
    u->blob = VIEW("");

    if (rest.len == 0) {
        return PROTO_OK;
    }

    if (end == 0
        || !proto_uri_decode(view_sub(rest, 0, end), false, scratch,
                             &u->container)
        || !proto_uri_decode(view_sub(rest, end + sep_len, rest.len), false,
                             scratch, &u->blob))
    {
        return uri_fault(fault, PROTO_ERR_INVALID_URI, u->raw_path);
    }

    /* /name without restype is a blob of the root container */
    if (sep_len == 0 && u->known[PROTO_PARAM_RESTYPE].ptr == NULL) {
        u->blob = u->container;
        u->container = VIEW("$root");
    }

    err = proto_container_name_check(u->container, fault);

    if (err != PROTO_OK || u->blob.len == 0) {
        return err;
    }

    return proto_blob_name_check(u->blob, fault);
}


#define NAME(text)                                                            \
    {                                                                         \
        (const uint8_t *) text, sizeof(text) - 1                              \
    }

static const view_t param_names[PROTO_PARAM_COUNT] = {
    [PROTO_PARAM_RESTYPE] = NAME("restype"),
    [PROTO_PARAM_COMP] = NAME("comp"),
    [PROTO_PARAM_SNAPSHOT] = NAME("snapshot"),
    [PROTO_PARAM_VERSIONID] = NAME("versionid"),
    [PROTO_PARAM_BLOCKID] = NAME("blockid"),
    [PROTO_PARAM_BLOCKLISTTYPE] = NAME("blocklisttype"),
    [PROTO_PARAM_PREFIX] = NAME("prefix"),
    [PROTO_PARAM_DELIMITER] = NAME("delimiter"),
    [PROTO_PARAM_MARKER] = NAME("marker"),
    [PROTO_PARAM_MAXRESULTS] = NAME("maxresults"),
    [PROTO_PARAM_INCLUDE] = NAME("include"),
    [PROTO_PARAM_TIMEOUT] = NAME("timeout"),
    [PROTO_PARAM_COPYID] = NAME("copyid"),
    [PROTO_PARAM_WHERE] = NAME("where"),
    [PROTO_PARAM_DELETETYPE] = NAME("deletetype"),
    [PROTO_PARAM_API_VERSION] = NAME("api-version"),
    [PROTO_PARAM_STARTFROM] = NAME("startfrom"),
    [PROTO_PARAM_ENDBEFORE] = NAME("endbefore"),
    [PROTO_PARAM_SHOWONLY] = NAME("showonly"),
    [PROTO_PARAM_PREVSNAPSHOT] = NAME("prevsnapshot"),
};


/* Given twice, what is authorised here and what an origin reads could be two
 * things. A list's `include` may: what it says adds up. */
static proto_err_t
know_param(proto_uri_t *u, const proto_param_t *p, proto_fault_t *fault)
{
    for (unsigned i = 0; i < PROTO_PARAM_COUNT; i++) {
        if (param_names[i].len != p->name.len
            || !view_eq_ci(p->name, param_names[i])) {
            continue;
        }

        if (u->known[i].ptr == NULL) {
            u->known[i] = p->value;

        } else if (i != PROTO_PARAM_INCLUDE) {
            return proto_fault(fault, PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE,
                               param_names[i], p->value);
        }

        break;
    }

    return PROTO_OK;
}


static proto_err_t
parse_query(proto_uri_t *u, writer_t *scratch, proto_fault_t *fault)
{
    proto_err_t err = PROTO_OK;

    for (size_t from = 0; from < u->raw_query.len && err == PROTO_OK;) {
        size_t to = view_find(u->raw_query, '&', from);
        view_t pair = view_sub(u->raw_query, from, to - from);
        size_t eq = view_find(pair, '=', 0);
        proto_param_t *p = &u->params[u->nparams];

        from = to + 1;

        if (pair.len == 0) {
            continue;
        }

        if (u->nparams == PROTO_PARAMS_MAX) {
            return uri_fault(fault, PROTO_ERR_INVALID_URI, VIEW_NULL);
        }

        p->raw_value = view_sub(pair, eq + 1, pair.len);

        if (!proto_uri_decode(view_sub(pair, 0, eq), true, scratch, &p->name)
            || !proto_uri_decode(p->raw_value, true, scratch, &p->value))
        {
            return uri_fault(fault, PROTO_ERR_INVALID_URI, VIEW_NULL);
        }

        u->nparams++;
        err = know_param(u, p, fault);
    }

    return err;
}


/* Absolute form (RFC 9112 3.2.2): what stands before the path is dropped. */
static view_t
strip_authority(view_t target)
{
    if (view_eq_ci(view_sub(target, 0, 7), VIEW("http://"))
        || view_eq_ci(view_sub(target, 0, 8), VIEW("https://")))
    {
        size_t host = view_find(target, '/', 0) + 2;

        return view_sub(target, view_find(target, '/', host), target.len);
    }

    return target;
}


proto_err_t
proto_uri_parse(view_t target, view_t host, const proto_uri_opts_t *opts,
                writer_t *scratch, proto_uri_t *ret, proto_fault_t *fault)
{
    proto_err_t err;

    memset(ret, 0, offsetof(proto_uri_t, params));
    memset(ret->known, 0, sizeof(ret->known));

    target = strip_authority(target);

    if (target.len == 0) {
        target = VIEW("/");
    }

    if (target.ptr[0] != '/') {
        return uri_fault(fault, PROTO_ERR_INVALID_URI, target);
    }

    size_t query = view_find(target, '?', 0);

    ret->raw_path = view_sub(target, 0, query);
    ret->raw_query = view_sub(target, query + 1, target.len);

    err = parse_account(ret, host, opts, scratch, fault);

    if (err == PROTO_OK) {
        err = parse_query(ret, scratch, fault);
    }

    if (err == PROTO_OK) {
        err = parse_resource(ret, scratch, fault);
    }

    return err;
}
