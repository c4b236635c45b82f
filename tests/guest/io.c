// SPDX-License-Identifier: Apache-2.0
/* Port and memory accesses of every width, where something is and where nothing is. */
#include "tests/guest/guest.h"
#include "tests/guest/virtio.h"

/* ---- port I/O ------------------------------------------------------------------------------- */

/* What would end us, or spoil the port that we print to. */
static bool forbidden(uint16_t port, uint32_t v, unsigned int width)
{
	if (port == COM2)
		return true;
	if (width != 1)
		return false;
	return (port == SLEEP_CTL && (v & 0x3c) == SLEEP_S5) || (port == ACPI_RESET && v == 1) ||
	       (port == KBD_COMMAND && v == 0xfe);
}

static void write_port(uint16_t port, uint32_t v, unsigned int width)
{
	if (forbidden(port, v, width))
		return;
	if (width == 1)
		outb(port, (uint8_t)v);
	else if (width == 2)
		outw(port, (uint16_t)v);
	else
		outl(port, v);
}

/* COM2 as print() needs it, whatever was written to it. */
static void repair_com2(void)
{
	outb(COM2 + 3, 0x03);
	outb(COM2 + 1, 0);
	outb(COM2 + 4, 0);
}

void scenario_ports(void)
{
	static const struct {
		uint16_t first, nr;
	} devices[] = {
		{ 0x60, 5 }, { COM2, 8 }, { COM1, 8 }, { SLEEP_CTL, 3 }, { 0xcf8, 8 }, { 0x70, 2 },
	};
	static const uint32_t values[] = { 0, UINT32_MAX, 0x5a5a5a5a, 0xfe, 0x80, 1 };
	unsigned long silent = 0;

	for (unsigned int p = 0; p < 0x10000; p += p < 0x1000 ? 1 : 61)
		silent += inb((uint16_t)p) == 0xff;
	for (size_t d = 0; d < ARRAY_SIZE(devices); d++) {
		/* One before and one behind it too: accesses that cross its ends. */
		unsigned int first = devices[d].first - 1u;

		for (unsigned int at = first; at < first + devices[d].nr + 2; at++) {
			uint16_t p = (uint16_t)at;

			inb(p);
			inw(p);
			inl(p);
			for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
				for (unsigned int w = 1; w <= 4; w *= 2)
					write_port(p, values[v], w);
			}
			for (unsigned int i = 0; i < 16; i++)
				write_port(p, random32(), 1u << i % 3);
		}
	}
	repair_com2();
	/* Nothing but the devices above and KVM's own answers. */
	print("%s ports are silent\n", silent > 4900 ? "most" : "too few");
	if (inw(COM1) != 0xffff || inl(SLEEP_CTL) != UINT32_MAX)
		print("wide accesses to narrow devices read %x %x\n", (unsigned long)inw(COM1),
		      (unsigned long)inl(SLEEP_CTL));
}

/* String instructions: units in order, nothing lost where they cross a page. */
void scenario_strings(void)
{
	static uint8_t bytes[8192] __attribute__((aligned(4096)));
	static uint32_t in[3000];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	outs(COM2, bytes, sizeof(bytes), 1);
	/* Not what the device takes: must neither show nor hurt. */
	outs(COM1, bytes, 2048, 2);
	outs(COM1, bytes, 2048, 4);
	outs(SLEEP_CTL, bytes, 2048, 4);
	outs(0x1234, bytes, sizeof(bytes), 1);
	memset(in, 0, sizeof(in));
	ins(COM2 + 5, in, 4096, 1);
	for (size_t i = 0; i < 4096; i++) {
		/* LSR: "transmitter empty", or not while the reader is slow; never input. */
		if ((((uint8_t *)in)[i] & ~0x60u) != 0)
			fail("byte %d of rep insb is %x", i, (unsigned long)((uint8_t *)in)[i]);
	}
	ins(0x1234, in, 3000, 4);
	for (size_t i = 0; i < 3000; i++) {
		if (in[i] != UINT32_MAX)
			fail("unit %d of rep insl is %x", i, (unsigned long)in[i]);
	}
	ins(COM1, in, 3000, 2);
	ins(KBD_DATA, in, 3000, 1);
}

/* ---- MMIO ------------------------------------------------------------------------------------ */

static void sweep_window(uint64_t base)
{
	static const uint64_t values[] = { 0, UINT64_MAX, 0x5a5a5a5a5a5a5a5a };

	for (unsigned int width = 1; width <= 8; width *= 2) {
		for (uint64_t off = 0; off < 0x140; off++) {
			mmio_read(base + off, width);
			for (size_t v = 0; v < ARRAY_SIZE(values); v++)
				mmio_write(base + off, values[v], width);
		}
		/* The end of the window, and across it. */
		for (uint64_t off = 0xff0; off < 0x1008; off++) {
			mmio_read(base + off, width);
			if (base + off + width <= REPORT || base + off > REPORT_EXIT + 4)
				mmio_write(base + off, UINT64_MAX, width);
		}
	}
}

/* Thousands of accesses without any plan, most of them to registers that exist. */
static void random_accesses(uint64_t base, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		uint32_t r = random32();
		uint64_t at = base + (r & 0x100 ? r & 0xff & ~3u : r >> 16 & 0x1ff);
		unsigned int width = r & 0x800 ? 4 : 1u << (r >> 12 & 3);

		if (r & 0x600)
			mmio_write(at, (uint64_t)random32() >> (r >> 27), width);
		else
			mmio_read(at, width);
	}
}

void scenario_mmio(void)
{
	unsigned int n = 0;

	for (uint64_t base = VIRTIO_FIRST; rd32(base) == VIRTIO_MAGIC; base += VIRTIO_STEP, n++) {
		sweep_window(base);
		random_accesses(base, 4000);
	}
	/* The report page takes bytes and words that mean nothing; exit status is not among them.
	 */
	for (uint64_t off = 0; off < 0x1000; off += off < 0x20 ? 1 : 97) {
		for (unsigned int width = 1; width <= 8; width *= 2) {
			mmio_read(REPORT + off, width);
			if (off > 4 || off + width <= 4)
				mmio_write(REPORT + off, 0x55, width);
		}
	}
	print("%d devices\n", (unsigned long)n);
	/* After all that, each of them works as if new. */
	rng_must_work();
	disk_must_work();
	print("they work\n");
}
