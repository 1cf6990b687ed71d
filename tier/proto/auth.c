#include "proto/auth_parts.h"

/* From here on a refusal of an anonymous request asks for a token (REST:
 * "Authorize with Microsoft Entra ID", bearer challenge). */
#define V_CHALLENGE 20191212


proto_err_t
auth_failed(const proto_auth_in_t *in, proto_auth_out_t *out, view_t detail)
{
    (void) in;
    proto_fault(&out->fault, PROTO_ERR_AUTHENTICATION_FAILED, VIEW_NULL,
                VIEW_NULL);
    out->fault.detail = detail;
    return PROTO_ERR_AUTHENTICATION_FAILED;
}


writer_t *
auth_detail_begin(const proto_auth_in_t *in, size_t *ret_from)
{
    if (in->scratch == NULL || !writer_ok(in->scratch)) {
        return NULL;
    }

    *ret_from = in->scratch->len;
    return in->scratch;
}


/* Without room there is no detail, and the writer is as it was. */
view_t
auth_detail_end(writer_t *w, size_t from)
{
    if (!writer_ok(w)) {
        w->rc = TIER_OK;
        w->len = from;
        return VIEW_NULL;
    }

    return view_of(w->buf + from, w->len - from);
}


/* ---- anonymous -----------------------------------------------------------
 */

/* The public access that lets anybody do this; 0: none does. */
static uint8_t
public_access_for(const proto_auth_in_t *in)
{
    switch (in->op->id) {
    case PROTO_OP_GET_BLOB:
    case PROTO_OP_GET_BLOB_PROPERTIES:
    case PROTO_OP_GET_BLOB_METADATA:
    case PROTO_OP_GET_PAGE_RANGES:
        return 1;
    case PROTO_OP_GET_BLOCK_LIST: {
        view_t type = proto_uri_param(in->uri, PROTO_PARAM_BLOCKLISTTYPE);

        return type.len == 0 || view_eq_ci(type, VIEW("committed")) ? 1 : 0;
    }
    case PROTO_OP_LIST_BLOBS:
    case PROTO_OP_GET_CONTAINER_PROPERTIES:
    case PROTO_OP_GET_CONTAINER_METADATA:
        return 2;
    default:
        return 0;
    }
}


/* Whether there is such a container is not said, either. */
static proto_err_t
refuse_anonymous(const proto_auth_in_t *in, proto_auth_out_t *out)
{
    return proto_fault(&out->fault,
                       in->headers->version >= V_CHALLENGE
                           ? PROTO_ERR_NO_AUTHENTICATION_INFORMATION
                           : PROTO_ERR_RESOURCE_NOT_FOUND,
                       VIEW_NULL, VIEW_NULL);
}


static proto_err_t
check_anonymous(const proto_auth_in_t *in, proto_auth_out_t *out)
{
    uint8_t needed = public_access_for(in);

    if (in->refused & 1u << PROTO_CRED_ANONYMOUS) {
        return needed == 0 ? refuse_anonymous(in, out)
                           : proto_fault(&out->fault,
                                         PROTO_ERR_PUBLIC_ACCESS_NOT_PERMITTED,
                                         VIEW_NULL, VIEW_NULL);
    }

    /* public access is to read; tags, also as a condition, are not of it */
    if (needed == 0 || auth_extra_perms(in) != 0) {
        return refuse_anonymous(in, out);
    }

    if (!(in->facts & PROTO_NEED_CONTAINER)) {
        out->need = PROTO_NEED_CONTAINER;
        return PROTO_OK;
    }

    return in->container_exists && in->public_access >= needed
             ? PROTO_OK
             : refuse_anonymous(in, out);
}


/* ---- bearer --------------------------------------------------------------
 */

/* Whose token it is and what it may do, only the origin knows. */
static proto_err_t
check_bearer(const proto_auth_in_t *in, view_t token, proto_auth_out_t *out)
{
    out->token = token;

    if (token.len == 0) {
        return proto_fault(&out->fault, PROTO_ERR_INVALID_AUTHENTICATION_INFO,
                           VIEW_NULL, VIEW_NULL);
    }

    if (!in->https && !in->insecure) {
        return auth_failed(in, out,
                           VIEW("Authentication scheme Bearer is not allowed "
                                "with HTTP."));
    }

    if (!in->has_origin || (!in->origin_tls && !in->insecure)) {
        return proto_fault(&out->fault, PROTO_ERR_INVALID_BEARER_TOKEN,
                           VIEW_NULL, VIEW_NULL);
    }

    out->probe =
        proto_probe_for(in->op, auth_wanted_perms(in), auth_extra_perms(in),
                        PROTO_PERM_ANY, &out->relay);
    if (out->probe == PROTO_PROBE_NONE) {
        return PROTO_OK;
    }

    hmac_sha256(VIEW("bearer"), token, out->caller);
    out->until_s = proto_token_expiry(token);

    if (!(in->facts & PROTO_NEED_VERDICT)) {
        out->need = PROTO_NEED_VERDICT;
        return PROTO_OK;
    }

    return in->verdict == PROTO_OK
             ? PROTO_OK
             : proto_fault(&out->fault, in->verdict, VIEW_NULL, VIEW_NULL);
}


/* ---- policy --------------------------------------------------------------
 */

/* An account SAS and a service SAS are signed with the account's key, as
 * Shared Key is (REST: "Prevent authorization with Shared Key"). */
proto_err_t
auth_check_policy(const proto_auth_in_t *in, proto_auth_out_t *out)
{
    if (!(in->refused & 1u << out->cred)) {
        return PROTO_OK;
    }

    switch (out->cred) {
    case PROTO_CRED_BEARER:
        return auth_failed(in, out,
                           VIEW("Authentication scheme Bearer is not "
                                "supported."));
    case PROTO_CRED_UD_SAS:
        return proto_fault(&out->fault, PROTO_ERR_AUTHORIZATION_FAILURE,
                           VIEW_NULL, VIEW_NULL);
    default:
        return proto_fault(&out->fault,
                           PROTO_ERR_KEY_BASED_AUTHENTICATION_NOT_PERMITTED,
                           VIEW_NULL, VIEW_NULL);
    }
}


/* ---- which credential ----------------------------------------------------
 */

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


static unsigned
count_authorization(const proto_auth_in_t *in)
{
    unsigned n = 0;

    for (unsigned i = 0; i < in->nhdrs; i++) {
        n += in->hdrs[i].name.len == 13
          && view_eq_ci(in->hdrs[i].name, VIEW("authorization"));
    }

    return n;
}


static proto_err_t
check_header(const proto_auth_in_t *in, view_t authorization,
             proto_auth_out_t *out)
{
    size_t space = view_find(authorization, ' ', 0);
    view_t scheme = view_sub(authorization, 0, space);
    view_t rest = view_trim(view_sub(authorization, space, authorization.len));
    proto_err_t err;

    if (view_eq_ci(scheme, VIEW("SharedKey"))) {
        out->cred = PROTO_CRED_SHARED_KEY;

    } else if (view_eq_ci(scheme, VIEW("SharedKeyLite"))) {
        out->cred = PROTO_CRED_SHARED_KEY_LITE;

    } else if (view_eq_ci(scheme, VIEW("Bearer"))) {
        out->cred = PROTO_CRED_BEARER;

    } else {
        return proto_fault(&out->fault, PROTO_ERR_INVALID_AUTHENTICATION_INFO,
                           VIEW_NULL, VIEW_NULL);
    }

    if (count_authorization(in) != 1) {
        return proto_fault(&out->fault, PROTO_ERR_INVALID_AUTHENTICATION_INFO,
                           VIEW_NULL, VIEW_NULL);
    }

    err = auth_check_policy(in, out);
    if (err != PROTO_OK) {
        return err;
    }

    return out->cred == PROTO_CRED_BEARER
             ? check_bearer(in, rest, out)
             : auth_check_key(in, rest,
                              out->cred == PROTO_CRED_SHARED_KEY_LITE, out);
}


static proto_err_t
check_credential(const proto_auth_in_t *in, proto_auth_out_t *out)
{
    view_t authorization = proto_hdr(in->headers, PROTO_HDR_AUTHORIZATION);

    /* a browser's question before it asks */
    if (in->op->id == PROTO_OP_PREFLIGHT) {
        return PROTO_OK;
    }

    if (authorization.ptr != NULL) {
        return check_header(in, authorization, out);
    }

    return has_signature(in->uri) ? auth_check_sas(in, out)
                                  : check_anonymous(in, out);
}


/* What the credential may do and the account may not. */
static proto_err_t
check_account(const proto_auth_in_t *in, proto_auth_out_t *out)
{
    if (in->uri->secondary && in->op->write) {
        return proto_fault(&out->fault,
                           PROTO_ERR_INSUFFICIENT_ACCOUNT_PERMISSIONS,
                           VIEW_NULL, VIEW_NULL);
    }

    if (in->op->id == PROTO_OP_GET_USER_DELEGATION_KEY
        && out->cred != PROTO_CRED_BEARER)
    {
        return auth_failed(in, out,
                           VIEW("Only authentication scheme Bearer is "
                                "supported."));
    }

    return PROTO_OK;
}


proto_err_t
proto_auth_check(const proto_auth_in_t *in, proto_auth_out_t *out)
{
    memset(out, 0, sizeof(*out));
    out->err = check_credential(in, out);

    if (out->err == PROTO_OK && out->need == PROTO_NEED_NONE) {
        out->err = check_account(in, out);
    }

    return out->err;
}
