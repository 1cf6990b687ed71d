#include "ngx_http_blob_conf.h"

/*
 * Directive table, configurations, phases. The directives themselves are in
 * conf.c, in this order in docs/directives.md.
 */

#define BLOB_HEADER_BUFS      8
#define BLOB_HEADER_BUF_SIZE  (64 * 1024)
#define BLOB_CLIENT_BODY_SIZE (256 * 1024)

extern ngx_module_t ngx_thread_pool_module;

static void *ngx_http_blob_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_blob_create_srv_conf(ngx_conf_t *cf);
static void *ngx_http_blob_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_blob_init_main_conf(ngx_conf_t *cf, void *conf);
static char *ngx_http_blob_merge_loc_conf(ngx_conf_t *cf, void *parent,
                                          void *child);
static ngx_int_t ngx_http_blob_preconf(ngx_conf_t *cf);
static ngx_int_t ngx_http_blob_postconf(ngx_conf_t *cf);
static ngx_int_t ngx_http_blob_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_blob_init_process(ngx_cycle_t *cycle);
static void ngx_http_blob_exit_process(ngx_cycle_t *cycle);
static char *ngx_http_blob_pass(ngx_conf_t *cf, ngx_command_t *cmd,
                                void *conf);

/* clang-format off */

static ngx_command_t  ngx_http_blob_commands[] = {

    { ngx_string("blob_store"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_blob_conf_store,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("blob_account"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_blob_conf_account,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("alias"),
      BLOB_ACCOUNT_CONF|NGX_CONF_1MORE,
      ngx_http_blob_conf_alias,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("key"),
      BLOB_ACCOUNT_CONF|NGX_CONF_TAKE1,
      ngx_http_blob_conf_key,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("origin"),
      BLOB_ACCOUNT_CONF|NGX_CONF_TAKE12,
      ngx_http_blob_conf_origin,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("origin_account"),
      BLOB_ACCOUNT_CONF|NGX_CONF_TAKE1,
      ngx_http_blob_conf_origin_cred,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_blob_account_t, origin_account),
      NULL },

    { ngx_string("origin_key"),
      BLOB_ACCOUNT_CONF|NGX_CONF_TAKE1,
      ngx_http_blob_conf_origin_cred,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_blob_account_t, origin_key_conf),
      NULL },

    { ngx_string("origin_sas"),
      BLOB_ACCOUNT_CONF|NGX_CONF_TAKE1,
      ngx_http_blob_conf_origin_cred,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_blob_account_t, origin_sas_conf),
      NULL },

    { ngx_string("blob_copy_source"),
      BLOB_ACCOUNT_CONF|NGX_CONF_1MORE,
      ngx_http_blob_conf_copy_source,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("blob_tenant"),
      BLOB_ACCOUNT_CONF|NGX_CONF_TAKE1,
      ngx_http_blob_conf_tenant,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("blob_auth"),
      BLOB_ACCOUNT_CONF|NGX_CONF_1MORE,
      ngx_http_blob_conf_auth_account,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("write"),
      BLOB_ACCOUNT_CONF|BLOB_RULE_CONF|NGX_CONF_TAKE1,
      ngx_http_blob_conf_rule,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("fresh"),
      BLOB_ACCOUNT_CONF|BLOB_RULE_CONF|NGX_CONF_TAKE1,
      ngx_http_blob_conf_rule,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conflict"),
      BLOB_ACCOUNT_CONF|BLOB_RULE_CONF|NGX_CONF_TAKE1,
      ngx_http_blob_conf_rule,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("order"),
      BLOB_ACCOUNT_CONF|BLOB_RULE_CONF|NGX_CONF_TAKE1,
      ngx_http_blob_conf_rule,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("blob_container"),
      BLOB_ACCOUNT_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_blob_conf_rule_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("blob_prefix"),
      BLOB_ACCOUNT_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_blob_conf_rule_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      (void *) 1 },

    { ngx_string("blob_pass"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_blob_pass,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("blob_auth"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_blob_conf_auth,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};

static ngx_http_module_t  ngx_http_blob_module_ctx = {
    ngx_http_blob_preconf,                 /* preconfiguration */
    ngx_http_blob_postconf,                /* postconfiguration */

    ngx_http_blob_create_main_conf,        /* create main configuration */
    ngx_http_blob_init_main_conf,          /* init main configuration */

    ngx_http_blob_create_srv_conf,         /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_blob_create_loc_conf,         /* create location configuration */
    ngx_http_blob_merge_loc_conf           /* merge location configuration */
};

ngx_module_t  ngx_http_blob_module = {
    NGX_MODULE_V1,
    &ngx_http_blob_module_ctx,             /* module context */
    ngx_http_blob_commands,                /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_blob_init_module,             /* init module */
    ngx_http_blob_init_process,            /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_blob_exit_process,            /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};

/* clang-format on */

static void *
ngx_http_blob_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_blob_main_conf_t *bmcf = ngx_pcalloc(cf->pool, sizeof(*bmcf));

    if (bmcf == NULL
        || ngx_array_init(&bmcf->accounts, cf->pool, 4, sizeof(void *))
               != NGX_OK)
    {
        return NULL;
    }

    bmcf->policy.keep_clean_ms = 30 * 60 * 1000;
    return bmcf;
}

static void *
ngx_http_blob_create_srv_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_blob_srv_conf_t));
}

static void *
ngx_http_blob_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_blob_loc_conf_t *blcf = ngx_pcalloc(cf->pool, sizeof(*blcf));

    if (blcf != NULL) {
        blcf->auth_refused = NGX_CONF_UNSET_UINT;
        blcf->auth_insecure = NGX_CONF_UNSET;
    }

    return blcf;
}

/* nginx's thread pools, unless the configuration made them already. */
static ngx_thread_pool_t *
ngx_http_blob_thread_pool(ngx_conf_t *cf, const char *name,
                          const char *threads)
{
    ngx_str_t args[3], tp_name;
    ngx_array_t elts = { args, 3, sizeof(ngx_str_t), 3, cf->pool };
    ngx_conf_t pcf = *cf;
    ngx_command_t *cmd = ngx_thread_pool_module.commands;
    view_t v = view_str(name), n = view_str(threads);
    char *rv;

    tp_name.data = ngx_pnalloc(cf->pool, v.len);
    args[2].data = ngx_pnalloc(cf->pool, n.len + 1);
    if (tp_name.data == NULL || args[2].data == NULL) {
        return NULL;
    }
    tp_name.len = v.len;
    ngx_memcpy(tp_name.data, v.ptr, v.len);
    args[2].len = n.len;
    ngx_memcpy(args[2].data, n.ptr, n.len + 1);

    if (ngx_thread_pool_get((ngx_cycle_t *) cf->cycle, &tp_name) == NULL) {
        ngx_str_set(&args[0], "thread_pool");
        args[1] = tp_name;
        pcf.args = &elts;
        rv = cmd->set(&pcf, cmd, NULL);
        if (rv != NGX_CONF_OK) {
            return NULL;
        }
    }

    return ngx_thread_pool_add(cf, &tp_name);
}

static char *
ngx_http_blob_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_blob_main_conf_t *bmcf = conf;
    ngx_http_blob_account_t **account = bmcf->accounts.elts;
    ngx_uint_t i;

    if (bmcf->passes == 0 && bmcf->accounts.nelts == 0
        && bmcf->store_path.len == 0)
    {
        return NGX_CONF_OK;
    }

    if (bmcf->store_path.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "blob_account and blob_pass need a store: add "
                      "\"blob_store PATH;\" to the http block, in %s:%ui",
                      bmcf->file, bmcf->line);
        return NGX_CONF_ERROR;
    }

    bmcf->policy.accounts = ngx_pcalloc(
        cf->pool, (bmcf->accounts.nelts + 1) * sizeof(policy_account_t));
    if (bmcf->policy.accounts == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < bmcf->accounts.nelts; i++) {
        bmcf->policy.accounts[i] = account[i]->policy;
    }
    bmcf->policy.naccounts = (unsigned) bmcf->accounts.nelts;

    bmcf->io = ngx_http_blob_thread_pool(cf, "blob_io", "threads=8");
    bmcf->commits = ngx_http_blob_thread_pool(cf, "blob_commit", "threads=1");

    return bmcf->io && bmcf->commits ? NGX_CONF_OK : NGX_CONF_ERROR;
}

static char *
ngx_http_blob_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_blob_loc_conf_t *blcf = conf;
    ngx_str_t *value = cf->args->elts;
    ngx_http_core_loc_conf_t *clcf;
    ngx_http_blob_main_conf_t *bmcf;
    ngx_http_blob_srv_conf_t *bscf;
    ngx_uint_t i;
    static const char *styles[] = { "auto", "path", "host", "fixed" };
    static const proto_uri_style_t values[] = { PROTO_URI_AUTO, PROTO_URI_PATH,
                                                PROTO_URI_HOST,
                                                PROTO_URI_FIXED };

    if (blcf->pass) {
        return "is duplicate";
    }

    blcf->pass = 1;
    blcf->account_name = value[1];
    blcf->style = PROTO_URI_AUTO;
    blcf->file = cf->conf_file->file.name.data;
    blcf->line = cf->conf_file->line;

    if (cf->args->nelts == 3) {
        for (i = 0; i < 4; i++) {
            if (value[2].len > 6
                && ngx_strncmp(value[2].data, "style=", 6) == 0
                && ngx_strcmp(value[2].data + 6, styles[i]) == 0)
            {
                blcf->style = values[i];
                break;
            }
        }
        if (i == 4) {
            return "takes style=auto, style=path, style=host or style=fixed";
        }
    }

    if (blcf->style == PROTO_URI_FIXED && value[1].data[0] == '*') {
        return "with style=fixed needs the account's name instead of \"*\"";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_blob_handler;

    bmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_blob_module);
    bscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_blob_module);
    bscf->pass = 1;
    bmcf->passes++;
    if (bmcf->file == NULL) {
        bmcf->file = blcf->file;
        bmcf->line = blcf->line;
    }

    return NGX_CONF_OK;
}

/* The server needs the ways to an origin. */
static void
ngx_http_blob_conf_origin_used(ngx_conf_t *cf, ngx_http_blob_main_conf_t *bmcf,
                               ngx_http_blob_loc_conf_t *blcf)
{
    ngx_http_blob_account_t **account = bmcf->accounts.elts;
    ngx_http_blob_srv_conf_t *bscf;
    ngx_uint_t i;

    bscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_blob_module);

    for (i = 0; i < bmcf->accounts.nelts; i++) {
        if (account[i]->origin.len
            && (blcf->account == NULL || blcf->account == account[i]))
        {
            bscf->origin = 1;
        }
    }
}

/* The server serves what its locations do. */
static ngx_int_t
ngx_http_blob_conf_served(ngx_conf_t *cf, ngx_http_blob_loc_conf_t *blcf)
{
    ngx_http_blob_account_t **account;
    ngx_http_blob_srv_conf_t *bscf;

    bscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_blob_module);

    if (blcf->account == NULL) {
        bscf->all = 1;
        return NGX_OK;
    }

    if (bscf->accounts == NULL) {
        bscf->accounts = ngx_array_create(cf->pool, 2, sizeof(*account));
        if (bscf->accounts == NULL) {
            return NGX_ERROR;
        }
    }

    account = ngx_array_push(bscf->accounts);
    if (account == NULL) {
        return NGX_ERROR;
    }

    *account = blcf->account;
    return NGX_OK;
}

/* Core's configuration of the location is merged already. */
static char *
ngx_http_blob_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_blob_loc_conf_t *prev = parent, *blcf = child;
    ngx_http_blob_main_conf_t *bmcf;
    ngx_http_core_loc_conf_t *clcf;

    ngx_conf_merge_uint_value(blcf->auth_refused, prev->auth_refused, 0);
    ngx_conf_merge_value(blcf->auth_insecure, prev->auth_insecure, 0);

    if (!blcf->pass) {
        return NGX_CONF_OK;
    }

    bmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_blob_module);

    if (blcf->account_name.len != 1 || blcf->account_name.data[0] != '*') {
        blcf->account = ngx_http_blob_account_find(
            bmcf, ngx_http_blob_view(blcf->account_name));
        if (blcf->account == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "blob_pass names \"%V\", but there is no "
                          "blob_account of that name: add \"blob_account %V "
                          "{ ... }\" to the http block, or write \"*\", in "
                          "%s:%ui",
                          &blcf->account_name, &blcf->account_name, blcf->file,
                          blcf->line);
            return NGX_CONF_ERROR;
        }
    }

    ngx_http_blob_conf_origin_used(cf, bmcf, blcf);
    if (ngx_http_blob_conf_served(cf, blcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    /* The operation's own limit holds, and only after authorisation. */
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->sendfile = 1;
    clcf->client_max_body_size = 0;
    if (clcf->client_body_buffer_size < BLOB_CLIENT_BODY_SIZE) {
        clcf->client_body_buffer_size = BLOB_CLIENT_BODY_SIZE;
    }

    return NGX_CONF_OK;
}

static ngx_int_t
ngx_http_blob_preconf(ngx_conf_t *cf)
{
    return ngx_http_blob_origin_preconf(cf);
}

/* SAS signatures stay out of error logs from here on. */
static ngx_int_t
ngx_http_blob_post_read(ngx_http_request_t *r)
{
    ngx_http_blob_srv_conf_t *bscf;

    bscf = ngx_http_get_module_srv_conf(r, ngx_http_blob_module);
    if (bscf->pass) {
        r->log_handler = ngx_http_blob_log_handler;
    }

    return NGX_DECLINED;
}

/* Clients send metadata names with underscores, empty values, long SAS. */
static void
ngx_http_blob_server_headers(ngx_http_core_main_conf_t *cmcf)
{
    ngx_http_core_srv_conf_t **cscf = cmcf->servers.elts;
    ngx_http_blob_srv_conf_t *bscf;
    ngx_uint_t i;

    for (i = 0; i < cmcf->servers.nelts; i++) {
        bscf = cscf[i]->ctx->srv_conf[ngx_http_blob_module.ctx_index];
        if (!bscf->pass) {
            continue;
        }

        cscf[i]->underscores_in_headers = 1;
        cscf[i]->ignore_invalid_headers = 0;
        if (cscf[i]->large_client_header_buffers.size < BLOB_HEADER_BUF_SIZE) {
            cscf[i]->large_client_header_buffers.size = BLOB_HEADER_BUF_SIZE;
        }
        if (cscf[i]->large_client_header_buffers.num < BLOB_HEADER_BUFS) {
            cscf[i]->large_client_header_buffers.num = BLOB_HEADER_BUFS;
        }
    }
}

/* Bodies and answers are written for HTTP/1; a later nginx has a directive of
 * another module for HTTP/2, and the handler refuses the requests. */
static ngx_int_t
ngx_http_blob_no_http2(ngx_conf_t *cf, ngx_http_core_main_conf_t *cmcf)
{
#if (NGX_HTTP_V2 && nginx_version < 1025001)
    ngx_http_conf_port_t *port = cmcf->ports ? cmcf->ports->elts : NULL;
    ngx_http_core_srv_conf_t **cscf;
    ngx_http_blob_srv_conf_t *bscf;
    ngx_http_conf_addr_t *addr;
    ngx_uint_t p, a, s;

    for (p = 0; port != NULL && p < cmcf->ports->nelts; p++) {
        addr = port[p].addrs.elts;

        for (a = 0; a < port[p].addrs.nelts; a++) {
            cscf = addr[a].servers.elts;

            for (s = 0; addr[a].opt.http2 && s < addr[a].servers.nelts; s++) {
                bscf = cscf[s]->ctx->srv_conf[ngx_http_blob_module.ctx_index];
                if (!bscf->pass) {
                    continue;
                }

                ngx_log_error(
                    NGX_LOG_EMERG, cf->log, 0,
                    "blob_pass does not serve HTTP/2: take \"http2\" "
                    "out of \"listen %V\" of the server in %s:%ui",
                    &addr[a].opt.addr_text, cscf[s]->file_name, cscf[s]->line);
                return NGX_ERROR;
            }
        }
    }
#endif

    return NGX_OK;
}

static ngx_int_t
ngx_http_blob_postconf(ngx_conf_t *cf)
{
    ngx_http_core_main_conf_t *cmcf;
    ngx_http_blob_main_conf_t *bmcf;
    ngx_http_handler_pt *h;

    bmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_blob_module);
    if (bmcf->passes == 0) {
        return NGX_OK;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    ngx_http_blob_server_headers(cmcf);
    if (ngx_http_blob_no_http2(cf, cmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_POST_READ_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }
    *h = ngx_http_blob_post_read;

    return ngx_http_blob_origin_postconf(cf, bmcf);
}

static ngx_int_t
ngx_http_blob_init_module(ngx_cycle_t *cycle)
{
    ngx_http_blob_main_conf_t *bmcf;

    if (ngx_test_config || ngx_process == NGX_PROCESS_SIGNALLER) {
        return NGX_OK;
    }

    bmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_blob_module);
    if (bmcf == NULL || bmcf->store_path.len == 0) {
        return NGX_OK;
    }

    if (ngx_http_blob_publish(cycle, bmcf) == NGX_OK) {
        return NGX_OK;
    }

    if (ngx_is_init_cycle(cycle->old_cycle)) {
        return NGX_ERROR;
    }

    /* an error at a reload would end the master */
    ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                  "blob_store: blob-tier goes on with the policy it has; "
                  "reload again once that is mended");
    return NGX_OK;
}

static ngx_int_t
ngx_http_blob_init_process(ngx_cycle_t *cycle)
{
    ngx_http_blob_main_conf_t *bmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    bmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_blob_module);
    if (bmcf == NULL || bmcf->store_path.len == 0) {
        return NGX_OK;
    }

    return ngx_http_blob_open(cycle, bmcf);
}

static void
ngx_http_blob_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_blob_main_conf_t *bmcf;

    bmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_blob_module);
    if (bmcf != NULL) {
        ngx_http_blob_close(cycle, bmcf);
    }
}
