// SPDX-License-Identifier: Apache-2.0
/*
 * Writes the ACPI tables of a machine into files, for tests/integration/test_acpi_tables.py:
 *
 *   dump_acpi DIR VCPUS VIRTIO-DEVICES COM2
 *
 * The tables are found as a guest finds them: from the RSDP, by the addresses in the tables.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/gmem.h"
#include "vmm/util.h"
#include "vmm/x86/acpi.h"

#define RSDP_XSDT_OFF	24u
#define HEADER_LEN	36u
#define FADT_X_DSDT_OFF 140u

static struct gmem mem;
static const char *dir;

static void die(const char *what)
{
	fprintf(stderr, "dump_acpi: %s\n", what);
	exit(1);
}

static uint64_t read64(uint64_t gpa)
{
	uint64_t v;

	if (gmem_read(&mem, gpa, &v, sizeof(v)) < 0)
		die("an address is outside memory");
	return v;
}

/* Saves the table at `gpa` as DIR/SIGNATURE.aml; returns its length. */
static uint32_t dump(uint64_t gpa)
{
	static uint8_t table[65536];
	char path[512];
	uint32_t len;
	FILE *f;

	if (gmem_read(&mem, gpa, table, HEADER_LEN) < 0)
		die("a table is outside memory");
	memcpy(&len, table + 4, sizeof(len));
	if (len < HEADER_LEN || len > sizeof(table) || gmem_read(&mem, gpa, table, len) < 0)
		die("a table has a bad length");
	snprintf(path, sizeof(path), "%s/%.4s.aml", dir, (const char *)table);
	f = fopen(path, "wb");
	if (!f || fwrite(table, len, 1, f) != 1 || fclose(f) != 0)
		die("cannot write a file");
	printf("%.4s 0x%" PRIx64 " %u\n", (const char *)table, gpa, len);
	return len;
}

int main(int argc, char **argv)
{
	struct platform p = { 0 };
	struct err e;
	uint64_t xsdt;
	uint32_t len;

	if (argc != 5)
		die("usage: dump_acpi DIR VCPUS VIRTIO-DEVICES COM2");
	dir = argv[1];
	p.nr_vcpus = (unsigned int)strtoul(argv[2], NULL, 10);
	p.nr_virtio = (unsigned int)strtoul(argv[3], NULL, 10);
	p.com2 = strtoul(argv[4], NULL, 10) != 0;
	for (unsigned int i = 0; i < p.nr_virtio && i < PLATFORM_MAX_VIRTIO; i++)
		p.virtio[i] =
			(struct platform_virtio){ .gpa = VIRTIO_MMIO_GPA + i * VIRTIO_MMIO_LEN,
						  .len = VIRTIO_MMIO_LEN,
						  .gsi = GSI_VIRTIO_FIRST + i };
	gmem_init(&mem);
	if (gmem_add(&mem, 0, calloc(1, MIB(2)), MIB(2)) < 0)
		die("no memory");
	if (acpi_write(&mem, &p, &e) < 0)
		die(e.msg);
	xsdt = read64(RSDP_GPA + RSDP_XSDT_OFF);
	len = dump(xsdt);
	for (uint32_t off = HEADER_LEN; off + 8 <= len; off += 8)
		dump(read64(xsdt + off));
	dump(read64(read64(xsdt + HEADER_LEN) + FADT_X_DSDT_OFF));
	free(mem.region[0].hva);
	return 0;
}
