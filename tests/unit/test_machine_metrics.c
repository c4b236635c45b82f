// SPDX-License-Identifier: Apache-2.0
/* Each of a machine's counters arrives under its own name, and under no other. */
#include "vmm/machine.h"

#include "tests/lib/unit.h"
#include "vmm/metrics.h"
#include "vmm/util.h"

#include <linux/virtio_ids.h>
#include <string.h>

static struct machine m;

static const struct virtio_ops kinds[] = {
	{ .id = VIRTIO_ID_BLOCK }, { .id = VIRTIO_ID_BLOCK }, { .id = VIRTIO_ID_NET },
	{ .id = VIRTIO_ID_NET },   { .id = VIRTIO_ID_RNG },   { .id = VIRTIO_ID_BALLOON },
	{ .id = VIRTIO_ID_VSOCK },
};

/* Two drives, two interfaces, entropy, balloon, vsock, two vCPUs: every place has a neighbour. */
static int setup(void **state)
{
	(void)state;
	memset(&m, 0, sizeof(m));
	memset(&metrics, 0, sizeof(metrics));
	m.phase = MACHINE_RUNNING;
	m.settings.nr_drives = 2;
	m.settings.nr_networks = 2;
	m.config.rng = true;
	m.config.has_vsock = true;
	m.vm.nr_vcpus = 2;
	m.vm.nr_devices = 7;
	m.vm.device[0].transport.dev = &m.vm.device[0].blk.dev;
	m.vm.device[1].transport.dev = &m.vm.device[1].blk.dev;
	m.vm.device[2].transport.dev = &m.vm.device[2].net.dev;
	m.vm.device[3].transport.dev = &m.vm.device[3].net.dev;
	m.vm.device[4].transport.dev = &m.vm.device[4].rng.dev;
	m.vm.device[5].transport.dev = &m.vm.device[5].balloon.dev;
	m.vm.device[6].transport.dev = &m.vm.device[6].vsock.dev;
	for (unsigned int i = 0; i < m.vm.nr_devices; i++)
		m.vm.device[i].transport.dev->ops = &kinds[i];
	return 0;
}

/* Gives each source a number of its own, gathers, and finds that number in the place of the pair.
 */
#define PAIR(source, counter)                         \
	{                                             \
		&(source), sizeof(source), &(counter) \
	}

struct pair {
	void *source;
	size_t size;
	metric *counter;
};

static void set(const struct pair *p, uint64_t value)
{
	uint32_t small = (uint32_t)value;

	assert_true(p->size == sizeof(value) || p->size == sizeof(small));
	if (p->size == sizeof(value))
		memcpy(p->source, &value, sizeof(value));
	else
		memcpy(p->source, &small, sizeof(small));
}

static void assert_pairs(const struct pair *pairs, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		set(&pairs[i], 1000 + i);
	machine_gather(&m);
	for (size_t i = 0; i < nr; i++) {
		if (metric_get(pairs[i].counter) != 1000 + i)
			fail_msg("pair %zu: %llu", i,
				 (unsigned long long)metric_get(pairs[i].counter));
	}
}

static void drives(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		struct blk *b = &m.vm.device[i].blk;
		struct metrics_block *t = &m.block_metrics[i];
		const struct pair pairs[] = {
			PAIR(b->dev.stats.kicks, t->queue_event_count),
			PAIR(b->dev.stats.failures, t->execute_fails),
			PAIR(b->dev.stats.faults, t->invalid_reqs_count),
			PAIR(b->count.read_bytes, t->read_bytes),
			PAIR(b->count.read_count, t->read_count),
			PAIR(b->count.write_bytes, t->write_bytes),
			PAIR(b->count.write_count, t->write_count),
			PAIR(b->count.flush_count, t->flush_count),
			PAIR(b->count.update_count, t->update_count),
			PAIR(b->dev.limit.throttled, t->rate_limiter_throttled_events),
		};

		assert_pairs(pairs, ARRAY_SIZE(pairs));
		assert_int_equal(metric_get(&m.block_metrics[1].read_bytes), i == 0 ? 0 : 1003);
	}
}

static void networks(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		struct net *n = &m.vm.device[2 + i].net;
		struct net_stats *s = &n->net_stats;
		struct metrics_net *t = &m.net_metrics[i];
		const struct pair pairs[] = {
			PAIR(s->rx_bytes_count, t->rx_bytes_count),
			PAIR(s->rx_packets_count, t->rx_packets_count),
			PAIR(s->rx_count, t->rx_count),
			PAIR(s->rx_fails, t->rx_fails),
			PAIR(s->rx_queue_event_count, t->rx_queue_event_count),
			PAIR(s->rx_tap_event_count, t->rx_tap_event_count),
			PAIR(s->rx_event_rate_limiter_count, t->rx_event_rate_limiter_count),
			PAIR(n->rx.limit.throttled, t->rx_rate_limiter_throttled),
			PAIR(s->no_rx_avail_buffer, t->no_rx_avail_buffer),
			PAIR(s->tap_read_fails, t->tap_read_fails),
			PAIR(s->tap_write_fails, t->tap_write_fails),
			PAIR(s->tx_bytes_count, t->tx_bytes_count),
			PAIR(s->tx_packets_count, t->tx_packets_count),
			PAIR(s->tx_count, t->tx_count),
			PAIR(s->tx_fails, t->tx_fails),
			PAIR(s->tx_malformed_frames, t->tx_malformed_frames),
			PAIR(s->tx_queue_event_count, t->tx_queue_event_count),
			PAIR(s->tx_event_rate_limiter_count, t->tx_rate_limiter_event_count),
			PAIR(n->tx_limit.throttled, t->tx_rate_limiter_throttled),
			PAIR(s->tx_spoofed_mac_count, t->tx_spoofed_mac_count),
		};

		assert_pairs(pairs, ARRAY_SIZE(pairs));
	}
}

static void entropy_and_vsock(void **state)
{
	struct rng *r = &m.vm.device[4].rng;
	struct vsock_counters *s = &m.vm.device[6].vsock.conns.count;
	const struct pair pairs[] = {
		PAIR(r->dev.stats.kicks, metrics.entropy.entropy_event_count),
		PAIR(r->dev.stats.failures, metrics.entropy.host_rng_fails),
		PAIR(r->dev.stats.faults, metrics.entropy.entropy_event_fails),
		PAIR(r->bytes, metrics.entropy.entropy_bytes),
		PAIR(r->dev.limit.throttled, metrics.entropy.entropy_rate_limiter_throttled),
		PAIR(r->dev.limit.woken, metrics.entropy.rate_limiter_event_count),
		PAIR(s->rx_queue_event_count, metrics.vsock.rx_queue_event_count),
		PAIR(s->tx_queue_event_count, metrics.vsock.tx_queue_event_count),
		PAIR(s->rx_bytes_count, metrics.vsock.rx_bytes_count),
		PAIR(s->tx_bytes_count, metrics.vsock.tx_bytes_count),
		PAIR(s->rx_packets_count, metrics.vsock.rx_packets_count),
		PAIR(s->tx_packets_count, metrics.vsock.tx_packets_count),
		PAIR(s->conns_added, metrics.vsock.conns_added),
		PAIR(s->conns_killed, metrics.vsock.conns_killed),
		PAIR(s->conns_removed, metrics.vsock.conns_removed),
		PAIR(s->rx_read_fails, metrics.vsock.rx_read_fails),
		PAIR(s->tx_write_fails, metrics.vsock.tx_write_fails),
		PAIR(s->tx_flush_fails, metrics.vsock.tx_flush_fails),
		PAIR(s->muxer_event_fails, metrics.vsock.muxer_event_fails),
	};

	(void)state;
	assert_pairs(pairs, ARRAY_SIZE(pairs));
}

static void balloon_and_console(void **state)
{
	struct balloon_count *c = &m.vm.device[5].balloon.count;
	struct metrics_balloon *t = &metrics.balloon;
	const struct pair pairs[] = {
		PAIR(c->inflates, t->inflate_count),
		PAIR(c->deflates, t->deflate_count),
		PAIR(c->stats, t->stats_updates_count),
		PAIR(c->bad_stats, t->stats_update_fails),
		PAIR(c->bad_chains, t->event_fails),
		PAIR(c->hints, t->free_page_hint_count),
		PAIR(c->hint_bytes, t->free_page_hint_freed),
		PAIR(c->hint_fails, t->free_page_hint_fails),
		PAIR(c->reports, t->free_page_report_count),
		PAIR(c->report_bytes, t->free_page_report_freed),
		PAIR(c->report_fails, t->free_page_report_fails),
		PAIR(m.vm.serial[0].rx_sent, metrics.uart.read_count),
		PAIR(m.vm.console[0].lost, metrics.uart.missed_write_count),
		PAIR(m.vm.console[0].errors, metrics.uart.error_count),
		PAIR(m.vm.console[0].dropped, metrics.uart.rate_limiter_dropped_bytes),
	};

	(void)state;
	assert_pairs(pairs, ARRAY_SIZE(pairs));
}

/* What several count is added up. */
static void sums(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < m.vm.nr_devices; i++)
		m.vm.device[i].transport.dev->stats.interrupts = 1u << i;
	for (unsigned int i = 0; i < m.vm.nr_vcpus; i++) {
		m.vm.vcpu[i].count.io_in = 1 + i;
		m.vm.vcpu[i].count.io_out = 10 + i;
		m.vm.vcpu[i].count.mmio_read = 100 + i;
		m.vm.vcpu[i].count.mmio_write = 1000 + i;
	}
	m.vm.serial[0].tx_bytes = 5;
	m.vm.serial[0].tx_dropped = 6;
	machine_gather(&m);
	assert_int_equal(metric_get(&metrics.interrupts.triggers), 127);
	assert_int_equal(metric_get(&metrics.vcpu.exit_io_in), 3);
	assert_int_equal(metric_get(&metrics.vcpu.exit_io_out), 21);
	assert_int_equal(metric_get(&metrics.vcpu.exit_mmio_read), 201);
	assert_int_equal(metric_get(&metrics.vcpu.exit_mmio_write), 2001);
	assert_int_equal(metric_get(&metrics.uart.write_count), 5);
	assert_int_equal(metric_get(&metrics.uart.missed_write_count), 6);
}

static void nothing_before_the_start(void **state)
{
	(void)state;
	m.phase = MACHINE_NOT_STARTED;
	m.vm.serial[0].tx_bytes = 5;
	machine_gather(&m);
	assert_int_equal(metric_get(&metrics.uart.write_count), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(drives, setup),
		cmocka_unit_test_setup(networks, setup),
		cmocka_unit_test_setup(entropy_and_vsock, setup),
		cmocka_unit_test_setup(balloon_and_console, setup),
		cmocka_unit_test_setup(sums, setup),
		cmocka_unit_test_setup(nothing_before_the_start, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
