/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-balloon (virtio 1.2 §5.5): memory that the guest gives to the host.
 *
 *   inflate, deflate   pages that the guest allocates for us until it has given `pages` of them,
 *			and takes back
 *   statistics		what the guest says of its memory, asked for at an interval
 *   hinting		on demand, the guest tells once which pages it does not use
 *   reporting		the guest tells of itself, before it keeps free pages
 *
 * In all of them what the guest names goes to the host at once (gmem_discard), in shares: however
 * long a chain is, other devices have their turn after each.
 *
 * Loop thread, but for init.
 */
#ifndef MOTE_VIRTIO_BALLOON_H
#define MOTE_VIRTIO_BALLOON_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/balloon_pages.h"
#include "virtio/iov.h"
#include "virtio/virtio_dev.h"
#include "vmm/evloop.h"

#define BALLOON_NR_STATS 16u /* kinds of statistics (VIRTIO_BALLOON_S_...) */

struct balloon_config {
	uint32_t pages; /* of 4 KiB: what the guest is asked to give */
	bool deflate_on_oom;
	bool hinting;
	bool reporting;
	uint32_t stats_s; /* seconds between statistics; 0 = none at all */
};

/* What a queue is for. */
enum balloon_role {
	BALLOON_INFLATE,
	BALLOON_DEFLATE,
	BALLOON_STATS,
	BALLOON_HINT,
	BALLOON_REPORT,
	BALLOON_NR_ROLES,
};

struct balloon_count {
	uint64_t inflates, deflates; /* chains */
	uint64_t stats, bad_stats;
	uint64_t hints, hint_bytes, hint_fails; /* ranges; bytes that went to the host */
	uint64_t reports, report_bytes, report_fails;
	uint64_t bad_chains; /* of other lengths than numbers have, or with pages that are none */
};

/* A chain that is being worked on, in shares. */
struct balloon_job {
	bool busy;
	struct virtq_chain chain;
	struct iov_span left;
};

struct balloon_hinting {
	uint32_t host_cmd;  /* VIRTIO_BALLOON_CMD_ID_STOP, _DONE, or the number of the run */
	uint32_t guest_cmd; /* what the guest said last, if it did in this run */
	bool guest_spoke;
	bool acknowledge; /* say DONE when the guest has told all */
	uint32_t last_run;
};

/* The last statistics. */
struct balloon_stats {
	uint32_t given; /* bit N: value[N] is known */
	uint64_t value[BALLOON_NR_STATS];
};

struct balloon {
	struct virtio_dev dev;
	struct evloop *loop;
	struct balloon_config config;
	uint8_t role[VIRTIO_MAX_QUEUES]; /* enum balloon_role of each queue, as negotiated */
	struct balloon_job *job;	 /* one for each role, on the heap */
	struct balloon_pages pages;
	struct balloon_hinting hinting;
	bool reporting_paused;
	struct balloon_stats stats;
	int32_t stats_head; /* the chain that waits for the next question; -1 = none */
	int timer_fd;	    /* -1 = no statistics */
	struct ev_source timer;
	struct balloon_count count;
};

/*
 * Prepares the device for vmmio_init; `m` is what it will be given there. -errno when there is no
 * memory or no timer, with nothing held. Builder thread.
 */
int balloon_init(struct balloon *b, struct evloop *loop, const struct gmem *m,
		 const struct balloon_config *c) MUST_CHECK;

/* Asks the guest for another number of pages; a driver that comes later finds it. */
void balloon_set_target(struct balloon *b, uint32_t pages);

/* Pages that the driver says it has given; its word, any number. */
uint32_t balloon_actual(struct balloon *b);

/* Another interval, not 0, for a balloon that has one. -errno of the timer. */
int balloon_set_interval(struct balloon *b, uint32_t seconds) MUST_CHECK;

/*
 * Begins a run of hinting: the guest allocates free pages, tells them, and keeps them until it is
 * told DONE. `acknowledge`: as soon as it has told all. -ENODEV: there is no driver that could.
 */
int balloon_hint_start(struct balloon *b, bool acknowledge) MUST_CHECK;

/* Ends it: the guest may use all pages again, and none that it still tells is taken. */
void balloon_hint_stop(struct balloon *b);

/* Paused: reports wait, and the guest keeps those pages out of use; nothing is lost. */
void balloon_pause_reporting(struct balloon *b, bool paused);

#endif
