/* SPDX-License-Identifier: Apache-2.0 */
/* The file systems that programs expect, and the change to a root disk. PID 1 only. */
#ifndef MOTE_INIT_MOUNTS_H
#define MOTE_INIT_MOUNTS_H

struct init_config;

/* Mount /dev, or one of the others, unless it is there. Returns 0, or -errno after saying it. */
int mounts_dev(void);
int mounts_proc(void);
int mounts_sys(void);

/* Mount /dev, /proc, /sys, /run, /tmp, /dev/pts and /dev/shm; says what fails and goes on. */
void mounts_all(void);

/*
 * Mount the disk c->root as c asks and make it the root directory. Comes before mounts_all; mounts
 * /dev itself and takes it along. Without root_type, ext4, squashfs and erofs are tried; a disk
 * that cannot be written is mounted read-only. Returns 0, or -errno after saying what went wrong.
 */
int mounts_root(const struct init_config *c);

/* Write out everything and make every file system on a disk read-only, so that it is clean. */
void mounts_end(void);

#endif
