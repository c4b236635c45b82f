// SPDX-License-Identifier: Apache-2.0
/* The rate limiter by a clock of the test's own; and its timer by the real one. */
#include "virtio/rate_limit.h"

#include "tests/lib/fault.h"
#include "tests/lib/unit.h"
#include "vmm/util.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define MS 1000000ull

static struct rate_limit l;
static struct evloop loop;
static uint64_t clock_ns;
static unsigned int calls;

static uint64_t read_clock(void)
{
	return clock_ns;
}

static void count_call(void *ctx)
{
	assert_ptr_equal(ctx, &calls);
	calls++;
	evloop_stop(&loop);
}

static int set_up(void **state)
{
	(void)state;
	clock_ns = 12345;
	calls = 0;
	assert_int_equal(evloop_init(&loop), 0);
	rate_limit_init(&l, &loop, count_call, &calls);
	l.now_ns = read_clock;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rate_limit_release(&l);
	evloop_release(&loop);
	return 0;
}

static void set(uint64_t size, uint64_t refill_ms, uint64_t burst)
{
	const struct rate_bucket_config c = { size, refill_ms, burst };

	assert_int_equal(rate_limit_set(&l, &c, NULL), 0);
}

/* What the timer does, by the test's clock: it goes off, and a new wait may begin. */
static void pass_time(uint64_t ns)
{
	clock_ns += ns;
	l.waiting = false;
}

static bool take(uint64_t bytes)
{
	if (!rate_limit_ready(&l))
		return false;
	rate_limit_charge(&l, bytes, 1);
	return true;
}

static void without_limits_everything_passes(void **state)
{
	static const struct rate_bucket_config none[] = { { 0, 100, 5 }, { 100, 0, 5 } };

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_true(take(UINT32_MAX));
	for (unsigned int i = 0; i < ARRAY_SIZE(none); i++) {
		assert_int_equal(rate_limit_set(&l, &none[i], &none[i]), 0);
		assert_false(l.limited);
		assert_int_equal(l.timer_fd, -1);
		assert_true(take(UINT32_MAX));
		assert_true(take(UINT32_MAX));
	}
	assert_int_equal(l.throttled, 0);
}

static void a_bucket_empties_and_refills(void **state)
{
	(void)state;
	set(1000, 100, 0);
	for (int i = 0; i < 10; i++)
		assert_true(take(100));
	assert_false(take(100));
	assert_int_equal(l.throttled, 1);
	/* One token a tenth of a millisecond; waits come in whole ones. */
	assert_int_equal(l.wait_ns, MS);
	assert_false(take(100)); /* as long as the timer is set */
	assert_int_equal(l.throttled, 1);
	pass_time(MS);
	assert_true(take(9));
	assert_true(take(1));
	assert_false(take(1));
	pass_time(100 * MS);
	assert_true(take(1000));
	assert_false(take(1));
	/* It is never fuller than its size. */
	pass_time(100000 * MS);
	assert_true(take(1000));
	assert_false(take(1));
}

static void a_burst_is_spent_first_and_once(void **state)
{
	(void)state;
	set(100, 100, 250);
	assert_true(take(200));
	assert_int_equal(l.bandwidth.tokens, 100);
	assert_true(take(50));
	assert_int_equal(l.bandwidth.burst, 0);
	assert_true(take(100));
	assert_false(take(1));
	pass_time(1000000 * MS);
	assert_true(take(100));
	assert_false(take(1));
}

static void a_request_larger_than_the_bucket_passes_and_is_paid_for(void **state)
{
	(void)state;
	set(100, 10, 0);
	assert_true(take(1100)); /* 1000 in debt: 100 ms, and a token */
	assert_false(take(1));
	assert_int_equal(l.wait_ns, 100 * MS + MS / 10);
	pass_time(l.wait_ns - 1);
	assert_false(take(1));
	pass_time(MS);
	assert_true(take(1));
}

static void both_buckets_count(void **state)
{
	const struct rate_bucket_config bytes = { 1000, 1000, 0 };
	const struct rate_bucket_config ops = { 3, 300, 0 };

	(void)state;
	assert_int_equal(rate_limit_set(&l, &bytes, &ops), 0);
	for (int i = 0; i < 3; i++)
		assert_true(take(1));
	assert_false(take(1));
	assert_int_equal(l.wait_ns, 100 * MS);
	pass_time(100 * MS);
	assert_true(take(2000));
	assert_false(take(1));
	/* The longer wait of the two: 2000 taken of a full 1000, and a token. */
	assert_int_equal(l.wait_ns, 1001 * MS);
}

static void limits_change_at_run_time(void **state)
{
	const struct rate_bucket_config none = { 0 };
	const struct rate_bucket_config few = { 2, 1000, 0 };

	(void)state;
	set(100, 100000, 0);
	assert_true(take(500));
	assert_false(take(1));
	assert_int_equal(rate_limit_set(&l, NULL, &few), 0); /* bytes as they were */
	l.waiting = false;
	assert_false(take(1));
	assert_int_equal(rate_limit_set(&l, &none, NULL), 0); /* operations as they were */
	l.waiting = false;
	assert_true(take(1 << 30));
	assert_true(take(1 << 30));
	assert_false(take(1));
	assert_int_equal(rate_limit_set(&l, NULL, &none), 0);
	assert_false(l.limited);
	assert_true(take(1));
}

static void huge_values_do_not_overflow(void **state)
{
	static const uint64_t values[] = { 1,	       1ull << 53, UINT64_MAX / 1000000 - 1,
					   1ull << 62, 1ull << 63, UINT64_MAX };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(values) * ARRAY_SIZE(values); i++) {
		uint64_t size = values[i % ARRAY_SIZE(values)];

		set(size, values[i / ARRAY_SIZE(values)], size);
		for (int k = 0; k < 5; k++) {
			take((1ull << 62) - 1);
			pass_time(k == 3 ? 1ull << 61 : 1);
			assert_true(l.bandwidth.tokens <= l.bandwidth.size);
		}
		clock_ns = 0;
	}
}

/* xorshift: the same sequence in each run. */
static uint64_t next_random(void)
{
	static uint64_t x = 0x9e3779b97f4a7c15;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/*
 * A device that always has more to do, under a limiter with the timer's own waits and some delay.
 * From any moment on: at most size + rate * t and a request; over all, no less than the rate.
 */
static void no_more_and_no_less_than_the_rate(uint64_t size, uint64_t ms, uint64_t burst,
					      uint64_t max_request)
{
	uint64_t start, total = 0, largest = 0;

	set(size, ms, burst);
	start = clock_ns;
	while (clock_ns - start < 2000 * ms * MS / 10 + 5000 * MS) {
		uint64_t n = 1 + next_random() % max_request;
		unsigned __int128 most;

		if (!take(n)) {
			pass_time(l.wait_ns);
			continue;
		}
		total += n;
		largest = max_u64(largest, n);
		most = (unsigned __int128)(clock_ns - start) * size / (ms * MS) + size + burst;
		assert_true(total <= most + largest);
	}
	/* Never a moment that the bucket was full and unused. */
	assert_true((unsigned __int128)total + 1 + max_request + size >=
		    (unsigned __int128)(clock_ns - start) * size / (ms * MS) + burst);
}

static void property(void **state)
{
	(void)state;
	for (int i = 0; i < 60; i++) {
		uint64_t size = 1 + next_random() % (1u << (next_random() % 24));
		uint64_t ms = 1 + next_random() % 300;
		uint64_t burst = next_random() % 3 ? next_random() % (2 * size) : 0;

		no_more_and_no_less_than_the_rate(size, ms, burst, 1 + next_random() % (4 * size));
	}
}

/* A third of a token a millisecond, looked at each microsecond: nothing gets lost. */
static void fractions_add_up(void **state)
{
	uint64_t taken = 0;

	(void)state;
	set(1, 3, 0);
	for (int i = 0; i < 3000000; i++) {
		pass_time(1000);
		taken += take(1);
	}
	assert_in_range(taken, 999, 1001);
}

static void the_timer_calls_back(void **state)
{
	struct timespec before, after;

	(void)state;
	set(10, 20, 0);
	assert_true(take(10));
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_false(take(1));
	assert_int_equal(evloop_run(&loop), 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_int_equal(calls, 1);
	assert_false(l.waiting);
	assert_true((uint64_t)(after.tv_sec - before.tv_sec) * 1000 * MS +
			    (uint64_t)(after.tv_nsec - before.tv_nsec) >=
		    l.wait_ns);
}

static void new_limits_wake_who_waits(void **state)
{
	(void)state;
	set(1, 3600000, 0);
	assert_true(take(1));
	assert_false(take(1));
	set(1, 1, 0);
	assert_int_equal(evloop_run(&loop), 0);
	assert_int_equal(calls, 1);
	assert_true(take(1));
}

static void no_timer_no_limit(void **state)
{
	const struct rate_bucket_config c = { 1, 1, 0 };
	unsigned int fds = fault_open_fds();

	(void)state;
	fault_arm(1, ENOSPC);
	assert_int_equal(rate_limit_set(&l, &c, &c), -ENOSPC);
	assert_true(fault_disarm());
	assert_int_equal(fault_open_fds(), fds);
	assert_false(l.limited);
	assert_true(take(100));
	assert_true(take(100));
}

/* Who changes two limits or none prepares both, and setting them does not fail. */
static void what_is_prepared_can_be_set(void **state)
{
	const struct rate_bucket_config c = { 1, 1, 0 };
	const struct rate_bucket_config none = { 0 };

	(void)state;
	fault_arm(1, EMFILE);
	assert_int_equal(rate_limit_prepare(&l, NULL, &c), -EMFILE);
	assert_true(fault_disarm());
	assert_false(l.limited);
	assert_int_equal(rate_limit_prepare(&l, &none, NULL), 0);
	assert_int_equal(l.timer_fd, -1);
	assert_int_equal(rate_limit_prepare(&l, NULL, &c), 0);
	assert_false(l.limited);
	fault_arm(1, EMFILE);
	assert_int_equal(rate_limit_set(&l, &c, &c), 0);
	assert_false(fault_disarm());
	assert_true(l.limited);
}

/* A wait without an end would be worse than a limit that is not kept. */
static void a_timer_that_cannot_be_set_holds_nobody(void **state)
{
	(void)state;
	set(1, 3600000, 0);
	assert_true(take(5));
	fault_arm(1, EINVAL);
	assert_true(take(1));
	assert_true(fault_disarm());
	assert_false(take(1));
}

/* Who drops what exceeds the limit: never more than there is, and never into debt. */
static void what_may_pass_is_told(void **state)
{
	const struct rate_bucket_config c = { 100, 1000, 50 };
	struct rate_limit drops;

	(void)state;
	rate_limit_init(&drops, &loop, NULL, NULL);
	drops.now_ns = l.now_ns;
	assert_int_equal(rate_limit_take(&drops, 1000), 1000);
	assert_int_equal(rate_limit_set(&drops, NULL, &c), 0);
	assert_int_equal(rate_limit_take(&drops, 1000), 1000); /* operations are not bytes */
	assert_int_equal(rate_limit_set(&drops, &c, NULL), 0);
	assert_int_equal(drops.timer_fd, -1);
	assert_int_equal(rate_limit_take(&drops, 30), 30);
	assert_int_equal(rate_limit_take(&drops, 1000), 120);
	assert_int_equal(rate_limit_take(&drops, 1), 0);
	assert_int_equal(drops.bandwidth.tokens, 0);
	rate_limit_pay(&drops, 10, 0); /* in debt, as others may be */
	assert_int_equal(rate_limit_take(&drops, 1), 0);
	rate_limit_release(&drops);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_limits_everything_passes),
		TEST(a_bucket_empties_and_refills),
		TEST(a_burst_is_spent_first_and_once),
		TEST(a_request_larger_than_the_bucket_passes_and_is_paid_for),
		TEST(both_buckets_count),
		TEST(limits_change_at_run_time),
		TEST(huge_values_do_not_overflow),
		TEST(property),
		TEST(fractions_add_up),
		TEST(the_timer_calls_back),
		TEST(new_limits_wake_who_waits),
		TEST(no_timer_no_limit),
		TEST(what_is_prepared_can_be_set),
		TEST(a_timer_that_cannot_be_set_holds_nobody),
		TEST(what_may_pass_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
