// SPDX-License-Identifier: Apache-2.0
/* The UART as the guest sees it, and its host side through pipes. */
#include "vmm/serial.h"

#include "tests/lib/unit.h"

#include <fcntl.h>
#include <linux/serial_reg.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/console.h"

static uint8_t in(struct serial *s, uint32_t off)
{
	uint8_t v = 0xee;

	serial_bus_ops.read(s, off, &v, 1);
	return v;
}

static void out(struct serial *s, uint32_t off, uint8_t v)
{
	serial_bus_ops.write(s, off, &v, 1);
}

static uint64_t count(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == (ssize_t)sizeof(n) ? n : 0;
}

struct port {
	struct serial s;
	uint64_t irqs;
	int wake;
};

static void pulse(void *ctx, uint32_t gsi)
{
	struct port *p = ctx;

	assert_int_equal(gsi, 4);
	p->irqs++;
}

/* Interrupts since the last time. */
static uint64_t irqs(struct port *p)
{
	uint64_t n = p->irqs;

	p->irqs = 0;
	return n;
}

static int setup(void **state)
{
	struct port *p = calloc(1, sizeof(*p));

	p->wake = eventfd(0, EFD_NONBLOCK);
	serial_init(&p->s, &(struct irq_line){ pulse, p, 4 }, p->wake);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct port *p = *state;

	serial_release(&p->s);
	close(p->wake);
	free(p);
	return 0;
}

/* What Linux does to tell a 16550A from its elders. */
static void looks_like_a_16550a(void **state)
{
	struct serial *s = &((struct port *)*state)->s;

	out(s, UART_IER, 0x0f);
	assert_int_equal(in(s, UART_IER), 0x0f);
	out(s, UART_IER, 0xff);
	assert_int_equal(in(s, UART_IER), 0x0f);
	out(s, UART_IER, 0);
	out(s, UART_SCR, 0x5a);
	assert_int_equal(in(s, UART_SCR), 0x5a);
	out(s, UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(in(s, UART_IIR), 0xc0 | UART_IIR_NO_INT);
	out(s, UART_FCR, 0);
	assert_int_equal(in(s, UART_IIR), UART_IIR_NO_INT);
	out(s, UART_LCR, UART_LCR_DLAB);
	out(s, UART_DLL, 0x0c);
	out(s, UART_DLM, 0x03);
	assert_int_equal(in(s, UART_DLL), 0x0c);
	assert_int_equal(in(s, UART_DLM), 0x03);
	out(s, UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(in(s, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	out(s, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	assert_int_equal(in(s, UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS);
	out(s, UART_TX, 'L');
	assert_int_equal(in(s, UART_LSR) & UART_LSR_DR, UART_LSR_DR);
	assert_int_equal(in(s, UART_RX), 'L');
}

static void output_wakes_once_and_arrives(void **state)
{
	struct port *p = *state;
	char got[8];

	out(&p->s, UART_TX, 'h');
	out(&p->s, UART_TX, 'i');
	assert_int_equal(count(p->wake), 1);
	assert_int_equal(serial_tx_peek(&p->s, got, sizeof(got)), 2);
	assert_memory_equal(got, "hi", 2);
	serial_tx_consume(&p->s, 2);
	assert_int_equal(serial_tx_peek(&p->s, got, sizeof(got)), 0);
}

static void a_full_ring_holds_the_guest_until_given_up(void **state)
{
	struct port *p = *state;

	for (uint32_t i = 0; i < SERIAL_RING_LEN; i++)
		out(&p->s, UART_TX, 'x');
	assert_int_equal(in(&p->s, UART_LSR) & UART_LSR_THRE, 0);
	out(&p->s, UART_TX, 'y');
	assert_int_equal(p->s.tx_dropped, 1);
	out(&p->s, UART_IER, UART_IER_THRI);
	assert_int_equal(irqs(p), 0); /* no room: no interrupt yet */
	serial_tx_give_up(&p->s);
	assert_int_equal(irqs(p), 1);
	assert_true(in(&p->s, UART_LSR) & UART_LSR_THRE);
	out(&p->s, UART_TX, 'z');
	assert_int_equal(p->s.tx_dropped, 2);
	serial_tx_consume(&p->s, 1);
	out(&p->s, UART_TX, '!');
	assert_int_equal(p->s.tx_dropped, 2);
	assert_int_equal(in(&p->s, UART_LSR) & UART_LSR_THRE, 0); /* and it holds again */
}

static void transmit_interrupts_follow_the_register(void **state)
{
	struct port *p = *state;

	out(&p->s, UART_IER, UART_IER_THRI);
	assert_int_equal(irqs(p), 1);
	assert_int_equal(in(&p->s, UART_IIR), UART_IIR_THRI);
	assert_int_equal(in(&p->s, UART_IIR), UART_IIR_NO_INT); /* acknowledged by the read */
	for (int i = 0; i < 16; i++)
		out(&p->s, UART_TX, 'x');
	assert_int_equal(irqs(p), 1); /* one for the batch */
	assert_int_equal(in(&p->s, UART_IIR), UART_IIR_THRI);
}

static void input_waits_for_rts(void **state)
{
	struct port *p = *state;

	out(&p->s, UART_IER, UART_IER_RDI);
	serial_rx_push(&p->s, "ab", 2);
	assert_int_equal(irqs(p), 0);
	assert_int_equal(in(&p->s, UART_LSR) & UART_LSR_DR, 0);
	out(&p->s, UART_MCR, UART_MCR_RTS | UART_MCR_DTR);
	assert_int_equal(irqs(p), 1);
	assert_int_equal(in(&p->s, UART_IIR), UART_IIR_RDI);
	assert_int_equal(in(&p->s, UART_RX), 'a');
	out(&p->s, UART_MCR, UART_MCR_DTR); /* throttled in the middle */
	assert_int_equal(in(&p->s, UART_LSR) & UART_LSR_DR, 0);
	out(&p->s, UART_MCR, UART_MCR_RTS);
	assert_int_equal(irqs(p), 1);
	assert_int_equal(in(&p->s, UART_RX), 'b');
	assert_int_equal(in(&p->s, UART_IIR), UART_IIR_NO_INT);
}

static void a_break_follows_the_input(void **state)
{
	struct port *p = *state;

	out(&p->s, UART_MCR, UART_MCR_RTS);
	out(&p->s, UART_IER, UART_IER_RDI | UART_IER_RLSI);
	serial_rx_push(&p->s, "a", 1);
	serial_rx_break(&p->s);
	assert_int_equal(in(&p->s, UART_LSR) & (UART_LSR_DR | UART_LSR_BI), UART_LSR_DR);
	assert_int_equal(in(&p->s, UART_RX), 'a');
	assert_int_equal(in(&p->s, UART_IIR), UART_IIR_RLSI);
	assert_true(in(&p->s, UART_LSR) & UART_LSR_BI);
	assert_int_equal(in(&p->s, UART_RX), 0);
	assert_int_equal(in(&p->s, UART_LSR) & (UART_LSR_DR | UART_LSR_BI), 0);
}

static void room_for_input_is_announced(void **state)
{
	struct port *p = *state;
	static const char zeros[SERIAL_RING_LEN];

	out(&p->s, UART_MCR, UART_MCR_RTS);
	assert_int_equal(serial_rx_room(&p->s), SERIAL_RING_LEN);
	serial_rx_push(&p->s, zeros, SERIAL_RING_LEN);
	assert_int_equal(serial_rx_room(&p->s), 0);
	for (uint32_t i = 0; i < SERIAL_RING_LEN / 2; i++)
		in(&p->s, UART_RX);
	assert_int_equal(count(p->wake), 0);
	in(&p->s, UART_RX);
	assert_int_equal(count(p->wake), 1);
}

static void wide_accesses_are_refused(void **state)
{
	struct port *p = *state;
	uint32_t v = 0xffffffff;
	char got[4];

	serial_bus_ops.read(&p->s, UART_LSR, &v, 4);
	assert_int_equal(v, 0xffffffff);
	serial_bus_ops.write(&p->s, UART_TX, &v, 4);
	assert_int_equal(serial_tx_peek(&p->s, got, sizeof(got)), 0);
}

/* ---- the host's side --------------------------------------------------------------------------
 */

struct host {
	struct port *p;
	struct evloop loop;
	struct console c;
	int in[2];
	int out[2];
	int keys[4];
	int nr_keys;
	struct ev_source stop;
	int stop_fd;
};

static void on_key(void *ctx, enum console_key key)
{
	struct host *h = ctx;

	h->keys[h->nr_keys++] = (int)key;
}

static void on_stop(void *ctx, uint32_t events)
{
	struct host *h = ctx;

	(void)events;
	count(h->stop_fd);
	evloop_stop(&h->loop);
}

/* Handles what is ready, in rounds, until a round that was only our own request to stop. */
static void pump(struct host *h, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		uint64_t one = 1;

		h->loop.stopping = false;
		assert_int_equal(write(h->stop_fd, &one, sizeof(one)), sizeof(one));
		assert_int_equal(evloop_run(&h->loop), 0);
	}
}

static void host_setup(struct host *h, void **state, bool wait, bool eof_as_break)
{
	struct console_config config = {
		.wait_for_reader = wait,
		.eof_as_break = eof_as_break,
		.on_key = on_key,
		.ctx = h,
	};
	struct port *p = *state;
	struct err e;

	memset(h, 0, sizeof(*h));
	h->p = p;
	assert_int_equal(pipe(h->in), 0);
	assert_int_equal(pipe(h->out), 0);
	assert_int_equal(evloop_init(&h->loop), 0);
	h->stop_fd = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(ev_add(&h->loop, &h->stop, h->stop_fd, EPOLLIN, on_stop, h), 0);
	config.in_fd = h->in[0];
	config.out_fd = h->out[1];
	assert_int_equal(console_init(&h->c, &h->loop, &config, &e), 0);
	p->s.wake_fd = h->c.wake_fd;
	assert_int_equal(console_attach(&h->c, &p->s, &e), 0);
	out(&p->s, UART_MCR, UART_MCR_RTS);
}

static void host_teardown(struct host *h)
{
	console_release(&h->c);
	evloop_release(&h->loop);
	close(h->stop_fd);
	for (int i = 0; i < 2; i++) {
		if (h->in[i] >= 0)
			close(h->in[i]);
		if (h->out[i] >= 0)
			close(h->out[i]);
	}
}

static void console_carries_both_ways(void **state)
{
	struct host h;
	char got[8];

	host_setup(&h, state, false, false);
	out(&h.p->s, UART_TX, 'o');
	assert_int_equal(write(h.in[1], "i", 1), 1);
	pump(&h, 2);
	assert_int_equal(read(h.out[0], got, sizeof(got)), 1);
	assert_int_equal(got[0], 'o');
	assert_int_equal(in(&h.p->s, UART_RX), 'i');
	host_teardown(&h);
}

static void escape_keys_stay_on_the_host(void **state)
{
	struct host h;

	host_setup(&h, state, false, false);
	assert_int_equal(write(h.in[1], "a\x01\x01g\x01xq\x01", 8), 8);
	pump(&h, 2);
	assert_int_equal(write(h.in[1], "d", 1), 1); /* the pair split over two reads */
	pump(&h, 2);
	assert_int_equal(in(&h.p->s, UART_RX), 'a');
	assert_int_equal(in(&h.p->s, UART_RX), 1);
	assert_int_equal(in(&h.p->s, UART_RX), 'g');
	assert_int_equal(in(&h.p->s, UART_RX), 'q');
	assert_int_equal(in(&h.p->s, UART_LSR) & UART_LSR_DR, 0);
	assert_int_equal(h.nr_keys, 2);
	assert_int_equal(h.keys[0], CONSOLE_EXIT);
	assert_int_equal(h.keys[1], CONSOLE_CTRL_ALT_DEL);
	host_teardown(&h);
}

static void end_of_input_is_a_break(void **state)
{
	struct host h;

	host_setup(&h, state, true, true);
	close(h.in[1]);
	h.in[1] = -1;
	pump(&h, 2);
	assert_true(in(&h.p->s, UART_LSR) & UART_LSR_BI);
	host_teardown(&h);
}

/* Fills the pipe and the ring behind it with a pattern; returns how many bytes went in. */
static uint32_t fill(struct host *h)
{
	uint32_t n = 0;

	while ((in(&h->p->s, UART_LSR) & UART_LSR_THRE) && !h->p->s.dropping) {
		out(&h->p->s, UART_TX, (uint8_t)n++);
		if (n % 1024 == 0)
			pump(h, 1);
	}
	return n;
}

static void a_waiting_console_loses_nothing(void **state)
{
	struct host h;
	uint32_t n, got = 0;

	host_setup(&h, state, true, true);
	n = fill(&h);
	assert_true(n > SERIAL_RING_LEN);
	while (got < n) {
		uint8_t buf[4096];
		ssize_t r = read(h.out[0], buf, sizeof(buf));

		assert_true(r > 0);
		for (ssize_t i = 0; i < r; i++)
			assert_int_equal(buf[i], (uint8_t)got++);
		pump(&h, 1);
	}
	assert_int_equal(h.p->s.tx_dropped, 0);
	host_teardown(&h);
}

static void an_unread_console_lets_the_guest_go(void **state)
{
	struct host h;

	host_setup(&h, state, false, false);
	fill(&h);
	usleep(150000); /* longer than the stall time of 100 ms */
	pump(&h, 2);
	assert_true(in(&h.p->s, UART_LSR) & UART_LSR_THRE);
	out(&h.p->s, UART_TX, 'x');
	assert_int_equal(h.p->s.tx_dropped, 1);
	console_flush(&h.c); /* returns, though nobody reads */
	host_teardown(&h);
}

static void a_reader_that_leaves_is_no_error(void **state)
{
	struct host h;

	host_setup(&h, state, true, true);
	close(h.out[0]);
	h.out[0] = -1;
	out(&h.p->s, UART_TX, 'x');
	pump(&h, 2);
	for (uint32_t i = 0; i < 2 * SERIAL_RING_LEN; i++) {
		out(&h.p->s, UART_TX, 'x');
		if (i % 1024 == 0)
			pump(&h, 1);
	}
	assert_int_equal(h.p->s.tx_dropped, 0); /* thrown away, not held */
	console_flush(&h.c);
	host_teardown(&h);
}

/* The loop must sleep, however long the other ends of both pipes have been gone. */
static void closed_pipes_do_not_keep_the_loop_awake(void **state)
{
	static const char zeros[SERIAL_RING_LEN];
	struct epoll_event ev[8];
	struct host h;
	int nr;

	host_setup(&h, state, true, true);
	serial_rx_push(&h.p->s, zeros, sizeof(zeros)); /* no room: the end of input stays unread */
	close(h.out[0]);
	close(h.in[1]);
	h.out[0] = h.in[1] = -1;
	pump(&h, 3);
	/* Our own request to stop wakes the loop once more; the console's descriptors do not. */
	nr = epoll_wait(h.loop.epfd, ev, 8, 0);
	for (int i = 0; i < nr; i++)
		assert_ptr_equal(ev[i].data.ptr, &h.loop.wake);
	for (uint32_t i = 0; i < SERIAL_RING_LEN; i++)
		in(&h.p->s, UART_RX);
	pump(&h, 2);
	assert_true(in(&h.p->s, UART_LSR) & UART_LSR_BI);
	host_teardown(&h);
}

static uint64_t now_ns = 1;

static uint64_t fake_now(void)
{
	return now_ns;
}

static void limit(struct host *h, uint64_t size, uint64_t burst)
{
	const struct rate_bucket_config c = { size, 1000, burst };

	h->c.limit.now_ns = fake_now;
	assert_int_equal(rate_limit_set(&h->c.limit, &c, NULL), 0);
	assert_int_equal(h->c.limit.timer_fd, -1); /* nobody waits */
}

static void say(struct host *h, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		out(&h->p->s, UART_TX, (uint8_t)i);
	pump(h, 2);
}

/* What exceeds the limit is dropped and counted; the guest does not notice. */
static void what_exceeds_the_limit_is_dropped(void **state)
{
	uint8_t buf[4096];
	struct host h;

	host_setup(&h, state, false, false);
	limit(&h, 100, 20);
	say(&h, 3000);
	assert_int_equal(read(h.out[0], buf, sizeof(buf)), 120);
	for (int i = 0; i < 120; i++)
		assert_int_equal(buf[i], i);
	assert_int_equal(h.c.dropped, 2880);
	assert_true(in(&h.p->s, UART_LSR) & UART_LSR_THRE);
	now_ns += 500000000;
	say(&h, 60);
	assert_int_equal(read(h.out[0], buf, sizeof(buf)), 50);
	assert_int_equal(h.c.dropped, 2890);
	assert_int_equal(h.p->s.tx_dropped, 0);
	host_teardown(&h);
}

/* What has been let pass once is not counted again when the reader takes it late. */
static void a_late_reader_is_not_charged_twice(void **state)
{
	struct host h;
	uint32_t n, got = 0;

	host_setup(&h, state, true, true);
	limit(&h, 1 << 20, 0);
	n = fill(&h);
	pump(&h, 3);
	while (got < n) {
		uint8_t buf[4096];
		ssize_t r = read(h.out[0], buf, sizeof(buf));

		assert_true(r > 0);
		got += (uint32_t)r;
		pump(&h, 1);
	}
	assert_int_equal(h.c.dropped, 0);
	assert_int_equal(h.c.limit.bandwidth.tokens, (1 << 20) - n);
	host_teardown(&h);
}

static void a_full_disk_loses_and_goes_on(void **state)
{
	struct host h;
	int full;

	host_setup(&h, state, false, false);
	full = open("/dev/full", O_WRONLY);
	assert_true(full >= 0);
	assert_true(dup2(full, h.c.out_fd) >= 0);
	say(&h, 100);
	assert_int_equal(h.c.lost, 100);
	assert_int_equal(h.c.errors, 1);
	assert_true(dup2(h.out[1], h.c.out_fd) >= 0); /* there is room again */
	say(&h, 100);
	assert_int_equal(h.c.lost, 100);
	close(full);
	host_teardown(&h);
}

static void the_callers_pipe_stays_blocking(void **state)
{
	struct host h;

	host_setup(&h, state, true, true);
	assert_int_equal(fcntl(h.out[1], F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(h.in[0], F_GETFL) & O_NONBLOCK, 0);
	host_teardown(&h);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(looks_like_a_16550a),
		TEST(output_wakes_once_and_arrives),
		TEST(a_full_ring_holds_the_guest_until_given_up),
		TEST(transmit_interrupts_follow_the_register),
		TEST(input_waits_for_rts),
		TEST(a_break_follows_the_input),
		TEST(room_for_input_is_announced),
		TEST(wide_accesses_are_refused),
		TEST(console_carries_both_ways),
		TEST(escape_keys_stay_on_the_host),
		TEST(end_of_input_is_a_break),
		TEST(a_waiting_console_loses_nothing),
		TEST(an_unread_console_lets_the_guest_go),
		TEST(a_reader_that_leaves_is_no_error),
		TEST(closed_pipes_do_not_keep_the_loop_awake),
		TEST(the_callers_pipe_stays_blocking),
		TEST(what_exceeds_the_limit_is_dropped),
		TEST(a_late_reader_is_not_charged_twice),
		TEST(a_full_disk_loses_and_goes_on),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
