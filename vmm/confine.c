// SPDX-License-Identifier: Apache-2.0
/* confine_vcpu: vCPU threads. The rest: main thread, which is the loop's. */
#include "vmm/confine.h"

#include <errno.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "vmm/landlock.h"
#include "vmm/log.h"
#include "vmm/mutants.h"

/* Rights that nothing here needs, and that are never given back. */
static int give_up_rights(bool core_dumps, struct err *e)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, -errno, "no_new_privs");
	/* What a program that we cannot start would inherit. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(e, -errno, "ambient capabilities");
	/* A limit of 0 would not do: it does not hold where a program takes the dumps. */
	if (MUT_DUMPS(!core_dumps) && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, -errno, "core dumps");
	return 0;
}

int confine_check_options(const struct confine_options *o, struct err *e)
{
	if (!o->no_seccomp || (!o->seccomp_filter && !o->seccomp_kill))
		return 0;
	return err_set(e, -EINVAL, "option '--%s' cannot be used together with '--no-seccomp'",
		       o->seccomp_filter ? "seccomp-filter" : "seccomp-kill");
}

int confine_begin(struct confine *c, const struct confine_options *o, struct err *e)
{
	int r = give_up_rights(o->core_dumps, e);

	c->nothing = c->files = -1;
	c->core_dumps = o->core_dumps;
	c->filters.file = NULL;
	if (r < 0 || o->no_seccomp)
		return r;
	r = seccomp_load(&c->filters, o->seccomp_filter, o->seccomp_kill, e);
	return r < 0 || o->unspoken ? r : seccomp_enter(&c->filters, SECCOMP_SETUP, e);
}

static void drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int make_rules(int *fd, bool read, bool write, struct err *e)
{
	int r = landlock_rules(read, write, e);

	drop(fd);
	if (r == -EOPNOTSUPP) {
		log_debug("Landlock: this kernel has none");
		return 0;
	}
	*fd = r;
	return r < 0 ? r : 0;
}

int confine_prepare(struct confine *c, struct confine_files files, struct err *e)
{
	int r;

	if (!c || c->core_dumps)
		return 0;
	r = make_rules(&c->nothing, false, false, e);
	return r < 0 ? r : make_rules(&c->files, files.read, files.write, e);
}

int confine_vcpu(const struct confine *c, struct err *e)
{
	int r = 0;

	if (!c)
		return 0;
	if (c->nothing >= 0)
		r = landlock_enter(c->nothing, e);
	return r < 0 ? r : seccomp_enter(&c->filters, MUT_VCPU_FILTER(SECCOMP_VCPU), e);
}

int confine_loop(struct confine *c, struct err *e)
{
	int r = 0;

	if (!c)
		return 0;
	if (c->files >= 0)
		r = landlock_enter(c->files, e);
	drop(&c->files);
	return r < 0 ? r : seccomp_enter(&c->filters, SECCOMP_LOOP, e);
}
