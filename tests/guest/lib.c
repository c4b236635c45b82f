// SPDX-License-Identifier: Apache-2.0
/* What every scenario uses. */
#include <stdarg.h>

#include "tests/guest/guest.h"
#include "tests/guest/layout.h"

#define PTE_RW	  0x3ull
#define PTE_LARGE 0x80ull
#define GIB_8	  8u
#define LAPIC	  0xfee00000ul
#define LAPIC_ICR 0x300u

const struct e820_entry *e820;
unsigned int nr_e820;
const char *command_line;

static uint64_t pml4[512] __attribute__((aligned(4096)));
static uint64_t pdpt[512] __attribute__((aligned(4096)));
static uint64_t pd[GIB_8][512] __attribute__((aligned(4096)));
static void (*ap_fn)(void);

extern const char ap_start[], ap_start_end[], ap_cr3[];
void ap_main(void);

void outs(uint16_t port, const void *src, size_t n, unsigned int width)
{
	if (width == 1)
		__asm__ volatile("rep outsb" : "+S"(src), "+c"(n) : "d"(port) : "memory");
	else if (width == 2)
		__asm__ volatile("rep outsw" : "+S"(src), "+c"(n) : "d"(port) : "memory");
	else
		__asm__ volatile("rep outsl" : "+S"(src), "+c"(n) : "d"(port) : "memory");
}

void ins(uint16_t port, void *dst, size_t n, unsigned int width)
{
	if (width == 1)
		__asm__ volatile("rep insb" : "+D"(dst), "+c"(n) : "d"(port) : "memory");
	else if (width == 2)
		__asm__ volatile("rep insw" : "+D"(dst), "+c"(n) : "d"(port) : "memory");
	else
		__asm__ volatile("rep insl" : "+D"(dst), "+c"(n) : "d"(port) : "memory");
}

uint64_t mmio_read(uint64_t at, unsigned int width)
{
	uint64_t v = 0;

	switch (width) {
	case 1:
		__asm__ volatile("movzbl (%1), %k0" : "=r"(v) : "r"(at) : "memory");
		break;
	case 2:
		__asm__ volatile("movzwl (%1), %k0" : "=r"(v) : "r"(at) : "memory");
		break;
	case 4:
		__asm__ volatile("movl (%1), %k0" : "=r"(v) : "r"(at) : "memory");
		break;
	default:
		__asm__ volatile("movq (%1), %0" : "=r"(v) : "r"(at) : "memory");
		break;
	}
	return v;
}

void mmio_write(uint64_t at, uint64_t v, unsigned int width)
{
	switch (width) {
	case 1:
		__asm__ volatile("movb %b0, (%1)" : : "q"(v), "r"(at) : "memory");
		break;
	case 2:
		__asm__ volatile("movw %w0, (%1)" : : "r"(v), "r"(at) : "memory");
		break;
	case 4:
		__asm__ volatile("movl %k0, (%1)" : : "r"(v), "r"(at) : "memory");
		break;
	default:
		__asm__ volatile("movq %0, (%1)" : : "r"(v), "r"(at) : "memory");
		break;
	}
}

void *memset(void *dst, int c, size_t n)
{
	void *d = dst;

	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return dst;
}

void *memcpy(void *dst, const void *src, size_t n)
{
	void *d = dst;

	__asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(n) : : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (size_t i = 0; i < n; i++) {
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	}
	return 0;
}

bool str_eq(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static void put(char c)
{
	/* LSR, "transmitter empty": the monitor holds us up while its reader is slow. */
	static uint16_t port;

	/* A machine that the API started has no second port. */
	if (!port) {
		outb(COM2 + 7, 0x5a);
		port = inb(COM2 + 7) == 0x5a ? COM2 : COM1;
	}
	while (!(inb((uint16_t)(port + 5)) & 0x20))
		continue;
	outb(port, (uint8_t)c);
}

static void put_number(unsigned long v, unsigned int base)
{
	char text[24];
	unsigned int n = 0;

	do {
		text[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (n)
		put(text[--n]);
}

void print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			put(*fmt);
			continue;
		}
		fmt++;
		if (*fmt == 's') {
			for (const char *s = va_arg(ap, const char *); *s; s++)
				put(*s);
		} else {
			put_number(va_arg(ap, unsigned long), *fmt == 'x' ? 16 : 10);
		}
	}
	va_end(ap);
}

_Noreturn void finish(uint8_t status)
{
	wr32(REPORT_EXIT, status);
	outb(SLEEP_CTL, SLEEP_S5);
	for (;;)
		__asm__ volatile("hlt");
}

uint32_t random32(void)
{
	static uint64_t state = 0x6d6f7465;

	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(state >> 32);
}

void map_8_gib(void)
{
	for (unsigned int g = 0; g < GIB_8; g++) {
		for (unsigned int i = 0; i < 512; i++)
			pd[g][i] = ((uint64_t)g << 30 | (uint64_t)i << 21) | PTE_LARGE | PTE_RW;
		pdpt[g] = (uint64_t)pd[g] | PTE_RW;
	}
	pml4[0] = (uint64_t)pdpt | PTE_RW;
	__asm__ volatile("mov %0, %%cr3" : : "r"(pml4) : "memory");
}

void ap_main(void)
{
	ap_fn();
	for (;;)
		__asm__ volatile("hlt");
}

void start_ap(void (*fn)(void))
{
	char *code = (char *)TRAMPOLINE;

	__asm__("" : "+r"(code)); /* the compiler takes a small address for a mistake */
	map_8_gib();
	ap_fn = fn;
	memcpy(code, ap_start, (size_t)(ap_start_end - ap_start));
	*(uint32_t *)(void *)(code + (ap_cr3 - ap_start)) = (uint32_t)(uint64_t)pml4;
	/* To all but ourselves: INIT, then start-up with the trampoline's page. */
	wr32(LAPIC + 0xf0, 0x1ff);
	wr32(LAPIC + LAPIC_ICR, 0x000c4500);
	for (volatile unsigned int i = 0; i < 100000; i++)
		continue;
	wr32(LAPIC + LAPIC_ICR, 0x000c4600 | TRAMPOLINE >> 12);
}
