// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/nic.h"

#include "tests/lib/require.h"

#include <sys/socket.h>
#include <unistd.h>

void nic_init(struct nic *nic, const struct net_config *c, uint64_t features)
{
	struct net_config plain;
	int pair[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	nic->wire = pair[1];
	plain = *c;
	plain.tap = (struct net_tap){ .fd = pair[0] };
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

void nic_release(struct nic *nic)
{
	board_release(&nic->b);
	close(nic->wire);
}
