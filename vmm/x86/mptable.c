// SPDX-License-Identifier: Apache-2.0
/* Builder thread only. Intel MultiProcessor Specification 1.4, chapter 4. */
#include "vmm/x86/mptable.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "vmm/util.h"
#include "vmm/x86/layout.h"

#define MPTABLE_LEN	  1024u /* the last KiB of base memory, where guests look */

#define MP_SPEC_1_4	  4u
#define MP_LAPIC_VERSION  0x14u
#define MP_IOAPIC_VERSION 0x11u
#define MP_CPU_ENABLED	  0x1u
#define MP_CPU_BOOT	  0x2u
#define MP_CPU_SIGNATURE  0x600u /* any; guests ask CPUID */
#define MP_CPU_FEATURES	  0x201u /* FPU, APIC */
#define MP_IOAPIC_USABLE  0x1u
#define MP_BUS_ISA	  0u
#define MP_ALL_CPUS	  0xffu
#define MP_FLAGS_AS_BUS	  0u /* ISA: edge-triggered, active high; all our interrupts are */

enum {
	MP_CPU,
	MP_BUS,
	MP_IOAPIC,
	MP_INTSRC,
	MP_LINTSRC
};
enum {
	MP_INT,
	MP_NMI,
	MP_SMI,
	MP_EXTINT
};

struct mp_pointer {
	char signature[4];
	uint32_t table_gpa;
	uint8_t length; /* in units of 16 bytes */
	uint8_t spec;
	uint8_t checksum;
	uint8_t feature[5]; /* all 0: a table follows, virtual wire mode */
};

struct mp_header {
	char signature[4];
	uint16_t length;
	uint8_t spec;
	uint8_t checksum;
	char oem[8];
	char product[12];
	uint32_t oem_table;
	uint16_t oem_length;
	uint16_t entries;
	uint32_t lapic_gpa;
	uint32_t reserved;
};

struct mp_cpu {
	uint8_t type;
	uint8_t apic_id;
	uint8_t apic_version;
	uint8_t flags;
	uint32_t signature;
	uint32_t features;
	uint32_t reserved[2];
};

struct mp_bus {
	uint8_t type;
	uint8_t id;
	char name[6];
};

struct mp_ioapic {
	uint8_t type;
	uint8_t id;
	uint8_t version;
	uint8_t flags;
	uint32_t gpa;
};

/* Interrupt sources of the IOAPIC and of the local APICs look the same. */
struct mp_interrupt {
	uint8_t type;
	uint8_t kind;
	uint16_t flags;
	uint8_t bus;
	uint8_t bus_irq;
	uint8_t apic_id;
	uint8_t pin;
};

_Static_assert(sizeof(struct mp_pointer) == 16, "MP 1.4 table 4-1");
_Static_assert(sizeof(struct mp_header) == 44, "MP 1.4 table 4-2");
_Static_assert(sizeof(struct mp_cpu) == 20, "MP 1.4 table 4-4");
_Static_assert(sizeof(struct mp_bus) == 8, "MP 1.4 table 4-8");
_Static_assert(sizeof(struct mp_ioapic) == 8, "MP 1.4 table 4-9");
_Static_assert(sizeof(struct mp_interrupt) == 8, "MP 1.4 table 4-10");

/* Pointer, header, CPUs, bus, IOAPIC, each pin once at most, two local interrupts. */
_Static_assert(sizeof(struct mp_pointer) + sizeof(struct mp_header) +
			       MAX_VCPUS * sizeof(struct mp_cpu) + sizeof(struct mp_bus) +
			       sizeof(struct mp_ioapic) +
			       (NR_GSIS + 2) * sizeof(struct mp_interrupt) <=
		       MPTABLE_LEN,
	       "the MPTable outgrows its KiB");

struct table {
	uint8_t buf[MPTABLE_LEN];
	size_t len;
	uint16_t entries;
};

/* The assertion above, with the limits of struct platform, is why there is always room. */
static void add(struct table *t, const void *entry, size_t len)
{
	memcpy(t->buf + t->len, entry, len);
	t->len += len;
	t->entries++;
}

static void add_irq(struct table *t, const struct platform *p, uint32_t gsi)
{
	const struct mp_interrupt irq = { .type = MP_INTSRC,
					  .kind = MP_INT,
					  .flags = MP_FLAGS_AS_BUS,
					  .bus = MP_BUS_ISA,
					  .bus_irq = (uint8_t)gsi,
					  .apic_id = (uint8_t)p->nr_vcpus,
					  .pin = (uint8_t)gsi };

	add(t, &irq, sizeof(irq));
}

/* Only what is wired: a guest programs each pin that it finds here. */
static void add_irqs(struct table *t, const struct platform *p)
{
	add_irq(t, p, 0); /* KVM's PIT; its default routing is pin 0 */
	add_irq(t, p, I8042_GSI);
	if (p->com2)
		add_irq(t, p, COM2_GSI);
	add_irq(t, p, COM1_GSI);
	for (unsigned int i = 0; i < p->nr_virtio; i++)
		add_irq(t, p, p->virtio[i].gsi);
}

static void add_local(struct table *t, uint8_t kind, uint8_t apic_id, uint8_t lint)
{
	const struct mp_interrupt irq = {
		.type = MP_LINTSRC, .kind = kind, .bus = MP_BUS_ISA, .apic_id = apic_id, .pin = lint
	};

	add(t, &irq, sizeof(irq));
}

static void add_entries(struct table *t, const struct platform *p)
{
	const struct mp_bus bus = { .type = MP_BUS, .id = MP_BUS_ISA, .name = "ISA   " };
	const struct mp_ioapic ioapic = { .type = MP_IOAPIC,
					  .id = (uint8_t)p->nr_vcpus, /* first free APIC id */
					  .version = MP_IOAPIC_VERSION,
					  .flags = MP_IOAPIC_USABLE,
					  .gpa = (uint32_t)IOAPIC_GPA };

	for (unsigned int i = 0; i < p->nr_vcpus; i++) {
		const uint8_t boot = i == 0 ? MP_CPU_BOOT : 0;
		const struct mp_cpu cpu = { .type = MP_CPU,
					    .apic_id = (uint8_t)i,
					    .apic_version = MP_LAPIC_VERSION,
					    .flags = (uint8_t)(MP_CPU_ENABLED | boot),
					    .signature = MP_CPU_SIGNATURE,
					    .features = MP_CPU_FEATURES };

		add(t, &cpu, sizeof(cpu));
	}
	add(t, &bus, sizeof(bus));
	add(t, &ioapic, sizeof(ioapic));
	add_irqs(t, p);
	add_local(t, MP_EXTINT, 0, 0);
	add_local(t, MP_NMI, MP_ALL_CPUS, 1);
}

/* What must be added so that all bytes sum up to 0. */
static uint8_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + p[i]);
	return (uint8_t)-sum;
}

int mptable_write(const struct gmem *m, const struct platform *p, struct err *e)
{
	struct mp_pointer ptr = { .signature = { '_', 'M', 'P', '_' },
				  .table_gpa = MPTABLE_GPA + sizeof(ptr),
				  .length = 1,
				  .spec = MP_SPEC_1_4 };
	struct mp_header h = { .signature = { 'P', 'C', 'M', 'P' },
			       .spec = MP_SPEC_1_4,
			       .oem = { 'M', 'O', 'T', 'E', ' ', ' ', ' ', ' ' },
			       .product = { 'M', 'I', 'C', 'R', 'O', 'V', 'M', ' ', ' ', ' ', ' ',
					    ' ' },
			       .lapic_gpa = (uint32_t)LAPIC_GPA };
	struct table t = { .len = sizeof(ptr) + sizeof(h) };
	int ret;

	if (p->nr_vcpus == 0 || p->nr_vcpus > MAX_VCPUS)
		return err_set(e, -EINVAL, "MPTable: %u vCPUs, expected 1 to %u", p->nr_vcpus,
			       MAX_VCPUS);
	if (p->nr_virtio > PLATFORM_MAX_VIRTIO)
		return err_set(e, -EINVAL, "MPTable: %u virtio devices, expected at most %u",
			       p->nr_virtio, PLATFORM_MAX_VIRTIO);
	add_entries(&t, p);
	h.entries = t.entries;
	h.length = (uint16_t)(t.len - sizeof(ptr));
	memcpy(t.buf + sizeof(ptr), &h, sizeof(h));
	h.checksum = checksum(t.buf + sizeof(ptr), h.length);
	memcpy(t.buf + sizeof(ptr), &h, sizeof(h));
	ptr.checksum = checksum(&ptr, sizeof(ptr));
	memcpy(t.buf, &ptr, sizeof(ptr));
	ret = gmem_write(m, MPTABLE_GPA, t.buf, t.len);
	if (ret < 0)
		return err_set(e, ret, "MPTable: 0x%x is outside guest memory", MPTABLE_GPA);
	return 0;
}
