// SPDX-License-Identifier: Apache-2.0
/*
 * Level-triggered, and watched for one thing at a time: EPOLLIN while a request is incomplete;
 * EPOLLOUT while an answer is unwritten, or while requests are left over for the next round (a
 * socket that can be written is ready at once, after everybody else had their turn).
 */
#include "api/connection.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/mutants.h"
#include "vmm/util.h"

#define REQUESTS_PER_EVENT 4u
#define LARGE		   16384u /* bytes; buffers used beyond it are given back */

/* The first page stays: the next request will want it. */
static void give_back(char *buf, size_t used)
{
	const size_t page = 4096;

	if (used > page)
		madvise(buf + page, align_up(used, page) - page, MADV_DONTNEED);
}

static void shut(struct connection *c)
{
	ev_del(c->env->loop, &c->source);
	close(c->fd);
	c->fd = -1;
	if (c->in_high > 0)
		madvise(c->in, c->in_high, MADV_DONTNEED);
	if (c->out_end > 0)
		madvise(c->out, c->out_end, MADV_DONTNEED);
	c->env->closed(c->env);
}

/* Sends what it can of two pieces at once. Bytes taken, or -errno when the peer is gone. */
static ssize_t send_some(int fd, const char *head, size_t head_len, const char *body,
			 size_t body_len)
{
	struct iovec iov[2] = {
		{ .iov_base = (void *)(uintptr_t)head, .iov_len = head_len },
		{ .iov_base = (void *)(uintptr_t)body, .iov_len = body_len },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = body_len > 0 ? 2 : 1 };
	ssize_t n;

	do {
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	return n;
}

/* Sends, and keeps what the peer does not take. Nothing is kept yet. */
static int put(struct connection *c, const char *head, size_t head_len, const char *body,
	       size_t body_len)
{
	ssize_t n = send_some(c->fd, head, head_len, body, body_len);
	size_t sent = (size_t)n;
	size_t skip;

	if (n < 0)
		return (int)n;
	if (sent == head_len + body_len)
		return 0;
	assert(head_len + body_len <= CONNECTION_OUT_MAX);
	skip = min_u64(sent, head_len);
	memcpy(c->out, head + skip, head_len - skip);
	c->out_end = head_len - skip;
	sent -= skip;
	memcpy(c->out + c->out_end, body + sent, body_len - sent);
	c->out_end += body_len - sent;
	c->out_off = 0;
	return 0;
}

static int flush(struct connection *c)
{
	ssize_t n = send_some(c->fd, c->out + c->out_off, c->out_end - c->out_off, NULL, 0);

	if (n < 0)
		return (int)n;
	c->out_off += (size_t)n;
	if (c->out_off == c->out_end) {
		madvise(c->out, c->out_end, MADV_DONTNEED);
		c->out_off = c->out_end = 0;
	}
	return 0;
}

static int put_response(struct connection *c, const struct http_response *res)
{
	char head[HTTP_ANSWER_HEAD];
	size_t body_len = res->status == 204 ? 0 : res->body_len;
	size_t head_len = http_head(res, c->last, head, sizeof(head));

	return put(c, head, head_len, res->body, body_len);
}

static int answer(struct connection *c, const struct http_request *req)
{
	struct http_response res = { .status = 204 };
	int r;

	c->env->fn(c->env->ctx, req, &res, c->env->scratch);
	assert(res.body_len <= SERVER_MAX_ANSWER);
	c->last = req->close;
	r = put_response(c, &res);
	if (res.body_len > LARGE)
		give_back(c->env->scratch, res.body_len);
	return r;
}

/* The line break is a raw one, as in Firecracker. */
static int refuse(struct connection *c)
{
	char body[sizeof(c->parser.error) + 80];
	int n = snprintf(body, sizeof(body),
			 "{ \"error\": \"%s\n"
			 "All previous unanswered requests will be dropped.\" }",
			 c->parser.error);
	const struct http_response res = { .status = 400, .body = body, .body_len = (size_t)n };

	c->last = true;
	/* Closing while the client still sends would destroy the answer, or break its write. */
	c->linger = MUT_LINGER(true);
	return put_response(c, &res);
}

static int say_continue(struct connection *c)
{
	static const struct http_response res = { .status = 100 };

	return put_response(c, &res);
}

/* Answers what is in the buffer. Returns the events that go on from here, or -errno. */
static int serve(struct connection *c)
{
	for (unsigned int i = 0; i < MUT_BUDGET(REQUESTS_PER_EVENT); i++) {
		struct http_request req;
		int r;

		if (c->last || c->out_end > 0)
			return EPOLLOUT;
		switch (http_parse(&c->parser, c->in + c->in_off, c->in_end - c->in_off, &req)) {
		case HTTP_REQUEST:
			r = answer(c, &req);
			c->in_off += c->parser.used;
			break;
		case HTTP_CONTINUE:
			r = say_continue(c);
			break;
		case HTTP_BAD:
			r = refuse(c);
			break;
		default:
			return EPOLLIN;
		}
		if (r < 0)
			return r;
	}
	return c->last || c->out_end > 0 || c->in_off < c->in_end ? EPOLLOUT : EPOLLIN;
}

static void tidy_input(struct connection *c)
{
	if (c->in_off < c->in_end)
		return;
	c->in_off = c->in_end = 0;
	if (c->in_high > LARGE) {
		give_back(c->in, c->in_high);
		c->in_high = 4096;
	}
}

static void on_event(void *ctx, uint32_t events);

static int watch(struct connection *c, uint32_t events)
{
	if (events == c->events)
		return 0;
	ev_del(c->env->loop, &c->source);
	c->events = events;
	return ev_add(c->env->loop, &c->source, c->fd, events | EV_ALWAYS, on_event, c);
}

static void go_on(struct connection *c)
{
	int next = serve(c);

	if (next >= 0)
		tidy_input(c);
	if (next >= 0 && c->last && c->out_end == 0) {
		if (!c->linger) {
			shut(c);
			return;
		}
		shutdown(c->fd, SHUT_WR);
		next = EPOLLIN;
	}
	if (next < 0 || watch(c, (uint32_t)next) < 0)
		shut(c);
}

/* Bytes read; 0: nothing now; -errno, or -EPIPE at the end. */
static ssize_t receive(int fd, char *buf, size_t cap)
{
	ssize_t n;

	do {
		n = recv(fd, buf, cap, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	return n;
}

static void read_more(struct connection *c)
{
	size_t cap = HTTP_HEAD_MAX + c->env->max_body;
	ssize_t n;

	if (c->in_off > 0) {
		memmove(c->in, c->in + c->in_off, c->in_end - c->in_off);
		c->in_end -= c->in_off;
		c->in_off = 0;
	}
	n = receive(c->fd, c->in + c->in_end, cap - c->in_end);
	if (n < 0) {
		shut(c);
		return;
	}
	c->in_end += (size_t)n;
	c->in_high = max_u64(c->in_high, c->in_end);
	if (n > 0)
		go_on(c);
}

static void on_event(void *ctx, uint32_t events)
{
	struct connection *c = ctx;

	(void)events;
	if (connection_is_over(c)) {
		if (receive(c->fd, c->env->scratch, LARGE) < 0)
			shut(c);
	} else if (c->events == EPOLLIN) {
		read_more(c);
	} else if (c->out_end > 0 && flush(c) < 0) {
		shut(c);
	} else if (c->out_end == 0) {
		go_on(c);
	}
}

void connection_init(struct connection *c, struct connection_env *env, char *in, char *out)
{
	memset(c, 0, sizeof(*c));
	c->env = env;
	c->in = in;
	c->out = out;
	c->fd = -1;
	c->source.fd = -1;
}

int connection_open(struct connection *c, int fd)
{
	int r;

	connection_init(c, c->env, c->in, c->out);
	http_parser_init(&c->parser, c->env->max_body);
	c->events = EPOLLIN;
	r = ev_add(c->env->loop, &c->source, fd, EPOLLIN | EV_ALWAYS, on_event, c);
	if (r < 0) {
		close(fd);
		return r;
	}
	c->fd = fd;
	return 0;
}

bool connection_is_over(const struct connection *c)
{
	return c->linger && c->out_end == 0;
}

void connection_close(struct connection *c)
{
	if (c->fd < 0)
		return;
	/* Whether the peer takes it is its own business now. */
	if (c->out_end > 0 && flush(c) < 0)
		c->out_off = c->out_end;
	shut(c);
}
