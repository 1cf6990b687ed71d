#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "cmd/config.h"
#include "cmd/daemon.h"
#include "cmd/verbs.h"
#include "origin/local.h"
#include "proto/date.h"
#include "proto/sas.h"

#define OUTPUT_MAX    (512u << 20)
#define TIMEOUT_MAX_S 31536000
#define HOURS_MAX     876000

enum {
    STATUS_OK = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    STATUS_DOWN = 3,
    STATUS_LATE = 4
};

typedef struct options_s {
    bool json;
    bool wait;
    bool debug;
    bool take_over;
    const char *timeout;
    const char *account, *container, *blob, *prefix;
    const char *key, *permissions, *hours;
    const char *dir; /* the first operand */
    const char *number;
} options_t;

typedef struct verb_s {
    const char *name;
    const char *operands;
    const char *help;
    int (*run)(const options_t *o);
} verb_t;


static void
log_plain(void *ctx, tier_log_level_t level, const char *line)
{
    (void) ctx;
    (void) level;
    fprintf(stderr, "blob-tier: %s\n", line);
}


/* What root made in a store, nginx's workers could not open: root becomes the
 * folder's owner. */
static bool
become_owner(const char *dir)
{
    struct stat st;

    if (geteuid() != 0 || stat(dir, &st) != 0 || st.st_uid == 0) {
        return true;
    }

    if (setgroups(0, NULL) == 0 && setgid(st.st_gid) == 0
        && setuid(st.st_uid) == 0)
    {
        return true;
    }

    fprintf(stderr, "blob-tier: cannot become the owner of %s: %s\n", dir,
            strerror(errno));
    return false;
}


/* A number without sign; false: it is none, or outside of the bounds. */
static bool
number_option(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
    return view_to_u64(view_str(text), ret) && *ret >= min && *ret <= max;
}


static const tier_log_t plain = { log_plain, NULL, TIER_LOG_WARN };


static int
print(writer_t *w, int status)
{
    if (w->len != 0) {
        fwrite(w->buf, 1, w->len, status == STATUS_OK ? stdout : stderr);
    }

    writer_free(w);
    return status;
}


/* ---- through the socket ----------------------------------------------- */

/* Says the verb to the daemon; -1: it does not run. */
static int
ask(const options_t *o, const char *method, const char *target, long timeout_s)
{
    char path[4096];
    unsigned status = 0;
    writer_t w;
    tier_rc_t rc;

    snprintf(path, sizeof(path), "%s/run/tier.sock", o->dir);
    writer_init_grow(&w, OUTPUT_MAX, NULL, NULL);
    rc = origin_local_request(path, method, target, timeout_s, &w, &status);

    if (rc == TIER_NOT_FOUND) {
        writer_free(&w);
        return -1;
    }

    if (rc != TIER_OK) {
        writer_free(&w);
        fprintf(stderr, "blob-tier: the daemon does not answer\n");
        return STATUS_FAILED;
    }

    return print(&w, status == 200   ? STATUS_OK
                     : status == 504 ? STATUS_LATE
                                     : STATUS_FAILED);
}


static int
need_daemon(int status, const options_t *o)
{
    if (status != -1) {
        return status;
    }

    fprintf(stderr,
            "blob-tier: no daemon serves %s; start it: blob-tier serve %s\n",
            o->dir, o->dir);
    return STATUS_DOWN;
}


/* ---- the store itself, when the daemon is down ------------------------ */

static int
with_store(const options_t *o, int (*fn)(const options_t *o, store_t *store,
                                         store_reader_t *reader))
{
    store_opts_t opts = { .log = &plain,
                          .read_only = true,
                          .take_over = o->take_over };
    store_reader_t *reader = NULL;
    store_t *store;
    int status = STATUS_FAILED;

    if (store_open(o->dir, &opts, &store) != TIER_OK) {
        fprintf(stderr, "blob-tier: cannot open the store %s\n", o->dir);
        return STATUS_FAILED;
    }

    if (store_reader_open(store, &reader) == TIER_OK) {
        status = fn(o, store, reader);
    }

    store_reader_close(reader);
    store_close(store);
    return status;
}


static int
local_status(const options_t *o, store_t *store, store_reader_t *reader)
{
    writer_t w;

    (void) store;
    writer_init_grow(&w, OUTPUT_MAX, NULL, NULL);
    report_status(reader, NULL, o->json, &w);
    return print(&w, STATUS_OK);
}


static int
local_queue(const options_t *o, store_t *store, store_reader_t *reader)
{
    writer_t w;

    (void) store;
    writer_init_grow(&w, OUTPUT_MAX, NULL, NULL);
    report_queue(reader, o->json, &w);
    return print(&w, STATUS_OK);
}


static int
local_fsck(const options_t *o, store_t *store, store_reader_t *reader)
{
    uint64_t bad = 0;
    tier_rc_t rc = store_verify_index(store), bodies;

    (void) reader;
    printf("index: %s\n",
           rc == TIER_OK ? "equals checkpoint + journal" : tier_rc_name(rc));
    bodies = store_verify_bodies(store, &bad);
    printf("bodies: %llu damaged\n", (unsigned long long) bad);

    if (rc != TIER_OK) {
        printf("mend: stop everything that has the store open, remove "
               "%s/index/, start again\n",
               o->dir);
    }

    return rc == TIER_OK && bodies == TIER_OK && bad == 0 ? STATUS_OK
                                                          : STATUS_FAILED;
}


/* ---- ls --------------------------------------------------------------- */

static int
print_blob(void *ctx, view_t name, const store_blob_t *b)
{
    static const char *const states[] = {
        [STORE_NONE] = "uncommitted",  [STORE_OWNED] = "owned",
        [STORE_DIRTY] = "dirty",       [STORE_CLEAN] = "clean",
        [STORE_TOMBSTONE] = "deleted", [STORE_ALIAS] = "alias"
    };

    (void) ctx;
    printf("%-11s %12llu  %.*s\n", states[b->state],
           (unsigned long long) b->props.content_length, (int) name.len,
           (const char *) name.ptr);
    return 0;
}


static int
print_container(void *ctx, view_t name, const store_container_t *c)
{
    bool *any = ctx;

    (void) c;
    *any = true;
    printf("%.*s\n", (int) name.len, (const char *) name.ptr);
    return 0;
}


static int
local_ls(const options_t *o, store_t *store, store_reader_t *reader)
{
    store_scan_t scan = { 0 };
    store_container_t c;
    uint64_t seen;
    writer_t scratch;
    uint8_t *buf;
    bool any = false;
    tier_rc_t rc;

    (void) store;

    if (o->account == NULL) {
        fprintf(stderr, "blob-tier: ls needs --account NAME\n");
        return STATUS_USAGE;
    }

    if (o->container == NULL) {
        rc = store_container_scan(reader, view_str(o->account), &scan,
                                  print_container, &any, &seen);

        if (rc >= 0 && !any
            && !config_names(o->dir, &plain, view_str(o->account))) {
            fprintf(stderr, "blob-tier: the store has no account %s\n",
                    o->account);
            return STATUS_FAILED;
        }

        return rc < 0 ? STATUS_FAILED : STATUS_OK;
    }

    buf = malloc(STORE_RECORD_MAX);

    if (buf == NULL) {
        return STATUS_FAILED;
    }

    writer_init_fixed(&scratch, buf, STORE_RECORD_MAX);
    rc = store_container_get(reader, view_str(o->account),
                             view_str(o->container), &scratch, &c);
    free(buf);

    if (rc != TIER_OK) {
        fprintf(stderr, "blob-tier: the store has no container %s of %s\n",
                o->container, o->account);
        return STATUS_FAILED;
    }

    if (o->prefix != NULL) {
        scan.prefix = view_str(o->prefix);
    }

    rc =
        store_blob_scan(reader, c.incarnation, &scan, print_blob, NULL, &seen);
    return rc < 0 ? STATUS_FAILED : STATUS_OK;
}


/* ---- verbs ------------------------------------------------------------ */

static int
run_serve(const options_t *o)
{
    return daemon_serve(o->dir, o->debug);
}


static int
run_status(const options_t *o)
{
    int status =
        ask(o, "GET", o->json ? "/status" : "/status?format=text", 30);

    return status == -1 ? with_store(o, local_status) : status;
}


static int
run_queue(const options_t *o)
{
    int status = ask(o, "GET", o->json ? "/queue" : "/queue?format=text", 30);

    return status == -1 ? with_store(o, local_queue) : status;
}


static int
run_flush(const options_t *o)
{
    char target[512];
    uint64_t timeout = o->wait ? 0 : 1;
    int n;

    if (o->timeout != NULL
        && !number_option(o->timeout, 1, TIMEOUT_MAX_S, &timeout))
    {
        fprintf(stderr, "blob-tier: --timeout takes seconds, 1 to %d\n",
                TIMEOUT_MAX_S);
        return STATUS_USAGE;
    }

    n = snprintf(target, sizeof(target), "/flush?timeout=%llu",
                 (unsigned long long) timeout);

    if (o->account != NULL) {
        n += snprintf(target + n, sizeof(target) - (size_t) n, "&account=%s",
                      o->account);
    }

    if (o->container != NULL) {
        snprintf(target + n, sizeof(target) - (size_t) n, "&container=%s",
                 o->container);
    }

    return need_daemon(
        ask(o, "POST", target, timeout == 0 ? 0 : (long) timeout + 30), o);
}


static int
operator_verb(const options_t *o, const char *verb)
{
    char target[128];
    uint64_t number;

    if (o->number == NULL || !number_option(o->number, 1, INT64_MAX, &number))
    {
        fprintf(stderr,
                "blob-tier: %s needs a commit's number (blob-tier queue)\n",
                verb);
        return STATUS_USAGE;
    }

    snprintf(target, sizeof(target), "/%s?number=%llu", verb,
             (unsigned long long) number);
    return need_daemon(ask(o, "POST", target, 30), o);
}


static int
run_retry(const options_t *o)
{
    if (o->number != NULL && strcmp(o->number, "all") == 0) {
        return need_daemon(ask(o, "POST", "/retry?number=all", 300), o);
    }

    return operator_verb(o, "retry");
}


static int
run_skip(const options_t *o)
{
    return operator_verb(o, "skip");
}


static int
run_drop(const options_t *o)
{
    return operator_verb(o, "drop");
}


static int
run_ls(const options_t *o)
{
    return with_store(o, local_ls);
}


static int
run_fsck(const options_t *o)
{
    return with_store(o, local_fsck);
}


static view_t
option_view(const char *s)
{
    return s == NULL ? VIEW_NULL : view_str(s);
}


static int
run_sas(const options_t *o)
{
    uint8_t key[128], expiry[40], out[2048];
    writer_t ew, w;
    size_t len = 0;
    proto_sas_t sas = { .account = option_view(o->account),
                        .container = option_view(o->container),
                        .blob = option_view(o->blob) };
    uint64_t hours = 24;

    if (o->account == NULL || o->key == NULL
        || !base64_decode(view_str(o->key), key, sizeof(key), &len))
    {
        fprintf(stderr, "blob-tier: sas needs --account NAME and --key with "
                        "the account's key in base64\n");
        return STATUS_USAGE;
    }

    if (o->hours != NULL && !number_option(o->hours, 1, HOURS_MAX, &hours)) {
        fprintf(stderr, "blob-tier: --hours takes a number, 1 to %d\n",
                HOURS_MAX);
        return STATUS_USAGE;
    }

    writer_init_fixed(&ew, expiry, sizeof(expiry));
    proto_date_iso8601(&ew, time(NULL) + (time_t) hours * 3600);
    sas.key = view_of(key, len);
    sas.perms = view_str(o->permissions != NULL ? o->permissions
                         : o->container != NULL ? "racwdl"
                                                : "rwdlacuptf");
    /* whole seconds, as every client writes it */
    sas.expiry = view_of(expiry, 20);
    expiry[19] = 'Z';

    writer_init_fixed(&w, out, sizeof(out));

    if (o->container != NULL) {
        proto_sas_service(&w, &sas);

    } else {
        proto_sas_account(&w, &sas);
    }

    printf("%.*s\n", (int) w.len, (const char *) w.buf);
    return writer_ok(&w) ? STATUS_OK : STATUS_FAILED;
}


static const verb_t verbs[] = {
    { "serve", "STORE [--debug]",
      "carry the store's commits to the origin; runs until SIGTERM",
      run_serve },
    { "status", "STORE [--json]", "figures of the store and the daemon",
      run_status },
    { "queue", "STORE [--json]", "commits that the origin does not have yet",
      run_queue },
    { "flush",
      "STORE [--wait] [--timeout S] [--account NAME] [--container NAME]",
      "wait until what is queued now is at the origin", run_flush },
    { "retry", "STORE NUMBER|all", "a parked commit is tried again",
      run_retry },
    { "skip", "STORE NUMBER",
      "a commit is not carried; its version stays at the edge", run_skip },
    { "drop", "STORE NUMBER", "a commit is not carried and its version goes",
      run_drop },
    { "ls", "STORE --account NAME [--container NAME] [--prefix P]",
      "what the store itself has, with its state", run_ls },
    { "fsck", "STORE [--take-over]", "compare index, journal and bodies",
      run_fsck },
    { "sas",
      "--account NAME --key KEY [--container C [--blob B]] [--permissions P] "
      "[--hours N]",
      "make an account or service SAS", run_sas },
};


static void
usage(FILE *to)
{
    fprintf(to, "usage: blob-tier VERB ...\n\n");

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        fprintf(to, "  %s %s\n      %s\n", verbs[i].name, verbs[i].operands,
                verbs[i].help);
    }

    fprintf(to, "  --help, --version\n");
    fprintf(to, "\nexit status: 0 done, 1 failed, 2 wrong usage, 3 the daemon "
                "is needed and does not run, 4 not done in time\n");
}


static bool
parse_options(int argc, char **argv, options_t *o)
{
    static const struct option longs[] = {
        { "json", no_argument, NULL, 'j' },
        { "wait", no_argument, NULL, 'w' },
        { "debug", no_argument, NULL, 'd' },
        { "take-over", no_argument, NULL, 'T' },
        { "timeout", required_argument, NULL, 't' },
        { "account", required_argument, NULL, 'a' },
        { "container", required_argument, NULL, 'c' },
        { "blob", required_argument, NULL, 'b' },
        { "prefix", required_argument, NULL, 'p' },
        { "key", required_argument, NULL, 'k' },
        { "permissions", required_argument, NULL, 'P' },
        { "hours", required_argument, NULL, 'H' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 'j':
            o->json = true;
            break;
        case 'w':
            o->wait = true;
            break;
        case 'd':
            o->debug = true;
            break;
        case 'T':
            o->take_over = true;
            break;
        case 't':
            o->timeout = optarg;
            break;
        case 'a':
            o->account = optarg;
            break;
        case 'c':
            o->container = optarg;
            break;
        case 'b':
            o->blob = optarg;
            break;
        case 'p':
            o->prefix = optarg;
            break;
        case 'k':
            o->key = optarg;
            break;
        case 'P':
            o->permissions = optarg;
            break;
        case 'H':
            o->hours = optarg;
            break;
        default:
            return false;
        }
    }

    o->dir = optind < argc ? argv[optind] : NULL;
    o->number = optind + 1 < argc ? argv[optind + 1] : NULL;
    return true;
}


int
verbs_main(int argc, char **argv)
{
    options_t o = { 0 };

    if (argc >= 2
        && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0))
    {
        printf("blob-tier %s, store format %d\n", BLOB_TIER_VERSION,
               STORE_FORMAT);
        return STATUS_OK;
    }

    if (argc < 2 || strcmp(argv[1], "--help") == 0
        || strcmp(argv[1], "help") == 0) {
        usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? STATUS_USAGE : STATUS_OK;
    }

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(argv[1], verbs[i].name) != 0) {
            continue;
        }

        if (!parse_options(argc - 1, argv + 1, &o)
            || (o.dir == NULL && verbs[i].run != run_sas))
        {
            fprintf(stderr, "usage: blob-tier %s %s\n", verbs[i].name,
                    verbs[i].operands);
            return STATUS_USAGE;
        }

        return o.dir == NULL || become_owner(o.dir) ? verbs[i].run(&o)
                                                    : STATUS_FAILED;
    }

    fprintf(stderr, "blob-tier: no verb \"%s\"; blob-tier --help lists them\n",
            argv[1]);
    return STATUS_USAGE;
}
