#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/internal.h"

/*
 * A journal file, replayed into an index that is thrown away. The first byte:
 * 0, the rest follows the file's header as it is; else the rest is records,
 * each a u16 length and that many bytes of ops, and they get the head, the
 * checksum and the closing position that make replay look inside.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_ID    7
#define FILE_BYTES (256 * 1024)

static store_t store = { .path = "", .journal_fd = -1, .sync_fd = -1 };
static char journal_path[STORE_PATH_MAX];
static uint8_t file[FILE_BYTES];


static void
must(bool ok)
{
    if (!ok) {
        abort();
    }
}


static void
clean_up(void)
{
    index_close(store.index);
    remove_tree(store.path);
}


static void
setup(void)
{
    index_opts_t opts = { .tables = T_MAX,
                          .map_bytes = 64u << 20,
                          .create = true };
    const char *tmp = getenv("TMPDIR");
    char path[STORE_PATH_MAX];

    snprintf(store.path, sizeof(store.path), "%s/fuzz-journal-XXXXXX",
             tmp != NULL ? tmp : "/tmp");
    must(mkdtemp(store.path) != NULL);
    store_path(&store, path, sizeof(path), "journal");
    must(mkdir(path, 0700) == 0);
    store_path(&store, path, sizeof(path), "index");
    must(mkdir(path, 0700) == 0);
    must(index_open(path, &opts, &store.index) == TIER_OK);
    must(store_file_path(&store, STORE_JOURNAL, FILE_ID, journal_path,
                         sizeof(journal_path))
         == TIER_OK);
    atexit(clean_up);
}


static size_t
op_put(uint8_t *p, table_t table, view_t key, view_t val)
{
    p[0] = OP_PUT;
    p[1] = (uint8_t) table;
    le16_put(p + 2, (uint16_t) key.len);
    le32_put(p + 4, (uint32_t) val.len);
    memcpy(p + OP_HEAD_LEN, key.ptr, key.len);
    memcpy(p + OP_HEAD_LEN + key.len, val.ptr, val.len);
    return OP_HEAD_LEN + key.len + val.len;
}


/* One record of these ops at file + at; where it ends. */
static size_t
record(size_t at, uint64_t salt, view_t ops, uint64_t number)
{
    size_t len = RECORD_HEAD_LEN + ops.len;
    size_t all = (len + OP_HEAD_LEN + 1 + sizeof(state_t) + 7) & ~(size_t) 7;
    record_head_t head = { .len = all, .first = number, .last = number };
    state_t st = { .file = FILE_ID, .offset = at + all, .number = number };

    memset(file + at, 0, all);
    memcpy(file + at + RECORD_HEAD_LEN, ops.ptr, ops.len);
    (void) op_put(file + at + len, T_META, VIEW("s"),
                  view_of(&st, sizeof(st)));
    memcpy(file + at, &head, sizeof(head));
    head.crc = crc64_nvme(salt, file + at + 8, all - 8);
    memcpy(file + at, &head, sizeof(head));
    return at + all;
}


static size_t
make_file(view_t in, bool raw)
{
    file_header_t h;
    size_t at = FILE_HEADER_LEN;

    header_make(&store, &h, JOURNAL_MAGIC, FILE_ID);
    h.first_number = 1;
    h.crc = crc64_nvme(0, &h, __builtin_offsetof(file_header_t, crc));
    memcpy(file, &h, sizeof(h));

    if (raw) {
        memcpy(file + at, in.ptr, in.len);
        return at + in.len;
    }

    for (uint64_t number = 1; in.len >= 2 && number <= 64; number++) {
        size_t n = le16_get(in.ptr);

        in = view_sub(in, 2, in.len);
        n = n < in.len ? n : in.len;
        at = record(at, h.salt, view_sub(in, 0, n), number);
        in = view_sub(in, n, in.len);
    }

    return at;
}


/* Whatever records say, reading them stays inside them. */
static void
read_all(index_txn_t *txn)
{
    char etag[ETAG_TEXT_MAX];
    store_container_t c;
    blob_rec_t rec;
    view_t k, v;

    for (tier_rc_t rc = index_seek(txn, T_BLOB, VIEW_NULL, &k, &v);
         rc == TIER_OK; rc = index_next(txn, T_BLOB, &k, &v))
    {
        must(blob_decode(v, etag, &rec) != TIER_OK || rec.b.etag != 0
             || rec.b.props.etag.len == 0);
    }

    for (tier_rc_t rc = index_seek(txn, T_CONTAINER, VIEW_NULL, &k, &v);
         rc == TIER_OK; rc = index_next(txn, T_CONTAINER, &k, &v))
    {
        must(container_decode(v, etag, &c) != TIER_OK
             || c.props.etag.len != 0);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    replay_t rp = { .store = &store, .cut = true };
    size_t len;
    int fd;

    if (size == 0 || size > 32 * 1024) {
        return 0;
    }

    if (store.index == NULL) {
        setup();
    }

    len = make_file(view_of(data + 1, size - 1), data[0] == 0);
    fd = open(journal_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    must(fd >= 0 && write(fd, file, len) == (ssize_t) len);
    (void) close(fd);

    rp.index = store.index;
    rp.st.file = FILE_ID;
    rp.st.offset = FILE_HEADER_LEN;
    must(index_begin(store.index, true, &rp.txn) == TIER_OK);

    if (journal_replay(&rp) == TIER_OK) {
        must(rp.st.file == FILE_ID && rp.st.offset <= len);
        read_all(rp.txn);
    }

    index_abort(rp.txn);
    return 0;
}
