// SPDX-License-Identifier: Apache-2.0
#include "virtio/vsock_uds.h"

#include "tests/lib/fault.h"
#include "tests/lib/unit.h"
#include "virtio/vsock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[32];
static struct vsock_uds u;
static struct err e;

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/mote-vsock-XXXXXX");
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	fault_disarm();
	unlink("v");
	return chdir("/") < 0 || rmdir(dir) < 0;
}

/* Relative to the working directory, and the file outlives the listener. */
static void made_and_left(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(vsock_uds_open(&u, "v", &e), 0);
	assert_int_equal(stat("v", &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(vsock_uds_accept(&u), -EAGAIN);
	assert_int_equal(vsock_uds_connect(&u, 1), -ENOENT);
	vsock_uds_close(&u);
	vsock_uds_close(&u);
	assert_int_equal(stat("v", &st), 0);
	assert_int_equal(vsock_uds_open(&u, "v", &e), -EADDRINUSE);
	assert_string_equal(e.msg, "vsock v: exists already, expected a free name");
}

static void discarded(void **state)
{
	(void)state;
	assert_int_equal(vsock_uds_open(&u, "v", &e), 0);
	vsock_uds_discard(&u);
	assert_int_equal(access("v", F_OK), -1);
	assert_int_equal(vsock_uds_open(&u, "v", &e), 0);
	vsock_uds_discard(&u);
}

static void paths_that_cannot_be(void **state)
{
	char path[200];

	(void)state;
	memset(path, 'x', sizeof(path));
	path[108] = '\0';
	assert_int_equal(vsock_uds_open(&u, path, &e), -EINVAL);
	assert_string_equal(e.msg, "vsock: path of 108 bytes, expected 1 to 107");
	assert_int_equal(vsock_uds_open(&u, "", &e), -EINVAL);
	assert_int_equal(vsock_uds_open(&u, "missing/v", &e), -ENOENT);
	assert_string_equal(e.msg, "vsock missing/v: No such file or directory");
	/* The longest one is fine, though the guest has nobody to connect to. */
	path[107] = '\0';
	assert_int_equal(vsock_uds_open(&u, path, &e), 0);
	assert_int_equal(vsock_uds_connect(&u, 1), -ENAMETOOLONG);
	vsock_uds_discard(&u);
}

/* Each call fails in turn: nothing is left open, and no file. */
static void set_up_that_fails(void **state)
{
	unsigned int before = fault_open_fds();
	unsigned int n = 1;
	bool failed = true;

	(void)state;
	for (; failed; n++) {
		static struct vsock v;
		int r;

		fault_arm(n, EACCES);
		r = vsock_uds_open(&u, "v", &e);
		if (r == 0) {
			r = vsock_init(&v, &u, 3, &e);
			if (r < 0)
				vsock_uds_discard(&u);
			else
				v.dev.ops->release(&v.dev);
		}
		failed = fault_disarm();
		assert_int_equal(r, failed ? -EACCES : 0);
		assert_int_equal(access("v", F_OK), failed ? -1 : 0);
		assert_int_equal(fault_open_fds(), before);
	}
	assert_int_equal(n, 6); /* socket, bind, listen, timerfd_create, and none */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(made_and_left),
		TEST(discarded),
		TEST(paths_that_cannot_be),
		TEST(set_up_that_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
