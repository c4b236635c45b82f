// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/disk.h"

#include "tests/lib/require.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void disk_pattern(uint8_t *dst, uint32_t off, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		dst[i] = (uint8_t)((off + i) * 7u + (off + i) / BLK_SECTOR * 31u + 1u);
}

int disk_new(uint32_t len)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);
	uint8_t *bytes = malloc(len);

	REQUIRE(fd >= 0 && bytes);
	disk_pattern(bytes, 0, len);
	REQUIRE(write(fd, bytes, len) == (ssize_t)len);
	free(bytes);
	return fd;
}

void disk_open(struct blk_file *f, int disk, bool read_only)
{
	struct err e;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", disk);
	REQUIRE(blk_file_open(f, path, read_only, &e) == 0);
}
