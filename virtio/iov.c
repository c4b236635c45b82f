// SPDX-License-Identifier: Apache-2.0
/* Event-loop thread only. */
#include "virtio/iov.h"

#include <errno.h>
#include <string.h>

#include "virtio/virtq.h"
#include "vmm/util.h"

struct iov_span iov_readable(struct virtq_chain *c)
{
	return (struct iov_span){ .iov = c->iov, .nr = c->nr_read, .len = c->read_len };
}

struct iov_span iov_writable(struct virtq_chain *c)
{
	return (struct iov_span){ .iov = c->iov + c->nr_read,
				  .nr = c->nr_write,
				  .len = c->write_len };
}

void iov_skip(struct iov_span *s, size_t n)
{
	s->len -= n;
	while (n != 0) {
		size_t part = min_u64(n, s->iov->iov_len);

		n -= part;
		s->iov->iov_base = (uint8_t *)s->iov->iov_base + part;
		s->iov->iov_len -= part;
		if (s->iov->iov_len == 0) {
			s->iov++;
			s->nr--;
		}
	}
}

/* Moves `n` bytes, n <= s->len, between the front of the span and host memory. */
static void move(struct iov_span *s, uint8_t *host, size_t n, void (*copy)(void *, void *, size_t))
{
	while (n != 0) {
		size_t part = min_u64(n, s->iov->iov_len);

		copy(s->iov->iov_base, host, part);
		host += part;
		n -= part;
		iov_skip(s, part);
	}
}

static void from_guest(void *guest, void *host, size_t n)
{
	gmem_ldcpy(host, (const guest_ram void *)guest, n);
}

static void to_guest(void *guest, void *host, size_t n)
{
	gmem_stcpy((guest_ram void *)guest, host, n);
}

int iov_take(struct iov_span *s, void *dst, size_t n)
{
	if (n > s->len)
		return -EINVAL;
	move(s, dst, n, from_guest);
	return 0;
}

int iov_put(struct iov_span *s, const void *src, size_t n)
{
	if (n > s->len)
		return -EINVAL;
	move(s, (uint8_t *)(uintptr_t)src, n, to_guest);
	return 0;
}

int iov_split_tail(struct iov_span *s, size_t n, struct iovec *tail)
{
	struct iovec *last;

	if (n == 0 || n > s->len)
		return -EINVAL;
	last = &s->iov[s->nr - 1];
	if (last->iov_len < n)
		return -EINVAL;
	last->iov_len -= n;
	tail->iov_base = (uint8_t *)last->iov_base + last->iov_len;
	tail->iov_len = n;
	s->len -= n;
	if (last->iov_len == 0)
		s->nr--;
	return 0;
}
