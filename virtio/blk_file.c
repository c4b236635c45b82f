// SPDX-License-Identifier: Apache-2.0
/* blk_file_open, blk_file_close: builder thread. The rest: event-loop thread. */
#include "virtio/blk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/util.h"

/* A stable name for the disk, so that the guest's /dev/disk/by-id stays the same. */
static void make_id(struct blk_file *f, const struct stat *st)
{
	char text[64];

	snprintf(text, sizeof(text), "%llu%llu%llu", (unsigned long long)st->st_dev,
		 (unsigned long long)st->st_rdev, (unsigned long long)st->st_ino);
	memset(f->id, 0, sizeof(f->id));
	memcpy(f->id, text, min_u64(strlen(text), sizeof(f->id)));
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

/* Drops the first `n` bytes of the segments, which hold at least that many. */
static void advance(struct iovec **iov, int *nr, size_t n)
{
	while (n != 0) {
		size_t part = min_u64(n, (*iov)->iov_len);

		(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + part;
		(*iov)->iov_len -= part;
		n -= part;
		if ((*iov)->iov_len == 0) {
			(*iov)++;
			(*nr)--;
		}
	}
}

static int transfer(const struct blk_file *f, struct iovec *iov, int nr, uint64_t off, uint64_t len,
		    ssize_t (*io)(int, const struct iovec *, int, off_t))
{
	while (len != 0) {
		ssize_t n = io(f->fd, iov, nr, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		len -= (uint64_t)n;
		off += (uint64_t)n;
		if (len != 0)
			advance(&iov, &nr, (size_t)n);
	}
	return 0;
}

int blk_file_read(const struct blk_file *f, struct iovec *iov, int nr, uint64_t off, uint64_t len)
{
	return transfer(f, iov, nr, off, len, preadv);
}

int blk_file_write(const struct blk_file *f, struct iovec *iov, int nr, uint64_t off, uint64_t len)
{
	return transfer(f, iov, nr, off, len, pwritev);
}

int blk_file_flush(const struct blk_file *f)
{
	return fdatasync(f->fd) < 0 ? -errno : 0;
}
