// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/board.h"

#include "tests/lib/require.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_end(void *ctx, uint32_t events)
{
	(void)events;
	evloop_stop(ctx);
}

static void interrupt(void *ctx, uint32_t line)
{
	const struct board *b = ctx;
	uint64_t one = 1;

	(void)line;
	REQUIRE(write(b->irq_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

void board_prepare(struct board *b)
{
	memset(b, 0, sizeof(*b));
	guest_init_usual(&b->g);
	REQUIRE(evloop_init(&b->loop) == 0);
}

void board_plug(struct board *b, struct virtio_dev *d)
{
	struct vmmio_host host;

	b->dev = d;
	b->irq_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	b->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	REQUIRE(b->irq_fd >= 0 && b->end_fd >= 0);
	host = (struct vmmio_host){ .mem = &b->g.mem,
				    .loop = &b->loop,
				    .page = b->page,
				    .interrupt = interrupt,
				    .ctx = b };
	REQUIRE(vmmio_init(&b->t, d, &host) == 0);
	REQUIRE(ev_add(&b->loop, &b->end_source, b->end_fd, EPOLLIN, on_end, &b->loop) == 0);
}

void board_init(struct board *b, struct virtio_dev *d)
{
	board_prepare(b);
	board_plug(b, d);
}

void board_release(struct board *b)
{
	if (b->running)
		board_stop(b);
	vmmio_release(&b->t);
	ev_del(&b->loop, &b->end_source);
	close(b->end_fd);
	close(b->irq_fd);
	evloop_release(&b->loop);
	guest_release(&b->g);
}

static void signal_end(struct board *b)
{
	uint64_t one = 1;

	REQUIRE(write(b->end_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

static void clear_end(struct board *b)
{
	uint64_t count;

	REQUIRE(read(b->end_fd, &count, sizeof(count)) == (ssize_t)sizeof(count));
}

/*
 * The end event is ready in each round, so a round is one batch of the loop; a round in which no
 * queue was served is the last.
 */
void board_pump(struct board *b)
{
	uint64_t before;

	signal_end(b);
	do {
		before = b->dev->stats.kicks;
		b->loop.stopping = false;
		REQUIRE(evloop_run(&b->loop) == 0);
	} while (b->dev->stats.kicks != before);
	clear_end(b);
}

static void *run_loop(void *arg)
{
	struct board *b = arg;

	REQUIRE(evloop_run(&b->loop) == 0);
	return NULL;
}

static void nothing(void *arg)
{
	(void)arg;
}

void board_run(struct board *b)
{
	b->loop.stopping = false;
	/* Calls run in place until the loop does: from now on they are to wait for it. */
	b->loop.running = true;
	REQUIRE(pthread_create(&b->thread, NULL, run_loop, b) == 0);
	b->running = true;
	REQUIRE(evloop_call(&b->loop, nothing, NULL) == 0);
}

void board_stop(struct board *b)
{
	evloop_stop(&b->loop);
	REQUIRE(pthread_join(b->thread, NULL) == 0);
	evloop_close(&b->loop);
	b->running = false;
}

void board_settle(struct board *b)
{
	/* A handler may signal once more, behind the call that was waiting with it. */
	for (int i = 0; i < 3; i++)
		REQUIRE(evloop_call(&b->loop, nothing, NULL) == 0);
}

uint64_t board_irqs(struct board *b)
{
	uint64_t n = 0;

	return read(b->irq_fd, &n, sizeof(n)) == (ssize_t)sizeof(n) ? n : 0;
}

uint32_t board_read(struct board *b, uint32_t off)
{
	uint32_t v = 0xdeadbeef;

	vmmio_bus_ops.read(&b->t, off, &v, sizeof(v));
	/* What the guest would have seen without asking; with a thread it may be newer. */
	if (off % 4 == 0 && off < VMMIO_WINDOW && !b->running)
		REQUIRE(__atomic_load_n((uint32_t *)(void *)(b->page + off), __ATOMIC_ACQUIRE) ==
			v);
	return v;
}

void board_write(struct board *b, uint32_t off, uint32_t v)
{
	vmmio_bus_ops.write(&b->t, off, &v, sizeof(v));
}

static void add_status(struct board *b, uint32_t bit)
{
	board_write(b, VIRTIO_MMIO_STATUS, board_read(b, VIRTIO_MMIO_STATUS) | bit);
}

void board_negotiate(struct board *b, uint64_t features)
{
	board_write(b, VIRTIO_MMIO_STATUS, 0);
	add_status(b, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	add_status(b, VIRTIO_CONFIG_S_DRIVER);
	for (uint32_t half = 0; half < 2; half++) {
		board_write(b, VIRTIO_MMIO_DRIVER_FEATURES_SEL, half);
		board_write(b, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> (32 * half)));
	}
	add_status(b, VIRTIO_CONFIG_S_FEATURES_OK);
}

void board_queue(struct board *b, uint32_t q, const struct virtq_regs *r)
{
	board_write(b, VIRTIO_MMIO_QUEUE_SEL, q);
	board_write(b, VIRTIO_MMIO_QUEUE_NUM, r->size);
	board_write(b, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)r->desc);
	board_write(b, VIRTIO_MMIO_QUEUE_DESC_HIGH, (uint32_t)(r->desc >> 32));
	board_write(b, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)r->avail);
	board_write(b, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, (uint32_t)(r->avail >> 32));
	board_write(b, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)r->used);
	board_write(b, VIRTIO_MMIO_QUEUE_USED_HIGH, (uint32_t)(r->used >> 32));
	board_write(b, VIRTIO_MMIO_QUEUE_READY, r->ready);
}

void board_driver_ok(struct board *b)
{
	add_status(b, VIRTIO_CONFIG_S_DRIVER_OK);
}

void board_start(struct board *b, struct driver *d, uint16_t size, uint64_t gpa, uint64_t features)
{
	board_negotiate(b, features);
	driver_init(d, &b->g, size, gpa);
	board_queue(b, 0, &d->regs);
	board_driver_ok(b);
}

void board_kick(struct board *b, uint32_t q)
{
	board_write(b, VIRTIO_MMIO_QUEUE_NOTIFY, q);
}

void board_check(const struct board *b)
{
	const struct vmmio_state *s = &b->t.state;
	const struct virtio_dev *d = b->dev;

	if (s->status & VIRTIO_CONFIG_S_FEATURES_OK) {
		REQUIRE((s->driver_features & ~d->features) == 0);
		REQUIRE(s->driver_features & 1ull << VIRTIO_F_VERSION_1);
	}
	REQUIRE(b->t.active == !!(s->status & VIRTIO_CONFIG_S_DRIVER_OK));
	REQUIRE(!b->t.active || (s->status & VIRTIO_CONFIG_S_FEATURES_OK));
	for (unsigned int q = 0; q < VIRTIO_MAX_QUEUES; q++) {
		const struct virtq_regs *r = &s->queue[q];

		REQUIRE(r->size <= d->ops->queue_max && r->ready <= 1);
		REQUIRE(q < d->ops->nr_queues || (r->size == 0 && r->ready == 0));
		REQUIRE(!d->vq[q].enabled || (b->t.active && r->ready));
	}
}
