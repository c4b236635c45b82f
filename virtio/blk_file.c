// SPDX-License-Identifier: Apache-2.0
/* blk_file_open, blk_file_close: builder thread. The rest: event-loop thread. */
#define _GNU_SOURCE
#include "virtio/blk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "vmm/mutants.h"
#include "vmm/util.h"

void blk_file_set_id(struct blk_file *f, const char *id)
{
	memset(f->id, 0, sizeof(f->id));
	memcpy(f->id, id, min_u64(strlen(id), sizeof(f->id)));
}

/* A stable name for the disk, so that the guest's /dev/disk/by-id stays the same. */
static void make_id(struct blk_file *f, const struct stat *st)
{
	char text[64];

	snprintf(text, sizeof(text), "%llu%llu%llu", (unsigned long long)st->st_dev,
		 (unsigned long long)st->st_rdev, (unsigned long long)st->st_ino);
	blk_file_set_id(f, text);
}

static int check_kind(const struct blk_file *f, const char *path, const struct stat *st,
		      struct err *e)
{
	off_t size;

	if (!S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode))
		return err_set(e, -EINVAL, "disk %.200s: not a regular file or block device", path);
	size = lseek(f->fd, 0, SEEK_END);
	if (size < 0)
		return err_sys(e, -errno, "disk %.200s: size", path);
	return 0;
}

/* Whether the file's contents are always in memory, so that no access waits for a device. */
static bool is_in_memory(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 &&
	       ((unsigned long)fs.f_type == TMPFS_MAGIC || (unsigned long)fs.f_type == RAMFS_MAGIC);
}

int blk_file_open(struct blk_file *f, const char *path, bool read_only, struct err *e)
{
	struct stat st;
	int r;

	memset(f, 0, sizeof(*f));
	f->read_only = read_only;
	/* O_NONBLOCK: opening a FIFO by mistake must fail, not wait. It means nothing for disks. */
	f->fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
	if (f->fd < 0)
		return err_sys(e, -errno, "disk %.200s", path);
	r = fstat(f->fd, &st) < 0 ? err_sys(e, -errno, "disk %.200s", path)
				  : check_kind(f, path, &st, e);
	if (r < 0) {
		blk_file_close(f);
		return r;
	}
	f->sectors = (uint64_t)lseek(f->fd, 0, SEEK_END) / BLK_SECTOR;
	f->in_memory = S_ISREG(st.st_mode) && is_in_memory(f->fd);
	make_id(f, &st);
	return 0;
}

void blk_file_close(struct blk_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

int blk_file_dup(struct blk_file *copy, const struct blk_file *f)
{
	int fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return -errno;
	*copy = *f;
	copy->fd = fd;
	return 0;
}

/* ---- operations ------------------------------------------------------------------------------ */

/* Drops the first `n` bytes of the operation, which has at least that many. */
static void advance(struct blk_op *op, size_t n)
{
	op->off += n;
	op->len -= n;
	while (n != 0) {
		size_t part = min_u64(n, op->iov->iov_len);

		op->iov->iov_base = (uint8_t *)op->iov->iov_base + part;
		op->iov->iov_len -= part;
		n -= part;
		if (op->iov->iov_len == 0) {
			op->iov++;
			op->nr--;
		}
	}
}

static int transfer(const struct blk_file *f, struct blk_op *op,
		    ssize_t (*io)(int, const struct iovec *, int, off_t))
{
	while (op->len != 0) {
		ssize_t n = io(f->fd, op->iov, op->nr, (off_t)op->off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		if ((uint64_t)n == op->len)
			return 0;
		advance(op, (size_t)n);
	}
	return 0;
}

/* For file systems that cannot make zeroes: they are written. */
static int write_zeroes(const struct blk_file *f, uint64_t off, uint64_t len)
{
	static const uint8_t zeroes[4096];
	int r = 0;

	while (len != 0 && r == 0) {
		struct iovec iov[64];
		struct blk_op op = { .kind = BLK_WRITE, .iov = iov, .off = off };

		for (; op.nr < (int)ARRAY_SIZE(iov) && op.len < len; op.nr++) {
			size_t part = min_u64(sizeof(zeroes), len - op.len);

			iov[op.nr] = (struct iovec){ (void *)(uintptr_t)zeroes, part };
			op.len += part;
		}
		off += op.len;
		len -= op.len;
		r = transfer(f, &op, pwritev);
	}
	return r;
}

int blk_file_mode(enum blk_op_kind kind)
{
	return FALLOC_FL_KEEP_SIZE |
	       (kind == BLK_ZERO ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE);
}

static int allocate(const struct blk_file *f, const struct blk_op *op)
{
	int r;

	do {
		r = fallocate(f->fd, blk_file_mode(op->kind), (off_t)op->off, (off_t)op->len);
	} while (r < 0 && errno == EINTR);
	if (r < 0 && errno == EOPNOTSUPP && op->kind != BLK_DISCARD)
		return write_zeroes(f, op->off, op->len);
	return r < 0 ? -errno : 0;
}

int blk_file_do(const struct blk_file *f, struct blk_op *op)
{
	switch (op->kind) {
	case BLK_READ:
		return transfer(f, op, preadv);
	case BLK_WRITE:
		return transfer(f, op, pwritev);
	case BLK_FLUSH:
		return fdatasync(f->fd) < 0 ? -errno : 0;
	default:
		return op->len != 0 ? allocate(f, op) : 0;
	}
}

int blk_file_done(const struct blk_file *f, struct blk_op *op, int32_t result)
{
	bool moves = op->kind == BLK_READ || op->kind == BLK_WRITE;

	if (result == -EINTR || result == -EAGAIN ||
	    (result == -EOPNOTSUPP && (op->kind == BLK_ZERO || op->kind == BLK_ZERO_UNMAP)))
		return blk_file_do(f, op);
	if (result < 0 || !moves)
		return result < 0 ? result : 0;
	if (MUT_ENDED((uint32_t)result < op->len) == 0)
		return 0;
	if (result == 0)
		return -EIO;
	advance(op, (size_t)result);
	return 1;
}
