// SPDX-License-Identifier: Apache-2.0
/* Which cgroup hierarchies there are, and which of them this jail uses. */
#include "jailer/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "jailer/sys.h"

#define TEXT_MAX 8192

static const char *parent_of(const struct jail_options *o)
{
	return o->parent_cgroup ? o->parent_cgroup : o->name;
}

void cgroups_path(const struct hierarchy *h, const struct jail_options *o, char *out, size_t size)
{
	if (h->join_parent)
		snprintf(out, size, "%s/%s", h->top, parent_of(o));
	else
		snprintf(out, size, "%s/%s/%s", h->top, parent_of(o), o->id);
}

static void note_mount(struct cgroups *c, const struct mount_line *m)
{
	struct hierarchy *h = &c->list[c->nr];
	size_t len = strcspn(m->options, " \n");

	if (c->nr == HIERARCHIES_MAX || len >= sizeof(h->options))
		return;
	*h = (struct hierarchy){
		.version = m->version, .top_fd = -1, .home_fd = -1, .parent_fd = -1, .leaf_fd = -1
	};
	memcpy(h->options, m->options, len);
	h->options[len] = '\0';
	snprintf(h->top, sizeof(h->top), "%s", m->path);
	c->nr++;
}

static int read_mounts(struct cgroups *c, int proc, struct err *e)
{
	char line[1024];
	bool begins = true; /* a line that is too long comes in pieces */
	int fd = openat(proc, "self/mounts", O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	if (!f) {
		int r = err_sys(e, -errno, "/proc/self/mounts");

		sys_close(&fd);
		return r;
	}
	while (fgets(line, sizeof(line), f)) {
		struct mount_line m;

		if (begins && parse_mount(line, &m))
			note_mount(c, &m);
		begins = strchr(line, '\n') != NULL;
	}
	fclose(f);
	return 0;
}

/* True when the open folder offers `controller` to its children (version 2). */
static bool offers(int fd, const char *controller)
{
	char text[512];

	return sys_read_file(fd, "cgroup.controllers", text, sizeof(text)) >= 0 &&
	       list_has(text, ' ', controller);
}

static bool may_write(int dir)
{
	return faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) == 0 &&
	       faccessat(dir, "cgroup.procs", W_OK, AT_EACCESS) == 0;
}

/* Up from the own cgroup `path` as far as it is ours: that is where a delegation begins. */
static int open_delegated(struct hierarchy *h, const char *path, struct err *e)
{
	char best[CGROUP_PATH_MAX] = "", at[CGROUP_PATH_MAX];
	size_t root = strlen(h->top);

	if ((size_t)snprintf(at, sizeof(at), "%s%s", h->top, path) >= sizeof(at))
		return err_set(e, -ENAMETOOLONG, "cgroup %s: the path is too long", path);
	for (;;) {
		int fd = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		char *slash = strrchr(at, '/');

		if (fd < 0 || !may_write(fd)) {
			sys_close(&fd);
			break;
		}
		sys_close(&h->top_fd);
		h->top_fd = fd;
		snprintf(best, sizeof(best), "%s", at);
		if (!slash || (size_t)(slash - at) <= root)
			break;
		*slash = '\0';
	}
	if (h->top_fd < 0)
		return err_set(e, -EACCES,
			       "cgroup %s%s: not writable, expected one that is delegated to the "
			       "user",
			       h->top, strcmp(path, "/") == 0 ? "" : path);
	snprintf(h->top, sizeof(h->top), "%s", best);
	return 0;
}

/* Opens where the jail's folder will be, and the folder that we are in now. */
static int open_hierarchy(struct hierarchy *h, const struct jail_options *o, int proc,
			  const char *controller, struct err *e)
{
	static char text[TEXT_MAX];
	char own[CGROUP_PATH_MAX / 2] = "/", home[CGROUP_PATH_MAX * 2];
	int self, r;

	if (h->top_fd >= 0)
		return 0;
	self = sys_open_self(proc);
	if (sys_read_file(self, "cgroup", text, sizeof(text)) < 0 ||
	    parse_own_cgroup(text, h->version == 2 ? NULL : controller, own, sizeof(own)) < 0)
		snprintf(own, sizeof(own), "/");
	sys_close(&self);
	snprintf(home, sizeof(home), "%s%s", h->top, own);
	if (o->rootless) {
		r = open_delegated(h, own, e);
		if (r < 0)
			return r;
	} else {
		h->top_fd = open(h->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (h->top_fd < 0)
			return err_sys(e, -errno, "cgroup %s", h->top);
		if (!may_write(h->top_fd))
			return err_set(e, -EACCES, "cgroup %s: not writable", h->top);
	}
	h->home_fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

static struct hierarchy *find_version(struct cgroups *c, int version, const char *controller)
{
	for (unsigned int i = 0; i < c->nr; i++) {
		struct hierarchy *h = &c->list[i];

		if (h->version == version &&
		    (!controller || version == 2 || list_has(h->options, ',', controller)))
			return h;
	}
	return NULL;
}

/* The hierarchy of a setting: of the version that was asked for, else of the one that has it. */
static int plan_setting(struct cgroups *c, const struct jail_options *o, unsigned int nr, int proc,
			struct err *e)
{
	const struct setting *s = &o->settings[nr];
	struct hierarchy *v1 = find_version(c, 1, s->controller);
	struct hierarchy *v2 = find_version(c, 2, NULL);
	struct hierarchy *h = o->cgroup_version == 2 ? v2 : v1;
	int r;

	if (o->cgroup_version == 0 && !h)
		h = v2;
	if (!h)
		return err_set(
			e, -ENOENT, "cgroup %s: no hierarchy of version %s has controller '%s'%s",
			s->file, o->cgroup_version == 2 ? "2" : "1", s->controller,
			o->cgroup_version == 1 && v2 ? ", but there is one of version 2 (leave out "
						       "--cgroup-version)"
						     : "");
	r = open_hierarchy(h, o, proc, s->controller, e);
	if (r < 0)
		return r;
	if (h->version == 2 && !offers(h->top_fd, s->controller))
		return err_set(e, -ENOENT,
			       "cgroup %s: controller '%s' is not in %s/cgroup.controllers",
			       s->file, s->controller, h->top);
	h->used = true;
	c->of_setting[nr] = (unsigned char)(h - c->list);
	return 0;
}

/* Without settings: a folder of its own all the same, where that is possible. */
static int plan_plain(struct cgroups *c, const struct jail_options *o, int proc, struct err *e)
{
	struct hierarchy *h = o->cgroup_version == 1 ? NULL : find_version(c, 2, NULL);
	struct err why = { 0 };

	c->soft = o->cgroup_version == 0;
	if (!h)
		return c->soft || o->cgroup_version == 1
			       ? 0
			       : err_set(e, -ENOENT,
					 "cgroup-version 2: no such hierarchy is mounted");
	if (open_hierarchy(h, o, proc, NULL, &why) < 0) {
		if (!c->soft)
			return err_set(e, why.code, "%s", why.msg);
		fprintf(stderr, "mote-jailer: no cgroup of its own: %s\n", why.msg);
		return 0;
	}
	h->used = true;
	/* Firecracker's way to choose a cgroup that others have prepared. */
	if (o->cgroup_version == 2 && o->parent_cgroup) {
		int fd = sys_open_beneath(h->top_fd, o->parent_cgroup, O_PATH | O_DIRECTORY, 0);

		h->join_parent = fd >= 0;
		sys_close(&fd);
	}
	return 0;
}

int cgroups_plan(struct cgroups *c, const struct jail_options *o, int proc, struct err *e)
{
	int r;

	*c = (struct cgroups){ 0 };
	r = read_mounts(c, proc, e);
	for (unsigned int i = 0; r == 0 && i < o->nr_settings; i++)
		r = plan_setting(c, o, i, proc, e);
	if (r == 0 && o->nr_settings == 0)
		r = plan_plain(c, o, proc, e);
	return r;
}

void cgroups_close(struct cgroups *c)
{
	for (unsigned int i = 0; i < c->nr; i++) {
		struct hierarchy *h = &c->list[i];

		sys_close(&h->top_fd);
		sys_close(&h->home_fd);
		sys_close(&h->parent_fd);
		sys_close(&h->leaf_fd);
	}
}
