#include "base/rc.h"

const char *
tier_rc_name(tier_rc_t rc)
{
    switch (rc) {
    case TIER_OK:
        return "ok";
    case TIER_NOT_FOUND:
        return "not found";
    case TIER_AGAIN:
        return "again";
    case TIER_END:
        return "end";
    case TIER_EXISTS:
        return "exists";
    case TIER_REFUSED:
        return "refused";
    case TIER_ENOMEM:
        return "no memory";
    case TIER_ENOSPC:
        return "no space";
    case TIER_ECORRUPT:
        return "corrupt";
    case TIER_EIO:
        return "i/o error";
    case TIER_ELIMIT:
        return "limit reached";
    case TIER_EINVAL:
        return "invalid";
    case TIER_EVERSION:
        return "wrong version";
    case TIER_EBUSY:
        return "busy";
    case TIER_EORIGIN:
        return "origin unavailable";
    case TIER_EINTERNAL:
        return "internal error";
    }

    return "unknown";
}
