// SPDX-License-Identifier: Apache-2.0
/* Connections that are made, refused and ended. Data and credit: test_vsock_data.c. */
#include "virtio/vsock.h"

#include "tests/lib/fault.h"
#include "tests/lib/unit.h"
#include "tests/lib/vguest.h"
#include "virtio/vsock_conn.h"
#include "vmm/util.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PORT  1234u
#define FIRST (1u << 30) /* the first port of the host's clients */
#define BOTH  (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

static struct vguest g;
static struct virtio_vsock_hdr h;

static int set_up(void **state)
{
	(void)state;
	vguest_init(&g);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fault_disarm();
	vguest_release(&g);
	return 0;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	vguest_settle(&g);
}

/* The host's end has exactly this to read now; "" = it was closed, NULL = nothing. */
static void hears(int fd, const char *want)
{
	char got[64] = { 0 };
	ssize_t n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);

	if (!want)
		assert_true(n < 0 && errno == EAGAIN);
	else if (*want == '\0')
		assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
	else
		assert_string_equal(got, want);
}

/* The next packet to the guest is this one. */
static void guest_gets(uint16_t op, uint32_t host_port, uint32_t guest_port)
{
	memset(&h, 0, sizeof(h));
	assert_true(vguest_get(&g, &h, NULL));
	assert_int_equal(h.op, op);
	assert_int_equal(h.src_cid, 2);
	assert_int_equal(h.dst_cid, VGUEST_CID);
	assert_int_equal(h.src_port, host_port);
	assert_int_equal(h.dst_port, guest_port);
	assert_int_equal(h.type, VIRTIO_VSOCK_TYPE_STREAM);
}

static void guest_gets_nothing(void)
{
	assert_false(vguest_get(&g, &h, NULL));
}

/* A client of the host, connected to the guest's PORT; *port is the host's. */
static int connected_client(uint32_t *port)
{
	char want[32];
	int fd = vguest_client(&g);

	say(fd, "CONNECT 1234\n");
	assert_true(vguest_get(&g, &h, NULL));
	assert_int_equal(h.op, VIRTIO_VSOCK_OP_REQUEST);
	*port = h.src_port;
	vguest_send(&g, VIRTIO_VSOCK_OP_RESPONSE, *port, PORT, 0, NULL, 0);
	snprintf(want, sizeof(want), "OK %u\n", *port);
	hears(fd, want);
	return fd;
}

static void identity(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(board_read(&g.b, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_VSOCK);
	assert_int_equal(board_read(&g.b, VIRTIO_MMIO_CONFIG), VGUEST_CID);
	assert_int_equal(board_read(&g.b, VIRTIO_MMIO_CONFIG + 4), 0);
	assert_int_equal(g.v.dev.features, 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_IN_ORDER |
						   1ull << VIRTIO_RING_F_EVENT_IDX);
	assert_int_equal(stat(g.path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
}

static void host_connects(void **state)
{
	int fd = vguest_client(&g);

	(void)state;
	say(fd, "CONNECT 1234\n");
	guest_gets(VIRTIO_VSOCK_OP_REQUEST, FIRST, PORT);
	assert_int_equal(h.buf_alloc, VSOCK_BUF_LEN);
	assert_int_equal(h.len, 0);
	hears(fd, NULL);
	vguest_send(&g, VIRTIO_VSOCK_OP_RESPONSE, FIRST, PORT, 0, NULL, 0);
	hears(fd, "OK 1073741824\n");
	guest_gets_nothing();
	close(fd);
	vguest_settle(&g);
	guest_gets(VIRTIO_VSOCK_OP_SHUTDOWN, FIRST, PORT);
	assert_int_equal(h.flags, BOTH);
	vguest_send(&g, VIRTIO_VSOCK_OP_RST, FIRST, PORT, 0, NULL, 0);
	guest_gets_nothing();
	assert_int_equal(g.v.conns.nr, 0);
	assert_int_equal(g.v.conns.count.conns_added, 1);
	assert_int_equal(g.v.conns.count.conns_removed, 1);
}

static void host_ports_go_round(void **state)
{
	uint32_t port[3];
	int fd[3];

	(void)state;
	g.v.conns.next_port = UINT32_MAX / 2; /* the last one */
	for (int i = 0; i < 3; i++)
		fd[i] = connected_client(&port[i]);
	assert_int_equal(port[0], UINT32_MAX / 2);
	assert_int_equal(port[1], FIRST);
	assert_int_equal(port[2], FIRST + 1);
	/* Those in use are passed over. */
	g.v.conns.next_port = FIRST;
	close(connected_client(&port[0]));
	assert_int_equal(port[0], FIRST + 2);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
}

static void refused_by_the_guest(void **state)
{
	int fd = vguest_client(&g);

	(void)state;
	say(fd, "CONNECT 1234\n");
	guest_gets(VIRTIO_VSOCK_OP_REQUEST, FIRST, PORT);
	vguest_send(&g, VIRTIO_VSOCK_OP_RST, FIRST, PORT, 0, NULL, 0);
	hears(fd, "");
	guest_gets_nothing();
	assert_int_equal(g.v.conns.nr, 0);
	close(fd);
}

static void lines(void **state)
{
	static const struct {
		const char *line;
		uint32_t port; /* 0 = refused */
	} row[] = {
		{ "CONNECT 1234\n", 1234 },
		{ "connect 1\n", 1 },
		{ "Connect\t  4294967295 \r\n", UINT32_MAX },
		{ " CONNECT 007\n", 7 },
		{ "CONNECT 4294967296\n", 0 },
		{ "CONNECT 99999999999999999999\n", 0 },
		{ "CONNECT\n", 0 },
		{ "CONNECT \n", 0 },
		{ "CONNECT1\n", 0 },
		{ "CONNECT -1\n", 0 },
		{ "CONNECT 1x\n", 0 },
		{ "CONNECT 1 2\n", 0 },
		{ "CONNECTED 1\n", 0 },
		{ "GET / HTTP/1.1\n", 0 },
		{ "\n", 0 },
		{ "CONNECT                        1\n", 0 }, /* 33 bytes */
		{ "CONNECT                       1\n", 1 },  /* 32 bytes */
		{ "CONNECT 1 without an end of line", 0 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(row); i++) {
		int fd = vguest_client(&g);

		say(fd, row[i].line);
		if (row[i].port != 0) {
			assert_true(vguest_get(&g, &h, NULL));
			assert_int_equal(h.op, VIRTIO_VSOCK_OP_REQUEST);
			assert_int_equal(h.dst_port, row[i].port);
			vguest_send(&g, VIRTIO_VSOCK_OP_RST, h.src_port, h.dst_port, 0, NULL, 0);
		}
		hears(fd, "");
		guest_gets_nothing();
		close(fd);
	}
	assert_int_equal(g.v.conns.nr, 0);
}

/* Byte by byte, with another client served meanwhile; and what follows the line is the guest's. */
static void slow_line(void **state)
{
	const char *line = "CONNECT 1234\n";
	uint32_t port;
	int slow = vguest_client(&g);
	int fd = -1;
	char got[8] = { 0 };

	(void)state;
	for (const char *p = line; *p; p++) {
		char one[2] = { *p, '\0' };

		if (p == line + 5)
			fd = connected_client(&port);
		guest_gets_nothing();
		say(slow, p[1] ? one : "\nhello");
	}
	guest_gets(VIRTIO_VSOCK_OP_REQUEST, FIRST + 1, PORT);
	guest_gets_nothing();
	vguest_send(&g, VIRTIO_VSOCK_OP_RESPONSE, FIRST + 1, PORT, 0, NULL, 0);
	assert_true(vguest_get(&g, &h, got));
	assert_int_equal(h.op, VIRTIO_VSOCK_OP_RW);
	assert_string_equal(got, "hello");
	close(slow);
	close(fd);
}

static void client_leaves_before_its_line(void **state)
{
	int fd = vguest_client(&g);

	(void)state;
	say(fd, "CONN");
	assert_int_equal(g.v.conns.nr, 1);
	close(fd);
	vguest_settle(&g);
	assert_int_equal(g.v.conns.nr, 0);
	guest_gets_nothing();
}

/* The guest does not answer: the client hears the end, the guest a reset. */
static void connect_times_out(void **state)
{
	int fd = vguest_client(&g);
	uint64_t before = vsock_now_ns();

	(void)state;
	say(fd, "CONNECT 1234\n");
	guest_gets(VIRTIO_VSOCK_OP_REQUEST, FIRST, PORT);
	vguest_wait(&g, 4000);
	assert_in_range(vsock_now_ns() - before, 1900000000, 3900000000);
	hears(fd, "");
	guest_gets(VIRTIO_VSOCK_OP_RST, FIRST, PORT);
	assert_int_equal(g.v.conns.nr, 0);
	/* Nothing is left that would wake the loop. */
	vguest_wait(&g, 10);
	assert_false(g.v.conns.timer_armed);
	close(fd);
}

static void guest_connects(void **state)
{
	int l = vguest_listen(&g, PORT, 4);
	int fd;

	(void)state;
	vguest_send(&g, VIRTIO_VSOCK_OP_REQUEST, PORT, 99, 0, NULL, 0);
	guest_gets(VIRTIO_VSOCK_OP_RESPONSE, PORT, 99);
	fd = accept(l, NULL, NULL);
	assert_true(fd >= 0);
	vguest_send(&g, VIRTIO_VSOCK_OP_RW, PORT, 99, 0, "hello", 5);
	hears(fd, "hello");
	vguest_send(&g, VIRTIO_VSOCK_OP_SHUTDOWN, PORT, 99, BOTH, NULL, 0);
	hears(fd, "");
	guest_gets(VIRTIO_VSOCK_OP_RST, PORT, 99);
	assert_int_equal(g.v.conns.nr, 0);
	/* The pair of ports can be used again. */
	vguest_send(&g, VIRTIO_VSOCK_OP_REQUEST, PORT, 99, 0, NULL, 0);
	guest_gets(VIRTIO_VSOCK_OP_RESPONSE, PORT, 99);
	close(fd);
	vguest_unlisten(&g, PORT, l);
}

static void guest_connects_to_nobody(void **state)
{
	int l = vguest_listen(&g, PORT, 0);
	struct rlimit limit;
	rlim_t was;

	(void)state;
	vguest_send(&g, VIRTIO_VSOCK_OP_REQUEST, 1, 99, 0, NULL, 0);
	guest_gets(VIRTIO_VSOCK_OP_RST, 1, 99);
	/* A listener that does not keep up: the second one finds its queue full. */
	vguest_send(&g, VIRTIO_VSOCK_OP_REQUEST, PORT, 1, 0, NULL, 0);
	guest_gets(VIRTIO_VSOCK_OP_RESPONSE, PORT, 1);
	vguest_send(&g, VIRTIO_VSOCK_OP_REQUEST, PORT, 2, 0, NULL, 0);
	guest_gets(VIRTIO_VSOCK_OP_RST, PORT, 2);
	/* No descriptors. */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	was = limit.rlim_cur;
	limit.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &limit);
	vguest_send(&g, VIRTIO_VSOCK_OP_REQUEST, PORT, 3, 0, NULL, 0);
	limit.rlim_cur = was;
	setrlimit(RLIMIT_NOFILE, &limit);
	guest_gets(VIRTIO_VSOCK_OP_RST, PORT, 3);
	assert_int_equal(g.v.conns.count.conns_refused, 3);
	assert_int_equal(g.v.conns.nr, 1);
	vguest_unlisten(&g, PORT, l);
}

/* A host without descriptors accepts again when there are some. */
static void accepting_fails_for_a_while(void **state)
{
	int fd;
	uint32_t port;

	(void)state;
	fd = vguest_client(&g);
	fault_arm(1, EMFILE);
	say(fd, "CONNECT 1234\n");
	assert_true(fault_disarm());
	guest_gets_nothing();
	assert_true(g.v.conns.deaf);
	vguest_wait(&g, 4000);
	guest_gets(VIRTIO_VSOCK_OP_REQUEST, FIRST, PORT);
	assert_false(g.v.conns.deaf);
	close(fd);
	close(connected_client(&port));
}

/* What belongs to no connection is answered by a reset, but for resets. */
static void strays(void **state)
{
	static const uint16_t op[] = { VIRTIO_VSOCK_OP_INVALID,
				       VIRTIO_VSOCK_OP_RESPONSE,
				       VIRTIO_VSOCK_OP_SHUTDOWN,
				       VIRTIO_VSOCK_OP_RW,
				       VIRTIO_VSOCK_OP_CREDIT_UPDATE,
				       VIRTIO_VSOCK_OP_CREDIT_REQUEST,
				       8,
				       0xffff };
	struct virtio_vsock_hdr raw = { .src_cid = VGUEST_CID, .dst_cid = 2, .type = 2, .op = 1 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(op); i++) {
		vguest_send(&g, op[i], PORT, i, 0, NULL, 0);
		guest_gets(VIRTIO_VSOCK_OP_RST, PORT, i);
	}
	vguest_send(&g, VIRTIO_VSOCK_OP_RST, PORT, 7, 0, NULL, 0);
	guest_gets_nothing();
	/* Another type of socket. */
	vguest_send_raw(&g, &raw, NULL, 0);
	assert_true(vguest_get(&g, &h, NULL));
	assert_int_equal(h.op, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(h.type, 2);
	/* For, or from, somebody else. */
	raw.type = 1;
	raw.dst_cid = 1;
	vguest_send_raw(&g, &raw, NULL, 0);
	raw.dst_cid = 2;
	raw.src_cid = 4;
	vguest_send_raw(&g, &raw, NULL, 0);
	guest_gets_nothing();
	assert_int_equal(g.v.conns.count.bad_packets, 2);
}

/* Each of these ends the connection, and only it. */
static void broken_rules(void **state)
{
	static const struct {
		uint16_t op;
		uint32_t len;
	} row[] = {
		{ VIRTIO_VSOCK_OP_REQUEST, 0 },	 { VIRTIO_VSOCK_OP_INVALID, 0 },
		{ VIRTIO_VSOCK_OP_RESPONSE, 0 }, { 77, 0 },
		{ VIRTIO_VSOCK_OP_RW, 101 },	 { VIRTIO_VSOCK_OP_RW, UINT32_MAX },
	};
	uint32_t good;
	uint32_t port;
	int fd = connected_client(&good);
	char payload[100] = { 0 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(row); i++) {
		struct virtio_vsock_hdr raw = { .src_cid = VGUEST_CID, .dst_cid = 2, .type = 1 };
		int bad = connected_client(&port);

		raw.src_port = PORT;
		raw.dst_port = port;
		raw.op = row[i].op;
		raw.len = row[i].len;
		vguest_send_raw(&g, &raw, payload, sizeof(payload));
		hears(bad, "");
		guest_gets(VIRTIO_VSOCK_OP_RST, port, PORT);
		close(bad);
	}
	assert_int_equal(g.v.conns.count.bad_packets, ARRAY_SIZE(row));
	vguest_send(&g, VIRTIO_VSOCK_OP_RW, good, PORT, 0, "still here", 10);
	hears(fd, "still here");
	close(fd);
}

static void data_before_the_answer(void **state)
{
	int fd = vguest_client(&g);

	(void)state;
	say(fd, "CONNECT 1234\n");
	guest_gets(VIRTIO_VSOCK_OP_REQUEST, FIRST, PORT);
	vguest_send(&g, VIRTIO_VSOCK_OP_RW, FIRST, PORT, 0, "x", 1);
	guest_gets(VIRTIO_VSOCK_OP_RST, FIRST, PORT);
	hears(fd, "");
	close(fd);
}

/* Packets that are too short, or in a buffer without room, harm nobody. */
static void malformed_chains(void **state)
{
	const struct vring_desc some = READS(VGUEST_HEADER, 43);
	const struct vring_desc none = WRITES(VGUEST_HEADER, 100);
	struct vring_used_elem e;
	uint32_t port;

	(void)state;
	driver_chain(&g.tx, 0, &some, 1);
	driver_chain(&g.tx, 1, &none, 1);
	board_kick(&g.b, 1);
	vguest_settle(&g);
	assert_true(driver_used(&g.tx, &e) && e.len == 0);
	assert_true(driver_used(&g.tx, &e) && e.len == 0);
	assert_int_equal(g.v.dev.stats.faults, 2);
	close(connected_client(&port));
}

static void many(void **state)
{
	static int fd[VSOCK_MAX_CONNS + 1];
	struct rlimit limit = { 4096, 4096 };
	unsigned int nr = 0;
	uint32_t port;
	char c;

	(void)state;
	setrlimit(RLIMIT_NOFILE, &limit);
	for (unsigned int i = 0; i < VSOCK_MAX_CONNS; i++)
		fd[i] = connected_client(&port);
	assert_int_equal(g.v.conns.nr, VSOCK_MAX_CONNS);
	/* One too many, of either side. */
	fd[VSOCK_MAX_CONNS] = vguest_client(&g);
	vguest_settle(&g);
	hears(fd[VSOCK_MAX_CONNS], "");
	vguest_send(&g, VIRTIO_VSOCK_OP_REQUEST, PORT, 99, 0, NULL, 0);
	guest_gets(VIRTIO_VSOCK_OP_RST, PORT, 99);
	/* All of them work: in turns, each gets its byte. */
	for (unsigned int i = 0; i < VSOCK_MAX_CONNS; i++)
		assert_int_equal(send(fd[i], "x", 1, 0), 1);
	for (vguest_settle(&g); vguest_get(&g, &h, &c); nr++)
		assert_int_equal(h.op, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(nr, VSOCK_MAX_CONNS);
	/* The driver resets: they are gone at once, and all of the slots can be used again. */
	board_write(&g.b, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(g.v.conns.nr, 0);
	for (unsigned int i = 0; i <= VSOCK_MAX_CONNS; i++) {
		hears(fd[i], "");
		close(fd[i]);
	}
	vguest_start(&g, g.v.dev.features);
	close(connected_client(&port));
}

/*
 * Each turn raises one interrupt at most, and none for a credit update alone, which is shown at
 * once (vguest_send looks) and told with the next one that there is, or when there are many.
 */
static void interrupts_are_few(void **state)
{
	uint32_t port;
	int fd;

	(void)state;
	board_write(&g.b, VIRTIO_MMIO_STATUS, 0);
	/* Without the event index, an interrupt is wanted for everything. */
	vguest_start(&g, g.v.dev.features & ~(1ull << VIRTIO_RING_F_EVENT_IDX));
	fd = connected_client(&port);
	board_irqs(&g.b);
	vguest_send(&g, VIRTIO_VSOCK_OP_CREDIT_UPDATE, port, PORT, 0, NULL, 0);
	assert_int_equal(board_irqs(&g.b), 0);
	vguest_send(&g, VIRTIO_VSOCK_OP_CREDIT_UPDATE, port, PORT, 0, NULL, 0);
	assert_int_equal(board_irqs(&g.b), 1); /* an eighth of a queue of 16 */
	vguest_send(&g, VIRTIO_VSOCK_OP_CREDIT_UPDATE, port, PORT, 0, NULL, 0);
	assert_int_equal(board_irqs(&g.b), 0);
	say(fd, "x");
	vguest_settle(&g);
	assert_int_equal(board_irqs(&g.b), 1);
	guest_gets(VIRTIO_VSOCK_OP_RW, port, PORT);
	vguest_send(&g, VIRTIO_VSOCK_OP_RW, port, PORT, 0, "y", 1);
	assert_int_equal(board_irqs(&g.b), 1);
	vguest_send(&g, VIRTIO_VSOCK_OP_CREDIT_REQUEST, port, PORT, 0, NULL, 0);
	guest_gets(VIRTIO_VSOCK_OP_CREDIT_UPDATE, port, PORT);
	assert_int_equal(board_irqs(&g.b), 1); /* for both queues */
	close(fd);
}

/* Clients that come before the driver wait for it. */
static void early_clients_wait(void **state)
{
	int fd;

	(void)state;
	board_write(&g.b, VIRTIO_MMIO_STATUS, 0);
	fd = vguest_client(&g);
	say(fd, "CONNECT 1234\n");
	hears(fd, NULL);
	vguest_start(&g, g.v.dev.features);
	guest_gets(VIRTIO_VSOCK_OP_REQUEST, FIRST, PORT);
	close(fd);
}

static void transport_reset(void **state)
{
	const struct vring_desc desc = WRITES(0x9000, 4);
	struct vring_used_elem e;

	(void)state;
	*(uint32_t *)guest_at(&g.b.g, 0x9000, 4) = 0xffffffff;
	assert_int_equal(vsock_transport_reset(&g.v), -EAGAIN);
	driver_chain(&g.event, 0, &desc, 1);
	board_kick(&g.b, 2);
	vguest_settle(&g);
	assert_false(driver_used(&g.event, &e));
	assert_int_equal(vsock_transport_reset(&g.v), 0);
	assert_true(driver_used(&g.event, &e));
	assert_int_equal(e.len, 4);
	assert_int_equal(*(uint32_t *)guest_at(&g.b.g, 0x9000, 4), 0);
	board_write(&g.b, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(vsock_transport_reset(&g.v), -EAGAIN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identity),
		TEST(host_connects),
		TEST(host_ports_go_round),
		TEST(refused_by_the_guest),
		TEST(lines),
		TEST(slow_line),
		TEST(client_leaves_before_its_line),
		TEST(connect_times_out),
		TEST(guest_connects),
		TEST(guest_connects_to_nobody),
		TEST(accepting_fails_for_a_while),
		TEST(strays),
		TEST(broken_rules),
		TEST(data_before_the_answer),
		TEST(malformed_chains),
		TEST(many),
		TEST(early_clients_wait),
		TEST(transport_reset),
		TEST(interrupts_are_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
