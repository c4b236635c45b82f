// SPDX-License-Identifier: Apache-2.0
/*
 * Register accesses: any vCPU thread, under t->lock. Functions named loop_*, and the virtio_*
 * functions that devices call: event-loop thread.
 */
#include "virtio/virtio_mmio.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "virtio/virtio_mmio_impl.h"
#include "vmm/log.h"
#include "vmm/mutants.h"
#include "vmm/util.h"

#define MAGIC  0x74726976u /* "virt" */
#define VENDOR 0x65746f6du /* "mote" */

/* The bits that a driver sets (§2.1). */
#define STATUS_KNOWN                                                          \
	((uint32_t)(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |    \
		    VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FEATURES_OK | \
		    VIRTIO_CONFIG_S_FAILED))

static void raise_irq(struct vmmio *t, uint32_t bit)
{
	/* Release: the guest that sees the bit must see what it announces. */
	atomic_fetch_or_explicit(t->interrupt_status, bit, memory_order_release);
	t->host.interrupt(t->host.ctx, t->host.line);
}

void vmmio_raise_config(struct vmmio *t)
{
	t->dev->stats.config_interrupts++;
	raise_irq(t, VIRTIO_MMIO_INT_CONFIG);
}

static uint32_t read_register(struct vmmio *t, uint32_t off);

void vmmio_refresh(struct vmmio *t)
{
	/* All but InterruptStatus, which lives there; the others read as zero. */
	static const uint16_t registers[] = {
		VIRTIO_MMIO_MAGIC_VALUE,       VIRTIO_MMIO_VERSION,
		VIRTIO_MMIO_DEVICE_ID,	       VIRTIO_MMIO_VENDOR_ID,
		VIRTIO_MMIO_DEVICE_FEATURES,   VIRTIO_MMIO_QUEUE_NUM_MAX,
		VIRTIO_MMIO_QUEUE_READY,       VIRTIO_MMIO_STATUS,
		VIRTIO_MMIO_SHM_LEN_LOW,       VIRTIO_MMIO_SHM_LEN_HIGH,
		VIRTIO_MMIO_SHM_BASE_LOW,      VIRTIO_MMIO_SHM_BASE_HIGH,
		VIRTIO_MMIO_CONFIG_GENERATION,
	};
	uint8_t *page = t->host.page;

	if (!page)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(registers); i++) {
		uint32_t *at = (uint32_t *)(void *)(page + registers[i]);

		__atomic_store_n(at, MUT_PAGE(read_register(t, registers[i]), *at),
				 __ATOMIC_RELEASE);
	}
}

void vmmio_guest_fault(struct vmmio *t)
{
	atomic_fetch_add_explicit(&t->register_faults, 1, memory_order_relaxed);
}

/* ---- the device's side: loop thread ------------------------------------------------------- */

void virtio_notify_queues(struct virtio_dev *d, unsigned int queues)
{
	bool wanted = false;

	for (unsigned int q = 0; q < d->ops->nr_queues; q++) {
		if (!(queues & 1u << q) || !virtq_publish(&d->vq[q]))
			continue;
		d->stats.queue[q].interrupts++;
		wanted = true;
	}
	if (!wanted)
		return;
	d->stats.interrupts++;
	raise_irq(d->transport, VIRTIO_MMIO_INT_VRING);
}

void virtio_notify(struct virtio_dev *d, unsigned int q)
{
	virtio_notify_queues(d, 1u << q);
}

void virtio_broken(struct virtio_dev *d, unsigned int q)
{
	struct vmmio *t = d->transport;

	d->stats.faults++;
	log_guest("%s: queue %u: %s: device stopped until the driver resets it", d->ops->name, q,
		  virtq_fault_name((enum virtq_fault)d->vq[q].fault));
	pthread_mutex_lock(&t->lock);
	t->state.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	vmmio_refresh(t);
	pthread_mutex_unlock(&t->lock);
	vmmio_raise_config(t);
}

/* Comes back to queue `q` in the loop's next round. */
static void kick_again(struct vmmio *t, unsigned int q)
{
	uint64_t one = 1;

	if (write(t->kick[q].fd, &one, sizeof(one)) < 0)
		return;
}

void virtio_again(struct virtio_dev *d, unsigned int q)
{
	kick_again(d->transport, q);
}

static void on_limit(void *ctx)
{
	virtio_again(ctx, 0);
}

static void loop_kick(void *ctx, uint32_t events)
{
	struct vmmio_kick *k = ctx;
	struct virtio_dev *d = k->transport->dev;

	(void)events;
	/* A late or early doorbell: the queue is not running, or has been stopped for a fault. */
	if (!k->transport->active || !d->vq[k->queue].enabled || d->vq[k->queue].fault != VIRTQ_OK)
		return;
	d->stats.kicks++;
	d->stats.queue[k->queue].kicks++;
	d->ops->kick(d, k->queue);
}

/* ---- changes to the running device: sent to the loop, which owns it ------------------------ */

void vmmio_settle(struct vmmio *t)
{
	if (t->active && t->dev->ops->settle)
		t->dev->ops->settle(t->dev);
}

void vmmio_finish(struct vmmio *t)
{
	for (unsigned int q = 0; q < MUT_LAST(t->dev->ops->nr_queues); q++)
		loop_kick(&t->kick[q], 0);
	vmmio_settle(t);
}

static void stop_device(struct vmmio *t)
{
	struct virtio_dev *d = t->dev;

	if (!t->active)
		return;
	t->active = false;
	d->ops->reset(d);
	for (unsigned int q = 0; q < d->ops->nr_queues; q++)
		virtq_disable(&d->vq[q]);
}

static void loop_reset(void *arg)
{
	struct vmmio *t = arg;
	uint32_t generation;

	stop_device(t);
	pthread_mutex_lock(&t->lock);
	generation = t->state.config_generation;
	memset(&t->state, 0, sizeof(t->state));
	t->state.config_generation = generation;
	memset(t->dev->config + t->dev->config_rw_off, 0, t->dev->config_rw_len);
	vmmio_config_show(t);
	atomic_store(t->interrupt_status, 0);
	vmmio_refresh(t);
	pthread_mutex_unlock(&t->lock);
}

/* Takes DRIVER_OK into the status if the order of §3.1.1 allows it. */
static bool accept_driver_ok(struct vmmio *t, struct vmmio_state *copy)
{
	bool ok;

	pthread_mutex_lock(&t->lock);
	ok = (t->state.status & VIRTIO_CONFIG_S_FEATURES_OK) &&
	     !(t->state.status & VIRTIO_CONFIG_S_DRIVER_OK);
	if (ok)
		t->state.status |= VIRTIO_CONFIG_S_DRIVER_OK;
	else
		vmmio_guest_fault(t);
	vmmio_refresh(t);
	*copy = t->state;
	pthread_mutex_unlock(&t->lock);
	return ok;
}

static void loop_start(void *arg)
{
	struct vmmio *t = arg;
	struct virtio_dev *d = t->dev;
	struct vmmio_state s;

	if (!accept_driver_ok(t, &s))
		return;
	d->driver_features = s.driver_features;
	t->active = true;
	for (unsigned int q = 0; q < d->ops->nr_queues; q++) {
		if (s.queue[q].ready &&
		    virtq_enable(&d->vq[q], d->mem, &s.queue[q], s.driver_features) < 0)
			virtio_broken(d, q);
	}
	if (d->ops->activate)
		d->ops->activate(d);
	/* The driver may have filled a queue before there was anybody to hear its doorbell. */
	for (unsigned int q = 0; q < d->ops->nr_queues; q++) {
		if (d->vq[q].enabled)
			kick_again(t, q);
	}
}

struct queue_ref {
	struct vmmio *t;
	uint32_t q;
};

static void loop_stop_queue(void *arg)
{
	const struct queue_ref *r = arg;

	vmmio_settle(r->t);
	virtq_disable(&r->t->dev->vq[r->q]);
	pthread_mutex_lock(&r->t->lock);
	r->t->state.queue[r->q].ready = 0;
	vmmio_refresh(r->t);
	pthread_mutex_unlock(&r->t->lock);
}

/* ---- registers: vCPU threads ---------------------------------------------------------------- */

static uint64_t select_half(uint64_t v, uint32_t sel)
{
	if (sel > 1)
		return 0;
	return v >> (32 * sel) & UINT32_MAX;
}

static void set_half(uint64_t *v, unsigned int half, uint32_t value)
{
	uint64_t mask = (uint64_t)UINT32_MAX << (32 * half);

	*v = (*v & ~mask) | (uint64_t)value << (32 * half);
}

/* The selected queue's registers; NULL when the driver selected one that does not exist. */
static struct virtq_regs *selected(struct vmmio *t)
{
	return t->state.queue_sel < t->dev->ops->nr_queues ? &t->state.queue[t->state.queue_sel]
							   : NULL;
}

static uint32_t read_queue_register(struct vmmio *t, uint32_t off)
{
	const struct virtq_regs *q = selected(t);

	if (!q)
		return 0;
	return off == VIRTIO_MMIO_QUEUE_NUM_MAX ? t->dev->ops->queue_max : q->ready;
}

static uint32_t read_register(struct vmmio *t, uint32_t off)
{
	const struct virtio_dev *d = t->dev;

	switch (off) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return 2;
	case VIRTIO_MMIO_DEVICE_ID:
		return d->ops->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return (uint32_t)select_half(d->features, t->state.device_features_sel);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
	case VIRTIO_MMIO_QUEUE_READY:
		return read_queue_register(t, off);
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return atomic_load_explicit(t->interrupt_status, memory_order_acquire);
	case VIRTIO_MMIO_STATUS:
		return t->state.status;
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return t->state.config_generation;
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return UINT32_MAX; /* no shared memory region exists (§4.2.2) */
	default:
		vmmio_guest_fault(t);
		return 0;
	}
}

static void vmmio_read(void *ctx, uint32_t off, void *data, uint32_t len)
{
	struct vmmio *t = ctx;
	uint32_t v;

	/* Read on every interrupt, and an atomic: it need not wait for the lock. */
	if (MUT_LOCK_FREE(off == VIRTIO_MMIO_INTERRUPT_STATUS) && len == 4) {
		v = read_register(t, off);
		memcpy(data, &v, sizeof(v));
		return;
	}
	pthread_mutex_lock(&t->lock);
	if (off >= VIRTIO_MMIO_CONFIG) {
		vmmio_config_read(t, off - VIRTIO_MMIO_CONFIG, data, len);
	} else if (len == 4 && off % 4 == 0) {
		v = read_register(t, off);
		memcpy(data, &v, sizeof(v));
	} else {
		memset(data, 0, len);
		vmmio_guest_fault(t); /* §4.2.2.2: 32-bit aligned accesses only */
	}
	pthread_mutex_unlock(&t->lock);
}

/* FEATURES_OK stays off when the driver took what was not offered, or not VERSION_1 (§6.1). */
static bool features_acceptable(const struct vmmio *t)
{
	uint64_t f = t->state.driver_features;

	return !MUT_NOT_OFFERED(f & ~t->dev->features) && (f & 1ull << VIRTIO_F_VERSION_1);
}

/* False: the driver may not write this, and nothing changed. */
static bool write_status_locked(struct vmmio *t, uint32_t v)
{
	uint32_t old = t->state.status;

	/* Bits are only ever added (§2.1.1); what we set ourselves is not the driver's to clear. */
	if ((v & ~(STATUS_KNOWN | VIRTIO_CONFIG_S_NEEDS_RESET)) || (old & STATUS_KNOWN & ~v)) {
		vmmio_guest_fault(t);
		return false;
	}
	if ((v & VIRTIO_CONFIG_S_FEATURES_OK) && !(old & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    !features_acceptable(t)) {
		vmmio_guest_fault(t);
		v &= ~(uint32_t)VIRTIO_CONFIG_S_FEATURES_OK;
	}
	/* DRIVER_OK is the loop's to set, once the device runs. */
	t->state.status = old | (v & STATUS_KNOWN & ~(uint32_t)VIRTIO_CONFIG_S_DRIVER_OK);
	return true;
}

static void write_status(struct vmmio *t, uint32_t v)
{
	bool start;

	if (v == 0) {
		evloop_call(t->loop, loop_reset, t);
		return;
	}
	pthread_mutex_lock(&t->lock);
	start = (v & VIRTIO_CONFIG_S_DRIVER_OK) && !(t->state.status & VIRTIO_CONFIG_S_DRIVER_OK);
	start = write_status_locked(t, v) && start;
	vmmio_refresh(t);
	pthread_mutex_unlock(&t->lock);
	/* Not under the lock: the loop takes it. Two vCPUs at once: the loop accepts one. */
	if (start)
		evloop_call(t->loop, loop_start, t);
}

static void write_queue_ready(struct vmmio *t, uint32_t v)
{
	struct queue_ref ref = { .t = t };
	struct virtq_regs *q;
	bool running;

	pthread_mutex_lock(&t->lock);
	q = selected(t);
	running = t->state.status & VIRTIO_CONFIG_S_DRIVER_OK;
	ref.q = t->state.queue_sel;
	if (!q || v > 1 || (v == 1 && running)) {
		vmmio_guest_fault(t);
		running = false;
	} else if (!running) {
		q->ready = (uint16_t)v;
		vmmio_refresh(t);
	}
	pthread_mutex_unlock(&t->lock);
	if (running)
		evloop_call(t->loop, loop_stop_queue, &ref);
}

/* The queue's geometry may change until it is ready, and never while the device runs. */
static void write_queue_register(struct vmmio *t, uint32_t off, uint32_t v)
{
	struct virtq_regs *q = selected(t);

	if (!q || MUT_QUEUE_FROZEN(q->ready || (t->state.status & VIRTIO_CONFIG_S_DRIVER_OK))) {
		vmmio_guest_fault(t);
		return;
	}
	switch (off) {
	case VIRTIO_MMIO_QUEUE_NUM:
		/* The rest of the geometry is checked where it is used: virtq_enable. */
		if (is_pow2(v) && v <= t->dev->ops->queue_max)
			q->size = (uint16_t)v;
		else
			vmmio_guest_fault(t);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_half(&q->desc, off == VIRTIO_MMIO_QUEUE_DESC_HIGH, v);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_half(&q->avail, off == VIRTIO_MMIO_QUEUE_AVAIL_HIGH, v);
		break;
	default:
		set_half(&q->used, off == VIRTIO_MMIO_QUEUE_USED_HIGH, v);
		break;
	}
}

static void write_driver_features(struct vmmio *t, uint32_t v)
{
	uint32_t sel = t->state.driver_features_sel;

	/* Final once accepted (§2.2), and 64 bits are all there are. */
	if ((t->state.status & VIRTIO_CONFIG_S_FEATURES_OK) || (sel > 1 && v != 0))
		vmmio_guest_fault(t);
	else if (sel <= 1)
		set_half(&t->state.driver_features, sel, v);
}

/* Registers whose write is a change of the register file and nothing else. */
static void write_register(struct vmmio *t, uint32_t off, uint32_t v)
{
	switch (off) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		t->state.device_features_sel = v;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		t->state.driver_features_sel = v;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		write_driver_features(t, v);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		t->state.queue_sel = v;
		break;
	case VIRTIO_MMIO_QUEUE_NUM:
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		write_queue_register(t, off, v);
		break;
	case VIRTIO_MMIO_SHM_SEL:
		break; /* there is none to select */
	default:
		vmmio_guest_fault(t);
	}
}

static void vmmio_write(void *ctx, uint32_t off, const void *data, uint32_t len)
{
	struct vmmio *t = ctx;
	uint32_t v;

	if (off >= VIRTIO_MMIO_CONFIG) {
		vmmio_config_write(t, off - VIRTIO_MMIO_CONFIG, data, len);
		return;
	}
	if (len != 4 || off % 4 != 0) {
		vmmio_guest_fault(t);
		return;
	}
	memcpy(&v, data, sizeof(v));
	switch (off) {
	case VIRTIO_MMIO_INTERRUPT_ACK:
		atomic_fetch_and_explicit(t->interrupt_status, ~v, memory_order_acq_rel);
		return;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		/* Doorbells go past us by ioeventfd; this is the slow way, and the wrong index. */
		if (v < t->dev->ops->nr_queues)
			kick_again(t, v);
		else
			vmmio_guest_fault(t);
		return;
	case VIRTIO_MMIO_STATUS:
		write_status(t, v);
		return;
	case VIRTIO_MMIO_QUEUE_READY:
		write_queue_ready(t, v);
		return;
	default:
		pthread_mutex_lock(&t->lock);
		write_register(t, off, v);
		vmmio_refresh(t);
		pthread_mutex_unlock(&t->lock);
	}
}

const struct bus_ops vmmio_bus_ops = { .read = vmmio_read, .write = vmmio_write };

/* ---- life ----------------------------------------------------------------------------------- */

static void close_kicks(struct vmmio *t)
{
	for (unsigned int q = 0; q < t->dev->ops->nr_queues; q++) {
		ev_del(t->loop, &t->kick[q].source);
		if (t->kick[q].fd >= 0)
			close(t->kick[q].fd);
		t->kick[q].fd = -1;
	}
}

int vmmio_init(struct vmmio *t, struct virtio_dev *d, const struct vmmio_host *host)
{
	memset(t, 0, sizeof(*t));
	t->dev = d;
	t->loop = host->loop;
	t->host = *host;
	pthread_mutex_init(&t->lock, NULL);
	for (unsigned int q = 0; q < VIRTIO_MAX_QUEUES; q++)
		t->kick[q].fd = -1;
	for (unsigned int q = 0; q < d->ops->nr_queues; q++) {
		struct vmmio_kick *k = &t->kick[q];
		int r;

		k->transport = t;
		k->queue = q;
		k->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		/* Edge-triggered, so that nobody has to read the counter back to zero. */
		r = k->fd < 0 ? -errno
			      : ev_add(t->loop, &k->source, k->fd, EPOLLIN | EPOLLET, loop_kick, k);
		if (r < 0) {
			close_kicks(t);
			pthread_mutex_destroy(&t->lock);
			return r;
		}
	}
	t->interrupt_status = &t->own_interrupt_status;
	if (host->page)
		t->interrupt_status =
			(void *)((uint8_t *)host->page + VIRTIO_MMIO_INTERRUPT_STATUS);
	vmmio_config_show(t);
	vmmio_refresh(t);
	d->transport = t;
	d->mem = host->mem;
	rate_limit_init(&d->limit, t->loop, on_limit, d);
	return 0;
}

void vmmio_release(struct vmmio *t)
{
	stop_device(t);
	close_kicks(t);
	rate_limit_release(&t->dev->limit);
	if (t->dev->ops->release)
		t->dev->ops->release(t->dev);
	pthread_mutex_destroy(&t->lock);
}
