/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest of a few kilobytes without an operating system, for what no driver would ever do. The
 * monitor boots it as a 64-bit kernel; the command (`mote run --kernel tiny.elf -- SCENARIO`) picks
 * the scenario. What it prints goes to COM2, which is standard output (to COM1 when the API started
 * it); it ends by reporting an exit status and powering off. Interrupts stay off.
 */
#ifndef MOTE_TESTS_GUEST_GUEST_H
#define MOTE_TESTS_GUEST_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The machine's fixed addresses, written down again: what the monitor must not change by accident.
 */
#define COM1	     0x3f8
#define COM2	     0x2f8
#define KBD_DATA     0x60
#define KBD_COMMAND  0x64
#define SLEEP_CTL    0x600
#define SLEEP_S5     0x34 /* SLP_EN, SLP_TYP 5 */
#define ACPI_RESET   0x602
#define REPORT	     0xc0000000ul
#define REPORT_EXIT  (REPORT + 4)
#define VIRTIO_FIRST 0xc0001000ul
#define VIRTIO_STEP  0x1000ul

/* ---- port and memory accesses --------------------------------------------------------------- */

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

/* String instructions, `n` units of 1, 2 or 4 bytes. */
void outs(uint16_t port, const void *src, size_t n, unsigned int width);
void ins(uint16_t port, void *dst, size_t n, unsigned int width);

/* One access of 1, 2, 4 or 8 bytes, aligned or not. */
uint64_t mmio_read(uint64_t at, unsigned int width);
void mmio_write(uint64_t at, uint64_t v, unsigned int width);

static inline uint32_t rd32(uint64_t at)
{
	return (uint32_t)mmio_read(at, 4);
}

static inline void wr32(uint64_t at, uint32_t v)
{
	mmio_write(at, v, 4);
}

/* ---- talking and ending --------------------------------------------------------------------- */

/* %s, %d (unsigned long) and %x (unsigned long), nothing else. */
void print(const char *fmt, ...);

/* Reports `status` and powers off. */
_Noreturn void finish(uint8_t status);

/* Prints the text and ends with status 1. */
#define fail(...)                              \
	do {                                   \
		print("FAILED: " __VA_ARGS__); \
		print("\n");                   \
		finish(1);                     \
	} while (0)

/* Pseudo-random and always the same: a failure can be repeated. */
uint32_t random32(void);

void *memset(void *dst, int c, size_t n);
void *memcpy(void *dst, const void *src, size_t n);
int memcmp(const void *a, const void *b, size_t n);
bool str_eq(const char *a, const char *b);

/* ---- the machine ---------------------------------------------------------------------------- */

struct e820_entry {
	uint64_t gpa;
	uint64_t len;
	uint32_t type; /* 1 = RAM */
} __attribute__((packed));

/* From the zero page; valid until the guest overwrites low memory. */
extern const struct e820_entry *e820;
extern unsigned int nr_e820;

/* The kernel's command line as the monitor wrote it. */
extern const char *command_line;

/* Page tables of our own that map the first 8 GiB as they are. */
void map_8_gib(void);

/* Starts processor 1 in `fn`, which need not return. Maps 8 GiB first. */
void start_ap(void (*fn)(void));

/* ---- scenarios, one file each ---------------------------------------------------------------- */

void scenario_memory(void);
void scenario_map(void);
void scenario_ports(void);
void scenario_strings(void);
void scenario_mmio(void);
void scenario_queues(void);
void scenario_chains(void);
void scenario_disk(void);
void scenario_storm(void);
void scenario_race(void);
void scenario_keys(void);
void scenario_bytes(void);
void scenario_flood(void);
void scenario_status(void);
void scenario_triple(void);
void scenario_hang(void);
void scenario_spin(void);
void scenario_reset(void);
void scenario_cmdline(void);
void scenario_balloon(void);
void scenario_hostile(void);
void scenario_duel(void);

#endif
