// SPDX-License-Identifier: Apache-2.0
#include "kernel-config/init/config.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernel-config/init/args.h"
#include "kernel-config/init/text.h"

static int bad(const char *name, const char *value, const char *expected)
{
	say(name, "=", value, ": expected ", expected);
	return -EINVAL;
}

static int set_size(unsigned short *to, const char *name, const char *value)
{
	uint64_t v;

	if (args_number(value, &v) || v > UINT16_MAX)
		return bad(name, value, "a number up to 65535");
	*to = (unsigned short)v;
	return 0;
}

/* One of two words: *to is whether it is the second. */
static int set_choice(bool *to, const char *name, const char *value, const char *const words[2])
{
	if (strcmp(value, words[0]) && strcmp(value, words[1])) {
		say(name, "=", value, ": expected ", words[0], " or ", words[1]);
		return -EINVAL;
	}
	*to = !strcmp(value, words[1]);
	return 0;
}

static int set(struct init_config *c, const char *name, char *value)
{
	static const char *const modes[2] = { "raw", "cooked" };
	static const char *const ends[2] = { "poweroff", "reset" };
	const struct {
		const char *name;
		char **to;
	} strings[] = {
		{ "MOTE_CMD", &c->cmd },
		{ "MOTE_ENV", &c->env },
		{ "MOTE_ROOT", &c->root },
		{ "MOTE_ROOTFLAGS", &c->root_flags },
		{ "MOTE_ROOTFSTYPE", &c->root_type },
	};

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		if (strcmp(name, strings[i].name))
			continue;
		/* An empty value is none. */
		*strings[i].to = *value ? value : NULL;
		return 0;
	}
	if (!strcmp(name, "MOTE_TTY")) {
		c->tty = *value ? value : NULL;
		return 0;
	}
	if (!strcmp(name, "MOTE_TTYMODE"))
		return set_choice(&c->cooked, name, value, modes);
	if (!strcmp(name, "MOTE_END"))
		return set_choice(&c->reset, name, value, ends);
	if (!strcmp(name, "MOTE_ROWS"))
		return set_size(&c->rows, name, value);
	if (!strcmp(name, "MOTE_COLS"))
		return set_size(&c->cols, name, value);
	return bad(name, value, "a word that init knows");
}

int config_read(struct init_config *c, char **env)
{
	char **keep = env;
	int rc = 0;

	for (; *env; env++) {
		char *value;

		if (strncmp(*env, "MOTE_", 5)) {
			*keep++ = *env;
			continue;
		}
		/* The kernel makes environment only of words that have a '='. */
		value = strchr(*env, '=');
		if (!value)
			continue;
		*value++ = '\0';
		if (set(c, *env, value))
			rc = -EINVAL;
	}
	*keep = NULL;
	return rc;
}

/* Whether one of the n entries of env has the same name as entry. */
static bool named(char *const *env, int n, const char *entry)
{
	size_t len = strcspn(entry, "=");

	for (int i = 0; i < n; i++)
		if (!strncmp(env[i], entry, len) && env[i][len] == '=')
			return true;
	return false;
}

int config_env(char *list, char **base, char **out, int max)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *extra[] = { path, NULL };
	char **const more[] = { base, extra };
	int n = 0;

	if (list)
		n = args_split(list, out, max);
	for (int i = 0; i < n; i++) {
		if (strchr(out[i], '=') && out[i][0] != '=')
			continue;
		return bad("MOTE_ENV", out[i], "NAME=VALUE in every piece");
	}
	for (size_t m = 0; m < sizeof(more) / sizeof(more[0]) && n >= 0; m++) {
		for (char **e = more[m]; *e && n >= 0; e++) {
			if (named(out, n, *e))
				continue;
			out[n++] = *e;
			if (n >= max)
				n = -E2BIG;
		}
	}
	if (n < 0) {
		say("MOTE_ENV: ",
		    n == -E2BIG ? "too many entries" : "expected %XX after every '%'");
		return n;
	}
	out[n] = NULL;
	return 0;
}
