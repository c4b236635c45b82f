/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A microVM that is configured step by step and then started: what the API and a configuration file
 * drive. Each call validates, opens what it names, and either takes effect as a whole or leaves
 * everything as it was. Whether the phase allows a call is the caller's to check (api/routes.c has
 * it in a table). Loop thread.
 */
#ifndef MOTE_VMM_MACHINE_H
#define MOTE_VMM_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/config.h"
#include "vmm/err.h"
#include "vmm/evloop.h"
#include "vmm/metrics.h"
#include "vmm/settings.h"
#include "vmm/vm.h"

enum machine_phase {
	MACHINE_NOT_STARTED,
	MACHINE_RUNNING,
	MACHINE_PAUSED
};

/* 400 instead of success: the thing is known, and not built yet. */
#define NOT_SUPPORTED "not supported by this version"

struct machine {
	struct evloop *loop;
	enum machine_phase phase;
	bool created; /* the KVM VM is made, ahead of its configuration */
	bool closed;  /* nobody can ask for changes once it runs */
	const struct vm_fns *fns;
	void *ctx;
	struct vm_settings settings; /* what was asked for, for GET */
	struct vm_config config;     /* the same with its files open */
	int serial_fd;		     /* -1 = the console is standard input and output */
	struct rate_bucket_config serial_limit;
	struct metrics_block block_metrics[VM_MAX_DRIVES];
	struct metrics_net net_metrics[VM_MAX_NETS];
	struct metrics_virtio virtio_metrics[PLATFORM_MAX_VIRTIO];
	char virtio_name[PLATFORM_MAX_VIRTIO][16]; /* INDEX_KIND */
	struct vm vm;
};

/* *m is zeroed storage; `fns` as for vm_create. Defaults: 1 vCPU, 128 MiB, no kernel. */
void machine_init(struct machine *m, struct evloop *loop, const struct vm_fns *fns, void *ctx);

/* Ends and frees everything. */
void machine_release(struct machine *m);

/*
 * Makes what does not depend on the configuration, while nobody waits for it. No error: what fails
 * now is tried again by machine_start, and is its error.
 */
void machine_create_ahead(struct machine *m);

int machine_set_boot_source(struct machine *m, const struct boot_source_settings *s, struct err *e)
	MUST_CHECK;
int machine_set_config(struct machine *m, const struct machine_settings *s, struct err *e)
	MUST_CHECK;

/* Adds a drive, or replaces the one of the same id. The root device is always the first. */
int machine_set_drive(struct machine *m, const struct drive_settings *s, struct err *e) MUST_CHECK;

/*
 * Of the running machine: another file behind a drive, other limits for a drive or an interface.
 * What the update does not give stays as it is.
 */
int machine_update_drive(struct machine *m, const struct drive_update *u, struct err *e) MUST_CHECK;
int machine_update_network(struct machine *m, const struct network_update *u, struct err *e)
	MUST_CHECK;

/* Adds an interface, or replaces the one of the same id. */
int machine_set_network(struct machine *m, const struct network_settings *s, struct err *e)
	MUST_CHECK;

/*
 * There is one vsock: a second call replaces it, and removes the first one's socket. When the
 * second one fails the first stays, but for one at the same path, which had to go before:
 * config.has_vsock.
 */
int machine_set_vsock(struct machine *m, const struct vsock_settings *s, struct err *e) MUST_CHECK;
int machine_set_entropy(struct machine *m, const struct entropy_settings *s, struct err *e)
	MUST_CHECK;
int machine_set_balloon(struct machine *m, const struct balloon_settings *s, struct err *e)
	MUST_CHECK;
int machine_set_serial(struct machine *m, const struct serial_settings *s, struct err *e)
	MUST_CHECK;

/* 0, or -ENOENT: the machine has no balloon. */
int machine_check_balloon(const struct machine *m, struct err *e) MUST_CHECK;

/* Of the running machine's balloon: its target, and how often the guest is asked. */
int machine_update_balloon(struct machine *m, const struct balloon_update *u, struct err *e)
	MUST_CHECK;
int machine_update_balloon_stats(struct machine *m, const struct balloon_stats_update *u,
				 struct err *e) MUST_CHECK;

int machine_balloon_stats(struct machine *m, struct balloon_statistics *a, struct err *e)
	MUST_CHECK;

int machine_start_hinting(struct machine *m, const struct hinting_start *s, struct err *e)
	MUST_CHECK;
int machine_stop_hinting(struct machine *m, struct err *e) MUST_CHECK;
int machine_hinting_status(struct machine *m, struct hinting_status *a, struct err *e) MUST_CHECK;

/* Pausing what is paused is a success, and so is the reverse. */
int machine_pause_reporting(struct machine *m, bool pause, struct err *e) MUST_CHECK;
int machine_reporting_status(struct machine *m, struct reporting_status *a, struct err *e)
	MUST_CHECK;

/* Builds and runs the guest. When it fails, everything may be changed and tried again. */
int machine_start(struct machine *m, struct err *e) MUST_CHECK;

/* Once the machine runs: its devices are counted, each by its name. */
void machine_attach_metrics(struct machine *m);

/* Copies what devices and vCPUs count into the metrics. `ctx` is the machine. Also in handlers of
 * fatal signals. */
void machine_gather(void *ctx);

/* Pausing what is paused, and resuming what runs, are successes. */
int machine_pause(struct machine *m, struct err *e) MUST_CHECK;
int machine_resume(struct machine *m, struct err *e) MUST_CHECK;

int machine_ctrl_alt_del(struct machine *m, struct err *e) MUST_CHECK;

#endif
