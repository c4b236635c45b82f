// SPDX-License-Identifier: Apache-2.0
/* Any thread. */
#include "vmm/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/mutants.h"
#include "vmm/util.h"

/* Written down here, as the build machine's headers are older than what kernels know by now. */
#define GET_VERSION    1u
#define RULE_PATH      1
#define READ_FILE      (UINT64_C(1) << 2)
#define WRITE_FILE     (UINT64_C(1) << 1)
#define TCP_BIND       (UINT64_C(1) << 0)
#define TCP_CONNECT    (UINT64_C(1) << 1)
#define SCOPE_ABSTRACT (UINT64_C(1) << 0)

struct ruleset {
	uint64_t fs;
	uint64_t net;	 /* since version 4 */
	uint64_t scoped; /* since version 6 */
};

struct path_rule {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

/* All accesses to files that a version can refuse. Not ioctls of devices (version 5): a block
 * device that is put into a drive is asked for its size, and seccomp names the requests. */
static uint64_t all_file_accesses(int version)
{
	static const unsigned int nr[] = { 0, 13, 14 };

	return (UINT64_C(1) << (version > 2 ? 15 : nr[version])) - 1;
}

int landlock_rules(bool read, bool write, struct err *e)
{
	static int version; /* of the kernel's; it stays what it is */
	struct ruleset set = { .net = TCP_BIND | TCP_CONNECT, .scoped = SCOPE_ABSTRACT };
	struct path_rule rule = { .allowed = (read ? READ_FILE : 0) | (write ? WRITE_FILE : 0) };
	size_t size = sizeof(set);
	int fd;
	int r = 0;

	if (version < 1)
		version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, GET_VERSION);
	if (version < 1)
		return -EOPNOTSUPP;
	set.fs = MUT_LANDLOCK(all_file_accesses(version));
	if (version < 6)
		size = version < 4 ? offsetof(struct ruleset, net)
				   : offsetof(struct ruleset, scoped);
	fd = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
	if (fd < 0)
		return err_sys(e, -errno, "Landlock: rules");
	if (rule.allowed == 0)
		return fd;
	rule.parent_fd = open("/", O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0 || syscall(SYS_landlock_add_rule, fd, RULE_PATH, &rule, 0) < 0)
		r = err_sys(e, -errno, "Landlock: rule for /");
	if (rule.parent_fd >= 0)
		close(rule.parent_fd);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

int landlock_enter(int rules, struct err *e)
{
	if (syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		return err_sys(e, -errno, "Landlock");
	return 0;
}
