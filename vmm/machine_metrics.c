// SPDX-License-Identifier: Apache-2.0
/*
 * What devices and vCPUs count for themselves, as the counters of vmm/metrics.h. machine_gather
 * only loads and stores: it is also called in handlers of fatal signals.
 */
#include "vmm/machine.h"

#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdio.h>

#include "vmm/devices.h"
#include "vmm/log.h"

static void gather_drives(struct machine *m)
{
	for (unsigned int i = 0; i < m->settings.nr_drives; i++) {
		const struct blk *b = &m->vm.device[i].blk;
		struct metrics_block *t = &m->block_metrics[i];

		metric_set(&t->queue_event_count, b->dev.stats.kicks);
		metric_set(&t->execute_fails, b->dev.stats.failures);
		metric_set(&t->invalid_reqs_count, b->dev.stats.faults);
		metric_set(&t->read_bytes, b->count.read_bytes);
		metric_set(&t->read_count, b->count.read_count);
		metric_set(&t->write_bytes, b->count.write_bytes);
		metric_set(&t->write_count, b->count.write_count);
		metric_set(&t->flush_count, b->count.flush_count);
		metric_set(&t->interrupt_count, b->dev.stats.interrupts);
		metric_set(&t->discard_count, b->count.discard_count);
		metric_set(&t->discard_bytes, b->count.discard_bytes);
		metric_set(&t->write_zeroes_count, b->count.zero_count);
		metric_set(&t->write_zeroes_bytes, b->count.zero_bytes);
		metric_set(&t->update_count, b->count.update_count);
		metric_set(&t->rate_limiter_throttled_events, b->dev.limit.throttled);
	}
}

static void gather_networks(struct machine *m)
{
	for (unsigned int i = 0; i < m->settings.nr_networks; i++) {
		const struct net *n = &m->vm.device[m->settings.nr_drives + i].net;
		const struct net_stats *s = &n->net_stats;
		struct metrics_net *t = &m->net_metrics[i];

		metric_set(&t->rx_bytes_count, s->rx_bytes_count);
		metric_set(&t->rx_packets_count, s->rx_packets_count);
		metric_set(&t->rx_count, s->rx_count);
		metric_set(&t->rx_fails, s->rx_fails);
		metric_set(&t->rx_queue_event_count, s->rx_queue_event_count);
		metric_set(&t->rx_tap_event_count, s->rx_tap_event_count);
		metric_set(&t->rx_event_rate_limiter_count, s->rx_event_rate_limiter_count);
		metric_set(&t->rx_rate_limiter_throttled, n->rx.limit.throttled);
		metric_set(&t->no_rx_avail_buffer, s->no_rx_avail_buffer);
		metric_set(&t->tap_read_fails, s->tap_read_fails);
		metric_set(&t->tap_write_fails, s->tap_write_fails);
		metric_set(&t->tx_bytes_count, s->tx_bytes_count);
		metric_set(&t->tx_packets_count, s->tx_packets_count);
		metric_set(&t->tx_count, s->tx_count);
		metric_set(&t->tx_fails, s->tx_fails);
		metric_set(&t->tx_malformed_frames, s->tx_malformed_frames);
		metric_set(&t->tx_queue_event_count, s->tx_queue_event_count);
		metric_set(&t->tx_rate_limiter_event_count, s->tx_event_rate_limiter_count);
		metric_set(&t->tx_rate_limiter_throttled, n->tx_limit.throttled);
		metric_set(&t->tx_spoofed_mac_count, s->tx_spoofed_mac_count);
	}
}

static void gather_vsock(const struct vsock_counters *s)
{
	struct metrics_vsock *t = &metrics.vsock;

	metric_set(&t->rx_queue_event_count, s->rx_queue_event_count);
	metric_set(&t->tx_queue_event_count, s->tx_queue_event_count);
	metric_set(&t->rx_bytes_count, s->rx_bytes_count);
	metric_set(&t->tx_bytes_count, s->tx_bytes_count);
	metric_set(&t->rx_packets_count, s->rx_packets_count);
	metric_set(&t->tx_packets_count, s->tx_packets_count);
	metric_set(&t->conns_added, s->conns_added);
	metric_set(&t->conns_killed, s->conns_killed);
	metric_set(&t->conns_removed, s->conns_removed);
	metric_set(&t->rx_read_fails, s->rx_read_fails);
	metric_set(&t->tx_write_fails, s->tx_write_fails);
	metric_set(&t->tx_flush_fails, s->tx_flush_fails);
	metric_set(&t->muxer_event_fails, s->muxer_event_fails);
}

_Static_assert(offsetof(struct metrics_virtio, queue0_notifications) +
			       (size_t)2 * VIRTIO_MAX_QUEUES * sizeof(metric) <=
		       sizeof(struct metrics_virtio),
	       "every queue is counted");

/* Which of the queues' metrics belongs to queue `q`. */
static metric *of_queue(metric *queue0, unsigned int q)
{
	return queue0 + (size_t)2 * q;
}

/* What the transport counts, for every kind of device. */
static void gather_transport(const struct vmmio *v, struct metrics_virtio *t)
{
	const struct virtio_stats *s = &v->dev->stats;

	metric_set(&t->notifications, s->kicks);
	metric_set(&t->interrupts, s->interrupts);
	metric_set(&t->config_interrupts, s->config_interrupts);
	metric_set(&t->requests, s->requests);
	metric_set(&t->failures, s->failures);
	metric_set(&t->faults, s->faults);
	metric_set(&t->register_faults, atomic_load(&v->register_faults));
	for (unsigned int q = 0; q < VIRTIO_MAX_QUEUES; q++) {
		metric_set(of_queue(&t->queue0_notifications, q), s->queue[q].kicks);
		metric_set(of_queue(&t->queue0_interrupts, q), s->queue[q].interrupts);
	}
}

static void gather_rng(const struct rng *r)
{
	struct metrics_entropy *t = &metrics.entropy;

	metric_set(&t->entropy_event_count, r->dev.stats.kicks);
	metric_set(&t->entropy_event_fails, r->dev.stats.faults);
	metric_set(&t->entropy_bytes, r->bytes);
	metric_set(&t->host_rng_fails, r->dev.stats.failures);
	metric_set(&t->entropy_rate_limiter_throttled, r->dev.limit.throttled);
	metric_set(&t->rate_limiter_event_count, r->dev.limit.woken);
}

static void gather_balloon(const struct balloon *b)
{
	const struct balloon_count *c = &b->count;
	struct metrics_balloon *t = &metrics.balloon;

	metric_set(&t->inflate_count, c->inflates);
	metric_set(&t->deflate_count, c->deflates);
	metric_set(&t->stats_updates_count, c->stats);
	metric_set(&t->stats_update_fails, c->bad_stats);
	metric_set(&t->event_fails, c->bad_chains + b->dev.stats.faults);
	metric_set(&t->free_page_hint_count, c->hints);
	metric_set(&t->free_page_hint_freed, c->hint_bytes);
	metric_set(&t->free_page_hint_fails, c->hint_fails);
	metric_set(&t->free_page_report_count, c->reports);
	metric_set(&t->free_page_report_freed, c->report_bytes);
	metric_set(&t->free_page_report_fails, c->report_fails);
}

/* The devices of which a machine has one at most. */
static void gather_singles(struct vm *vm)
{
	struct vm_device *d = devices_find(vm, VIRTIO_ID_RNG);

	if (d)
		gather_rng(&d->rng);
	d = devices_find(vm, VIRTIO_ID_BALLOON);
	if (d)
		gather_balloon(&d->balloon);
	d = devices_find(vm, VIRTIO_ID_VSOCK);
	if (d)
		gather_vsock(&d->vsock.conns.count);
}

static void gather_vcpus(const struct vm *vm)
{
	struct vcpu_count sum = { 0 };

	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		const struct vcpu_count *c = &vm->vcpu[i].count;

		sum.io_in += c->io_in;
		sum.io_out += c->io_out;
		sum.mmio_read += c->mmio_read;
		sum.mmio_write += c->mmio_write;
	}
	metric_set(&metrics.vcpu.exit_io_in, sum.io_in);
	metric_set(&metrics.vcpu.exit_io_out, sum.io_out);
	metric_set(&metrics.vcpu.exit_mmio_read, sum.mmio_read);
	metric_set(&metrics.vcpu.exit_mmio_write, sum.mmio_write);
}

/* Of the console; a command's standard streams are not counted. */
static void gather_uart(const struct serial *s, const struct console *c)
{
	struct metrics_uart *t = &metrics.uart;

	metric_set(&t->read_count, s->rx_sent);
	metric_set(&t->write_count, s->tx_bytes);
	metric_set(&t->missed_write_count, s->tx_dropped + c->lost);
	metric_set(&t->error_count, c->errors);
	metric_set(&t->rate_limiter_dropped_bytes, c->dropped);
}

void machine_gather(void *ctx)
{
	struct machine *m = ctx;
	const struct vm *vm = &m->vm;
	uint64_t interrupts = 0, config_interrupts = 0;

	if (m->phase == MACHINE_NOT_STARTED)
		return;
	gather_drives(m);
	gather_networks(m);
	for (unsigned int i = 0; i < vm->nr_devices; i++) {
		const struct vmmio *t = &vm->device[i].transport;

		gather_transport(t, &m->virtio_metrics[i]);
		interrupts += t->dev->stats.interrupts + t->dev->stats.config_interrupts;
		config_interrupts += t->dev->stats.config_interrupts;
	}
	metric_set(&metrics.interrupts.triggers, interrupts);
	metric_set(&metrics.interrupts.config_updates, config_interrupts);
	gather_singles(&m->vm);
	gather_vcpus(vm);
	gather_uart(&vm->serial[0], &vm->console[0]);
}

void machine_attach_metrics(struct machine *m)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < m->settings.nr_drives; i++)
		r = metrics_attach(METRICS_ID_block, m->settings.drives[i].drive_id,
				   (metric *)&m->block_metrics[i]);
	for (unsigned int i = 0; r == 0 && i < m->settings.nr_networks; i++)
		r = metrics_attach(METRICS_ID_net, m->settings.networks[i].iface_id,
				   (metric *)&m->net_metrics[i]);
	for (unsigned int i = 0; r == 0 && i < m->vm.nr_devices; i++) {
		snprintf(m->virtio_name[i], sizeof(m->virtio_name[i]), "%u_%s", i,
			 m->vm.device[i].transport.dev->ops->name);
		r = metrics_attach(METRICS_ID_virtio, m->virtio_name[i],
				   (metric *)&m->virtio_metrics[i]);
	}
	if (r < 0)
		log_warn("metrics: more devices than are counted one by one");
	metrics_set_gather(machine_gather, m);
}
