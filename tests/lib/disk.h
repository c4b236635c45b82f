/* SPDX-License-Identifier: Apache-2.0 */
/* A disk for tests that lives in memory and is gone with its descriptor. */
#ifndef MOTE_TESTS_LIB_DISK_H
#define MOTE_TESTS_LIB_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/blk_file.h"

/* A file of `len` bytes, filled with disk_pattern. The caller closes it. */
int disk_new(uint32_t len);

/* What a fresh disk holds at byte `off`: no two sectors alike. */
void disk_pattern(uint8_t *dst, uint32_t off, uint32_t len);

/* Opens the disk as the monitor does, by a path; with a descriptor of its own. */
void disk_open(struct blk_file *f, int disk, bool read_only);

#endif
