// SPDX-License-Identifier: Apache-2.0
/* Decoding, encoding and messages, with a table that has each type of field. */
#include "api/schema.h"

#include "api/field.h"
#include "api/json.h"
#include "vmm/settings.h"

#include "tests/lib/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct inner {
	uint32_t given;
	uint64_t size;
};

struct sample {
	uint32_t given;
	char name[9];
	char id[5];
	uint32_t small;
	uint64_t large;
	bool flag;
	uint32_t word;
	uint8_t mac[6];
	struct inner one;
	unsigned int nr_many;
	struct inner many[2];
	unsigned int nr_texts;
	char texts[2][4];
	unsigned int nr_map;
	struct property map[2];
};

static const struct field inner_fields[] = {
	{ "size", FIELD_UINT, FIELD_REQUIRED, AT(inner, size), .help = "A." },
};
static const struct object object_inner = { .name = "Inner",
					    .help = "I.",
					    .size = sizeof(struct inner),
					    FIELDS(inner_fields),
					    .open = true };

static const char *const words[] = { "Red", "Green|Verde", "Blue", NULL };

static const struct field sample_fields[] = {
	{ "name", FIELD_STRING, 0, AT(sample, name), .min = 2, .help = "A." },
	{ "id", FIELD_STRING, FIELD_ID, AT(sample, id), .help = "A." },
	{ "small", FIELD_UINT, FIELD_HAS_DEFAULT, AT(sample, small), .min = 2, .max = 40,
	  .fallback = 7, .help = "A." },
	{ "large", FIELD_UINT, FIELD_ABSENT, AT(sample, large), .help = "A." },
	{ "flag", FIELD_BOOL, FIELD_HAS_DEFAULT, AT(sample, flag), .fallback = true, .help = "A." },
	{ "word", FIELD_ENUM, FIELD_ANY_CASE | FIELD_DEPRECATED, AT(sample, word), .words = words,
	  .help = "A." },
	{ "mac", FIELD_MAC, 0, AT(sample, mac), .help = "A." },
	{ "one", FIELD_OBJECT, 0, AT(sample, one), .object = &object_inner, .help = "A." },
	{ "many", FIELD_OBJECTS, FIELD_HAS_DEFAULT, LIST_AT(sample, many), .max = 2,
	  .object = &object_inner, .help = "A." },
	{ "texts", FIELD_STRINGS, 0, LIST_AT(sample, texts), .min = 1, .max = 2, .help = "A." },
	{ "map", FIELD_MAP, 0, LIST_AT(sample, map), .max = 2, .help = "A." },
	{ "any", FIELD_ANY, 0, .help = "A." },
	{ "later", FIELD_ANY, FIELD_LATER, .help = "A." },
};

static int check_sample(void *obj, struct err *e)
{
	const struct sample *s = obj;

	if (s->small == 13)
		return err_set(e, -EINVAL, "small: 13, expected another");
	return 0;
}

static const struct object object_sample = { .name = "Sample",
					     .help = "S.",
					     .size = sizeof(struct sample),
					     FIELDS(sample_fields),
					     .check = check_sample };

static int set_up(void **state)
{
	(void)state;
	return json_init(65536, NULL);
}

static int decode(const char *text, struct sample *s, struct schema_notes *notes, struct err *e)
{
	const cJSON *tree = json_parse(text, strlen(text), e);

	if (!tree)
		fail_msg("%s: %s", text, e->msg);
	memset(s, 0x5a, sizeof(*s));
	*e = (struct err){ 0 };
	return schema_decode(&object_sample, tree, s, notes, e);
}

static void taken(const char *text, struct sample *s)
{
	struct err e;

	if (decode(text, s, NULL, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
}

static void refused(const char *text, const char *message)
{
	struct sample s;
	struct err e;

	assert_int_equal(decode(text, &s, NULL, &e), -EINVAL);
	assert_string_equal(e.msg, message);
}

static void nothing_gives_defaults(void **state)
{
	struct sample s, d;

	(void)state;
	taken("{}", &s);
	assert_int_equal(s.small, 7);
	assert_true(s.flag);
	assert_int_equal(s.nr_many, 0);
	assert_string_equal(s.name, "");
	assert_true(schema_given(&object_sample, &s, "small"));
	assert_false(schema_given(&object_sample, &s, "name"));
	memset(&d, 0x5a, sizeof(d));
	schema_defaults(&object_sample, &d);
	assert_memory_equal(&s, &d, sizeof(s));
}

static const char full[] = "{\"name\":\"12345678\",\"id\":\"a_Z9\",\"small\":40,"
			   "\"large\":9007199254740991,\"flag\":false,\"word\":\"Green\","
			   "\"mac\":\"02:ab:cd:ef:00:ff\",\"one\":{\"size\":1},"
			   "\"many\":[{\"size\":2},{\"size\":3}],\"texts\":[\"a\",\"bcd\"],"
			   "\"map\":{\"k\":\"v\",\"l\":\"\"},\"any\":null,\"later\":null}";

static void everything_arrives_and_comes_back(void **state)
{
	struct json_out o;
	struct sample s;
	char buf[1024];

	(void)state;
	taken(full, &s);
	assert_string_equal(s.name, "12345678");
	assert_string_equal(s.id, "a_Z9");
	assert_int_equal(s.small, 40);
	assert_true(s.large == SCHEMA_UINT_MAX);
	assert_false(s.flag);
	assert_int_equal(s.word, 1);
	assert_memory_equal(s.mac, "\x02\xab\xcd\xef\x00\xff", 6);
	assert_int_equal(s.one.size, 1);
	assert_int_equal(s.nr_many, 2);
	assert_int_equal(s.many[1].size, 3);
	assert_string_equal(s.texts[1], "bcd");
	assert_string_equal(s.map[0].name, "k");
	assert_string_equal(s.map[0].value, "v");
	json_out_init(&o, buf, sizeof(buf));
	schema_encode(&object_sample, NULL, &s, &o);
	assert_string_equal(buf, full);
}

static void absent_is_null_or_left_out(void **state)
{
	struct json_out o;
	struct sample s;
	char buf[1024];

	(void)state;
	taken("{}", &s);
	json_out_init(&o, buf, sizeof(buf));
	schema_encode(&object_sample, NULL, &s, &o);
	assert_string_equal(buf,
			    "{\"name\":null,\"id\":null,\"small\":7,\"flag\":true,\"word\":null,"
			    "\"mac\":null,\"one\":null,\"many\":[],\"texts\":null,\"map\":null,"
			    "\"any\":null,\"later\":null}");
}

static void null_is_absent_where_that_is_allowed(void **state)
{
	struct sample s;

	(void)state;
	taken("{\"name\":null,\"word\":null,\"one\":null,\"texts\":null,\"map\":null,\"mac\":null}",
	      &s);
	assert_false(schema_given(&object_sample, &s, "one"));
	refused("{\"small\":null}", "small: null, expected an integer from 2 to 40");
	refused("{\"flag\":null}", "flag: null, expected true or false");
	refused("{\"many\":null}", "many: null, expected a list");
	refused("{\"one\":{\"size\":null}}",
		"one.size: null, expected an integer from 0 to 9007199254740991");
}

static void messages_say_where_what_and_what_else(void **state)
{
	static const char *const cases[][2] = {
		{ "[1]", "Sample: a list, expected an object" },
		{ "{\"one\":{}}", "one.size: required, not given" },
		{ "{\"many\":[{\"size\":1},{}]}", "many[1].size: required, not given" },
		{ "{\"many\":[3]}", "many[0]: 3, expected an object" },
		{ "{\"many\":[{\"size\":1},{\"size\":1},{\"size\":1}]}",
		  "many: 3 elements, expected at most 2" },
		{ "{\"many\":{}}", "many: an object, expected a list" },
		{ "{\"texts\":[]}", "texts: 0 elements, expected at least 1" },
		{ "{\"texts\":[\"abcd\"]}", "texts[0]: \"abcd\", expected at most 3 bytes, not 4" },
		{ "{\"texts\":[\"a\",1]}", "texts[1]: 1, expected a string" },
		{ "{\"map\":{\"a\":1}}", "map.a: 1, expected a string" },
		{ "{\"map\":{\"a\":\"\",\"a\":\"\"}}", "map.a: given twice" },
		{ "{\"map\":[]}", "map: a list, expected an object of strings" },
		{ "{\"map\":{\"a\":\"\",\"b\":\"\",\"c\":\"\"}}",
		  "map: 3 elements, expected at most 2" },
		{ "{\"name\":\"1\"}", "name: \"1\", expected at least 2 bytes" },
		{ "{\"name\":\"123456789\"}",
		  "name: \"123456789\", expected at most 8 bytes, not 9" },
		{ "{\"name\":5}", "name: 5, expected a string" },
		{ "{\"id\":\"\"}", "id: \"\", expected 1 to 4 letters, digits and '_'" },
		{ "{\"id\":\"a-b\"}", "id: \"a-b\", expected 1 to 4 letters, digits and '_'" },
		{ "{\"id\":\"\\n\"}", "id: \"\\n\", expected 1 to 4 letters, digits and '_'" },
		{ "{\"id\":\"abcde\"}", "id: \"abcde\", expected at most 4 bytes, not 5" },
		{ "{\"small\":1}", "small: 1, expected an integer from 2 to 40" },
		{ "{\"small\":41}", "small: 41, expected an integer from 2 to 40" },
		{ "{\"small\":2.5}", "small: 2.5, expected an integer from 2 to 40" },
		{ "{\"small\":-2}", "small: -2, expected an integer from 2 to 40" },
		{ "{\"small\":1e300}",
		  "small: 1.0000000000000001e+300, expected an integer from 2 to 40" },
		{ "{\"small\":1e999}", "small: inf, expected an integer from 2 to 40" },
		{ "{\"small\":\"3\"}", "small: \"3\", expected an integer from 2 to 40" },
		{ "{\"small\":13}", "small: 13, expected another" },
		{ "{\"large\":9007199254740992}",
		  "large: 9007199254740992, expected an integer from 0 to 9007199254740991" },
		{ "{\"flag\":1}", "flag: 1, expected true or false" },
		{ "{\"flag\":\"true\"}", "flag: \"true\", expected true or false" },
		{ "{\"word\":\"Pink\"}", "word: \"Pink\", expected one of Red, Green, Blue" },
		{ "{\"word\":\"Green|Verde\"}",
		  "word: \"Green|Verde\", expected one of Red, Green, Blue" },
		{ "{\"word\":\"\"}", "word: \"\", expected one of Red, Green, Blue" },
		{ "{\"word\":1}", "word: 1, expected one of Red, Green, Blue" },
		{ "{\"mac\":\"02:00:00:00:00\"}", "mac: \"02:00:00:00:00\", expected six bytes as "
						  "\"xx:xx:xx:xx:xx:xx\" in hexadecimal" },
		{ "{\"mac\":\"02-00-00-00-00-00\"}",
		  "mac: \"02-00-00-00-00-00\", expected six bytes as \"xx:xx:xx:xx:xx:xx\" in "
		  "hexadecimal" },
		{ "{\"mac\":\"02:00:00:00:00:0g\"}",
		  "mac: \"02:00:00:00:00:0g\", expected six bytes as \"xx:xx:xx:xx:xx:xx\" in "
		  "hexadecimal" },
		{ "{\"mac\":7}",
		  "mac: 7, expected six bytes as \"xx:xx:xx:xx:xx:xx\" in hexadecimal" },
		{ "{\"name\":null,\"name\":\"ab\"}", "name: given twice" },
		{ "{\"any\":1,\"any\":1}", "any: given twice" },
		{ "{\"later\":{}}", "later: not supported by this version" },
		{ "{\"later\":[1]}", "later: not supported by this version" },
		{ "{\"foo\":1}",
		  "foo: unknown field, expected one of name, id, small, large, flag, "
		  "word, mac, one, many, texts, map, any, later" },
		{ "{\"a\\u001b\\\"\":1}", "\"a\\u001b\\\"\": unknown field, expected one of name, "
					  "id, small, large, flag, word, "
					  "mac, one, many, texts, map, any, later" },
		{ "{\"NAME\":1}",
		  "NAME: unknown field, expected one of name, id, small, large, flag, "
		  "word, mac, one, many, texts, map, any, later" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		refused(cases[i][0], cases[i][1]);
}

static void open_objects_ignore_what_they_do_not_know(void **state)
{
	struct sample s;

	(void)state;
	taken("{\"one\":{\"x\":1,\"size\":2,\"x\":[]},\"later\":[]}", &s);
	assert_int_equal(s.one.size, 2);
	refused("{\"one\":{\"size\":2,\"size\":2}}", "one.size: given twice");
}

static void words_have_spellings(void **state)
{
	struct sample s;

	(void)state;
	taken("{\"word\":\"bLuE\"}", &s);
	assert_int_equal(s.word, 2);
	taken("{\"word\":\"VERDE\"}", &s);
	assert_int_equal(s.word, 1);
}

static void whole_numbers_may_be_written_in_any_form(void **state)
{
	struct sample s;

	(void)state;
	taken("{\"small\":4e1,\"large\":10.0}", &s);
	assert_int_equal(s.small, 40);
	assert_int_equal(s.large, 10);
}

static void deprecated_fields_are_noted(void **state)
{
	struct schema_notes notes = { true };
	struct sample s;
	struct err e;

	(void)state;
	assert_int_equal(decode("{\"word\":null}", &s, &notes, &e), 0);
	assert_false(notes.deprecated);
	assert_int_equal(decode("{\"word\":\"Red\"}", &s, &notes, &e), 0);
	assert_true(notes.deprecated);
}

static void given_can_be_set(void **state)
{
	struct sample s = { 0 };

	(void)state;
	schema_set_given(&object_sample, &s, "id", true);
	assert_int_equal(s.given, 2);
	assert_true(schema_given(&object_sample, &s, "id"));
	schema_set_given(&object_sample, &s, "id", false);
	assert_int_equal(s.given, 0);
}

static void long_values_are_cut_in_messages(void **state)
{
	char text[2100], name[2000];
	struct sample s;
	struct err e;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(text, sizeof(text), "{\"name\":\"%s\"}", name);
	assert_int_equal(decode(text, &s, NULL, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "nnn...\", expected at most 8 bytes, not 1999"));
	snprintf(text, sizeof(text), "{\"%s\":1}", name);
	assert_int_equal(decode(text, &s, NULL, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "nnn...\": unknown field, expected one of name"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_gives_defaults),
		cmocka_unit_test(everything_arrives_and_comes_back),
		cmocka_unit_test(absent_is_null_or_left_out),
		cmocka_unit_test(null_is_absent_where_that_is_allowed),
		cmocka_unit_test(messages_say_where_what_and_what_else),
		cmocka_unit_test(open_objects_ignore_what_they_do_not_know),
		cmocka_unit_test(words_have_spellings),
		cmocka_unit_test(whole_numbers_may_be_written_in_any_form),
		cmocka_unit_test(deprecated_fields_are_noted),
		cmocka_unit_test(given_can_be_set),
		cmocka_unit_test(long_values_are_cut_in_messages),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
