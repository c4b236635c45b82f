// SPDX-License-Identifier: Apache-2.0
/* Event-loop thread only. */
#include "virtio/vsock_host.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virtio/vsock_conn.h"
#include "vmm/log.h"

/* Clients accepted in one go, so that others get their turn. */
#define ACCEPT_BATCH 16

/* ---- sockets -------------------------------------------------------------------------------- */

ssize_t vsock_host_send(const struct vsock_conn *c, struct iovec *iov, int nr)
{
	struct msghdr m = { .msg_iov = iov };
	ssize_t n;

	m.msg_iovlen = (__typeof__(m.msg_iovlen))nr;
	n = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

ssize_t vsock_host_receive(const struct vsock_conn *c, struct iovec *iov, int nr, bool *all)
{
	struct msghdr m = { .msg_iov = iov };
	ssize_t n;

	m.msg_iovlen = (__typeof__(m.msg_iovlen))nr;
	n = recvmsg(c->fd, &m, MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	/* The kernel stops behind bytes that came with descriptors, which it drops for us. */
	*all = !(m.msg_flags & MSG_CTRUNC);
	return n;
}

/* A client that does not come to have a connection. */
static void refuse(struct vsock_conn *c)
{
	c->owner->count.conns_refused++;
	vsock_host_close(c);
	vsock_conn_free(c);
}

/*
 * Takes in what there is of a CONNECT line and not one byte more: what follows it is for the guest.
 * 1 = there is a whole line, 0 = not yet, -errno = there will be none.
 */
static int read_line(struct vsock_conn *c)
{
	while (c->line_len < VSOCK_LINE_MAX) {
		char *at = c->line + c->line_len;
		size_t room = VSOCK_LINE_MAX - c->line_len;
		ssize_t n = recv(c->fd, at, room, MSG_PEEK | MSG_DONTWAIT);
		const char *end;
		size_t take;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		end = memchr(at, '\n', (size_t)n);
		take = end ? (size_t)(end - at) + 1 : (size_t)n;
		n = recv(c->fd, at, take, MSG_DONTWAIT);
		if (n != (ssize_t)take)
			return -EIO;
		c->line_len = (uint8_t)(c->line_len + take);
		if (end)
			return 1;
	}
	return -EMSGSIZE;
}

static void on_client(struct vsock_conn *c)
{
	uint32_t port;
	int r = read_line(c);

	if (r == 0)
		return;
	if (r < 0 || vsock_uds_parse(c->line, c->line_len, &port) < 0)
		refuse(c);
	else
		vsock_conn_request(c, port);
}

static void on_socket(void *ctx, uint32_t events)
{
	struct vsock_conn *c = ctx;
	struct vsock_conns *s = c->owner;

	if (c->state == VSOCK_LINE)
		on_client(c);
	else
		vsock_conn_event(c, events);
	s->wake(s);
}

static int watch(struct vsock_conn *c)
{
	uint32_t events = EPOLLIN | EPOLLRDHUP | EPOLLET | (c->want_out ? EPOLLOUT : 0);

	return ev_add(c->owner->loop, &c->source, c->fd, events, on_socket, c);
}

struct vsock_conn *vsock_host_adopt(struct vsock_conns *s, int fd)
{
	struct vsock_conn *c = s->loop ? vsock_conn_new(s, fd) : NULL;

	if (!c) {
		close(fd);
		return NULL;
	}
	if (watch(c) < 0) {
		s->count.muxer_event_fails++;
		vsock_host_close(c);
		vsock_conn_free(c);
		return NULL;
	}
	return c;
}

void vsock_host_want_out(struct vsock_conn *c, bool want)
{
	if (c->want_out == want)
		return;
	c->want_out = want;
	ev_del(c->owner->loop, &c->source);
	/* Watched anew, it tells at once what it is ready for: nothing is missed. */
	if (watch(c) == 0)
		return;
	c->owner->count.muxer_event_fails++;
	vsock_timeout_start(c); /* nobody hears it any more: its time is up then */
}

/* ---- the listener --------------------------------------------------------------------------- */

static void on_listener(void *ctx, uint32_t events);

/* Deaf for want of descriptors, it listens again when one came free or the timer fires. */
static void listen_again(struct vsock_conns *s)
{
	if (ev_add(s->loop, &s->listener, s->uds.fd, EPOLLIN, on_listener, s) == 0)
		s->deaf = false;
}

static void go_deaf(struct vsock_conns *s)
{
	s->count.muxer_event_fails++;
	s->deaf = true;
	ev_del(s->loop, &s->listener);
	if (!s->timer_armed)
		vsock_timer_arm(s);
}

static void on_listener(void *ctx, uint32_t events)
{
	struct vsock_conns *s = ctx;

	(void)events;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = vsock_uds_accept(&s->uds);
		struct vsock_conn *c;

		if (fd == -EAGAIN)
			break;
		if (fd == -EINTR || fd == -ECONNABORTED)
			continue;
		if (fd < 0) {
			go_deaf(s);
			break;
		}
		c = vsock_host_adopt(s, fd);
		if (!c) {
			s->count.conns_refused++;
			continue;
		}
		c->state = VSOCK_LINE;
		on_client(c); /* clients write at once: there is a line, as a rule */
	}
	s->wake(s);
}

void vsock_host_close(struct vsock_conn *c)
{
	struct vsock_conns *s = c->owner;

	vsock_buf_drop(c, c->buf_len);
	if (c->fd < 0)
		return;
	ev_del(s->loop, &c->source);
	close(c->fd);
	c->fd = -1;
	if (s->deaf)
		listen_again(s);
}

/* ---- time ----------------------------------------------------------------------------------- */

static void on_timer(void *ctx, uint32_t events)
{
	struct vsock_conns *s = ctx;
	uint64_t now = vsock_now_ns();
	struct vsock_conn *c;
	uint64_t count;

	(void)events;
	/* Nothing to read: the timer was set again after it had fired. */
	if (read(s->timer_fd, &count, sizeof(count)) < 0)
		return;
	s->timer_armed = false;
	while ((c = vsock_list_first(s, VSOCK_TIMED)) && c->deadline_ns <= now)
		vsock_conn_expire(c);
	if (s->deaf)
		listen_again(s);
	if (s->deaf || c)
		vsock_timer_arm(s);
	s->wake(s);
}

/* ---- life ----------------------------------------------------------------------------------- */

int vsock_host_start(struct vsock_conns *s, struct evloop *loop)
{
	int r;

	r = ev_add(loop, &s->timer, s->timer_fd, EPOLLIN, on_timer, s);
	if (r < 0)
		return r;
	r = ev_add(loop, &s->listener, s->uds.fd, EPOLLIN, on_listener, s);
	if (r < 0) {
		ev_del(loop, &s->timer);
		return r;
	}
	s->loop = loop;
	return 0;
}

void vsock_host_stop(struct vsock_conns *s)
{
	if (!s->loop)
		return;
	s->deaf = false;
	for (uint32_t i = 1; i <= s->fresh; i++) {
		struct vsock_conn *c = &s->m->conn[i];

		if (c->state == VSOCK_FREE)
			continue;
		vsock_host_close(c);
		vsock_conn_free(c);
		s->count.conns_removed++;
	}
	s->nr_orphans = 0;
	ev_del(s->loop, &s->listener);
	ev_del(s->loop, &s->timer);
	s->loop = NULL;
}
