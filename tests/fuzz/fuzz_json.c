// SPDX-License-Identifier: Apache-2.0
/*
 * Any text as a JSON document. What the check takes, cJSON takes; a tree that is written out again
 * and parsed gives the same text when it is written once more.
 */
#include "api/json.h"
#include "api/json_check.h"
#include "api/json_out.h"

#include "tests/lib/require.h"

#include <stdint.h>
#include <string.h>

#define LIMIT 8192u

static void write_tree(struct json_out *o, const char *name, const cJSON *tree)
{
	bool object = cJSON_IsObject(tree);

	if (cJSON_IsString(tree)) {
		json_string(o, name, tree->valuestring);
	} else if (cJSON_IsNumber(tree)) {
		json_int(o, name, tree->valueint);
	} else if (cJSON_IsBool(tree)) {
		json_bool(o, name, cJSON_IsTrue(tree));
	} else if (cJSON_IsNull(tree)) {
		json_null(o, name);
	} else {
		json_begin(o, name, object ? '{' : '[');
		for (const cJSON *item = tree->child; item; item = item->next)
			write_tree(o, object ? item->string : NULL, item);
		json_end(o, object ? '}' : ']');
	}
}

/* Whether the text has \u0000 where it stands for a NUL: after an even number of backslashes. */
static bool has_nul(const char *text, size_t len)
{
	bool escaped = false;

	for (size_t i = 0; i < len; i++) {
		escaped = text[i] == '\\' && !escaped;
		if (escaped && len - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0)
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char first[16 * LIMIT], second[16 * LIMIT];
	struct err e = { 0 };
	struct json_out o;
	const cJSON *tree;
	static bool ready;

	if (!ready)
		REQUIRE(json_init(sizeof(first), NULL) == 0);
	ready = true;
	if (len > LIMIT)
		return 0;
	tree = json_parse((const char *)data, len, &e);
	REQUIRE((tree != NULL) == (json_check((const char *)data, len, NULL) == 0));
	REQUIRE((tree != NULL) == (e.code == 0) && (tree || *e.msg));
	REQUIRE(!strpbrk(e.msg, "\n\r"));
	if (!tree)
		return 0;
	REQUIRE(!has_nul((const char *)data, len));
	json_out_init(&o, first, sizeof(first));
	write_tree(&o, NULL, tree);
	REQUIRE(!o.full);
	tree = json_parse(first, o.len, &e);
	REQUIRE(tree);
	json_out_init(&o, second, sizeof(second));
	write_tree(&o, NULL, tree);
	REQUIRE(!o.full && strcmp(first, second) == 0);
	return 0;
}
