// SPDX-License-Identifier: Apache-2.0
#include "jailer/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "vmm/options.h"
#include "vmm/util.h"

#define DEFAULT_BASE "/srv/jailer"

/* ---- one setter a row ------------------------------------------------------------------------ */

static int set_id(void *ctx, const char *v, struct err *e)
{
	((struct jail_options *)ctx)->id = v;
	return parse_id(v, e);
}

static int set_clean(void *ctx, const char *v, struct err *e)
{
	((struct jail_options *)ctx)->clean = true;
	return set_id(ctx, v, e);
}

static int set_exec_file(void *ctx, const char *v, struct err *e)
{
	struct jail_options *o = ctx;

	o->exec_file = v;
	return parse_exec_name(v, &o->name, e);
}

static int set_uid(void *ctx, const char *v, struct err *e)
{
	struct jail_options *o = ctx;
	uint64_t n = 0;
	int r = options_number("uid", v, 0, UINT32_MAX - 1, &n, e);

	o->uid = (uid_t)n;
	o->uid_given = true;
	return r;
}

static int set_gid(void *ctx, const char *v, struct err *e)
{
	struct jail_options *o = ctx;
	uint64_t n = 0;
	int r = options_number("gid", v, 0, UINT32_MAX - 1, &n, e);

	o->gid = (gid_t)n;
	o->gid_given = true;
	return r;
}

static int set_path(const char *option, const char **path, const char *v, struct err *e)
{
	*path = v;
	return *v != '\0' ? 0 : err_set(e, -EINVAL, "option '--%s': '', expected a path", option);
}

static int set_base(void *ctx, const char *v, struct err *e)
{
	return set_path("chroot-base-dir", &((struct jail_options *)ctx)->base, v, e);
}

static int set_netns(void *ctx, const char *v, struct err *e)
{
	return set_path("netns", &((struct jail_options *)ctx)->netns, v, e);
}

static int set_new_net_ns(void *ctx, const char *v, struct err *e)
{
	(void)v;
	(void)e;
	((struct jail_options *)ctx)->new_net_ns = true;
	return 0;
}

static int set_new_pid_ns(void *ctx, const char *v, struct err *e)
{
	(void)v;
	(void)e;
	((struct jail_options *)ctx)->new_pid_ns = true;
	return 0;
}

static int set_new_user_ns(void *ctx, const char *v, struct err *e)
{
	(void)v;
	(void)e;
	((struct jail_options *)ctx)->new_user_ns = true;
	return 0;
}

static int set_daemonize(void *ctx, const char *v, struct err *e)
{
	(void)v;
	(void)e;
	((struct jail_options *)ctx)->daemonize = true;
	return 0;
}

static int set_cgroup(void *ctx, const char *v, struct err *e)
{
	struct jail_options *o = ctx;

	if (o->nr_settings == SETTINGS_MAX)
		return err_set(e, -EINVAL, "cgroup '%s': expected at most %d of them", v,
			       SETTINGS_MAX);
	return parse_setting(v, &o->settings[o->nr_settings++], e);
}

static int set_cgroup_version(void *ctx, const char *v, struct err *e)
{
	uint64_t n = 0;
	int r = options_number("cgroup-version", v, 1, 2, &n, e);

	((struct jail_options *)ctx)->cgroup_version = (int)n;
	return r;
}

static int set_parent_cgroup(void *ctx, const char *v, struct err *e)
{
	((struct jail_options *)ctx)->parent_cgroup = v;
	return parse_parent_cgroup(v, e);
}

static int set_limit(void *ctx, const char *v, struct err *e)
{
	struct jail_options *o = ctx;
	int resource = -1;
	uint64_t n = 0;
	int r = parse_limit(v, &resource, &n, e);
	bool *given = resource == RLIMIT_FSIZE ? &o->fsize_given : &o->nofile_given;

	if (r < 0)
		return r;
	if (*given)
		return err_set(e, -EINVAL, "resource-limit '%s': this limit was given before", v);
	*given = true;
	*(resource == RLIMIT_FSIZE ? &o->fsize : &o->nofile) = n;
	return 0;
}

static int set_keep_fd(void *ctx, const char *v, struct err *e)
{
	struct jail_options *o = ctx;
	uint64_t n = 0;
	int r = options_number("keep-fd", v, 3, 1023, &n, e);
	unsigned int at = o->nr_keep_fds;

	if (r < 0)
		return r;
	if (at == KEEP_FDS_MAX)
		return err_set(e, -EINVAL, "keep-fd %s: expected at most %d of them", v,
			       KEEP_FDS_MAX);
	for (; at > 0 && o->keep_fds[at - 1] >= (int)n; at--) {
		if (o->keep_fds[at - 1] == (int)n)
			return 0;
		o->keep_fds[at] = o->keep_fds[at - 1];
	}
	o->keep_fds[at] = (int)n;
	o->nr_keep_fds++;
	return 0;
}

static int set_help(void *ctx, const char *v, struct err *e)
{
	(void)v;
	(void)e;
	((struct jail_options *)ctx)->help = true;
	return 0;
}

static int set_version(void *ctx, const char *v, struct err *e)
{
	(void)v;
	(void)e;
	((struct jail_options *)ctx)->version = true;
	return 0;
}

static const struct option_row rows[] = {
	{ "id", "ID", "the microVM: 1 to 64 letters, digits and '-'", set_id },
	{ "exec-file", "PATH", "the monitor; it is copied into the jail", set_exec_file },
	{ "uid", "N", "user that it runs as", set_uid },
	{ "gid", "N", "group that it runs as, without others", set_gid },
	{ "chroot-base-dir", "DIR", "where jails are, default " DEFAULT_BASE, set_base },
	{ "netns", "PATH", "network namespace to run in", set_netns },
	{ "new-net-ns", NULL, "a network namespace without any network", set_new_net_ns },
	{ "new-pid-ns", NULL, "a PID namespace; the jailer ends when the\nmonitor has begun",
	  set_new_pid_ns },
	{ "new-user-ns", NULL, "a user namespace that has this user and group only",
	  set_new_user_ns },
	{ "daemonize", NULL, "in the background, with /dev/null on 0, 1 and 2", set_daemonize },
	{ "cgroup", "FILE=VALUE...", "a limit, as in memory.max=256M", set_cgroup },
	{ "cgroup-version", "1|2", "default: what the host has", set_cgroup_version },
	{ "parent-cgroup", "PATH", "below each hierarchy, default: the monitor's name",
	  set_parent_cgroup },
	{ "resource-limit", "NAME=N...", "fsize=BYTES or no-file=N (default no-file=2048)",
	  set_limit },
	{ "keep-fd", "N...", "a descriptor for the monitor; others are closed", set_keep_fd },
	{ "clean", "ID", "remove what a microVM that has ended left behind", set_clean },
	{ "help", NULL, "this", set_help },
	{ "version", NULL, "the version", set_version },
};

void jail_options_help(void)
{
	printf("usage: mote-jailer --id ID --exec-file PATH --uid N --gid N [OPTION]... -- "
	       "[MONITOR-OPTION]...\n"
	       "       mote-jailer --clean ID [--chroot-base-dir DIR]\n\n"
	       "Runs a microVM monitor in a jail of its own; see mote-jailer(1).\n"
	       "An ordinary user needs no --uid and --gid, and gets user, network and PID\n"
	       "namespaces in any case.\n\n");
	options_help(rows, ARRAY_SIZE(rows));
}

static int missing(const char *name, struct err *e)
{
	return err_set(e, -EINVAL, "option '--%s' is required (see --help)", name);
}

/* An ordinary user may be nobody else, and can make namespaces only inside a user namespace. */
static int complete_rootless(struct jail_options *o, uid_t euid, gid_t egid, struct err *e)
{
	if ((o->uid_given && o->uid != euid) || (o->gid_given && o->gid != egid))
		return err_set(e, -EPERM,
			       "uid %u, gid %u: expected the caller's own, %u and %u, when not "
			       "started by root",
			       o->uid_given ? o->uid : euid, o->gid_given ? o->gid : egid, euid,
			       egid);
	o->uid = euid;
	o->gid = egid;
	o->new_user_ns = true;
	o->new_pid_ns = true;
	o->new_net_ns = !o->netns;
	return 0;
}

int jail_options_parse(struct jail_options *o, int argc, char **argv, uid_t euid, gid_t egid,
		       struct err *e)
{
	int rest = argc;
	int r;

	*o = (struct jail_options){ .base = DEFAULT_BASE, .nofile = NOFILE_LIMIT };
	o->rootless = euid != 0;
	r = options_parse(rows, ARRAY_SIZE(rows), argc, argv, o, &rest, e);
	if (r < 0 || o->help || o->version)
		return r;
	o->args = argv + rest;
	o->nr_args = argc - rest;
	if (o->clean)
		return o->exec_file || o->nr_args
			       ? err_set(e, -EINVAL,
					 "option '--clean' starts nothing, expected only "
					 "'--chroot-base-dir' beside it")
			       : 0;
	if (!o->id)
		return missing("id", e);
	if (!o->exec_file)
		return missing("exec-file", e);
	if (o->netns && o->new_net_ns)
		return err_set(e, -EINVAL, "options '--netns' and '--new-net-ns': expected one");
	if (o->rootless)
		return complete_rootless(o, euid, egid, e);
	if (!o->uid_given)
		return missing("uid", e);
	return o->gid_given ? 0 : missing("gid", e);
}
