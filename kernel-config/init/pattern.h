/* SPDX-License-Identifier: Apache-2.0 */
/* A pseudo-random byte sequence that can be entered anywhere: what disk tests write and check. */
#ifndef MOTE_INIT_PATTERN_H
#define MOTE_INIT_PATTERN_H

#include <stddef.h>
#include <stdint.h>

/*
 * Write bytes off to off + len - 1 of the sequence that seed names to buf. The same seed and offset
 * always give the same byte, on every machine, so no two blocks of a disk look alike and one that
 * was written to the wrong place shows. Pure; any thread.
 */
void pattern_fill(uint64_t seed, uint64_t off, uint8_t *buf, size_t len);

#endif
