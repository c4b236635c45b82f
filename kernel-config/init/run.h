/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running the command: its terminal, its process, and meanwhile what PID 1 owes to all others. PID
 * 1 only.
 */
#ifndef MOTE_INIT_RUN_H
#define MOTE_INIT_RUN_H

#include <stdbool.h>

struct run {
	const char *file;	   /* what to execute, looked for in PATH if it has no slash */
	char **argv;		   /* NULL-terminated */
	const char *tty;	   /* the terminal's name below /dev, or NULL for the console */
	bool raw;		   /* a byte stream rather than a terminal; only with tty */
	unsigned short rows, cols; /* the terminal's size, 0 when unknown */
};

/*
 * From now on, whenever this module waits, children are reaped, Ctrl-Alt-Del and `reboot` are an
 * orderly reset, and `poweroff` and `halt` an orderly power-off.
 */
void run_init(void);

/*
 * Run a command, with the current environment, until it has ended and all it wrote has left the
 * terminal. Raw: the command has pipes, which are copied from and to the terminal. When it ends,
 * the processes it leaves behind are killed. Returns its exit status, 128 + N when signal N ended
 * it; or, after saying why, 127 when it was not found, 126 when it cannot be executed, 125 when
 * init could not get as far.
 */
int run_command(const struct run *r);

/* Wait until what was written to the terminal fd has left it. */
void run_drain(int fd);

/* Reap children for ever. */
_Noreturn void run_hold(void);

#endif
