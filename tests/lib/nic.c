// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/nic.h"

#include "tests/lib/require.h"
#include "virtio/net_stream.h"
#include "virtio/net_tap.h"

#include <sys/socket.h>
#include <unistd.h>

static void init(struct nic *nic, const struct net_config *c, uint64_t features, int type,
		 const struct net_backend_ops *ops)
{
	struct net_config plain;
	int pair[2];

	REQUIRE(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	nic->wire = pair[1];
	plain = *c;
	plain.backend = (struct net_backend){ .ops = ops, .fd = pair[0] };
	plain.rx = plain.tx = (struct rate_config){ 0 };
	REQUIRE(net_init(&nic->net, &nic->b.loop, &plain) == 0);
	board_init(&nic->b, &nic->net.dev);
	/* Not before there is a loop. */
	REQUIRE(net_set_rx_limit(&nic->net, &c->rx.bandwidth, &c->rx.ops) == 0);
	REQUIRE(net_set_tx_limit(&nic->net, &c->tx.bandwidth, &c->tx.ops) == 0);
	board_negotiate(&nic->b, features);
	driver_init(&nic->rx, &nic->b.g, NIC_SIZE, 0);
	driver_init(&nic->tx, &nic->b.g, NIC_SIZE, NIC_TX_RINGS);
	board_queue(&nic->b, NIC_RX, &nic->rx.regs);
	board_queue(&nic->b, NIC_TX, &nic->tx.regs);
	board_driver_ok(&nic->b);
}

void nic_init(struct nic *nic, const struct net_config *c, uint64_t features)
{
	init(nic, c, features, SOCK_SEQPACKET, &net_tap_ops);
}

void nic_init_stream(struct nic *nic, const struct net_config *c, uint64_t features)
{
	init(nic, c, features, SOCK_STREAM, &net_stream_ops);
}

void nic_release(struct nic *nic)
{
	board_release(&nic->b);
	close(nic->wire);
}
