/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A microVM's configuration: plain, validated data with its files already open, so that every
 * error came back to the request that caused it. Whoever fills it in (command line, API) owns it
 * and all its files; vm_build makes handles of its own of what it needs.
 */
#ifndef MOTE_VMM_CONFIG_H
#define MOTE_VMM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/balloon.h"
#include "virtio/blk_file.h"
#include "virtio/net.h"
#include "virtio/vsock_uds.h"
#include "vmm/confine.h"
#include "vmm/console.h"
#include "vmm/loader.h"
#include "vmm/x86/layout.h"
#include "vmm/x86/platform.h"

#define VM_MAX_DRIVES  PLATFORM_MAX_VIRTIO
#define VM_MAX_NETS    PLATFORM_MAX_VIRTIO
#define VM_MIN_MEM_MIB 16u
#define VM_PATH_MAX    256

enum mem_backing {
	MEM_THP,     /* anonymous, transparent huge pages: quickest to boot */
	MEM_SMALL,   /* anonymous, 4 KiB pages: least memory */
	MEM_HUGETLB, /* explicit 2 MiB pages, which the host must have set aside */
};

struct drive_config {
	struct blk_file file;
	bool flush; /* the guest may flush (cache type Writeback) */
	bool async; /* requests go through io_uring */
	struct rate_config limit;
};

struct vm_config {
	unsigned int nr_vcpus; /* 1 to MAX_VCPUS; with smt 1 or even */
	bool smt;	       /* the guest sees pairs of vCPUs as threads of a core */
	uint64_t mem_mib;
	enum mem_backing backing;
	enum load_mode load;
	int kernel_fd;
	char kernel_name[VM_PATH_MAX]; /* for messages */
	int initrd_fd;		       /* -1 = none */
	char initrd_name[VM_PATH_MAX];
	char cmdline[CMDLINE_MAX];	/* without the words that announce devices */
	char cmdline_tail[CMDLINE_MAX]; /* after them: the user's words, which may end in "-- ..."
					 */
	unsigned int nr_drives;
	struct drive_config drive[VM_MAX_DRIVES];
	unsigned int nr_nets;
	struct net_config net[VM_MAX_NETS];
	bool rng;
	struct rate_config rng_limit;
	bool has_balloon;
	struct balloon_config balloon;
	bool has_vsock;
	uint32_t vsock_cid; /* of the guest */
	struct vsock_uds vsock;
	struct console_config console[2]; /* COM1: the kernel's console; COM2: a command's stdio */
	bool com2;			  /* the second port exists */
	struct confine *confine;	  /* the monitor's walls; NULL = none */
	struct confine_files may_open;	  /* once the guest runs */
};

/*
 * Closes its files, and leaves the rest as it is: once the VM runs, which has handles of its own,
 * or when it is given up. May be called again.
 */
void vm_config_close(struct vm_config *c);

#endif
