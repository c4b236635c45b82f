// SPDX-License-Identifier: Apache-2.0
#include "api/json.h"

#include "api/json_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * cJSON takes 64 bytes for a value, and 16 for a short string or, for a moment, a number: "1," is
 * 40 bytes of tree for a byte of text, and nothing is worse. A file's text lies in the arena, too.
 */
#define TREE_PER_BYTE 40u
#define ARENA_EXTRA   4096u
#define ARENA_KEEP    ((size_t)64 * 1024) /* bytes that stay with us between documents */
#define ARENA_ALIGN   16u

static struct {
	char *base;
	size_t size, used, last; /* last: offset of the newest block */
	size_t max_len;		 /* of a document */
} arena;

static void *arena_alloc(size_t len)
{
	size_t need;

	if (len > arena.size - arena.used)
		return NULL;
	need = (len + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (need > arena.size - arena.used)
		return NULL;
	arena.last = arena.used;
	arena.used += need;
	return arena.base + arena.last;
}

/* Only the newest block comes back at once; all do with the next document. */
static void arena_free(void *p)
{
	if (p && (char *)p == arena.base + arena.last)
		arena.used = arena.last;
}

static void arena_reset(void)
{
	if (arena.used > ARENA_KEEP)
		madvise(arena.base + ARENA_KEEP, arena.size - ARENA_KEEP, MADV_DONTNEED);
	arena.used = 0;
	arena.last = 0;
}

int json_init(size_t max_len, struct err *e)
{
	cJSON_Hooks hooks = { .malloc_fn = arena_alloc, .free_fn = arena_free };
	size_t size;
	void *base;

	if (__builtin_mul_overflow(max_len, TREE_PER_BYTE + 1, &size) ||
	    __builtin_add_overflow(size, ARENA_KEEP + ARENA_EXTRA, &size))
		return err_set(e, -EINVAL, "JSON documents of %zu bytes: too large", max_len);
	base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	if (base == MAP_FAILED)
		return err_sys(e, -errno, "address space for JSON documents of %zu bytes", max_len);
	/* A small document must not cost 2 MiB. Advice: a kernel without huge pages has none to
	 * give. */
	(void)madvise(base, size, MADV_NOHUGEPAGE);
	if (arena.base)
		munmap(arena.base, arena.size);
	arena.base = base;
	arena.size = size;
	arena.used = 0;
	arena.last = 0;
	arena.max_len = max_len;
	cJSON_InitHooks(&hooks);
	return 0;
}

static const cJSON *parse(const char *text, size_t len, struct err *e)
{
	const cJSON *tree;

	if (len > arena.max_len) {
		err_set(e, -EFBIG, "a JSON document of %zu bytes, expected at most %zu", len,
			arena.max_len);
		return NULL;
	}
	if (json_check(text, len, e) < 0)
		return NULL;
	tree = cJSON_ParseWithLength(text, len);
	if (!tree)
		err_set(e, -ENOMEM, "a JSON document of %zu bytes needs too much memory", len);
	return tree;
}

const cJSON *json_parse(const char *text, size_t len, struct err *e)
{
	arena_reset();
	return parse(text, len, e);
}

/* Reads up to `cap` bytes; how many there were, or -errno. */
static ssize_t read_all(int fd, char *buf, size_t cap)
{
	size_t len = 0;

	while (len < cap) {
		ssize_t n = read(fd, buf + len, cap - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/* A whole file into the arena, which is emptied for it, with a NUL behind it; NULL with *e set. */
static char *read_file(const char *what, const char *path, size_t *text_len, struct err *e)
{
	ssize_t len;
	char *text;
	int fd;

	arena_reset();
	text = arena_alloc(arena.max_len + 1);
	if (!text) {
		err_set(e, -ENOMEM, "%s %s: no memory for it", what, path);
		return NULL;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err_sys(e, -errno, "%s %s", what, path);
		return NULL;
	}
	len = read_all(fd, text, arena.max_len + 1);
	close(fd);
	if (len < 0) {
		err_sys(e, (int)len, "%s %s", what, path);
		return NULL;
	}
	if ((size_t)len > arena.max_len) {
		err_set(e, -EFBIG, "%s %s: larger than %zu bytes", what, path, arena.max_len);
		return NULL;
	}
	text[len] = '\0';
	*text_len = (size_t)len;
	return text;
}

const cJSON *json_parse_file(const char *what, const char *path, struct err *e)
{
	struct err why = { 0 };
	const cJSON *tree;
	size_t len;
	char *text = read_file(what, path, &len, e);

	if (!text)
		return NULL;
	tree = parse(text, len, &why);
	if (!tree)
		err_set(e, why.code, "%s %s: %s", what, path, why.msg);
	return tree;
}

char *json_copy_file(const char *what, const char *path, size_t max_len, struct err *e)
{
	struct err why = { 0 };
	size_t len;
	char *text = read_file(what, path, &len, e);

	if (!text)
		return NULL;
	if (json_check(text, len, &why) < 0) {
		err_set(e, why.code, "%s %s: %s", what, path, why.msg);
		return NULL;
	}
	cJSON_Minify(text);
	len = strlen(text);
	if (len > max_len) {
		err_set(e, -EFBIG, "%s %s: %zu bytes without spaces, expected at most %zu", what,
			path, len, max_len);
		return NULL;
	}
	text = strdup(text);
	if (!text)
		err_set(e, -ENOMEM, "%s %s: no memory for it", what, path);
	return text;
}
