#ifndef CMD_VERBS_H
#define CMD_VERBS_H

#define BLOB_TIER_VERSION "0.1"

/*
 * The command line. Exit status: 0 done, 1 failed, 2 wrong usage, 3 the
 * daemon is needed and does not run, 4 not done in time.
 */
int verbs_main(int argc, char **argv);

#endif
