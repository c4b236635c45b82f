/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a filter of libseccomp's shorter without changing what it answers: the kernel compiles each
 * instruction, and tries all numbers, whenever a monitor starts.
 */
#ifndef MOTE_SECCOMP_SHRINK_H
#define MOTE_SECCOMP_SHRINK_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * In place; returns the number of instructions that are left. `x32_falls_through`: numbers that the
 * filter does not name have the same answer as those of x32, which then need no look of their own.
 */
size_t shrink(struct sock_filter *insn, size_t nr, bool x32_falls_through);

#endif
