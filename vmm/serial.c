// SPDX-License-Identifier: Apache-2.0
/* Port accesses on vCPU threads, serial_tx_* and serial_rx_* on the loop; s->lock between them. */
#include "vmm/serial.h"

#include <linux/serial_reg.h>
#include <string.h>
#include <unistd.h>

#include "vmm/util.h"

/* Causes, as bits: the value of the interrupt enable register for each. */
#define CAUSE_RX  UART_IER_RDI
#define CAUSE_THR UART_IER_THRI
#define CAUSE_RLS UART_IER_RLSI

static uint32_t ring_used(const struct serial_ring *r)
{
	return r->tail - r->head;
}

static uint32_t ring_room(const struct serial_ring *r)
{
	return SERIAL_RING_LEN - ring_used(r);
}

static void ring_put(struct serial_ring *r, uint8_t b)
{
	r->data[r->tail++ & (SERIAL_RING_LEN - 1)] = b;
}

static uint8_t ring_get(struct serial_ring *r)
{
	return r->data[r->head++ & (SERIAL_RING_LEN - 1)];
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		return; /* full counter: it is signalled already */
}

static bool loopback(const struct serial *s)
{
	return s->mcr & UART_MCR_LOOP;
}

static bool tx_ready(const struct serial *s)
{
	return ring_room(&s->tx) > 0 || s->dropping;
}

static bool rx_break_now(const struct serial *s)
{
	return s->break_queued && ring_used(&s->rx) == 0;
}

static bool window_closed(const struct serial *s)
{
	return s->rx_paced && s->rx_sent - s->rx_taken >= SERIAL_WINDOW;
}

static bool rx_ready(const struct serial *s)
{
	if (!loopback(s) && (s->rx_held || !(s->mcr & UART_MCR_RTS) || window_closed(s)))
		return false;
	return ring_used(&s->rx) > 0 || rx_break_now(s);
}

static uint8_t causes(const struct serial *s)
{
	uint8_t c = 0;

	if (rx_ready(s))
		c |= rx_break_now(s) ? CAUSE_RLS | CAUSE_RX : CAUSE_RX;
	if (s->thr_pending && tx_ready(s))
		c |= CAUSE_THR;
	return c & s->ier;
}

/*
 * Tells the guest about causes that it has not been told of. The line is edge-triggered; a driver
 * looks until no cause is left, so one edge for each new cause is enough.
 */
static void update_irq(struct serial *s)
{
	uint8_t now = causes(s);
	bool edge = now & ~s->pending;

	s->pending = now;
	if (edge && !loopback(s))
		irq_pulse(&s->irq);
}

static uint8_t read_lsr(const struct serial *s)
{
	uint8_t lsr = 0;

	if (tx_ready(s))
		lsr |= UART_LSR_THRE | UART_LSR_TEMT;
	if (rx_ready(s))
		lsr |= rx_break_now(s) ? UART_LSR_DR | UART_LSR_BI : UART_LSR_DR;
	return lsr;
}

static uint8_t read_rbr(struct serial *s)
{
	uint8_t b = 0;

	if (!rx_ready(s))
		return 0;
	if (rx_break_now(s)) {
		s->break_queued = false;
	} else {
		b = ring_get(&s->rx);
		s->rx_sent += !loopback(s);
	}
	if (s->rx_wanted && ring_used(&s->rx) < SERIAL_RING_LEN / 2) {
		s->rx_wanted = false;
		signal_fd(s->wake_fd);
	}
	return b;
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t c = causes(s);
	uint8_t fifo = s->fcr & UART_FCR_ENABLE_FIFO ? 0xc0 : 0;

	if (c & CAUSE_RLS)
		return fifo | UART_IIR_RLSI;
	if (c & CAUSE_RX)
		return fifo | UART_IIR_RDI;
	if (c & CAUSE_THR) {
		s->thr_pending = false; /* reading the register acknowledges it */
		return fifo | UART_IIR_THRI;
	}
	return fifo | UART_IIR_NO_INT;
}

static uint8_t read_msr(const struct serial *s)
{
	uint8_t msr = 0;

	if (!loopback(s))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	/* Loopback: the outputs of the modem control register come back as inputs. */
	if (s->mcr & UART_MCR_RTS)
		msr |= UART_MSR_CTS;
	if (s->mcr & UART_MCR_DTR)
		msr |= UART_MSR_DSR;
	if (s->mcr & UART_MCR_OUT1)
		msr |= UART_MSR_RI;
	if (s->mcr & UART_MCR_OUT2)
		msr |= UART_MSR_DCD;
	return msr;
}

static uint8_t read_register(struct serial *s, uint32_t off)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (off) {
	case UART_RX:
		return dlab ? s->dll : read_rbr(s);
	case UART_IER:
		return dlab ? s->dlm : s->ier;
	case UART_IIR:
		return read_iir(s);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		return read_lsr(s);
	case UART_MSR:
		return read_msr(s);
	default:
		return s->scratch;
	}
}

static void write_thr(struct serial *s, uint8_t b)
{
	if (loopback(s)) {
		if (ring_room(&s->rx) > 0)
			ring_put(&s->rx, b);
		return;
	}
	s->tx_bytes++;
	if (ring_room(&s->tx) == 0) {
		s->tx_dropped++;
		s->thr_pending = true;
		return;
	}
	/* The host side drains all it finds: it needs waking for the first byte only. */
	if (ring_used(&s->tx) == 0)
		signal_fd(s->wake_fd);
	ring_put(&s->tx, b);
	/* Our transmitter is empty again at once, unless the ring is full. */
	s->thr_pending = true;
	s->tx_stalled = !tx_ready(s);
}

static void write_ier(struct serial *s, uint8_t v)
{
	/* Enabling the cause while the transmitter is empty raises it. */
	if ((v & CAUSE_THR) && !(s->ier & CAUSE_THR))
		s->thr_pending = true;
	s->ier = v & 0x0f;
}

static void write_fcr(struct serial *s, uint8_t v)
{
	s->fcr = v;
	/* Input that the host has queued waits in the ring, not in the FIFO: clearing keeps it. */
	if ((v & UART_FCR_CLEAR_RCVR) && loopback(s))
		s->rx.head = s->rx.tail;
}

static void write_register(struct serial *s, uint32_t off, uint8_t v)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (off) {
	case UART_TX:
		if (dlab)
			s->dll = v;
		else
			write_thr(s, v);
		break;
	case UART_IER:
		if (dlab)
			s->dlm = v;
		else
			write_ier(s, v);
		break;
	case UART_FCR:
		write_fcr(s, v);
		break;
	case UART_LCR:
		s->lcr = v;
		break;
	case UART_MCR:
		s->mcr = v & 0x1f;
		break;
	case UART_SCR:
		s->scratch = v;
		break;
	default:
		break; /* status registers are read-only */
	}
}

static void serial_read(void *ctx, uint32_t off, void *data, uint32_t len)
{
	struct serial *s = ctx;

	if (len != 1)
		return;
	pthread_mutex_lock(&s->lock);
	*(uint8_t *)data = read_register(s, off);
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

static void serial_write(void *ctx, uint32_t off, const void *data, uint32_t len)
{
	struct serial *s = ctx;

	if (len != 1)
		return;
	pthread_mutex_lock(&s->lock);
	write_register(s, off, *(const uint8_t *)data);
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

const struct bus_ops serial_bus_ops = { .read = serial_read, .write = serial_write };

void serial_init(struct serial *s, const struct irq_line *irq, int wake_fd)
{
	/* Not memset: the rings are most of the struct, and fresh pages need not be touched. */
	pthread_mutex_init(&s->lock, NULL);
	s->irq = *irq;
	s->wake_fd = wake_fd;
	s->dll = 1; /* 115200 baud: what a reader of the registers expects */
}

void serial_release(struct serial *s)
{
	pthread_mutex_destroy(&s->lock);
}

void serial_rx_hold(struct serial *s, bool paced)
{
	s->rx_held = true;
	s->rx_paced = paced;
}

void serial_rx_taken(struct serial *s, uint32_t total)
{
	pthread_mutex_lock(&s->lock);
	s->rx_taken = total;
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

void serial_rx_open(struct serial *s)
{
	pthread_mutex_lock(&s->lock);
	s->rx_held = false;
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

uint32_t serial_tx_peek(struct serial *s, void *dst, uint32_t max)
{
	uint32_t n;

	pthread_mutex_lock(&s->lock);
	n = (uint32_t)min_u64(max, ring_used(&s->tx));
	for (uint32_t i = 0; i < n; i++)
		((uint8_t *)dst)[i] = s->tx.data[(s->tx.head + i) & (SERIAL_RING_LEN - 1)];
	pthread_mutex_unlock(&s->lock);
	return n;
}

void serial_tx_consume(struct serial *s, uint32_t n)
{
	pthread_mutex_lock(&s->lock);
	s->tx.head += n;
	s->dropping = false;
	s->tx_stalled = false;
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

void serial_tx_give_up(struct serial *s)
{
	pthread_mutex_lock(&s->lock);
	s->dropping = true;
	s->tx_stalled = false;
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

uint32_t serial_rx_room(struct serial *s)
{
	uint32_t n;

	pthread_mutex_lock(&s->lock);
	n = ring_room(&s->rx);
	s->rx_wanted = n == 0;
	pthread_mutex_unlock(&s->lock);
	return n;
}

void serial_rx_push(struct serial *s, const void *src, uint32_t n)
{
	pthread_mutex_lock(&s->lock);
	for (uint32_t i = 0; i < n; i++)
		ring_put(&s->rx, ((const uint8_t *)src)[i]);
	/* The guest may have read the earlier input without leaving its handler: tell it again. */
	s->pending &= (uint8_t)~CAUSE_RX;
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

void serial_rx_break(struct serial *s)
{
	pthread_mutex_lock(&s->lock);
	s->break_queued = true;
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}
