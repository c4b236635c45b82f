// SPDX-License-Identifier: Apache-2.0
#include "virtio/iov.h"

#include "tests/lib/unit.h"
#include "virtio/virtq.h"

#include <errno.h>
#include <string.h>

/* A chain over `ram`: readable "abc" "d" "efgh", writable 2 + 1 + 3 bytes. */
struct fixture {
	struct virtq_chain c;
	char in[8];
	char out[6];
};

static struct fixture f;

static int set_up(void **state)
{
	(void)state;
	memset(&f, 0, sizeof(f));
	memcpy(f.in, "abcdefgh", 8);
	f.c.nr_read = 3;
	f.c.read_len = 8;
	f.c.iov[0] = (struct iovec){ f.in, 3 };
	f.c.iov[1] = (struct iovec){ f.in + 3, 1 };
	f.c.iov[2] = (struct iovec){ f.in + 4, 4 };
	f.c.nr_write = 3;
	f.c.write_len = 6;
	f.c.iov[3] = (struct iovec){ f.out, 2 };
	f.c.iov[4] = (struct iovec){ f.out + 2, 1 };
	f.c.iov[5] = (struct iovec){ f.out + 3, 3 };
	return 0;
}

static uint64_t sum(const struct iov_span *s)
{
	uint64_t n = 0;

	for (int i = 0; i < s->nr; i++)
		n += s->iov[i].iov_len;
	return n;
}

static void take_and_put_any_cut(void **state)
{
	(void)state;
	/* Every way to take eight bytes in two steps. */
	for (size_t first = 0; first <= 8; first++) {
		struct iov_span s;
		char got[8] = { 0 };

		set_up(NULL);
		s = iov_readable(&f.c);
		assert_int_equal(iov_take(&s, got, first), 0);
		assert_int_equal(s.len, 8 - first);
		assert_int_equal(sum(&s), s.len);
		assert_int_equal(iov_take(&s, got + first, 8 - first), 0);
		assert_memory_equal(got, "abcdefgh", 8);
		assert_int_equal(s.len, 0);
		assert_int_equal(s.nr, 0);
	}
	for (size_t first = 0; first <= 6; first++) {
		struct iov_span s;

		set_up(NULL);
		s = iov_writable(&f.c);
		assert_int_equal(iov_put(&s, "uvwxyz", first), 0);
		assert_int_equal(sum(&s), 6 - first);
		assert_int_equal(iov_put(&s, "uvwxyz" + first, 6 - first), 0);
		assert_memory_equal(f.out, "uvwxyz", 6);
		assert_int_equal(s.nr, 0);
	}
}

static void too_much_takes_and_puts_nothing(void **state)
{
	struct iov_span in = iov_readable(&f.c);
	struct iov_span out = iov_writable(&f.c);
	char got[9] = { 0 };

	(void)state;
	assert_int_equal(iov_take(&in, got, 9), -EINVAL);
	assert_int_equal(got[0], 0);
	assert_int_equal(in.len, 8);
	assert_int_equal(iov_put(&out, "uvwxyz!", 7), -EINVAL);
	assert_int_equal(f.out[0], 0);
	assert_int_equal(out.len, 6);
	assert_int_equal(iov_take(&in, got, 8), 0);
	assert_int_equal(iov_take(&in, got, 1), -EINVAL);
	assert_int_equal(iov_take(&in, got, 0), 0);
}

static void empty_stream(void **state)
{
	struct iov_span s;
	struct iovec tail;
	char c;

	(void)state;
	memset(&f.c, 0, sizeof(f.c));
	s = iov_writable(&f.c);
	assert_int_equal(iov_take(&s, &c, 1), -EINVAL);
	assert_int_equal(iov_put(&s, "x", 1), -EINVAL);
	assert_int_equal(iov_split_tail(&s, 1, &tail), -EINVAL);
}

static void tail_in_a_shared_segment(void **state)
{
	struct iov_span s = iov_writable(&f.c);
	struct iovec tail;

	(void)state;
	assert_int_equal(iov_split_tail(&s, 1, &tail), 0);
	assert_ptr_equal(tail.iov_base, f.out + 5);
	assert_int_equal(tail.iov_len, 1);
	assert_int_equal(s.len, 5);
	assert_int_equal(s.nr, 3);
	assert_int_equal(sum(&s), 5);
}

static void tail_in_a_segment_of_its_own(void **state)
{
	struct iov_span s = iov_writable(&f.c);
	struct iovec tail;

	(void)state;
	assert_int_equal(iov_split_tail(&s, 3, &tail), 0);
	assert_ptr_equal(tail.iov_base, f.out + 3);
	assert_int_equal(s.nr, 2);
	assert_int_equal(sum(&s), 3);
	assert_int_equal(iov_split_tail(&s, 1, &tail), 0);
	assert_ptr_equal(tail.iov_base, f.out + 2);
	assert_int_equal(s.nr, 1);
}

static void tail_over_two_segments_is_refused(void **state)
{
	struct iov_span s = iov_writable(&f.c);
	struct iovec tail = { 0 };

	(void)state;
	assert_int_equal(iov_split_tail(&s, 4, &tail), -EINVAL);
	assert_int_equal(iov_split_tail(&s, 7, &tail), -EINVAL);
	assert_int_equal(iov_split_tail(&s, 0, &tail), -EINVAL);
	assert_int_equal(iov_split_tail(&s, SIZE_MAX, &tail), -EINVAL);
	assert_int_equal(s.len, 6);
	assert_null(tail.iov_base);
}

static void tail_after_the_front_was_used(void **state)
{
	struct iov_span s = iov_writable(&f.c);
	struct iovec tail;

	(void)state;
	assert_int_equal(iov_put(&s, "uvwxy", 5), 0);
	assert_int_equal(iov_split_tail(&s, 1, &tail), 0);
	assert_ptr_equal(tail.iov_base, f.out + 5);
	assert_int_equal(s.len, 0);
	assert_int_equal(s.nr, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(take_and_put_any_cut),
		TEST(too_much_takes_and_puts_nothing),
		TEST(empty_stream),
		TEST(tail_in_a_shared_segment),
		TEST(tail_in_a_segment_of_its_own),
		TEST(tail_over_two_segments_is_refused),
		TEST(tail_after_the_front_was_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
