// SPDX-License-Identifier: Apache-2.0
#include "api/schema_error.h"

#include "vmm/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PLACE_MAX 120u
#define VALUE_MAX 64u
#define NAME_MAX  40u

struct text {
	char *buf;
	size_t cap, len;
};

static void add(struct text *t, const char *fmt, ...) PRINTF(2, 3);

static void add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->len, t->cap - t->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len += (size_t)n < t->cap - t->len ? (size_t)n : t->cap - t->len - 1;
}

static void add_name(struct text *t, const char *name)
{
	char quoted[NAME_MAX];
	size_t len = strlen(name);

	/* as it is when it looks like one of ours, else in quotes: it comes from the client */
	if (len < NAME_MAX &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789_-") == len &&
	    len > 0)
		add(t, "%s", name);
	else
		add(t, "%s", utf8_quote(name, quoted, sizeof(quoted)));
}

static void add_place(struct text *t, const struct place *at)
{
	if (!at || !at->up)
		return;
	add_place(t, at->up);
	if (!at->name) {
		add(t, "[%u]", at->nr);
		return;
	}
	if (t->len > 0)
		add(t, ".");
	add_name(t, at->name);
}

static void add_value(struct text *t, const cJSON *value)
{
	double number = value->valuedouble;
	char quoted[VALUE_MAX];

	if (cJSON_IsString(value))
		add(t, "%s", utf8_quote(value->valuestring, quoted, sizeof(quoted)));
	else if (cJSON_IsNumber(value) && fabs(number) < 1e15 && number == trunc(number))
		add(t, "%.0f", number);
	else if (cJSON_IsNumber(value))
		add(t, "%.17g", number);
	else if (cJSON_IsBool(value))
		add(t, "%s", cJSON_IsTrue(value) ? "true" : "false");
	else if (cJSON_IsArray(value))
		add(t, "a list");
	else if (cJSON_IsObject(value))
		add(t, "an object");
	else
		add(t, "null");
}

static void begin(struct text *t, const char *root, const struct place *at)
{
	t->buf[0] = '\0';
	add_place(t, at);
	if (t->len == 0)
		add(t, "%s", root);
}

int schema_wrong(struct err *e, const char *root, const struct place *at, const char *fmt, ...)
{
	char place[PLACE_MAX], text[ERR_MSG_MAX];
	struct text t = { place, sizeof(place), 0 };
	va_list ap;

	begin(&t, root, at);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(e, -EINVAL, "%s: %s", place, text);
}

int schema_expected(struct err *e, const char *root, const struct place *at, const cJSON *value,
		    const char *fmt, ...)
{
	char place[PLACE_MAX], shown[VALUE_MAX], text[ERR_MSG_MAX];
	struct text t = { place, sizeof(place), 0 }, v = { shown, sizeof(shown), 0 };
	va_list ap;

	begin(&t, root, at);
	add_value(&v, value);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(e, -EINVAL, "%s: %s, expected %s", place, shown, text);
}

void schema_words(const char *const *words, char *out, size_t cap)
{
	struct text t = { out, cap, 0 };

	out[0] = '\0';
	for (; *words; words++)
		add(&t, "%s%.*s", t.len ? ", " : "", (int)strcspn(*words, "|"), *words);
}

void schema_names(const struct object *o, char *out, size_t cap)
{
	struct text t = { out, cap, 0 };

	out[0] = '\0';
	for (unsigned int i = 0; i < o->nr; i++)
		add(&t, "%s%s", t.len ? ", " : "", o->fields[i].name);
}
