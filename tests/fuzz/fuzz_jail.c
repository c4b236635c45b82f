// SPDX-License-Identifier: Apache-2.0
/*
 * All that the jailer parses: words of its command line, the kernel's tables of mounts and cgroups,
 * its record. What is accepted never leads out of its place. Input: strings, each ended by a NUL.
 */
#include "jailer/options.h"
#include "jailer/parse.h"

#include "tests/lib/require.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 24

static bool leads_elsewhere(const char *path)
{
	size_t len = strlen(path);

	return path[0] == '/' || strncmp(path, "../", 3) == 0 || strstr(path, "/../") ||
	       strcmp(path, "..") == 0 || (len >= 3 && strcmp(path + len - 3, "/..") == 0);
}

static void check_options(const struct jail_options *o)
{
	if (o->help || o->version)
		return;
	REQUIRE(o->id && strlen(o->id) <= JAIL_ID_MAX && !strpbrk(o->id, "/."));
	if (o->clean)
		return;
	REQUIRE(strlen(o->name) <= JAIL_NAME_MAX && !strchr(o->name, '/') && o->name[0] != '.');
	REQUIRE(!o->parent_cgroup || !leads_elsewhere(o->parent_cgroup));
	for (unsigned int i = 0; i < o->nr_settings; i++) {
		REQUIRE(!strchr(o->settings[i].file, '/'));
		REQUIRE(strncmp(o->settings[i].file, o->settings[i].controller,
				strlen(o->settings[i].controller)) == 0);
		REQUIRE(!strchr(o->settings[i].value, '\n'));
	}
	for (unsigned int i = 1; i < o->nr_keep_fds; i++)
		REQUIRE(o->keep_fds[i - 1] < o->keep_fds[i]);
}

static void see_cgroup(void *ctx, const char *path)
{
	(void)ctx;
	REQUIRE(path[0] == '/' && strlen(path) < CGROUP_PATH_MAX && !strchr(path, '\n'));
}

static void try_text(const char *text)
{
	struct mount_line m;
	char out[64];

	if (parse_mount(text, &m)) {
		REQUIRE(m.path[0] == '/' && memchr(m.path, '\0', sizeof(m.path)));
		REQUIRE(m.version == 1 || m.version == 2);
		(void)list_has(m.options, ',', "memory");
	}
	if (parse_own_cgroup(text, NULL, out, sizeof(out)) == 0)
		REQUIRE(out[0] == '/');
	if (parse_own_cgroup(text, "memory", out, sizeof(out)) == 0)
		REQUIRE(out[0] == '/');
	REQUIRE(parse_record(text, see_cgroup, NULL) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char program[] = "mote-jailer";
	char *argv[MAX_WORDS + 2] = { program };
	char *text = malloc(len + 1); /* exactly the strings, so that ASan sees their ends */
	static struct jail_options o;
	struct err e = { 0 };
	int argc = 1;

	REQUIRE(text);
	if (len > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	for (size_t at = 0; at <= len && argc <= MAX_WORDS; at += strlen(text + at) + 1) {
		try_text(text + at);
		argv[argc++] = text + at;
	}
	for (uid_t uid = 0; uid < 2; uid++) {
		if (jail_options_parse(&o, argc, argv, uid, uid, &e) == 0)
			check_options(&o);
		else
			REQUIRE(e.msg[0] != '\0');
	}
	free(text);
	return 0;
}
