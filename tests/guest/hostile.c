// SPDX-License-Identifier: Apache-2.0
/*
 * Every kind of device, one after the other, and every queue of it, driven as no driver would: by
 * one processor ("hostile"), and by two against each other ("duel"). Of several disks it is the
 * last one. After each queue the first disk and the entropy device must work.
 */
#include <linux/virtio_mmio.h>

#include "tests/guest/guest.h"
#include "tests/guest/virtio.h"

#define W     VRING_DESC_F_WRITE
#define RINGS 3000u

static const struct kind {
	const char *name;
	uint32_t id;
	uint32_t eager; /* bit Q: what is made available in queue Q is taken at once */
} kinds[] = {
	{ "network", ID_NET, 1 << 1 }, { "block", ID_BLOCK, 1 },
	{ "entropy", ID_RNG, 1 },      { "balloon", ID_BALLOON, 1 << 0 | 1 << 1 },
	{ "vsock", ID_VSOCK, 1 << 1 },
};

/*
 * What chains point to: memory of ours, so that a device may write there what it wants. A chain
 * begins in its first JUNK words, and what a balloon takes away, or any device is misled to, lies
 * in the upper half of RAM, where nothing else is.
 */
#define JUNK	  16384u
#define UPPER	  0x4000000ul
#define UPPER_PFN 0x4000u

static uint32_t junk[4 * JUNK] __attribute__((aligned(4096)));

/* Small numbers are the better lies; for a balloon they are pages. */
static uint32_t lie(uint32_t id)
{
	uint32_t r = random32() >> (random32() & 31);

	return id == ID_BALLOON ? r | UPPER_PFN : r;
}

static void fill_junk(uint32_t id)
{
	for (size_t i = 0; i < JUNK; i++)
		junk[i] = lie(id);
}

/* The header of a vsock packet that is nearly right: its ports come again, its credit is a lie. */
static void vsock_header(uint32_t *h)
{
	uint32_t r = random32();

	h[0] = r & 0x700 ? 3 : r; /* src_cid */
	h[1] = r & 0x3800 ? 0 : r;
	h[2] = r & 0x1c000 ? 2 : r; /* dst_cid */
	h[3] = 0;
	h[4] = r & 3;				   /* src_port */
	h[5] = r >> 2 & 3;			   /* dst_port */
	h[6] = r & 0x20000 ? r >> 20 : random32(); /* len */
	h[7] = 1 | (r >> 4 & 7) << 16;		   /* type, op */
	h[8] = random32() & 3;			   /* flags */
	h[9] = r & 0x40000 ? 0 : random32();	   /* buf_alloc */
	h[10] = random32() & (r & 0x80000 ? 0xff : UINT32_MAX);
}

/* The header of a frame: segmentation and checksums of everything and nothing. */
static void net_header(uint32_t *h)
{
	uint32_t r = random32();

	h[0] = (r & 3) | (r >> 2 & 0x85) << 8 | (r >> 16) << 16;   /* flags, gso_type, hdr_len */
	h[1] = random32() & (r & 0x100 ? 0x05ff007f : UINT32_MAX); /* gso_size, csum_start */
	h[2] = random32();					   /* csum_offset, num_buffers */
}

/* A random chain, more often than not one that could be meant: readable parts, then writable ones.
 */
static uint16_t random_chain(struct dev *d, uint32_t id)
{
	unsigned int nr = 1 + (random32() & 7);
	unsigned int first = random32() % QUEUE_SIZE;
	uint32_t r = random32();

	if (id == ID_VSOCK)
		vsock_header(junk);
	if (id == ID_NET)
		net_header(junk);
	if (id == ID_BLOCK)
		junk[0] = r >> 28, junk[1] = 0, junk[2] = r & 63, junk[3] = r & 0x100 ? 0 : r;
	for (unsigned int i = 0; i < nr; i++) {
		uint64_t at = (uint64_t)junk + (i == 0 ? 0 : random32() & 0xffff);
		uint32_t len = random32() >> (random32() & 31) & 0x1ffff;
		uint16_t flags = i >= nr / 2 && (d->queue == 0 || r & 0x200) ? W : 0;

		if (i == 0 && r & 0x400)
			len = id == ID_BLOCK ? 16 : id == ID_NET ? 12 : 44;
		if ((random32() & 255) == 0)
			at = random32() | UPPER, flags = (uint16_t)random32();
		set_desc(d, (first + i) % QUEUE_SIZE, at, len, flags,
			 i + 1 < nr ? (int)((first + i + 1) % QUEUE_SIZE) : -1);
	}
	return (uint16_t)first;
}

static unsigned long anything(struct dev *d, uint32_t id)
{
	unsigned long broken = 0;

	dev_start_all(d, dev_offers(d));
	for (unsigned int i = 0; i < 1000; i++) {
		submit(d, random_chain(d, id));
		if (!(rd32(d->base + VIRTIO_MMIO_STATUS) & STATUS_NEEDS_RESET))
			continue;
		broken++;
		fill_junk(id);
		dev_start_all(d, dev_offers(d) & (broken & 1 ? ~0ull : F_VERSION_1));
	}
	return broken;
}

/* A reset while requests are being served. */
static void reset_in_flight(struct dev *d, uint32_t id)
{
	for (unsigned int i = 0; i < 200; i++) {
		dev_start_all(d, dev_offers(d));
		for (unsigned int n = i % 4; n > 0; n--)
			submit(d, random_chain(d, id));
		wr32(d->base + VIRTIO_MMIO_STATUS, 0);
		if (rd32(d->base + VIRTIO_MMIO_STATUS) != 0)
			fail("a reset did not end");
		if (i % 2)
			fill_junk(id);
	}
}

/* A queue is made larger, moved and taken away while the device works with it. */
static void change_in_flight(struct dev *d, uint32_t id)
{
	static const uint32_t reg[] = { VIRTIO_MMIO_QUEUE_NUM,	     VIRTIO_MMIO_QUEUE_DESC_LOW,
					VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_USED_HIGH,
					VIRTIO_MMIO_QUEUE_READY,     VIRTIO_MMIO_STATUS };

	for (unsigned int i = 0; i < 200; i++) {
		if (i % 8 == 0)
			dev_start_all(d, dev_offers(d));
		submit(d, random_chain(d, id));
		wr32(d->base + VIRTIO_MMIO_QUEUE_SEL, d->queue);
		wr32(d->base + reg[i % ARRAY_SIZE(reg)], random32());
		wr32(d->base + VIRTIO_MMIO_QUEUE_NOTIFY, d->queue);
	}
}

/* Registers that are read-only stay as they are, whatever is written and however wide. */
static void write_everywhere(struct dev *d, uint32_t id)
{
	uint64_t offers = dev_offers(d);

	for (unsigned int i = 0; i < 1500; i++) {
		uint32_t at = random32() & 0x1ff;

		mmio_write(d->base + at, random32(), 1u << (i & 3));
		mmio_read(d->base + (at ^ 4), 1u << (i >> 2 & 3));
	}
	wr32(d->base + VIRTIO_MMIO_STATUS, 0);
	if (rd32(d->base) != VIRTIO_MAGIC || rd32(d->base + VIRTIO_MMIO_VERSION) != 2 ||
	    rd32(d->base + VIRTIO_MMIO_DEVICE_ID) != id || dev_offers(d) != offers)
		fail("a register that cannot be written has changed");
}

static void doorbells(struct dev *d)
{
	dev_start_all(d, dev_offers(d));
	for (unsigned int i = 0; i < RINGS; i++)
		wr32(d->base + VIRTIO_MMIO_QUEUE_NOTIFY, i % 64 == 63 ? random32() : i % 8);
}

static void others_must_work(void)
{
	rng_must_work();
	disk_must_work();
}

void scenario_hostile(void)
{
	for (const struct kind *k = kinds; k < kinds + ARRAY_SIZE(kinds); k++) {
		unsigned long rings = 0, chains = 0, broken = 0;
		unsigned int queues;
		struct dev d;

		if (!dev_look_for(&d, k->id, true))
			continue;
		dev_negotiate(&d, dev_offers(&d));
		queues = dev_queues(&d);
		for (d.queue = 0; d.queue < queues; d.queue++) {
			fill_junk(k->id);
			rings += attack_rings(&d);
			chains += attack_chains(&d, k->eager >> d.queue & 1);
			broken += anything(&d, k->id);
			reset_in_flight(&d, k->id);
			change_in_flight(&d, k->id);
			doorbells(&d);
			write_everywhere(&d, k->id);
			others_must_work();
		}
		print("%s: %d queues, %d wild rings, %d bad chains, %s by random ones\n", k->name,
		      (unsigned long)queues, rings, chains, broken ? "broken" : "never broken");
	}
	print("they work\n");
}

/* ---- two processors -------------------------------------------------------------------------- */

static struct dev victim;
static unsigned int victim_queues;
static uint32_t victim_id;
static volatile bool go, resting;
static volatile unsigned long attacks;

/* The other processor: rewrites rings and what they point to, resets, rings, and moves queues. */
static void attack(void)
{
	for (unsigned int i = 0;; i++) {
		uint32_t r = random32();
		volatile struct vring_desc *v;

		while (!go)
			resting = true;
		resting = false;
		v = &victim.desc[r % QUEUE_SIZE];
		v->addr = r & 0x100 ? (uint64_t)junk + (r >> 16) : random32() | UPPER;
		v->len = r & 1 ? 64 : random32();
		v->next = (uint16_t)(r >> 8);
		v->flags = (uint16_t)(r >> 16 & 7);
		victim.avail->ring[r >> 4 & (QUEUE_SIZE - 1)] = (uint16_t)(r >> 20 & 31);
		junk[r >> 8 & (JUNK - 1)] = lie(victim_id);
		if (i % 1024 == 0)
			wr32(victim.base + VIRTIO_MMIO_STATUS, 0);
		if (i % 256 == 0)
			wr32(victim.base + VIRTIO_MMIO_QUEUE_NOTIFY, r % victim_queues);
		if (i % 512 == 0)
			wr32(victim.base + VIRTIO_MMIO_QUEUE_READY, r & 1);
		attacks++;
	}
}

static void rest(void)
{
	go = false;
	while (!resting)
		continue;
}

/* Starts all queues without a look at what comes of it: the other one resets at the worst times. */
static void start_blindly(void)
{
	uint32_t status = STATUS_ACK | STATUS_DRIVER;

	wr32(victim.base + VIRTIO_MMIO_STATUS, 0);
	wr32(victim.base + VIRTIO_MMIO_STATUS, status);
	for (unsigned int half = 0; half < 2; half++) {
		wr32(victim.base + VIRTIO_MMIO_DEVICE_FEATURES_SEL, half);
		wr32(victim.base + VIRTIO_MMIO_DRIVER_FEATURES_SEL, half);
		wr32(victim.base + VIRTIO_MMIO_DRIVER_FEATURES,
		     rd32(victim.base + VIRTIO_MMIO_DEVICE_FEATURES));
	}
	wr32(victim.base + VIRTIO_MMIO_STATUS, status | STATUS_FEATURES_OK);
	for (unsigned int q = 0; q < victim_queues; q++) {
		struct rings r = { (uint64_t)victim.desc, (uint64_t)victim.avail,
				   (uint64_t)victim.used, QUEUE_SIZE };
		struct dev one = victim;

		one.queue = q;
		dev_set_rings(&one, &r);
	}
	dev_driver_ok(&victim);
}

static void duel(const struct kind *k)
{
	const uint32_t ok = STATUS_ACK | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK;
	unsigned long starts = 0, before = attacks;

	dev_start_all(&victim, dev_offers(&victim));
	go = true;
	while (resting)
		continue;
	for (unsigned int i = 0; i < 300; i++) {
		if (rd32(victim.base + VIRTIO_MMIO_STATUS) != ok) {
			start_blindly();
			starts++;
		}
		submit(&victim, random_chain(&victim, k->id));
	}
	rest();
	if (starts < 2 || attacks == before)
		fail("%s: nobody attacked", k->name);
}

void scenario_duel(void)
{
	start_ap(attack);
	rest();
	for (const struct kind *k = kinds; k < kinds + ARRAY_SIZE(kinds); k++) {
		if (!dev_look_for(&victim, k->id, true))
			continue;
		dev_negotiate(&victim, dev_offers(&victim));
		victim_queues = dev_queues(&victim);
		for (unsigned int q = 0; q < victim_queues; q++) {
			victim.queue = q;
			victim_id = k->id;
			fill_junk(k->id);
			duel(k);
			others_must_work();
		}
		print("%s: %d queues\n", k->name, (unsigned long)victim_queues);
	}
	print("they work\n");
}
