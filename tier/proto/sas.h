#ifndef PROTO_SAS_H
#define PROTO_SAS_H

#include "base/view.h"
#include "base/writer.h"

/*
 * Makes shared access signatures (REST: "Create an account SAS", "Create a
 * service SAS") of version PROTO_SAS_VERSION. For blob-tier, tests and make
 * run; the check is auth.h's.
 */
#define PROTO_SAS_VERSION "2022-11-02"

/* Values as they are signed, not percent-encoded; null: left out. */
typedef struct proto_sas_s {
    view_t account;
    view_t key;       /* decoded */
    view_t perms;     /* sp */
    view_t start;     /* st */
    view_t expiry;    /* se */
    view_t ip;        /* sip */
    view_t protocols; /* spr */
    view_t services;  /* ss, account SAS; null: b */
    view_t types;     /* srt, account SAS; null: sco */
    view_t container; /* service SAS */
    view_t blob;      /* service SAS: sr=b; null: sr=c */
    view_t policy;    /* si, service SAS */
    view_t snapshot;  /* with blob: sr=bs, that snapshot alone */
    view_t version;   /* with blob: sr=bv, that version alone */
} proto_sas_t;

/* Appends the query string, without a question mark. */
void proto_sas_account(writer_t *w, const proto_sas_t *sas);
void proto_sas_service(writer_t *w, const proto_sas_t *sas);

/* Every signature in a text that may quote URLs, percent-encoded or not, is
 * written over. */
void proto_sas_hide(uint8_t *text, size_t len);

#endif
