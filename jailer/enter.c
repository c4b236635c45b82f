// SPDX-License-Identifier: Apache-2.0
/* What changes this process: limits, namespaces, the root, and at last the user and the rights. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "jailer/jail.h"
#include "jailer/sys.h"

static struct rlimit both(uint64_t n)
{
	return (struct rlimit){ .rlim_cur = n, .rlim_max = n };
}

int jail_set_limits(struct jail *j, struct err *e)
{
	struct rlimit now, fsize = both(j->o->fsize), files;
	uint64_t nofile = j->o->nofile;

	/* The default is no reason to fail for a user who may not have so many. */
	if (!j->o->nofile_given && getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_max < nofile)
		nofile = now.rlim_max;
	if (j->o->fsize_given && setrlimit(RLIMIT_FSIZE, &fsize) < 0)
		return err_sys(e, -errno, "resource-limit fsize=%llu",
			       (unsigned long long)j->o->fsize);
	files = both(nofile);
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return err_sys(e, -errno, "resource-limit no-file=%llu",
			       (unsigned long long)nofile);
	return 0;
}

/* In the new user namespace there are this user and this group, and nobody else. */
static int write_maps(const struct jail *j, struct err *e)
{
	int self = sys_open_self(j->proc_fd);
	char map[64];
	int r = self < 0 ? self : sys_write_file(self, "setgroups", "deny");

	if (r == 0) {
		snprintf(map, sizeof(map), "%u %u 1\n", j->o->uid, j->o->uid);
		r = sys_write_file(self, "uid_map", map);
	}
	if (r == 0) {
		snprintf(map, sizeof(map), "%u %u 1\n", j->o->gid, j->o->gid);
		r = sys_write_file(self, "gid_map", map);
	}
	sys_close(&self);
	return r < 0 ? err_sys(e, r, "the user namespace: its user %u and group %u", j->o->uid,
			       j->o->gid)
		     : 0;
}

/*
 * All but those for PIDs and (for root) users, which come last. The working directory is the
 * jail's root from here on: it moves along into the new mount namespace, as no descriptor does.
 */
int jail_new_namespaces(struct jail *j, struct err *e)
{
	int flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;
	int r;

	if (fchdir(j->dirs[DIR_ROOT].fd) < 0)
		return err_sys(e, -errno, "the jail's root");
	if (j->netns_fd >= 0 && setns(j->netns_fd, CLONE_NEWNET) < 0)
		return err_sys(e, -errno, "netns %s: entering it", j->o->netns);
	if (j->o->new_net_ns)
		flags |= CLONE_NEWNET;
	if (j->o->rootless)
		flags |= CLONE_NEWUSER;
	if (unshare(flags) < 0)
		return err_sys(e, -errno, "new namespaces%s",
			       j->o->rootless ? " (does the host let users have them?)" : "");
	if (j->o->rootless) {
		r = write_maps(j, e);
		if (r < 0)
			return r;
	}
	/* Nothing that is mounted in the jail reaches the host; what the host mounts reaches it. */
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return err_sys(e, -errno, "mount namespace: making it a slave of the host's");
	if (sethostname(j->o->id, strlen(j->o->id)) < 0)
		return err_sys(e, -errno, "host name %s", j->o->id);
	return 0;
}

/* The mount flags that are there, as mount wants them: what the host locked must be said again. */
static unsigned long mount_flags(const char *path)
{
	static const struct {
		unsigned long st, ms;
	} flags[] = { { ST_RDONLY, MS_RDONLY },	    { ST_NODEV, MS_NODEV },
		      { ST_NOATIME, MS_NOATIME },   { ST_NODIRATIME, MS_NODIRATIME },
		      { ST_RELATIME, MS_RELATIME }, { ST_NOEXEC, MS_NOEXEC } };
	struct statvfs fs;
	unsigned long found = MS_NOSUID;

	if (statvfs(path, &fs) < 0)
		return found;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (fs.f_flag & flags[i].st)
			found |= flags[i].ms;
	}
	return found;
}

/* The jail's folder, mounted on itself, becomes "/"; the host's tree is let go. */
int jail_enter_root(struct jail *j, struct err *e)
{
	int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int tree = sys_clone_tree(AT_FDCWD, ".");
	int r = tree < 0 ? tree : sys_attach_tree(tree, AT_FDCWD, ".");

	(void)j;
	if (r == 0) {
		r = fchdir(tree) < 0 ? -errno : 0;
		if (r == 0 &&
		    mount(NULL, ".", NULL, MS_REMOUNT | MS_BIND | mount_flags("."), NULL) < 0)
			r = -errno;
		if (r == 0)
			r = sys_become_root();
		if (r < 0) {
			(void)umount2(".", MNT_DETACH);
			(void)!fchdir(before);
		}
	}
	sys_close(&tree);
	sys_close(&before);
	return r < 0 ? err_sys(e, r, "the jail's root: making it '/'") : 0;
}

/*
 * The new namespace's only user is the one that we are now. Dumpable, or its files in /proc would
 * be root's. The one thing that cannot be undone: in here nobody is root.
 */
static int enter_user_namespace(const struct jail *j, struct err *e)
{
	int r;

	if (prctl(PR_SET_DUMPABLE, 1) < 0 || unshare(CLONE_NEWUSER) < 0)
		return err_sys(e, -errno, "new user namespace");
	r = write_maps(j, e);
	if (r < 0)
		return r;
	r = sys_drop_capabilities();
	return r < 0 ? err_sys(e, r, "capabilities in the user namespace") : 0;
}

/*
 * The saved user id stays until the executable takes it away (execve sets it to the effective one),
 * as what was made must be undone should that fail.
 */
int jail_drop_rights(struct jail *j, struct err *e)
{
	const struct jail_options *o = j->o;
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, -errno, "no_new_privs");
	r = sys_drop_capabilities();
	if (r < 0)
		return err_sys(e, r, "capabilities");
	if (o->rootless)
		return 0;
	if (setgroups(0, NULL) < 0)
		return err_sys(e, -errno, "other groups");
	if (setresgid(o->gid, o->gid, o->gid) < 0)
		return err_sys(e, -errno, "gid %u", o->gid);
	if (setresuid(o->uid, o->uid, 0) < 0)
		return err_sys(e, -errno, "uid %u", o->uid);
	return o->new_user_ns ? enter_user_namespace(j, e) : 0;
}

void jail_undo_rights(struct jail *j)
{
	if (!j->o->rootless)
		(void)!setresuid((uid_t)-1, 0, (uid_t)-1);
}
