// SPDX-License-Identifier: Apache-2.0
/*
 * race_mmio [SECONDS]: two vCPUs at all registers of one device while the event loop serves its
 * queues. Built with ThreadSanitizer too, which looks for races in our own state; guest memory
 * stays as it is here, because there races are the guest's right (race_virtq has those).
 */
#include "tests/lib/board.h"
#include "tests/lib/require.h"
#include "tests/lib/toy.h"
#include "vmm/util.h"

#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <time.h>

/* Not at 0, where a queue lies whose addresses were not written yet. */
#define RINGS 0x2000u

static struct toy toy;
static struct board b;
static struct driver d[2];
static atomic_bool over;

/* What a driver does, step by step; each of two vCPUs is somewhere in it, and often elsewhere. */
static const struct {
	uint32_t off;
	uint32_t value;
} script[] = {
	{ VIRTIO_MMIO_STATUS, 0 },
	{ VIRTIO_MMIO_STATUS, ACK },
	{ VIRTIO_MMIO_STATUS, ACK | DRIVER },
	{ VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1 },
	{ VIRTIO_MMIO_DRIVER_FEATURES, 1 },
	{ VIRTIO_MMIO_STATUS, ACK | DRIVER | FEATURES_OK },
	{ VIRTIO_MMIO_QUEUE_SEL, 0 },
	{ VIRTIO_MMIO_QUEUE_NUM, TOY_SIZE },
	{ VIRTIO_MMIO_QUEUE_DESC_LOW, RINGS },
	{ VIRTIO_MMIO_QUEUE_AVAIL_LOW, RINGS + 16 * TOY_SIZE },
	{ VIRTIO_MMIO_QUEUE_USED_LOW, RINGS + 0x800 },
	{ VIRTIO_MMIO_QUEUE_READY, 1 },
	{ VIRTIO_MMIO_STATUS, ACK | DRIVER | FEATURES_OK | DRIVER_OK },
	{ VIRTIO_MMIO_QUEUE_NOTIFY, 0 },
	{ VIRTIO_MMIO_QUEUE_NOTIFY, 0 },
	{ VIRTIO_MMIO_INTERRUPT_ACK, 3 },
	{ VIRTIO_MMIO_QUEUE_READY, 0 },
};

static void change_config(void *arg)
{
	vmmio_config_change(&b.t, 0, arg, 4);
}

static void *vcpu(void *arg)
{
	unsigned int seed = *(unsigned int *)arg;
	unsigned int at = 0;

	while (!atomic_load_explicit(&over, memory_order_relaxed)) {
		uint32_t r = (uint32_t)rand_r(&seed);

		at = r % 64 == 0 ? r / 64 % ARRAY_SIZE(script) : (at + 1) % ARRAY_SIZE(script);
		board_write(&b, script[at].off, script[at].value);
		board_read(&b, r / 64 % (VIRTIO_MMIO_CONFIG + 8) & ~3u);
		board_read(&b, VIRTIO_MMIO_INTERRUPT_STATUS);
		if (r % 128 == 1)
			REQUIRE(evloop_call(&b.loop, change_config, &r) == 0);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? strtol(argv[1], NULL, 10) : 5);
	unsigned int seed[2] = { 1, 2 };
	pthread_t thread[2];

	toy_init(&toy);
	board_init(&b, &toy.dev);
	/* A ring full of chains, which each new start of the device finds again. */
	driver_init(&d[0], &b.g, TOY_SIZE, RINGS);
	for (uint16_t i = 0; i < TOY_SIZE; i++) {
		driver_desc(&d[0], i, (struct vring_desc){ GUEST_HIGH, 16, VRING_DESC_F_WRITE, 0 });
		driver_offer(&d[0], i);
	}
	board_run(&b);
	for (int i = 0; i < 2; i++)
		REQUIRE(pthread_create(&thread[i], NULL, vcpu, &seed[i]) == 0);
	while (time(NULL) < end)
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	atomic_store(&over, true);
	for (int i = 0; i < 2; i++)
		REQUIRE(pthread_join(thread[i], NULL) == 0);
	board_settle(&b);
	board_check(&b);
	board_write(&b, VIRTIO_MMIO_STATUS, 0);
	board_check(&b);
	printf("%u starts, %u resets, %llu chains, %llu register faults\n", toy.activated,
	       toy.resets, (unsigned long long)toy.dev.stats.requests,
	       (unsigned long long)atomic_load(&b.t.register_faults));
	REQUIRE(toy.activated == toy.resets);
	REQUIRE(toy.activated > 10 && toy.dev.stats.requests > 10);
	board_release(&b);
	return 0;
}
