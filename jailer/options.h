/* SPDX-License-Identifier: Apache-2.0 */
/* The jailer's command line: Firecracker's jailer's, and a few options of our own. */
#ifndef MOTE_JAILER_OPTIONS_H
#define MOTE_JAILER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "jailer/parse.h"

#define SETTINGS_MAX 32
#define KEEP_FDS_MAX 16
#define NOFILE_LIMIT 2048

struct jail_options {
	const char *id;
	const char *exec_file;
	const char *name; /* the last component of exec_file */
	const char *base;
	const char *netns;
	const char *parent_cgroup; /* NULL: the name */
	uid_t uid;
	gid_t gid;
	bool uid_given, gid_given;
	bool daemonize, new_pid_ns, new_net_ns, new_user_ns;
	int cgroup_version; /* 0: what the host has */
	struct setting settings[SETTINGS_MAX];
	unsigned int nr_settings;
	uint64_t fsize, nofile;
	bool fsize_given, nofile_given;
	int keep_fds[KEEP_FDS_MAX]; /* ascending */
	unsigned int nr_keep_fds;
	bool clean, help, version;
	bool rootless; /* the caller is an ordinary user */
	char **args;   /* for the monitor */
	int nr_args;
};

/*
 * Fills *o, whose strings point into argv; `euid` and `egid` are the caller's. Each value is good
 * by itself and all together make sense; the system is not looked at. -EINVAL with *e set
 * otherwise.
 */
int jail_options_parse(struct jail_options *o, int argc, char **argv, uid_t euid, gid_t egid,
		       struct err *e) MUST_CHECK;

void jail_options_help(void);

#endif
