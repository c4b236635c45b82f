// SPDX-License-Identifier: Apache-2.0
/* Event-loop thread, where the header does not say otherwise. */
#include "virtio/net_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/gmem.h"
#include "vmm/log.h"
#include "vmm/mutants.h"
#include "vmm/util.h"

#define FRAME_MIN 14u /* an Ethernet header */
#define FRAME_MAX ((size_t)NET_FRAME_MAX - NET_HEADER)

_Static_assert(sizeof(((struct net_stream *)0)->in) >= 2 * (NET_STREAM_PREFIX + FRAME_MAX),
	       "a whole frame fits behind the part of another");

/* ---- receive --------------------------------------------------------------------------------- */

/* Length of the frame that begins at `p`. */
static uint32_t get_length(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Reads as much as there is and fits: 0, -EAGAIN, or -errno; -EPIPE: the end. */
static int fill(struct net_backend *b)
{
	struct net_stream *s = b->stream;
	ssize_t n;

	/* There is always room: what lies here is less than one frame, and there is room for two.
	 */
	memmove(s->in, s->in + s->in_begin, s->in_end - s->in_begin);
	s->in_end -= s->in_begin;
	s->in_begin = 0;
	do {
		n = recv(b->fd, s->in + s->in_end, sizeof(s->in) - s->in_end, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : -EPIPE;
	s->in_end += (uint32_t)n;
	return 0;
}

/* Copies to the first bytes of `iov`, which has room for them, from `*off` on. */
static void put(const struct iovec *iov, size_t off, const uint8_t *from, size_t len)
{
	for (; len != 0; iov++) {
		size_t part;

		if (off >= iov->iov_len) {
			off -= iov->iov_len;
			continue;
		}
		part = min_u64(len, iov->iov_len - off);
		gmem_stcpy((guest_ram void *)((uint8_t *)iov->iov_base + off), from, part);
		from += part;
		len -= part;
		off = 0;
	}
}

static ssize_t stream_receive(struct net_backend *b, const struct iovec *iov, int nr)
{
	static const uint8_t no_offloads[NET_HEADER];
	struct net_stream *s = b->stream;

	(void)nr;
	for (;;) {
		uint32_t have = s->in_end - s->in_begin;
		const uint8_t *at = s->in + s->in_begin;
		int r;

		if (have >= NET_STREAM_PREFIX) {
			uint32_t len = get_length(at);

			if (MUT_STREAM_LENGTH(len < FRAME_MIN || len > FRAME_MAX)) {
				log_guest("net: a frame of %u bytes came from the socket, expected "
					  "%u to %zu",
					  len, FRAME_MIN, FRAME_MAX);
				return -EBADMSG;
			}
			if (MUT_STREAM_WHOLE(have - NET_STREAM_PREFIX >= len)) {
				put(iov, 0, no_offloads, NET_HEADER);
				put(iov, NET_HEADER, at + NET_STREAM_PREFIX, len);
				s->in_begin += NET_STREAM_PREFIX + len;
				return (ssize_t)(NET_HEADER + len);
			}
		}
		r = fill(b);
		if (r < 0)
			return r;
	}
}

/* ---- send ------------------------------------------------------------------------------------ */

static int stream_flush(struct net_backend *b)
{
	struct net_stream *s = b->stream;

	while (s->out_begin < s->out_end) {
		ssize_t n = send(b->fd, s->out + s->out_begin, s->out_end - s->out_begin,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		s->out_begin += n > 0 ? (uint32_t)n : 0;
	}
	s->out_begin = s->out_end = 0;
	return 0;
}

/* Points s->iov at what goes over the socket; the number of segments, and *len of the frame. */
static int frame_it(struct net_stream *s, uint8_t *prefix, const struct iovec *iov, int nr,
		    uint32_t *len)
{
	size_t skip = NET_HEADER;
	int n = 1;

	*len = 0;
	for (int i = 0; i < nr; i++) {
		size_t cut = min_u64(skip, iov[i].iov_len);

		skip -= cut;
		if (cut == iov[i].iov_len)
			continue;
		s->iov[n++] = (struct iovec){ .iov_base = (uint8_t *)iov[i].iov_base + cut,
					      .iov_len = iov[i].iov_len - cut };
		*len += (uint32_t)(iov[i].iov_len - cut);
	}
	for (unsigned int i = 0; i < NET_STREAM_PREFIX; i++)
		prefix[i] = (uint8_t)(*len >> (24 - 8 * i));
	s->iov[0] = (struct iovec){ .iov_base = prefix, .iov_len = NET_STREAM_PREFIX };
	return n;
}

/* Keeps what follows the first `sent` bytes of s->iov. It may be read only once: it is the guest's.
 */
static void keep_rest(struct net_stream *s, int nr, size_t sent)
{
	for (int i = 0; i < nr; i++) {
		size_t cut = min_u64(sent, s->iov[i].iov_len);
		size_t part = s->iov[i].iov_len - cut;

		sent -= cut;
		gmem_ldcpy(s->out + s->out_end,
			   (const guest_ram void *)((uint8_t *)s->iov[i].iov_base + cut), part);
		s->out_end += (uint32_t)part;
	}
}

static ssize_t stream_send(struct net_backend *b, const struct iovec *iov, int nr)
{
	struct net_stream *s = b->stream;
	uint8_t prefix[NET_STREAM_PREFIX];
	struct msghdr msg = { .msg_iov = s->iov };
	uint32_t len;
	ssize_t n;
	int r = stream_flush(b);

	if (r < 0)
		return r;
	msg.msg_iovlen = (size_t)frame_it(s, prefix, iov, nr, &len);
	if (len < FRAME_MIN)
		return -EINVAL;
	do {
		n = sendmsg(b->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (MUT_STREAM_REST((size_t)n < NET_STREAM_PREFIX + len))
		keep_rest(s, (int)msg.msg_iovlen, (size_t)n);
	return (ssize_t)(NET_HEADER + len);
}

static int stream_set_offload(struct net_backend *b, unsigned int offload)
{
	b->offload_on = offload;
	return 0;
}

const struct net_backend_ops net_stream_ops = {
	.takes_headers = false,
	.receive = stream_receive,
	.send = stream_send,
	.flush = stream_flush,
	.set_offload = stream_set_offload,
};

/* ---- life ------------------------------------------------------------------------------------ */

bool net_stream_is(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

int net_stream_adopt(struct net_backend *b, int fd)
{
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	*b = (struct net_backend){ .ops = &net_stream_ops, .fd = fd };
	return 0;
}

int net_stream_connect(struct net_backend *b, const char *path, struct err *e)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd;

	if (len == 0 || len >= sizeof(to.sun_path))
		return err_set(e, -EINVAL,
			       "network unix:%.200s: a path of %zu bytes, expected 1 to %zu", path,
			       len, sizeof(to.sun_path) - 1);
	memcpy(to.sun_path, path, len);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, -errno, "network unix:%s", path);
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
		int r = err_sys(e, -errno, "network unix:%s", path);

		close(fd);
		return r;
	}
	return net_stream_adopt(b, fd);
}

void net_stream_init(struct net_stream *s)
{
	s->in_begin = s->in_end = 0;
	s->out_begin = s->out_end = 0;
}
