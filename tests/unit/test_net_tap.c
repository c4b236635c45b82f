// SPDX-License-Identifier: Apache-2.0
/* Opening taps: what is refused and how, anywhere; the real thing where the kernel lets us. */
#include "virtio/net_tap.h"

#include "tests/lib/fault.h"
#include "tests/lib/unit.h"
#include "vmm/util.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct net_backend t;
static struct err e;
static char name[IFNAMSIZ];

static int set_up(void **state)
{
	(void)state;
	snprintf(name, sizeof(name), "mt%d", (int)getpid() % 1000000);
	memset(&e, 0, sizeof(e));
	return 0;
}

static void refused(const char *what, int error, const char *message)
{
	unsigned int fds = fault_open_fds();

	assert_int_equal(net_backend_open(&t, what, &e), error);
	assert_string_equal(e.msg, message);
	assert_int_equal(t.fd, -1);
	assert_int_equal(fault_open_fds(), fds);
}

static void names_that_cannot_be(void **state)
{
	(void)state;
	refused("a-name-too-long0", -EINVAL,
		"tap 'a-name-too-long0': a name of 16 bytes, expected 1 to 15");
	refused("", -EINVAL, "tap '': a name of 0 bytes, expected 1 to 15");
	refused("/dev/null", -EINVAL, "tap /dev/null: expected the device file of a macvtap");
	refused("/proc", -EISDIR, "tap /proc: Is a directory");
	refused("/nowhere/tap1", -ENOENT, "tap /nowhere/tap1: No such file or directory");
}

static void descriptors_that_are_no_taps(void **state)
{
	static const char *const bad[] = { "fd:",   "fd:x",  "fd:-1",
					   "fd:1x", "fd: 1", "fd:99999999999999999999" };
	char text[128];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "tap %s: expected fd: and a number", bad[i]);
		refused(bad[i], -EINVAL, text);
	}
	refused("fd:0", -EINVAL, "tap fd:0: expected an open tap with IFF_NO_PI and IFF_VNET_HDR");
	refused("fd:999", -EINVAL,
		"tap fd:999: expected an open tap with IFF_NO_PI and IFF_VNET_HDR");
}

/* Skips where this machine has no taps, or none for us. */
static void need_tap(void)
{
	if (net_backend_open(&t, name, &e) == 0)
		return;
	print_message("# %s\n", e.msg);
	skip();
}

static void a_tap_by_name(void **state)
{
	struct ifreq ifr = { 0 };
	int header = 0;
	char text[128];

	(void)state;
	need_tap();
	assert_int_equal(ioctl(t.fd, TUNGETIFF, &ifr), 0);
	assert_string_equal(ifr.ifr_name, name);
	assert_int_equal(ioctl(t.fd, TUNGETVNETHDRSZ, &header), 0);
	assert_int_equal(header, NET_HEADER);
	assert_true(fcntl(t.fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(t.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(t.offload & (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6),
			 TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6);
	assert_int_equal(t.offload_on, 0);
	assert_int_equal(t.ops->set_offload(&t, TUN_F_CSUM | TUN_F_TSO4), 0);
	assert_int_equal(t.offload_on, TUN_F_CSUM | TUN_F_TSO4);
	{
		struct net_backend first = t;

		snprintf(text, sizeof(text), "tap %s: busy, expected that nobody else has it open",
			 name);
		refused(name, -EBUSY, text);
		t = first;
	}
	net_backend_close(&t);
	assert_int_equal(t.fd, -1);
}

static void a_tap_by_descriptor(void **state)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	char what[32];
	int fd;

	(void)state;
	need_tap();
	net_backend_close(&t);
	fd = open("/dev/net/tun", O_RDWR);
	memcpy(ifr.ifr_name, name, sizeof(name));
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	snprintf(what, sizeof(what), "fd:%d", fd);
	assert_int_equal(net_backend_open(&t, what, &e), 0);
	assert_int_equal(t.fd, fd);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	net_backend_close(&t);

	/* Without the header it is none for us; and still its owner's. */
	fd = open("/dev/net/tun", O_RDWR);
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI;
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	assert_int_equal(net_backend_open(&t, what, &e), -EINVAL);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_that_cannot_be),
		TEST(descriptors_that_are_no_taps),
		TEST(a_tap_by_name),
		TEST(a_tap_by_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
