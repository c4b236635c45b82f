// SPDX-License-Identifier: Apache-2.0
/* Event-loop thread. */
#include "vmm/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/mutants.h"
#include "vmm/nonblock.h"
#include "vmm/util.h"

#define ESCAPE	 0x01 /* Ctrl-A */
#define CHUNK	 1024u
#define STALL_NS 100000000
#define STALL_MS (STALL_NS / 1000000)

static void set_stall_timer(struct console *c, bool on)
{
	struct itimerspec t = { .it_value.tv_nsec = on ? STALL_NS : 0 };

	if (c->timer_fd >= 0)
		timerfd_settime(c->timer_fd, 0, &t, NULL);
}

static void wake(struct console *c)
{
	uint64_t one = 1;

	if (write(c->wake_fd, &one, sizeof(one)) < 0)
		return; /* full: it is signalled already */
}

static void close_output(struct console *c)
{
	ev_del(c->loop, &c->out);
	close(c->out_fd);
	c->out_fd = -1;
	c->out_blocked = false;
	set_stall_timer(c, false);
}

/* A reader that is gone never comes back; a disk that is full may have room again. */
static void write_failed(struct console *c, int error, uint32_t n)
{
	c->lost += n;
	if (error != ENOSPC && error != EDQUOT && error != EFBIG)
		close_output(c);
	else if (c->errors++ == 0)
		log_warn("console: %s: what the guest writes is lost", strerror(error));
}

/* Of the next `n` bytes in the UART, those that the limit lets pass. */
static uint32_t allowed(struct console *c, uint32_t n)
{
	if (c->paid < n)
		c->paid += (uint32_t)rate_limit_take(&c->limit, n - c->paid);
	return MUT_ALLOWED((uint32_t)min_u64(n, c->paid), n);
}

/* Takes one chunk from the UART to the reader. Bytes moved; 0: nothing to do, or reader is full. */
static uint32_t write_chunk(struct console *c)
{
	uint8_t buf[CHUNK];
	uint32_t n = serial_tx_peek(c->uart, buf, sizeof(buf));
	uint32_t pass;
	ssize_t w;

	if (n == 0)
		return 0;
	if (c->out_fd < 0) {
		serial_tx_consume(c->uart, n);
		return n;
	}
	pass = allowed(c, n);
	if (pass == 0) {
		c->dropped += n;
		serial_tx_consume(c->uart, n);
		return n;
	}
	n = pass;
	do {
		w = write(c->out_fd, buf, n);
	} while (w < 0 && errno == EINTR);
	if (w < 0 && errno == EAGAIN) {
		c->out_blocked = true;
		return 0;
	}
	if (w < 0) {
		write_failed(c, errno, n);
		w = n;
	}
	c->paid -= (uint32_t)min_u64((uint64_t)w, c->paid);
	serial_tx_consume(c->uart, (uint32_t)w);
	return (uint32_t)w;
}

/* What the UART holds, and not what a guest adds meanwhile: others have their turn. */
static void drain_output(struct console *c)
{
	bool was_blocked = c->out_blocked;
	uint32_t moved = 0;
	uint32_t n = 1;
	bool progress;

	c->out_blocked = false;
	while (n > 0 && moved < SERIAL_RING_LEN) {
		n = write_chunk(c);
		moved += n;
	}
	progress = moved > 0;
	if (n > 0)
		wake(c);
	if (c->out_blocked && (progress || !was_blocked))
		set_stall_timer(c, true);
	else if (!c->out_blocked && was_blocked)
		set_stall_timer(c, false);
}

/* Handles Ctrl-A sequences in place; returns how many bytes are left for the guest. */
static uint32_t filter_keys(struct console *c, uint8_t *buf, uint32_t n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (!c->escape && buf[i] == ESCAPE) {
			c->escape = true;
			continue;
		}
		if (!c->escape) {
			buf[kept++] = buf[i];
			continue;
		}
		c->escape = false;
		if (buf[i] == 'x')
			c->config.on_key(c->config.ctx, CONSOLE_EXIT);
		else if (buf[i] == 'd')
			c->config.on_key(c->config.ctx, CONSOLE_CTRL_ALT_DEL);
		else
			buf[kept++] = buf[i]; /* Ctrl-A Ctrl-A, or a slip of the finger */
	}
	return kept;
}

static void end_input(struct console *c)
{
	ev_del(c->loop, &c->in);
	close(c->in_fd);
	c->in_fd = -1;
	if (c->config.eof_as_break)
		serial_rx_break(c->uart);
}

/* Reads all that there is, or as much as the UART has room for; it wakes us when it has more. */
static void pump_input(struct console *c)
{
	uint8_t buf[CHUNK];

	while (c->in_fd >= 0) {
		uint32_t room = serial_rx_room(c->uart);
		ssize_t n;

		c->in_waits = room == 0;
		if (c->in_waits)
			return;
		n = read(c->in_fd, buf, min_u64(room, sizeof(buf)));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			end_input(c);
			return;
		}
		if (c->config.on_key)
			n = filter_keys(c, buf, (uint32_t)n);
		serial_rx_push(c->uart, buf, (uint32_t)n);
	}
}

static void on_wake(void *ctx, uint32_t events)
{
	struct console *c = ctx;

	(void)events;
	if (!c->out_blocked)
		drain_output(c);
	if (c->in_waits)
		pump_input(c);
}

static void on_input(void *ctx, uint32_t events)
{
	(void)events;
	pump_input(ctx);
}

static void on_output(void *ctx, uint32_t events)
{
	(void)events;
	drain_output(ctx);
}

static void on_stall(void *ctx, uint32_t events)
{
	struct console *c = ctx;

	(void)events;
	set_stall_timer(c, false);
	if (c->out_blocked)
		serial_tx_give_up(c->uart);
}

int console_init(struct console *c, struct evloop *loop, const struct console_config *config,
		 struct err *e)
{
	memset(c, 0, sizeof(*c));
	c->config = *config;
	c->loop = loop;
	c->in_fd = c->out_fd = c->timer_fd = -1;
	rate_limit_init(&c->limit, loop, NULL, NULL);
	if (rate_limit_set(&c->limit, &config->limit, NULL) < 0)
		return err_set(e, -EINVAL, "console: rate limiter"); /* never: it has no timer */
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake_fd < 0)
		return err_sys(e, -errno, "eventfd");
	if (config->out_fd >= 0)
		c->out_fd = nonblock_reopen(config->out_fd, O_WRONLY);
	if (config->in_fd >= 0)
		c->in_fd = nonblock_reopen(config->in_fd, O_RDONLY);
	if (!config->wait_for_reader)
		c->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return 0;
}

/*
 * Edge-triggered, as all of these: a pipe whose other end is gone would be reported for ever. A
 * regular file cannot be waited for (EPERM), and never makes one wait.
 */
static int watch(struct console *c, struct ev_source *s, int fd, uint32_t events, ev_fn fn)
{
	int r = fd < 0 ? 0 : ev_add(c->loop, s, fd, events | EPOLLET, fn, c);

	return r == -EPERM ? 0 : r;
}

int console_attach(struct console *c, struct serial *uart, struct err *e)
{
	int r;

	c->uart = uart;
	r = watch(c, &c->wake, c->wake_fd, EPOLLIN, on_wake);
	if (r == 0)
		r = watch(c, &c->timer, c->timer_fd, EPOLLIN, on_stall);
	if (r == 0)
		r = watch(c, &c->out, c->out_fd, EPOLLOUT, on_output);
	if (r == 0)
		r = watch(c, &c->in, c->in_fd, EPOLLIN, on_input);
	if (r < 0)
		return err_sys(e, r, "console: epoll");
	pump_input(c);
	return 0;
}

void console_flush(struct console *c)
{
	int patience = c->config.wait_for_reader ? -1 : STALL_MS;

	if (!c->uart)
		return;
	for (;;) {
		struct pollfd p = { .fd = c->out_fd, .events = POLLOUT };

		c->out_blocked = false;
		while (write_chunk(c) > 0)
			continue;
		if (!c->out_blocked || poll(&p, 1, patience) == 0)
			return;
	}
}

void console_release(struct console *c)
{
	ev_del(c->loop, &c->wake);
	ev_del(c->loop, &c->timer);
	ev_del(c->loop, &c->in);
	ev_del(c->loop, &c->out);
	if (c->wake_fd >= 0)
		close(c->wake_fd);
	if (c->timer_fd >= 0)
		close(c->timer_fd);
	if (c->in_fd >= 0)
		close(c->in_fd);
	if (c->out_fd >= 0)
		close(c->out_fd);
}
