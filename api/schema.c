// SPDX-License-Identifier: Apache-2.0
#include "api/schema.h"

#include "vmm/settings.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define ALWAYS_THERE (FIELD_REQUIRED | FIELD_HAS_DEFAULT)

uint64_t schema_max(const struct field *f)
{
	if (f->max != 0)
		return f->max;
	switch (f->type) {
	case FIELD_STRING:
		return f->size - 1;
	case FIELD_UINT:
		return f->size == sizeof(uint32_t) ? UINT32_MAX : SCHEMA_UINT_MAX;
	default:
		return 0;
	}
}

static void set_default(const struct field *f, void *dst)
{
	switch (f->type) {
	case FIELD_BOOL:
		*(bool *)dst = f->fallback != 0;
		break;
	case FIELD_UINT:
	case FIELD_ENUM:
		if (f->size == sizeof(uint32_t))
			*(uint32_t *)dst = (uint32_t)f->fallback;
		else
			*(uint64_t *)dst = f->fallback;
		break;
	case FIELD_OBJECT:
		schema_defaults(f->object, dst);
		break;
	default: /* an empty list */
		break;
	}
}

void schema_defaults(const struct object *o, void *dst)
{
	uint32_t *given = dst;

	memset(dst, 0, o->size);
	for (unsigned int i = 0; i < o->nr; i++) {
		const struct field *f = &o->fields[i];

		if (!(f->flags & FIELD_HAS_DEFAULT))
			continue;
		set_default(f, (char *)dst + f->offset);
		if (!(f->flags & FIELD_LATER))
			*given |= 1u << i;
	}
}

/* The first spelling of a word. */
static void encode_word(const struct field *f, const char *name, uint32_t value,
			struct json_out *out)
{
	char word[SETTINGS_WORD_MAX];

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(f->words[value], "|"), f->words[value]);
	json_string(out, name, word);
}

static void encode_mac(const char *name, const uint8_t mac[6], struct json_out *out)
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	json_string(out, name, text);
}

static void encode_list(const struct field *f, const char *src, unsigned int nr,
			struct json_out *out)
{
	json_begin(out, f->name, '[');
	for (unsigned int i = 0; i < nr; i++, src += f->size) {
		if (f->type == FIELD_OBJECTS)
			schema_encode(f->object, NULL, src, out);
		else
			json_string(out, NULL, src);
	}
	json_end(out, ']');
}

static void encode_map(const struct field *f, const struct property *src, unsigned int nr,
		       struct json_out *out)
{
	json_begin(out, f->name, '{');
	for (unsigned int i = 0; i < nr; i++)
		json_string(out, src[i].name, src[i].value);
	json_end(out, '}');
}

static void encode_value(const struct field *f, const char *obj, struct json_out *out)
{
	const void *src = obj + f->offset, *nr = obj + f->count_offset;

	switch (f->type) {
	case FIELD_STRING:
		json_string(out, f->name, src);
		break;
	case FIELD_UINT:
		json_uint(out, f->name,
			  f->size == sizeof(uint32_t) ? *(const uint32_t *)src
						      : *(const uint64_t *)src);
		break;
	case FIELD_BOOL:
		json_bool(out, f->name, *(const bool *)src);
		break;
	case FIELD_ENUM:
		encode_word(f, f->name, *(const uint32_t *)src, out);
		break;
	case FIELD_MAC:
		encode_mac(f->name, src, out);
		break;
	case FIELD_OBJECT:
		schema_encode(f->object, f->name, src, out);
		break;
	case FIELD_OBJECTS:
	case FIELD_STRINGS:
		encode_list(f, src, *(const unsigned int *)nr, out);
		break;
	case FIELD_MAP:
		encode_map(f, src, *(const unsigned int *)nr, out);
		break;
	case FIELD_ANY:
		json_null(out, f->name);
		break;
	}
}

/* The limits of a running device may have come later, one by one. */
static bool is_there(const struct field *f, const char *obj, bool given)
{
	const void *part = obj + f->offset;

	return given || f->flags & ALWAYS_THERE ||
	       (f->flags & FIELD_BY_PARTS && *(const uint32_t *)part != 0);
}

void schema_encode(const struct object *o, const char *name, const void *src, struct json_out *out)
{
	uint32_t given = *(const uint32_t *)src;

	json_begin(out, name, '{');
	for (unsigned int i = 0; i < o->nr; i++) {
		const struct field *f = &o->fields[i];

		if (f->flags & FIELD_LATER && f->type == FIELD_OBJECTS) {
			json_begin(out, f->name, '[');
			json_end(out, ']');
		} else if (is_there(f, src, given >> i & 1)) {
			encode_value(f, src, out);
		} else if (!(f->flags & FIELD_ABSENT)) {
			json_null(out, f->name);
		}
	}
	json_end(out, '}');
}

static uint32_t bit_of(const struct object *o, const char *name)
{
	unsigned int i = 0;

	while (i < o->nr && strcmp(o->fields[i].name, name) != 0)
		i++;
	assert(i < o->nr);
	return 1u << i;
}

bool schema_given(const struct object *o, const void *obj, const char *name)
{
	return *(const uint32_t *)obj & bit_of(o, name);
}

void schema_set_given(const struct object *o, void *obj, const char *name, bool given)
{
	uint32_t bit = bit_of(o, name);

	if (given)
		*(uint32_t *)obj |= bit;
	else
		*(uint32_t *)obj &= ~bit;
}
