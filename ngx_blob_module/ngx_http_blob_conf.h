#ifndef NGX_HTTP_BLOB_CONF_H
#define NGX_HTTP_BLOB_CONF_H

#include "ngx_http_blob.h"

/*
 * The directives inside blob_account and its blocks (conf.c), and what is
 * done with the result in the master and in each process (module.c).
 */

/* Places of their own: bits that neither nginx nor its modules use. */
#define BLOB_ACCOUNT_CONF 0x00020000
#define BLOB_RULE_CONF    0x00040000

char *ngx_http_blob_conf_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_blob_conf_account(ngx_conf_t *cf, ngx_command_t *cmd,
                                 void *conf);
char *ngx_http_blob_conf_rule_block(ngx_conf_t *cf, ngx_command_t *cmd,
                                    void *conf);
char *ngx_http_blob_conf_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_blob_conf_origin(ngx_conf_t *cf, ngx_command_t *cmd,
                                void *conf);
char *ngx_http_blob_conf_origin_cred(ngx_conf_t *cf, ngx_command_t *cmd,
                                     void *conf);
char *ngx_http_blob_conf_copy_source(ngx_conf_t *cf, ngx_command_t *cmd,
                                     void *conf);
/* conf_auth.c */
char *ngx_http_blob_conf_alias(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_blob_conf_auth(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_blob_conf_auth_account(ngx_conf_t *cf, ngx_command_t *cmd,
                                      void *conf);
char *ngx_http_blob_conf_tenant(ngx_conf_t *cf, ngx_command_t *cmd,
                                void *conf);
/* account->challenge of its tenant. */
char *ngx_http_blob_conf_challenge(ngx_conf_t *cf,
                                   ngx_http_blob_account_t *account);

char *ngx_http_blob_conf_rule(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* Makes the store's folder and publishes the policy in it (master). */
ngx_int_t ngx_http_blob_publish(ngx_cycle_t *cycle,
                                ngx_http_blob_main_conf_t *bmcf);
/* Opens the store in this process; serves 503 until it is open. */
ngx_int_t ngx_http_blob_open(ngx_cycle_t *cycle,
                             ngx_http_blob_main_conf_t *bmcf);
void ngx_http_blob_close(ngx_cycle_t *cycle, ngx_http_blob_main_conf_t *bmcf);

/* Before the store is closed. */
void ngx_http_blob_readers_close(void);

#endif
