#include <stdlib.h>

#include "base/digest.h"
#include "base/endian.h"
#include "sync/merge.h"

/* Names of the index looked at for each page: as many as can be given and some
 * that hide others. The origin is asked again for each such window. */
#define LOCAL_MORE 1024u
#define MARKER_MAX 8192
#define NAME_BUF   (STORE_NAME_MAX + 64)
#define RANK_MAX   64
#define DROP_PAGES 20 /* of the origin's that gave nothing */
#define ORIGIN_MAX 5000u

/* flags of a marker */
#define MARK_PREFIX 1u
#define MARK_BASE   2u
#define MARK_CUT    4u
#define MARK_HEAD   5u /* version, flags, lengths of marker and rank */

typedef enum {
    LOCAL_OURS = 0,
    LOCAL_CLEAN,
    LOCAL_TOMBSTONE,
    LOCAL_UNCOMMITTED,
    LOCAL_PREFIX,          /* something of ours is under it */
    LOCAL_PREFIX_TOMBSTONE /* only deletes are */
} local_kind_t;

typedef struct local_s {
    local_kind_t kind;
    view_t name; /* in mem */
    blob_props_t props;
    view_t origin_etag;
    void *mem;
} local_t;

typedef struct merge_s {
    const sync_merge_env_t *env;
    const sync_list_t *list;
    unsigned given;

    /* where we are: nothing up to here is given again */
    uint8_t last_buf[NAME_BUF];
    view_t last;
    bool last_prefix;
    bool last_base; /* what the record says of `last` was heeded */
    bool cut;       /* `last` is on the origin's page at hand: the one of its
                       items with last_rank was the last given */
    uint8_t rank_buf[RANK_MAX];
    view_t last_rank;
    view_t marker; /* the origin's, of the page at hand */
    uint8_t marker_buf[MARKER_MAX];

    local_t *local;
    unsigned nlocal, local_max;
    bool local_end; /* the index has no more names */
    uint8_t stop_buf[NAME_BUF];
    view_t stop; /* local knowledge ends here, inclusive */
    tier_rc_t rc;
} merge_t;


/* ---- markers ---- */

static void
marker_format(const merge_t *m, writer_t *w)
{
    uint8_t buf[MARKER_MAX + NAME_BUF + RANK_MAX];
    writer_t raw;

    writer_init_fixed(&raw, buf, sizeof(buf));
    writer_putc(&raw, 2);
    writer_putc(&raw, (uint8_t) ((m->last_prefix ? MARK_PREFIX : 0)
                                 | (m->last_base ? MARK_BASE : 0)
                                 | (m->cut ? MARK_CUT : 0)));
    writer_put_le16(&raw, (uint16_t) m->marker.len);
    writer_putc(&raw, (uint8_t) m->last_rank.len);
    writer_put(&raw, m->marker);
    writer_put(&raw, m->last_rank);
    writer_put(&raw, m->last);
    base64_encode(w, writer_view(&raw));
}


/* The next len bytes of *from, kept in buf. */
static view_t
marker_part(const uint8_t **from, size_t len, uint8_t *buf)
{
    memcpy(buf, *from, len);
    *from += len;
    return view_of(buf, len);
}


static tier_rc_t
marker_parse(merge_t *m, view_t text)
{
    uint8_t raw[MARKER_MAX + NAME_BUF + RANK_MAX];
    const uint8_t *from = raw + MARK_HEAD;
    size_t len = 0, mlen, rlen;

    if (text.len == 0) {
        return TIER_OK;
    }

    if (!base64_decode(text, raw, sizeof(raw), &len) || len < MARK_HEAD
        || raw[0] != 2)
    {
        return TIER_EINVAL;
    }

    len -= MARK_HEAD;
    mlen = le16_get(raw + 2);
    rlen = raw[4];

    if (mlen + rlen > len || mlen > sizeof(m->marker_buf)
        || rlen > sizeof(m->rank_buf)
        || len - mlen - rlen > sizeof(m->last_buf))
    {
        return TIER_EINVAL;
    }

    m->last_prefix = raw[1] & MARK_PREFIX;
    m->last_base = raw[1] & MARK_BASE;
    m->cut = raw[1] & MARK_CUT;
    m->marker = marker_part(&from, mlen, m->marker_buf);
    m->last_rank = marker_part(&from, rlen, m->rank_buf);
    m->last = marker_part(&from, len - mlen - rlen, m->last_buf);
    return TIER_OK;
}


/* ---- the index's side ---- */

/* The prefix that stands for a name, or null. */
static view_t
fold(const merge_t *m, view_t name)
{
    view_t d = m->list->delimiter;
    size_t from = m->list->prefix.len;

    if (d.len == 0) {
        return VIEW_NULL;
    }

    for (; from + d.len <= name.len; from++) {
        if (memcmp(name.ptr + from, d.ptr, d.len) == 0) {
            return view_sub(name, 0, from + d.len);
        }
    }

    return VIEW_NULL;
}


/* A copy whose views stay. */
static bool
local_add(merge_t *m, local_kind_t kind, view_t name, const store_blob_t *blob)
{
    local_t *l = &m->local[m->nlocal];
    size_t cap = name.len + 64;
    writer_t w, props;

    memset(l, 0, sizeof(*l));
    l->kind = kind;
    writer_init_grow(&props, 64 * 1024, NULL, NULL);

    if (blob != NULL && (kind == LOCAL_OURS || kind == LOCAL_CLEAN)) {
        blob_props_encode(&props, &blob->props);
        cap += props.len + blob->origin_etag.len;
    }

    l->mem = malloc(cap);

    if (l->mem == NULL || !writer_ok(&props)) {
        writer_free(&props);
        free(l->mem);
        m->rc = TIER_ENOMEM;
        return false;
    }

    writer_init_fixed(&w, l->mem, cap);
    l->name = writer_take(&w, name);

    if (props.len != 0) {
        l->origin_etag = writer_take(&w, blob->origin_etag);

        if (blob_props_decode(writer_take(&w, writer_view(&props)), &l->props)
            != TIER_OK)
        {
            m->rc = TIER_ECORRUPT;
        }
    }

    writer_free(&props);
    m->nlocal++;
    return m->rc == TIER_OK;
}


static void
local_clear(merge_t *m)
{
    for (unsigned i = 0; i < m->nlocal; i++) {
        free(m->local[i].mem);
    }

    m->nlocal = 0;
}


typedef struct gather_s {
    merge_t *m;
    view_t folded; /* the prefix to skip on with, in fold_buf */
    uint8_t fold_buf[NAME_BUF];
    uint8_t at_buf[NAME_BUF]; /* last name looked at */
    view_t at;
    bool past; /* this name and those after it are not wanted */
} gather_t;


static bool
is_clean(store_state_t s)
{
    return s == STORE_CLEAN || s == STORE_ALIAS;
}


/* A name under a folded prefix. 1 ends the scan: the prefix is settled. */
static int
gather_folded(gather_t *g, view_t prefix, const store_blob_t *b)
{
    merge_t *m = g->m;
    local_t *l = m->nlocal != 0 ? &m->local[m->nlocal - 1] : NULL;
    bool same = l != NULL && view_eq(l->name, prefix)
             && (l->kind == LOCAL_PREFIX || l->kind == LOCAL_PREFIX_TOMBSTONE);
    bool ours =
        b->state == STORE_DIRTY || b->state == STORE_OWNED
        || (b->state == STORE_NONE && b->uncommitted && m->list->uncommitted);

    if (ours || is_clean(b->state)) {
        /* settled: ours makes the prefix, a clean one leaves it to the
         * origin */
        if (same) {
            l->kind = LOCAL_PREFIX;
        }

        if (ours && !same && !local_add(m, LOCAL_PREFIX, prefix, NULL)) {
            return 1;
        }

        if (!ours && same) {
            free(l->mem);
            m->nlocal--;
        }

        memcpy(g->fold_buf, prefix.ptr, prefix.len);
        g->folded = view_of(g->fold_buf, prefix.len);
        return 1;
    }

    if (b->state == STORE_TOMBSTONE && !same
        && !local_add(m, LOCAL_PREFIX_TOMBSTONE, prefix, NULL))
    {
        return 1;
    }

    return 0;
}


static int
gather(void *ctx, view_t name, const store_blob_t *b)
{
    gather_t *g = ctx;
    merge_t *m = g->m;
    view_t prefix = fold(m, name);

    if (m->list->before.len != 0 && view_cmp(name, m->list->before) >= 0) {
        g->past = true;
        return 1;
    }

    memcpy(g->at_buf, name.ptr, name.len);
    g->at = view_of(g->at_buf, name.len);

    if (prefix.ptr != NULL) {
        return gather_folded(g, prefix, b) != 0 || m->nlocal >= m->local_max;
    }

    switch (b->state) {
    case STORE_DIRTY:
    case STORE_OWNED:
        (void) local_add(m, LOCAL_OURS, name, b);
        break;

    case STORE_CLEAN:
    case STORE_ALIAS:
        (void) local_add(m, LOCAL_CLEAN, name, b);
        break;

    case STORE_TOMBSTONE:
        (void) local_add(m, LOCAL_TOMBSTONE, name, b);
        break;

    case STORE_NONE:
        if (b->uncommitted && m->list->uncommitted) {
            (void) local_add(m, LOCAL_UNCOMMITTED, name, b);
        }

        break;
    }

    return m->rc != TIER_OK || m->nlocal >= m->local_max;
}


/* Where the index is gone on with. */
static void
scan_from(const merge_t *m, store_scan_t *scan)
{
    view_t first = m->list->first;

    if (first.len != 0 && view_cmp(m->last, first) < 0) {
        scan->from = first;
        scan->from_too = true;
        return;
    }

    scan->from = m->last.len != 0 ? m->last : VIEW_NULL;
    scan->from_prefix = m->last_prefix;
    scan->from_too = m->last.len != 0 && !m->last_base;
}


/* What the index has after `last`: all, or up to m->stop. */
static tier_rc_t
load_local(merge_t *m)
{
    gather_t *g = calloc(1, sizeof(*g));
    store_scan_t scan = { .prefix = m->list->prefix };
    tier_rc_t rc = TIER_OK;

    if (g == NULL) {
        return TIER_ENOMEM;
    }

    local_clear(m);
    g->m = m;
    scan_from(m, &scan);

    while (rc == TIER_OK && m->nlocal < m->local_max && m->rc == TIER_OK) {
        g->folded = VIEW_NULL;
        rc = m->env->scan(m->env->ctx, &scan, gather, g);
        scan.from_too = false;

        if (rc == TIER_OK && g->past) {
            rc = TIER_END;

        } else if (rc == TIER_OK) {
            scan.from_prefix = g->folded.ptr != NULL;
            scan.from = scan.from_prefix ? g->folded : g->at;
        }
    }

    m->local_end = rc == TIER_END;

    if (!m->local_end && scan.from.len <= sizeof(m->stop_buf)) {
        memcpy(m->stop_buf, scan.from.ptr, scan.from.len);
        m->stop = view_of(m->stop_buf, scan.from.len);
    }

    free(g);
    return rc < 0 ? rc : m->rc;
}


/* ---- both ---- */

/* An item of no rank is what the name stands for: the last of its items. */
static view_t
rank_of(const origin_item_t *o)
{
    return o->rank.len == 0 ? VIEW("~") : view_sub(o->rank, 0, RANK_MAX);
}


static bool
is_before_last(const merge_t *m, view_t name)
{
    return m->last.len != 0
        && (view_cmp(name, m->last) < 0
            || (m->last_prefix && view_starts_with(name, m->last)));
}


static bool
local_given(const merge_t *m, const local_t *l)
{
    return is_before_last(m, l->name)
        || (m->last_base && view_eq(l->name, m->last));
}


/* Of the items of one name those up to the last given one, if it is still
 * there; else by their ranks. */
static bool
rank_given(const merge_t *m, const origin_page_t *page, unsigned i)
{
    for (unsigned k = 0; k < page->n; k++) {
        const origin_item_t *o = &page->items[k];

        if (view_eq(o->name, m->last) && view_eq(rank_of(o), m->last_rank)) {
            return i <= k;
        }
    }

    return view_cmp(rank_of(&page->items[i]), m->last_rank) <= 0;
}


static bool
item_given(const merge_t *m, const origin_page_t *page, unsigned i)
{
    const origin_item_t *o = &page->items[i];

    if (is_before_last(m, o->name)
        || (m->list->first.len != 0 && view_cmp(o->name, m->list->first) < 0))
    {
        return true;
    }

    if (m->last.len == 0 || !view_eq(o->name, m->last)) {
        return false;
    }

    return !m->list->many || o->prefix || (m->cut && rank_given(m, page, i));
}


static void
set_last(merge_t *m, view_t name, bool prefix, bool base, view_t rank)
{
    bool same = view_eq(name, m->last);

    memmove(m->last_buf, name.ptr, name.len);
    m->last = view_of(m->last_buf, name.len);
    m->last_prefix = prefix;
    m->last_base = base || (same && m->last_base);
    memcpy(m->rank_buf, rank.ptr, rank.len);
    m->last_rank = view_of(m->rank_buf, rank.len);
    m->cut = true;
}


/* Is past, whatever it has. */
static void
set_past(merge_t *m, view_t name, bool prefix)
{
    set_last(m, name, prefix, true, VIEW("\x7F"));
}


static void
give(merge_t *m, const sync_item_t *item)
{
    m->env->emit(m->env->ctx, item);
    m->given++;
}


static void
give_origin(merge_t *m, const origin_item_t *o, const blob_props_t *props)
{
    sync_item_t item = {
        .name = o->name, .prefix = o->prefix, .props = props, .said = &o->said
    };

    give(m, &item);
    set_last(m, o->name, o->prefix, o->base, rank_of(o));
}


/* Items of the name that the page has yet may follow. */
static void
give_ours(merge_t *m, const local_t *l, view_t rank)
{
    sync_item_t item = { .name = l->name,
                         .prefix = l->kind == LOCAL_PREFIX,
                         .uncommitted = l->kind == LOCAL_UNCOMMITTED,
                         .props = &l->props };

    give(m, &item);
    set_last(m, l->name, item.prefix, true, rank);
}


/* Is anything under the prefix left at the origin that we did not delete? */
static tier_rc_t
prefix_alive(merge_t *m, view_t prefix, bool *ret)
{
    uint8_t buf[MARKER_MAX];
    view_t marker = VIEW_NULL;

    *ret = false;

    do {
        origin_page_t page;
        tier_rc_t rc =
            m->env->page(m->env->ctx, prefix, VIEW_NULL, marker, 1000, &page);

        if (rc != TIER_OK) {
            return rc;
        }

        for (unsigned i = 0; i < page.n && !*ret; i++) {
            *ret = !page.items[i].base
                || !m->env->is_tombstone(m->env->ctx, page.items[i].name);
        }

        marker = view_sub(page.next_marker, 0, sizeof(buf));

        if (marker.len != 0) {
            memcpy(buf, marker.ptr, marker.len);
        }

        marker = view_of(buf, marker.len);
        origin_page_free(&page);

    } while (!*ret && marker.len != 0);

    return TIER_OK;
}


/* The origin's, as clients were told of it. */
static void
give_clean(merge_t *m, const origin_item_t *o, const local_t *l)
{
    blob_props_t props = o->props;

    if (view_eq(o->props.etag, l->origin_etag)) {
        props = l->props;

        /* what the origin leaves out stays out */
        if (o->props.creation_time_s == 0) {
            props.creation_time_s = 0;
        }
    }

    give_origin(m, o, &props);
}


/* The same name on both sides, and the item that the record speaks of. */
static tier_rc_t
give_both(merge_t *m, const origin_item_t *o, const local_t *l)
{
    bool alive = true;
    tier_rc_t rc = TIER_OK;

    switch (l->kind) {
    case LOCAL_OURS:
        give_ours(m, l, rank_of(o));
        return TIER_OK;

    case LOCAL_CLEAN:
        give_clean(m, o, l);
        return TIER_OK;

    case LOCAL_TOMBSTONE:
        set_last(m, o->name, false, true, rank_of(o));
        return TIER_OK;

    case LOCAL_PREFIX_TOMBSTONE:
        rc = prefix_alive(m, o->name, &alive);
        break;

    case LOCAL_UNCOMMITTED:
    case LOCAL_PREFIX:
        break;
    }

    if (rc == TIER_OK && alive) {
        give_origin(m, o, &o->props);

    } else if (rc == TIER_OK) {
        set_past(m, o->name, o->prefix);
    }

    return rc;
}


static void
give_local(merge_t *m, const local_t *l)
{
    switch (l->kind) {
    case LOCAL_OURS:
    case LOCAL_UNCOMMITTED:
    case LOCAL_PREFIX:
        give_ours(m, l, VIEW("\x7F"));
        break;

    case LOCAL_CLEAN: /* the origin has lost it */
    case LOCAL_TOMBSTONE:
    case LOCAL_PREFIX_TOMBSTONE:
        break;
    }
}


/* No more of our names can be given along with this page: those past its end
 * are for the next one, and so is one that it may go on with. */
static bool
is_past_page(const merge_t *m, const local_t *l, view_t bound)
{
    int cmp = view_cmp(l->name, bound);

    return cmp > 0 || (cmp == 0 && m->list->many);
}


/* One page of the origin with what the index knows of the same names.
 * Returns true in *ret_used when the whole page was given, in *ret_end when
 * nothing that is wanted comes after it. */
static tier_rc_t
merge_page(merge_t *m, origin_page_t *page, bool *ret_used, bool *ret_end)
{
    unsigned i = 0, k = 0, n = page->n;
    view_t before = m->list->before, bound;
    bool end;

    while (before.len != 0 && n != 0
           && view_cmp(page->items[n - 1].name, before) >= 0)
    {
        n--;
    }

    end = page->next_marker.len == 0 || n < page->n;
    page->n = n;
    bound = n != 0 ? page->items[n - 1].name : VIEW_NULL;

    while (m->given < m->list->max) {
        const origin_item_t *o = i < n ? &page->items[i] : NULL;
        const local_t *l = k < m->nlocal ? &m->local[k] : NULL;
        tier_rc_t rc;
        int cmp;

        if (o != NULL && item_given(m, page, i)) {
            i++;
            continue;
        }

        if (l != NULL && local_given(m, l)) {
            k++;
            continue;
        }

        /* past what the index was asked for, or past what the page covers */
        if (o != NULL && l == NULL && !m->local_end
            && view_cmp(o->name, m->stop) > 0) {
            break;
        }

        if (o == NULL && (l == NULL || (!end && is_past_page(m, l, bound)))) {
            break;
        }

        cmp = o == NULL ? 1 : l == NULL ? -1 : view_cmp(o->name, l->name);

        if (cmp > 0) {
            give_local(m, l);
            k++;
            continue;
        }

        if (cmp == 0 && o->base) {
            rc = give_both(m, o, l);

            if (rc != TIER_OK) {
                return rc;
            }

            k++;

        } else {
            give_origin(m, o, &o->props);
        }

        i++;
    }

    while (i < n && item_given(m, page, i)) {
        i++;
    }

    while (k < m->nlocal && local_given(m, &m->local[k])) {
        k++;
    }

    *ret_used = i == n && (!end || (k == m->nlocal && m->local_end));
    *ret_end = end;
    return TIER_OK;
}


/* The origin's next page. Names of ours beyond this page's are for the next
 * one, so `last` stays. */
static void
next_page(merge_t *m, const origin_page_t *page)
{
    view_t v = view_sub(page->next_marker, 0, sizeof(m->marker_buf));

    if (v.len != 0) {
        memcpy(m->marker_buf, v.ptr, v.len);
    }

    m->marker = view_of(m->marker_buf, v.len);
    m->cut = false;
}


/* Nothing was given and nothing can be at this window: the next window of the
 * index begins where this one ended. */
static void
next_window(merge_t *m)
{
    int cmp = m->last.len == 0 ? -1 : view_cmp(m->last, m->stop);

    if (!m->local_end && (cmp < 0 || (cmp == 0 && !m->last_base))) {
        set_past(m, m->stop, false);
    }
}


static tier_rc_t
merge_loop(merge_t *m, bool *ret_more)
{
    unsigned max = m->list->first.len != 0 ? ORIGIN_MAX : m->list->max;
    unsigned pages = 0;

    *ret_more = true;

    for (;;) {
        origin_page_t page;
        bool used = false, end = false;
        tier_rc_t rc = load_local(m);

        if (rc == TIER_OK) {
            rc = m->env->page(m->env->ctx, m->list->prefix, m->list->delimiter,
                              m->marker, max, &page);
        }

        if (rc != TIER_OK) {
            return rc;
        }

        rc = merge_page(m, &page, &used, &end);

        if (rc == TIER_OK && used && !end) {
            next_page(m, &page);
        }

        origin_page_free(&page);

        if (rc != TIER_OK) {
            return rc;
        }

        if (used && end) {
            *ret_more = false;
            return TIER_OK;
        }

        if (m->given >= m->list->max
            || (m->given == 0 && ++pages == DROP_PAGES)) {
            return TIER_OK;
        }

        if (!used) {
            next_window(m);
        }
    }
}


tier_rc_t
sync_merge_list(const sync_merge_env_t *env, const sync_list_t *list,
                writer_t *next)
{
    merge_t *m = calloc(1, sizeof(*m));
    bool more = false;
    tier_rc_t rc;

    if (m == NULL) {
        return TIER_ENOMEM;
    }

    m->env = env;
    m->list = list;
    m->local_max = list->max + LOCAL_MORE;
    m->local = calloc(m->local_max + 1, sizeof(*m->local));
    rc = m->local == NULL ? TIER_ENOMEM : marker_parse(m, list->marker);

    if (rc == TIER_OK) {
        rc = merge_loop(m, &more);
    }

    if (rc == TIER_OK && more) {
        marker_format(m, next);
    }

    local_clear(m);
    free(m->local);
    free(m);
    return rc;
}
