// SPDX-License-Identifier: Apache-2.0
/* Pure functions over the caller's writer; any thread. */
#include "vmm/x86/aml.h"

#include <string.h>

#include "vmm/compiler.h"

/* ACPI 6.5 §20.2, §20.3. */
#define OP_ZERO		0x00u
#define OP_ONE		0x01u
#define OP_NAME		0x08u
#define OP_BYTE		0x0au
#define OP_WORD		0x0bu
#define OP_DWORD	0x0cu
#define OP_STRING	0x0du
#define OP_QWORD	0x0eu
#define OP_SCOPE	0x10u
#define OP_BUFFER	0x11u
#define OP_PACKAGE	0x12u
#define OP_METHOD	0x14u
#define OP_EXT		0x5bu
#define OP_EXT_DEVICE	0x82u
#define OP_ARG0		0x68u
#define OP_NOTIFY	0x86u
#define OP_EQUAL	0x93u
#define OP_IF		0xa0u
#define METHOD_SERIAL	0x08u
#define NAME_LEN	4u
#define PKG_LENGTH_LEN	3u /* always the form with 20 bits: what follows need not be moved */
#define BUFFER_SIZE_LEN 3u /* always a word, for the same reason */

/* ACPI 6.5 §6.4.2, §6.4.3. */
#define RES_IO		 0x47u
#define RES_IO_DECODE_16 0x01u
#define RES_END		 0x79u
#define RES_MEM32_FIXED	 0x86u
#define RES_MEM_WRITABLE 0x01u
#define RES_EXT_IRQ	 0x89u
#define RES_IRQ_CONSUMER 0x01u
#define RES_IRQ_EDGE	 0x02u

void aml_init(struct aml *a, void *buf, size_t size)
{
	*a = (struct aml){ .buf = buf, .size = size };
}

static void put(struct aml *a, const void *src, size_t len)
{
	if (a->full || len > a->size - a->len) {
		a->full = true;
		return;
	}
	memcpy(a->buf + a->len, src, len);
	a->len += len;
}

static void put8(struct aml *a, unsigned int v)
{
	const uint8_t byte = (uint8_t)v;

	put(a, &byte, sizeof(byte));
}

static void put_name(struct aml *a, const char *name)
{
	uint8_t seg[NAME_LEN];

	if (*name == '\\')
		put8(a, (uint8_t)*name++);
	memset(seg, '_', sizeof(seg));
	for (size_t i = 0; i < sizeof(seg) && name[i]; i++)
		seg[i] = (uint8_t)name[i];
	put(a, seg, sizeof(seg));
}

/* Room for a PkgLength, filled in by aml_end(). */
static size_t open_length(struct aml *a)
{
	static const uint8_t room[PKG_LENGTH_LEN];
	const size_t mark = a->len;

	put(a, room, sizeof(room));
	return mark;
}

void aml_end(struct aml *a, size_t mark)
{
	const size_t len = a->len - mark; /* its own bytes count */

	if (a->full)
		return;
	/* Two more bytes follow the first one, which has the low four bits. */
	a->buf[mark] = (uint8_t)(2u << 6 | (len & 0xf));
	a->buf[mark + 1] = (uint8_t)(len >> 4);
	a->buf[mark + 2] = (uint8_t)(len >> 12);
}

size_t aml_scope(struct aml *a, const char *name)
{
	size_t mark;

	put8(a, OP_SCOPE);
	mark = open_length(a);
	put_name(a, name);
	return mark;
}

size_t aml_device(struct aml *a, const char *name)
{
	size_t mark;

	put8(a, OP_EXT);
	put8(a, OP_EXT_DEVICE);
	mark = open_length(a);
	put_name(a, name);
	return mark;
}

size_t aml_method(struct aml *a, const char *name, unsigned int nr_args)
{
	size_t mark;

	put8(a, OP_METHOD);
	mark = open_length(a);
	put_name(a, name);
	put8(a, (nr_args & 0x7u) | METHOD_SERIAL);
	return mark;
}

void aml_name(struct aml *a, const char *name)
{
	put8(a, OP_NAME);
	put_name(a, name);
}

void aml_int(struct aml *a, uint64_t v)
{
	if (v <= 1) {
		put8(a, v ? OP_ONE : OP_ZERO);
	} else if (v <= UINT8_MAX) {
		put8(a, OP_BYTE);
		put(a, &v, 1);
	} else if (v <= UINT16_MAX) {
		put8(a, OP_WORD);
		put(a, &v, 2);
	} else if (v <= UINT32_MAX) {
		put8(a, OP_DWORD);
		put(a, &v, 4);
	} else {
		put8(a, OP_QWORD);
		put(a, &v, 8);
	}
}

void aml_string(struct aml *a, const char *s)
{
	put8(a, OP_STRING);
	put(a, s, strlen(s) + 1);
}

static unsigned int hex_digit(char c)
{
	return c <= '9' ? (unsigned int)(c - '0') : (unsigned int)(c - 'A') + 10;
}

/* Letters take five bits, digits four, most significant first; stored big-endian (§19.3.4). */
void aml_eisa_id(struct aml *a, const char *id)
{
	unsigned int v = 0;

	for (size_t i = 0; i < 3; i++)
		v = v << 5 | (unsigned int)(id[i] - '@');
	for (size_t i = 3; i < 7; i++)
		v = v << 4 | hex_digit(id[i]);
	v = __builtin_bswap32(v);
	put8(a, OP_DWORD);
	put(a, &v, sizeof(v));
}

size_t aml_package(struct aml *a, unsigned int nr_elements)
{
	size_t mark;

	put8(a, OP_PACKAGE);
	mark = open_length(a);
	put8(a, nr_elements);
	return mark;
}

size_t aml_resources(struct aml *a)
{
	static const uint8_t room[BUFFER_SIZE_LEN] = { OP_WORD };
	size_t mark;

	put8(a, OP_BUFFER);
	mark = open_length(a);
	put(a, room, sizeof(room));
	return mark;
}

void aml_resources_end(struct aml *a, size_t mark)
{
	const size_t start = mark + PKG_LENGTH_LEN + BUFFER_SIZE_LEN;
	uint16_t len;

	put8(a, RES_END);
	put8(a, 0); /* no checksum */
	if (a->full)
		return;
	len = (uint16_t)(a->len - start);
	memcpy(a->buf + start - sizeof(len), &len, sizeof(len));
	aml_end(a, mark);
}

void aml_res_mem32(struct aml *a, uint32_t gpa, uint32_t len)
{
	const struct {
		uint8_t type;
		uint16_t len;
		uint8_t info;
		uint32_t gpa;
		uint32_t range;
	} PACKED res = { RES_MEM32_FIXED, sizeof(res) - 3, RES_MEM_WRITABLE, gpa, len };

	put(a, &res, sizeof(res));
}

void aml_res_io(struct aml *a, uint16_t port, uint8_t len)
{
	const struct {
		uint8_t type;
		uint8_t info;
		uint16_t min;
		uint16_t max;
		uint8_t align;
		uint8_t len;
	} PACKED res = { RES_IO, RES_IO_DECODE_16, port, port, 1, len };

	put(a, &res, sizeof(res));
}

void aml_res_irq(struct aml *a, uint32_t gsi)
{
	const struct {
		uint8_t type;
		uint16_t len;
		uint8_t flags;
		uint8_t nr;
		uint32_t gsi;
	} PACKED res = { RES_EXT_IRQ, sizeof(res) - 3, RES_IRQ_CONSUMER | RES_IRQ_EDGE, 1, gsi };

	put(a, &res, sizeof(res));
}

size_t aml_if_arg0_is(struct aml *a, uint64_t v)
{
	size_t mark;

	put8(a, OP_IF);
	mark = open_length(a);
	put8(a, OP_EQUAL);
	put8(a, OP_ARG0);
	aml_int(a, v);
	return mark;
}

void aml_notify(struct aml *a, const char *name, uint64_t v)
{
	put8(a, OP_NOTIFY);
	put_name(a, name);
	aml_int(a, v);
}
