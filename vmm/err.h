/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An error with a sentence: for the edges (command line, loader, set-up, API), where a number alone
 * does not tell a person what to do. Inside, functions return 0 or -errno.
 */
#ifndef MOTE_VMM_ERR_H
#define MOTE_VMM_ERR_H

#include "vmm/compiler.h"

#define ERR_MSG_MAX 320

struct err {
	int code; /* negative errno; 0 = no error */
	char msg[ERR_MSG_MAX];
};

/*
 * Records `code` (negative errno) and a one-line message; returns `code`, so that callers write
 * `return err_set(e, -EINVAL, "...")`. A message that is too long is cut. `e` may be NULL.
 */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF(3, 4);

/* The same, with ": <text of the errno>" appended. */
int err_sys(struct err *e, int code, const char *fmt, ...) PRINTF(3, 4);

#endif
