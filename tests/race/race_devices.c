// SPDX-License-Identifier: Apache-2.0
/*
 * race_devices [SECONDS]: each kind of device on its loop, while one thread rewrites its rings and
 * what requests are made of, and another rings, resets and plays the host's side. A device that
 * reads a length of the guest's twice, or trusts what it has written to guest memory, is found
 * here; with AddressSanitizer also when the result is only a byte too many.
 */
#include "tests/lib/disk.h"
#include "tests/lib/nic.h"
#include "tests/lib/require.h"
#include "tests/lib/vguest.h"
#include "virtio/balloon.h"
#include "virtio/blk.h"
#include "virtio/rng.h"
#include "vmm/util.h"

#include <linux/virtio_mmio.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SIZE	   16
#define RINGS	   0x400u /* from one queue's rings to the next one's */
#define TABLE	   0x4000u
#define HEADERS	   0x8000u /* what requests begin with: one every 64 bytes */
#define NR_HEADERS 16u
#define DISK	   (8 * BLK_SECTOR + 300)
#define PORT	   5u

static struct board own; /* of devices that do not bring one */
static struct blk blk;
static struct rng rng;
static struct balloon balloon;
static struct nic nic;
static struct vguest vguest;
static int disk, listener, client = -1;
static atomic_bool over;

static uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*state >> 33);
}

/* ---- the kinds ------------------------------------------------------------------------------ */

static struct board *make_blk(bool async)
{
	struct blk_file file;
	struct err e;

	disk = disk_new(DISK);
	disk_open(&file, disk, false);
	file.in_memory = false; /* or the engine Async would leave it to the other */
	blk_init(&blk, &file, true);
	board_init(&own, &blk.dev);
	if (async)
		REQUIRE(blk_make_async(&blk, &own.loop, &e) == 0);
	return &own;
}

static struct board *make_blk_sync(void)
{
	return make_blk(false);
}

static struct board *make_blk_async(void)
{
	return make_blk(true);
}

static void header_of_blk(uint32_t *h, uint64_t *seed)
{
	uint32_t r = next_random(seed);

	h[0] = r & 15;
	h[2] = r & 0x10 ? r >> 5 & 15 : r;
	h[3] = r & 0xe0 ? 0 : r;
}

/* Its size and what lies behind its last sector are not the guest's. */
static void end_blk(void)
{
	uint8_t want[300], got[300];
	struct stat st;

	REQUIRE(fstat(disk, &st) == 0 && st.st_size == DISK);
	disk_pattern(want, DISK - 300, 300);
	REQUIRE(pread(disk, got, 300, DISK - 300) == 300 && memcmp(got, want, 300) == 0);
	board_release(&own);
	close(disk);
}

static struct board *make_rng(void)
{
	rng_init(&rng);
	board_init(&own, &rng.dev);
	return &own;
}

static struct board *make_balloon(void)
{
	struct balloon_config c = { .pages = 3, .stats_s = 1, .hinting = true, .reporting = true };

	board_prepare(&own);
	REQUIRE(balloon_init(&balloon, &own.loop, &own.g.mem, &c) == 0);
	board_plug(&own, &balloon.dev);
	return &own;
}

/* Page frame numbers, more often than not of memory that is there. */
static void header_of_balloon(uint32_t *h, uint64_t *seed)
{
	for (unsigned int i = 0; i < 16; i++) {
		uint32_t r = next_random(seed);

		h[i] = r & 7 ? (uint32_t)(GUEST_HIGH >> 12) + (r >> 3 & 15) : r;
	}
}

static void end_own(void)
{
	board_release(&own);
}

static struct board *make_net(void)
{
	struct net_config c = { .has_mac = true };

	nic_init(&nic, &c, 1ull << 32);
	return &nic.b;
}

static struct board *make_stream(void)
{
	struct net_config c = { .has_mac = true };

	nic_init_stream(&nic, &c, 1ull << 32);
	return &nic.b;
}

static void header_of_net(uint32_t *h, uint64_t *seed)
{
	h[0] = next_random(seed);
	h[1] = next_random(seed);
	h[2] = next_random(seed);
}

static void host_of_net(uint32_t r)
{
	static uint8_t frame[65562] = { 0, 0, 0, 60 };
	size_t len = r & 0x10000 ? 64 : r & 0xffff;

	if (r & 0x20000) {
		while (recv(nic.wire, frame + 64, sizeof(frame) - 64, MSG_DONTWAIT) > 0)
			;
		return;
	}
	/* As a stream it is a length of 60 and a frame of that; of other lengths, anything. */
	if (send(nic.wire, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

static void end_net(void)
{
	nic_release(&nic);
}

static struct board *make_vsock(void)
{
	vguest_init(&vguest);
	listener = vguest_listen(&vguest, PORT, 2);
	return &vguest.b;
}

static void header_of_vsock(uint32_t *h, uint64_t *seed)
{
	static const uint32_t ports[] = { PORT, 1u << 30, (1u << 30) + 1, 6 };
	uint32_t r = next_random(seed);

	h[0] = VGUEST_CID;
	h[2] = 2;
	h[1] = h[3] = 0;
	h[4] = r & 3 ? PORT : r & 7;
	h[5] = ports[r >> 3 & 3];
	h[6] = r & 0x100 ? r >> 9 & 0x3ff : next_random(seed);
	h[7] = 1 | (r >> 5 & 7) << 16;
	h[8] = r >> 20 & 3;
	h[9] = r & 0x200 ? 65536 : next_random(seed);
	h[10] = next_random(seed) >> 8 & (r & 0x400 ? 0xfff : UINT32_MAX);
}

static void host_of_vsock(uint32_t r)
{
	static uint8_t bytes[4096];
	int fd;

	if (r % 16 == 0) {
		if (client >= 0)
			close(client);
		client = vguest_client(&vguest);
		REQUIRE(send(client, "CONNECT 5\n", 10, MSG_NOSIGNAL) == 10);
	}
	/* Whether anything goes or comes is not looked at: the connection may be gone. */
	if (client >= 0) {
		ssize_t n = send(client, bytes, r >> 4 & 4095, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			(void)!recv(client, bytes, sizeof(bytes), MSG_DONTWAIT);
	}
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
}

static void end_vsock(void)
{
	if (client >= 0)
		close(client);
	client = -1;
	REQUIRE(vguest.v.conns.nr == 0);
	vguest_unlisten(&vguest, PORT, listener);
	vguest_release(&vguest);
}

static const struct kind {
	const char *name;
	struct board *(*make)(void);
	void (*header)(uint32_t *h, uint64_t *seed);
	void (*host)(uint32_t r); /* something happens outside */
	void (*end)(void);	  /* the device was reset, nothing races any more */
} kinds[] = {
	{ "block, Sync", make_blk_sync, header_of_blk, NULL, end_blk },
	{ "block, Async", make_blk_async, header_of_blk, NULL, end_blk },
	{ "entropy", make_rng, header_of_net, NULL, end_own },
	{ "balloon", make_balloon, header_of_balloon, NULL, end_own },
	{ "network, tap", make_net, header_of_net, host_of_net, end_net },
	{ "network, stream", make_stream, header_of_net, host_of_net, end_net },
	{ "vsock", make_vsock, header_of_vsock, host_of_vsock, end_vsock },
};

/* ---- the guest ------------------------------------------------------------------------------ */

struct race {
	const struct kind *kind;
	struct board *b;
	unsigned int nr_queues;
	struct virtq_regs rings[VIRTIO_MAX_QUEUES];
};

/* Field by field, as another processor would. Mostly good values, or nothing would come of it. */
static void rewrite_desc(const struct race *race, uint64_t at, unsigned int i, uint64_t *seed)
{
	static const uint64_t edge[] = { GUEST_MID - 8, GUEST_HOLE - 8, GUEST_HOLE, UINT64_MAX - 7,
					 TABLE };
	static const uint32_t len[] = { 1, 8, 12, 16, 44, 64, 512, 4096 };
	struct vring_desc *d = guest_at(&race->b->g, at, sizeof(*d));
	uint32_t r = next_random(seed);
	uint64_t addr =
		r & 1 ? HEADERS + 64 * (r >> 1 & (NR_HEADERS - 1)) : GUEST_HIGH + (r >> 1 & 0x7fff);
	uint16_t flags =
		(uint16_t)(i % 4 == 3 ? VRING_DESC_F_WRITE
				      : VRING_DESC_F_NEXT | (r >> 17 & i & VRING_DESC_F_WRITE));

	if (r >> 20 % 64 == 0)
		addr = edge[r % ARRAY_SIZE(edge)];
	__atomic_store_n(&d->addr, addr, __ATOMIC_RELAXED);
	__atomic_store_n(&d->len, (r >> 24) == 0 ? r : len[r >> 8 & 7], __ATOMIC_RELAXED);
	__atomic_store_n(&d->flags, (r >> 16 & 127) == 0 ? (uint16_t)r : flags, __ATOMIC_RELAXED);
	__atomic_store_n(&d->next, (uint16_t)((r >> 24) == 1 ? r : (i + 1) % SIZE),
			 __ATOMIC_RELAXED);
}

static void *hostile_vcpu(void *arg)
{
	const struct race *race = arg;
	uint64_t seed = 42;

	while (!atomic_load_explicit(&over, memory_order_relaxed)) {
		uint32_t r = next_random(&seed), q = r % race->nr_queues, h[16] = { 0 };
		volatile uint32_t *to =
			guest_at(&race->b->g, HEADERS + 64 * (r >> 4 & (NR_HEADERS - 1)), 64);
		const struct virtq_regs *at = &race->rings[q];
		struct vring_avail *avail = guest_at(&race->b->g, at->avail, 4 + 2 * SIZE + 2);
		const struct vring_used *used = guest_at(&race->b->g, at->used, 4);
		uint16_t idx = __atomic_load_n(&used->idx, __ATOMIC_RELAXED);

		rewrite_desc(race, at->desc + 16 * (r >> 8 & (SIZE - 1)), r >> 8 & (SIZE - 1),
			     &seed);
		rewrite_desc(race, TABLE + 16 * (r >> 12 & (SIZE - 1)), r >> 12 & (SIZE - 1),
			     &seed);
		race->kind->header(h, &seed);
		for (unsigned int i = 0; i < ARRAY_SIZE(h); i++)
			to[i] = h[i];
		__atomic_store_n(&avail->ring[r >> 16 & (SIZE - 1)],
				 (uint16_t)(r >> 20 & (SIZE - 4)), __ATOMIC_RELAXED);
		/* Some chains more than are used, as a rule: what the device has taken counts. */
		idx = (uint16_t)(r >> 26 ? idx + (r & 7) : r);
		__atomic_store_n(&avail->idx, idx, __ATOMIC_RELAXED);
		__atomic_store_n(&avail->ring[SIZE], (uint16_t)r, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* A reset, and all that a driver does then, with all that the device offers or nothing of it. */
static void restart(struct race *race, bool plain)
{
	struct driver d;

	board_negotiate(race->b, plain ? 1ull << 32 : race->b->dev->features);
	for (unsigned int q = 0; q < race->nr_queues; q++) {
		driver_init(&d, &race->b->g, SIZE, RINGS * q);
		board_queue(race->b, q, &d.regs);
		race->rings[q] = d.regs;
	}
	board_driver_ok(race->b);
}

static bool before(const struct timespec *end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec < end->tv_sec ||
	       (now.tv_sec == end->tv_sec && now.tv_nsec < end->tv_nsec);
}

static void run(const struct kind *kind, double seconds)
{
	struct race race = { .kind = kind, .b = kind->make() };
	const struct virtio_stats *s = &race.b->dev->stats;
	unsigned long resets = 0;
	uint64_t seed = 7;
	struct timespec end;
	pthread_t vcpu;

	race.nr_queues = race.b->dev->ops->nr_queues;
	atomic_store(&over, false);
	board_run(race.b);
	restart(&race, false);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += (time_t)seconds;
	end.tv_nsec += (long)((seconds - (double)(time_t)seconds) * 1e9);
	REQUIRE(pthread_create(&vcpu, NULL, hostile_vcpu, &race) == 0);
	for (unsigned int i = 0; i % 64 != 0 || before(&end); i++) {
		uint32_t r = next_random(&seed);

		/* A device that was broken stays so until it is reset, and does nothing. */
		if (r % 4096 == 0 || (r % 16 == 0 && board_read(race.b, VIRTIO_MMIO_STATUS) & 64)) {
			restart(&race, r & 4096);
			resets++;
		}
		board_kick(race.b, r >> 8 & 7);
		if (kind->host)
			kind->host(r >> 11);
	}
	atomic_store(&over, true);
	REQUIRE(pthread_join(vcpu, NULL) == 0);
	board_write(race.b, VIRTIO_MMIO_STATUS, 0);
	board_settle(race.b);
	board_check(race.b);
	printf("%s: %lu resets, %llu requests, %llu faults\n", kind->name, resets,
	       (unsigned long long)s->requests, (unsigned long long)s->faults);
	fflush(stdout);
	/* A race in which nothing happened shows nothing. */
	REQUIRE(resets > 10 && s->requests > 20 && s->faults > 2);
	board_stop(race.b);
	kind->end();
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 5;
	const size_t nr_kinds = ARRAY_SIZE(kinds);
	double nr = (double)nr_kinds;

	for (const struct kind *k = kinds; k < kinds + ARRAY_SIZE(kinds); k++)
		run(k, seconds / nr);
	return 0;
}
