/* SPDX-License-Identifier: Apache-2.0 */
/* From the words after `mote run` to a configuration. Main thread. */
#ifndef MOTE_VMM_RUN_OPTIONS_H
#define MOTE_VMM_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/config.h"
#include "vmm/confine.h"

struct run_options {
	const char *kernel;	  /* NULL = the one installed with us */
	const char *initrd;	  /* NULL = none, or ours where a command needs it */
	char rootfs[VM_PATH_MAX]; /* "" = none */
	bool rootfs_read_only;
	const char *disk[VM_MAX_DRIVES]; /* IMG[:ro], behind the root disk */
	unsigned int nr_disks;
	const char *append;	    /* NULL = nothing */
	const char *const *command; /* NULL-terminated; NULL = none */
	uint64_t cpus;
	uint64_t mem_mib;
	uint64_t start_us; /* CLOCK_MONOTONIC; 0 = not given */
	enum load_mode load;
	enum mem_backing backing;
	char net[VM_PATH_MAX]; /* "" = none */
	bool net_has_mac;
	uint8_t net_mac[6];
	uint16_t net_mtu; /* 0 = not given */
	bool entropy;
	char vsock[VM_PATH_MAX]; /* "" = none */
	uint64_t vsock_cid;
	bool boot_timer;
	struct confine_options confine;
	bool help;
};

/* Reads the arguments; -EINVAL with *e set. argv must outlive *o. */
int run_options_parse(struct run_options *o, int argc, char **argv, struct err *e) MUST_CHECK;

/*
 * Without anything that says what the guest is to run, and with a standard input that is no
 * terminal, the command is the guest's shell, which reads it to its end: a script, or nothing at
 * all.
 */
void run_options_script(struct run_options *o);

void run_options_help(void);

/*
 * Opens what the options name and fills *c in. On failure *e is set and nothing stays open; on
 * success vm_config_close closes it.
 */
int run_config(const struct run_options *o, struct vm_config *c, struct err *e) MUST_CHECK;

#endif
