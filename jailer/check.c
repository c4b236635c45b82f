// SPDX-License-Identifier: Apache-2.0
/* All that can be known before the first change. */
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "jailer/jail.h"
#include "jailer/path.h"
#include "jailer/sys.h"
#include "vmm/mutants.h"

void jail_init(struct jail *j, const struct jail_options *o)
{
	*j = (struct jail){ .o = o };
	j->exec_fd = j->netns_fd = j->null_fd = j->proc_fd = -1;
	j->base_fd = j->name_fd = j->id_fd = j->record_fd = -1;
	j->cover_fd[0] = j->cover_fd[1] = j->report_fd = -1;
	for (int i = 0; i < NR_DIRS; i++)
		j->dirs[i].fd = -1;
}

/* What is executed for a guest must be what its owner installed, and nobody else's to change. */
static int check_exec(struct jail *j, struct err *e)
{
	const char *path = j->o->exec_file;
	struct stat st;

	j->exec_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (j->exec_fd < 0 || fstat(j->exec_fd, &st) < 0)
		return err_sys(e, -errno, "exec-file %s", path);
	if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111))
		return err_set(e, -EINVAL, "exec-file %s: expected an executable file", path);
	if (MUT_LINKED(st.st_nlink != 1))
		return err_set(e, -EPERM,
			       "exec-file %s: %lu hard links, expected a file with one name", path,
			       (unsigned long)st.st_nlink);
	if (st.st_mode & (S_IWOTH | S_ISUID | S_ISGID))
		return err_set(e, -EPERM,
			       "exec-file %s: mode %o, expected no set-id bits and not writable by "
			       "everybody",
			       path, st.st_mode & 07777u);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return err_set(e, -EPERM,
			       "exec-file %s: belongs to user %u, expected root or user %u", path,
			       st.st_uid, geteuid());
	return 0;
}

static int check_netns(struct jail *j, struct err *e)
{
	if (!j->o->netns)
		return 0;
	j->netns_fd = open(j->o->netns, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (j->netns_fd < 0)
		return err_sys(e, -errno, "netns %s", j->o->netns);
	if (ioctl(j->netns_fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return err_set(e, -EINVAL, "netns %s: expected a network namespace's file",
			       j->o->netns);
	return 0;
}

int jail_check(struct jail *j, struct err *e)
{
	bool missing;
	int base, r;

	j->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (j->proc_fd < 0)
		return err_sys(e, -errno, "/proc");
	j->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (j->null_fd < 0)
		return err_sys(e, -errno, "/dev/null");
	r = check_exec(j, e);
	if (r == 0)
		r = check_netns(j, e);
	if (r == 0)
		r = jail_check_devices(j, e);
	if (r < 0)
		return r;
	base = path_find_trusted(j->o->base, &missing, e);
	if (base < 0)
		return base;
	close(base);
	return cgroups_plan(&j->cgroups, j->o, j->proc_fd, e);
}
