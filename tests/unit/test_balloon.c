// SPDX-License-Identifier: Apache-2.0
/* virtio-balloon (virtio 1.2 §5.5): what the guest names goes to the host, and nothing else. */
#include "virtio/balloon.h"

#include "tests/lib/board.h"
#include "tests/lib/fault.h"
#include "tests/lib/unit.h"
#include "vmm/util.h"

#include <errno.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <string.h>
#include <sys/timerfd.h>

#define PAGE	 4096ull
#define SIZE	 16
#define RINGS(q) (0x1000ull * (q)) /* of each queue, in low memory */
#define DATA	 0x8000ull	   /* what chains consist of: low memory too */
#define PFN(gpa) ((uint32_t)((gpa) / PAGE))
#define OOM_KILL 10u /* VIRTIO_BALLOON_S_OOM_KILL of later headers */
#define VERSION	 (1ull << VIRTIO_F_VERSION_1)
#define F(name)	 (1ull << VIRTIO_BALLOON_F_##name)
#define ALL	 (VERSION | F(STATS_VQ) | F(FREE_PAGE_HINT) | F(REPORTING))
#define ACTUAL	 (VIRTIO_MMIO_CONFIG + offsetof(struct virtio_balloon_config, actual))
#define COMMAND	 (VIRTIO_MMIO_CONFIG + offsetof(struct virtio_balloon_config, free_page_hint_cmd_id))

static const struct balloon_config everything = {
	.pages = 7, .hinting = true, .reporting = true, .stats_s = 1000
};

static struct balloon balloon;
static struct board b;
static struct driver d[BALLOON_NR_ROLES];

/* Memory above the rings has a pattern, so that a page that went shows. */
static void fill(void)
{
	memset(guest_at(&b.g, GUEST_MID, GUEST_PART), 0x5a, GUEST_PART);
	memset(guest_at(&b.g, GUEST_HIGH, GUEST_PART), 0x5a, GUEST_PART);
}

static void start_with(const struct balloon_config *c, uint64_t page, uint64_t features,
		       unsigned int queues)
{
	board_prepare(&b);
	b.g.mem.page = page;
	assert_int_equal(balloon_init(&balloon, &b.loop, &b.g.mem, c), 0);
	board_plug(&b, &balloon.dev);
	board_negotiate(&b, features);
	for (unsigned int q = 0; q < BALLOON_NR_ROLES; q++) {
		driver_init(&d[q], &b.g, SIZE, RINGS(q));
		if (queues >> q & 1)
			board_queue(&b, q, &d[q].regs);
	}
	board_driver_ok(&b);
	board_pump(&b);
	fill();
}

static int set_up(void **state)
{
	(void)state;
	start_with(&everything, PAGE, ALL, 0x1f);
	return 0;
}

/* The host's pages are four of the guest's. */
static int set_up_large(void **state)
{
	(void)state;
	start_with(&everything, 4 * PAGE, ALL, 0x1f);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fault_disarm();
	board_release(&b);
	return 0;
}

/* How many of the `nr` pages from `gpa` hold nothing but zeros; the others still have the pattern.
 */
static unsigned int gone(uint64_t gpa, unsigned int nr)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < nr; i++) {
		const uint8_t *p = guest_at(&b.g, gpa + i * PAGE, PAGE);

		assert_true(p[0] == p[PAGE - 1] && (p[0] == 0 || p[0] == 0x5a));
		n += p[0] == 0;
	}
	return n;
}

static bool is_gone(uint64_t gpa)
{
	return gone(gpa, 1) == 1;
}

static unsigned int all_gone(void)
{
	return gone(GUEST_MID, 16) + gone(GUEST_HIGH, 16);
}

static void kick(unsigned int q)
{
	board_kick(&b, q);
	board_pump(&b);
}

static void is_used(unsigned int q, uint16_t head)
{
	struct vring_used_elem e;

	assert_true(driver_used(&d[q], &e));
	assert_int_equal(e.id, head);
	assert_int_equal(e.len, 0);
}

static void none_used(unsigned int q)
{
	struct vring_used_elem e;

	assert_false(driver_used(&d[q], &e));
}

/* Has a queue take a chain of `len` bytes of `data`, and waits until it is back. */
static void give(unsigned int q, const void *data, uint32_t len)
{
	const struct vring_desc desc = READS(DATA, len);

	memcpy(guest_at(&b.g, DATA, len), data, len);
	driver_chain(&d[q], 0, &desc, 1);
	kick(q);
}

#define GIVE(q, ...)                                             \
	do {                                                     \
		const uint32_t numbers_[] = { __VA_ARGS__ };     \
		give((q), numbers_, (uint32_t)sizeof(numbers_)); \
		is_used((q), 0);                                 \
	} while (0)

/* ---- inflating and deflating ----------------------------------------------------------------- */

static void identity(void **state)
{
	(void)state;
	assert_int_equal(board_read(&b, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_BALLOON);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_CONFIG), 7);
	assert_int_equal(board_read(&b, ACTUAL), 0);
	assert_int_equal(board_read(&b, COMMAND), VIRTIO_BALLOON_CMD_ID_STOP);
	balloon_set_target(&balloon, 9);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_CONFIG), 9);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG,
			 VIRTIO_MMIO_INT_CONFIG);
}

static void the_driver_writes_one_field_only(void **state)
{
	uint64_t wide = UINT64_MAX;

	(void)state;
	board_write(&b, ACTUAL, 5);
	assert_int_equal(balloon_actual(&balloon), 5);
	assert_int_equal(b.t.register_faults, 0);
	board_write(&b, VIRTIO_MMIO_CONFIG, 1);
	board_write(&b, COMMAND, 77);
	vmmio_bus_ops.write(&b.t, (uint32_t)ACTUAL, &wide, 8);
	vmmio_bus_ops.write(&b.t, (uint32_t)ACTUAL + 2, &wide, 4);
	vmmio_bus_ops.write(&b.t, (uint32_t)ACTUAL - 2, &wide, 4);
	assert_int_equal(b.t.register_faults, 5);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_CONFIG), 7);
	assert_int_equal(board_read(&b, COMMAND), 0);
	vmmio_bus_ops.write(&b.t, (uint32_t)ACTUAL + 1, "\1", 1);
	assert_int_equal(balloon_actual(&balloon), 0x105);
}

static void pages_go_and_no_others(void **state)
{
	(void)state;
	GIVE(BALLOON_INFLATE, PFN(GUEST_HIGH) + 3, PFN(GUEST_MID), PFN(GUEST_HIGH) + 1);
	assert_true(is_gone(GUEST_HIGH + 3 * PAGE) && is_gone(GUEST_HIGH + PAGE));
	assert_true(is_gone(GUEST_MID));
	assert_int_equal(all_gone(), 3);
	assert_int_equal(balloon.count.inflates, 1);
	assert_int_equal(balloon.count.bad_chains, 0);
	GIVE(BALLOON_DEFLATE, PFN(GUEST_HIGH) + 3);
	assert_int_equal(all_gone(), 3);
	assert_int_equal(balloon.count.deflates, 1);
}

/* Neighbours, in whatever order, are one call to the host; so are repetitions. */
static void neighbours_go_together(void **state)
{
	(void)state;
	fault_arm(2, ENOMEM);
	GIVE(BALLOON_INFLATE, PFN(GUEST_MID) + 2, PFN(GUEST_MID), PFN(GUEST_MID) + 1,
	     PFN(GUEST_MID) + 2, PFN(GUEST_MID) + 3, PFN(GUEST_MID));
	assert_false(fault_disarm());
	assert_int_equal(gone(GUEST_MID, 4), 4);
	assert_int_equal(all_gone(), 4);
}

/* A run may go on in the next region, which is another mapping. */
static void runs_cross_regions(void **state)
{
	(void)state;
	memset(guest_at(&b.g, GUEST_MID - PAGE, PAGE), 0x5a, PAGE);
	GIVE(BALLOON_INFLATE, PFN(GUEST_MID) - 1, PFN(GUEST_MID));
	assert_true(is_gone(GUEST_MID - PAGE));
	assert_true(is_gone(GUEST_MID));
	assert_int_equal(all_gone(), 1);
}

static void numbers_that_are_no_memory(void **state)
{
	(void)state;
	GIVE(BALLOON_INFLATE, PFN(GUEST_HOLE), PFN(GUEST_END), UINT32_MAX, UINT32_MAX - 1,
	     PFN(GUEST_HIGH));
	assert_int_equal(balloon.count.bad_chains, 3);
	assert_true(is_gone(GUEST_HIGH));
	assert_int_equal(all_gone(), 1);
	GIVE(BALLOON_DEFLATE, PFN(GUEST_HOLE), UINT32_MAX);
}

static void chains_of_odd_lengths(void **state)
{
	const uint32_t pfn[] = { PFN(GUEST_HIGH), PFN(GUEST_HIGH) + 1 };
	const struct vring_desc none = WRITES(DATA, 8);

	(void)state;
	give(BALLOON_INFLATE, pfn, 7);
	is_used(BALLOON_INFLATE, 0);
	assert_int_equal(balloon.count.bad_chains, 1);
	assert_int_equal(all_gone(), 1);
	driver_chain(&d[BALLOON_INFLATE], 1, &none, 1); /* nothing to read */
	kick(BALLOON_INFLATE);
	is_used(BALLOON_INFLATE, 1);
	assert_int_equal(all_gone(), 1);
}

/* A chain as long as they get is worked on in shares, between which others have their turn. */
static void long_chains_do_not_hold_the_loop(void **state)
{
	struct vring_desc desc[8];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(desc); i++)
		desc[i] = (struct vring_desc)READS(GUEST_MID, GUEST_PART);
	driver_chain(&d[BALLOON_INFLATE], 0, desc, ARRAY_SIZE(desc));
	balloon.dev.stats.kicks = 0;
	kick(BALLOON_INFLATE);
	is_used(BALLOON_INFLATE, 0);
	assert_true(balloon.dev.stats.kicks >= 8 * GUEST_PART / sizeof(uint32_t) / 1024);
	assert_int_equal(all_gone(), 0); /* 0x5a5a5a5a is no page */
}

static void a_reset_in_the_middle_of_a_chain(void **state)
{
	const struct vring_desc desc[] = { READS(GUEST_MID, GUEST_PART), READS(GUEST_HIGH, 4) };

	(void)state;
	driver_chain(&d[BALLOON_INFLATE], 0, desc, 2);
	board_kick(&b, BALLOON_INFLATE);
	balloon.dev.ops->kick(&balloon.dev, BALLOON_INFLATE);
	assert_true(balloon.job[BALLOON_INFLATE].busy);
	board_write(&b, ACTUAL, 5);
	board_write(&b, VIRTIO_MMIO_STATUS, 0);
	assert_false(balloon.job[BALLOON_INFLATE].busy);
	assert_int_equal(balloon_actual(&balloon), 0);
	board_pump(&b);
	none_used(BALLOON_INFLATE);
}

static void a_host_that_does_not_take_them(void **state)
{
	(void)state;
	fault_arm(1, EINVAL);
	GIVE(BALLOON_INFLATE, PFN(GUEST_HIGH), PFN(GUEST_HIGH) + 2);
	assert_true(fault_disarm());
	assert_int_equal(balloon.count.bad_chains, 1);
	assert_int_equal(all_gone(), 1);
}

static void a_large_page_goes_as_a_whole(void **state)
{
	const uint32_t p = PFN(GUEST_HIGH);

	(void)state;
	GIVE(BALLOON_INFLATE, p, p + 1, p + 3, p + 4);
	assert_int_equal(all_gone(), 0);
	GIVE(BALLOON_DEFLATE, p, UINT32_MAX, PFN(GUEST_END));
	GIVE(BALLOON_INFLATE, p + 2);
	assert_int_equal(all_gone(), 0);
	GIVE(BALLOON_INFLATE, p);
	assert_int_equal(gone(GUEST_HIGH, 4), 4);
	assert_int_equal(all_gone(), 4);
	GIVE(BALLOON_INFLATE, PFN(GUEST_END), UINT32_MAX);
	assert_int_equal(balloon.count.bad_chains, 2);
	/* Over two of them at once. */
	GIVE(BALLOON_INFLATE, p + 7, p + 5, p + 6, p + 8, p + 9, p + 10, p + 11);
	assert_int_equal(gone(GUEST_HIGH, 12), 12);
	assert_int_equal(all_gone(), 12);
	/* What was there before a reset does not count after it. */
	GIVE(BALLOON_INFLATE, PFN(GUEST_MID), PFN(GUEST_MID) + 1, PFN(GUEST_MID) + 2);
	balloon_pages_forget(&balloon.pages);
	GIVE(BALLOON_INFLATE, PFN(GUEST_MID) + 3);
	assert_int_equal(all_gone(), 12);
}

/* ---- statistics ------------------------------------------------------------------------------ */

static void tick(void)
{
	const struct itimerspec soon = { .it_value.tv_nsec = 1 };
	struct pollfd p = { .fd = balloon.timer_fd, .events = POLLIN };

	assert_int_equal(timerfd_settime(balloon.timer_fd, 0, &soon, NULL), 0);
	assert_int_equal(poll(&p, 1, -1), 1);
	board_pump(&b);
}

static void statistics_are_kept_and_asked_for(void **state)
{
	const struct virtio_balloon_stat s[] = { { VIRTIO_BALLOON_S_MEMFREE, 100 },
						 { OOM_KILL, UINT64_MAX },
						 { 1000, 5 } };

	(void)state;
	give(BALLOON_STATS, s, sizeof(s));
	none_used(BALLOON_STATS); /* until the next question */
	assert_int_equal(balloon.stats.given, 1u << VIRTIO_BALLOON_S_MEMFREE | 1u << OOM_KILL);
	assert_int_equal(balloon.stats.value[VIRTIO_BALLOON_S_MEMFREE], 100);
	assert_true(balloon.stats.value[OOM_KILL] == UINT64_MAX);
	board_irqs(&b);
	tick();
	is_used(BALLOON_STATS, 0);
	assert_int_equal(board_irqs(&b), 1);
	tick(); /* no answer yet: it is not asked again */
	none_used(BALLOON_STATS);
	give(BALLOON_STATS, s, sizeof(s[0]));
	assert_int_equal(balloon.stats.given, 1u << VIRTIO_BALLOON_S_MEMFREE);
	assert_int_equal(balloon.count.stats, 2);
	assert_int_equal(balloon.count.bad_stats, 0);
	assert_int_equal(balloon_set_interval(&balloon, 3), 0);
	assert_int_equal(balloon.config.stats_s, 3);
}

static void odd_statistics(void **state)
{
	const struct virtio_balloon_stat s = { VIRTIO_BALLOON_S_MEMTOT, 1 };
	const struct vring_desc again = READS(DATA, sizeof(s));
	const struct vring_desc lots = READS(GUEST_MID, GUEST_PART);

	(void)state;
	give(BALLOON_STATS, &s, 9);
	assert_int_equal(balloon.stats.given, 0);
	assert_int_equal(balloon.count.bad_stats, 1);
	/* A second one before it was asked: the first comes back. */
	memcpy(guest_at(&b.g, DATA, sizeof(s)), &s, sizeof(s));
	driver_chain(&d[BALLOON_STATS], 1, &again, 1);
	kick(BALLOON_STATS);
	is_used(BALLOON_STATS, 0);
	none_used(BALLOON_STATS);
	assert_int_equal(balloon.stats.given, 1u << VIRTIO_BALLOON_S_MEMTOT);
	driver_chain(&d[BALLOON_STATS], 2, &lots, 1);
	kick(BALLOON_STATS);
	is_used(BALLOON_STATS, 1);
	assert_int_equal(balloon.count.bad_stats, 2);
	board_write(&b, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(balloon.stats_head, -1);
	assert_int_equal(balloon.stats.given, 0);
}

/* ---- hinting and reporting ------------------------------------------------------------------- */

static void say(uint32_t cmd)
{
	give(BALLOON_HINT, &cmd, sizeof(cmd));
	is_used(BALLOON_HINT, 0);
}

static void hint(unsigned int q, uint64_t gpa, uint32_t len)
{
	const struct vring_desc desc = WRITES(gpa, len);

	driver_chain(&d[q], 1, &desc, 1);
	kick(q);
	is_used(q, 1);
}

static void pages_are_hinted_on_demand(void **state)
{
	(void)state;
	hint(BALLOON_HINT, GUEST_HIGH, (uint32_t)PAGE); /* nobody asked */
	assert_int_equal(all_gone(), 0);
	assert_int_equal(balloon_hint_start(&balloon, true), 0);
	assert_int_equal(board_read(&b, COMMAND), 2);
	hint(BALLOON_HINT, GUEST_HIGH, (uint32_t)PAGE); /* not yet of this run */
	assert_int_equal(all_gone(), 0);
	say(2);
	hint(BALLOON_HINT, GUEST_HIGH, 3 * (uint32_t)PAGE);
	assert_int_equal(gone(GUEST_HIGH, 3), 3);
	assert_int_equal(balloon.count.hint_bytes, 3 * PAGE);
	say(VIRTIO_BALLOON_CMD_ID_STOP);
	assert_int_equal(board_read(&b, COMMAND), VIRTIO_BALLOON_CMD_ID_DONE);
	/* From here on the guest uses them again. */
	hint(BALLOON_HINT, GUEST_MID, (uint32_t)PAGE);
	assert_int_equal(all_gone(), 3);
	assert_int_equal(balloon.count.hints, 1);
}

static void a_run_that_is_stopped(void **state)
{
	(void)state;
	assert_int_equal(balloon_hint_start(&balloon, false), 0);
	say(2);
	say(VIRTIO_BALLOON_CMD_ID_STOP);
	assert_int_equal(board_read(&b, COMMAND), 2); /* not acknowledged */
	assert_int_equal(balloon_hint_start(&balloon, false), 0);
	assert_false(balloon.hinting.guest_spoke);
	say(3);
	balloon_hint_stop(&balloon);
	assert_int_equal(board_read(&b, COMMAND), VIRTIO_BALLOON_CMD_ID_DONE);
	hint(BALLOON_HINT, GUEST_MID, (uint32_t)PAGE);
	assert_int_equal(all_gone(), 0);
	balloon.hinting.last_run = UINT32_MAX;
	assert_int_equal(balloon_hint_start(&balloon, true), 0);
	assert_int_equal(board_read(&b, COMMAND), 2);
	give(BALLOON_HINT, "ab", 2);
	is_used(BALLOON_HINT, 0);
	assert_int_equal(balloon.count.bad_chains, 1);
	board_write(&b, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(board_read(&b, COMMAND), VIRTIO_BALLOON_CMD_ID_STOP);
	assert_int_equal(balloon_hint_start(&balloon, true), -ENODEV);
}

static void reports_go_and_can_wait(void **state)
{
	const struct vring_desc desc[] = { WRITES(GUEST_MID, 2 * (uint32_t)PAGE),
					   WRITES(GUEST_HIGH + PAGE, (uint32_t)PAGE) };

	(void)state;
	driver_chain(&d[BALLOON_REPORT], 0, desc, 2);
	kick(BALLOON_REPORT);
	is_used(BALLOON_REPORT, 0);
	assert_int_equal(gone(GUEST_MID, 2), 2);
	assert_int_equal(all_gone(), 3);
	assert_int_equal(balloon.count.report_bytes, 3 * PAGE);
	fill();
	balloon_pause_reporting(&balloon, true);
	driver_chain(&d[BALLOON_REPORT], 0, desc, 2);
	kick(BALLOON_REPORT);
	none_used(BALLOON_REPORT);
	assert_int_equal(all_gone(), 0);
	balloon_pause_reporting(&balloon, false);
	board_pump(&b);
	is_used(BALLOON_REPORT, 0);
	assert_int_equal(all_gone(), 3);
	fault_arm(1, EAGAIN);
	hint(BALLOON_REPORT, GUEST_HIGH, (uint32_t)PAGE);
	assert_true(fault_disarm());
	assert_int_equal(balloon.count.report_fails, 1);
}

/* What is no whole page stays; nothing outside of the range goes. */
static void ranges_are_rounded_inwards(void **state)
{
	(void)state;
	hint(BALLOON_REPORT, GUEST_HIGH + 1, 3 * (uint32_t)PAGE);
	assert_false(is_gone(GUEST_HIGH));
	assert_int_equal(gone(GUEST_HIGH, 4), 2);
	hint(BALLOON_REPORT, GUEST_MID + 100, 200);
	hint(BALLOON_REPORT, GUEST_MID + 1, (uint32_t)PAGE);
	assert_int_equal(all_gone(), 2);
	assert_int_equal(balloon.count.report_bytes, 2 * PAGE);
	assert_int_equal(balloon.count.report_fails, 0);
}

/* ---- set-up ---------------------------------------------------------------------------------- */

/* Linux leaves out the queues of features that are off, the specification does not. */
static void queues_are_found_by_features(void **state)
{
	static const struct {
		uint64_t features;
		unsigned int queues; /* that the driver sets up */
		unsigned int q;
		enum balloon_role role; /* of queue q */
	} cases[] = {
		{ VERSION, 0x3, 1, BALLOON_DEFLATE },
		{ VERSION, 0x1f, 2, BALLOON_NR_ROLES },
		{ VERSION | F(REPORTING), 0x7, 2, BALLOON_REPORT },
		{ VERSION | F(REPORTING), 0x13, 4, BALLOON_REPORT },
		{ VERSION | F(FREE_PAGE_HINT) | F(REPORTING), 0xf, 2, BALLOON_HINT },
		{ VERSION | F(FREE_PAGE_HINT) | F(REPORTING), 0x1b, 3, BALLOON_HINT },
		{ VERSION | F(STATS_VQ) | F(REPORTING), 0xf, 3, BALLOON_REPORT },
		{ VERSION | F(STATS_VQ) | F(FREE_PAGE_HINT), 0xf, 3, BALLOON_HINT },
		{ ALL, 0x1f, 4, BALLOON_REPORT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		start_with(&everything, PAGE, cases[i].features, cases[i].queues);
		assert_int_equal(balloon.role[cases[i].q], cases[i].role);
		kick(4); /* a queue that is not there */
		board_release(&b);
	}
}

static void features_are_those_that_were_wanted(void **state)
{
	const struct balloon_config least = { .deflate_on_oom = true };

	(void)state;
	start_with(&least, PAGE, VERSION, 0x3);
	assert_int_equal(balloon.timer_fd, -1);
	assert_true(balloon.dev.features & F(DEFLATE_ON_OOM));
	assert_false(balloon.dev.features & (F(STATS_VQ) | F(FREE_PAGE_HINT) | F(REPORTING)));
	assert_int_equal(balloon_hint_start(&balloon, true), -ENODEV);
	assert_int_equal(balloon_actual(&balloon), 0);
	board_release(&b);
}

static void set_up_fails_without_a_trace(void **state)
{
	unsigned int before;

	(void)state;
	board_prepare(&b);
	before = fault_open_fds();
	for (unsigned int n = 1; n <= 2; n++) {
		fault_arm(n, EMFILE);
		assert_int_equal(balloon_init(&balloon, &b.loop, &b.g.mem, &everything), -EMFILE);
		assert_true(fault_disarm());
		assert_int_equal(fault_open_fds(), before);
	}
	assert_int_equal(balloon_init(&balloon, &b.loop, &b.g.mem, &everything), 0);
	board_plug(&b, &balloon.dev);
	board_release(&b);
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define LARGE(name) cmocka_unit_test_setup_teardown(name, set_up_large, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identity),
		TEST(the_driver_writes_one_field_only),
		TEST(pages_go_and_no_others),
		TEST(neighbours_go_together),
		TEST(runs_cross_regions),
		TEST(numbers_that_are_no_memory),
		TEST(chains_of_odd_lengths),
		TEST(long_chains_do_not_hold_the_loop),
		TEST(a_reset_in_the_middle_of_a_chain),
		TEST(a_host_that_does_not_take_them),
		LARGE(a_large_page_goes_as_a_whole),
		TEST(statistics_are_kept_and_asked_for),
		TEST(odd_statistics),
		TEST(pages_are_hinted_on_demand),
		TEST(a_run_that_is_stopped),
		TEST(reports_go_and_can_wait),
		TEST(ranges_are_rounded_inwards),
		cmocka_unit_test(queues_are_found_by_features),
		cmocka_unit_test(features_are_those_that_were_wanted),
		cmocka_unit_test(set_up_fails_without_a_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
