#include <stdlib.h>

#include "base/digest.h"
#include "base/endian.h"
#include "sync/merge.h"

/* Names of the index looked at for each page: as many as can be given and some
 * that hide others. The origin is asked again for each such window. */
#define LOCAL_MORE 1024u
#define MARKER_MAX 8192
#define NAME_BUF   (STORE_NAME_MAX + 64)

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
    uint8_t buf[MARKER_MAX + NAME_BUF];
    writer_t raw;

    writer_init_fixed(&raw, buf, sizeof(buf));
    writer_putc(&raw, 1);
    writer_putc(&raw, m->last_prefix);
    writer_put_le16(&raw, (uint16_t) m->marker.len);
    writer_put(&raw, m->marker);
    writer_put(&raw, m->last);
    base64_encode(w, writer_view(&raw));
}


static tier_rc_t
marker_parse(merge_t *m, view_t text)
{
    uint8_t raw[MARKER_MAX + NAME_BUF];
    size_t len = 0, mlen;

    if (text.len == 0) {
        return TIER_OK;
    }

    if (!base64_decode(text, raw, sizeof(raw), &len) || len < 4 || raw[0] != 1)
    {
        return TIER_EINVAL;
    }

    mlen = le16_get(raw + 2);

    if (mlen > len - 4 || mlen > sizeof(m->marker_buf)
        || len - 4 - mlen > sizeof(m->last_buf))
    {
        return TIER_EINVAL;
    }

    m->last_prefix = raw[1] != 0;
    memcpy(m->marker_buf, raw + 4, mlen);
    memcpy(m->last_buf, raw + 4 + mlen, len - 4 - mlen);
    m->marker = view_of(m->marker_buf, mlen);
    m->last = view_of(m->last_buf, len - 4 - mlen);
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
    scan.from = m->last.len != 0 ? m->last : VIEW_NULL;
    scan.from_prefix = m->last_prefix;

    while (rc == TIER_OK && m->nlocal < m->local_max && m->rc == TIER_OK) {
        g->folded = VIEW_NULL;
        rc = m->env->scan(m->env->ctx, &scan, gather, g);

        if (rc == TIER_OK) {
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

static bool
is_given(const merge_t *m, view_t name)
{
    if (m->last.len == 0) {
        return false;
    }

    return view_cmp(name, m->last) <= 0
        || (m->last_prefix && view_starts_with(name, m->last));
}


static void
set_last(merge_t *m, view_t name, bool prefix)
{
    memmove(m->last_buf, name.ptr, name.len);
    m->last = view_of(m->last_buf, name.len);
    m->last_prefix = prefix;
}


static void
give(merge_t *m, view_t name, bool prefix, bool uncommitted,
     const blob_props_t *props)
{
    m->env->emit(m->env->ctx, name, prefix, uncommitted, props);
    m->given++;
    set_last(m, name, prefix);
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
            *ret = !m->env->is_tombstone(m->env->ctx, page.items[i].name);
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


/* The same name on both sides. */
static tier_rc_t
give_both(merge_t *m, const origin_item_t *o, const local_t *l)
{
    blob_props_t props = o->props;
    bool alive = true;
    tier_rc_t rc = TIER_OK;

    switch (l->kind) {
    case LOCAL_OURS:
        give(m, l->name, false, false, &l->props);
        return TIER_OK;

    case LOCAL_CLEAN:
        if (view_eq(o->props.etag, l->origin_etag)) {
            props.etag = l->props.etag;
            props.last_modified_s = l->props.last_modified_s;
            props.creation_time_s = l->props.creation_time_s;
        }

        break;

    case LOCAL_TOMBSTONE:
        set_last(m, o->name, false);
        return TIER_OK;

    case LOCAL_PREFIX_TOMBSTONE:
        rc = prefix_alive(m, o->name, &alive);
        break;

    case LOCAL_UNCOMMITTED:
    case LOCAL_PREFIX:
        break;
    }

    if (rc == TIER_OK && alive) {
        give(m, o->name, o->prefix, false, &props);

    } else if (rc == TIER_OK) {
        set_last(m, o->name, o->prefix);
    }

    return rc;
}


static void
give_local(merge_t *m, const local_t *l)
{
    switch (l->kind) {
    case LOCAL_OURS:
        give(m, l->name, false, false, &l->props);
        break;

    case LOCAL_UNCOMMITTED:
        give(m, l->name, false, true, &l->props);
        break;

    case LOCAL_PREFIX:
        give(m, l->name, true, false, &l->props);
        break;

    case LOCAL_CLEAN: /* the origin has lost it */
    case LOCAL_TOMBSTONE:
    case LOCAL_PREFIX_TOMBSTONE:
        break;
    }
}


/* One page of the origin with what the index knows of the same names.
 * Returns true in *ret_used when the whole page was given. */
static tier_rc_t
merge_page(merge_t *m, const origin_page_t *page, bool *ret_used)
{
    bool last_page = page->next_marker.len == 0;
    view_t bound = page->n != 0 ? page->items[page->n - 1].name : VIEW_NULL;
    unsigned i = 0, k = 0;

    while (m->given < m->list->max) {
        const origin_item_t *o = i < page->n ? &page->items[i] : NULL;
        const local_t *l = k < m->nlocal ? &m->local[k] : NULL;
        int cmp;

        if (o != NULL && is_given(m, o->name)) {
            i++;
            continue;
        }

        if (l != NULL && is_given(m, l->name)) {
            k++;
            continue;
        }

        /* past what the index was asked for, or past what the page covers */
        if (o != NULL && l == NULL && !m->local_end
            && view_cmp(o->name, m->stop) > 0) {
            break;
        }

        if (o == NULL
            && (l == NULL || (!last_page && view_cmp(l->name, bound) > 0))) {
            break;
        }

        cmp = o == NULL ? 1 : l == NULL ? -1 : view_cmp(o->name, l->name);

        if (cmp == 0) {
            tier_rc_t rc = give_both(m, o, l);

            if (rc != TIER_OK) {
                return rc;
            }

            i++;
            k++;

        } else if (cmp < 0) {
            give(m, o->name, o->prefix, false, &o->props);
            i++;

        } else {
            give_local(m, l);
            k++;
        }
    }

    while (i < page->n && is_given(m, page->items[i].name)) {
        i++;
    }

    while (k < m->nlocal && is_given(m, m->local[k].name)) {
        k++;
    }

    *ret_used =
        i == page->n && (!last_page || (k == m->nlocal && m->local_end));
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
}


/* Nothing was given and nothing can be at this window: the next window of the
 * index begins where this one ended. */
static void
next_window(merge_t *m)
{
    if (!m->local_end && (m->last.len == 0 || view_cmp(m->last, m->stop) < 0))
    {
        set_last(m, m->stop, false);
    }
}


static tier_rc_t
merge_loop(merge_t *m, bool *ret_more)
{
    *ret_more = true;

    for (;;) {
        origin_page_t page;
        bool used = false, last_page;
        tier_rc_t rc = load_local(m);

        if (rc == TIER_OK) {
            rc = m->env->page(m->env->ctx, m->list->prefix, m->list->delimiter,
                              m->marker, m->list->max, &page);
        }

        if (rc != TIER_OK) {
            return rc;
        }

        rc = merge_page(m, &page, &used);
        last_page = page.next_marker.len == 0;

        if (rc == TIER_OK && used && !last_page) {
            next_page(m, &page);
        }

        origin_page_free(&page);

        if (rc != TIER_OK) {
            return rc;
        }

        if (used && last_page) {
            *ret_more = false;
            return TIER_OK;
        }

        if (m->given >= m->list->max) {
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
