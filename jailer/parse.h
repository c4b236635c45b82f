/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words and lines that the jailer reads: of its command line, of the kernel's tables of mounts and
 * cgroups, and of its own record. Nothing here touches the system.
 */
#ifndef MOTE_JAILER_PARSE_H
#define MOTE_JAILER_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmm/compiler.h"
#include "vmm/err.h"

#define JAIL_ID_MAX	   64
#define JAIL_NAME_MAX	   64
#define CONTROLLER_MAX	   32
#define SETTING_FILE_MAX   64
#define SETTING_VALUE_MAX  1024
#define CGROUP_PATH_MAX	   512
#define JAIL_PATH_MAX	   1024 /* of folders of the host, with the end of a line */
#define MONITOR_ROOM_BYTES (UINT64_C(16) << 20)

/* One --cgroup: the file is the option's text up to '=', the value what follows. */
struct setting {
	char file[SETTING_FILE_MAX];
	char controller[CONTROLLER_MAX]; /* what stands before the first '.' of the file */
	const char *value;
};

/* 1 to 64 letters, digits and '-'. */
int parse_id(const char *text, struct err *e) MUST_CHECK;

/* The last component of an executable's path, which names folders and files of the jail. */
int parse_exec_name(const char *path, const char **name, struct err *e) MUST_CHECK;

/* FILE=VALUE, FILE as `memory.max`. A memory limit that the monitor itself does not fit is refused.
 */
int parse_setting(const char *text, struct setting *s, struct err *e) MUST_CHECK;

/* A path below a cgroup hierarchy: relative, without empty, "." and ".." components. */
int parse_parent_cgroup(const char *text, struct err *e) MUST_CHECK;

/* fsize=N or no-file=N; *resource is RLIMIT_FSIZE or RLIMIT_NOFILE. */
int parse_limit(const char *text, int *resource, uint64_t *value, struct err *e) MUST_CHECK;

/* One line of /proc/self/mounts, as far as cgroups go. */
struct mount_line {
	int version; /* 1 or 2 */
	char path[CGROUP_PATH_MAX];
	const char *options; /* into the line: comma-separated, up to a blank */
};

/* 1 and *m for a mounted cgroup hierarchy, 0 for another file system or a path that is too long. */
int parse_mount(const char *line, struct mount_line *m) MUST_CHECK;

/* True when `word` is among the list's words, separated by `sep`, up to a blank or line's end. */
bool list_has(const char *list, char sep, const char *word);

/*
 * Finds the own cgroup in /proc/self/cgroup's text: the path of the hierarchy that has
 * `controller`, or of version 2 when that is NULL. Copied to out, -ENOENT when there is none.
 */
int parse_own_cgroup(const char *text, const char *controller, char *out, size_t size) MUST_CHECK;

/*
 * The record that a jail keeps beside its root: lines "cgroup PATH" and, last, "pid N". Calls
 * fn(ctx, path) for each cgroup; returns the process id, 0 when there is none yet. What is
 * malformed is passed over: the jailer may have been killed while it wrote.
 */
pid_t parse_record(const char *text, void (*fn)(void *ctx, const char *path), void *ctx);

#endif
