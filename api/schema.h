/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects by table. One table for each object of the API says for each field its name, type, range,
 * default and meaning; decoding and validation, the answers to GET, messages, the OpenAPI document
 * and docs/api.md all follow from it. The C side is a plain struct of vmm/settings.h, which begins
 * with `uint32_t given`.
 */
#ifndef MOTE_API_SCHEMA_H
#define MOTE_API_SCHEMA_H

#include <cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/json_out.h"
#include "vmm/compiler.h"
#include "vmm/err.h"

/* JSON numbers are doubles on the way: larger integers would arrive as others. */
#define SCHEMA_UINT_MAX ((UINT64_C(1) << 53) - 1)

/* `max` of 0 stands for the most that the C side can hold. */
enum field_type {
	FIELD_STRING, /* char[size], NUL-terminated; min/max: length in bytes without the NUL */
	FIELD_UINT,   /* uint32_t or uint64_t by size; min/max: value, at most SCHEMA_UINT_MAX */
	FIELD_BOOL,   /* bool */
	FIELD_ENUM, /* uint32_t: index into `words`; a word "A|B" is written A, and B is taken, too
		     */
	FIELD_MAC,  /* uint8_t[6], "xx:xx:xx:xx:xx:xx" */
	FIELD_OBJECT,  /* a struct described by `object` */
	FIELD_OBJECTS, /* list of such structs; `size`: of one; min/max: how many */
	FIELD_STRINGS, /* list of char[size]; min/max: how many */
	FIELD_MAP,     /* object of strings into struct property[]; min/max: how many */
	FIELD_ANY,     /* anything; accepted and not stored */
};

enum field_flags {
	FIELD_REQUIRED = 1u << 0,    /* always in answers */
	FIELD_DEPRECATED = 1u << 1,  /* its use is told to the client (header "Deprecation") */
	FIELD_ABSENT = 1u << 2,	     /* not given: left out of an answer, instead of null */
	FIELD_HAS_DEFAULT = 1u << 3, /* not given: `fallback`, which then counts as given; always in
				      * answers. JSON null is refused */
	FIELD_ANY_CASE = 1u << 4,    /* words are compared without regard to case */
	FIELD_ID = 1u << 5,	     /* letters, digits, '_' only (ASCII), at least one */
	FIELD_LATER = 1u << 6,	  /* known, but not supported by this version: null and [] pass */
	FIELD_BY_PARTS = 1u << 7, /* an object that is given when a part of it is */
};

struct object;

struct field {
	const char *name;
	enum field_type type;
	uint32_t flags;
	uint32_t offset;       /* in the struct */
	uint32_t size;	       /* of the member, or of one element */
	uint32_t count_offset; /* lists and maps: where the unsigned int with the number is */
	uint64_t min, max;
	uint64_t fallback;	     /* for UINT, BOOL, ENUM */
	const char *const *words;    /* ENUM: NULL-terminated */
	const struct object *object; /* OBJECT, OBJECTS */
	const char *help;	     /* one sentence for people */
};

struct object {
	const char *name; /* in OpenAPI and messages: "Drive" */
	const char *help;
	size_t size; /* of the struct */
	unsigned int nr;
	const struct field *fields;
	bool open; /* unknown keys are ignored (api-contract 1.2), not refused */
	/* After all fields: checks what no single one can tell (*e set on failure), and fills in
	 * defaults that depend on other fields. NULL = nothing. */
	int (*check)(void *obj, struct err *e);
};

/* What decoding noticed besides. */
struct schema_notes {
	bool deprecated; /* a deprecated field was used */
};

/*
 * Decodes `json` into *dst (o->size bytes), which is cleared first, defaults are filled in.
 * Refused: no object, unknown or duplicate keys, a missing required field, a wrong type, a number
 * that is no integer or out of range, a string too long or an id with other characters, an unknown
 * word. `null` counts as absent for an optional field without default. *e then says which field
 * (with its path: "drives[1].rate_limiter.bandwidth.size"), what value and what was expected;
 * *dst is then of no use. `notes` may be NULL. -EINVAL.
 */
int schema_decode(const struct object *o, const cJSON *json, void *dst, struct schema_notes *notes,
		  struct err *e) MUST_CHECK;

/* Sets *dst to what decoding would make of an object without any field: all-zero, and defaults.
 * What is required stays zero. */
void schema_defaults(const struct object *o, void *dst);

/*
 * Writes *src as member `name` (NULL: as the document), in the order of the table. Fields that are
 * required or have a default are always written, as *src has them.
 */
void schema_encode(const struct object *o, const char *name, const void *src, struct json_out *out);

/* Whether the field called `name` of `o` was given in *obj. It is our bug if there is none. */
bool schema_given(const struct object *o, const void *obj, const char *name);

/* Marks it as given, or not: for structs that were not decoded. */
void schema_set_given(const struct object *o, void *obj, const char *name, bool given);

/* The range of numbers, lengths or counts that `f` takes, with `max` of 0 resolved. */
uint64_t schema_max(const struct field *f);

/*
 * Writes the JSON schema (OpenAPI 3.1: 2020-12) of `o` as member `name`: it takes what decoding
 * takes and what encoding writes. Objects inside it are referred to by "#/components/schemas/NAME".
 */
void schema_describe(const struct object *o, const char *name, struct json_out *out);

#endif
