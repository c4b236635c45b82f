// SPDX-License-Identifier: Apache-2.0
/*
 * What devices and vCPUs count for themselves, as the counters of vmm/metrics.h. machine_gather
 * only loads and stores: it is also called in handlers of fatal signals.
 */
#include "vmm/machine.h"

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

void machine_gather(void *ctx)
{
	struct machine *m = ctx;
	const struct vm *vm = &m->vm;
	uint64_t interrupts = 0;

	if (m->phase == MACHINE_NOT_STARTED)
		return;
	gather_drives(m);
	gather_networks(m);
	for (unsigned int i = 0; i < vm->nr_devices; i++)
		interrupts += vm->device[i].transport.dev->stats.interrupts;
	metric_set(&metrics.interrupts.triggers, interrupts);
	if (m->config.rng) {
		const struct rng *r =
			&vm->device[m->settings.nr_drives + m->settings.nr_networks].rng;

		metric_set(&metrics.entropy.entropy_event_count, r->dev.stats.kicks);
		metric_set(&metrics.entropy.host_rng_fails, r->dev.stats.failures);
		metric_set(&metrics.entropy.entropy_rate_limiter_throttled, r->dev.limit.throttled);
	}
	if (m->config.has_vsock)
		gather_vsock(&vm->device[vm->nr_devices - 1].vsock.conns.count);
	gather_vcpus(vm);
	metric_set(&metrics.uart.write_count, vm->serial[0].tx_bytes);
	metric_set(&metrics.uart.missed_write_count, vm->serial[0].tx_dropped);
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
	if (r < 0)
		log_warn("metrics: more devices than are counted one by one");
	metrics_set_gather(machine_gather, m);
}
