// SPDX-License-Identifier: Apache-2.0
#include "api/schema.h"

#include "api/schema_error.h"
#include "vmm/mutants.h"
#include "vmm/settings.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ID_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

struct decoder {
	const char *root; /* how messages call the whole document */
	struct schema_notes *notes;
	struct err *e;
};

static int decode_object(const struct decoder *d, const struct object *o, const struct place *at,
			 const cJSON *json, void *dst);

static int decode_text(const struct decoder *d, const struct field *f, const struct place *at,
		       const cJSON *json, uint64_t max, char *dst)
{
	bool is_id = f->flags & FIELD_ID;
	size_t len;

	if (!cJSON_IsString(json))
		return schema_expected(d->e, d->root, at, json, "a string");
	len = strlen(json->valuestring);
	if (f->type == FIELD_STRING && len < f->min && !is_id)
		return schema_expected(d->e, d->root, at, json, "at least %" PRIu64 " bytes",
				       f->min);
	if (MUT_NO_FIT(len > max))
		return schema_expected(d->e, d->root, at, json,
				       "at most %" PRIu64 " bytes, not %zu", max, len);
	if (is_id && (len == 0 || strspn(json->valuestring, ID_CHARS) != len))
		return schema_expected(d->e, d->root, at, json,
				       "1 to %" PRIu64 " letters, digits and '_'", max);
	memcpy(dst, json->valuestring, len + 1);
	return 0;
}

static int decode_uint(const struct decoder *d, const struct field *f, const struct place *at,
		       const cJSON *json, void *dst)
{
	uint64_t max = schema_max(f), value;
	double number = json->valuedouble;

	if (!cJSON_IsNumber(json) || number != trunc(number) || number < (double)f->min ||
	    MUT_TOO_LARGE(number > (double)max))
		return schema_expected(d->e, d->root, at, json,
				       "an integer from %" PRIu64 " to %" PRIu64, f->min, max);
	value = (uint64_t)number;
	if (f->size == sizeof(uint32_t))
		*(uint32_t *)dst = (uint32_t)value;
	else
		*(uint64_t *)dst = value;
	return 0;
}

/* Whether `text` is one of the spellings in `word`, which '|' separates. */
static bool same_word(const char *text, const char *word, bool any_case)
{
	size_t len = strlen(text);

	for (;;) {
		size_t n = strcspn(word, "|");

		if (n == len &&
		    (any_case ? strncasecmp(text, word, n) == 0 : strncmp(text, word, n) == 0))
			return true;
		if (word[n] == '\0')
			return false;
		word += n + 1;
	}
}

static int decode_enum(const struct decoder *d, const struct field *f, const struct place *at,
		       const cJSON *json, uint32_t *dst)
{
	char words[ERR_MSG_MAX];

	for (uint32_t i = 0; cJSON_IsString(json) && f->words[i]; i++) {
		if (same_word(json->valuestring, f->words[i], f->flags & FIELD_ANY_CASE)) {
			*dst = i;
			return 0;
		}
	}
	schema_words(f->words, words, sizeof(words));
	return schema_expected(d->e, d->root, at, json, "%s%s", f->words[1] ? "one of " : "",
			       words);
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int decode_mac(const struct decoder *d, const struct place *at, const cJSON *json,
		      uint8_t mac[6])
{
	const char *p = cJSON_IsString(json) ? json->valuestring : "";
	bool good = strlen(p) == strlen("xx:xx:xx:xx:xx:xx");

	for (unsigned int i = 0; good && i < 6; i++, p += 3) {
		int high = hex(p[0]), low = hex(p[1]);

		good = high >= 0 && low >= 0 && p[2] == (i < 5 ? ':' : '\0');
		mac[i] = (uint8_t)(good ? high << 4 | low : 0);
	}
	if (good)
		return 0;
	return schema_expected(d->e, d->root, at, json,
			       "six bytes as \"xx:xx:xx:xx:xx:xx\" in hexadecimal");
}

static int check_count(const struct decoder *d, const struct field *f, const struct place *at,
		       int nr)
{
	if ((uint64_t)nr < f->min)
		return schema_wrong(d->e, d->root, at, "%d elements, expected at least %" PRIu64,
				    nr, f->min);
	if ((uint64_t)nr > f->max)
		return schema_wrong(d->e, d->root, at, "%d elements, expected at most %" PRIu64, nr,
				    f->max);
	return 0;
}

static int decode_list(const struct decoder *d, const struct field *f, const struct place *at,
		       const cJSON *json, char *dst, unsigned int *nr)
{
	const cJSON *item;
	int r;

	if (!cJSON_IsArray(json))
		return schema_expected(d->e, d->root, at, json, "a list");
	r = check_count(d, f, at, cJSON_GetArraySize(json));
	*nr = 0;
	for (item = json->child; r == 0 && item; item = item->next, dst += f->size) {
		struct place here = { at, NULL, *nr };

		if (f->type == FIELD_OBJECTS)
			r = decode_object(d, f->object, &here, item, dst);
		else
			r = decode_text(d, f, &here, item, f->size - 1, dst);
		*nr += 1;
	}
	return r;
}

static int decode_map(const struct decoder *d, const struct field *f, const struct place *at,
		      const cJSON *json, struct property *dst, unsigned int *nr)
{
	const cJSON *item;
	int r;

	if (!cJSON_IsObject(json))
		return schema_expected(d->e, d->root, at, json, "an object of strings");
	r = check_count(d, f, at, cJSON_GetArraySize(json));
	*nr = 0;
	for (item = json->child; r == 0 && item; item = item->next, *nr += 1) {
		struct place here = { at, item->string, 0 };
		struct property *p = &dst[*nr];

		if (strlen(item->string) >= sizeof(p->name))
			return schema_wrong(d->e, d->root, &here,
					    "a name of %zu bytes, expected at most %zu",
					    strlen(item->string), sizeof(p->name) - 1);
		for (unsigned int i = 0; i < *nr; i++) {
			if (strcmp(dst[i].name, item->string) == 0)
				return schema_wrong(d->e, d->root, &here, "given twice");
		}
		memcpy(p->name, item->string, strlen(item->string) + 1);
		r = decode_text(d, f, &here, item, sizeof(p->value) - 1, p->value);
	}
	return r;
}

static int decode_value(const struct decoder *d, const struct field *f, const struct place *at,
			const cJSON *json, char *obj)
{
	void *dst = obj + f->offset, *nr = obj + f->count_offset;

	switch (f->type) {
	case FIELD_STRING:
		return decode_text(d, f, at, json, schema_max(f), dst);
	case FIELD_UINT:
		return decode_uint(d, f, at, json, dst);
	case FIELD_BOOL:
		if (!cJSON_IsBool(json))
			return schema_expected(d->e, d->root, at, json, "true or false");
		*(bool *)dst = cJSON_IsTrue(json);
		return 0;
	case FIELD_ENUM:
		return decode_enum(d, f, at, json, dst);
	case FIELD_MAC:
		return decode_mac(d, at, json, dst);
	case FIELD_OBJECT:
		return decode_object(d, f->object, at, json, dst);
	case FIELD_OBJECTS:
	case FIELD_STRINGS:
		return decode_list(d, f, at, json, dst, nr);
	case FIELD_MAP:
		return decode_map(d, f, at, json, dst, nr);
	case FIELD_ANY:
		break;
	}
	return 0;
}

static const struct field *find_field(const struct object *o, const char *name)
{
	for (unsigned int i = 0; i < o->nr; i++) {
		if (strcmp(o->fields[i].name, name) == 0)
			return &o->fields[i];
	}
	return NULL;
}

/* One member of an object; *seen and the struct's `given` have a bit for each field. */
static int decode_member(const struct decoder *d, const struct object *o, const struct place *at,
			 const cJSON *json, void *obj, uint32_t *seen)
{
	const struct field *f = find_field(o, json->string);
	struct place here = { at, json->string, 0 };
	char names[ERR_MSG_MAX];
	uint32_t bit;

	if (!f && o->open)
		return 0;
	if (!f) {
		schema_names(o, names, sizeof(names));
		return schema_wrong(d->e, d->root, &here, "unknown field, expected %s%s",
				    o->nr > 1 ? "one of " : "", o->nr ? names : "none");
	}
	bit = 1u << (f - o->fields);
	if (MUT_SEEN(*seen & bit))
		return schema_wrong(d->e, d->root, &here, "given twice");
	*seen |= bit;
	if (cJSON_IsNull(json) && !(f->flags & (FIELD_REQUIRED | FIELD_HAS_DEFAULT)))
		return 0;
	if (f->flags & FIELD_LATER) {
		if (cJSON_IsNull(json) || (cJSON_IsArray(json) && !json->child))
			return 0;
		return schema_wrong(d->e, d->root, &here, "not supported by this version");
	}
	if (f->flags & FIELD_DEPRECATED && d->notes)
		d->notes->deprecated = true;
	*(uint32_t *)obj |= bit;
	return decode_value(d, f, &here, json, obj);
}

/* Fields that nobody has given. */
static int complete(const struct decoder *d, const struct object *o, const struct place *at,
		    const void *obj)
{
	uint32_t given = *(const uint32_t *)obj;

	for (unsigned int i = 0; i < o->nr; i++) {
		struct place here = { at, o->fields[i].name, 0 };

		if (MUT_MISSING(o->fields[i].flags & FIELD_REQUIRED && !(given >> i & 1)))
			return schema_wrong(d->e, d->root, &here, "required, not given");
	}
	return 0;
}

static int decode_object(const struct decoder *d, const struct object *o, const struct place *at,
			 const cJSON *json, void *dst)
{
	struct err why = { 0 };
	uint32_t seen = 0;
	int r = 0;

	if (!cJSON_IsObject(json))
		return schema_expected(d->e, d->root, at, json, "an object");
	schema_defaults(o, dst);
	for (const cJSON *item = json->child; r == 0 && item; item = item->next)
		r = decode_member(d, o, at, item, dst, &seen);
	if (r == 0)
		r = complete(d, o, at, dst);
	if (r < 0 || !o->check || o->check(dst, &why) == 0)
		return r;
	if (!at->up)
		return err_set(d->e, why.code, "%s", why.msg);
	return schema_wrong(d->e, d->root, at, "%s", why.msg);
}

int schema_decode(const struct object *o, const cJSON *json, void *dst, struct schema_notes *notes,
		  struct err *e)
{
	const struct decoder d = { o->name, notes, e };
	const struct place root = { 0 };

	if (notes)
		*notes = (struct schema_notes){ 0 };
	return decode_object(&d, o, &root, json, dst);
}
