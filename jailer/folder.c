// SPDX-License-Identifier: Apache-2.0
/*
 * The jail's folder DIR/NAME/ID, and the record in it: a file that its starter holds locked until
 * the monitor has begun, and that then has the monitor's process id. It lies outside of the jail's
 * root, where nothing that runs in the jail can change it.
 */
#include "jailer/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jailer/path.h"
#include "jailer/sys.h"

/* Another jailer may remove NAME, when its own jail was the last one, between two of our steps. */
#define TRIES 50

static bool ours(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

int record_open(int folder, int flags, const char *shown, struct err *e)
{
	int fd = sys_open_beneath(folder, RECORD_NAME, O_RDWR | flags, 0600);
	struct stat st;
	int r;

	if (fd < 0)
		return err_sys(e, fd, "%s/" RECORD_NAME, shown);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		r = errno == EWOULDBLOCK
			    ? err_set(e, -EBUSY, "%s: another jailer is at work on this id", shown)
			    : err_sys(e, -errno, "%s/" RECORD_NAME, shown);
	/* Also when somebody cleaned it away before we had the lock. */
	else if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 || !ours(&st))
		r = err_set(e, -EPERM,
			    "%s/" RECORD_NAME ": expected a file of root's without hard links",
			    shown);
	else
		return fd;
	close(fd);
	return r;
}

int record_read(int fd, char *text, size_t size)
{
	ssize_t n = pread(fd, text, size - 1, 0);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	return (int)n;
}

pid_t record_alive(const char *text, int folder, int proc)
{
	pid_t pid = parse_record(text, NULL, NULL);
	struct stat own, its;
	char path[32];

	if (pid == 0)
		return 0;
	/* The number may be another process's by now: the jail's own has the jail's root. */
	snprintf(path, sizeof(path), "%d/root", (int)pid);
	if (fstatat(proc, path, &its, 0) < 0)
		return errno == ENOENT ? 0 : pid;
	if (fstatat(folder, "root", &own, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return own.st_dev == its.st_dev && own.st_ino == its.st_ino ? pid : 0;
}

static void show(const struct jail *j, char *out, size_t size)
{
	snprintf(out, size, "%s/%s/%s", j->o->base, j->o->name, j->o->id);
}

/* One try at the two folders; -ENOENT when somebody removed the first meanwhile. */
static int open_folders(struct jail *j, struct err *e)
{
	char shown[JAIL_PATH_MAX];
	size_t len;

	sys_close(&j->name_fd);
	snprintf(shown, sizeof(shown), "%s/%s", j->o->base, j->o->name);
	j->name_fd = path_open_folder(j->base_fd, j->o->name, shown, &j->name_made, e);
	if (j->name_fd < 0)
		return j->name_fd;
	len = strlen(shown);
	snprintf(shown + len, sizeof(shown) - len, "/%s", j->o->id);
	j->id_fd = path_open_folder(j->name_fd, j->o->id, shown, &j->id_made, e);
	return j->id_fd < 0 ? j->id_fd : 0;
}

static void drop_cgroup(void *ctx, const char *path)
{
	(void)ctx;
	(void)rmdir(path); /* of a jailer that was killed; empty, or not ours any more */
}

/* What the record says of an earlier start, which must be over. Then it is ours, and empty. */
static int take_record(struct jail *j, const char *shown, struct err *e)
{
	static char text[RECORD_MAX];
	pid_t pid;
	int r = record_read(j->record_fd, text, sizeof(text));

	if (r < 0)
		return err_sys(e, r, "%s/" RECORD_NAME, shown);
	pid = record_alive(text, j->id_fd, j->proc_fd);
	if (pid > 0)
		return err_set(e, -EBUSY, "%s: its microVM runs, as process %d", shown, (int)pid);
	parse_record(text, drop_cgroup, NULL);
	j->record_made = true;
	return ftruncate(j->record_fd, 0) < 0 ? err_sys(e, -errno, "%s/" RECORD_NAME, shown) : 0;
}

static int write_plan(struct jail *j, struct err *e)
{
	char path[CGROUP_PATH_MAX * 2];
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < j->cgroups.nr; i++) {
		const struct hierarchy *h = &j->cgroups.list[i];

		if (!h->used || h->join_parent)
			continue;
		cgroups_path(h, j->o, path, sizeof(path));
		r = jail_append_record(j, "cgroup", path, e);
	}
	return r;
}

int jail_make_folder(struct jail *j, struct err *e)
{
	char shown[JAIL_PATH_MAX];
	int r = -ENOENT;

	show(j, shown, sizeof(shown));
	j->base_fd = path_open_trusted(j->o->base, &j->nr_base_made, e);
	if (j->base_fd < 0)
		return j->base_fd;
	for (int i = 0; i < TRIES && r == -ENOENT; i++)
		r = open_folders(j, e);
	if (r < 0)
		return r;
	j->record_fd = record_open(j->id_fd, O_CREAT, shown, e);
	if (j->record_fd < 0)
		return j->record_fd;
	r = take_record(j, shown, e);
	return r < 0 ? r : write_plan(j, e);
}

/* Its last components, as far as they were missing; by descriptor, as paths may lead into the jail.
 */
static void remove_base(const struct jail *j)
{
	char path[JAIL_PATH_MAX];
	int dir = j->base_fd;

	snprintf(path, sizeof(path), "%s", j->o->base);
	for (unsigned int n = j->nr_base_made; n > 0; n--) {
		size_t len = strlen(path);
		const char *name;
		int parent;

		while (len > 1 && path[len - 1] == '/')
			path[--len] = '\0';
		name = strrchr(path, '/');
		name = name ? name + 1 : path;
		parent = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir != j->base_fd)
			close(dir);
		dir = parent;
		if (dir < 0 || unlinkat(dir, name, AT_REMOVEDIR) < 0)
			break;
		path[name - path] = '\0';
	}
	if (dir >= 0 && dir != j->base_fd)
		close(dir);
}

/*
 * Only what this start made; but not after the lock turned out to be another's. Folders that others
 * use by now are not empty and stay.
 */
void jail_undo_folder(struct jail *j)
{
	if (j->record_made)
		(void)unlinkat(j->id_fd, RECORD_NAME, 0);
	if (j->id_made)
		(void)unlinkat(j->name_fd, j->o->id, AT_REMOVEDIR);
	if (j->name_made)
		(void)unlinkat(j->base_fd, j->o->name, AT_REMOVEDIR);
	remove_base(j);
}

int jail_append_record(struct jail *j, const char *key, const char *value, struct err *e)
{
	char line[CGROUP_PATH_MAX * 2 + 32];
	int len = snprintf(line, sizeof(line), "%s %s\n", key, value);

	if (lseek(j->record_fd, 0, SEEK_END) < 0 || write(j->record_fd, line, (size_t)len) != len)
		return err_sys(e, errno ? -errno : -EIO, "the jail's record");
	return 0;
}
