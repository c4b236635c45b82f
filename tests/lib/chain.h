/* SPDX-License-Identifier: Apache-2.0 */
/* What holds of every chain that the queue walker gives out, whatever the guest does meanwhile. */
#ifndef MOTE_TESTS_LIB_CHAIN_H
#define MOTE_TESTS_LIB_CHAIN_H

#include "tests/lib/guest.h"
#include "virtio/virtq.h"

/*
 * Aborts unless the chain came from queue `q`, its segments lie inside guest memory, are counted
 * right and add up to its lengths.
 */
void chain_check(const struct guest *g, const struct virtq *q, const struct virtq_chain *c);

/* Reads what the chain gives to read and fills what it gives to write, under AddressSanitizer. */
void chain_touch(const struct virtq_chain *c);

#endif
