// SPDX-License-Identifier: Apache-2.0
/*
 * kernel_log: prints what the kernel's log says of its initcalls, a line for each record, with the
 * record's time. First it writes the record "bench-mark" and at once touches MARK_OFF of a page
 * whose device ignores it: who traces this VM's exits sees that from outside, and so knows how the
 * guest's clock and the host's lie to each other.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_GPA \
	0xc0000000L /* the page of mote's report device, which ignores what it does not know */
#define MARK_OFF 0xff0u
#define RECORD	 8192

static void fail(const char *what)
{
	printf("klog-failed %s: %s\n", what, strerror(errno));
	exit(1);
}

static void mark(int log_fd)
{
	static const char text[] = "<6>bench-mark\n";
	int fd = open("/dev/mem", O_RDWR | O_SYNC);
	volatile uint8_t *page;
	void *p;

	if (fd < 0)
		fail("/dev/mem");
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, PAGE_GPA);
	if (p == MAP_FAILED)
		fail("mapping the mark's page");
	page = p;
	(void)page[MARK_OFF]; /* its page table entry is there before the clock counts */
	if (write(log_fd, text, sizeof(text) - 1) < 0)
		fail("writing to /dev/kmsg");
	page[MARK_OFF] = 1;
}

/* A console takes an exit a character: only what harness/phases.py reads, of the calls the first.
 */
static bool wanted(const char *text)
{
	static bool called;

	if (strncmp(text, "calling ", 8) == 0 && !called)
		return called = true;
	return strncmp(text, "initcall ", 9) == 0 || strncmp(text, "kvm-clock: ", 11) == 0 ||
	       strncmp(text, "bench-mark", 10) == 0;
}

/* A record is "LEVEL,NUMBER,MICROSECONDS,FLAGS;TEXT\n", then lines that start with a blank. */
static void print_record(char *record)
{
	char *text = strchr(record, ';');
	char *us = strchr(record, ',');

	us = us ? strchr(us + 1, ',') : NULL;
	if (!text || !us || !wanted(text + 1))
		return;
	text[1 + strcspn(text + 1, "\n")] = '\0';
	printf("klog %llu %s\n", strtoull(us + 1, NULL, 10), text + 1);
}

int main(void)
{
	static char record[RECORD];
	int fd = open("/dev/kmsg", O_RDWR | O_NONBLOCK);

	if (fd < 0)
		fail("/dev/kmsg");
	mark(fd);
	for (;;) {
		ssize_t n = read(fd, record, sizeof(record) - 1);

		if (n < 0 && errno == EPIPE)
			continue; /* what came first was overwritten */
		if (n <= 0)
			break;
		record[n] = '\0';
		print_record(record);
	}
	if (errno != EAGAIN)
		fail("reading /dev/kmsg");
	puts("klog-end");
	return 0;
}
