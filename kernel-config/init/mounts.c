// SPDX-License-Identifier: Apache-2.0
#include "kernel-config/init/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel-config/init/args.h"
#include "kernel-config/init/config.h"
#include "kernel-config/init/text.h"

#define NEW_ROOT "/.root"

struct pseudo {
	const char *type;
	const char *dir;
	unsigned long flags;
	const char *data;
};

/* In this order: the last two live in /dev. */
static const struct pseudo table[] = {
	{ "devtmpfs", "/dev", MS_NOSUID, "mode=0755" },
	{ "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755" },
	{ "tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666" },
	{ "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777" },
};
enum {
	DEV,
	PROC,
	SYS
};

static int mount_one(const struct pseudo *m)
{
	int rc = mount(m->type, m->dir, m->type, m->flags, m->data);

	/* Directories are made only when missing: the usual case costs one system call. */
	if (rc && errno == ENOENT) {
		mkdir(m->dir, 0755);
		rc = mount(m->type, m->dir, m->type, m->flags, m->data);
	}
	if (!rc || errno == EBUSY)
		return 0;
	rc = -errno;
	say("cannot mount ", m->type, " on ", m->dir, ": ", strerror(-rc));
	return rc;
}

int mounts_dev(void)
{
	return mount_one(&table[DEV]);
}

int mounts_proc(void)
{
	return mount_one(&table[PROC]);
}

int mounts_sys(void)
{
	return mount_one(&table[SYS]);
}

void mounts_all(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		(void)mount_one(&table[i]);
}

/*
 * Sort the mount options in s into flags, which are returned, and what only the file system itself
 * understands, which is left in s.
 */
static unsigned long sort_options(char *s)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} known[] = {
		{ "ro", MS_RDONLY },	    { "rw", 0 },	   { "noatime", MS_NOATIME },
		{ "nosuid", MS_NOSUID },    { "nodev", MS_NODEV }, { "noexec", MS_NOEXEC },
		{ "sync", MS_SYNCHRONOUS },
	};
	unsigned long flags = 0;
	char *keep = s;

	while (*s) {
		size_t len = strcspn(s, ",");
		size_t skip = s[len] ? len + 1 : len;
		size_t i;

		for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (strlen(known[i].name) == len && !strncmp(s, known[i].name, len))
				break;
		if (i < sizeof(known) / sizeof(known[0])) {
			flags |= known[i].flag;
		} else {
			memmove(keep, s, skip);
			keep += skip;
		}
		s += skip;
	}
	*keep = '\0';
	return flags;
}

static int mount_disk(const char *disk, const char *type, unsigned long flags, const char *data)
{
	int rc = mount(disk, NEW_ROOT, type, flags, data);

	if (rc && (errno == EACCES || errno == EROFS))
		rc = mount(disk, NEW_ROOT, type, flags | MS_RDONLY, data);
	return rc ? -errno : 0;
}

static int mount_root(const struct init_config *c)
{
	static const char *const types[] = { "ext4", "squashfs", "erofs" };
	char none[1] = "";
	char *data = c->root_flags ? c->root_flags : none;
	unsigned long flags = sort_options(data);
	int rc = -ENODEV;

	if (c->root_type)
		return mount_disk(c->root, c->root_type, flags, data);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		int one = mount_disk(c->root, types[i], flags, data);

		/* Not this type: the next may do. Anything else is the disk's own trouble. */
		if (one != -EINVAL && one != -ENODEV)
			return one;
		/* A type that the kernel does not have tells less than one that does not fit. */
		if (one == -EINVAL)
			rc = one;
	}
	return rc;
}

int mounts_root(const struct init_config *c)
{
	int rc;

	mkdir(NEW_ROOT, 0755);
	rc = mounts_dev();
	if (rc)
		return rc;
	rc = mount_root(c);
	if (rc) {
		say("cannot mount ", c->root, " as the root directory: ",
		    rc == -ENODEV   ? "no such file system in this kernel"
		    : rc == -EINVAL ? "no file system found, or wrong options"
				    : strerror(-rc));
		return rc;
	}
	/* A disk without /dev is no reason to stop: mounts_all says so if it cannot be made. */
	if (mount("/dev", NEW_ROOT "/dev", NULL, MS_MOVE, NULL))
		umount2("/dev", MNT_DETACH);
	/* The initial root cannot be unmounted or pivoted away: it is covered. */
	if (chdir(NEW_ROOT) || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/")) {
		rc = -errno;
		say("cannot change the root directory to ", c->root, ": ", strerror(-rc));
	}
	return rc;
}

/* The mount point of a line of /proc/self/mounts if it is a disk's, decoded in place, or NULL. */
static char *disk_dir(char *line)
{
	char *dir, *end;

	if (strncmp(line, "/dev/", 5))
		return NULL;
	dir = strchr(line, ' ');
	end = dir ? strchr(dir + 1, ' ') : NULL;
	if (!end)
		return NULL;
	*end = '\0';
	return dir + 1;
}

void mounts_end(void)
{
	static char buf[4096];
	size_t len = 0;
	char *line, *next;
	ssize_t n;
	int fd;

	sync();
	fd = open("/proc/self/mounts", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	while ((n = read(fd, buf + len, sizeof(buf) - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	buf[len] = '\0';
	for (line = buf; *line; line = next) {
		char *dir;

		next = strchr(line, '\n');
		if (!next)
			break;
		*next++ = '\0';
		dir = disk_dir(line);
		/* Names with blanks are escaped and fail here: they were synced at least. */
		if (dir && mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL) && errno != EINVAL)
			say("cannot make ", dir, " read-only: ", strerror(errno));
	}
}
