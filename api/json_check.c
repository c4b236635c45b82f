// SPDX-License-Identifier: Apache-2.0
#include "api/json_check.h"

#include "vmm/mutants.h"
#include "vmm/utf8.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef CJSON_NESTING_LIMIT
_Static_assert(CJSON_NESTING_LIMIT >= JSON_MAX_DEPTH, "what passes here must pass there");
#endif

/* What may come next. */
enum want {
	WANT_VALUE,
	WANT_VALUE_OR_END, /* after '[' */
	WANT_NAME,
	WANT_NAME_OR_END, /* after '{' */
	WANT_COLON,
	WANT_COMMA_OR_END,
	WANT_NOTHING, /* the document is complete */
};

struct check {
	const char *text;
	size_t len, at;
	const char *expected; /* once it is wrong: what should be at `at` */
	enum want want;
	unsigned int depth;
	uint64_t objects; /* bit N: level N is an object, not a list */
};

_Static_assert(JSON_MAX_DEPTH <= 64, "a bit for each level");

static int wrong(struct check *c, size_t at, const char *expected)
{
	c->at = at;
	c->expected = expected;
	return -EINVAL;
}

static char peek(const struct check *c)
{
	return c->at < c->len ? c->text[c->at] : '\0';
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool in_object(const struct check *c)
{
	return c->objects >> (c->depth - 1) & 1;
}

static void value_done(struct check *c)
{
	c->want = c->depth == 0 ? WANT_NOTHING : WANT_COMMA_OR_END;
}

/* The four digits of a \u escape, of which the first is at `at`; -1 when there are not four. */
static int hex4(const struct check *c, size_t at)
{
	int value = 0;

	if (c->len - at < 4)
		return -1;
	for (size_t i = at; i < at + 4; i++) {
		char d = c->text[i];

		if (digit(d))
			value = value << 4 | (d - '0');
		else if ((d | 0x20) >= 'a' && (d | 0x20) <= 'f')
			value = value << 4 | ((d | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return value;
}

/* At the 'u' of \uXXXX. */
static int check_unicode(struct check *c)
{
	size_t start = c->at - 1;
	int unit = hex4(c, c->at + 1), second;

	if (unit < 0)
		return wrong(c, start, "four hexadecimal digits after \\u");
	if (MUT_NUL_ESCAPE(unit == 0))
		return wrong(c, start, "a character other than U+0000");
	c->at += 5;
	if (unit < 0xd800 || unit > 0xdfff)
		return 0;
	second = -1;
	if (unit < 0xdc00 && c->len - c->at >= 6 && memcmp(c->text + c->at, "\\u", 2) == 0)
		second = hex4(c, c->at + 2);
	if (second < 0xdc00 || second > 0xdfff)
		return wrong(c, start, "a pair of surrogates, a high and a low one");
	c->at += 6;
	return 0;
}

/* At the opening quote. */
static int check_string(struct check *c)
{
	c->at++;
	while (c->at < c->len) {
		unsigned char ch = (unsigned char)c->text[c->at];
		size_t n = utf8_char(c->text + c->at, c->len - c->at);

		if (n == 0)
			return wrong(c, c->at, "valid UTF-8");
		if (ch < 0x20)
			return wrong(c, c->at, "an escape for this control character");
		c->at += n;
		if (ch == '"')
			return 0;
		if (ch != '\\')
			continue;
		if (peek(c) == 'u') {
			int r = check_unicode(c);

			if (r < 0)
				return r;
		} else if (peek(c) != '\0' && strchr("\"\\/bfnrt", peek(c))) {
			c->at++;
		} else {
			return wrong(c, c->at - 1, "one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u");
		}
	}
	return wrong(c, c->at, "'\"' at the end of the string");
}

static int check_digits(struct check *c)
{
	if (!digit(peek(c)))
		return wrong(c, c->at, "a digit");
	while (digit(peek(c)))
		c->at++;
	return 0;
}

static int check_number(struct check *c)
{
	int r = 0;

	if (peek(c) == '-')
		c->at++;
	if (peek(c) == '0') {
		c->at++;
		if (digit(peek(c)))
			return wrong(c, c->at, "no digit after a leading 0");
	} else {
		r = check_digits(c);
	}
	if (r == 0 && peek(c) == '.') {
		c->at++;
		r = check_digits(c);
	}
	if (r == 0 && (peek(c) | 0x20) == 'e') {
		c->at++;
		if (peek(c) == '+' || peek(c) == '-')
			c->at++;
		r = check_digits(c);
	}
	return r;
}

static int check_word(struct check *c)
{
	static const char *const words[] = { "null", "false", "true" };

	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(words[i]);

		if (c->len - c->at >= n && memcmp(c->text + c->at, words[i], n) == 0) {
			c->at += n;
			return 0;
		}
	}
	return wrong(c, c->at, "a value");
}

static int open_bracket(struct check *c, bool object)
{
	if (c->depth == JSON_MAX_DEPTH)
		return wrong(c, c->at, "at most 64 lists and objects within each other");
	c->objects &= ~(UINT64_C(1) << c->depth);
	c->objects |= (uint64_t)object << c->depth;
	c->depth++;
	c->at++;
	c->want = object ? WANT_NAME_OR_END : WANT_VALUE_OR_END;
	return 0;
}

static void close_bracket(struct check *c)
{
	c->depth--;
	c->at++;
	value_done(c);
}

static int check_value(struct check *c)
{
	char ch = peek(c);
	int r;

	if (ch == '{' || ch == '[')
		return open_bracket(c, ch == '{');
	if (ch == '"')
		r = check_string(c);
	else if (ch == '-' || digit(ch))
		r = check_number(c);
	else
		r = check_word(c);
	value_done(c);
	return r;
}

static int check_name(struct check *c)
{
	if (peek(c) != '"')
		return wrong(c, c->at, c->want == WANT_NAME ? "a name in quotes" : "a name or '}'");
	c->want = WANT_COLON;
	return check_string(c);
}

static int check_comma(struct check *c)
{
	char end = in_object(c) ? '}' : ']';

	if (peek(c) == end) {
		close_bracket(c);
		return 0;
	}
	if (peek(c) != ',')
		return wrong(c, c->at, in_object(c) ? "',' or '}'" : "',' or ']'");
	c->at++;
	c->want = in_object(c) ? WANT_NAME : WANT_VALUE;
	return 0;
}

/* One piece of the grammar, at a character that is no white space. */
static int check_next(struct check *c)
{
	switch (c->want) {
	case WANT_VALUE_OR_END:
	case WANT_NAME_OR_END:
		if (peek(c) == (c->want == WANT_NAME_OR_END ? '}' : ']')) {
			close_bracket(c);
			return 0;
		}
		return c->want == WANT_NAME_OR_END ? check_name(c) : check_value(c);
	case WANT_VALUE:
		return check_value(c);
	case WANT_NAME:
		return check_name(c);
	case WANT_COLON:
		if (peek(c) != ':')
			return wrong(c, c->at, "':'");
		c->at++;
		c->want = WANT_VALUE;
		return 0;
	case WANT_COMMA_OR_END:
		return check_comma(c);
	case WANT_NOTHING:
		break;
	}
	return wrong(c, c->at, "nothing after the document");
}

static int complain(const struct check *c, struct err *e)
{
	size_t line = 1, start = 0;

	for (size_t i = 0; i < c->at; i++) {
		if (c->text[i] == '\n') {
			line++;
			start = i + 1;
		}
	}
	return err_set(e, -EINVAL, "line %zu, column %zu: expected %s%s", line, c->at - start + 1,
		       c->expected, c->at == c->len ? ", found the end" : "");
}

int json_check(const char *text, size_t len, struct err *e)
{
	struct check c = { .text = text, .len = len };

	for (;;) {
		while (c.at < len && is_space(text[c.at]))
			c.at++;
		if (c.at == len && c.want == WANT_NOTHING)
			return 0;
		if (check_next(&c) < 0)
			return complain(&c, e);
	}
}
