// SPDX-License-Identifier: Apache-2.0
/*
 * Builder thread only. The tables are put together in one buffer, in the order in which each needs
 * the address of the one before, and written at once.
 */
#include "vmm/x86/acpi.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "vmm/compiler.h"
#include "vmm/util.h"
#include "vmm/x86/aml.h"
#include "vmm/x86/layout.h"
#include "vmm/x86/vmgenid.h"

#define IMAGE_MAX   8192u
#define TABLE_ALIGN 16u
_Static_assert(IMAGE_MAX <= ACPI_END - ACPI_GPA, "the tables reach beyond their place");

/* ACPI 6.5 §5.2.6 */
struct acpi_header {
	char signature[4];
	uint32_t len;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} PACKED;

/* §5.2.5.3 */
struct acpi_rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt_gpa;
	uint32_t len;
	uint64_t xsdt_gpa;
	uint8_t ext_checksum;
	uint8_t reserved[3];
} PACKED;

#define RSDP_V1_LEN 20u /* what `checksum` covers */

/* §5.2.3.2 generic address */
struct acpi_gas {
	uint8_t space;
	uint8_t bits;
	uint8_t bit_offset;
	uint8_t access;
	uint64_t addr;
} PACKED;

#define GAS_IO	      1u
#define GAS_BYTE_BITS 8u
#define GAS_BYTE      1u

/* §5.2.9; the fields of fixed hardware, which a hardware-reduced machine does not have, in one. */
struct acpi_fadt {
	struct acpi_header h;
	uint32_t facs_gpa;
	uint32_t dsdt_gpa;
	uint8_t reserved;
	uint8_t pm_profile;
	uint8_t fixed_hw_1[62];
	uint8_t century;
	uint16_t boot_arch;
	uint8_t reserved_2;
	uint32_t flags;
	struct acpi_gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_version;
	uint64_t x_facs_gpa;
	uint64_t x_dsdt_gpa;
	struct acpi_gas fixed_hw_2[8];
	struct acpi_gas sleep_control;
	struct acpi_gas sleep_status;
	uint64_t hypervisor_id;
} PACKED;
_Static_assert(sizeof(struct acpi_fadt) == 276, "ACPI 6.5 table 5.9");
_Static_assert(offsetof(struct acpi_fadt, boot_arch) == 109, "ACPI 6.5 table 5.9");

#define FADT_REVISION	   6u
#define FADT_MINOR	   3u
#define BOOT_ARCH_8042	   (1u << 1) /* the driver is needed for Ctrl-Alt-Del */
#define BOOT_ARCH_NO_VGA   (1u << 2) /* nothing to probe: do not */
#define BOOT_ARCH_NO_MSI   (1u << 3)
#define BOOT_ARCH_NO_RTC   (1u << 5)
#define FADT_WBINVD	   (1u << 0)
#define FADT_PROC_C1	   (1u << 2)
#define FADT_NO_PWR_BUTTON (1u << 4)
#define FADT_NO_SLP_BUTTON (1u << 5)
#define FADT_NO_FIXED_RTC  (1u << 6)
#define FADT_RESET_REG	   (1u << 10)
#define FADT_HEADLESS	   (1u << 12)
#define FADT_HW_REDUCED	   (1u << 20)

/* §5.2.12 */
struct acpi_madt {
	struct acpi_header h;
	uint32_t lapic_gpa;
	uint32_t flags; /* 0: no 8259 that must be masked */
} PACKED;

struct madt_lapic {
	uint8_t type;
	uint8_t len;
	uint8_t uid;
	uint8_t apic_id;
	uint32_t flags;
} PACKED;

struct madt_ioapic {
	uint8_t type;
	uint8_t len;
	uint8_t id;
	uint8_t reserved;
	uint32_t gpa;
	uint32_t gsi_base;
} PACKED;

struct madt_lapic_nmi {
	uint8_t type;
	uint8_t len;
	uint8_t uid;
	uint16_t flags;
	uint8_t lint;
} PACKED;

#define MADT_REVISION	   5u
#define MADT_LAPIC	   0u
#define MADT_IOAPIC	   1u
#define MADT_LAPIC_NMI	   4u
#define MADT_LAPIC_ENABLED 1u
#define MADT_ALL_CPUS	   0xffu

#define DSDT_REVISION	   2u /* 64-bit integers */
#define XSDT_REVISION	   1u
#define RSDP_REVISION	   2u
#define NOTIFY_DEVICE	   0x80u /* first device-specific notification */

struct image {
	uint8_t *buf; /* IMAGE_MAX bytes, to lie at ACPI_GPA */
	size_t len;
	bool full;
};

static void append(struct image *img, const void *src, size_t len)
{
	if (img->full || len > IMAGE_MAX - img->len) {
		img->full = true;
		return;
	}
	memcpy(img->buf + img->len, src, len);
	img->len += len;
}

/* Starts a table at the end of the image; returns its offset. */
static size_t table_begin(struct image *img)
{
	img->len = (size_t)min_u64(align_up(img->len, TABLE_ALIGN), IMAGE_MAX);
	return img->len;
}

static uint8_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + p[i]);
	return (uint8_t)-sum;
}

static struct acpi_header header(const char *signature, uint8_t revision)
{
	struct acpi_header h = { .revision = revision,
				 .oem_id = { 'M', 'O', 'T', 'E', ' ', ' ' },
				 .oem_table_id = { 'M', 'O', 'T', 'E', 'V', 'M', ' ', ' ' },
				 .oem_revision = 1,
				 .creator_id = { 'M', 'O', 'T', 'E' },
				 .creator_revision = 1 };

	memcpy(h.signature, signature, sizeof(h.signature));
	return h;
}

/* Fills in what depends on the whole table; returns its address. */
static uint64_t table_end(struct image *img, size_t off)
{
	const uint32_t len = (uint32_t)(img->len - off);
	uint8_t *t = img->buf + off;

	if (!img->full) {
		memcpy(t + offsetof(struct acpi_header, len), &len, sizeof(len));
		t[offsetof(struct acpi_header, checksum)] = checksum(t, len);
	}
	return ACPI_GPA + off;
}

static void name_string(struct aml *a, const char *name, const char *value)
{
	aml_name(a, name);
	aml_string(a, value);
}

static void name_int(struct aml *a, const char *name, uint64_t value)
{
	aml_name(a, name);
	aml_int(a, value);
}

static void add_virtio(struct aml *a, const struct platform_virtio *v, unsigned int index)
{
	char name[12];
	size_t dev, res;

	snprintf(name, sizeof(name), "V%03u", index);
	dev = aml_device(a, name);
	name_string(a, "_HID", "LNRO0005");
	name_int(a, "_UID", index);
	name_int(a, "_CCA", 1);
	aml_name(a, "_CRS");
	res = aml_resources(a);
	aml_res_mem32(a, (uint32_t)v->gpa, v->len);
	aml_res_irq(a, v->gsi);
	aml_resources_end(a, res);
	aml_end(a, dev);
}

static void add_serial(struct aml *a, const char *name, uint64_t uid, uint16_t port, uint32_t gsi)
{
	size_t dev = aml_device(a, name), res;

	aml_name(a, "_HID");
	aml_eisa_id(a, "PNP0501");
	name_int(a, "_UID", uid);
	aml_name(a, "_CRS");
	res = aml_resources(a);
	aml_res_io(a, port, 8);
	aml_res_irq(a, gsi);
	aml_resources_end(a, res);
	aml_end(a, dev);
}

static void add_i8042(struct aml *a)
{
	size_t dev = aml_device(a, "PS2K"), res;

	aml_name(a, "_HID");
	aml_eisa_id(a, "PNP0303");
	aml_name(a, "_CRS");
	res = aml_resources(a);
	aml_res_io(a, 0x60, 1);
	aml_res_io(a, 0x64, 1);
	aml_res_irq(a, I8042_GSI);
	aml_resources_end(a, res);
	aml_end(a, dev);
}

static void add_vmgenid(struct aml *a)
{
	size_t dev = aml_device(a, "VGEN"), pkg;

	name_string(a, "_HID", "MOTE0001");
	name_string(a, "_CID", "VM_Gen_Counter");
	name_string(a, "_DDN", "VM_Gen_Counter");
	aml_name(a, "ADDR");
	pkg = aml_package(a, 2);
	aml_int(a, VMGENID_GPA);
	aml_int(a, 0);
	aml_end(a, pkg);
	aml_end(a, dev);
}

/* The generic event device (§5.6.9): its interrupt runs _EVT, which says whom it concerns. */
static void add_ged(struct aml *a)
{
	size_t dev = aml_device(a, "GED"), res, method, cond;

	name_string(a, "_HID", "ACPI0013");
	name_int(a, "_UID", 0);
	aml_name(a, "_CRS");
	res = aml_resources(a);
	aml_res_irq(a, GSI_VMGENID);
	aml_resources_end(a, res);
	method = aml_method(a, "_EVT", 1);
	cond = aml_if_arg0_is(a, GSI_VMGENID);
	aml_notify(a, "VGEN", NOTIFY_DEVICE);
	aml_end(a, cond);
	aml_end(a, method);
	aml_end(a, dev);
}

/* The sleep type, and nothing for the other fields, of which S5 has no use (§7.4.2). */
static void add_s5(struct aml *a)
{
	size_t pkg;

	aml_name(a, "\\_S5");
	pkg = aml_package(a, 4);
	aml_int(a, ACPI_S5_TYPE);
	for (unsigned int i = 0; i < 3; i++)
		aml_int(a, 0);
	aml_end(a, pkg);
}

static uint64_t add_dsdt(struct image *img, const struct platform *p)
{
	const struct acpi_header h = header("DSDT", DSDT_REVISION);
	const size_t off = table_begin(img);
	struct aml a;
	size_t sb;

	append(img, &h, sizeof(h));
	aml_init(&a, img->buf + img->len, IMAGE_MAX - img->len);
	add_s5(&a);
	sb = aml_scope(&a, "\\_SB");
	add_serial(&a, "COM1", 1, COM1_PORT, COM1_GSI);
	if (p->com2)
		add_serial(&a, "COM2", 2, COM2_PORT, COM2_GSI);
	add_i8042(&a);
	add_vmgenid(&a);
	add_ged(&a);
	for (unsigned int i = 0; i < p->nr_virtio; i++)
		add_virtio(&a, &p->virtio[i], i);
	aml_end(&a, sb);
	img->len += a.len;
	img->full = img->full || a.full;
	return table_end(img, off);
}

static struct acpi_gas io_byte(uint16_t port)
{
	return (struct acpi_gas){ GAS_IO, GAS_BYTE_BITS, 0, GAS_BYTE, port };
}

static uint64_t add_fadt(struct image *img, uint64_t dsdt_gpa)
{
	const size_t off = table_begin(img);
	const struct acpi_fadt fadt = {
		.h = header("FACP", FADT_REVISION),
		.boot_arch =
			BOOT_ARCH_8042 | BOOT_ARCH_NO_VGA | BOOT_ARCH_NO_MSI | BOOT_ARCH_NO_RTC,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_NO_PWR_BUTTON | FADT_NO_SLP_BUTTON |
			 FADT_NO_FIXED_RTC | FADT_RESET_REG | FADT_HEADLESS | FADT_HW_REDUCED,
		.reset_reg = io_byte(ACPI_RESET_PORT),
		.reset_value = ACPI_RESET_VALUE,
		.minor_version = FADT_MINOR,
		.x_dsdt_gpa = dsdt_gpa,
		.sleep_control = io_byte(ACPI_SLEEP_CTL_PORT),
		.sleep_status = io_byte(ACPI_SLEEP_STS_PORT),
	};

	append(img, &fadt, sizeof(fadt));
	return table_end(img, off);
}

/* No source overrides: GSI n is pin n, edge-triggered and active high as on ISA. */
static uint64_t add_madt(struct image *img, const struct platform *p)
{
	const size_t off = table_begin(img);
	const struct acpi_madt madt = { .h = header("APIC", MADT_REVISION),
					.lapic_gpa = (uint32_t)LAPIC_GPA };
	const struct madt_ioapic ioapic = { .type = MADT_IOAPIC,
					    .len = sizeof(ioapic),
					    .id = (uint8_t)p->nr_vcpus, /* first free APIC id */
					    .gpa = (uint32_t)IOAPIC_GPA };
	const struct madt_lapic_nmi nmi = {
		.type = MADT_LAPIC_NMI, .len = sizeof(nmi), .uid = MADT_ALL_CPUS, .lint = 1
	};

	append(img, &madt, sizeof(madt));
	for (unsigned int i = 0; i < p->nr_vcpus; i++) {
		const struct madt_lapic lapic = { .type = MADT_LAPIC,
						  .len = sizeof(lapic),
						  .uid = (uint8_t)i,
						  .apic_id = (uint8_t)i,
						  .flags = MADT_LAPIC_ENABLED };

		append(img, &lapic, sizeof(lapic));
	}
	append(img, &ioapic, sizeof(ioapic));
	append(img, &nmi, sizeof(nmi));
	return table_end(img, off);
}

static uint64_t add_xsdt(struct image *img, uint64_t fadt_gpa, uint64_t madt_gpa)
{
	const size_t off = table_begin(img);
	const struct acpi_header h = header("XSDT", XSDT_REVISION);
	const uint64_t tables[] = { fadt_gpa, madt_gpa };

	append(img, &h, sizeof(h));
	append(img, tables, sizeof(tables));
	return table_end(img, off);
}

static int write_tables(const struct gmem *m, const struct image *img, uint64_t xsdt_gpa,
			struct err *e)
{
	struct acpi_rsdp rsdp = { .signature = { 'R', 'S', 'D', ' ', 'P', 'T', 'R', ' ' },
				  .oem_id = { 'M', 'O', 'T', 'E', ' ', ' ' },
				  .revision = RSDP_REVISION,
				  .len = sizeof(rsdp),
				  .xsdt_gpa = xsdt_gpa };
	int ret;

	rsdp.checksum = checksum(&rsdp, RSDP_V1_LEN);
	rsdp.ext_checksum = checksum(&rsdp, sizeof(rsdp));
	ret = gmem_write(m, ACPI_GPA, img->buf, img->len);
	if (ret == 0)
		ret = gmem_write(m, RSDP_GPA, &rsdp, sizeof(rsdp));
	if (ret < 0)
		return err_set(e, ret, "ACPI tables: 0x%x is outside guest memory", ACPI_GPA);
	return 0;
}

static int check(const struct platform *p, struct err *e)
{
	if (p->nr_vcpus == 0 || p->nr_vcpus > MAX_VCPUS)
		return err_set(e, -EINVAL, "ACPI tables: %u vCPUs, expected 1 to %u", p->nr_vcpus,
			       MAX_VCPUS);
	if (p->nr_virtio > PLATFORM_MAX_VIRTIO)
		return err_set(e, -EINVAL, "ACPI tables: %u virtio devices, expected at most %u",
			       p->nr_virtio, PLATFORM_MAX_VIRTIO);
	for (unsigned int i = 0; i < p->nr_virtio; i++) {
		if (p->virtio[i].gpa > UINT32_MAX)
			return err_set(e, -EINVAL,
				       "ACPI tables: virtio device %u is at 0x%" PRIx64
				       ", expected an address below 4 GiB",
				       i, p->virtio[i].gpa);
	}
	return 0;
}

int acpi_write(const struct gmem *m, const struct platform *p, struct err *e)
{
	/* Too large for a stack; the first use of the heap costs six system calls. */
	static uint8_t scratch[IMAGE_MAX];
	struct image img = { .buf = scratch };
	uint64_t fadt, madt, xsdt;
	int ret = check(p, e);

	if (ret < 0)
		return ret;
	memset(scratch, 0, sizeof(scratch));
	fadt = add_fadt(&img, add_dsdt(&img, p));
	madt = add_madt(&img, p);
	xsdt = add_xsdt(&img, fadt, madt);
	if (img.full)
		ret = err_set(e, -ENOSPC, "ACPI tables: they need more than %u bytes", IMAGE_MAX);
	else
		ret = write_tables(m, &img, xsdt, e);
	return ret ? ret : vmgenid_write(m, e);
}
