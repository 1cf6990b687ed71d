#ifndef PROTO_ACCESS_TIER_H
#define PROTO_ACCESS_TIER_H

#include <stdbool.h>

#include "base/props.h"
#include "base/view.h"
#include "proto/error.h"
#include "proto/headers.h"
#include "proto/op.h"

/*
 * Access tiers of block blobs (REST: "Set Blob Tier", "Rehydrate an archived
 * blob"). A tier is no more than a mark here: bytes of an archived blob stay
 * where they are and are not given out, and one that leaves Archive is back
 * at once, with the answer of a service that has begun (202).
 */

/* Hot, Cool, Cold, Archive in any case; false: another word. */
bool proto_tier_parse(view_t v, access_tier_t *ret);

/* Set Blob Tier's headers: MissingRequiredHeader, InvalidHeaderValue,
 * InvalidBlobTier for one of page blobs (P4 and the like). */
proto_err_t proto_tier_headers(const proto_headers_t *headers,
                               access_tier_t *ret, proto_fault_t *fault);

/* Whether this blob can have another tier: page and append blobs not. */
proto_err_t proto_tier_change_check(const blob_props_t *now);

/* BlobArchived, or BlobBeingRehydrated, for what is not done to an archived
 * blob: reading its bytes, changing or overwriting it. Tags, tier, delete and
 * all that only looks at its properties pass. */
proto_err_t proto_tier_op_check(proto_op_id_t op, const blob_props_t *now);

#endif
