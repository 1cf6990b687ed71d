#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "cmd/config.h"

#define POLICY_MAX (4u << 20)
#define SECRET_MAX 8192


static void
policy_path(const char *dir, char *buf, size_t cap)
{
    snprintf(buf, cap, "%s/policy", dir);
}


int64_t
config_mtime_ns(const char *store_dir)
{
    char path[4096];
    struct stat st;

    policy_path(store_dir, path, sizeof(path));

    return stat(path, &st) != 0
             ? 0
             : (int64_t) st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}


static tier_rc_t
read_file(const char *path, size_t max, writer_t *w)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;

    if (fd == -1) {
        return errno == ENOENT ? TIER_NOT_FOUND : TIER_EIO;
    }

    while (n > 0 && w->len <= max) {
        uint8_t buf[4096];

        n = read(fd, buf, sizeof(buf));

        if (n > 0) {
            writer_put(w, view_of(buf, (size_t) n));
        }
    }

    close(fd);
    return n < 0 ? TIER_EIO : w->rc;
}


/* A secret as written, or what the file it names holds, without blanks at the
 * ends. */
static tier_rc_t
read_secret(view_t conf, const tier_log_t *log, writer_t *w, view_t *ret)
{
    char path[4096];
    tier_rc_t rc;
    view_t v;

    if (!view_starts_with(conf, VIEW("file:"))) {
        *ret = conf;
        return TIER_OK;
    }

    snprintf(path, sizeof(path), "%.*s", (int) conf.len - 5,
             (const char *) conf.ptr + 5);
    rc = read_file(path, SECRET_MAX, w);

    if (rc != TIER_OK) {
        tier_log(log, TIER_LOG_ERROR,
                 "%s: %s; it must exist and be readable by the user that "
                 "blob-tier runs as",
                 path, strerror(errno));
        return rc < 0 ? rc : TIER_EIO;
    }

    v = writer_view(w);

    while (v.len != 0 && v.ptr[v.len - 1] <= ' ') {
        v.len--;
    }

    *ret = v;
    return TIER_OK;
}


static tier_rc_t
make_origin(const policy_account_t *a, const tier_log_t *log, origin_t **ret)
{
    origin_opts_t opts = { .url = a->origin,
                           .account = a->origin_account.len != 0
                                        ? a->origin_account
                                        : a->name,
                           .log = log };
    uint8_t key[128];
    size_t len = 0;
    writer_t kw, sw;
    view_t text = VIEW_NULL;
    tier_rc_t rc = TIER_OK;

    writer_init_grow(&kw, SECRET_MAX * 2, NULL, NULL);
    writer_init_grow(&sw, SECRET_MAX * 2, NULL, NULL);

    if (a->origin_key.len != 0) {
        rc = read_secret(a->origin_key, log, &kw, &text);

        if (rc == TIER_OK && !base64_decode(text, key, sizeof(key), &len)) {
            tier_log(log, TIER_LOG_ERROR,
                     "account %.*s: origin_key is not base64",
                     (int) a->name.len, (const char *) a->name.ptr);
            rc = TIER_EINVAL;
        }

        opts.key = view_of(key, len);
    }

    if (rc == TIER_OK && a->origin_sas.len != 0) {
        rc = read_secret(a->origin_sas, log, &sw, &opts.sas);

        if (opts.sas.len != 0 && opts.sas.ptr[0] == '?') {
            opts.sas = view_sub(opts.sas, 1, opts.sas.len);
        }
    }

    if (rc == TIER_OK) {
        rc = origin_new(&opts, ret);
    }

    writer_free(&kw);
    writer_free(&sw);
    return rc;
}


static tier_rc_t
make_origins(config_t *c, const tier_log_t *log)
{
    tier_rc_t rc = TIER_OK;

    c->origins = calloc(c->policy.naccounts + 1, sizeof(*c->origins));

    if (c->origins == NULL) {
        return TIER_ENOMEM;
    }

    for (unsigned i = 0; i < c->policy.naccounts && rc == TIER_OK; i++) {
        if (c->policy.accounts[i].origin.len != 0) {
            rc = make_origin(&c->policy.accounts[i], log, &c->origins[i]);
        }
    }

    return rc;
}


static tier_rc_t
read_policy(const char *store_dir, const tier_log_t *log, policy_t *ret)
{
    char path[4096], message[512];
    writer_t text, err;
    tier_rc_t rc;

    policy_path(store_dir, path, sizeof(path));
    writer_init_grow(&text, POLICY_MAX, NULL, NULL);
    writer_init_fixed(&err, message, sizeof(message));
    rc = read_file(path, POLICY_MAX, &text);

    if (rc == TIER_OK) {
        rc = policy_parse(writer_view(&text), ret, &err);

        if (rc != TIER_OK) {
            tier_log(log, TIER_LOG_ERROR,
                     "%s: %.*s; reload nginx to have it written anew", path,
                     (int) err.len, message);
        }
    }

    writer_free(&text);
    return rc;
}


bool
config_names(const char *store_dir, const tier_log_t *log, view_t account)
{
    policy_t policy = { 0 };
    bool found = false;

    if (read_policy(store_dir, log, &policy) == TIER_OK) {
        for (unsigned i = 0; i < policy.naccounts && !found; i++) {
            found = view_eq(policy.accounts[i].name, account);
        }
    }

    policy_free(&policy);
    return found;
}


tier_rc_t
config_load(const char *store_dir, const tier_log_t *log, config_t **ret)
{
    config_t *c = calloc(1, sizeof(*c));
    tier_rc_t rc;

    if (c == NULL) {
        return TIER_ENOMEM;
    }

    c->refs = 1;
    c->mtime_ns = config_mtime_ns(store_dir);
    rc = read_policy(store_dir, log, &c->policy);

    if (rc == TIER_OK) {
        rc = make_origins(c, log);
    }

    if (rc != TIER_OK) {
        config_unref(c);
        return rc;
    }

    *ret = c;
    return TIER_OK;
}


config_t *
config_ref(config_t *config)
{
    atomic_fetch_add(&config->refs, 1);
    return config;
}


void
config_unref(config_t *config)
{
    if (config == NULL || atomic_fetch_sub(&config->refs, 1) != 1) {
        return;
    }

    for (unsigned i = 0;
         config->origins != NULL && i < config->policy.naccounts; i++)
    {
        origin_free(config->origins[i]);
    }

    free(config->origins);
    policy_free(&config->policy);
    free(config);
}


const origin_t *
config_origin(const config_t *config, view_t account)
{
    for (unsigned i = 0; i < config->policy.naccounts; i++) {
        if (view_eq(config->policy.accounts[i].name, account)) {
            return config->origins[i];
        }
    }

    return NULL;
}
