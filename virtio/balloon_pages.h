/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest pages of 4 KiB that are given to the host and taken back, by number, as the balloon's
 * inflate and deflate queues name them. Numbers are the guest's: any, in any order, repeated.
 *
 * Where the host's pages are larger, a page of the host's goes once all of its small ones are in
 * the balloon, which a map remembers: one bit a page. Loop thread, but for init and release.
 */
#ifndef MOTE_VIRTIO_BALLOON_PAGES_H
#define MOTE_VIRTIO_BALLOON_PAGES_H

#include <stdint.h>

#include "vmm/compiler.h"
#include "vmm/gmem.h"

#define BALLOON_BATCH 256u /* numbers at a time: as many as Linux sends */

struct balloon_pages {
	const struct gmem *mem;
	uint64_t *in; /* the map; NULL: the host's pages are no larger */
	uint64_t nr;  /* bits: from address 0 to the end of memory */
};

/* What came of it. */
struct balloon_freed {
	uint64_t bytes; /* given to the host */
	uint64_t fails; /* runs of pages that are no memory, or that the host would not take */
};

/* -ENOMEM: no room for the map. Builder thread. */
int balloon_pages_init(struct balloon_pages *p, const struct gmem *m) MUST_CHECK;
void balloon_pages_release(struct balloon_pages *p);

/* Puts pages into the balloon. Sorts `pfn`, nr <= BALLOON_BATCH; adds to *f. */
void balloon_pages_take(struct balloon_pages *p, uint32_t *pfn, unsigned int nr,
			struct balloon_freed *f);

/* Pages leave the balloon; the guest finds them as soon as it touches them. */
void balloon_pages_return(struct balloon_pages *p, const uint32_t *pfn, unsigned int nr);

/* The balloon is empty: the driver has reset the device. */
void balloon_pages_forget(struct balloon_pages *p);

#endif
