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

enum field_type {
	FIELD_STRING,  /* char[size], NUL-terminated; min/max: length in bytes without the NUL */
	FIELD_UINT,    /* uint32_t or uint64_t by size; min/max: value, at most 2^53 - 1 */
	FIELD_BOOL,    /* bool */
	FIELD_ENUM,    /* uint32_t: index into `words` */
	FIELD_MAC,     /* uint8_t[6], "xx:xx:xx:xx:xx:xx" */
	FIELD_OBJECT,  /* a struct described by `object` */
	FIELD_OBJECTS, /* list of such structs; `size`: of one; min/max: how many */
	FIELD_STRINGS, /* list of char[size]; min/max: how many */
	FIELD_MAP,     /* object of strings into struct property[]; min/max: how many */
	FIELD_ANY,     /* anything; accepted and not stored */
};

enum field_flags {
	FIELD_REQUIRED = 1u << 0,
	FIELD_DEPRECATED = 1u << 1, /* its use is told to the client (header "Deprecation") */
	FIELD_ABSENT = 1u << 2,	    /* not given: left out of an answer, instead of null */
	FIELD_HAS_DEFAULT =
		1u << 3, /* not given: `fallback`; always in answers. JSON null is refused */
	FIELD_ANY_CASE = 1u << 4, /* words are compared without regard to case */
	FIELD_ID = 1u << 5,	  /* letters, digits, '_' only (api-contract 1.2), at least one */
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
	/* What no single field can tell; *e set on failure. NULL = nothing. */
	int (*check)(const void *obj, struct err *e);
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
 * (with its path: "rate_limiter.bandwidth.size"), what value and what was expected. `notes` may be
 * NULL. -EINVAL.
 */
int schema_decode(const struct object *o, const cJSON *json, void *dst, struct schema_notes *notes,
		  struct err *e) MUST_CHECK;

/* Writes *src as member `name` (NULL: as the document), in the order of the table. */
void schema_encode(const struct object *o, const char *name, const void *src, struct json_out *out);

/* Whether the field called `name` of `o` was given in *obj. A name that does not exist is our bug.
 */
bool schema_given(const struct object *o, const void *obj, const char *name);

/* Marks it as given, or not: for structs that were not decoded. */
void schema_set_given(const struct object *o, void *obj, const char *name, bool given);

/* Writes the JSON schema (OpenAPI 3.1 dialect) of `o` as member `name`; refers to the objects
 * inside it by "#/components/schemas/NAME". */
void schema_describe(const struct object *o, const char *name, struct json_out *out);

#endif
