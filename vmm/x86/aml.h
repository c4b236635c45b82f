/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the little of ACPI's machine language (ACPI 6.5 chapter 20) that our DSDT needs, into a
 * buffer of fixed size. A writer that runs out of room stops and sets `full`; it is looked at once,
 * at the end. Objects are written in order; what has a length (scope, device, method, package,
 * resources, If) is opened by one call, which returns a mark, and closed with that mark.
 *
 * Names are a root prefix and one segment, or one segment; a segment shorter than four characters
 * is padded.
 */
#ifndef MOTE_VMM_X86_AML_H
#define MOTE_VMM_X86_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
	uint8_t *buf;
	size_t size;
	size_t len;
	bool full;
};

void aml_init(struct aml *a, void *buf, size_t size);

/* Closes what the call that returned `mark` opened. */
void aml_end(struct aml *a, size_t mark);

/* Named objects. aml_name() is followed by one data object. */
size_t aml_scope(struct aml *a, const char *name);
size_t aml_device(struct aml *a, const char *name);
size_t aml_method(struct aml *a, const char *name, unsigned int nr_args); /* serialized */
void aml_name(struct aml *a, const char *name);

/* Data objects. `id` of aml_eisa_id: three capitals and four hexadecimal digits, "PNP0501". */
void aml_int(struct aml *a, uint64_t v);
void aml_string(struct aml *a, const char *s);
void aml_eisa_id(struct aml *a, const char *id);
size_t aml_package(struct aml *a, unsigned int nr_elements);

/* A resource template and its descriptors (ACPI 6.5 §6.4); closed with aml_resources_end(). */
size_t aml_resources(struct aml *a);
void aml_resources_end(struct aml *a, size_t mark);
void aml_res_mem32(struct aml *a, uint32_t gpa, uint32_t len); /* fixed, read-write */
void aml_res_io(struct aml *a, uint16_t port, uint8_t len);
void aml_res_irq(struct aml *a, uint32_t gsi); /* edge-triggered, active high, exclusive */

/* Statements of a method: If (Arg0 == v) { ... }, Notify (name, v). */
size_t aml_if_arg0_is(struct aml *a, uint64_t v);
void aml_notify(struct aml *a, const char *name, uint64_t v);

#endif
