#include "proto/auth_parts.h"
#include "proto/date.h"
#include "proto/xml_in.h"

/*
 * REST: "Create a service SAS", "Create an account SAS", "Create a user
 * delegation SAS". The signed version (sv) decides which fields are signed.
 */
#define V_2012_02_12 20120212
#define V_2013_08_15 20130815
#define V_2015_02_21 20150221
#define V_2015_04_05 20150405
#define V_2018_11_09 20181109
#define V_2020_02_10 20200210
#define V_2020_12_06 20201206
#define V_2025_07_05 20250705
#define V_2026_04_06 20260406

typedef enum {
    SV = 0,
    SR,
    SS,
    SRT,
    SP,
    ST,
    SE,
    SI,
    SIP,
    SPR,
    SIG,
    SES,
    SDD,
    SKOID,
    SKTID,
    SKT,
    SKE,
    SKS,
    SKV,
    SAOID,
    SUOID,
    SCID,
    SKDUTID,
    SDUOID,
    SRH,
    SRQ,
    RSCC,
    RSCD,
    RSCE,
    RSCL,
    RSCT,
    FIELDS
} field_t;

static const char *const names[FIELDS] = {
    "sv",  "sr",  "ss",   "srt",   "sp",    "st",    "se",      "si",
    "sip", "spr", "sig",  "ses",   "sdd",   "skoid", "sktid",   "skt",
    "ske", "sks", "skv",  "saoid", "suoid", "scid",  "skdutid", "sduoid",
    "srh", "srq", "rscc", "rscd",  "rsce",  "rscl",  "rsct"
};

typedef struct sas_s {
    view_t field[FIELDS]; /* null: absent */
    uint32_t version;     /* 0: no sv */
    proto_cred_t kind;
    char resource;    /* b, s(napshot), v(ersion), c, d; service and UD */
    view_t directory; /* sr=d: the first sdd segments of the blob's name */
    uint32_t perms;
    view_t start;
    view_t expiry;
} sas_t;


static proto_err_t
malformed(const proto_auth_in_t *in, proto_auth_out_t *out)
{
    return auth_failed(in, out, VIEW("Signature fields not well formed."));
}


/* False: a field is there twice. */
static bool
take_fields(const proto_uri_t *uri, sas_t *sas)
{
    for (unsigned i = 0; i < uri->nparams; i++) {
        const proto_param_t *p = &uri->params[i];

        if (p->name.len < 2 || p->name.len > 7
            || (p->name.ptr[0] != 's' && p->name.ptr[0] != 'r'))
        {
            continue;
        }

        for (unsigned f = 0; f < FIELDS; f++) {
            if (p->name.ptr[1] == (uint8_t) names[f][1]
                && view_eq(p->name, view_str(names[f])))
            {
                if (sas->field[f].ptr != NULL) {
                    return false;
                }
                sas->field[f] = p->value;
                break;
            }
        }
    }

    return true;
}


/* sr=d: the directory is as deep as sdd says (2020-02-10). A listing is of
 * the directory when its prefix goes past the slash at the end of it. */
static bool
take_directory(const proto_uri_t *uri, sas_t *sas)
{
    bool blob = uri->blob.len != 0;
    view_t name = blob ? uri->blob : proto_uri_param(uri, PROTO_PARAM_PREFIX);
    uint64_t depth;
    size_t at = 0;

    if (!view_to_u64(sas->field[SDD], &depth) || sas->version < V_2020_02_10) {
        return false;
    }

    for (; depth != 0; depth--) {
        size_t slash = at >= name.len ? name.len : view_find(name, '/', at);

        if (at >= name.len || (!blob && slash == name.len)) {
            return false;
        }
        at = slash + 1;
    }

    sas->directory = at == 0 ? VIEW("") : view_sub(name, 0, at - 1);
    return true;
}


static bool
take_resource(const proto_auth_in_t *in, sas_t *sas)
{
    view_t sr = sas->field[SR];
    bool blob = in->uri->blob.len != 0;

    if (in->uri->container.len == 0) {
        return false;
    }

    if (view_eq(sr, VIEW("c"))) {
        sas->resource = 'c';
        return true;
    }

    if (view_eq(sr, VIEW("b"))) {
        sas->resource = 'b';
        return blob;
    }

    if (view_eq(sr, VIEW("bs"))) {
        sas->resource = 's';
        return blob && sas->version >= V_2018_11_09
            && proto_uri_param(in->uri, PROTO_PARAM_SNAPSHOT).len != 0;
    }

    if (view_eq(sr, VIEW("bv"))) {
        sas->resource = 'v';
        return blob && sas->version >= V_2018_11_09
            && proto_uri_param(in->uri, PROTO_PARAM_VERSIONID).len != 0;
    }

    sas->resource = 'd';
    return view_eq(sr, VIEW("d")) && take_directory(in->uri, sas);
}


/* What kind it is, and that what it has to have is there. */
static bool
take_kind(const proto_auth_in_t *in, sas_t *sas)
{
    const view_t *f = sas->field;

    if (f[SV].ptr != NULL) {
        sas->version = proto_version_parse(f[SV]);
        if (sas->version < V_2012_02_12) {
            return false;
        }
    }

    if (f[SS].ptr != NULL || f[SRT].ptr != NULL) {
        sas->kind = PROTO_CRED_ACCOUNT_SAS;
        return f[SS].len != 0 && f[SRT].len != 0 && f[SP].len != 0
            && f[SE].len != 0 && f[SI].ptr == NULL
            && sas->version >= V_2015_04_05;
    }

    if (f[SKOID].ptr != NULL) {
        sas->kind = PROTO_CRED_UD_SAS;
        return f[SKTID].len != 0 && f[SKT].len != 0 && f[SKE].len != 0
            && f[SKS].len != 0 && f[SKV].len != 0 && f[SP].len != 0
            && f[SE].len != 0 && f[SI].ptr == NULL
            && sas->version >= V_2018_11_09 && take_resource(in, sas);
    }

    sas->kind = PROTO_CRED_SERVICE_SAS;
    return take_resource(in, sas);
}


/* ---- the string to sign --------------------------------------------------
 */

static void
put_account_sas(const proto_auth_in_t *in, const sas_t *sas, sink_t *s)
{
    static const field_t signed_fields[] = {
        SP, SS, SRT, ST, SE, SIP, SPR, SV
    };

    sink_line(s, in->uri->account);

    for (size_t i = 0; i < sizeof(signed_fields) / sizeof(field_t); i++) {
        sink_line(s, sas->field[signed_fields[i]]);
    }

    if (sas->version >= V_2020_12_06) {
        sink_line(s, sas->field[SES]);
    }
}


static void
put_resource(const proto_auth_in_t *in, const sas_t *sas, sink_t *s)
{
    sink_put(s, sas->version >= V_2015_02_21 ? VIEW("/blob/") : VIEW("/"));
    sink_put(s, in->uri->account);
    sink_put(s, VIEW("/"));
    sink_put(s, in->uri->container);

    if (sas->resource == 'd') {
        if (sas->directory.len != 0) {
            sink_put(s, VIEW("/"));
            sink_put(s, sas->directory);
        }

    } else if (sas->resource != 'c') {
        sink_put(s, VIEW("/"));
        sink_put(s, in->uri->blob);
    }

    sink_put(s, VIEW("\n"));
}


/* A view of the next element of a comma-separated list. */
static bool
next_item(view_t list, size_t *at, view_t *ret)
{
    size_t end;

    if (*at >= list.len) {
        return false;
    }

    end = view_find(list, ',', *at);
    *ret = view_trim(view_sub(list, *at, end - *at));
    *at = end + 1;
    return true;
}


/* srh and srq (2026-04-06): the request has to have these headers and
 * parameters with these values. */
static void
put_request_fields(const proto_auth_in_t *in, const sas_t *sas, sink_t *s)
{
    view_t name, value;
    size_t at = 0;

    while (next_item(sas->field[SRH], &at, &name)) {
        value = VIEW_NULL;
        for (unsigned i = 0; i < in->nhdrs; i++) {
            if (view_eq_ci(in->hdrs[i].name, name)) {
                value = view_trim(in->hdrs[i].value);
            }
        }
        sink_put(s, name);
        sink_put(s, VIEW(":"));
        sink_line(s, value);
    }

    sink_put(s, VIEW("\n"));

    for (at = 0; next_item(sas->field[SRQ], &at, &name);) {
        value = VIEW_NULL;
        for (unsigned i = 0; i < in->uri->nparams; i++) {
            if (view_eq_ci(in->uri->params[i].name, name)) {
                value = in->uri->params[i].value;
            }
        }
        sink_put(s, VIEW("\n"));
        sink_put(s, name);
        sink_put(s, VIEW(":"));
        sink_put(s, value);
    }

    sink_put(s, VIEW("\n"));
}


static void
put_delegation(const sas_t *sas, sink_t *s)
{
    for (int i = SKOID; i <= SKV; i++) {
        sink_line(s, sas->field[i]);
    }

    if (sas->version >= V_2020_02_10) {
        sink_line(s, sas->field[SAOID]);
        sink_line(s, sas->field[SUOID]);
        sink_line(s, sas->field[SCID]);
    }

    if (sas->version >= V_2025_07_05) {
        sink_line(s, sas->field[SKDUTID]);
        sink_line(s, sas->field[SDUOID]);
    }
}


static view_t
signed_time(const proto_auth_in_t *in, const sas_t *sas)
{
    return sas->resource == 's'
             ? proto_uri_param(in->uri, PROTO_PARAM_SNAPSHOT)
         : sas->resource == 'v'
             ? proto_uri_param(in->uri, PROTO_PARAM_VERSIONID)
             : VIEW_NULL;
}


static void
put_service_sas(const proto_auth_in_t *in, const sas_t *sas, sink_t *s)
{
    const view_t *f = sas->field;
    bool ud = sas->kind == PROTO_CRED_UD_SAS;

    sink_line(s, f[SP]);
    sink_line(s, f[ST]);
    sink_line(s, f[SE]);
    put_resource(in, sas, s);

    if (ud) {
        put_delegation(sas, s);

    } else if (sas->version == 0) {
        sink_put(s, f[SI]); /* the last of five */
        return;

    } else {
        sink_line(s, f[SI]);
    }

    if (sas->version >= V_2015_04_05) {
        sink_line(s, f[SIP]);
        sink_line(s, f[SPR]);
    }

    sink_put(s, f[SV]);

    if (sas->version >= V_2018_11_09) {
        sink_put(s, VIEW("\n"));
        sink_line(s, f[SR]);
        sink_put(s, signed_time(in, sas));
    }

    if (sas->version >= V_2020_12_06) {
        sink_put(s, VIEW("\n"));
        sink_put(s, f[SES]);
    }

    if (ud && sas->version >= V_2026_04_06) {
        sink_put(s, VIEW("\n"));
        put_request_fields(in, sas, s);
        sink_put(s, f[RSCC]);

    } else if (sas->version >= V_2013_08_15) {
        sink_put(s, VIEW("\n"));
        sink_put(s, f[RSCC]);

    } else {
        return;
    }

    for (int i = RSCD; i <= RSCT; i++) {
        sink_put(s, VIEW("\n"));
        sink_put(s, f[i]);
    }
}


static void
put_sas(const proto_auth_in_t *in, const sas_t *sas, sink_t *s)
{
    if (sas->kind == PROTO_CRED_ACCOUNT_SAS) {
        put_account_sas(in, sas, s);

    } else {
        put_service_sas(in, sas, s);
    }
}


/* ---- the signature -------------------------------------------------------
 */

/* A plus that was not encoded has become a space. */
static bool
decode_signature(view_t text, uint8_t ret[SHA256_LEN])
{
    uint8_t buf[44];
    size_t len;

    if (text.len != sizeof(buf)) {
        return false;
    }

    for (size_t i = 0; i < sizeof(buf); i++) {
        buf[i] = text.ptr[i] == ' ' ? '+' : text.ptr[i];
    }

    return base64_decode(view_of(buf, sizeof(buf)), ret, SHA256_LEN, &len)
        && len == SHA256_LEN;
}


static bool
is_signed_with(const proto_auth_in_t *in, const sas_t *sas, view_t key,
               const uint8_t sig[SHA256_LEN])
{
    uint8_t ours[SHA256_LEN];
    sink_t s;

    sink_hash(&s, key);
    put_sas(in, sas, &s);
    sink_sum(&s, ours);
    return bytes_eq_ct(ours, sig, SHA256_LEN);
}


static proto_err_t
bad_signature(const proto_auth_in_t *in, const sas_t *sas,
              proto_auth_out_t *out)
{
    view_t detail = VIEW_NULL;
    size_t from;
    writer_t *w = auth_detail_begin(in, &from);

    if (w != NULL) {
        sink_t s;

        writer_puts(w, "Signature did not match. String to sign used was ");
        sink_text(&s, w);
        put_sas(in, sas, &s);
        detail = auth_detail_end(w, from);
    }

    return auth_failed(in, out, detail);
}


static proto_err_t
check_signature(const proto_auth_in_t *in, const sas_t *sas,
                proto_auth_out_t *out)
{
    uint8_t sig[SHA256_LEN];

    if (!decode_signature(sas->field[SIG], sig)) {
        return malformed(in, out);
    }

    if (sas->kind == PROTO_CRED_UD_SAS) {
        return is_signed_with(in, sas, in->ud_key, sig)
                 ? PROTO_OK
                 : bad_signature(in, sas, out);
    }

    for (unsigned i = 0; i < in->nkeys; i++) {
        if (is_signed_with(in, sas, in->keys[i], sig)) {
            return PROTO_OK;
        }
    }

    return bad_signature(in, sas, out);
}


/* Is the key good, and if it is known, did it sign? */
static proto_err_t
check_delegation(const proto_auth_in_t *in, const sas_t *sas,
                 proto_auth_out_t *out)
{
    const view_t *f = sas->field;
    int64_t start_s, end_s;

    out->ud = (proto_ud_t){ .skoid = f[SKOID],
                            .sktid = f[SKTID],
                            .skt = f[SKT],
                            .ske = f[SKE],
                            .sks = f[SKS],
                            .skv = f[SKV] };

    if (!view_eq(f[SKS], VIEW("b"))
        || !proto_date_parse_iso8601(f[SKT], &start_s)
        || !proto_date_parse_iso8601(f[SKE], &end_s))
    {
        return malformed(in, out);
    }

    /* bound to a user (2025-07-05), who would have to come with a token */
    if (f[SDUOID].len != 0 || f[SKDUTID].len != 0) {
        return auth_failed(in, out,
                           VIEW("A user-bound user delegation SAS is not "
                                "accepted without the user's token."));
    }

    if (in->now_s < start_s || in->now_s >= end_s) {
        return auth_failed(in, out,
                           VIEW("The user delegation key is not valid in "
                                "the specified time frame."));
    }

    out->until_s = end_s;

    if (!(in->facts & PROTO_NEED_UD_KEY)) {
        out->need = PROTO_NEED_UD_KEY;
        return PROTO_OK;
    }

    return in->ud_key.len != 0 ? check_signature(in, sas, out) : PROTO_OK;
}


/* All that was signed and the signature; for a user the path, too. */
static void
name_sas(const proto_auth_in_t *in, const sas_t *sas, uint8_t ret[SHA256_LEN])
{
    sink_t s;

    sink_hash(&s, sas->field[SIG]);
    put_sas(in, sas, &s);

    if (sas->field[SUOID].len != 0) {
        sink_put(&s, VIEW("\n"));
        sink_line(&s, in->uri->blob);
        sink_put(&s, proto_uri_param(in->uri, PROTO_PARAM_PREFIX));
    }

    sink_sum(&s, ret);
}


/* A user delegation SAS reaches as far as the roles of who delegated, which
 * the origin knows; it says the same of all SAS of one key. Where the key is
 * not known here the signature is part of the question, and with suoid so is
 * the path, by its POSIX ACL. */
static proto_err_t
check_principal(const proto_auth_in_t *in, const sas_t *sas,
                proto_auth_out_t *out)
{
    bool known = in->ud_key.len != 0 && sas->field[SUOID].len == 0;
    int64_t expiry_s;

    if (!in->has_origin) {
        return in->ud_key.len != 0 ? PROTO_OK : bad_signature(in, sas, out);
    }

    out->probe =
        proto_probe_for(in->op, auth_wanted_perms(in), auth_extra_perms(in),
                        sas->perms, &out->relay);
    if (out->probe == PROTO_PROBE_NONE
        || (known && out->probe == PROTO_PROBE_AUTHENTIC))
    {
        return PROTO_OK;
    }

    if (proto_date_parse_iso8601(sas->expiry, &expiry_s)
        && expiry_s < out->until_s)
    {
        out->until_s = expiry_s;
    }

    if (!known || !proto_ud_name(&out->ud, out->caller)) {
        name_sas(in, sas, out->caller);
    }

    if (!(in->facts & PROTO_NEED_VERDICT)) {
        out->need = PROTO_NEED_VERDICT;
        return PROTO_OK;
    }

    return in->verdict == PROTO_OK
             ? PROTO_OK
             : proto_fault(&out->fault, in->verdict, VIEW_NULL, VIEW_NULL);
}


/* ---- when, from where, how -----------------------------------------------
 */

static proto_err_t
check_window(const proto_auth_in_t *in, const sas_t *sas,
             proto_auth_out_t *out)
{
    int64_t start_s = INT64_MIN, expiry_s;
    view_t detail = VIEW_NULL;
    size_t from;
    writer_t *w;

    if ((sas->start.len != 0
         && !proto_date_parse_iso8601(sas->start, &start_s))
        || !proto_date_parse_iso8601(sas->expiry, &expiry_s))
    {
        return malformed(in, out);
    }

    if (in->now_s >= start_s && in->now_s < expiry_s) {
        return PROTO_OK;
    }

    w = auth_detail_begin(in, &from);
    if (w != NULL) {
        writer_puts(w, "Signature not valid in the specified time frame: "
                       "Start [");
        writer_put(w, sas->start);
        writer_puts(w, "] - Expiry [");
        writer_put(w, sas->expiry);
        writer_puts(w, "] - Current [");
        proto_date_rfc1123(w, in->now_s);
        writer_puts(w, "]");
        detail = auth_detail_end(w, from);
    }

    return auth_failed(in, out, detail);
}


/* Before 2015-04-05 a SAS that does not reach gives no reason. */
static proto_err_t
out_of_reach(const sas_t *sas, proto_auth_out_t *out, proto_err_t err)
{
    return proto_fault(
        &out->fault,
        sas->version < V_2015_04_05 ? PROTO_ERR_RESOURCE_NOT_FOUND : err,
        VIEW_NULL, VIEW_NULL);
}


static proto_err_t
check_way(const proto_auth_in_t *in, const sas_t *sas, proto_auth_out_t *out)
{
    view_t spr = sas->field[SPR], sip = sas->field[SIP];

    if (view_eq(spr, VIEW("https"))) {
        if (!in->https) {
            return out_of_reach(sas, out,
                                PROTO_ERR_AUTHORIZATION_PROTOCOL_MISMATCH);
        }

    } else if (spr.len != 0 && !view_eq(spr, VIEW("https,http"))
               && !view_eq(spr, VIEW("http,https")))
    {
        return malformed(in, out);
    }

    if (sip.len != 0 && !auth_ip_is_allowed(sip, in->client_ip)) {
        return out_of_reach(sas, out,
                            PROTO_ERR_AUTHORIZATION_SOURCE_IP_MISMATCH);
    }

    return PROTO_OK;
}


/* ---- what it grants ------------------------------------------------------
 */

/* Positions are those of the PROTO_PERM_ bits. */
static bool
parse_perms(view_t letters, uint32_t *ret)
{
    static const char known[] = "racwdxltmeopify";
    uint32_t perms = 0;

    for (size_t i = 0; i < letters.len; i++) {
        const char *at = memchr(known, letters.ptr[i], sizeof(known) - 1);

        if (letters.ptr[i] == 'u') {
            continue; /* update, of queues and tables: account SAS have it */
        }
        if (at == NULL) {
            return false;
        }
        perms |= 1u << (at - known);
    }

    *ret = perms;
    return letters.len != 0;
}

_Static_assert(PROTO_PERM_R == 1u << 0 && PROTO_PERM_M == 1u << 8
                   && PROTO_PERM_Y == 1u << 14,
               "the letters above are in the order of the bits");


/* In any `include`: an origin may read another one than the first. */
static bool
includes_tags(const proto_uri_t *uri)
{
    view_t item;

    for (unsigned i = 0; i < uri->nparams; i++) {
        size_t at = 0;

        if (!view_eq_ci(uri->params[i].name, VIEW("include"))) {
            continue;
        }

        while (next_item(uri->params[i].value, &at, &item)) {
            if (view_eq_ci(item, VIEW("tags"))) {
                return true;
            }
        }
    }

    return false;
}


/* What a header or parameter asks for on top of the operation. */
uint32_t
auth_extra_perms(const proto_auth_in_t *in)
{
    const proto_headers_t *h = in->headers;
    uint32_t perms = in->also;

    if (proto_hdr(h, PROTO_HDR_X_MS_TAGS).len != 0
        || proto_hdr(h, PROTO_HDR_X_MS_IF_TAGS).len != 0
        || view_eq_ci(proto_hdr(h, PROTO_HDR_X_MS_COPY_SOURCE_TAG_OPTION),
                      VIEW("COPY")))
    {
        perms |= PROTO_PERM_T;
    }

    if (proto_hdr(h, PROTO_HDR_X_MS_IMMUTABILITY_POLICY_UNTIL_DATE).len != 0
        || proto_hdr(h, PROTO_HDR_X_MS_LEGAL_HOLD).len != 0)
    {
        perms |= PROTO_PERM_I;
    }

    if (in->op->id == PROTO_OP_LIST_BLOBS && includes_tags(in->uri)) {
        perms |= PROTO_PERM_T;
    }

    return perms;
}


/* Any one of these. */
uint32_t
auth_wanted_perms(const proto_auth_in_t *in)
{
    if (in->op->id == PROTO_OP_DELETE_BLOB) {
        if (view_eq_ci(proto_uri_param(in->uri, PROTO_PARAM_DELETETYPE),
                       VIEW("permanent")))
        {
            return PROTO_PERM_Y;
        }

        if (proto_uri_param(in->uri, PROTO_PARAM_VERSIONID).len != 0) {
            return PROTO_PERM_X;
        }
    }

    return in->op->perms;
}


static bool
has_letter(view_t letters, char c)
{
    return view_find(letters, (uint8_t) c, 0) != letters.len;
}


static proto_err_t
check_scope(const proto_auth_in_t *in, const sas_t *sas, proto_auth_out_t *out)
{
    proto_err_t err = PROTO_OK;

    if (sas->kind == PROTO_CRED_ACCOUNT_SAS) {
        if (!has_letter(sas->field[SS], 'b')) {
            err = PROTO_ERR_AUTHORIZATION_SERVICE_MISMATCH;

        } else if (in->op->perms != PROTO_PERM_ANY
                   && !has_letter(sas->field[SRT], in->op->sas_type))
        {
            err = PROTO_ERR_AUTHORIZATION_RESOURCE_TYPE_MISMATCH;
        }

    } else if (!in->op->service_sas
               || (in->op->level == PROTO_LEVEL_CONTAINER
                   && sas->resource != 'c'
                   && !(sas->resource == 'd'
                        && in->op->id == PROTO_OP_LIST_BLOBS)))
    {
        err = PROTO_ERR_AUTHORIZATION_FAILURE;
    }

    return err == PROTO_OK ? PROTO_OK : out_of_reach(sas, out, err);
}


static proto_err_t
check_perms(const proto_auth_in_t *in, const sas_t *sas, proto_auth_out_t *out)
{
    uint32_t wanted = auth_wanted_perms(in);
    uint32_t extra = auth_extra_perms(in);

    if (in->op->perms == PROTO_PERM_NONE) {
        return out_of_reach(sas, out, PROTO_ERR_AUTHORIZATION_FAILURE);
    }

    if ((wanted != PROTO_PERM_ANY && (sas->perms & wanted) == 0)
        || (sas->perms & extra) != extra)
    {
        return out_of_reach(sas, out,
                            PROTO_ERR_AUTHORIZATION_PERMISSION_MISMATCH);
    }

    /* `create` is for what is not there yet */
    out->create_only = in->op->level == PROTO_LEVEL_BLOB
                    && in->op->id != PROTO_OP_SNAPSHOT_BLOB
                    && (wanted & PROTO_PERM_C)
                    && !(sas->perms & wanted & ~PROTO_PERM_C);
    return PROTO_OK;
}


/* A field is in the SAS or in the policy that it names, not in both. */
static bool
merge_policy(sas_t *sas, const proto_policy_t *policy, view_t *letters)
{
    const view_t *f = sas->field;

    if ((f[ST].ptr != NULL && policy->start.ptr != NULL)
        || (f[SE].ptr != NULL && policy->expiry.ptr != NULL)
        || (f[SP].ptr != NULL && policy->permission.ptr != NULL))
    {
        return false;
    }

    sas->start = f[ST].ptr != NULL ? f[ST] : policy->start;
    sas->expiry = f[SE].ptr != NULL ? f[SE] : policy->expiry;
    *letters = f[SP].ptr != NULL ? f[SP] : policy->permission;
    return true;
}


static bool
find_policy(view_t acl, view_t id, writer_t *scratch, proto_policy_t *ret)
{
    proto_policy_t all[PROTO_POLICIES_MAX];
    proto_fault_t fault;
    unsigned n;

    if (proto_xml_policies(acl, scratch, all, &n, &fault) != PROTO_OK) {
        return false;
    }

    for (unsigned i = 0; i < n; i++) {
        if (view_eq(all[i].id, id)) {
            *ret = all[i];
            return true;
        }
    }

    return false;
}


/* Rights and time, of the SAS itself or of a stored access policy; then
 * whether the time is now. */
static proto_err_t
check_terms(const proto_auth_in_t *in, sas_t *sas, proto_auth_out_t *out)
{
    uint8_t texts[1024];
    proto_policy_t policy = { 0 };
    view_t letters;
    writer_t w;

    writer_init_fixed(&w, texts, sizeof(texts));

    if (sas->field[SI].len != 0) {
        if (!(in->facts & PROTO_NEED_CONTAINER)) {
            out->need = PROTO_NEED_CONTAINER;
            return PROTO_OK;
        }

        if (!find_policy(in->acl, sas->field[SI], &w, &policy)) {
            return auth_failed(in, out,
                               VIEW("Specified signature identifier is not "
                                    "a stored access policy."));
        }
    }

    if (!merge_policy(sas, &policy, &letters)
        || !parse_perms(letters, &sas->perms))
    {
        return malformed(in, out);
    }

    return check_window(in, sas, out);
}


/* Response headers by rsc*; what cannot be in a header is refused. */
static bool
take_override(const sas_t *sas, proto_override_t *ret)
{
    view_t *to[] = { &ret->cache_control, &ret->content_disposition,
                     &ret->content_encoding, &ret->content_language,
                     &ret->content_type };

    if (sas->kind == PROTO_CRED_ACCOUNT_SAS || sas->version < V_2013_08_15) {
        return true;
    }

    for (int i = 0; i < 5; i++) {
        view_t v = sas->field[RSCC + i];

        for (size_t k = 0; k < v.len; k++) {
            if (v.ptr[k] < 0x20 || v.ptr[k] == 0x7F) {
                return false;
            }
        }

        if (v.len != 0) {
            *to[i] = v;
        }
    }

    return true;
}


/* In the order of blob-api 3.5, each fact asked for where it is needed. */
proto_err_t
auth_check_sas(const proto_auth_in_t *in, proto_auth_out_t *out)
{
    sas_t sas = { 0 };
    proto_err_t err;

    if (!take_fields(in->uri, &sas) || !take_kind(in, &sas)) {
        return malformed(in, out);
    }

    out->cred = sas.kind;
    err = auth_check_policy(in, out);
    if (err != PROTO_OK) {
        return err;
    }

    err = sas.kind == PROTO_CRED_UD_SAS ? check_delegation(in, &sas, out)
                                        : check_signature(in, &sas, out);
    if (err != PROTO_OK || out->need != PROTO_NEED_NONE) {
        return err;
    }

    err = check_terms(in, &sas, out);
    if (err != PROTO_OK || out->need != PROTO_NEED_NONE) {
        return err;
    }

    err = check_way(in, &sas, out);
    if (err == PROTO_OK) {
        err = check_scope(in, &sas, out);
    }
    if (err == PROTO_OK) {
        err = check_perms(in, &sas, out);
    }
    if (err == PROTO_OK && !take_override(&sas, &out->override)) {
        err = malformed(in, out);
    }
    if (err == PROTO_OK && sas.kind == PROTO_CRED_UD_SAS) {
        err = check_principal(in, &sas, out);
    }

    return err;
}
