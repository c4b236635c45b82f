// SPDX-License-Identifier: Apache-2.0
/* The folders of the plan: made, written, joined, removed. */
#include "jailer/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jailer/sys.h"

/* Another jailer may remove the parent, when its own jail was the last one, between two steps. */
#define TRIES 50

static const char *parent_of(const struct jail_options *o)
{
	return o->parent_cgroup ? o->parent_cgroup : o->name;
}

static int fail(const struct hierarchy *h, const struct jail_options *o, int r, const char *what,
		struct err *e)
{
	char path[CGROUP_PATH_MAX * 2];

	cgroups_path(h, o, path, sizeof(path));
	return err_sys(e, r, "cgroup %s: %s", path, what);
}

/* ---- one level ------------------------------------------------------------------------------- */

/* Version 2: what a folder's children have is what it was told. Settings' controllers, if missing.
 */
static int enable_controllers(int dir, const struct cgroups *c, const struct hierarchy *h,
			      const struct jail_options *o)
{
	char now[512], want[SETTINGS_MAX * (CONTROLLER_MAX + 3)] = "";
	size_t len = 0;
	ssize_t n = sys_read_file(dir, "cgroup.subtree_control", now, sizeof(now));

	if (n < 0)
		return (int)n;
	for (unsigned int i = 0; i < o->nr_settings; i++) {
		const char *controller = o->settings[i].controller;

		if (&c->list[c->of_setting[i]] != h || list_has(now, ' ', controller))
			continue;
		len += (size_t)snprintf(want + len, sizeof(want) - len, "+%s ", controller);
	}
	return len == 0 ? 0 : sys_write_file(dir, "cgroup.subtree_control", want);
}

/* Version 1: a cpuset without CPUs or memory nodes takes no process; it gets its parent's. */
static int inherit_cpuset(int parent, int dir)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	char text[1024];
	ssize_t n;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		n = sys_read_file(dir, files[i], text, sizeof(text));
		if (n < 0)
			return (int)n;
		if (text[strspn(text, " \n")] != '\0')
			continue;
		n = sys_read_file(parent, files[i], text, sizeof(text));
		if (n > 0)
			n = sys_write_file(dir, files[i], text);
		if (n < 0)
			return (int)n;
	}
	return 0;
}

/* Opens `name` below `dir`, which is made if it is not there. */
static int open_level(int dir, const char *name, const struct hierarchy *h, bool *made)
{
	int fd, r;

	*made = mkdirat(dir, name, 0755) == 0;
	if (!*made && errno != EEXIST)
		return -errno;
	fd = sys_open_beneath(dir, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0 || h->version == 2 || !list_has(h->options, ',', "cpuset"))
		return fd;
	r = inherit_cpuset(dir, fd);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

static bool has_processes(int dir)
{
	char text[256];
	ssize_t n = sys_read_file(dir, "cgroup.procs", text, sizeof(text));

	return n > 0 || n == -EFBIG;
}

/* ---- one hierarchy --------------------------------------------------------------------------- */

/* Down to PARENT, with the settings' controllers enabled on the way. A descriptor. */
static int open_parent(const struct cgroups *c, struct hierarchy *h, const struct jail_options *o,
		       const char **what)
{
	const char *path = parent_of(o);
	int dir = fcntl(h->top_fd, F_DUPFD_CLOEXEC, 3);

	if (dir < 0)
		return -errno;

	while (dir >= 0) {
		char name[256];
		size_t len = strcspn(path, "/");
		int r = 0, next;
		bool made;

		if (h->version == 2) {
			*what = "enabling its controllers above it (cgroup.subtree_control)";
			r = enable_controllers(dir, c, h, o);
		}
		if (r < 0 || *path == '\0') {
			if (r == 0)
				return dir;
			close(dir);
			return r;
		}
		*what = "making the folder above it";
		snprintf(name, sizeof(name), "%.*s", (int)len, path);
		next = open_level(dir, name, h, &made);
		close(dir);
		dir = next;
		h->parents_made += made;
		path += len + (path[len] == '/');
	}
	return dir;
}

/* One try; -ENOENT and -ENODEV when somebody took a folder away meanwhile. */
static int make_leaf(struct cgroups *c, struct hierarchy *h, const struct jail_options *o,
		     const char **what)
{
	bool made;

	sys_close(&h->parent_fd);
	h->parent_fd = open_parent(c, h, o, what);
	if (h->parent_fd < 0)
		return h->parent_fd;
	*what = "making it";
	h->leaf_fd = open_level(h->parent_fd, o->id, h, &made);
	if (h->leaf_fd < 0)
		return h->leaf_fd;
	if (has_processes(h->leaf_fd)) {
		*what = "it has processes already";
		sys_close(&h->leaf_fd);
		return -EBUSY;
	}
	h->made = true;
	return 0;
}

static int make_one(struct cgroups *c, struct hierarchy *h, const struct jail_options *o,
		    struct err *e)
{
	const char *what = "opening it";
	int r = -ENOENT;

	if (h->join_parent) {
		h->leaf_fd = sys_open_beneath(h->top_fd, parent_of(o), O_RDONLY | O_DIRECTORY, 0);
		return h->leaf_fd < 0 ? fail(h, o, h->leaf_fd, what, e) : 0;
	}
	for (int i = 0; i < TRIES && (r == -ENOENT || r == -ENODEV); i++)
		r = make_leaf(c, h, o, &what);
	if (r == -EBUSY && h->version == 2 && h->parent_fd < 0)
		what = "processes in a folder above it forbid its controllers; expected them in "
		       "folders of their own";
	return r < 0 ? fail(h, o, r, what, e) : 0;
}

static int write_settings(struct cgroups *c, const struct jail_options *o, struct err *e)
{
	for (unsigned int i = 0; i < o->nr_settings; i++) {
		const struct setting *s = &o->settings[i];
		const struct hierarchy *h = &c->list[c->of_setting[i]];
		char path[CGROUP_PATH_MAX * 2];
		int r = sys_write_file(h->leaf_fd, s->file, s->value);

		if (r == 0)
			continue;
		cgroups_path(h, o, path, sizeof(path));
		return err_sys(e, r, "cgroup %s/%s: '%s'", path, s->file, s->value);
	}
	return 0;
}

int cgroups_make(struct cgroups *c, const struct jail_options *o, struct err *e)
{
	struct err why = { 0 };
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < c->nr; i++) {
		if (c->list[i].used)
			r = make_one(c, &c->list[i], o, &why);
	}
	if (r < 0 && c->soft && r != -EBUSY) {
		fprintf(stderr, "mote-jailer: no cgroup of its own: %s\n", why.msg);
		cgroups_remove(c, o);
		for (unsigned int i = 0; i < c->nr; i++)
			c->list[i].used = false;
		return 0;
	}
	if (r < 0)
		return err_set(e, r, "%s", why.msg);
	return write_settings(c, o, e);
}

int cgroups_join(struct cgroups *c, const struct jail_options *o, struct err *e)
{
	for (unsigned int i = 0; i < c->nr; i++) {
		struct hierarchy *h = &c->list[i];
		int r;

		if (!h->used)
			continue;
		r = sys_write_file(h->leaf_fd, "cgroup.procs", "0");
		if (r < 0)
			return fail(h, o, r, "entering it", e);
		h->joined = true;
	}
	return 0;
}

void cgroups_leave(struct cgroups *c)
{
	for (unsigned int i = 0; i < c->nr; i++) {
		struct hierarchy *h = &c->list[i];

		if (h->joined && h->home_fd >= 0 &&
		    sys_write_file(h->home_fd, "cgroup.procs", "0") == 0)
			h->joined = false;
	}
}

/*
 * The levels of PARENT that are empty: those that we made, and the first in any case when it has
 * our name. One that was given may be somebody's, with limits of its own.
 */
static void remove_parents(const struct hierarchy *h, const struct jail_options *o)
{
	unsigned int nr = h->parents_made;
	char path[CGROUP_PATH_MAX];

	if (nr == 0 && !o->parent_cgroup)
		nr = 1;
	snprintf(path, sizeof(path), "%s", parent_of(o));
	for (; nr > 0; nr--) {
		char *slash = strrchr(path, '/');

		if (unlinkat(h->top_fd, path, AT_REMOVEDIR) < 0 || !slash)
			return;
		*slash = '\0';
	}
}

void cgroups_remove(struct cgroups *c, const struct jail_options *o)
{
	for (unsigned int i = 0; i < c->nr; i++) {
		struct hierarchy *h = &c->list[i];

		if (h->made && unlinkat(h->parent_fd, o->id, AT_REMOVEDIR) == 0)
			h->made = false;
		if (h->used && !h->join_parent)
			remove_parents(h, o);
	}
}
