// SPDX-License-Identifier: Apache-2.0
/* Event-loop thread only. */
#include "virtio/vsock_conn.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virtio/vsock_host.h"
#include "vmm/log.h"
#include "vmm/mutants.h"
#include "vmm/util.h"

#define HEADER sizeof(struct virtio_vsock_hdr)

_Static_assert(HEADER == 44, "packet header, virtio 1.2 §5.10.6");

/* ---- life ----------------------------------------------------------------------------------- */

static void owe(struct vsock_conn *c, enum virtio_vsock_op op)
{
	c->pending |= (uint16_t)(1u << op);
}

static bool owes(const struct vsock_conn *c, enum virtio_vsock_op op)
{
	return c->pending & 1u << op;
}

/* Bytes that the guest has room for, by its own account. */
static uint32_t guest_room(const struct vsock_conn *c)
{
	uint32_t under_way = c->sent - c->guest_fwd;

	/* More under way than the buffer holds: it shrank, or the guest lies. It has no room. */
	return MUT_GUEST_ROOM(under_way < c->guest_buf ? c->guest_buf - under_way : 0);
}

static bool can_read(const struct vsock_conn *c)
{
	return c->state == VSOCK_OPEN && c->readable &&
	       !(c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) &&
	       !(c->host_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) && guest_room(c) != 0;
}

/* To be called after every change: is it the guest's turn to hear of this connection? */
static void update_ready(struct vsock_conn *c)
{
	if (c->pending != 0 || can_read(c))
		vsock_list_add(c, VSOCK_READY);
	else
		vsock_list_del(c, VSOCK_READY);
}

/* Nothing of the connection is left when the socket is closed and the guest knows. */
static void reap(struct vsock_conn *c)
{
	if (c->fd >= 0 || c->pending != 0) {
		update_ready(c);
		return;
	}
	c->owner->count.conns_removed++;
	vsock_conn_free(c);
}

/* Ends the connection on the host's side; the guest is told by a reset if it must be. */
static void end(struct vsock_conn *c, bool tell)
{
	/* What the guest has not heard of, or knows the end of, needs no reset. */
	tell = tell && c->hashed && !owes(c, VIRTIO_VSOCK_OP_REQUEST);
	vsock_host_close(c);
	vsock_timeout_stop(c);
	c->state = VSOCK_DYING;
	c->pending = 0;
	if (tell)
		owe(c, VIRTIO_VSOCK_OP_RST);
	reap(c);
}

static void kill_conn(struct vsock_conn *c, bool tell)
{
	c->owner->count.conns_killed++;
	end(c, tell);
}

/* The guest broke the rules of this connection. */
static void violation(struct vsock_conn *c, const char *what)
{
	c->owner->count.bad_packets++;
	log_guest("vsock: port %u of the guest: %s: connection reset", c->guest_port, what);
	kill_conn(c, true);
}

/* The host's side does less from now on: `flags` of enum virtio_vsock_shutdown. */
static void host_shut(struct vsock_conn *c, uint8_t flags)
{
	if ((c->host_shut & flags) == flags)
		return;
	c->host_shut |= flags;
	if (flags & VIRTIO_VSOCK_SHUTDOWN_RCV) {
		/* What nobody will read is done with. */
		c->forwarded += c->buf_len;
		vsock_buf_drop(c, c->buf_len);
	}
	if (c->state == VSOCK_OPEN)
		owe(c, VIRTIO_VSOCK_OP_SHUTDOWN);
}

/* ---- towards the host ----------------------------------------------------------------------- */

/* The guest is told of new room when it knows of little, and a little more would not help it. */
static void consider_credit(struct vsock_conn *c)
{
	uint32_t under_way = c->received - c->forwarded_told;
	uint32_t known = under_way < c->window ? c->window - under_way : 0;
	uint32_t gain = c->forwarded - c->forwarded_told;

	if (c->state == VSOCK_OPEN && known < VSOCK_CREDIT_STEP && gain != 0 &&
	    (gain >= VSOCK_CREDIT_STEP || c->buf_len == 0))
		owe(c, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
}

/* What follows a write into the socket: 0 or more bytes, or its -errno. False: it is over. */
static bool after_write(struct vsock_conn *c, ssize_t n, uint64_t *fails)
{
	if (n >= 0 || n == -EAGAIN || n == -EINTR)
		return true;
	++*fails;
	if (n == -EPIPE) {
		host_shut(c, VIRTIO_VSOCK_SHUTDOWN_RCV);
		return true;
	}
	kill_conn(c, true);
	return false;
}

/* The buffer has run empty, and all that waited for that goes ahead. */
static void drained(struct vsock_conn *c)
{
	vsock_host_want_out(c, false);
	if (c->state == VSOCK_DRAINING)
		vsock_host_close(c);
	else if (c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND)
		shutdown(c->fd, SHUT_WR);
}

/* Hands on what is in the buffer. */
static void flush(struct vsock_conn *c)
{
	struct iovec iov[2];
	ssize_t n;

	if (c->buf_len == 0)
		return;
	n = vsock_host_send(c, iov, vsock_buf_peek(c, iov));
	if (!after_write(c, n, &c->owner->count.tx_flush_fails))
		return;
	if (n > 0) {
		c->forwarded += (uint32_t)n;
		vsock_buf_drop(c, (uint32_t)n);
		if (c->state == VSOCK_DRAINING)
			vsock_timeout_start(c);
	}
	if (c->buf_len == 0)
		drained(c);
	consider_credit(c);
}

/* Copies the segments [off, off + len) of a span, which has that many bytes; returns their number.
 */
static int slice(const struct iov_span *s, uint64_t off, uint64_t len, struct iovec *out)
{
	int nr = 0;

	for (const struct iovec *v = s->iov; len != 0; v++) {
		uint64_t part;

		if (off >= v->iov_len) {
			off -= v->iov_len;
			continue;
		}
		part = min_u64(v->iov_len - off, len);
		out[nr++] = (struct iovec){ (uint8_t *)v->iov_base + off, part };
		off = 0;
		len -= part;
	}
	return nr;
}

static void guest_data(struct vsock_conn *c, uint32_t len, const struct iov_span *payload)
{
	struct vsock_conns *s = c->owner;
	ssize_t n = 0;

	if (MUT_PACKET_BAD(len > payload->len || len > VSOCK_PACKET_MAX)) {
		violation(c, "packet longer than its buffer");
		return;
	}
	if (c->state != VSOCK_OPEN || c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) {
		violation(c, "data on a connection that is not open");
		return;
	}
	if (MUT_NO_CREDIT(len > c->window - c->buf_len)) {
		violation(c, "more data than it had credit for");
		return;
	}
	c->received += len;
	s->count.tx_bytes_count += len;
	if (c->buf_len == 0 && len != 0 && !(c->host_shut & VIRTIO_VSOCK_SHUTDOWN_RCV)) {
		n = vsock_host_send(c, s->m->iov, slice(payload, 0, len, s->m->iov));
		if (!after_write(c, n, &s->count.tx_write_fails))
			return;
		n = n < 0 ? 0 : n;
	}
	if (c->host_shut & VIRTIO_VSOCK_SHUTDOWN_RCV)
		n = len;
	c->forwarded += (uint32_t)n;
	if (n < len) {
		int nr = slice(payload, (uint64_t)n, len - (uint64_t)n, s->m->iov);

		for (int i = 0; i < nr; i++)
			vsock_buf_put(c, &s->m->iov[i]);
		vsock_host_want_out(c, true);
	}
	consider_credit(c);
}

/* ---- what the host does --------------------------------------------------------------------- */

void vsock_conn_event(struct vsock_conn *c, uint32_t events)
{
	if (events & EPOLLOUT)
		flush(c);
	if (c->state == VSOCK_FREE)
		return;
	if (events & ~(uint32_t)EPOLLOUT)
		c->readable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->ended = true;
	/* The other end is closed. It may have left bytes for the guest, but takes none. */
	if (events & EPOLLHUP && c->state == VSOCK_OPEN)
		host_shut(c, VIRTIO_VSOCK_SHUTDOWN_RCV);
	if (events & EPOLLHUP && c->state == VSOCK_DRAINING)
		kill_conn(c, true);
	else
		reap(c);
}

void vsock_conn_request(struct vsock_conn *c, uint32_t port)
{
	c->guest_port = port;
	c->host_port = vsock_new_port(c->owner, port);
	vsock_hash(c);
	c->state = VSOCK_REQUESTED;
	/* What followed the line has made its event already. */
	c->readable = MUT_AFTER_LINE(true);
	c->owner->count.conns_added++;
	owe(c, VIRTIO_VSOCK_OP_REQUEST);
	vsock_timeout_start(c);
	update_ready(c);
}

void vsock_conn_expire(struct vsock_conn *c)
{
	kill_conn(c, true);
}

/* ---- the guest's packets -------------------------------------------------------------------- */

/* A reset for a packet that belongs to no connection. */
static void answer_reset(struct vsock_conns *s, const struct virtio_vsock_hdr *h)
{
	/* Room is made by what waits being sent; a guest that gives no buffers hears less. */
	if (s->nr_orphans == VSOCK_MAX_ORPHANS)
		s->wake(s);
	if (s->nr_orphans == VSOCK_MAX_ORPHANS) {
		s->count.orphans_dropped++;
		return;
	}
	s->m->orphan[(s->orphan_head + s->nr_orphans) % VSOCK_MAX_ORPHANS] = (struct vsock_orphan){
		.host_port = h->dst_port,
		.guest_port = h->src_port,
		.type = h->type,
	};
	s->nr_orphans++;
}

static void take_credit(struct vsock_conn *c, const struct virtio_vsock_hdr *h)
{
	c->guest_buf = h->buf_alloc;
	c->guest_fwd = h->fwd_cnt;
}

/* The guest connects to a port of the host. */
static void guest_connects(struct vsock_conns *s, const struct virtio_vsock_hdr *h)
{
	struct vsock_conn *c = NULL;
	int fd = -EMFILE;

	if (s->nr < VSOCK_MAX_CONNS)
		fd = vsock_uds_connect(&s->uds, h->dst_port);
	if (fd >= 0)
		c = vsock_host_adopt(s, fd);
	if (!c) {
		s->count.conns_refused++;
		answer_reset(s, h);
		return;
	}
	c->state = VSOCK_OPEN;
	c->host_port = h->dst_port;
	c->guest_port = h->src_port;
	take_credit(c, h);
	vsock_hash(c);
	s->count.conns_added++;
	owe(c, VIRTIO_VSOCK_OP_RESPONSE);
	update_ready(c);
}

/* The guest accepts a connection of the host's. */
static void guest_accepts(struct vsock_conn *c)
{
	char line[VSOCK_LINE_MAX];
	struct iovec iov = { .iov_base = line };
	ssize_t n;

	if (c->state != VSOCK_REQUESTED || owes(c, VIRTIO_VSOCK_OP_REQUEST)) {
		violation(c, "response to nothing");
		return;
	}
	vsock_timeout_stop(c);
	c->state = VSOCK_OPEN;
	iov.iov_len = (size_t)snprintf(line, sizeof(line), "OK %u\n", c->host_port);
	n = vsock_host_send(c, &iov, 1);
	/* A client that is gone is found out by reading; a socket without room for this is no good.
	 */
	if (n != (ssize_t)iov.iov_len && n != -EPIPE)
		kill_conn(c, true);
	else if (n < 0)
		host_shut(c, VIRTIO_VSOCK_SHUTDOWN_RCV);
}

static void guest_shuts(struct vsock_conn *c, uint32_t flags)
{
	const uint8_t both = VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND;

	if (c->state != VSOCK_OPEN) {
		kill_conn(c, true);
		return;
	}
	c->guest_shut |= flags & both;
	if (c->guest_shut == both) {
		if (c->buf_len == 0) {
			end(c, true);
			return;
		}
		/* The guest is done; the host has yet to take its last bytes, if it goes on. */
		c->state = VSOCK_DRAINING;
		c->pending = 0;
		owe(c, VIRTIO_VSOCK_OP_RST);
		vsock_timeout_start(c);
		return;
	}
	if (c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND && c->buf_len == 0)
		shutdown(c->fd, SHUT_WR);
	if (c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV)
		shutdown(c->fd, SHUT_RD);
}

/* A packet for connection `c`, which may be gone afterwards. */
static void dispatch(struct vsock_conn *c, const struct virtio_vsock_hdr *h,
		     const struct iov_span *payload)
{
	switch (h->op) {
	case VIRTIO_VSOCK_OP_RESPONSE:
		guest_accepts(c);
		break;
	case VIRTIO_VSOCK_OP_RST:
		kill_conn(c, false);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		guest_shuts(c, h->flags);
		break;
	case VIRTIO_VSOCK_OP_RW:
		guest_data(c, h->len, payload);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break; /* its header said it all */
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		owe(c, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
		break;
	default: /* among them a second request */
		violation(c, "unexpected packet");
	}
}

void vsock_conns_receive(struct vsock_conns *s, const struct virtio_vsock_hdr *h,
			 const struct iov_span *payload)
{
	struct vsock_conn *c;

	s->count.tx_packets_count++;
	if (h->src_cid != s->guest_cid || h->dst_cid != VMADDR_CID_HOST) {
		s->count.bad_packets++; /* §5.10.6.4.1: there is nobody else here */
		return;
	}
	c = h->type == VIRTIO_VSOCK_TYPE_STREAM ? vsock_find(s, h->dst_port, h->src_port) : NULL;
	if (c) {
		/* The guest will hear of the end; what it still sent crossed that on its way. */
		if (c->state == VSOCK_DYING || c->state == VSOCK_DRAINING)
			return;
		take_credit(c, h);
		dispatch(c, h, payload);
		if (c->state != VSOCK_FREE)
			update_ready(c);
	} else if (h->type == VIRTIO_VSOCK_TYPE_STREAM && h->op == VIRTIO_VSOCK_OP_REQUEST) {
		guest_connects(s, h);
	} else if (MUT_NOT_RESET(h->op != VIRTIO_VSOCK_OP_RST)) {
		answer_reset(s, h);
	}
}

/* ---- packets for the guest ------------------------------------------------------------------ */

bool vsock_conns_pending(const struct vsock_conns *s)
{
	return s->nr_orphans != 0 || vsock_list_first(s, VSOCK_READY);
}

/* Reads from the socket into the guest's buffers, behind the headers. Returns the number of bytes.
 */
static uint32_t read_payload(struct vsock_conn *c, const struct iov_span *room, unsigned int nr)
{
	struct iovec *iov = c->owner->m->iov;
	uint64_t want = 0;
	bool all = false;
	uint64_t most;
	int nr_iov = 0;
	ssize_t n;

	if (!can_read(c))
		return 0;
	most = min_u64(guest_room(c), VSOCK_PACKET_MAX);
	for (unsigned int i = 0; i < nr && want < most; i++) {
		uint64_t part = min_u64(room[i].len - HEADER, most - want);

		nr_iov += slice(&room[i], HEADER, part, iov + nr_iov);
		want += part;
	}
	n = vsock_host_receive(c, iov, nr_iov, &all);
	if (n > 0) {
		c->sent += (uint32_t)n;
		c->owner->count.rx_bytes_count += (uint64_t)n;
		/* The next bytes to come make a new event; the end has had its own already. */
		if (all && (uint64_t)n < want && MUT_NOT_ENDED(!c->ended))
			c->readable = false;
		return (uint32_t)n;
	}
	if (n == 0) {
		c->readable = false;
		host_shut(c, VIRTIO_VSOCK_SHUTDOWN_SEND);
	} else if (n == -EAGAIN) {
		c->readable = false;
	} else if (n != -EINTR) {
		c->owner->count.rx_read_fails++;
		kill_conn(c, true);
	}
	return 0;
}

/* The first of these packets that is owed to the guest. */
static uint16_t first_owed(const struct vsock_conn *c, const uint16_t *op, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		if (owes(c, op[i]))
			return op[i];
	}
	return VIRTIO_VSOCK_OP_INVALID;
}

static void fill(struct vsock_conn *c, struct virtio_vsock_hdr *h, uint16_t op, uint32_t len)
{
	*h = (struct virtio_vsock_hdr){
		.src_cid = VMADDR_CID_HOST,
		.dst_cid = c->owner->guest_cid,
		.src_port = c->host_port,
		.dst_port = c->guest_port,
		.len = len,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.flags = op == VIRTIO_VSOCK_OP_SHUTDOWN ? c->host_shut : 0,
		.buf_alloc = c->window,
		.fwd_cnt = c->forwarded,
	};
	c->forwarded_told = c->forwarded;
	/* Every header tells the credit. */
	c->pending &= (uint16_t) ~(1u << op | 1u << VIRTIO_VSOCK_OP_CREDIT_UPDATE);
}

/* The guest gets this packet: what follows from that. */
static void after_packet(struct vsock_conn *c, uint16_t op)
{
	const uint8_t both = VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND;

	if (op == VIRTIO_VSOCK_OP_RST) {
		vsock_unhash(c); /* the guest may use the pair of ports again */
		c->pending = 0;
	}
	if (op == VIRTIO_VSOCK_OP_SHUTDOWN && c->host_shut == both)
		vsock_timeout_start(c);
	/* Behind all others that are waiting. */
	vsock_list_del(c, VSOCK_READY);
	reap(c);
}

/* The headers of `len` bytes that were read into `room`; returns their number. */
static unsigned int fill_data(struct vsock_conn *c, struct virtio_vsock_hdr *h,
			      const struct iov_span *room, uint32_t len)
{
	unsigned int nr = 0;

	while (len != 0) {
		uint32_t part = (uint32_t)min_u64(len, room[nr].len - HEADER);

		fill(c, &h[nr++], VIRTIO_VSOCK_OP_RW, part);
		len -= part;
	}
	return nr;
}

/* The packets of one connection; 0: it had none. */
static unsigned int next_of(struct vsock_conn *c, struct virtio_vsock_hdr *h,
			    const struct iov_span *room, unsigned int nr)
{
	static const uint16_t before_data[] = { VIRTIO_VSOCK_OP_RST, VIRTIO_VSOCK_OP_REQUEST,
						VIRTIO_VSOCK_OP_RESPONSE };
	static const uint16_t after_data[] = { VIRTIO_VSOCK_OP_RST, VIRTIO_VSOCK_OP_SHUTDOWN,
					       VIRTIO_VSOCK_OP_CREDIT_UPDATE };
	uint16_t op = first_owed(c, before_data, ARRAY_SIZE(before_data));
	uint32_t len = 0;

	if (op == VIRTIO_VSOCK_OP_INVALID) {
		len = read_payload(c, room, nr);
		if (c->state == VSOCK_FREE)
			return 0;
		op = len != 0 ? VIRTIO_VSOCK_OP_RW
			      : first_owed(c, after_data, ARRAY_SIZE(after_data));
	}
	if (op == VIRTIO_VSOCK_OP_INVALID) {
		update_ready(c);
		return 0;
	}
	if (len != 0) {
		nr = fill_data(c, h, room, len);
	} else {
		fill(c, h, op, 0);
		nr = 1;
	}
	after_packet(c, op);
	return nr;
}

unsigned int vsock_conns_next(struct vsock_conns *s, struct virtio_vsock_hdr *h,
			      const struct iov_span *room, unsigned int nr)
{
	struct vsock_conn *c;
	unsigned int found = 0;

	if (s->nr_orphans != 0) {
		const struct vsock_orphan *o = &s->m->orphan[s->orphan_head];

		*h = (struct virtio_vsock_hdr){
			.src_cid = VMADDR_CID_HOST,
			.dst_cid = s->guest_cid,
			.src_port = o->host_port,
			.dst_port = o->guest_port,
			.type = o->type,
			.op = VIRTIO_VSOCK_OP_RST,
		};
		s->orphan_head = (uint16_t)((s->orphan_head + 1) % VSOCK_MAX_ORPHANS);
		s->nr_orphans--;
		found = 1;
	}
	while (found == 0 && (c = vsock_list_first(s, VSOCK_READY)))
		found = next_of(c, h, room, nr);
	s->count.rx_packets_count += found;
	return found;
}
