#include "ngx_http_blob_conf.h"

/*
 * Who is let in, and under which names an account is known.
 */

typedef struct {
    const char *word;
    ngx_uint_t creds; /* 1u << proto_cred_t */
} ngx_http_blob_cred_t;

static const ngx_http_blob_cred_t ngx_http_blob_creds[] = {
    { "shared_key",
      1u << PROTO_CRED_SHARED_KEY | 1u << PROTO_CRED_SHARED_KEY_LITE },
    { "account_sas", 1u << PROTO_CRED_ACCOUNT_SAS },
    { "service_sas", 1u << PROTO_CRED_SERVICE_SAS },
    { "user_delegation_sas", 1u << PROTO_CRED_UD_SAS },
    { "bearer", 1u << PROTO_CRED_BEARER },
    { "anonymous", 1u << PROTO_CRED_ANONYMOUS },
    { "insecure-bearer", 1u << PROTO_CRED_BEARER }, /* and over http */
    { NULL, 0 }
};

static char *
ngx_http_blob_conf_creds(ngx_conf_t *cf, ngx_uint_t *ret_refused,
                         ngx_flag_t *ret_insecure)
{
    const ngx_http_blob_cred_t *cred;
    ngx_str_t *value = cf->args->elts;
    ngx_uint_t i, accepted = 0;

    *ret_insecure = 0;

    for (i = 1; i < cf->args->nelts; i++) {
        for (cred = ngx_http_blob_creds; cred->word != NULL; cred++) {
            if (view_eq(ngx_http_blob_view(value[i]), view_str(cred->word))) {
                break;
            }
        }
        if (cred->word == NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown credential \"%V\" of blob_auth: there "
                               "are shared_key, account_sas, service_sas, "
                               "user_delegation_sas, bearer, anonymous and "
                               "insecure-bearer",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        accepted |= cred->creds;
        if (cred->word[0] == 'i') {
            *ret_insecure = 1;
        }
    }

    *ret_refused = ((1u << PROTO_CRED_COUNT) - 1) & ~accepted;
    return NGX_CONF_OK;
}

char *
ngx_http_blob_conf_auth(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_blob_loc_conf_t *blcf = conf;

    if (blcf->auth_refused != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    return ngx_http_blob_conf_creds(cf, &blcf->auth_refused,
                                    &blcf->auth_insecure);
}

char *
ngx_http_blob_conf_auth_account(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_blob_main_conf_t *bmcf = conf;
    ngx_http_blob_account_t *account = bmcf->open_account;

    if (account->auth_given) {
        return "is duplicate";
    }

    account->auth_given = 1;
    return ngx_http_blob_conf_creds(cf, &account->auth_refused,
                                    &account->auth_insecure);
}

char *
ngx_http_blob_conf_tenant(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_blob_main_conf_t *bmcf = conf;
    ngx_http_blob_account_t *account = bmcf->open_account;
    ngx_str_t *value = cf->args->elts;
    ngx_uint_t i;

    if (account->tenant.len) {
        return "is duplicate";
    }

    for (i = 0; i < value[1].len; i++) {
        u_char c = value[1].data[i], l = c | 0x20;

        if ((l < 'a' || l > 'z') && (c < '0' || c > '9') && c != '-'
            && c != '.') {
            return "must be a tenant's id or domain, such as "
                   "contoso.onmicrosoft.com";
        }
    }

    account->tenant = value[1];
    return NGX_CONF_OK;
}

char *
ngx_http_blob_conf_challenge(ngx_conf_t *cf, ngx_http_blob_account_t *account)
{
    size_t cap = 256 + account->tenant.len;
    u_char *buf = ngx_pnalloc(cf->pool, cap);
    writer_t w;

    if (buf == NULL) {
        return NGX_CONF_ERROR;
    }

    writer_init_fixed(&w, buf, cap);
    proto_challenge(&w, ngx_http_blob_view(account->tenant));
    account->challenge = writer_view(&w);
    return NGX_CONF_OK;
}

/* ---- names ------------------------------------------------------------ */

bool
ngx_http_blob_account_is(ngx_http_blob_account_t *account, view_t name)
{
    ngx_str_t *alias = account->aliases.elts;
    ngx_uint_t i;

    if (view_eq(ngx_http_blob_view(account->name), name)) {
        return true;
    }

    for (i = 0; i < account->aliases.nelts; i++) {
        if (view_eq(ngx_http_blob_view(alias[i]), name)) {
            return true;
        }
    }

    return false;
}

char *
ngx_http_blob_conf_alias(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_blob_main_conf_t *bmcf = conf;
    ngx_http_blob_account_t *other;
    ngx_str_t *value = cf->args->elts, *alias;
    ngx_uint_t i;

    for (i = 1; i < cf->args->nelts; i++) {
        ngx_strlow(value[i].data, value[i].data, value[i].len);

        other = ngx_http_blob_account_find(bmcf, ngx_http_blob_view(value[i]));
        if (other != NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "alias \"%V\" is a name of blob_account \"%V\" "
                               "in %s:%ui already",
                               &value[i], &other->name, other->file,
                               other->line);
            return NGX_CONF_ERROR;
        }

        alias = ngx_array_push(&bmcf->open_account->aliases);
        if (alias == NULL) {
            return NGX_CONF_ERROR;
        }
        *alias = value[i];
    }

    return NGX_CONF_OK;
}
