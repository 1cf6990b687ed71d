#include "base/digest.h"
#include "proto/sas.h"
#include "proto/uri.h"

/* The fields of PROTO_SAS_VERSION; older forms are only checked (auth_sas.c),
 * never made. */
typedef struct maker_s {
    hmac_t hmac;
    writer_t *w;
    bool first;
} maker_t;


static void
begin(maker_t *m, writer_t *w, view_t key)
{
    hmac_init(&m->hmac, key);
    m->w = w;
    m->first = true;
}


static void
sign(maker_t *m, view_t v)
{
    hmac_update(&m->hmac, v);
    hmac_update(&m->hmac, VIEW("\n"));
}


static void
param(maker_t *m, const char *name, view_t value)
{
    if (value.len == 0) {
        return;
    }

    if (!m->first) {
        writer_putc(m->w, '&');
    }

    m->first = false;
    writer_puts(m->w, name);
    writer_putc(m->w, '=');
    proto_uri_encode(m->w, value, false);
}


static void
end(maker_t *m)
{
    uint8_t sum[SHA256_LEN], text[48];
    writer_t w;

    hmac_final(&m->hmac, sum);
    writer_init_fixed(&w, text, sizeof(text));
    base64_encode(&w, view_of(sum, sizeof(sum)));
    param(m, "sig", writer_view(&w));
}


static void
common_params(maker_t *m, const proto_sas_t *sas)
{
    param(m, "sp", sas->perms);
    param(m, "st", sas->start);
    param(m, "se", sas->expiry);
    param(m, "sip", sas->ip);
    param(m, "spr", sas->protocols);
}


void
proto_sas_account(writer_t *w, const proto_sas_t *sas)
{
    view_t services = sas->services.ptr != NULL ? sas->services : VIEW("b");
    view_t types = sas->types.ptr != NULL ? sas->types : VIEW("sco");
    maker_t m;

    begin(&m, w, sas->key);
    param(&m, "sv", VIEW(PROTO_SAS_VERSION));
    param(&m, "ss", services);
    param(&m, "srt", types);
    common_params(&m, sas);

    sign(&m, sas->account);
    sign(&m, sas->perms);
    sign(&m, services);
    sign(&m, types);
    sign(&m, sas->start);
    sign(&m, sas->expiry);
    sign(&m, sas->ip);
    sign(&m, sas->protocols);
    sign(&m, VIEW(PROTO_SAS_VERSION));
    sign(&m, VIEW_NULL); /* ses */
    end(&m);
}


void
proto_sas_service(writer_t *w, const proto_sas_t *sas)
{
    view_t time = sas->snapshot.len != 0 ? sas->snapshot : sas->version;
    view_t resource = sas->blob.len == 0     ? VIEW("c")
                    : sas->snapshot.len != 0 ? VIEW("bs")
                    : sas->version.len != 0  ? VIEW("bv")
                                             : VIEW("b");
    maker_t m;

    begin(&m, w, sas->key);
    param(&m, "sv", VIEW(PROTO_SAS_VERSION));
    param(&m, "sr", resource);
    param(&m, "si", sas->policy);
    common_params(&m, sas);

    sign(&m, sas->perms);
    sign(&m, sas->start);
    sign(&m, sas->expiry);

    hmac_update(&m.hmac, VIEW("/blob/"));
    hmac_update(&m.hmac, sas->account);
    hmac_update(&m.hmac, VIEW("/"));
    hmac_update(&m.hmac, sas->container);
    if (sas->blob.len != 0) {
        hmac_update(&m.hmac, VIEW("/"));
        hmac_update(&m.hmac, sas->blob);
    }
    sign(&m, VIEW_NULL);

    sign(&m, sas->policy);
    sign(&m, sas->ip);
    sign(&m, sas->protocols);
    sign(&m, VIEW(PROTO_SAS_VERSION));
    sign(&m, resource);
    sign(&m, sas->blob.len != 0 ? time : VIEW_NULL);
    sign(&m, VIEW_NULL); /* ses */
    sign(&m, VIEW_NULL); /* rscc, rscd, rsce, rscl, rsct: four ends */
    sign(&m, VIEW_NULL);
    sign(&m, VIEW_NULL);
    sign(&m, VIEW_NULL);
    end(&m);
}


/* ---- out of sight --------------------------------------------------------
 */

static bool
is_signature_byte(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
        || (c >= 'a' && c <= 'z') || c == '%' || c == '+' || c == '/'
        || c == '=' || c == '-' || c == '_';
}


/* The length of `sig` and what stands between it and its value. */
static size_t
signature_name(view_t v)
{
    return view_eq_ci(view_sub(v, 0, 4), VIEW("sig="))     ? 4
         : view_eq_ci(view_sub(v, 0, 6), VIEW("sig%3D"))   ? 6
         : view_eq_ci(view_sub(v, 0, 8), VIEW("sig%253D")) ? 8
                                                           : 0;
}


void
proto_sas_hide(uint8_t *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        size_t name = signature_name(view_of(text + i, len - i));

        if (name == 0) {
            continue;
        }

        for (i += name; i < len && is_signature_byte(text[i]); i++) {
            text[i] = 'X';
        }
    }
}
