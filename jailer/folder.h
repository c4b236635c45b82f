/* SPDX-License-Identifier: Apache-2.0 */
/* The record of a jail, as --clean needs it too. */
#ifndef MOTE_JAILER_FOLDER_H
#define MOTE_JAILER_FOLDER_H

#include "jailer/jail.h"

/* Opens and locks the record in `folder`; `flags` may be O_CREAT, `shown` is for messages. */
int record_open(int folder, int flags, const char *shown, struct err *e) MUST_CHECK;

/* Reads it into text, with a NUL at its end. Its length or -errno. */
int record_read(int fd, char *text, size_t size) MUST_CHECK;

/* The process of the record's jail if it lives, else 0. `proc` is /proc. */
pid_t record_alive(const char *text, int folder, int proc) MUST_CHECK;

#endif
