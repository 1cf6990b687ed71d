#include "proto/verdict.h"

#include "proto/date.h"
#include "proto/xml_in.h"

#define VERDICT_KEEP_S 300
#define REFUSAL_KEEP_S 30

#define WRITES         (PROTO_PERM_A | PROTO_PERM_C | PROTO_PERM_W)

/* An ETag is a time, and none is from before there was one. */
#define IMPOSSIBLE_ETAG "\"0x0\""


/* ---- which probe ---------------------------------------------------------
 */

static proto_probe_t
probe_blob(const proto_op_t *op, uint32_t wanted, uint32_t granted)
{
    if (wanted == PROTO_PERM_R) {
        return PROTO_PROBE_READ;
    }

    if (wanted == PROTO_PERM_D && op->id == PROTO_OP_DELETE_BLOB) {
        return PROTO_PROBE_DELETE;
    }

    if ((wanted & WRITES) != 0 && (granted & PROTO_PERM_W)) {
        return PROTO_PROBE_WRITE;
    }

    if ((wanted & PROTO_PERM_C) && (granted & PROTO_PERM_C)) {
        return PROTO_PROBE_CREATE;
    }

    return PROTO_PROBE_AUTHENTIC;
}


/* A write of a blob is fenced here before it is forwarded, which nobody may
 * cause who is not known at all; elsewhere a relay waits for nothing. */
static proto_probe_t
probe_relay(const proto_op_t *op)
{
    return op->level == PROTO_LEVEL_BLOB && op->write ? PROTO_PROBE_AUTHENTIC
                                                      : PROTO_PROBE_NONE;
}


proto_probe_t
proto_probe_for(const proto_op_t *op, uint32_t wanted, uint32_t extra,
                uint32_t granted, bool *ret_relay)
{
    proto_probe_t probe = PROTO_PROBE_NONE;

    if (granted & PROTO_PERM_ANY) {
        granted = PROTO_PERM_R | WRITES | PROTO_PERM_D | PROTO_PERM_L;
    }

    *ret_relay = false;

    if (op->id == PROTO_OP_BATCH || op->id == PROTO_OP_CONTAINER_BATCH) {
        return PROTO_PROBE_AUTHENTIC; /* its parts are authorised each */
    }

    if (extra == 0 && op->id == PROTO_OP_LIST_BLOBS) {
        return PROTO_PROBE_LIST;
    }

    if (extra == 0 && op->level == PROTO_LEVEL_BLOB
        && wanted != PROTO_PERM_ANY) {
        probe = probe_blob(op, wanted, granted);
    }

    if (probe == PROTO_PROBE_NONE || probe == PROTO_PROBE_AUTHENTIC) {
        *ret_relay = true;
        return probe_relay(op);
    }

    return probe;
}


void
proto_probe_request(proto_probe_t probe, proto_level_t level, bool sas,
                    proto_probe_req_t *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->level = level;

    if (probe == PROTO_PROBE_AUTHENTIC && sas) {
        probe =
            level == PROTO_LEVEL_BLOB ? PROTO_PROBE_READ : PROTO_PROBE_LIST;
    }

    switch (probe) {
    case PROTO_PROBE_LIST:
        ret->method = VIEW("GET");
        ret->level = PROTO_LEVEL_CONTAINER;
        ret->query = VIEW("restype=container&comp=list&maxresults=1");
        return;
    case PROTO_PROBE_WRITE:
        ret->method = VIEW("PUT");
        ret->query = VIEW("comp=metadata");
        break;
    case PROTO_PROBE_CREATE:
        ret->method = VIEW("PUT");
        ret->hdrs[1] =
            (proto_header_t){ VIEW("x-ms-blob-type"), VIEW("BlockBlob") };
        break;
    case PROTO_PROBE_DELETE:
        ret->method = VIEW("DELETE");
        break;
    case PROTO_PROBE_AUTHENTIC:
        ret->method = VIEW("GET");
        ret->level = PROTO_LEVEL_ACCOUNT;
        ret->query = VIEW("comp=list&maxresults=1");
        return;
    default:
        ret->method = VIEW("HEAD");
        return;
    }

    ret->hdrs[0] = (proto_header_t){ VIEW("If-Match"), VIEW(IMPOSSIBLE_ETAG) };
    ret->nhdrs = probe == PROTO_PROBE_CREATE ? 2 : 1;
}


/* ---- the verdict ---------------------------------------------------------
 */

/* A refusal by its code; rows of another status are not one. */
static proto_err_t
refusal_of(unsigned status, view_t code)
{
    for (int err = PROTO_OK + 1; err < PROTO_ERR_COUNT; err++) {
        const proto_error_row_t *row = proto_error_row((proto_err_t) err);

        if (row->status == status && view_eq(view_str(row->code), code)) {
            return (proto_err_t) err;
        }
    }

    return PROTO_OK;
}


static proto_err_t
forbidden(proto_probe_t probe, view_t code)
{
    proto_err_t err = refusal_of(403, code);

    if (code.len == 0) {
        return PROTO_ERR_SERVER_BUSY; /* not a Blob service's */
    }

    if (err == PROTO_ERR_UNAUTHORIZED_BLOB_OVERWRITE
        && probe == PROTO_PROBE_CREATE)
    {
        return PROTO_OK; /* it is there; may create where nothing is */
    }

    if (probe == PROTO_PROBE_AUTHENTIC
        && err != PROTO_ERR_AUTHENTICATION_FAILED
        && err != PROTO_ERR_ACCOUNT_IS_DISABLED
        && err != PROTO_ERR_AUTHORIZATION_FAILURE)
    {
        return PROTO_OK;
    }

    return err == PROTO_OK ? PROTO_ERR_AUTHORIZATION_PERMISSION_MISMATCH : err;
}


proto_err_t
proto_probe_verdict(proto_probe_t probe, unsigned status, view_t code)
{
    if (status >= 200 && status < 300) {
        return PROTO_OK;
    }

    switch (status) {
    case 304:
        return PROTO_OK;
    case 401:
        return PROTO_ERR_INVALID_BEARER_TOKEN;
    case 403:
        return forbidden(probe, code);
    case 404:
        if (view_eq(code, VIEW("BlobNotFound"))
            || view_eq(code, VIEW("ContainerNotFound")))
        {
            return PROTO_OK;
        }
        return view_eq(code, VIEW("ResourceNotFound"))
                 ? PROTO_ERR_RESOURCE_NOT_FOUND
                 : PROTO_ERR_SERVER_BUSY;
    case 409:
        if (view_eq(code, VIEW("PublicAccessNotPermitted"))) {
            return PROTO_ERR_AUTHENTICATION_FAILED; /* took it for nobody's */
        }
        /* fall through */
    case 412:
        return code.len != 0 ? PROTO_OK : PROTO_ERR_SERVER_BUSY;
    case 400:
        return view_eq(code, VIEW("InvalidAuthenticationInfo"))
                 ? PROTO_ERR_INVALID_AUTHENTICATION_INFO
                 : PROTO_ERR_SERVER_BUSY;
    default:
        return PROTO_ERR_SERVER_BUSY;
    }
}


int64_t
proto_verdict_until(proto_err_t verdict, int64_t until_s, int64_t now_s)
{
    int64_t keep_s = now_s + VERDICT_KEEP_S;

    if (verdict == PROTO_ERR_SERVER_BUSY) {
        return now_s;
    }

    if (verdict != PROTO_OK) {
        return now_s + REFUSAL_KEEP_S;
    }

    return until_s < keep_s ? until_s : keep_s;
}


/* ---- tokens --------------------------------------------------------------
 */

/* base64url without padding (RFC 7515, 2), four digits at a time; what is
 * wrong ends it. */
typedef struct claims_s {
    view_t in;
    size_t at;
    uint32_t bits;
    unsigned nbits;
} claims_t;


static int
claims_next(claims_t *c)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    while (c->nbits < 8) {
        const char *d;

        if (c->at == c->in.len || c->in.ptr[c->at] == '\0') {
            return -1;
        }
        d = memchr(digits, c->in.ptr[c->at++], sizeof(digits) - 1);
        if (d == NULL) {
            return -1;
        }
        c->bits = c->bits << 6 | (uint32_t) (d - digits);
        c->nbits += 6;
    }

    c->nbits -= 8;
    return (int) (c->bits >> c->nbits & 0xFF);
}


static int
claims_space(claims_t *c)
{
    int ch;

    do {
        ch = claims_next(c);
    } while (ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n');

    return ch;
}


/* After the opening quote, up to the closing one: is it `name`? */
static bool
claims_string_is(claims_t *c, view_t name, bool *ret_end)
{
    size_t n = 0;
    bool same = true;
    int ch;

    while ((ch = claims_next(c)) != '"') {
        if (ch == '\\') {
            same = false;
            ch = claims_next(c);
        }
        if (ch < 0) {
            *ret_end = true;
            return false;
        }
        same = same && n < name.len && name.ptr[n] == (uint8_t) ch;
        n++;
    }

    return same && n == name.len;
}


static int64_t
claims_number(claims_t *c)
{
    int64_t n = 0;
    int ch = claims_space(c);

    if (ch < '0' || ch > '9') {
        return INT64_MAX;
    }

    for (; ch >= '0' && ch <= '9'; ch = claims_next(c)) {
        if (n > INT64_MAX / 100) {
            return INT64_MAX;
        }
        n = n * 10 + (ch - '0');
    }

    return n;
}


/* The outermost object's "exp". Strings are the only thing to be careful
 * with: what is in one is not a name. */
int64_t
proto_token_expiry(view_t token)
{
    size_t dot = view_find(token, '.', 0);
    size_t end = view_find(token, '.', dot + 1);
    claims_t c = { .in = view_sub(token, dot + 1, end - dot - 1) };
    unsigned depth = 0;
    bool over = false;
    int ch;

    if (dot >= token.len || end >= token.len) {
        return INT64_MAX;
    }

    while (!over && (ch = claims_next(&c)) >= 0) {
        bool is_exp;

        if (ch == '{' || ch == '[') {
            depth++;

        } else if (ch == '}' || ch == ']') {
            depth--;
        }
        if (ch != '"') {
            continue;
        }

        is_exp = claims_string_is(&c, VIEW("exp"), &over);
        if (is_exp && depth == 1) {
            claims_t save = c;

            if (claims_space(&c) == ':') {
                return claims_number(&c);
            }
            c = save;
        }
    }

    return INT64_MAX;
}


void
proto_challenge(writer_t *w, view_t tenant)
{
    writer_puts(w, "Bearer authorization_uri="
                   "https://login.microsoftonline.com/");
    writer_put(w, tenant.len != 0 ? tenant : VIEW("common"));
    writer_puts(w, "/oauth2/authorize resource_id=https://storage.azure.com");
}


/* ---- user delegation keys ------------------------------------------------
 */

static void
name_part(hmac_t *h, view_t v)
{
    uint8_t len[4] = { (uint8_t) (v.len >> 24), (uint8_t) (v.len >> 16),
                       (uint8_t) (v.len >> 8), (uint8_t) v.len };

    hmac_update(h, view_of(len, sizeof(len)));
    hmac_update(h, v);
}


static void
name_time(hmac_t *h, int64_t t)
{
    uint8_t buf[8];

    for (int i = 0; i < 8; i++) {
        buf[i] = (uint8_t) ((uint64_t) t >> 8 * i);
    }

    hmac_update(h, view_of(buf, sizeof(buf)));
}


bool
proto_ud_name(const proto_ud_t *ud, uint8_t ret[SHA256_LEN])
{
    int64_t start_s, end_s;
    hmac_t h;

    if (!proto_date_parse_iso8601(ud->skt, &start_s)
        || !proto_date_parse_iso8601(ud->ske, &end_s))
    {
        return false;
    }

    hmac_init(&h, VIEW("user delegation key"));
    name_part(&h, ud->skoid);
    name_part(&h, ud->sktid);
    name_part(&h, ud->sks);
    name_part(&h, ud->skv);
    name_time(&h, start_s);
    name_time(&h, end_s);
    hmac_final(&h, ret);
    return true;
}


bool
proto_ud_answer(view_t xml, writer_t *scratch, proto_ud_t *ret, uint8_t *buf,
                size_t cap, view_t *ret_key)
{
    const struct {
        view_t name;
        view_t *to;
    } nodes[] = { { VIEW("SignedOid"), &ret->skoid },
                  { VIEW("SignedTid"), &ret->sktid },
                  { VIEW("SignedStart"), &ret->skt },
                  { VIEW("SignedExpiry"), &ret->ske },
                  { VIEW("SignedService"), &ret->sks },
                  { VIEW("SignedVersion"), &ret->skv } };
    view_t value = VIEW_NULL, other;
    proto_xml_event_t event;
    proto_xml_t x;
    size_t len;

    memset(ret, 0, sizeof(*ret));
    proto_xml_init(&x, xml);

    if (proto_xml_next(&x) != PROTO_XML_START
        || !view_eq(x.name, VIEW("UserDelegationKey")))
    {
        return false;
    }

    while ((event = proto_xml_next(&x)) != PROTO_XML_END) {
        view_t *to = &other;

        if (event == PROTO_XML_TEXT) {
            continue;
        }
        if (event != PROTO_XML_START) {
            return false;
        }

        for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
            to = view_eq(x.name, nodes[i].name) ? nodes[i].to : to;
        }
        to = view_eq(x.name, VIEW("Value")) ? &value : to;

        if (!proto_xml_content(&x, scratch, to)) {
            return false;
        }
    }

    if (ret->skoid.len == 0 || ret->sktid.len == 0 || ret->sks.len == 0
        || ret->skv.len == 0 || !base64_decode(value, buf, cap, &len)
        || len == 0)
    {
        return false;
    }

    *ret_key = view_of(buf, len);
    return true;
}
