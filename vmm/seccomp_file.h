/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What mote-seccomp writes and the monitor reads: a filter for each kind of thread, as BPF. Numbers
 * are little-endian. The same bytes, as an array, are built into the monitor.
 */
#ifndef MOTE_VMM_SECCOMP_FILE_H
#define MOTE_VMM_SECCOMP_FILE_H

#include <stddef.h>
#include <stdint.h>

#define SECCOMP_FILE_MAGIC    0x31627065746f6dULL /* "motepb1" */
#define SECCOMP_FILE_MAX      65536u		  /* bytes */
#define SECCOMP_FILE_SUM_FROM 16u		  /* what the sum covers begins here */

/* The kinds of thread. The names of policies, and what a log line calls them. */
enum seccomp_kind {
	SECCOMP_SETUP, /* the loop's thread while it configures and builds; all others inherit it */
	SECCOMP_LOOP,  /* the loop's thread once the guest runs */
	SECCOMP_VCPU,
	SECCOMP_KINDS
};

#define SECCOMP_KIND_NAMES              \
	{                               \
		"setup", "loop", "vcpu" \
	}

/* Followed by the filters, one after the other, each of `nr` instructions of 8 bytes. */
struct seccomp_file {
	uint64_t magic;
	uint64_t sum;		    /* seccomp_file_sum of all that follows */
	uint32_t nr[SECCOMP_KINDS]; /* instructions; 0 = this kind has no filter */
	uint32_t reserved;	    /* 0 */
};

/* FNV-1a, 64 bits: finds what was damaged by accident. Who may write the file is trusted. */
static inline uint64_t seccomp_file_sum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t sum = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ p[i]) * 0x100000001b3ULL;
	return sum;
}

#endif
