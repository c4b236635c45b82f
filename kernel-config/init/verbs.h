/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that init carries out itself: for tests, and for images that have nothing else. */
#ifndef MOTE_INIT_VERBS_H
#define MOTE_INIT_VERBS_H

#include <stdbool.h>

/*
 * Carry out the verb argv[0], without its '@'; output goes to standard output, errors to standard
 * error. Not as PID 1, verbs that end the machine are refused. Returns the exit status: 0, 1 when
 * it failed, 2 for wrong arguments, 127 for an unknown verb, what `exit` was given.
 */
int verbs_run(int argc, char **argv, bool pid1);

/*
 * Read verbs from standard input, one a line with words percent-encoded, carry them out, and write
 * "status N" after each one's output, until `exit` or the end. Returns the status to report.
 */
int verbs_serve(void);

#endif
