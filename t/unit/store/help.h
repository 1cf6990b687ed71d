#ifndef T_STORE_HELP_H
#define T_STORE_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/store.h"

/* A store in a temporary folder, and short ways to change it. */

#define ACCOUNT   VIEW("acct")
#define CONTAINER VIEW("cont")

extern char t_dir[256];
extern store_opts_t t_opts;

void t_setup(void);    /* makes t_dir */
void t_teardown(void); /* removes it */
/* The same around a test of cmocka's. */
int t_case_setup(void **state);
int t_case_teardown(void **state);
#define T(f) cmocka_unit_test_setup_teardown(f, t_case_setup, t_case_teardown)
int t_quiet_errors(bool quiet); /* counted instead of printed */

store_t *t_open(void);
uint64_t t_container(store_t *store, const char *name, store_mode_t mode);

store_body_t *t_body(store_t *store, const void *buf, size_t len);
tier_rc_t t_commit(store_t *store, store_change_t *c);
store_change_t t_change(store_kind_t kind, const char *name);
tier_rc_t t_put(store_t *store, const char *name, const void *buf, size_t len,
                store_mode_t mode, uint64_t *ret_number);
tier_rc_t t_block(store_t *store, const char *name, const char *id,
                  const void *buf, size_t len, int *verdict);
/* "L:id,U:id,C:id" */
tier_rc_t t_list(store_t *store, const char *name, const char *list,
                 store_mode_t mode, int *verdict);
tier_rc_t t_delete(store_t *store, const char *name, store_mode_t mode,
                   uint64_t *ret_number);

/* An append blob, empty; then more of it. */
tier_rc_t t_append_new(store_t *store, const char *name);
tier_rc_t t_append(store_t *store, const char *name, const void *buf,
                   size_t len);
/* With its snapshots. */
tier_rc_t t_delete_all(store_t *store, const char *name, store_mode_t mode);
/* *ret_time: of the snapshot. */
tier_rc_t t_snapshot(store_t *store, const char *name, uint64_t *ret_time);

/* Whole content of a visible blob, checked against its length and CRCs;
 * malloc'ed. NULL: not visible. */
uint8_t *t_read(store_t *store, uint64_t incarnation, view_t name,
                size_t *ret_len);
/* ... of a snapshot, or with time 0 of the base. */
uint8_t *t_read_at(store_t *store, uint64_t incarnation, view_t name,
                   uint64_t time, size_t *ret_len);
void t_assert_blob(store_t *store, uint64_t incarnation, const char *name,
                   const void *buf, size_t len);
void t_get(store_t *store, uint64_t incarnation, const char *name,
           store_blob_t *ret); /* views in static memory */
void t_verify(store_t *store);
void t_fill(uint8_t *buf, size_t len, uint64_t seed);

/* Forks; the child runs fn and exits with its result. */
pid_t t_fork(int (*fn)(void *ctx), void *ctx);
int t_join(pid_t pid); /* exit code, or 128 + signal */

#endif
