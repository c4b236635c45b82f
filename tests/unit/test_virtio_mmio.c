// SPDX-License-Identifier: Apache-2.0
/* The register file: what a driver reads and may write, and what is left of the rest. */
#include "virtio/virtio_mmio.h"

#include "tests/lib/board.h"
#include "tests/lib/fault.h"
#include "tests/lib/toy.h"
#include "tests/lib/unit.h"
#include "vmm/util.h"

#include <errno.h>
#include <linux/virtio_mmio.h>
#include <string.h>

static struct toy toy;
static struct board b;
static struct driver d[2];

static int set_up(void **state)
{
	(void)state;
	toy_init(&toy);
	board_init(&b, &toy.dev);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	board_release(&b);
	return 0;
}

static uint64_t faults(void)
{
	return atomic_load(&b.t.register_faults);
}

static uint32_t status(void)
{
	return board_read(&b, VIRTIO_MMIO_STATUS);
}

static void identity(void **state)
{
	(void)state;
	assert_int_equal(board_read(&b, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_VERSION), 2);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_DEVICE_ID), 42);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_VENDOR_ID), 0x65746f6d);
	assert_int_equal(faults(), 0);
}

static void features_are_read_in_halves(void **state)
{
	static const uint32_t sel[] = { 0, 1, 2, 31, 32, UINT32_MAX };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(sel); i++) {
		uint32_t expected = sel[i] == 0	  ? (uint32_t)toy.dev.features
				    : sel[i] == 1 ? (uint32_t)(toy.dev.features >> 32)
						  : 0;

		board_write(&b, VIRTIO_MMIO_DEVICE_FEATURES_SEL, sel[i]);
		assert_int_equal(board_read(&b, VIRTIO_MMIO_DEVICE_FEATURES), expected);
	}
	assert_int_equal(faults(), 0);
}

static void driver_goes_through_its_steps(void **state)
{
	(void)state;
	assert_int_equal(status(), 0);
	toy_start(&toy, &b, d);
	assert_int_equal(toy.activated, 1);
	assert_int_equal(toy.features_seen, VERSION_1);
	assert_int_equal(faults(), 0);
	assert_true(toy.dev.vq[0].enabled && toy.dev.vq[1].enabled);
}

static void all_offered_features_may_be_taken(void **state)
{
	(void)state;
	board_negotiate(&b, toy.dev.features);
	assert_int_equal(status(), ACK | DRIVER | FEATURES_OK);
	board_driver_ok(&b);
	assert_int_equal(toy.features_seen, toy.dev.features);
}

static void features_that_were_not_offered_are_rejected(void **state)
{
	(void)state;
	for (unsigned int bit = 0; bit < 64; bit++) {
		bool offered = toy.dev.features >> bit & 1;

		board_negotiate(&b, VERSION_1 | 1ull << bit);
		assert_int_equal(!!(status() & FEATURES_OK), offered);
	}
	board_negotiate(&b, TOY_FEATURES); /* without VERSION_1 */
	assert_int_equal(status(), ACK | DRIVER);
	board_driver_ok(&b);
	assert_int_equal(status(), ACK | DRIVER);
	assert_int_equal(toy.activated, 0);
}

static void features_are_final_once_accepted(void **state)
{
	(void)state;
	board_negotiate(&b, VERSION_1);
	board_write(&b, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	board_write(&b, VIRTIO_MMIO_DRIVER_FEATURES, 1u << 3);
	assert_int_equal(faults(), 1);
	assert_int_equal(b.t.state.driver_features, VERSION_1);
}

static void feature_words_past_the_second_are_not_stored(void **state)
{
	(void)state;
	board_write(&b, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 2);
	board_write(&b, VIRTIO_MMIO_DRIVER_FEATURES, 0);
	assert_int_equal(faults(), 0);
	board_write(&b, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	assert_int_equal(faults(), 1);
	assert_int_equal(b.t.state.driver_features, 0);
}

static void status_bits_are_only_added(void **state)
{
	(void)state;
	board_write(&b, VIRTIO_MMIO_STATUS, ACK);
	board_write(&b, VIRTIO_MMIO_STATUS, ACK | DRIVER);
	board_write(&b, VIRTIO_MMIO_STATUS, DRIVER);
	assert_int_equal(status(), ACK | DRIVER);
	assert_int_equal(faults(), 1);
	board_write(&b, VIRTIO_MMIO_STATUS, ACK | DRIVER | FAILED);
	assert_int_equal(status(), ACK | DRIVER | FAILED);
	assert_int_equal(faults(), 1);
}

static void unknown_status_bits_are_refused(void **state)
{
	(void)state;
	for (unsigned int bit = 0; bit < 32; bit++) {
		uint32_t v = 1u << bit;

		if (v & (ACK | DRIVER | FEATURES_OK | DRIVER_OK | FAILED | NEEDS_RESET))
			continue;
		board_write(&b, VIRTIO_MMIO_STATUS, ACK | v);
	}
	assert_int_equal(status(), 0);
	assert_int_equal(faults(), 26);
	/* Only the device sets it. */
	board_write(&b, VIRTIO_MMIO_STATUS, ACK | NEEDS_RESET);
	assert_int_equal(status(), ACK);
}

static void driver_ok_needs_features_ok(void **state)
{
	(void)state;
	board_write(&b, VIRTIO_MMIO_STATUS, ACK | DRIVER | DRIVER_OK);
	assert_int_equal(status(), ACK | DRIVER);
	assert_int_equal(toy.activated, 0);
	assert_int_equal(faults(), 1);
}

static void driver_ok_that_clears_other_bits_is_refused(void **state)
{
	(void)state;
	board_negotiate(&b, VERSION_1);
	board_write(&b, VIRTIO_MMIO_STATUS, DRIVER_OK);
	assert_int_equal(status(), ACK | DRIVER | FEATURES_OK);
	assert_int_equal(toy.activated, 0);
	board_write(&b, VIRTIO_MMIO_STATUS, ACK | DRIVER | FEATURES_OK | DRIVER_OK | 1u << 5);
	assert_int_equal(toy.activated, 0);
	assert_int_equal(faults(), 2);
}

static void driver_ok_twice_activates_once(void **state)
{
	(void)state;
	toy_start(&toy, &b, d);
	board_write(&b, VIRTIO_MMIO_STATUS, ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	assert_int_equal(toy.activated, 1);
	assert_int_equal(toy.resets, 0);
	assert_int_equal(status(), ACK | DRIVER | FEATURES_OK | DRIVER_OK);
}

static void queue_registers_take_a_geometry(void **state)
{
	static const struct virtq_regs r = { .desc = 0x1122334455667780,
					     .avail = 0x99aabbccddeeff02,
					     .used = 0x0123456789abcdec,
					     .size = 16,
					     .ready = 1 };

	(void)state;
	board_negotiate(&b, VERSION_1);
	board_queue(&b, 1, &r);
	assert_memory_equal(&b.t.state.queue[1], &r, sizeof(r));
	assert_int_equal(b.t.state.queue[0].size, 0);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_QUEUE_READY), 1);
	board_write(&b, VIRTIO_MMIO_QUEUE_SEL, 0);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_QUEUE_READY), 0);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_QUEUE_NUM_MAX), 16);
	assert_int_equal(faults(), 0);
}

static void queue_that_does_not_exist(void **state)
{
	static const uint32_t sel[] = { 2, VIRTIO_MAX_QUEUES, 0xffff, UINT32_MAX };
	const struct vmmio_state before = b.t.state;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(sel); i++) {
		uint64_t had = faults();

		board_write(&b, VIRTIO_MMIO_QUEUE_SEL, sel[i]);
		assert_int_equal(board_read(&b, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
		assert_int_equal(board_read(&b, VIRTIO_MMIO_QUEUE_READY), 0);
		assert_int_equal(faults(), had);
		board_write(&b, VIRTIO_MMIO_QUEUE_NUM, 8);
		board_write(&b, VIRTIO_MMIO_QUEUE_DESC_LOW, 0x1000);
		board_write(&b, VIRTIO_MMIO_QUEUE_READY, 1);
		board_write(&b, VIRTIO_MMIO_QUEUE_READY, 0);
		assert_int_equal(faults(), had + 4);
	}
	assert_memory_equal(b.t.state.queue, before.queue, sizeof(before.queue));
}

static void queue_size_is_a_power_of_two_up_to_the_maximum(void **state)
{
	static const uint32_t bad[] = {
		0, 3, 12, 17, 32, 0x10000, 0x10008, 0x80000000, UINT32_MAX
	};

	(void)state;
	board_write(&b, VIRTIO_MMIO_QUEUE_NUM, 4);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		board_write(&b, VIRTIO_MMIO_QUEUE_NUM, bad[i]);
	assert_int_equal(b.t.state.queue[0].size, 4);
	assert_int_equal(faults(), ARRAY_SIZE(bad));
	for (uint32_t size = 1; size <= 16; size *= 2) {
		board_write(&b, VIRTIO_MMIO_QUEUE_NUM, size);
		assert_int_equal(b.t.state.queue[0].size, size);
	}
}

static const uint32_t queue_registers[] = {
	VIRTIO_MMIO_QUEUE_NUM,	     VIRTIO_MMIO_QUEUE_DESC_LOW,   VIRTIO_MMIO_QUEUE_DESC_HIGH,
	VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, VIRTIO_MMIO_QUEUE_USED_LOW,
	VIRTIO_MMIO_QUEUE_USED_HIGH,
};

static void ready_queue_is_frozen(void **state)
{
	struct virtq_regs before;

	(void)state;
	board_negotiate(&b, VERSION_1);
	driver_init(&d[0], &b.g, TOY_SIZE, 0x1000);
	board_queue(&b, 0, &d[0].regs);
	before = b.t.state.queue[0];
	for (unsigned int i = 0; i < ARRAY_SIZE(queue_registers); i++)
		board_write(&b, queue_registers[i], 16);
	assert_memory_equal(&b.t.state.queue[0], &before, sizeof(before));
	assert_int_equal(faults(), ARRAY_SIZE(queue_registers));
	board_write(&b, VIRTIO_MMIO_QUEUE_READY, 0);
	board_write(&b, VIRTIO_MMIO_QUEUE_NUM, 16);
	assert_int_equal(b.t.state.queue[0].size, 16);
	assert_int_equal(faults(), ARRAY_SIZE(queue_registers));
	board_write(&b, VIRTIO_MMIO_QUEUE_READY, 2);
	assert_int_equal(b.t.state.queue[0].ready, 0);
	assert_int_equal(faults(), ARRAY_SIZE(queue_registers) + 1);
}

static void queues_of_a_running_device_are_frozen(void **state)
{
	(void)state;
	board_negotiate(&b, VERSION_1);
	driver_init(&d[0], &b.g, TOY_SIZE, 0);
	board_queue(&b, 0, &d[0].regs);
	board_driver_ok(&b);
	board_write(&b, VIRTIO_MMIO_QUEUE_SEL, 1); /* never made ready */
	for (unsigned int i = 0; i < ARRAY_SIZE(queue_registers); i++)
		board_write(&b, queue_registers[i], 16);
	board_write(&b, VIRTIO_MMIO_QUEUE_READY, 1);
	assert_int_equal(faults(), ARRAY_SIZE(queue_registers) + 1);
	assert_int_equal(b.t.state.queue[1].size, 0);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_QUEUE_READY), 0);
	board_kick(&b, 1);
	board_pump(&b);
	assert_int_equal(toy.kicked[1], 0);
}

static void interrupts_are_acknowledged_bit_by_bit(void **state)
{
	(void)state;
	toy_start(&toy, &b, d);
	driver_offer(&d[0], 0);
	board_kick(&b, 0);
	board_pump(&b);
	vmmio_config_change(&b.t, 0, "x", 1);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_INTERRUPT_STATUS),
			 VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG);
	board_write(&b, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	board_write(&b, VIRTIO_MMIO_INTERRUPT_ACK, UINT32_MAX);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	assert_int_equal(board_irqs(&b), 2);
}

static void config_is_read_at_any_width_and_place(void **state)
{
	(void)state;
	for (uint32_t len = 1; len <= 8; len *= 2) {
		for (uint32_t off = 0; off < 24; off++) {
			uint8_t got[8];
			uint8_t want[8] = { 0 };

			for (uint32_t i = 0; i < len; i++)
				want[i] = off + i < 10 ? (uint8_t)('0' + off + i) : 0;
			memset(got, 0xff, sizeof(got));
			vmmio_bus_ops.read(&b.t, VIRTIO_MMIO_CONFIG + off, got, len);
			assert_memory_equal(got, want, len);
		}
	}
	/* The end of the window. */
	assert_int_equal(board_read(&b, VMMIO_WINDOW - 4), 0);
	assert_int_equal(faults(), 0);
}

static void config_cannot_be_written(void **state)
{
	(void)state;
	for (uint32_t len = 1; len <= 8; len *= 2)
		vmmio_bus_ops.write(&b.t, VIRTIO_MMIO_CONFIG, "XXXXXXXX", len);
	board_write(&b, VMMIO_WINDOW - 4, 0);
	assert_memory_equal(toy.dev.config, TOY_CONFIG, sizeof(TOY_CONFIG) - 1);
	assert_int_equal(faults(), 5);
}

static void config_change_moves_the_generation(void **state)
{
	uint32_t before = board_read(&b, VIRTIO_MMIO_CONFIG_GENERATION);

	(void)state;
	toy_start(&toy, &b, d);
	vmmio_config_change(&b.t, 2, "AB", 2);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_CONFIG_GENERATION), before + 2);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_CONFIG), 0x42413130);
	assert_int_equal(board_irqs(&b), 1);
	/* A reset does not take it back, or a driver could miss a change. */
	board_write(&b, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_CONFIG_GENERATION), before + 2);
}

static void registers_are_32_bits_wide(void **state)
{
	static const struct {
		uint32_t off;
		uint32_t len;
	} bad[] = {
		{ VIRTIO_MMIO_MAGIC_VALUE, 1 },	     { VIRTIO_MMIO_MAGIC_VALUE, 2 },
		{ VIRTIO_MMIO_MAGIC_VALUE, 8 },	     { VIRTIO_MMIO_MAGIC_VALUE + 1, 1 },
		{ VIRTIO_MMIO_VERSION + 2, 4 },	     { VIRTIO_MMIO_STATUS, 1 },
		{ VIRTIO_MMIO_STATUS, 8 },	     { VIRTIO_MMIO_STATUS + 3, 4 },
		{ VIRTIO_MMIO_INTERRUPT_STATUS, 1 }, { VIRTIO_MMIO_INTERRUPT_STATUS, 8 },
		{ VIRTIO_MMIO_CONFIG - 4, 8 },	     { VIRTIO_MMIO_CONFIG - 2, 4 },
		{ VIRTIO_MMIO_QUEUE_NOTIFY, 2 },
	};

	(void)state;
	toy_start(&toy, &b, d);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		uint64_t v = UINT64_MAX;
		uint64_t had = faults();

		vmmio_bus_ops.read(&b.t, bad[i].off, &v, bad[i].len);
		if (bad[i].off + bad[i].len <= VIRTIO_MMIO_CONFIG) {
			uint64_t zero = 0;

			assert_memory_equal(&v, &zero, bad[i].len);
		}
		v = 0;
		vmmio_bus_ops.write(&b.t, bad[i].off, &v, bad[i].len);
		assert_int_equal(faults(), had + 2);
	}
	board_pump(&b);
	assert_int_equal(toy.resets, 0);
	assert_int_equal(toy.kicked[0], 0);
}

/* Every offset: reads and writes of those that do not exist, or not in that direction, are faults.
 */
static void unknown_registers_are_counted_and_harmless(void **state)
{
	static const uint32_t readable[] = {
		VIRTIO_MMIO_MAGIC_VALUE,     VIRTIO_MMIO_VERSION,
		VIRTIO_MMIO_DEVICE_ID,	     VIRTIO_MMIO_VENDOR_ID,
		VIRTIO_MMIO_DEVICE_FEATURES, VIRTIO_MMIO_QUEUE_NUM_MAX,
		VIRTIO_MMIO_QUEUE_READY,     VIRTIO_MMIO_INTERRUPT_STATUS,
		VIRTIO_MMIO_STATUS,	     VIRTIO_MMIO_CONFIG_GENERATION,
		VIRTIO_MMIO_SHM_LEN_LOW,     VIRTIO_MMIO_SHM_LEN_HIGH,
		VIRTIO_MMIO_SHM_BASE_LOW,    VIRTIO_MMIO_SHM_BASE_HIGH,
	};
	static const uint32_t read_only[] = {
		VIRTIO_MMIO_MAGIC_VALUE,       VIRTIO_MMIO_VERSION,
		VIRTIO_MMIO_DEVICE_ID,	       VIRTIO_MMIO_VENDOR_ID,
		VIRTIO_MMIO_DEVICE_FEATURES,   VIRTIO_MMIO_QUEUE_NUM_MAX,
		VIRTIO_MMIO_INTERRUPT_STATUS,  VIRTIO_MMIO_CONFIG_GENERATION,
		VIRTIO_MMIO_GUEST_PAGE_SIZE,   VIRTIO_MMIO_QUEUE_ALIGN,
		VIRTIO_MMIO_QUEUE_PFN,	       0xc0, /* QueueReset: RING_RESET is not offered */
		VIRTIO_MMIO_CONFIG_GENERATION,
	};
	struct vmmio_state before;

	(void)state;
	toy_start(&toy, &b, d);
	before = b.t.state;
	for (uint32_t off = 0; off < VIRTIO_MMIO_CONFIG; off += 4) {
		bool known = false;
		uint64_t had = faults();
		uint32_t v = board_read(&b, off);

		for (unsigned int i = 0; i < ARRAY_SIZE(readable); i++)
			known = known || readable[i] == off;
		assert_int_equal(faults(), had + !known);
		if (!known)
			assert_int_equal(v, 0);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(read_only); i++) {
		uint64_t had = faults();

		board_write(&b, read_only[i], UINT32_MAX);
		assert_int_equal(faults(), had + 1);
	}
	assert_memory_equal(&b.t.state, &before, sizeof(before));
}

static void there_is_no_shared_memory(void **state)
{
	(void)state;
	board_write(&b, VIRTIO_MMIO_SHM_SEL, 0);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_SHM_LEN_LOW), UINT32_MAX);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_SHM_LEN_HIGH), UINT32_MAX);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_SHM_BASE_LOW), UINT32_MAX);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_SHM_BASE_HIGH), UINT32_MAX);
	assert_int_equal(faults(), 0);
}

static void release_closes_everything(void **state)
{
	unsigned int before = fault_open_fds();

	(void)state;
	set_up(NULL);
	toy_start(&toy, &b, d);
	driver_offer(&d[0], 0);
	board_kick(&b, 0);
	board_release(&b);
	assert_int_equal(toy.released, 1);
	assert_int_equal(toy.resets, 1);
	assert_int_equal(fault_open_fds(), before);
}

static void no_interrupt(void *ctx, uint32_t line)
{
	(void)ctx;
	(void)line;
}

/* Whichever system call fails, nothing is left open and nothing was taken. */
static void init_fails_without_a_trace(void **state)
{
	unsigned int before = fault_open_fds();
	struct vmmio_host host;
	struct evloop loop;
	struct vmmio t;
	unsigned int n;

	(void)state;
	toy_init(&toy);
	assert_int_equal(evloop_init(&loop), 0);
	host = (struct vmmio_host){ .loop = &loop, .interrupt = no_interrupt };
	for (n = 1; n < 100; n++) {
		int r;

		fault_arm(n, EMFILE);
		r = vmmio_init(&t, &toy.dev, &host);
		if (!fault_disarm()) {
			assert_int_equal(r, 0);
			break;
		}
		assert_int_equal(r, -EMFILE);
		assert_int_equal(fault_open_fds(), before + 2);
		assert_null(toy.dev.transport);
	}
	assert_int_equal(n, 5); /* an eventfd and a registration for each of two queues */
	vmmio_release(&t);
	evloop_release(&loop);
	assert_int_equal(fault_open_fds(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identity),
		TEST(features_are_read_in_halves),
		TEST(driver_goes_through_its_steps),
		TEST(all_offered_features_may_be_taken),
		TEST(features_that_were_not_offered_are_rejected),
		TEST(features_are_final_once_accepted),
		TEST(feature_words_past_the_second_are_not_stored),
		TEST(status_bits_are_only_added),
		TEST(unknown_status_bits_are_refused),
		TEST(driver_ok_needs_features_ok),
		TEST(driver_ok_that_clears_other_bits_is_refused),
		TEST(driver_ok_twice_activates_once),
		TEST(queue_registers_take_a_geometry),
		TEST(queue_that_does_not_exist),
		TEST(queue_size_is_a_power_of_two_up_to_the_maximum),
		TEST(ready_queue_is_frozen),
		TEST(queues_of_a_running_device_are_frozen),
		TEST(interrupts_are_acknowledged_bit_by_bit),
		TEST(config_is_read_at_any_width_and_place),
		TEST(config_cannot_be_written),
		TEST(config_change_moves_the_generation),
		TEST(registers_are_32_bits_wide),
		TEST(unknown_registers_are_counted_and_harmless),
		TEST(there_is_no_shared_memory),
		cmocka_unit_test(release_closes_everything),
		cmocka_unit_test(init_fails_without_a_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
