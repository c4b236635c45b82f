// SPDX-License-Identifier: Apache-2.0
#include "jailer/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jailer/sys.h"
#include "vmm/mutants.h"

#define LINKS_MAX     8
#define FILE_NAME_MAX 255

static bool ours(const struct stat *st)
{
	return MUT_OURS(st->st_uid == 0 || st->st_uid == geteuid());
}

static int check_folder(int fd, const char *shown, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, -errno, "%s", shown);
	if (!ours(&st))
		return err_set(e, -EPERM, "%s: belongs to user %u, expected root or user %u", shown,
			       st.st_uid, geteuid());
	if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
		return err_set(e, -EPERM,
			       "%s: mode %o, expected a folder that not everybody may "
			       "write to",
			       shown, st.st_mode & 07777u);
	return 0;
}

int path_open_folder(int dir, const char *name, const char *shown, bool *made, struct err *e)
{
	int fd, r;

	*made = mkdirat(dir, name, 0755) == 0;
	if (!*made && errno != EEXIST)
		return err_sys(e, -errno, "%s", shown);
	fd = sys_open_beneath(dir, name, O_RDONLY | O_DIRECTORY, 0);
	r = fd < 0 ? err_sys(e, fd, "%s", shown) : check_folder(fd, shown, e);
	if (r == 0)
		return fd;
	if (*made)
		(void)unlinkat(dir, name, AT_REMOVEDIR);
	sys_close(&fd);
	return r;
}

struct walk {
	char todo[JAIL_PATH_MAX]; /* what is left of the path */
	char done[JAIL_PATH_MAX]; /* for messages */
	int fd;
	unsigned int links;
	unsigned int *made;
};

/* Puts a link's target before what is left. */
static int follow(struct walk *w, const char *name, const struct stat *st, struct err *e)
{
	char target[JAIL_PATH_MAX], rest[JAIL_PATH_MAX];
	ssize_t n = readlinkat(w->fd, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(e, -errno, "%s/%s", w->done, name);
	target[n] = '\0';
	if (!ours(st))
		return err_set(e, -ELOOP,
			       "%s/%s: a symbolic link of user %u, expected a folder of root's",
			       w->done, name, st->st_uid);
	if (++w->links > LINKS_MAX)
		return err_sys(e, -ELOOP, "%s/%s", w->done, name);
	memcpy(rest, w->todo, strlen(w->todo) + 1);
	if ((size_t)snprintf(w->todo, sizeof(w->todo), "%s/%s", target, rest) >= sizeof(w->todo))
		return err_sys(e, -ENAMETOOLONG, "%s/%s", w->done, name);
	if (target[0] == '/') {
		sys_close(&w->fd);
		w->fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		w->done[0] = '\0';
	}
	return w->fd < 0 ? err_sys(e, -errno, "/") : 0;
}

/* One component. 1 = it is missing, and is not to be made. */
static int enter(struct walk *w, const char *name, struct err *e)
{
	size_t len = strlen(w->done);
	struct stat st;
	bool made = false;
	int next;

	if (fstatat(w->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
		return follow(w, name, &st, e);
	if (snprintf(w->done + len, sizeof(w->done) - len, "/%s", name) >=
	    (int)(sizeof(w->done) - len))
		return err_sys(e, -ENAMETOOLONG, "%s", w->done);
	if (!w->made && fstatat(w->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 1;
	if (strcmp(name, "..") == 0) {
		next = openat(w->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (next < 0)
			return err_sys(e, -errno, "%s", w->done);
	} else if (w->made) {
		next = path_open_folder(w->fd, name, w->done, &made, e);
	} else {
		next = sys_open_beneath(w->fd, name, O_RDONLY | O_DIRECTORY, 0);
		if (next < 0)
			return err_sys(e, next, "%s", w->done);
	}
	if (next < 0)
		return next;
	if (w->made)
		*w->made += made;
	close(w->fd);
	w->fd = next;
	return check_folder(w->fd, w->done, e);
}

static int walk_trusted(const char *path, unsigned int *made, bool *missing, struct err *e)
{
	static struct walk w; /* too large for a stack */
	char cwd[JAIL_PATH_MAX] = "";
	int r = 0;

	w = (struct walk){ .made = made };
	if (path[0] != '/' && !getcwd(cwd, sizeof(cwd)))
		return err_sys(e, -errno, "the working directory");
	if ((size_t)snprintf(w.todo, sizeof(w.todo), "%s/%s", cwd, path) >= sizeof(w.todo))
		return err_sys(e, -ENAMETOOLONG, "%s", path);
	w.fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w.fd < 0)
		return err_sys(e, -errno, "/");
	while (r == 0) {
		char name[FILE_NAME_MAX + 1];
		const char *at = w.todo + strspn(w.todo, "/");
		size_t len = strcspn(at, "/");

		if (len == 0)
			break;
		if (len >= sizeof(name)) {
			r = err_sys(e, -ENAMETOOLONG, "%s", path);
			break;
		}
		memcpy(name, at, len);
		name[len] = '\0';
		memmove(w.todo, at + len, strlen(at + len) + 1);
		if (strcmp(name, ".") != 0)
			r = enter(&w, name, e);
	}
	if (r < 0)
		sys_close(&w.fd);
	*missing = r == 1;
	return r < 0 ? r : w.fd;
}

int path_open_trusted(const char *path, unsigned int *made, struct err *e)
{
	bool missing;

	*made = 0;
	return walk_trusted(path, made, &missing, e);
}

int path_find_trusted(const char *path, bool *missing, struct err *e)
{
	return walk_trusted(path, NULL, missing, e);
}
