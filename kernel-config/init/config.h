/* SPDX-License-Identifier: Apache-2.0 */
/* What init is asked to do: the kernel's unknown NAME=VALUE words, which reach it as environment.
 */
#ifndef MOTE_INIT_CONFIG_H
#define MOTE_INIT_CONFIG_H

#include <stdbool.h>

/* Room for the words of one list; the kernel's command line has at most 2047 characters. */
#define CONFIG_MAX_ARGS 1025

/* The exit status for a failure of init's own, before the command could start. */
#define CONFIG_STATUS_FAILED 125

struct init_config {
	char *cmd;	  /* MOTE_CMD: the command's words (args.h), NULL when none */
	char *env;	  /* MOTE_ENV: NAME=VALUE pairs for the command (args.h), or NULL */
	const char *tty;  /* MOTE_TTY: the terminal's name below /dev, or NULL for the console */
	char *root;	  /* MOTE_ROOT: the disk to change the root to, or NULL */
	char *root_flags; /* MOTE_ROOTFLAGS: mount options with commas, or NULL */
	char *root_type;  /* MOTE_ROOTFSTYPE, or NULL to try those known */
	bool cooked;	  /* MOTE_TTYMODE=cooked: a terminal for a person, not a byte stream */
	bool reset;	  /* MOTE_END=reset: end by a reset, where power-off does not work */
	unsigned short rows, cols; /* MOTE_ROWS, MOTE_COLS: the terminal's size, 0 when unknown */
};

/*
 * Read the MOTE_ words of environ into c and take them out of it; c points into the strings of
 * environ. Returns 0, or -EINVAL after saying which word has which wrong value.
 */
int config_read(struct init_config *c, char **env);

/*
 * Put the command's environment together in out: what list (c->env, taken apart in place) gives,
 * then what base has and list has not, then a PATH if there is none, and NULL. Returns 0, or after
 * saying it -EINVAL for a malformed list and -E2BIG for more than max - 1 entries.
 */
int config_env(char *list, char **base, char **out, int max);

#endif
