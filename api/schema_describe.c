// SPDX-License-Identifier: Apache-2.0
#include "api/schema.h"

#include "vmm/settings.h"

#include <stdio.h>
#include <string.h>

#define ALWAYS_THERE (FIELD_REQUIRED | FIELD_HAS_DEFAULT)

/* Whether null stands for "not given", in requests and answers. */
static bool nullable(const struct field *f)
{
	return !(f->flags & ALWAYS_THERE);
}

static void describe_type(const struct field *f, const char *type, struct json_out *out)
{
	if (!nullable(f)) {
		json_string(out, "type", type);
		return;
	}
	json_begin(out, "type", '[');
	json_string(out, NULL, type);
	json_string(out, NULL, "null");
	json_end(out, ']');
}

/* JSON schema counts characters where we count bytes: at most as many. */
static void describe_text(const struct field *f, uint64_t max, struct json_out *out)
{
	json_uint(out, "minLength", f->flags & FIELD_ID ? 1 : f->min > 0);
	json_uint(out, "maxLength", max);
	if (f->flags & FIELD_ID)
		json_string(out, "pattern", "^[A-Za-z0-9_]+$");
}

static void describe_ref(const struct object *o, struct json_out *out)
{
	char ref[128];

	snprintf(ref, sizeof(ref), "#/components/schemas/%s", o->name);
	json_string(out, "$ref", ref);
}

static void describe_uint(const struct field *f, struct json_out *out)
{
	describe_type(f, "integer", out);
	json_uint(out, "minimum", f->min);
	json_uint(out, "maximum", schema_max(f));
	if (f->flags & FIELD_HAS_DEFAULT)
		json_uint(out, "default", f->fallback);
}

/* All spellings but those that only differ in case. */
static void describe_enum(const struct field *f, struct json_out *out)
{
	char word[SETTINGS_WORD_MAX];

	describe_type(f, "string", out);
	json_begin(out, "enum", '[');
	for (unsigned int i = 0; f->words[i]; i++) {
		const char *p = f->words[i];

		for (;;) {
			size_t n = strcspn(p, "|");

			snprintf(word, sizeof(word), "%.*s", (int)n, p);
			json_string(out, NULL, word);
			if (p[n] == '\0')
				break;
			p += n + 1;
		}
	}
	if (nullable(f))
		json_null(out, NULL);
	json_end(out, ']');
	if (f->flags & FIELD_HAS_DEFAULT) {
		const char *first = f->words[f->fallback];

		snprintf(word, sizeof(word), "%.*s", (int)strcspn(first, "|"), first);
		json_string(out, "default", word);
	}
}

static void describe_object(const struct field *f, struct json_out *out)
{
	if (!nullable(f)) {
		describe_ref(f->object, out);
		return;
	}
	json_begin(out, "anyOf", '[');
	json_begin(out, NULL, '{');
	describe_ref(f->object, out);
	json_end(out, '}');
	json_begin(out, NULL, '{');
	json_string(out, "type", "null");
	json_end(out, '}');
	json_end(out, ']');
}

static void describe_list(const struct field *f, struct json_out *out)
{
	describe_type(f, "array", out);
	json_uint(out, "minItems", f->min);
	json_uint(out, "maxItems", f->max);
	json_begin(out, "items", '{');
	if (f->type == FIELD_OBJECTS) {
		describe_ref(f->object, out);
	} else {
		json_string(out, "type", "string");
		describe_text(f, f->size - 1, out);
	}
	json_end(out, '}');
	if (f->flags & FIELD_HAS_DEFAULT) {
		json_begin(out, "default", '[');
		json_end(out, ']');
	}
}

static void describe_map(const struct field *f, struct json_out *out)
{
	describe_type(f, "object", out);
	json_uint(out, "minProperties", f->min);
	json_uint(out, "maxProperties", f->max);
	json_begin(out, "propertyNames", '{');
	json_uint(out, "maxLength", SETTINGS_WORD_MAX - 1);
	json_end(out, '}');
	json_begin(out, "additionalProperties", '{');
	json_string(out, "type", "string");
	json_uint(out, "maxLength", SETTINGS_WORD_MAX - 1);
	json_end(out, '}');
}

/* null and the empty list, which is all that is taken yet. */
static void describe_later(struct json_out *out)
{
	json_begin(out, "type", '[');
	json_string(out, NULL, "array");
	json_string(out, NULL, "null");
	json_end(out, ']');
	json_uint(out, "maxItems", 0);
}

static void describe_value(const struct field *f, struct json_out *out)
{
	switch (f->type) {
	case FIELD_STRING:
		describe_type(f, "string", out);
		describe_text(f, schema_max(f), out);
		break;
	case FIELD_UINT:
		describe_uint(f, out);
		break;
	case FIELD_BOOL:
		describe_type(f, "boolean", out);
		if (f->flags & FIELD_HAS_DEFAULT)
			json_bool(out, "default", f->fallback != 0);
		break;
	case FIELD_ENUM:
		describe_enum(f, out);
		break;
	case FIELD_MAC:
		describe_type(f, "string", out);
		json_string(out, "pattern", "^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$");
		break;
	case FIELD_OBJECT:
		describe_object(f, out);
		break;
	case FIELD_OBJECTS:
	case FIELD_STRINGS:
		describe_list(f, out);
		break;
	case FIELD_MAP:
		describe_map(f, out);
		break;
	case FIELD_ANY:
		break;
	}
}

void schema_describe(const struct object *o, const char *name, struct json_out *out)
{
	json_begin(out, name, '{');
	json_string(out, "type", "object");
	json_string(out, "description", o->help);
	json_begin(out, "properties", '{');
	for (unsigned int i = 0; i < o->nr; i++) {
		const struct field *f = &o->fields[i];

		json_begin(out, f->name, '{');
		json_string(out, "description", f->help);
		if (f->flags & FIELD_LATER)
			describe_later(out);
		else
			describe_value(f, out);
		if (f->flags & FIELD_DEPRECATED)
			json_bool(out, "deprecated", true);
		if (f->flags & FIELD_ANY_CASE)
			json_bool(out, "x-any-case", true);
		json_end(out, '}');
	}
	json_end(out, '}');
	json_begin(out, "required", '[');
	for (unsigned int i = 0; i < o->nr; i++) {
		if (o->fields[i].flags & FIELD_REQUIRED)
			json_string(out, NULL, o->fields[i].name);
	}
	json_end(out, ']');
	json_bool(out, "additionalProperties", o->open);
	json_end(out, '}');
}
