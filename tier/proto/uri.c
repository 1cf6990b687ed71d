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
        uint8_t c = v.ptr[i];
        unsigned more = c < 0x80              ? 0
                      : c >= 0xC2 && c < 0xE0 ? 1
                      : c >= 0xE0 && c < 0xF0 ? 2
                      : c >= 0xF0 && c < 0xF5 ? 3
                                              : 9;

        if (more == 9 || more >= v.len - i) {
            return 0;
        }

        for (unsigned k = 1; k <= more; k++) {
            if ((v.ptr[i + k] & 0xC0) != 0x80) {
                return 0;
            }
        }

        if ((c == 0xE0 && v.ptr[i + 1] < 0xA0)
            || (c == 0xED && v.ptr[i + 1] > 0x9F)
            || (c == 0xF0 && v.ptr[i + 1] < 0x90)
            || (c == 0xF4 && v.ptr[i + 1] > 0x8F))
        {
            return 0;
        }

        units += more == 3 ? 2 : 1;
        i += more + 1;
    }

    return units;
}


proto_err_t
proto_blob_name_check(view_t name, proto_fault_t *fault)
{
    size_t units = utf16_units(name);

    if (units == 0) {
        return uri_fault(fault, PROTO_ERR_INVALID_URI, VIEW_NULL);
    }

    if (units > PROTO_BLOB_NAME_UNITS) {
        return uri_fault(fault, PROTO_ERR_OUT_OF_RANGE_INPUT, VIEW_NULL);
    }

    for (size_t from = 0; from <= name.len;) {
        size_t to = view_find(name, '/', from);
        view_t seg = view_sub(name, from, to - from);

        if (view_eq(seg, VIEW(".")) || view_eq(seg, VIEW(".."))) {
            return uri_fault(fault, PROTO_ERR_INVALID_URI, VIEW_NULL);
        }

        from = to + 1;
    }

    if (view_find(name, '\\', 0) != name.len) {
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
static bool
host_is_path_style(view_t host)
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
              proto_fault_t *fault)
{
    proto_uri_style_t style = opts->style;

    if (style == PROTO_URI_AUTO) {
        style = host_is_path_style(host) ? PROTO_URI_PATH : PROTO_URI_HOST;
    }

    u->path_style = style == PROTO_URI_PATH;
    u->raw_resource = u->raw_path;

    if (style == PROTO_URI_FIXED) {
        u->account = opts->account;
        return PROTO_OK;
    }

    if (style == PROTO_URI_HOST) {
        view_t name = host_name(host);

        take_account(u, view_sub(name, 0, view_find(name, '.', 0)));
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


static proto_err_t
parse_resource(proto_uri_t *u, writer_t *scratch, proto_fault_t *fault)
{
    view_t rest = view_sub(u->raw_resource, 1, u->raw_resource.len);
    size_t slash;
    view_t raw_blob;
    proto_err_t err;

    u->container = VIEW("");
    u->blob = VIEW("");

    if (rest.len == 0) {
        return PROTO_OK;
    }

    slash = view_find(rest, '/', 0);
    raw_blob = view_sub(rest, slash + 1, rest.len);

    if (slash == 0
        || !proto_uri_decode(view_sub(rest, 0, slash), false, scratch,
                             &u->container)
        || !proto_uri_decode(raw_blob, false, scratch, &u->blob))
    {
        return uri_fault(fault, PROTO_ERR_INVALID_URI, u->raw_path);
    }

    /* `c%2Fb`: some clients encode the separator too (blob-api 4.1) */
    if (raw_blob.len == 0) {
        slash = view_find(u->container, '/', 0);

        if (slash != u->container.len) {
            u->blob = view_sub(u->container, slash + 1, u->container.len);
            u->container = view_sub(u->container, 0, slash);
        }
    }

    /* /name without restype is a blob of the root container */
    if (u->blob.len == 0 && u->known[PROTO_PARAM_RESTYPE].ptr == NULL
        && slash >= rest.len && !u->path_style
        && view_find(u->container, '.', 0) != u->container.len)
    {
        u->blob = u->container;
        u->container = VIEW("$root");
    }

    err = proto_container_name_check(u->container, fault);

    if (err != PROTO_OK || u->blob.len == 0) {
        return err;
    }

    return proto_blob_name_check(u->blob, fault);
}


static const char *const param_names[PROTO_PARAM_COUNT] = {
    [PROTO_PARAM_RESTYPE] = "restype",
    [PROTO_PARAM_COMP] = "comp",
    [PROTO_PARAM_SNAPSHOT] = "snapshot",
    [PROTO_PARAM_VERSIONID] = "versionid",
    [PROTO_PARAM_BLOCKID] = "blockid",
    [PROTO_PARAM_BLOCKLISTTYPE] = "blocklisttype",
    [PROTO_PARAM_PREFIX] = "prefix",
    [PROTO_PARAM_DELIMITER] = "delimiter",
    [PROTO_PARAM_MARKER] = "marker",
    [PROTO_PARAM_MAXRESULTS] = "maxresults",
    [PROTO_PARAM_INCLUDE] = "include",
    [PROTO_PARAM_TIMEOUT] = "timeout",
    [PROTO_PARAM_COPYID] = "copyid",
    [PROTO_PARAM_WHERE] = "where",
    [PROTO_PARAM_DELETETYPE] = "deletetype",
    [PROTO_PARAM_API_VERSION] = "api-version",
    [PROTO_PARAM_STARTFROM] = "startfrom",
    [PROTO_PARAM_ENDBEFORE] = "endbefore",
    [PROTO_PARAM_SHOWONLY] = "showonly",
    [PROTO_PARAM_PREVSNAPSHOT] = "prevsnapshot",
};


static void
know_param(proto_uri_t *u, const proto_param_t *p)
{
    for (unsigned i = 0; i < PROTO_PARAM_COUNT; i++) {
        if (u->known[i].ptr == NULL
            && view_eq_ci(p->name, view_str(param_names[i]))) {
            u->known[i] = p->value;
            return;
        }
    }
}


static proto_err_t
parse_query(proto_uri_t *u, writer_t *scratch, proto_fault_t *fault)
{
    for (size_t from = 0; from < u->raw_query.len;) {
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
        know_param(u, p);
    }

    return PROTO_OK;
}


/* Absolute form (RFC 9112 3.2.2): what stands before the path is dropped. */
static view_t
strip_authority(view_t target)
{
    if (view_starts_with(target, VIEW("http://"))
        || view_starts_with(target, VIEW("https://")))
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

    err = parse_account(ret, host, opts, fault);

    if (err == PROTO_OK) {
        err = parse_query(ret, scratch, fault);
    }

    if (err == PROTO_OK) {
        err = parse_resource(ret, scratch, fault);
    }

    return err;
}
