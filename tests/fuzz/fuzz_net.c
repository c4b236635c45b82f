// SPDX-License-Identifier: Apache-2.0
/*
 * Both queues of a network device. Input: a byte of flags, then guest memory from address 0, where
 * the rings lie (tests/lib/nic.h). Frames of several lengths come in meanwhile, and what the guest
 * sends is taken. Whatever the rings hold, no chain is lost, and the device lives.
 */
#include "virtio/net.h"

#include "tests/lib/nic.h"
#include "tests/lib/require.h"

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <unistd.h>

enum {
	MERGEABLE = 1,
	EVENT_IDX = 2,
	INDIRECT = 4,
	LIMITED = 8,
	STOP = 16,   /* the receive queue, half-way */
	SETTLE = 32, /* before that: nothing is in flight then */
	STREAM = 64, /* frames come and go over a stream, in parts */
};

static void check_queue(const struct nic *nic, unsigned int q, unsigned int held)
{
	const struct virtq *vq = &nic->net.dev.vq[q];

	REQUIRE(!vq->enabled || vq->fault != VIRTQ_OK || vq->nr_in_flight == held);
	REQUIRE(!vq->enabled || vq->fault != VIRTQ_OK || vq->published == vq->next_used);
}

static void check(const struct nic *nic)
{
	const struct net_rx *rx = &nic->net.rx;
	uint64_t room = 0;
	uint32_t nr_iov = 0;

	for (unsigned int i = rx->first; i < rx->end; i++) {
		nr_iov += rx->buffer[i].nr_iov;
		if (rx->buffer[i].nr_iov != 0)
			room += rx->buffer[i].len;
	}
	REQUIRE(nr_iov == (uint32_t)(rx->end_iov - rx->first_iov) && rx->end_iov <= NET_RX_IOV);
	REQUIRE(room == rx->room && rx->end <= VIRTQ_SIZE_MAX);
	REQUIRE(rx->spill_len <= rx->frame_len && rx->frame_len <= NET_FRAME_MAX);
	check_queue(nic, NIC_RX, (unsigned int)(rx->end - rx->first));
	check_queue(nic, NIC_TX, nic->net.tx_held);
	REQUIRE(!nic->net.dead);
}

/* Frames in a stream, each cut in two. */
static void stream_in(struct nic *nic, const uint8_t *bytes, uint32_t len)
{
	uint8_t prefix[] = { 0, 0, (uint8_t)(len >> 8), (uint8_t)len };

	if (len < 14 || write(nic->wire, prefix, sizeof(prefix)) < 0 ||
	    write(nic->wire, bytes, len / 2) < 0)
		return;
	board_pump(&nic->b);
	if (write(nic->wire, bytes, len - len / 2) < 0)
		return;
	board_pump(&nic->b);
}

static void traffic(struct nic *nic, bool stream)
{
	static const uint16_t lengths[] = { 60, 12, 1, 1526, 9000, 65000 };
	static uint8_t bytes[NET_FRAME_MAX];

	for (unsigned int i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		if (stream)
			stream_in(nic, bytes, lengths[i]);
		else if (write(nic->wire, bytes, lengths[i]) < 0)
			break;
	}
	board_kick(&nic->b, NIC_TX);
	board_kick(&nic->b, NIC_RX);
	board_pump(&nic->b);
	check(nic);
	while (read(nic->wire, bytes, sizeof(bytes)) > 0)
		;
	board_pump(&nic->b);
	check(nic);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct net_config c = { .has_mac = true };
	uint64_t features = 1ull << VIRTIO_F_VERSION_1;
	static struct nic nic;

	if (len == 0)
		return 0;
	if (data[0] & MERGEABLE)
		features |= 1ull << VIRTIO_NET_F_MRG_RXBUF;
	if (data[0] & EVENT_IDX)
		features |= 1ull << VIRTIO_RING_F_EVENT_IDX;
	if (data[0] & INDIRECT)
		features |= 1ull << VIRTIO_RING_F_INDIRECT_DESC;
	if (data[0] & LIMITED)
		c.rx.ops = c.tx.ops = (struct rate_bucket_config){ 2, 1, 1 };
	if (data[0] & STREAM)
		nic_init_stream(&nic, &c, features);
	else
		nic_init(&nic, &c, features);
	guest_fill(&nic.b.g, data + 1, len - 1);
	traffic(&nic, data[0] & STREAM);
	if (data[0] & SETTLE) {
		vmmio_settle(&nic.b.t);
		check_queue(&nic, NIC_RX, 0);
		check_queue(&nic, NIC_TX, 0);
		check(&nic);
	}
	if (data[0] & STOP) {
		board_write(&nic.b, 0x30, NIC_RX);
		board_write(&nic.b, 0x44, 0);
	}
	traffic(&nic, data[0] & STREAM);
	board_check(&nic.b);
	nic_release(&nic);
	return 0;
}
