// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "tests/lib/disk: %s\n", what);
	abort();
}

void disk_pattern(uint8_t *dst, uint32_t off, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		dst[i] = (uint8_t)((off + i) * 7u + (off + i) / BLK_SECTOR * 31u + 1u);
}

int disk_new(uint32_t len)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);
	uint8_t *bytes = malloc(len);

	need(fd >= 0 && bytes, "memfd_create or malloc failed");
	disk_pattern(bytes, 0, len);
	need(write(fd, bytes, len) == (ssize_t)len, "write failed");
	free(bytes);
	return fd;
}

void disk_open(struct blk_file *f, int disk, bool read_only)
{
	struct err e;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", disk);
	if (blk_file_open(f, path, read_only, &e) < 0)
		need(false, e.msg);
}
