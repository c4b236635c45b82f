/* SPDX-License-Identifier: Apache-2.0 */
/* A network device on a socket, and a driver: what test_net and test_net_rx share. */
#ifndef MOTE_TESTS_UNIT_NET_CASE_H
#define MOTE_TESTS_UNIT_NET_CASE_H

#include "tests/lib/fault.h"
#include "tests/lib/nic.h"
#include "tests/lib/unit.h"
#include "vmm/util.h"

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <unistd.h>

#define MERGE	(1ull << VIRTIO_NET_F_MRG_RXBUF)
#define VERSION (1ull << VIRTIO_F_VERSION_1)
#define BUF(i)	(GUEST_MID + 0x800ull * (i)) /* receive buffers */
#define TXBUF	GUEST_HIGH

static struct nic nic;
static const struct net_config plain;

static inline int start(const struct net_config *c, uint64_t features)
{
	nic_init(&nic, c, VERSION | features);
	board_pump(&nic.b);
	return 0;
}

static inline int set_up(void **state)
{
	(void)state;
	return start(&plain, MERGE);
}

static inline int tear_down(void **state)
{
	(void)state;
	fault_disarm();
	nic_release(&nic);
	return 0;
}

/* A frame with its header: no two bytes beside each other alike. */
static inline const uint8_t *frame(uint32_t len)
{
	static uint8_t bytes[NET_FRAME_MAX + 100];

	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i < NET_HEADER ? 0 : (uint8_t)(i * 31 + i / 251 + len);
	return bytes;
}

static inline void arrive(uint32_t len)
{
	assert_int_equal(write(nic.wire, frame(len), len), len);
}

static inline void give(uint16_t i, uint64_t gpa, uint32_t len)
{
	const struct vring_desc d = WRITES(gpa, len);

	driver_chain(&nic.rx, i, &d, 1);
}

static inline void kick(unsigned int q)
{
	board_kick(&nic.b, q);
	board_pump(&nic.b);
}

/* The next used element of the receive queue is this. */
static inline void used(uint32_t id, uint32_t len)
{
	struct vring_used_elem e;

	assert_true(driver_used(&nic.rx, &e));
	assert_int_equal(e.id, id);
	assert_int_equal(e.len, len);
}

static inline void none_used(void)
{
	struct vring_used_elem e;

	assert_false(driver_used(&nic.rx, &e));
}

static inline uint16_t num_buffers(uint64_t gpa)
{
	uint16_t n;

	memcpy(&n, guest_at(&nic.b.g, gpa + 10, 2), 2);
	return n;
}

/* Guest memory at `gpa` holds bytes [off, off + len) of a frame. */
static inline void holds(uint64_t gpa, uint32_t frame_len, uint32_t off, uint32_t len)
{
	assert_memory_equal(guest_at(&nic.b.g, gpa, len), frame(frame_len) + off, len);
}

static inline void send_chain(const struct vring_desc *d, uint16_t nr)
{
	driver_chain(&nic.tx, 0, d, nr);
	kick(NIC_TX);
}

static inline unsigned int sent(void)
{
	struct vring_used_elem e;
	unsigned int nr = 0;

	while (driver_used(&nic.tx, &e))
		nr++;
	return nr;
}

static inline void send_simple(uint32_t len)
{
	const struct vring_desc d = READS(TXBUF, len);

	memcpy(guest_at(&nic.b.g, TXBUF, len), frame(len), len);
	send_chain(&d, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define OWN(f)	cmocka_unit_test_teardown(f, tear_down)

#endif
