/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel and initrd files for the loader's tests: bytes in memory, seen through a descriptor. */
#ifndef MOTE_TESTS_UNIT_IMAGE_FILE_H
#define MOTE_TESTS_UNIT_IMAGE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* A file with these bytes; the caller closes it. */
static inline int image_fd(const void *data, size_t len)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	if (fd < 0 || (len > 0 && write(fd, data, len) != (ssize_t)len))
		abort();
	return fd;
}

/* What byte `off` of a file's payload is: differs from its neighbours and is seldom zero. */
static inline uint8_t image_byte(size_t off)
{
	return (uint8_t)(off * 31 + (off >> 8) + 7);
}

#endif
