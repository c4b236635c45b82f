// SPDX-License-Identifier: Apache-2.0
/*
 * The jail's root: its folders, the executable, device nodes, the process id. While they are made
 * the folders belong to us alone; only at the end are they given to the monitor's user, so that
 * nobody can put another file in the place of one that we are about to give away.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "jailer/jail.h"
#include "jailer/sys.h"
#include "vmm/mutants.h"
#include "vmm/util.h"

/* ---- folders --------------------------------------------------------------------------------- */

static const struct {
	int parent; /* in the table, -1: the jail's folder */
	const char *name;
	const char *shown;
} folders[NR_DIRS] = {
	[DIR_ROOT] = { -1, "root", "the jail's root" },
	[DIR_DEV] = { DIR_ROOT, "dev", "the jail's /dev" },
	[DIR_NET] = { DIR_DEV, "net", "the jail's /dev/net" },
	[DIR_RUN] = { DIR_ROOT, "run", "the jail's /run" },
};

static int parent_fd(const struct jail *j, int i)
{
	return folders[i].parent < 0 ? j->id_fd : j->dirs[folders[i].parent].fd;
}

static int make_dir(struct jail *j, int i, struct err *e)
{
	struct jail_dir *d = &j->dirs[i];
	const struct stat *st = &d->before;

	d->made = mkdirat(parent_fd(j, i), folders[i].name, 0700) == 0;
	if (!d->made && errno != EEXIST)
		return err_sys(e, -errno, "%s", folders[i].shown);
	d->fd = sys_open_beneath(parent_fd(j, i), folders[i].name, O_RDONLY | O_DIRECTORY, 0);
	if (d->fd < 0)
		return err_sys(e, d->fd, "%s: expected a folder", folders[i].shown);
	if (fstat(d->fd, &d->before) < 0)
		return err_sys(e, -errno, "%s", folders[i].shown);
	if (st->st_uid != 0 && st->st_uid != geteuid() && st->st_uid != j->o->uid)
		return err_set(e, -EPERM, "%s: belongs to user %u, expected root or user %u",
			       folders[i].shown, st->st_uid, j->o->uid);
	if (MUT_TAKE(fchown(d->fd, geteuid(), getegid())) < 0 || fchmod(d->fd, 0700) < 0)
		return err_sys(e, -errno, "%s", folders[i].shown);
	return 0;
}

int jail_make_root(struct jail *j, struct err *e)
{
	struct statvfs fs;
	int r = 0;

	for (int i = 0; r == 0 && i < NR_DIRS; i++)
		r = make_dir(j, i, e);
	if (r == 0 && fstatvfs(j->dirs[DIR_ROOT].fd, &fs) == 0 && (fs.f_flag & ST_NOEXEC))
		r = err_set(e, -EACCES,
			    "%s: the file system is mounted noexec, expected one that can execute",
			    j->o->base);
	return r;
}

void jail_undo_root(struct jail *j)
{
	for (int i = NR_DIRS - 1; i >= 0; i--) {
		struct jail_dir *d = &j->dirs[i];

		if (d->made) {
			(void)unlinkat(parent_fd(j, i), folders[i].name, AT_REMOVEDIR);
		} else if (d->fd >= 0) {
			(void)!fchown(d->fd, d->before.st_uid, d->before.st_gid);
			(void)!fchmod(d->fd, d->before.st_mode & 07777u);
		}
	}
}

int jail_give_root(struct jail *j, struct err *e)
{
	for (int i = NR_DIRS - 1; i >= 0; i--) {
		if (fchown(j->dirs[i].fd, j->o->uid, j->o->gid) < 0)
			return err_sys(e, -errno, "%s: giving it to user %u, group %u",
				       folders[i].shown, j->o->uid, j->o->gid);
	}
	for (int i = 0; i < 2; i++) {
		if (j->cover_fd[i] >= 0 && fchown(j->cover_fd[i], j->o->uid, j->o->gid) < 0)
			return err_sys(e, -errno, "the jail's /dev");
	}
	return 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* Away with what an earlier start left; anything but a plain file is not the jailer's. */
static int remove_old(int dir, const char *name, struct err *e)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, -errno, "the jail's /%s", name);
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return err_set(e, -EEXIST,
			       "the jail's /%s: is there, and no plain file without hard links",
			       name);
	return unlinkat(dir, name, 0) < 0 ? err_sys(e, -errno, "the jail's /%s", name) : 0;
}

static int copy(int from, int to)
{
	ssize_t n;
	off_t at = 0;

	do {
		n = sendfile(to, from, &at, 1 << 30);
	} while (n > 0);
	return n < 0 ? -errno : 0;
}

int jail_copy_exec(struct jail *j, struct err *e)
{
	const char *name = j->o->name;
	int dir = j->dirs[DIR_ROOT].fd;
	int r = remove_old(dir, name, e);
	int fd;

	if (r < 0)
		return r;
	fd = sys_open_beneath(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0500);
	if (fd < 0)
		return err_sys(e, fd, "the jail's /%s", name);
	j->exec_made = true;
	r = copy(j->exec_fd, fd);
	if (r == 0 && (fchown(fd, j->o->uid, j->o->gid) < 0 || fchmod(fd, 0500) < 0))
		r = -errno;
	close(fd);
	return r < 0 ? err_sys(e, r, "the jail's /%s: copying %s", name, j->o->exec_file) : 0;
}

void jail_undo_exec(struct jail *j)
{
	if (j->exec_made)
		(void)unlinkat(j->dirs[DIR_ROOT].fd, j->o->name, 0);
}

static void pid_file_name(const struct jail *j, char *out, size_t size)
{
	snprintf(out, size, "%s.pid", j->o->name);
}

int jail_write_pid(struct jail *j, struct err *e)
{
	char name[JAIL_NAME_MAX + 8], pid[16];
	int dir = j->dirs[DIR_ROOT].fd;
	/* The number that the host knows us by, in a PID namespace too. */
	ssize_t len = readlinkat(j->proc_fd, "self", pid, sizeof(pid) - 1);
	int fd, r;

	if (len < 0)
		return err_sys(e, -errno, "/proc/self");
	pid[len] = '\0';
	pid_file_name(j, name, sizeof(name));
	r = remove_old(dir, name, e);
	if (r < 0)
		return r;
	fd = sys_open_beneath(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
	if (fd < 0)
		return err_sys(e, fd, "the jail's /%s", name);
	j->pid_made = true;
	r = write(fd, pid, (size_t)len) == len && fchmod(fd, 0644) == 0 ? 0 : -EIO;
	close(fd);
	return r < 0 ? err_sys(e, r, "the jail's /%s", name) : jail_append_record(j, "pid", pid, e);
}

void jail_undo_pid(struct jail *j)
{
	char name[JAIL_NAME_MAX + 8];

	pid_file_name(j, name, sizeof(name));
	if (j->pid_made)
		(void)unlinkat(j->dirs[DIR_ROOT].fd, name, 0);
}

/* ---- devices --------------------------------------------------------------------------------- */

static const struct device {
	const char *name;
	const char *host; /* its path there */
	int dir;
	unsigned int major, minor;
	bool needed; /* or done without */
} devices[] = {
	{ "kvm", "/dev/kvm", DIR_DEV, 10, 232, true },
	{ "tun", "/dev/net/tun", DIR_NET, 10, 200, false },
	{ "urandom", "/dev/urandom", DIR_DEV, 1, 9, false },
	{ "userfaultfd", "/dev/userfaultfd", DIR_DEV, 10, 0, false }, /* the kernel's choice */
};

int jail_check_devices(const struct jail *j, struct err *e)
{
	struct stat st;

	if (stat("/dev/kvm", &st) < 0)
		return err_sys(e, -errno, "/dev/kvm");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(10, 232))
		return err_set(e, -ENODEV, "/dev/kvm: expected the character device 10:232");
	if (j->o->rootless && faccessat(AT_FDCWD, "/dev/kvm", R_OK | W_OK, AT_EACCESS) < 0)
		return err_sys(e, -errno, "/dev/kvm: opening it as user %u", j->o->uid);
	return 0;
}

static int node_dir(const struct jail *j, const struct device *d)
{
	int cover = j->cover_fd[d->dir == DIR_NET];

	return cover >= 0 ? cover : j->dirs[d->dir].fd;
}

static void node_path(const struct device *d, char *out, size_t size)
{
	snprintf(out, size, "%s/%s", d->dir == DIR_NET ? "dev/net" : "dev", d->name);
}

/* The host's own node under the jail's name: for those who may make no nodes. Below the new "." */
static int bind_node(const struct jail *j, const struct device *d)
{
	char path[64];
	int tree, fd, r;

	tree = sys_clone_tree(AT_FDCWD, d->host);
	if (tree < 0)
		return tree;
	node_path(d, path, sizeof(path));
	fd = openat(node_dir(j, d), d->name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : sys_attach_tree(tree, AT_FDCWD, path);
	sys_close(&fd);
	close(tree);
	return r;
}

static int make_node(struct jail *j, const struct device *d)
{
	int dir = node_dir(j, d);
	dev_t dev = makedev(d->major, d->minor);
	struct stat st;

	if (unlinkat(dir, d->name, 0) < 0 && errno != ENOENT)
		return -errno;
	if (d->minor == 0) {
		if (stat(d->host, &st) < 0)
			return -errno;
		dev = st.st_rdev;
	}
	j->nodes_made |= 1u << (d - devices);
	if (j->o->rootless)
		return bind_node(j, d);
	if (mknodat(dir, d->name, S_IFCHR | 0600, dev) < 0)
		return errno == EPERM ? bind_node(j, d) : -errno;
	return fchownat(dir, d->name, j->o->uid, j->o->gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/*
 * Where the jail's file system was mounted without devices, as /run and /tmp often are, its /dev
 * gets one of its own, which ends with the mount namespace.
 */
static int cover_dev(struct jail *j, struct err *e)
{
	int dev = sys_open_beneath(AT_FDCWD, "dev", O_RDONLY | O_DIRECTORY, 0);
	int net = -1, r = 0;

	if (dev < 0 || fchdir(dev) < 0 ||
	    mount("mote-jailer", ".", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0700,size=64k") < 0)
		r = -errno;
	sys_close(&dev);
	if (r == 0) {
		if (chdir("..") < 0)
			return err_sys(e, -errno, "the jail's root");
		dev = sys_open_beneath(AT_FDCWD, "dev", O_RDONLY | O_DIRECTORY, 0);
		if (dev < 0 || mkdirat(dev, "net", 0700) < 0)
			r = -errno;
		else
			net = sys_open_beneath(dev, "net", O_RDONLY | O_DIRECTORY, 0);
	}
	if (r == 0 && net < 0)
		r = net;
	if (r < 0) {
		sys_close(&dev);
		return err_sys(e, r, "the jail's /dev: a file system of its own");
	}
	j->cover_fd[0] = dev;
	j->cover_fd[1] = net;
	return 0;
}

int jail_make_devices(struct jail *j, struct err *e)
{
	struct statvfs fs;
	int r = 0;

	if (fstatvfs(j->dirs[DIR_ROOT].fd, &fs) < 0)
		return err_sys(e, -errno, "the jail's root");
	if (!j->o->rootless && (fs.f_flag & ST_NODEV))
		r = cover_dev(j, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		r = make_node(j, &devices[i]);
		if (r < 0 && devices[i].needed)
			return err_sys(e, r, "the jail's %s", devices[i].host);
	}
	return 0;
}

void jail_undo_devices(struct jail *j)
{
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		if (!(j->nodes_made & (1u << i)))
			continue;
		node_path(&devices[i], path, sizeof(path));
		(void)umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW); /* if it is a mount */
		(void)unlinkat(node_dir(j, &devices[i]), devices[i].name, 0);
	}
	if (j->cover_fd[0] >= 0)
		(void)umount2("dev", MNT_DETACH | UMOUNT_NOFOLLOW);
}
