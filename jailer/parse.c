// SPDX-License-Identifier: Apache-2.0
#include "jailer/parse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "vmm/mutants.h"
#include "vmm/options.h"

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int parse_id(const char *text, struct err *e)
{
	size_t len = strlen(text);
	bool good = len >= 1 && len <= JAIL_ID_MAX;

	for (size_t i = 0; good && i < len; i++)
		good = is_alnum(text[i]) || text[i] == '-' || MUT_ID_CHAR(text[i]);
	if (!good)
		return err_set(e, -EINVAL, "id '%s': expected 1 to %d letters, digits and '-'",
			       text, JAIL_ID_MAX);
	return 0;
}

int parse_exec_name(const char *path, const char **name, struct err *e)
{
	const char *slash = strrchr(path, '/');
	const char *last = slash ? slash + 1 : path;
	bool good = *last != '\0' && *last != '.' && strlen(last) <= JAIL_NAME_MAX;

	for (const char *p = last; good && *p; p++)
		good = is_alnum(*p) || strchr("-_.+", *p);
	/* It lies in the jail's root, beside these. */
	if (strcmp(last, "dev") == 0 || strcmp(last, "run") == 0)
		good = false;
	if (!good)
		return err_set(e, -EINVAL,
			       "exec-file %s: expected a name of letters, digits and '-_.+', at "
			       "most %d, that is not 'dev' or 'run'",
			       path, JAIL_NAME_MAX);
	*name = last;
	return 0;
}

/* A limit that the monitor cannot live with would only show as a killed process. */
static int check_memory(const struct setting *s, struct err *e)
{
	static const char *const files[] = { "memory.max", "memory.high", "memory.limit_in_bytes" };
	uint64_t n = 0, scale = 1;
	const char *p = s->value;
	bool limit = false;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		limit |= strcmp(s->file, files[i]) == 0;
	if (!limit || *p < '0' || *p > '9') /* "max", "-1": none */
		return 0;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return 0; /* more than any machine has */
	}
	switch (*p | 0x20) { /* the kernel's own suffixes */
	case 'k':
		scale = UINT64_C(1) << 10;
		break;
	case 'm':
		scale = UINT64_C(1) << 20;
		break;
	case 'g':
	case 't':
		return 0;
	default:
		break;
	}
	if (__builtin_mul_overflow(n, scale, &n) || !MUT_SMALL(n < MONITOR_ROOM_BYTES))
		return 0;
	return err_set(e, -EINVAL,
		       "cgroup %s=%s: too small, expected the guest's memory and %llu bytes for "
		       "the monitor",
		       s->file, s->value, (unsigned long long)MONITOR_ROOM_BYTES);
}

int parse_setting(const char *text, struct setting *s, struct err *e)
{
	const char *equals = strchr(text, '=');
	const char *dot = strchr(text, '.');
	size_t len = equals ? (size_t)(equals - text) : 0;
	bool good = equals && dot && dot > text && dot < equals - 1 &&
		    (size_t)(dot - text) < sizeof(s->controller) && len < sizeof(s->file) &&
		    equals[1] != '\0' && strlen(equals + 1) <= SETTING_VALUE_MAX;

	/* Names of the kernel's own files only: nothing that leads elsewhere. */
	for (size_t i = 0; good && i < len; i++)
		good = is_alnum(text[i]) || text[i] == '_' || text[i] == '.' ||
		       MUT_FILE_CHAR(text[i] == '/');
	for (const char *p = equals; good && *p; p++)
		good = *p >= ' ' && *p < 0x7f;
	/* These are the jailer's own business: who is in the cgroup, and what its children get. */
	if (good && strncmp(text, "cgroup.", 7) == 0)
		return err_set(e, -EINVAL, "cgroup '%s': expected a file of a controller", text);
	if (!good)
		return err_set(e, -EINVAL,
			       "cgroup '%s': expected FILE=VALUE with a controller's file, as in "
			       "memory.max=256M",
			       text);
	memcpy(s->file, text, len);
	s->file[len] = '\0';
	memcpy(s->controller, text, (size_t)(dot - text));
	s->controller[dot - text] = '\0';
	s->value = equals + 1;
	return check_memory(s, e);
}

int parse_parent_cgroup(const char *text, struct err *e)
{
	bool good = strlen(text) < CGROUP_PATH_MAX / 2;
	const char *p = text;

	while (good) {
		size_t len = strcspn(p, "/");

		good = len > 0 && len <= 255 && !(len == 1 && p[0] == '.') &&
		       !MUT_UPWARDS(len == 2 && p[0] == '.' && p[1] == '.') &&
		       !memchr(p, '\n', len);
		if (p[len] == '\0')
			break;
		p += len + 1;
	}
	if (!good)
		return err_set(e, -EINVAL,
			       "parent-cgroup '%s': expected a relative path without '.' and '..'",
			       text);
	return 0;
}

int parse_limit(const char *text, int *resource, uint64_t *value, struct err *e)
{
	static const struct {
		const char *name;
		int resource;
	} known[] = { { "fsize", RLIMIT_FSIZE }, { "no-file", RLIMIT_NOFILE } };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t len = strlen(known[i].name);

		if (strncmp(text, known[i].name, len) != 0 || text[len] != '=')
			continue;
		*resource = known[i].resource;
		return options_number("resource-limit", text + len + 1, 0, UINT64_MAX - 1, value,
				      e);
	}
	return err_set(e, -EINVAL, "option '--resource-limit': '%s', expected fsize=N or no-file=N",
		       text);
}

/* Copies a field of a table of mounts, where \ooo stands for blanks and the like. */
static int unescape(const char *text, size_t len, char *out, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (at + 1 >= size)
			return -ENAMETOOLONG;
		if (c == '\\' && len - i >= 4 && text[i + 1] >= '0' && text[i + 1] <= '3' &&
		    text[i + 2] >= '0' && text[i + 2] <= '7' && text[i + 3] >= '0' &&
		    text[i + 3] <= '7') {
			c = (char)((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
				   (text[i + 3] - '0'));
			i += 3;
		}
		if (c == '\0')
			return -EINVAL;
		out[at++] = c;
	}
	out[at] = '\0';
	return 0;
}

int parse_mount(const char *line, struct mount_line *m)
{
	const char *path = line + strcspn(line, " \n");
	const char *type;
	size_t len, type_len;

	if (*path++ != ' ')
		return 0;
	len = strcspn(path, " \n");
	if (path[len] != ' ')
		return 0;
	type = path + len + 1;
	type_len = strcspn(type, " \n");
	if (type[type_len] != ' ')
		return 0;
	if (type_len == 6 && memcmp(type, "cgroup", 6) == 0)
		m->version = 1;
	else if (type_len == 7 && memcmp(type, "cgroup2", 7) == 0)
		m->version = 2;
	else
		return 0;
	m->options = type + type_len + 1;
	return unescape(path, len, m->path, sizeof(m->path)) == 0 && m->path[0] == '/';
}

bool list_has(const char *list, char sep, const char *word)
{
	const char ends[] = { sep, ' ', '\n', '\0' };
	size_t want = strlen(word);

	while (*list != '\0' && *list != '\n') {
		size_t len = strcspn(list, ends);

		if (len == want && memcmp(list, word, len) == 0)
			return true;
		list += len;
		if (*list != sep)
			return false;
		list++;
	}
	return false;
}

int parse_own_cgroup(const char *text, const char *controller, char *out, size_t size)
{
	for (const char *line = text; *line != '\0';) {
		const char *end = line + strcspn(line, "\n");
		const char *names = memchr(line, ':', (size_t)(end - line));
		const char *path = names ? memchr(names + 1, ':', (size_t)(end - names - 1)) : NULL;

		if (path) {
			char list[256];
			size_t len = (size_t)(path - names - 1);
			bool match = !controller && len == 0;

			if (controller && len < sizeof(list)) {
				memcpy(list, names + 1, len);
				list[len] = '\0';
				match = list_has(list, ',', controller);
			}
			len = (size_t)(end - path - 1);
			if (match && len > 0 && len < size && path[1] == '/') {
				memcpy(out, path + 1, len);
				out[len] = '\0';
				return 0;
			}
		}
		line = *end == '\0' ? end : end + 1;
	}
	return -ENOENT;
}

pid_t parse_record(const char *text, void (*fn)(void *ctx, const char *path), void *ctx)
{
	pid_t pid = 0;

	for (const char *line = text; *line != '\0';) {
		size_t len = strcspn(line, "\n");
		char word[CGROUP_PATH_MAX];
		uint64_t n;

		if (line[len] == '\0') /* cut off */
			break;
		if (len > 7 && len - 7 < sizeof(word) && memcmp(line, "cgroup ", 7) == 0) {
			memcpy(word, line + 7, len - 7);
			word[len - 7] = '\0';
			if (word[0] == '/' && fn)
				fn(ctx, word);
		} else if (len > 4 && len - 4 < sizeof(word) && memcmp(line, "pid ", 4) == 0) {
			memcpy(word, line + 4, len - 4);
			word[len - 4] = '\0';
			if (options_number("pid", word, 1, INT32_MAX, &n, NULL) == 0)
				pid = (pid_t)n;
		}
		line += len + 1;
	}
	return pid;
}
