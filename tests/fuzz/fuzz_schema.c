// SPDX-License-Identifier: Apache-2.0
/*
 * Any document as any object of the API: the first byte says which. What decodes is written out as
 * a document that decodes to the same struct; what does not has a message of one line.
 */
#include "api/json.h"
#include "api/objects.h"

#include "tests/lib/require.h"

#include <stdint.h>
#include <string.h>

#define LIMIT 16384u
#define ROOM  (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char text[ROOM];
	const struct object *o;
	struct err e = { 0 };
	struct json_out out;
	void *first, *second;
	const cJSON *tree;
	size_t nr = 0;
	static bool ready;

	if (!ready)
		REQUIRE(json_init(ROOM, NULL) == 0);
	ready = true;
	if (len < 1 || len > LIMIT)
		return 0;
	while (all_objects[nr])
		nr++;
	REQUIRE(nr > 0);
	o = all_objects[data[0] % nr];
	tree = json_parse((const char *)data + 1, len - 1, &e);
	if (!tree)
		return 0;
	first = malloc(o->size);
	second = malloc(o->size);
	REQUIRE(first && second);
	if (schema_decode(o, tree, first, NULL, &e) < 0) {
		REQUIRE(*e.msg && e.code < 0 && !strpbrk(e.msg, "\n\r\x1b"));
	} else {
		json_out_init(&out, text, sizeof(text));
		schema_encode(o, NULL, first, &out);
		REQUIRE(!out.full);
		tree = json_parse(text, out.len, &e);
		REQUIRE(tree);
		if (schema_decode(o, tree, second, NULL, &e) < 0) {
			fprintf(stderr, "%s\n%s\n", e.msg, text);
			abort();
		}
		REQUIRE(memcmp(first, second, o->size) == 0);
	}
	free(first);
	free(second);
	return 0;
}
