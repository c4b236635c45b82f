/* SPDX-License-Identifier: Apache-2.0 */
/* From policies to what the monitor loads. Part of mote-seccomp. */
#ifndef MOTE_SECCOMP_COMPILE_H
#define MOTE_SECCOMP_COMPILE_H

#include <stdbool.h>
#include <stdio.h>

#include "seccomp/policy.h"
#include "vmm/seccomp_file.h"

/* A file in the making. */
struct output {
	size_t len; /* bytes */
	union {
		struct seccomp_file head;
		uint64_t word[SECCOMP_FILE_MAX / 8];
	};
};

/* Starts an empty file. */
void output_init(struct output *o);

/* Compiles a policy for x86-64 and appends it; in the order of the kinds. */
void output_add(struct output *o, enum seccomp_kind kind, const struct policy *p);

/* Completes the file. */
void output_finish(struct output *o);

/* Writes it as it is, or as a C header: `seccomp_builtin`, and the names of all system calls. */
void output_write(const struct output *o, FILE *f);
void output_write_header(const struct output *o, FILE *f);

#endif
