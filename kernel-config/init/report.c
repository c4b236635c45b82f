// SPDX-License-Identifier: Apache-2.0
#include "kernel-config/init/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#define REPORT_GPA  0xc0000000L
#define REPORT_SIZE 4096
#define BOOT_DONE   123
#define OFF_STATUS  4
#define OFF_TAKEN   12
#define OFF_READY   8

static volatile uint8_t *page;

int report_boot(void)
{
	/* O_SYNC: uncached, so that every store leaves the CPU even where the page is no MMIO. */
	int fd = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
	void *p;

	if (fd < 0)
		return -errno;
	p = mmap(NULL, REPORT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, REPORT_GPA);
	if (p == MAP_FAILED) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	page = p;
	*page = BOOT_DONE;
	return fd;
}

static void write32(unsigned int off, uint32_t v)
{
	if (page)
		*(volatile uint32_t *)(volatile void *)(page + off) = v;
}

void report_ready(void)
{
	write32(OFF_READY, 1);
}

void report_taken(uint32_t bytes)
{
	write32(OFF_TAKEN, bytes);
}

void report_status(unsigned int status)
{
	write32(OFF_STATUS, status);
}
