// SPDX-License-Identifier: Apache-2.0
/*
 * aio DEVICE: reads and writes a disk by Linux AIO with O_DIRECT, keeping a number of requests in
 * flight, and prints how many it did a second ("result block.NAME RATE"). The lines "mark" and
 * "count" are for harness/devices.py.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DEPTH_MAX 32

struct load {
	const char *name;
	size_t bytes;
	int op; /* IOCB_CMD_* */
	unsigned int depth;
	unsigned int count;
	int is_random;
};

static const struct load loads[] = {
	{ "read1", 4096, IOCB_CMD_PREAD, 1, 2000, 1 },
	{ "read32", 4096, IOCB_CMD_PREAD, 32, 4000, 1 },
	{ "write32", 4096, IOCB_CMD_PWRITE, 32, 4000, 1 },
	{ "seq4", 1 << 20, IOCB_CMD_PREAD, 4, 128, 0 },
};

struct disk {
	int fd;
	uint64_t size;
	aio_context_t ctx;
	uint8_t *buffers;
	uint64_t random, next;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static _Noreturn void fail(const char *what)
{
	printf("aio: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Where the next request of this load goes: xorshift, or one after the other. */
static long long next_offset(struct disk *d, const struct load *l)
{
	uint64_t slots = d->size / l->bytes;

	if (!l->is_random)
		return (long long)(d->next++ % slots) * (long long)l->bytes;
	d->random ^= d->random << 13;
	d->random ^= d->random >> 7;
	d->random ^= d->random << 17;
	return (long long)(d->random % slots) * (long long)l->bytes;
}

static void submit(struct disk *d, struct iocb **list, long nr)
{
	while (nr > 0) {
		long n = syscall(SYS_io_submit, d->ctx, nr, list);

		if (n <= 0)
			fail("io_submit");
		list += n;
		nr -= n;
	}
}

/* Whatever has completed is sent out again, at once, until `count` requests are done. */
static void run(struct disk *d, const struct load *l, unsigned int count)
{
	struct iocb cb[DEPTH_MAX] = { 0 };
	struct iocb *list[DEPTH_MAX];
	struct io_event done[DEPTH_MAX];
	unsigned int sent = 0, finished = 0;
	long nr = 0;

	for (; sent < l->depth; sent++) {
		struct iocb *c = &cb[sent];

		c->aio_fildes = (uint32_t)d->fd;
		c->aio_lio_opcode = (uint16_t)l->op;
		c->aio_buf = (uint64_t)(uintptr_t)(d->buffers + sent * l->bytes);
		c->aio_nbytes = l->bytes;
		c->aio_offset = next_offset(d, l);
		list[nr++] = c;
	}
	submit(d, list, nr);
	while (finished < count) {
		long n = syscall(SYS_io_getevents, d->ctx, 1L, (long)l->depth, done, NULL);

		if (n < 1)
			fail("io_getevents");
		nr = 0;
		for (long i = 0; i < n; i++) {
			struct iocb *c = (struct iocb *)(uintptr_t)done[i].obj;

			if (done[i].res != (long long)l->bytes) {
				errno = (int)-done[i].res;
				fail(l->name);
			}
			finished++;
			if (sent == count)
				continue;
			c->aio_offset = next_offset(d, l);
			list[nr++] = c;
			sent++;
		}
		submit(d, list, nr);
	}
}

static void measure(struct disk *d, const struct load *l)
{
	const struct timespec moment = { .tv_nsec = 150000000 };
	uint64_t t;

	run(d, l, l->count / 16 + l->depth);
	printf("mark block.%s begin\n", l->name);
	nanosleep(&moment, NULL); /* the counters are read now */
	t = now_ns();
	run(d, l, l->count);
	t = now_ns() - t;
	printf("mark block.%s end\n", l->name);
	nanosleep(&moment, NULL);
	printf("count block.%s %u\n", l->name, l->count);
	printf("result block.%s %llu\n", l->name,
	       (unsigned long long)(l->count * 1000000000ull / t));
}

int main(int argc, char **argv)
{
	struct disk d = { .random = 88172645463325252ull };

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2)
		return 2;
	d.fd = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
	if (d.fd < 0 || ioctl(d.fd, (int)BLKGETSIZE64, &d.size) < 0)
		fail(argv[1]);
	d.buffers = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (d.buffers == MAP_FAILED || syscall(SYS_io_setup, DEPTH_MAX, &d.ctx) < 0)
		fail("set-up");
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		if (argc < 3 || strcmp(argv[2], loads[i].name) == 0)
			measure(&d, &loads[i]);
	}
	return 0;
}
