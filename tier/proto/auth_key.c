#include "proto/auth_parts.h"
#include "proto/date.h"

/*
 * REST: "Authorize with Shared Key". The service's own order of headers and
 * its reading of + are not written down; a request is authentic if any of the
 * forms that clients are known to sign has the signature.
 */
#define SKEW_MAX_S   900

#define V_2016_05_31 20160531

static const proto_hdr_id_t full[] = { PROTO_HDR_CONTENT_ENCODING,
                                       PROTO_HDR_CONTENT_LANGUAGE,
                                       PROTO_HDR_CONTENT_LENGTH,
                                       PROTO_HDR_CONTENT_MD5,
                                       PROTO_HDR_CONTENT_TYPE,
                                       PROTO_HDR_DATE,
                                       PROTO_HDR_IF_MODIFIED_SINCE,
                                       PROTO_HDR_IF_MATCH,
                                       PROTO_HDR_IF_NONE_MATCH,
                                       PROTO_HDR_IF_UNMODIFIED_SINCE,
                                       PROTO_HDR_RANGE };
static const proto_hdr_id_t lite[] = { PROTO_HDR_CONTENT_MD5,
                                       PROTO_HDR_CONTENT_TYPE,
                                       PROTO_HDR_DATE };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))


/* ---- the sink ------------------------------------------------------------
 */

void
sink_hash(sink_t *s, view_t key)
{
    hmac_init(&s->hmac, key);
    s->text = NULL;
    s->len = 0;
}


void
sink_text(sink_t *s, writer_t *w)
{
    s->text = w;
    s->len = 0;
}


static void
sink_flush(sink_t *s)
{
    hmac_update(&s->hmac, view_of(s->buf, s->len));
    s->len = 0;
}


void
sink_put(sink_t *s, view_t v)
{
    if (s->text != NULL) {
        writer_put(s->text, v);
        return;
    }

    if (v.len > sizeof(s->buf) - s->len) {
        sink_flush(s);
        if (v.len > sizeof(s->buf)) {
            hmac_update(&s->hmac, v);
            return;
        }
    }

    if (v.len != 0) {
        memcpy(s->buf + s->len, v.ptr, v.len);
        s->len += v.len;
    }
}


void
sink_line(sink_t *s, view_t v)
{
    sink_put(s, v);
    sink_put(s, VIEW("\n"));
}


static uint8_t
lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}


void
sink_lower(sink_t *s, view_t v)
{
    uint8_t buf[64];

    while (v.len != 0) {
        size_t n = v.len < sizeof(buf) ? v.len : sizeof(buf);

        for (size_t i = 0; i < n; i++) {
            buf[i] = lower(v.ptr[i]);
        }

        sink_put(s, view_of(buf, n));
        v = view_sub(v, n, v.len - n);
    }
}


void
sink_sum(sink_t *s, uint8_t ret[SHA256_LEN])
{
    sink_flush(s);
    hmac_final(&s->hmac, ret);
}


/* ---- order ---------------------------------------------------------------
 */

static int
compare_lower(view_t a, view_t b)
{
    size_t n = a.len < b.len ? a.len : b.len;

    for (size_t i = 0; i < n; i++) {
        int d = lower(a.ptr[i]) - lower(b.ptr[i]);

        if (d != 0) {
            return d;
        }
    }

    return a.len < b.len ? -1 : a.len > b.len;
}


/* Hyphen and apostrophe weigh nothing at first; symbols come before digits,
 * digits before letters. */
static int
weight(uint8_t c)
{
    c = lower(c);
    return c >= 'a' && c <= 'z' ? 512 + c : c >= '0' && c <= '9' ? 256 + c : c;
}


static int
compare_culture(view_t a, view_t b)
{
    size_t i = 0, k = 0;

    for (;; i++, k++) {
        int d;

        while (i < a.len && (a.ptr[i] == '-' || a.ptr[i] == '\'')) {
            i++;
        }
        while (k < b.len && (b.ptr[k] == '-' || b.ptr[k] == '\'')) {
            k++;
        }
        if (i == a.len || k == b.len) {
            break;
        }

        d = weight(a.ptr[i]) - weight(b.ptr[k]);
        if (d != 0) {
            return d;
        }
    }

    if (i != a.len || k != b.len) {
        return i == a.len ? -1 : 1;
    }

    return compare_lower(a, b);
}


/* Binary insertion of hdrs[i]; false: the name is there already. */
static bool
insert_header(const proto_header_t *hdrs, uint16_t *order, unsigned n,
              unsigned i, int (*compare)(view_t, view_t))
{
    unsigned low = 0, high = n;

    while (low < high) {
        unsigned mid = (low + high) / 2;
        int d = compare(hdrs[order[mid]].name, hdrs[i].name);

        if (d == 0) {
            return false;
        }

        if (d < 0) {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    memmove(order + low + 1, order + low, (n - low) * sizeof(*order));
    order[low] = (uint16_t) i;
    return true;
}


static void
sort_params(key_request_t *k)
{
    for (unsigned i = 0; i < k->nparams; i++) {
        unsigned at = i;

        for (; at != 0; at--) {
            const proto_param_t *a = &k->params[k->query[at - 1]];
            int d = compare_lower(a->name, k->params[i].name);

            if (d < 0
                || (d == 0 && view_cmp(a->value, k->params[i].value) <= 0)) {
                break;
            }

            k->query[at] = k->query[at - 1];
        }

        k->query[at] = (uint8_t) i;

        if (view_find(k->params[i].raw_value, '+', 0)
            != k->params[i].raw_value.len) {
            k->useful |= SIGN_PLUS;
        }
    }
}


proto_err_t
key_request_sort(key_request_t *k, unsigned nhdrs, proto_fault_t *fault)
{
    k->nms = 0;

    for (unsigned i = 0; i < nhdrs; i++) {
        if (k->hdrs[i].name.len < 5
            || !view_eq_ci(view_sub(k->hdrs[i].name, 0, 5), VIEW("x-ms-"))
            || (k->skip_empty && view_trim(k->hdrs[i].value).len == 0))
        {
            continue;
        }

        if (k->nms == SIGNED_HEADERS_MAX) {
            return proto_fault(fault, PROTO_ERR_REQUEST_HEADERS_TOO_LARGE,
                               VIEW_NULL, VIEW_NULL);
        }

        if (!insert_header(k->hdrs, k->ms, k->nms, i, compare_lower)
            || !insert_header(k->hdrs, k->culture, k->nms, i, compare_culture))
        {
            return proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE,
                               k->hdrs[i].name, k->hdrs[i].value);
        }

        k->nms++;
    }

    if (memcmp(k->ms, k->culture, k->nms * sizeof(k->ms[0])) != 0) {
        k->useful |= SIGN_CULTURE;
    }

    if (!k->lite
        && (k->std[PROTO_HDR_CONTENT_LENGTH].len == 0
            || view_eq(k->std[PROTO_HDR_CONTENT_LENGTH], VIEW("0"))))
    {
        k->useful |= SIGN_ZERO;
    }

    sort_params(k);
    return PROTO_OK;
}


/* ---- the string to sign --------------------------------------------------
 */

static int
hex_value(uint8_t c)
{
    c = lower(c);
    return c >= '0' && c <= '9' ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                : -1;
}


/* Decoded with + as itself. */
static void
put_plus_value(sink_t *s, view_t raw)
{
    for (size_t i = 0; i < raw.len; i++) {
        uint8_t c = raw.ptr[i];
        int hi = c == '%' && raw.len - i > 2 ? hex_value(raw.ptr[i + 1]) : -1;
        int lo = hi >= 0 ? hex_value(raw.ptr[i + 2]) : -1;

        if (lo >= 0) {
            c = (uint8_t) (hi << 4 | lo);
            i += 2;
        }

        sink_put(s, view_of(&c, 1));
    }
}


static void
put_query(const key_request_t *k, unsigned form, sink_t *s)
{
    view_t last = VIEW_NULL;

    for (unsigned i = 0; i < k->nparams; i++) {
        const proto_param_t *p = &k->params[k->query[i]];

        if (k->lite) {
            if (view_eq_ci(p->name, VIEW("comp"))) {
                sink_put(s, VIEW("?comp="));
                sink_put(s, p->value);
                return;
            }
            continue;
        }

        if (last.ptr != NULL && view_eq_ci(last, p->name)) {
            sink_put(s, VIEW(","));

        } else {
            sink_put(s, VIEW("\n"));
            sink_lower(s, p->name);
            sink_put(s, VIEW(":"));
        }

        if (form & SIGN_PLUS) {
            put_plus_value(s, p->raw_value);

        } else {
            sink_put(s, p->value);
        }

        last = p->name;
    }
}


static void
put_standard(const key_request_t *k, unsigned form, sink_t *s)
{
    const proto_hdr_id_t *ids = k->lite ? lite : full;
    size_t n = k->lite ? COUNT(lite) : COUNT(full);

    for (size_t i = 0; i < n; i++) {
        view_t v = k->std[ids[i]];

        if (ids[i] == PROTO_HDR_CONTENT_LENGTH
            && (v.len == 0 || view_eq(v, VIEW("0"))))
        {
            v = form & SIGN_ZERO ? VIEW("0") : VIEW_NULL;
        }

        sink_line(s, v);
    }
}


void
key_string_to_sign(const key_request_t *k, unsigned form, sink_t *s)
{
    const uint16_t *order = form & SIGN_CULTURE ? k->culture : k->ms;

    sink_line(s, k->method);
    put_standard(k, form, s);

    for (unsigned i = 0; i < k->nms; i++) {
        sink_lower(s, k->hdrs[order[i]].name);
        sink_put(s, VIEW(":"));
        sink_line(s, view_trim(k->hdrs[order[i]].value));
    }

    sink_put(s, VIEW("/"));
    sink_put(s, k->account);
    sink_put(s, k->path.len != 0 ? k->path : VIEW("/"));
    put_query(k, form, s);
}


/* ---- the check -----------------------------------------------------------
 */

static bool
is_signed(const proto_auth_in_t *in, const key_request_t *k,
          const uint8_t sig[SHA256_LEN])
{
    uint8_t ours[SHA256_LEN];
    sink_t s;

    for (unsigned form = 0; form < SIGN_FORMS; form++) {
        if ((form & ~k->useful) != 0) {
            continue;
        }

        for (unsigned i = 0; i < in->nkeys; i++) {
            sink_hash(&s, in->keys[i]);
            key_string_to_sign(k, form, &s);
            sink_sum(&s, ours);

            if (bytes_eq_ct(ours, sig, SHA256_LEN)) {
                return true;
            }
        }
    }

    return false;
}


static proto_err_t
unsigned_request(const proto_auth_in_t *in, const key_request_t *k, view_t sig,
                 proto_auth_out_t *out)
{
    view_t detail = VIEW_NULL;
    size_t from;
    writer_t *w = auth_detail_begin(in, &from);

    if (w != NULL) {
        sink_t s;

        writer_puts(w, "The MAC signature found in the HTTP request '");
        writer_put(w, sig);
        writer_puts(w, "' is not the same as any computed signature. Server "
                       "used following string to sign: '");
        sink_text(&s, w);
        key_string_to_sign(k, 0, &s);
        writer_puts(w, "'.");
        detail = auth_detail_end(w, from);
    }

    return auth_failed(in, out, detail);
}


/* x-ms-date counts before Date; one of them has to be there. */
static proto_err_t
check_date(const proto_auth_in_t *in, proto_auth_out_t *out)
{
    view_t date = proto_hdr(in->headers, PROTO_HDR_X_MS_DATE);
    int64_t t_s;

    if (date.len == 0) {
        date = proto_hdr(in->headers, PROTO_HDR_DATE);
    }

    if (date.len == 0 || !proto_date_parse_http(date, &t_s)) {
        return auth_failed(in, out,
                           VIEW("Request date header not specified or not "
                                "a valid date."));
    }

    if (t_s < in->now_s - SKEW_MAX_S || t_s > in->now_s + SKEW_MAX_S) {
        return auth_failed(in, out,
                           VIEW("Request date header too old or too new: "
                                "it has to be within 15 minutes."));
    }

    return PROTO_OK;
}


proto_err_t
auth_check_key(const proto_auth_in_t *in, view_t credential, bool is_lite,
               proto_auth_out_t *out)
{
    size_t colon = view_find(credential, ':', 0);
    view_t text = view_sub(credential, colon + 1, credential.len);
    uint8_t sig[SHA256_LEN];
    key_request_t k;
    proto_err_t err;
    size_t len;

    if (colon == 0 || colon == credential.len
        || !base64_decode(text, sig, sizeof(sig), &len) || len != SHA256_LEN)
    {
        return proto_fault(&out->fault, PROTO_ERR_INVALID_AUTHENTICATION_INFO,
                           VIEW_NULL, VIEW_NULL);
    }

    if (!view_eq(view_sub(credential, 0, colon), in->uri->account)) {
        return auth_failed(in, out,
                           VIEW("The account of the Authorization header is "
                                "not the account of the request."));
    }

    err = check_date(in, out);
    if (err != PROTO_OK) {
        return err;
    }

    k.method = in->method;
    k.account = in->uri->account;
    k.path = in->uri->raw_path;
    k.params = in->uri->params;
    k.nparams = in->uri->nparams;
    k.hdrs = in->hdrs;
    k.lite = is_lite;
    k.useful = 0;
    k.skip_empty =
        in->headers->version != 0 && in->headers->version < V_2016_05_31;
    memcpy(k.std, in->headers->known, sizeof(k.std));
    if (proto_hdr(in->headers, PROTO_HDR_X_MS_DATE).len != 0) {
        k.std[PROTO_HDR_DATE] = VIEW_NULL;
    }

    err = key_request_sort(&k, in->nhdrs, &out->fault);
    if (err != PROTO_OK) {
        return err;
    }

    return is_signed(in, &k, sig) ? PROTO_OK
                                  : unsigned_request(in, &k, text, out);
}


/* ---- signing -------------------------------------------------------------
 */

static const struct {
    proto_hdr_id_t id;
    const char *name;
} standard[] = { { PROTO_HDR_CONTENT_ENCODING, "content-encoding" },
                 { PROTO_HDR_CONTENT_LANGUAGE, "content-language" },
                 { PROTO_HDR_CONTENT_LENGTH, "content-length" },
                 { PROTO_HDR_CONTENT_MD5, "content-md5" },
                 { PROTO_HDR_CONTENT_TYPE, "content-type" },
                 { PROTO_HDR_DATE, "date" },
                 { PROTO_HDR_IF_MODIFIED_SINCE, "if-modified-since" },
                 { PROTO_HDR_IF_MATCH, "if-match" },
                 { PROTO_HDR_IF_NONE_MATCH, "if-none-match" },
                 { PROTO_HDR_IF_UNMODIFIED_SINCE, "if-unmodified-since" },
                 { PROTO_HDR_RANGE, "range" },
                 { PROTO_HDR_X_MS_DATE, "x-ms-date" } };


static void
take_standard(key_request_t *k, unsigned nhdrs)
{
    for (unsigned i = 0; i < nhdrs; i++) {
        for (size_t j = 0; j < COUNT(standard); j++) {
            if (view_eq_ci(k->hdrs[i].name, view_str(standard[j].name))) {
                k->std[standard[j].id] = view_trim(k->hdrs[i].value);
            }
        }
    }

    if (k->std[PROTO_HDR_X_MS_DATE].len != 0) {
        k->std[PROTO_HDR_DATE] = VIEW_NULL;
    }
}


static bool
take_query(view_t query, writer_t *scratch, proto_param_t *params,
           unsigned *ret_n)
{
    unsigned n = 0;

    for (size_t at = 0; at < query.len;) {
        size_t end = view_find(query, '&', at);
        view_t part = view_sub(query, at, end - at);
        size_t eq = view_find(part, '=', 0);
        proto_param_t *p = &params[n];

        at = end + 1;
        if (part.len == 0) {
            continue;
        }

        if (n == PROTO_PARAMS_MAX) {
            return false;
        }

        p->raw_value = view_sub(part, eq + 1, part.len);
        if (!proto_uri_decode(view_sub(part, 0, eq), true, scratch, &p->name)
            || !proto_uri_decode(p->raw_value, true, scratch, &p->value))
        {
            return false;
        }

        n++;
    }

    *ret_n = n;
    return true;
}


void
proto_auth_sign(const proto_sign_in_t *in, writer_t *scratch, writer_t *w)
{
    proto_param_t params[PROTO_PARAMS_MAX];
    key_request_t k = { .method = in->method,
                        .account = in->account,
                        .path = in->path,
                        .params = params,
                        .hdrs = in->hdrs };
    uint8_t sig[SHA256_LEN];
    proto_fault_t fault;
    sink_t s;

    take_standard(&k, in->nhdrs);

    if (!take_query(in->query, scratch, params, &k.nparams)
        || key_request_sort(&k, in->nhdrs, &fault) != PROTO_OK)
    {
        if (writer_ok(w)) {
            w->rc = TIER_ELIMIT;
        }
        return;
    }

    sink_hash(&s, in->key);
    key_string_to_sign(&k, 0, &s);
    sink_sum(&s, sig);

    writer_puts(w, "SharedKey ");
    writer_put(w, in->account);
    writer_putc(w, ':');
    base64_encode(w, view_of(sig, sizeof(sig)));
}
