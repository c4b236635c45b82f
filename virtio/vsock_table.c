// SPDX-License-Identifier: Apache-2.0
/* Event-loop thread only. */
#include "virtio/vsock_table.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "vmm/gmem.h"
#include "vmm/util.h"

#define FIRST_PORT (1u << 30)
#define NR_PORTS   (1u << 30)
/* Up to slot VSOCK_WIDE_CONNS a wide one each, then narrow ones. */
#define WIDE_LEN    ((size_t)(VSOCK_WIDE_CONNS + 1) * VSOCK_BUF_LEN)
#define BUFFERS_LEN (WIDE_LEN + (size_t)(VSOCK_MAX_CONNS - VSOCK_WIDE_CONNS) * VSOCK_BUF_NARROW)

_Static_assert((VSOCK_SLOTS & (VSOCK_SLOTS - 1)) == 0, "buckets are chosen by a mask");
_Static_assert((VSOCK_BUF_LEN & (VSOCK_BUF_LEN - 1)) == 0 &&
		       (VSOCK_BUF_NARROW & (VSOCK_BUF_NARROW - 1)) == 0,
	       "the buffers wrap by a mask");

static void *reserve(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int vsock_table_init(struct vsock_conns *s, struct err *e)
{
	int r;

	s->next_port = FIRST_PORT;
	s->listener.fd = s->timer.fd = -1;
	s->m = reserve(sizeof(*s->m));
	s->buffers = s->m ? reserve(BUFFERS_LEN) : NULL;
	s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (!s->m || !s->buffers || s->timer_fd < 0) {
		r = s->m && s->buffers ? -errno : -ENOMEM;
		vsock_table_release(s);
		return err_sys(e, r, "vsock: connection table");
	}
	/* One waiting byte must not cost 2 MiB. */
	madvise(s->buffers, BUFFERS_LEN, MADV_NOHUGEPAGE);
	return 0;
}

void vsock_table_release(struct vsock_conns *s)
{
	if (s->m)
		munmap(s->m, sizeof(*s->m));
	if (s->buffers)
		munmap(s->buffers, BUFFERS_LEN);
	if (s->timer_fd >= 0)
		close(s->timer_fd);
	s->m = NULL;
	s->buffers = NULL;
	s->timer_fd = -1;
}

/* ---- slots ---------------------------------------------------------------------------------- */

static uint16_t slot_of(const struct vsock_conn *c)
{
	return (uint16_t)(c - c->owner->m->conn);
}

struct vsock_conn *vsock_conn_new(struct vsock_conns *s, int fd)
{
	uint16_t slot = s->free;
	struct vsock_conn *c;

	if (slot != 0)
		s->free = s->m->conn[slot].chain;
	else if (s->fresh < VSOCK_MAX_CONNS)
		slot = ++s->fresh;
	else
		return NULL;
	c = &s->m->conn[slot];
	memset(c, 0, sizeof(*c));
	c->owner = s;
	c->fd = fd;
	c->source.fd = -1;
	s->nr++;
	c->window = slot <= VSOCK_WIDE_CONNS ? VSOCK_BUF_LEN : VSOCK_BUF_NARROW;
	return c;
}

void vsock_conn_free(struct vsock_conn *c)
{
	struct vsock_conns *s = c->owner;

	vsock_unhash(c);
	vsock_list_del(c, VSOCK_READY);
	vsock_list_del(c, VSOCK_TIMED);
	c->state = VSOCK_FREE;
	c->chain = s->free;
	s->free = slot_of(c);
	s->nr--;
}

/* ---- look-up -------------------------------------------------------------------------------- */

static uint16_t *bucket_of(struct vsock_conns *s, uint32_t host_port, uint32_t guest_port)
{
	/* A guest that aims at one bucket makes its own packets slow. */
	uint64_t key = ((uint64_t)host_port << 32 | guest_port) * 0x9e3779b97f4a7c15ull;

	return &s->m->bucket[key >> 48 & (VSOCK_SLOTS - 1)];
}

struct vsock_conn *vsock_find(struct vsock_conns *s, uint32_t host_port, uint32_t guest_port)
{
	uint16_t slot = *bucket_of(s, host_port, guest_port);

	while (slot != 0) {
		struct vsock_conn *c = &s->m->conn[slot];

		if (c->host_port == host_port && c->guest_port == guest_port)
			return c;
		slot = c->chain;
	}
	return NULL;
}

void vsock_hash(struct vsock_conn *c)
{
	uint16_t *bucket = bucket_of(c->owner, c->host_port, c->guest_port);

	c->chain = *bucket;
	*bucket = slot_of(c);
	c->hashed = true;
}

void vsock_unhash(struct vsock_conn *c)
{
	uint16_t *at;

	if (!c->hashed)
		return;
	at = bucket_of(c->owner, c->host_port, c->guest_port);
	while (*at != slot_of(c))
		at = &c->owner->m->conn[*at].chain;
	*at = c->chain;
	c->hashed = false;
}

uint32_t vsock_new_port(struct vsock_conns *s, uint32_t guest_port)
{
	uint32_t port;

	/* It ends: there are more ports than connections. */
	do {
		port = s->next_port;
		s->next_port = FIRST_PORT + (port - FIRST_PORT + 1) % NR_PORTS;
	} while (vsock_find(s, port, guest_port));
	return port;
}

/* ---- lists ---------------------------------------------------------------------------------- */

void vsock_list_add(struct vsock_conn *c, enum vsock_list l)
{
	struct vsock_conn *conn = c->owner->m->conn;
	uint16_t slot = slot_of(c);
	uint16_t last = conn[0].link[l].prev;

	if (c->on_list & 1u << l)
		return;
	c->on_list |= (uint8_t)(1u << l);
	c->link[l].prev = last;
	c->link[l].next = 0;
	conn[last].link[l].next = slot;
	conn[0].link[l].prev = slot;
}

void vsock_list_del(struct vsock_conn *c, enum vsock_list l)
{
	struct vsock_conn *conn = c->owner->m->conn;

	if (!(c->on_list & 1u << l))
		return;
	c->on_list &= (uint8_t) ~(1u << l);
	conn[c->link[l].prev].link[l].next = c->link[l].next;
	conn[c->link[l].next].link[l].prev = c->link[l].prev;
}

struct vsock_conn *vsock_list_first(const struct vsock_conns *s, enum vsock_list l)
{
	uint16_t slot = s->m->conn[0].link[l].next;

	return slot != 0 ? &s->m->conn[slot] : NULL;
}

/* ---- time-outs ------------------------------------------------------------------------------ */

uint64_t vsock_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void vsock_timer_arm(struct vsock_conns *s)
{
	const struct vsock_conn *c = vsock_list_first(s, VSOCK_TIMED);
	uint64_t at = c ? c->deadline_ns : vsock_now_ns() + VSOCK_TIMEOUT_NS;
	struct itimerspec when = { .it_value = { .tv_sec = (time_t)(at / 1000000000u),
						 .tv_nsec = (long)(at % 1000000000u) } };

	/* It cannot fail: the time is a valid one and the descriptor is ours. */
	s->timer_armed = timerfd_settime(s->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0;
}

void vsock_timeout_start(struct vsock_conn *c)
{
	vsock_list_del(c, VSOCK_TIMED);
	c->deadline_ns = vsock_now_ns() + VSOCK_TIMEOUT_NS;
	vsock_list_add(c, VSOCK_TIMED);
	/* A timer that is armed fires no later than this, and looks for what comes next. */
	if (!c->owner->timer_armed)
		vsock_timer_arm(c->owner);
}

void vsock_timeout_stop(struct vsock_conn *c)
{
	vsock_list_del(c, VSOCK_TIMED);
}

/* ---- buffers -------------------------------------------------------------------------------- */

static uint8_t *buf_of(const struct vsock_conn *c)
{
	size_t slot = slot_of(c);

	if (slot <= VSOCK_WIDE_CONNS)
		return c->owner->buffers + slot * VSOCK_BUF_LEN;
	return c->owner->buffers + WIDE_LEN + (slot - VSOCK_WIDE_CONNS - 1) * VSOCK_BUF_NARROW;
}

void vsock_buf_put(struct vsock_conn *c, const struct iovec *iov)
{
	guest_ram void *from = (guest_ram void *)iov->iov_base;
	size_t left = iov->iov_len;

	c->buf_touched = true;
	while (left != 0) {
		uint32_t at = (c->buf_head + c->buf_len) & (c->window - 1);
		size_t part = min_u64(left, c->window - at);

		gmem_ldcpy(buf_of(c) + at, from, part);
		from = gmem_off(from, part);
		c->buf_len += (uint32_t)part;
		left -= part;
	}
}

int vsock_buf_peek(struct vsock_conn *c, struct iovec iov[2])
{
	uint32_t part = (uint32_t)min_u64(c->buf_len, c->window - c->buf_head);

	iov[0] = (struct iovec){ buf_of(c) + c->buf_head, part };
	iov[1] = (struct iovec){ buf_of(c), c->buf_len - part };
	return part < c->buf_len ? 2 : 1;
}

void vsock_buf_drop(struct vsock_conn *c, uint32_t len)
{
	c->buf_len -= len;
	c->buf_head = (c->buf_head + len) & (c->window - 1);
	if (c->buf_len != 0 || !c->buf_touched)
		return;
	c->buf_head = 0;
	c->buf_touched = false;
	madvise(buf_of(c), c->window, MADV_DONTNEED);
}
