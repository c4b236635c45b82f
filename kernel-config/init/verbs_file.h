/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs on files and block devices (verbs.h). args are the words after the verb's name, as many as
 * the verb's entry in the table of verbs.c says, and NULL. They return the exit status.
 */
#ifndef MOTE_INIT_VERBS_FILE_H
#define MOTE_INIT_VERBS_FILE_H

/* FILE: copy it to standard output. */
int verb_cat(char **args);

/* FILE BYTES SEED [OFFSET]: write the pattern of SEED (pattern.h), and wait until it is on the
 * disk. */
int verb_fill(char **args);

/* FILE BYTES SEED [OFFSET]: fail at the first byte that is not the pattern's. */
int verb_verify(char **args);

/* BYTES: print so many from /dev/hwrng, 32 a line in hexadecimal. */
int verb_rng(char **args);

#endif
