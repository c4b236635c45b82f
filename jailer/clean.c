// SPDX-License-Identifier: Apache-2.0
/* --clean: removes what a microVM that has ended left: its cgroups, its root, its folder. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "jailer/folder.h"
#include "jailer/path.h"
#include "jailer/sys.h"

/* The jail's user may have nested folders as deep as it liked; each level costs a descriptor. */
#define DEPTH_MAX 200
#define EMPTY_MS  2000 /* how long --clean waits for a cgroup to be empty */
#define STEP_MS	  10

struct cleaning {
	const struct jail_options *o;
	const char *name; /* of the folder that the jail is in: the executable's */
	int proc;
	int r; /* of the first cgroup that could not be removed */
	struct err *e;
};

/* ---- files ----------------------------------------------------------------------------------- */

static int remove_tree(int parent, const char *name, unsigned int depth, struct err *e);

static int remove_entries(int dir, unsigned int depth, struct err *e)
{
	DIR *d = fdopendir(dir); /* takes it */
	const struct dirent *entry;
	int r = 0;

	if (!d) {
		close(dir);
		return err_sys(e, -errno, "opening a folder of the jail");
	}
	while (r == 0 && (entry = readdir(d)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = remove_tree(dirfd(d), entry->d_name, depth + 1, e);
	}
	closedir(d);
	return r;
}

/* A file or folder with all that it has; links are removed, not followed, and mounts are left. */
static int remove_tree(int parent, const char *name, unsigned int depth, struct err *e)
{
	int dir, r;

	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(e, -errno, "the jail's %s: removing it%s", name,
			       errno == EBUSY ? " (is something mounted on it?)" : "");
	if (depth > DEPTH_MAX)
		return err_set(e, -ELOOP, "the jail's %s: folders more than %d deep", name,
			       DEPTH_MAX);
	dir = sys_open_same_mount(parent, name, O_RDONLY | O_DIRECTORY);
	if (dir < 0)
		return err_sys(e, dir, "the jail's %s%s", name,
			       dir == -EXDEV ? ": something is mounted on it" : "");
	r = remove_entries(dir, depth, e);
	if (r == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0)
		r = err_sys(e, -errno, "the jail's %s: removing it", name);
	return r;
}

/* ---- cgroups --------------------------------------------------------------------------------- */

static bool is_cgroup(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 &&
	       (fs.f_type == CGROUP_SUPER_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC);
}

/* A killed process counts as its cgroup's until its last thread is gone, a moment after its end. */
static int remove_when_empty(const char *path)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000L };

	for (int waited = 0; rmdir(path) < 0; waited += STEP_MS) {
		if (errno != EBUSY || waited >= EMPTY_MS)
			return errno == ENOENT ? 0 : -errno;
		nanosleep(&step, NULL);
	}
	return 0;
}

static void remove_cgroup(void *ctx, const char *path)
{
	struct cleaning *c = ctx;
	char parent[CGROUP_PATH_MAX];
	char *slash;
	int r;

	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (!slash || strcmp(slash + 1, c->o->id) != 0 || !is_cgroup(path))
		return;
	r = remove_when_empty(path);
	if (r < 0 && c->r == 0)
		c->r = err_sys(c->e, r, "cgroup %s: removing it", path);
	*slash = '\0';
	slash = strrchr(parent, '/');
	/* The parent that is made when none is named. */
	if (slash && strcmp(slash + 1, c->name) == 0)
		(void)rmdir(parent);
}

/* ---- the jail -------------------------------------------------------------------------------- */

/* Its folder is open and the record, which is there, is locked by us. */
static int clean_recorded(struct cleaning *c, int folder, int record, const char *shown)
{
	static char text[RECORD_MAX];
	pid_t pid;
	int r = record_read(record, text, sizeof(text));

	if (r < 0)
		return err_sys(c->e, r, "%s/" RECORD_NAME, shown);
	pid = record_alive(text, folder, c->proc);
	if (pid > 0)
		return err_set(c->e, -EBUSY, "%s: its microVM runs, as process %d", shown,
			       (int)pid);
	parse_record(text, remove_cgroup, c);
	if (c->r < 0)
		return c->r;
	r = remove_tree(folder, "root", 0, c->e);
	if (r == 0 && unlinkat(folder, RECORD_NAME, 0) < 0)
		r = err_sys(c->e, -errno, "%s/" RECORD_NAME, shown);
	return r;
}

static int clean_jail(struct cleaning *c, int base, int name_fd)
{
	char shown[JAIL_PATH_MAX];
	bool made;
	int folder, record, r = 0;

	snprintf(shown, sizeof(shown), "%s/%s/%s", c->o->base, c->name, c->o->id);
	folder = path_open_folder(name_fd, c->o->id, shown, &made, c->e);
	if (folder < 0)
		return folder;
	/* A jailer that was killed right at its start has left the folder alone. */
	if (faccessat(folder, RECORD_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		record = record_open(folder, 0, shown, c->e);
		r = record < 0 ? record : clean_recorded(c, folder, record, shown);
		sys_close(&record);
	}
	close(folder);
	if (r == 0 && unlinkat(name_fd, c->o->id, AT_REMOVEDIR) < 0)
		r = err_sys(c->e, -errno, "%s: removing it", shown);
	if (r == 0)
		(void)unlinkat(base, c->name, AT_REMOVEDIR); /* if this was its last */
	return r;
}

/* Each executable's name is a folder of the base, and any of them may have a jail of this id. */
static int clean_below(struct cleaning *c, int base)
{
	int copy = fcntl(base, F_DUPFD_CLOEXEC, 3);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	unsigned int found = 0;
	int r = 0;

	if (!d)
		return err_sys(c->e, -errno, "%s", c->o->base);
	while (r == 0 && (entry = readdir(d)) != NULL) {
		int name_fd = -1;

		if (entry->d_name[0] != '.')
			name_fd = sys_open_beneath(base, entry->d_name, O_RDONLY | O_DIRECTORY, 0);
		if (name_fd >= 0 && faccessat(name_fd, c->o->id, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			c->name = entry->d_name;
			found++;
			r = clean_jail(c, base, name_fd);
		}
		sys_close(&name_fd);
	}
	closedir(d);
	if (r == 0 && found == 0)
		r = err_set(c->e, -ENOENT, "%s/*/%s: no such jail", c->o->base, c->o->id);
	return r;
}

int jail_clean(const struct jail_options *o, struct err *e)
{
	struct cleaning c = { .o = o, .e = e };
	bool missing;
	int base = path_find_trusted(o->base, &missing, e);
	int r;

	if (base < 0)
		return base;
	if (missing) {
		close(base);
		return err_sys(e, -ENOENT, "%s", o->base);
	}
	c.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = c.proc < 0 ? err_sys(e, -errno, "/proc") : clean_below(&c, base);
	sys_close(&c.proc);
	close(base);
	return r;
}
