/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One jail while it is made. main.c has the order: jail_check looks at everything that can be known
 * beforehand and changes nothing, then come the steps. A step's function does it; its undo takes
 * back what it did, also of a step that failed half-way, and is called in reverse order.
 *
 * All functions return 0 or -errno with *e set to one line. One thread.
 */
#ifndef MOTE_JAILER_JAIL_H
#define MOTE_JAILER_JAIL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "jailer/cgroup.h"
#include "jailer/options.h"
#include "vmm/err.h"

#define RECORD_NAME ".jailer"
#define RECORD_MAX  (16 * 1024)

/* A folder of the jail: below `parent`, which owns nothing of it. */
struct jail_dir {
	int fd; /* -1: not there yet */
	bool made;
	struct stat before; /* when it was not made */
};

enum {
	DIR_ROOT,
	DIR_DEV,
	DIR_NET,
	DIR_RUN,
	NR_DIRS
};

struct jail {
	const struct jail_options *o;
	uint64_t start_us, start_cpu_us, parent_cpu_us;

	/* Opened by jail_check. */
	int exec_fd, netns_fd, null_fd;
	int proc_fd; /* the host's /proc, which the jail has not */
	struct cgroups cgroups;

	/* Made by steps. */
	int base_fd, name_fd, id_fd, record_fd;
	unsigned int nr_base_made; /* trailing components of the base that were missing */
	bool name_made, id_made, record_made;
	struct jail_dir dirs[NR_DIRS];
	bool exec_made, pid_made;
	unsigned int nodes_made; /* bit n: row n of the table of devices */
	int cover_fd[2];	 /* /dev and /dev/net of a file system of their own, or -1 */
	int report_fd;		 /* in a child: to the parent that waits; -1 */
	uint64_t fork_cpu_us;
};

void jail_init(struct jail *j, const struct jail_options *o);

int jail_check(struct jail *j, struct err *e) MUST_CHECK;

/* folder.c: DIR/NAME/ID, locked, and its record */
int jail_make_folder(struct jail *j, struct err *e) MUST_CHECK;
void jail_undo_folder(struct jail *j);
int jail_append_record(struct jail *j, const char *key, const char *value, struct err *e)
	MUST_CHECK;

/* root.c: the root with its folders, the executable, device nodes; given to the user at the end */
int jail_make_root(struct jail *j, struct err *e) MUST_CHECK;
void jail_undo_root(struct jail *j);
int jail_copy_exec(struct jail *j, struct err *e) MUST_CHECK;
void jail_undo_exec(struct jail *j);
int jail_check_devices(const struct jail *j, struct err *e) MUST_CHECK;
int jail_make_devices(struct jail *j, struct err *e) MUST_CHECK;
void jail_undo_devices(struct jail *j);
int jail_write_pid(struct jail *j, struct err *e) MUST_CHECK;
void jail_undo_pid(struct jail *j);
int jail_give_root(struct jail *j, struct err *e) MUST_CHECK;

/* enter.c: what changes this process */
int jail_set_limits(struct jail *j, struct err *e) MUST_CHECK;
int jail_new_namespaces(struct jail *j, struct err *e) MUST_CHECK;
int jail_enter_root(struct jail *j, struct err *e) MUST_CHECK;
int jail_drop_rights(struct jail *j, struct err *e) MUST_CHECK;
void jail_undo_rights(struct jail *j);

/* start.c: becoming the monitor's process, and the monitor */
int jail_detach(struct jail *j, struct err *e) MUST_CHECK;
int jail_exec(struct jail *j, struct err *e) MUST_CHECK;

/* clean.c: --clean */
int jail_clean(const struct jail_options *o, struct err *e) MUST_CHECK;

#endif
