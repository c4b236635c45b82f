// SPDX-License-Identifier: Apache-2.0
#include "kernel-config/init/relay.h"

#include <errno.h>
#include <unistd.h>

void relay_init(struct relay *r, int from, int to, bool decode)
{
	r->from = from;
	r->to = to;
	r->decode = decode;
	r->ended = false;
	r->parmrk = (struct parmrk){ 0 };
	r->taken = 0;
	r->off = r->len = 0;
}

bool relay_done(const struct relay *r)
{
	return r->to < 0;
}

void relay_want(const struct relay *r, struct pollfd *p)
{
	bool writing = r->off < r->len;

	p->fd = writing ? r->to : r->from;
	p->events = writing ? POLLOUT : POLLIN;
	p->revents = 0;
}

static void finish(struct relay *r)
{
	close(r->from);
	close(r->to);
	r->from = r->to = -1;
}

static bool again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static void fill(struct relay *r)
{
	ssize_t n = read(r->from, r->buf, sizeof(r->buf));

	if (n < 0 && again())
		return;
	r->off = r->len = 0;
	if (n <= 0)
		r->ended = true;
	else if (r->decode)
		r->len = parmrk_decode(&r->parmrk, r->buf, (size_t)n, r->buf, &r->ended);
	else
		r->len = (size_t)n;
	r->taken += (uint32_t)r->len;
}

void relay_step(struct relay *r)
{
	if (relay_done(r))
		return;
	if (r->off == r->len && !r->ended)
		fill(r);
	if (r->off < r->len) {
		ssize_t n = write(r->to, r->buf + r->off, r->len - r->off);

		if (n > 0) {
			r->off += (size_t)n;
		} else if (n < 0 && !again()) {
			r->ended = true;
			r->off = r->len;
		}
	}
	if (r->ended && r->off == r->len)
		finish(r);
}
