// SPDX-License-Identifier: Apache-2.0
/* Descriptor chains that the standard forbids: each stops the device, and a reset mends it. */
#include "tests/guest/guest.h"
#include "tests/guest/virtio.h"

#define W    VRING_DESC_F_WRITE
#define IND  VRING_DESC_F_INDIRECT
#define BUF  ((uint64_t)buffer)
#define TAB  ((uint64_t)table)
#define STOP (-1)

static uint8_t buffer[4096] __attribute__((aligned(4096)));
static struct vring_desc table[32] __attribute__((aligned(16)));

struct link {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	int next;
};

static const struct chain_case {
	const char *name;
	struct link d[3];
	struct link t[2]; /* the indirect table, where a descriptor points to TAB */
	uint16_t head;
	uint16_t ahead; /* this many entries more than there are */
	bool no_indirect;
	enum outcome want;
	uint32_t want_len;
} cases[] = {
	{ "good", .d = { { BUF, 64, W, STOP } }, .want = DONE, .want_len = 64 },
	{ "good, in pieces", .d = { { BUF, 1, W, 1 }, { BUF + 100, 2, W, 2 }, { BUF, 3, W, STOP } },
	  .want = DONE, .want_len = 6 },
	{ "good, indirect", .d = { { TAB, 32, IND, STOP } },
	  .t = { { BUF, 10, W, 1 }, { BUF, 20, W, STOP } }, .want = DONE, .want_len = 30 },
	{ "nothing to write to", .d = { { BUF, 64, 0, STOP } }, .want = DONE },
	{ "more than is given at once", .d = { { 0x1000000, 0x100000, W, STOP } }, .want = DONE,
	  .want_len = 4096 },
	{ "loop of one", .d = { { BUF, 64, W, 0 } }, .want = BROKEN },
	{ "loop of two", .d = { { BUF, 64, W, 1 }, { BUF, 64, W, 0 } }, .want = BROKEN },
	{ "next is the size", .d = { { BUF, 64, W, QUEUE_SIZE } }, .want = BROKEN },
	{ "next is 65535", .d = { { BUF, 64, W, 65535 } }, .want = BROKEN },
	{ "head is the size", .d = { { BUF, 64, W, STOP } }, .head = QUEUE_SIZE, .want = BROKEN },
	{ "head is 65535", .d = { { BUF, 64, W, STOP } }, .head = 65535, .want = BROKEN },
	{ "index too far ahead", .d = { { BUF, 64, W, STOP } }, .ahead = QUEUE_SIZE,
	  .want = BROKEN },
	{ "empty buffer", .d = { { BUF, 0, W, STOP } }, .want = BROKEN },
	{ "buffer behind RAM", .d = { { 0x8000000, 64, W, STOP } }, .want = BROKEN },
	{ "buffer across the end of RAM", .d = { { 0x7ffffe0, 64, W, STOP } }, .want = BROKEN },
	{ "buffer longer than RAM", .d = { { BUF, UINT32_MAX, W, STOP } }, .want = BROKEN },
	{ "buffer on the report page", .d = { { REPORT_EXIT, 4, W, STOP } }, .want = BROKEN },
	{ "buffer in the device's registers", .d = { { VIRTIO_FIRST, 64, W, STOP } },
	  .want = BROKEN },
	{ "buffer wraps around", .d = { { 0xfffffffffffffff0, 64, W, STOP } }, .want = BROKEN },
	{ "read after write", .d = { { BUF, 64, W, 1 }, { BUF, 64, 0, STOP } }, .want = BROKEN },
	{ "indirect not negotiated", .d = { { TAB, 16, IND, STOP } }, .t = { { BUF, 10, W, STOP } },
	  .no_indirect = true, .want = BROKEN },
	{ "indirect in indirect", .d = { { TAB, 16, IND, STOP } }, .t = { { TAB, 16, IND, STOP } },
	  .want = BROKEN },
	{ "indirect of no length", .d = { { TAB, 0, IND, STOP } }, .want = BROKEN },
	{ "indirect of odd length", .d = { { TAB, 17, IND, STOP } }, .want = BROKEN },
	{ "indirect longer than the queue", .d = { { TAB, 16 * (QUEUE_SIZE + 1), IND, STOP } },
	  .want = BROKEN },
	{ "indirect behind RAM", .d = { { 0x8000000, 32, IND, STOP } }, .want = BROKEN },
	{ "indirect and next", .d = { { TAB, 16, IND, 1 }, { BUF, 64, W, STOP } },
	  .t = { { BUF, 10, W, STOP } }, .want = BROKEN },
	{ "indirect loop", .d = { { TAB, 32, IND, STOP } },
	  .t = { { BUF, 10, W, 1 }, { BUF, 10, W, 0 } }, .want = BROKEN },
	{ "indirect link out of it", .d = { { TAB, 32, IND, STOP } }, .t = { { BUF, 10, W, 2 } },
	  .want = BROKEN },
};

static const char *name_of(enum outcome o)
{
	return o == DONE ? "done" : o == BROKEN ? "broken" : "silent";
}

/* Has a device that was just started see the case's chain. */
static void lay_out(struct dev *d, const struct chain_case *c)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(c->d); i++)
		set_desc(d, i, c->d[i].addr, c->d[i].len, c->d[i].flags, c->d[i].next);
	for (unsigned int i = 0; i < ARRAY_SIZE(c->t); i++)
		table[i] = (struct vring_desc){
			.addr = c->t[i].addr,
			.len = c->t[i].len,
			.flags = (uint16_t)(c->t[i].flags |
					    (c->t[i].next > 0 || (i == 1 && c->t[i].next == 0 &&
								  c->t[i].len)
						     ? VRING_DESC_F_NEXT
						     : 0)),
			.next = (uint16_t)c->t[i].next,
		};
	d->avail->idx = (uint16_t)(d->avail->idx + c->ahead);
	submit(d, c->head);
}

static void run_case(struct dev *d, const struct chain_case *c)
{
	enum outcome got;

	dev_start(d, F_VERSION_1 | (c->no_indirect ? 0 : F_INDIRECT));
	lay_out(d, c);
	got = wait_for_outcome(d);
	if (got != c->want)
		fail("%s: %s, expected %s", c->name, name_of(got), name_of(c->want));
	if (got == DONE && used_len(d) != c->want_len)
		fail("%s: %d bytes, expected %d", c->name, (unsigned long)used_len(d),
		     (unsigned long)c->want_len);
	if (got == BROKEN && d->used->idx != 0)
		fail("%s: completed all the same", c->name);
}

unsigned long attack_chains(struct dev *d, bool eager)
{
	unsigned long n = 0;

	for (const struct chain_case *c = cases; c < cases + ARRAY_SIZE(cases); c++) {
		enum outcome got;

		if (c->want != BROKEN)
			continue; /* good for an entropy device, that is */
		dev_start_all(d, dev_offers(d) & (c->no_indirect ? ~F_INDIRECT : ~0ull));
		lay_out(d, c);
		got = eager ? wait_for_outcome(d) : look_at_outcome(d);
		if (got == DONE || (eager && got != BROKEN))
			fail("%s: %s, expected broken", c->name, name_of(got));
		n++;
	}
	return n;
}

void scenario_chains(void)
{
	struct dev d;

	dev_find(&d, ID_RNG);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		run_case(&d, &cases[i]);
	/* What is broken stays so until it is reset: more doorbells change nothing. */
	dev_start(&d, F_VERSION_1);
	set_desc(&d, 0, BUF, 64, W, 0);
	submit(&d, 0);
	if (wait_for_outcome(&d) != BROKEN)
		fail("a loop did not break the device");
	set_desc(&d, 0, BUF, 64, W, STOP);
	submit(&d, 0);
	if (wait_for_outcome(&d) != BROKEN || d.used->idx != 0)
		fail("a broken device goes on");
	print("%d chains\n", (unsigned long)ARRAY_SIZE(cases));
	rng_must_work();
	print("it works\n");
}
