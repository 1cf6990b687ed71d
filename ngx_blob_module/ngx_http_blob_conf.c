#include "ngx_http_blob_conf.h"

#include "base/digest.h"
#include "base/source.h"

/*
 * Directives. Every refusal names what was wrong and the mend; nginx adds
 * file and line.
 */

#define BLOB_SECRET_MAX 4096

static char *
ngx_http_blob_conf_size(ngx_conf_t *cf, ngx_str_t value, uint64_t *ret)
{
    off_t n;
    ngx_uint_t shift = 0;

    if (value.len > 1 && (value.data[value.len - 1] | 0x20) == 't') {
        value.data[value.len - 1] = 'g';
        shift = 10;
    }

    n = ngx_parse_offset(&value);

    if (n == (off_t) NGX_ERROR || n <= 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size in blob_store: write a number with "
                           "k, m, g or t, such as size=500g");
        return NGX_CONF_ERROR;
    }

    *ret = (uint64_t) n << shift;
    return NGX_CONF_OK;
}

char *
ngx_http_blob_conf_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_blob_main_conf_t *bmcf = conf;
    ngx_str_t *value = cf->args->elts, s;
    ngx_msec_t ms;
    ngx_uint_t i;

    if (bmcf->store_path.len) {
        return "is duplicate: one store a server, federate with several "
               "blob_account blocks";
    }

    bmcf->store_path = value[1];

    if (ngx_conf_full_name(cf->cycle, &bmcf->store_path, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    while (bmcf->store_path.len > 1
           && bmcf->store_path.data[bmcf->store_path.len - 1] == '/')
    {
        bmcf->store_path.data[--bmcf->store_path.len] = '\0';
    }

    for (i = 2; i < cf->args->nelts; i++) {
        s = value[i];

        if (ngx_strncmp(s.data, "size=", 5) == 0) {
            s.data += 5, s.len -= 5;
            if (ngx_http_blob_conf_size(cf, s, &bmcf->policy.size_bytes)) {
                return NGX_CONF_ERROR;
            }

        } else if (ngx_strncmp(s.data, "dirty=", 6) == 0) {
            s.data += 6, s.len -= 6;
            if (ngx_http_blob_conf_size(cf, s, &bmcf->policy.dirty_bytes)) {
                return NGX_CONF_ERROR;
            }

        } else if (ngx_strncmp(s.data, "keep_clean=", 11) == 0) {
            s.data += 11, s.len -= 11;
            ms = ngx_parse_time(&s, 0);
            if (ms == (ngx_msec_t) NGX_ERROR) {
                return "has an invalid keep_clean: write a time such as 30m";
            }
            bmcf->policy.keep_clean_ms = ms;

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown parameter \"%V\" of blob_store: "
                               "there are size=, dirty= and keep_clean=",
                               &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    bmcf->file = cf->conf_file->file.name.data;
    bmcf->line = cf->conf_file->line;
    return NGX_CONF_OK;
}

/* Directives of a block with a place of its own; nginx's conf is the http
 * block's, the block's object stands in bmcf->open_*. */
static char *
ngx_http_blob_conf_block(ngx_conf_t *cf, ngx_uint_t place)
{
    ngx_conf_t save = *cf;
    char *rv;

    cf->cmd_type = place;
    rv = ngx_conf_parse(cf, NULL);
    *cf = save;
    return rv;
}

ngx_http_blob_account_t *
ngx_http_blob_account_find(ngx_http_blob_main_conf_t *bmcf, view_t name)
{
    ngx_http_blob_account_t **account = bmcf->accounts.elts;
    ngx_uint_t i;

    for (i = 0; i < bmcf->accounts.nelts; i++) {
        if (ngx_http_blob_account_is(account[i], name)) {
            return account[i];
        }
    }

    return NULL;
}

ngx_http_blob_account_t *
ngx_http_blob_account_served(ngx_http_request_t *r, view_t name)
{
    ngx_http_blob_main_conf_t *bmcf;
    ngx_http_blob_srv_conf_t *bscf;
    ngx_http_blob_account_t *account, **served;
    ngx_uint_t i;

    bmcf = ngx_http_get_module_main_conf(r, ngx_http_blob_module);
    bscf = ngx_http_get_module_srv_conf(r, ngx_http_blob_module);
    account = ngx_http_blob_account_find(bmcf, name);

    if (account == NULL || bscf->all) {
        return account;
    }

    if (bscf->accounts != NULL) {
        served = bscf->accounts->elts;
        for (i = 0; i < bscf->accounts->nelts; i++) {
            if (served[i] == account) {
                return account;
            }
        }
    }

    return NULL;
}

static policy_rule_t *
ngx_http_blob_conf_rule_push(ngx_http_blob_account_t *account)
{
    policy_rule_t *rule = ngx_array_push(&account->rules);

    if (rule != NULL) {
        ngx_memzero(rule, sizeof(*rule));
        rule->fresh_ms = -1;
        rule->ordered = -1;
    }

    return rule;
}

/* The account's view for the policy file, and what it lacks. */
static char *
ngx_http_blob_conf_account_done(ngx_conf_t *cf,
                                ngx_http_blob_main_conf_t *bmcf,
                                ngx_http_blob_account_t *account)
{
    policy_account_t *p = &account->policy;
    ngx_uint_t i;

    if (account->nkeys == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "blob_account \"%V\" has no key: add \"key "
                           "file:PATH;\" or \"key BASE64;\"",
                           &account->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_blob_conf_challenge(cf, account) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    p->name = ngx_http_blob_view(account->name);
    for (i = 0; i < account->nkeys; i++) {
        p->keys[i] = ngx_http_blob_view(account->keys_conf[i]);
    }
    p->nkeys = account->nkeys;
    p->rules = account->rules.elts;
    p->nrules = account->rules.nelts;
    p->sources = account->sources.elts;
    p->nsources = (unsigned) account->sources.nelts;

    if (account->origin_account.len == 0) {
        account->origin_account = account->name;
    }

    if (account->origin.len == 0) {
        return NGX_CONF_OK;
    }

    if (account->origin_key_conf.len == 0 && account->origin_sas_conf.len == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "blob_account \"%V\" has an origin but no "
                           "credentials for it: add \"origin_key file:PATH;\"",
                           &account->name);
        return NGX_CONF_ERROR;
    }

    p->origin = ngx_http_blob_view(account->origin);
    p->origin_account = ngx_http_blob_view(account->origin_account);
    if (account->origin_key_conf.len) {
        p->origin_key = ngx_http_blob_view(account->origin_key_conf);
    }
    if (account->origin_sas_conf.len) {
        p->origin_sas = ngx_http_blob_view(account->origin_sas_conf);
    }

    return ngx_http_blob_origin_account(cf, bmcf, account);
}

char *
ngx_http_blob_conf_account(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_blob_main_conf_t *bmcf = conf;
    ngx_http_blob_account_t *account, **slot;
    ngx_str_t *value = cf->args->elts;
    char *rv;

    account = ngx_http_blob_account_find(bmcf, ngx_http_blob_view(value[1]));
    if (account != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate blob_account \"%V\", the first is in "
                           "%s:%ui: keep one block of that name",
                           &value[1], account->file, account->line);
        return NGX_CONF_ERROR;
    }

    account = ngx_pcalloc(cf->pool, sizeof(*account));
    slot = ngx_array_push(&bmcf->accounts);
    if (account == NULL || slot == NULL
        || ngx_array_init(&account->aliases, cf->pool, 2, sizeof(ngx_str_t))
               != NGX_OK
        || ngx_array_init(&account->rules, cf->pool, 4, sizeof(policy_rule_t))
               != NGX_OK
        || ngx_array_init(&account->sources, cf->pool, 4, sizeof(view_t))
               != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    *slot = account;
    account->name = value[1];
    account->file = cf->conf_file->file.name.data;
    account->line = cf->conf_file->line;

    if (bmcf->file == NULL) {
        bmcf->file = account->file;
        bmcf->line = account->line;
    }

    if (ngx_http_blob_conf_rule_push(account) == NULL) {
        return NGX_CONF_ERROR;
    }

    bmcf->open_account = account;
    bmcf->open_rule = 0;
    rv = ngx_http_blob_conf_block(cf, BLOB_ACCOUNT_CONF);
    bmcf->open_account = NULL;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_http_blob_conf_account_done(cf, bmcf, account);
}

char *
ngx_http_blob_conf_rule_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_blob_main_conf_t *bmcf = conf;
    ngx_str_t *value = cf->args->elts;
    view_t name = ngx_http_blob_view(value[1]);
    policy_rule_t *rule;
    size_t slash;
    char *rv;

    rule = ngx_http_blob_conf_rule_push(bmcf->open_account);
    if (rule == NULL) {
        return NGX_CONF_ERROR;
    }

    slash = view_find(name, '/', 0);
    rule->container = view_sub(name, 0, slash);

    if (cmd->post != NULL) { /* blob_prefix */
        if (slash == 0 || slash + 1 >= name.len) {
            return "needs CONTAINER/PREFIX, such as scratch/tmp/";
        }
        rule->prefix = view_sub(name, slash + 1, name.len);

    } else if (slash != name.len || name.len == 0) {
        return "needs a container's name alone; for a prefix of names write "
               "blob_prefix CONTAINER/PREFIX { ... }";
    }

    bmcf->open_rule = bmcf->open_account->rules.nelts - 1;
    rv = ngx_http_blob_conf_block(cf, BLOB_RULE_CONF);
    bmcf->open_rule = 0;
    return rv;
}

/* The text of a secret: itself, or what the named file has without its last
 * newline; `value` becomes absolute. */
static char *
ngx_http_blob_conf_secret(ngx_conf_t *cf, ngx_str_t *value, ngx_str_t *ret)
{
    ngx_str_t path;
    ngx_fd_t fd;
    ssize_t n;

    if (value->len < 5 || ngx_strncmp(value->data, "file:", 5) != 0) {
        *ret = *value;
        return NGX_CONF_OK;
    }

    path.data = value->data + 5;
    path.len = value->len - 5;
    if (path.len == 0 || ngx_conf_full_name(cf->cycle, &path, 1) != NGX_OK) {
        return "needs a path after \"file:\"";
    }

    value->data = ngx_pnalloc(cf->pool, path.len + 6);
    ret->data = ngx_pnalloc(cf->pool, BLOB_SECRET_MAX);
    if (value->data == NULL || ret->data == NULL) {
        return NGX_CONF_ERROR;
    }
    value->len = (size_t) (ngx_sprintf(value->data, "file:%V%Z", &path)
                           - value->data - 1);

    fd = ngx_open_file(path.data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);
    n = fd == NGX_INVALID_FILE ? -1
                               : ngx_read_fd(fd, ret->data, BLOB_SECRET_MAX);
    if (n < 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "cannot read the secret file \"%V\": it must exist "
                           "and be readable by nginx's master",
                           &path);
    }
    if (fd != NGX_INVALID_FILE) {
        ngx_close_file(fd);
    }
    if (n < 0) {
        return NGX_CONF_ERROR;
    }

    while (n > 0 && ret->data[n - 1] <= ' ') {
        n--;
    }
    ret->len = (size_t) n;
    return NGX_CONF_OK;
}

static char *
ngx_http_blob_conf_decode(ngx_conf_t *cf, ngx_str_t *text, u_char buf[64],
                          view_t *ret)
{
    size_t len;

    if (!base64_decode(ngx_http_blob_view(*text), buf, 64, &len) || len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the account key is not base64 of up to 64 bytes: "
                           "copy it whole, with the \"=\" at its end");
        return NGX_CONF_ERROR;
    }

    *ret = view_of(buf, len);
    return NGX_CONF_OK;
}

char *
ngx_http_blob_conf_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_blob_main_conf_t *bmcf = conf;
    ngx_http_blob_account_t *account = bmcf->open_account;
    ngx_str_t *value = cf->args->elts, text;
    ngx_uint_t i = account->nkeys;
    char *rv;

    if (i == POLICY_KEYS_MAX) {
        return "is given a third time: an account has one key, or two while "
               "one replaces the other";
    }

    rv = ngx_http_blob_conf_secret(cf, &value[1], &text);
    if (rv == NGX_CONF_OK) {
        rv = ngx_http_blob_conf_decode(cf, &text, account->keys_buf[i],
                                       &account->keys[i]);
    }
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    account->keys_conf[i] = value[1];
    account->nkeys++;
    return NGX_CONF_OK;
}

char *
ngx_http_blob_conf_origin(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_blob_main_conf_t *bmcf = conf;
    ngx_http_blob_account_t *account = bmcf->open_account;
    ngx_str_t *value = cf->args->elts;

    if (account->origin.len) {
        return "is duplicate";
    }

    if (value[1].len == 4 && ngx_strncmp(value[1].data, "none", 4) == 0) {
        return NGX_CONF_OK;
    }

    if (ngx_strncasecmp(value[1].data, (u_char *) "http://", 7) != 0
        && ngx_strncasecmp(value[1].data, (u_char *) "https://", 8) != 0)
    {
        return "must be none or a URL that begins with https:// or http://";
    }

    account->origin = value[1];
    while (account->origin.data[account->origin.len - 1] == '/') {
        account->origin.len--;
    }

    if (cf->args->nelts == 3) {
        if (ngx_strncmp(value[2].data, "upstream=", 9) != 0
            || value[2].len == 9) {
            return "takes upstream=NAME after the URL, nothing else";
        }
        account->upstream.data = value[2].data + 9;
        account->upstream.len = value[2].len - 9;
    }

    return NGX_CONF_OK;
}

/* origin_account, origin_key, origin_sas: cmd->offset says which. */
char *
ngx_http_blob_conf_origin_cred(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_blob_main_conf_t *bmcf = conf;
    ngx_http_blob_account_t *account = bmcf->open_account;
    ngx_str_t *value = cf->args->elts, text, *field;
    char *rv;

    field = (ngx_str_t *) ((char *) account + cmd->offset);
    if (field->len) {
        return "is duplicate";
    }

    if (field != &account->origin_account) {
        rv = ngx_http_blob_conf_secret(cf, &value[1], &text);
        if (rv == NGX_CONF_OK && field == &account->origin_key_conf) {
            rv = ngx_http_blob_conf_decode(cf, &text, account->origin_key_buf,
                                           &account->origin_key);
        }
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    *field = value[1];
    return NGX_CONF_OK;
}

char *
ngx_http_blob_conf_copy_source(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_blob_main_conf_t *bmcf = conf;
    ngx_http_blob_account_t *account = bmcf->open_account;
    ngx_str_t *value = cf->args->elts;
    source_rule_t rule;
    const char *why;
    view_t *slot;
    ngx_uint_t i;

    if (value[1].len == 4 && ngx_strncmp(value[1].data, "none", 4) == 0) {
        return cf->args->nelts == 2 && account->sources.nelts == 0
                 ? NGX_CONF_OK
                 : "says none and something else";
    }

    for (i = 1; i < cf->args->nelts; i++) {
        if (!source_rule_parse(ngx_http_blob_view(value[i]), &rule, &why)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid rule \"%V\" in blob_copy_source: %s",
                               &value[i], why);
            return NGX_CONF_ERROR;
        }

        slot = ngx_array_push(&account->sources);
        if (slot == NULL) {
            return NGX_CONF_ERROR;
        }
        *slot = ngx_http_blob_view(value[i]);
    }

    return NGX_CONF_OK;
}

typedef struct {
    const char *word;
    int value;
} ngx_http_blob_word_t;

static const ngx_http_blob_word_t ngx_http_blob_words_write[] = {
    { "back", WRITE_BACK },
    { "through", WRITE_THROUGH },
    { "off", WRITE_OFF },
    { NULL, 0 }
};

static const ngx_http_blob_word_t ngx_http_blob_words_conflict[] = {
    { "keep-both", CONFLICT_KEEP_BOTH },
    { "edge-wins", CONFLICT_EDGE_WINS },
    { "origin-wins", CONFLICT_ORIGIN_WINS },
    { "hold", CONFLICT_HOLD },
    { NULL, 0 }
};

static const ngx_http_blob_word_t ngx_http_blob_words_order[] = {
    { "container", 1 },
    { "none", 0 },
    { NULL, 0 }
};

static int
ngx_http_blob_conf_word(const ngx_http_blob_word_t *words, ngx_str_t value)
{
    for (; words->word != NULL; words++) {
        if (view_eq(ngx_http_blob_view(value), view_str(words->word))) {
            return words->value;
        }
    }

    return -1;
}

char *
ngx_http_blob_conf_rule(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_blob_main_conf_t *bmcf = conf;
    policy_rule_t *rule = bmcf->open_account->rules.elts;
    ngx_str_t *value = cf->args->elts;
    ngx_msec_t ms;
    int word;

    rule += bmcf->open_rule;

    switch (value[0].data[0]) {

    case 'w':
        word = ngx_http_blob_conf_word(ngx_http_blob_words_write, value[1]);
        if (word < 0) {
            return "must be back, through or off";
        }
        rule->write = (write_mode_t) word;
        break;

    case 'c':
        word = ngx_http_blob_conf_word(ngx_http_blob_words_conflict, value[1]);
        if (word < 0) {
            return "must be keep-both, edge-wins, origin-wins or hold";
        }
        rule->conflict = (conflict_rule_t) word;
        break;

    case 'o':
        word = ngx_http_blob_conf_word(ngx_http_blob_words_order, value[1]);
        if (word < 0) {
            return "must be container or none";
        }
        rule->ordered = (int8_t) word;
        break;

    default: /* fresh */
        ms = ngx_parse_time(&value[1], 0);
        if (ms == (ngx_msec_t) NGX_ERROR) {
            return "must be a time such as 10s";
        }
        rule->fresh_ms = (int64_t) ms;
    }

    return NGX_CONF_OK;
}
