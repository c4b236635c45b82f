/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jail's cgroups: one folder TOP/PARENT/ID in each hierarchy that a setting needs. TOP is the
 * hierarchy's mount point, or for an ordinary user the highest folder above the own one that was
 * delegated to him. All is reached by descriptors of folders, never by path.
 */
#ifndef MOTE_JAILER_CGROUP_H
#define MOTE_JAILER_CGROUP_H

#include <stdbool.h>

#include "jailer/options.h"
#include "vmm/err.h"

#define HIERARCHIES_MAX 16

struct hierarchy {
	int version;	   /* 1 or 2 */
	char options[256]; /* version 1: its mount options, controllers among them */
	char top[CGROUP_PATH_MAX];
	int top_fd, home_fd;	/* home: the folder that we are in, to go back to; or -1 */
	int parent_fd, leaf_fd; /* once made */
	bool used;		/* the plan has a folder here */
	bool made, joined;
	bool join_parent;	   /* PARENT itself, no folder of our own */
	unsigned int parents_made; /* levels of PARENT, the last ones */
};

struct cgroups {
	struct hierarchy list[HIERARCHIES_MAX];
	unsigned int nr;
	unsigned char of_setting[SETTINGS_MAX]; /* its hierarchy */
	bool soft; /* nobody asked: do without when it cannot be made */
};

/*
 * Decides which hierarchies are used, opens them and checks that they have the controllers; changes
 * nothing. `proc` is /proc. cgroups_close in any case.
 */
int cgroups_plan(struct cgroups *c, const struct jail_options *o, int proc, struct err *e)
	MUST_CHECK;

/* Makes the folders and writes the settings. cgroups_remove also after a failure. */
int cgroups_make(struct cgroups *c, const struct jail_options *o, struct err *e) MUST_CHECK;

/* Moves this process in; cgroups_leave also after a failure. */
int cgroups_join(struct cgroups *c, const struct jail_options *o, struct err *e) MUST_CHECK;
void cgroups_leave(struct cgroups *c);

/* Removes the folders, and PARENT if it has our name and is empty. */
void cgroups_remove(struct cgroups *c, const struct jail_options *o);

/* The path of the hierarchy's folder, for messages and the record. */
void cgroups_path(const struct hierarchy *h, const struct jail_options *o, char *out, size_t size);

void cgroups_close(struct cgroups *c);

#endif
