/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that the C library has no function for, as functions that return -errno, and the
 * jailer's way to open what others may have put there.
 */
#ifndef MOTE_JAILER_SYS_H
#define MOTE_JAILER_SYS_H

#include <stdint.h>
#include <sys/types.h>

#include "vmm/compiler.h"
#include "vmm/err.h"

/*
 * Opens a path of one or more components below `dir`, without following symbolic links or leaving
 * `dir`. Close-on-exec in any case. A descriptor, or -errno: -ELOOP for a link.
 */
int sys_open_beneath(int dir, const char *path, int flags, mode_t mode) MUST_CHECK;

/* The same, and what is mounted somewhere below `dir` is not entered: -EXDEV. */
int sys_open_same_mount(int dir, const char *path, int flags) MUST_CHECK;

/* Closes descriptors from `first` to `last`. */
int sys_close_range(unsigned int first, unsigned int last) MUST_CHECK;

/* A detached copy of the mounts at and below what `path` under `dir` names ("" for dir itself). */
int sys_clone_tree(int dir, const char *path) MUST_CHECK;

/* Attaches such a copy at `path` under `dir` ("" for dir itself); links are not followed. */
int sys_attach_tree(int tree, int dir, const char *path) MUST_CHECK;

/* Makes the working directory, a mount, the root, and lets go of everything outside of it. */
int sys_become_root(void) MUST_CHECK;

/* No capability can be gained any more, by this process or what it executes. */
int sys_drop_capabilities(void) MUST_CHECK;

/* Opens the own folder below `proc`, which is /proc; it is a link there. */
int sys_open_self(int proc) MUST_CHECK;

/* Reads a file that has less than `size` bytes, and ends them with a NUL; their number or -errno.
 */
ssize_t sys_read_file(int dir, const char *path, char *buf, size_t size) MUST_CHECK;

/* Writes all of the text, in one call, to a file that is there (a cgroup's, a process's). */
int sys_write_file(int dir, const char *path, const char *text) MUST_CHECK;

/* Closes *fd if it is one, and makes it -1. */
void sys_close(int *fd);

#endif
