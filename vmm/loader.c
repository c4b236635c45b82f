// SPDX-License-Identifier: Apache-2.0
/* Builder thread only. Finds out what a kernel file is, and places the initrd. */
#include "vmm/loader.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "vmm/loader_impl.h"
#include "vmm/util.h"
#include "vmm/x86/layout.h"

#define PAGE_LEN 4096u

struct size_text size_text(uint64_t bytes)
{
	struct size_text t;

	if (bytes >= MIB(1))
		snprintf(t.s, sizeof(t.s), "%" PRIu64 " MiB", bytes >> 20);
	else if (bytes >= KIB(1))
		snprintf(t.s, sizeof(t.s), "%" PRIu64 " KiB", bytes >> 10);
	else
		snprintf(t.s, sizeof(t.s), "%" PRIu64 " bytes", bytes);
	return t;
}

bool kernel_fits(const struct gmem *m, uint64_t gpa, uint64_t len)
{
	struct iovec iov[GMEM_MAX_REGIONS];

	if (gpa < HIGH_RAM_GPA || gpa >= KERNEL_LIMIT_GPA || len > KERNEL_LIMIT_GPA - gpa)
		return false;
	return gmem_iov(m, gpa, len, iov, GMEM_MAX_REGIONS) > 0;
}

uint64_t ram_run_end(const struct gmem *m, uint64_t gpa)
{
	uint64_t end = 0;

	for (unsigned int i = 0; i < m->nr; i++) {
		const struct gmem_region *r = &m->region[i];

		if (gpa - r->gpa < r->len || (end != 0 && r->gpa == end))
			end = r->gpa + r->len;
	}
	return end;
}

static int read_failed(const struct image_file *f, uint64_t off, ssize_t n, struct err *e)
{
	if (n < 0)
		return err_sys(e, -errno, "%s %s: read at 0x%" PRIx64, f->what, f->name, off);
	return err_set(e, -EIO, "%s %s: file ended at 0x%" PRIx64 " while it was read, expected %s",
		       f->what, f->name, off, size_text(f->size).s);
}

int image_read(const struct image_file *f, uint64_t off, void *buf, size_t len, struct err *e)
{
	uint8_t *p = buf;

	while (len > 0) {
		struct iovec iov = { .iov_base = p, .iov_len = len };
		ssize_t n = preadv(f->fd, &iov, 1, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return read_failed(f, off, n, e);
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int image_copy(const struct gmem *m, const struct image_file *f, const struct image_chunk *c,
	       struct err *e)
{
	struct iovec iov[GMEM_MAX_REGIONS];
	uint64_t done = 0;

	/* One call takes all of it, unless it is cut at 2 GiB or by a signal. */
	while (done < c->len) {
		int nr = gmem_iov(m, c->gpa + done, c->len - done, iov, GMEM_MAX_REGIONS);
		ssize_t n;

		if (nr < 0)
			return err_set(e, nr, "%s %s: 0x%" PRIx64 " is outside guest memory",
				       f->what, f->name, c->gpa + done);
		n = preadv(f->fd, iov, nr, (off_t)(c->off + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return read_failed(f, c->off + done, n, e);
		done += (uint64_t)n;
	}
	return 0;
}

/*
 * Maps the whole pages of `c` over guest memory. 1: done, *pages says which; 0: it has none, or its
 * place in a page differs between file and memory.
 */
static int map_pages(const struct gmem *m, const struct image_file *f, const struct image_chunk *c,
		     struct image_chunk *pages, struct err *e)
{
	uint64_t skip = align_up(c->gpa, PAGE_LEN) - c->gpa;
	struct iovec iov;
	void *p;

	if (c->len < skip + PAGE_LEN)
		return 0;
	*pages = (struct image_chunk){ .off = c->off + skip,
				       .gpa = c->gpa + skip,
				       .len = align_down(c->len - skip, PAGE_LEN) };
	/* Two regions are two mappings of which we know nothing; such a segment is copied. */
	if (gmem_iov(m, pages->gpa, pages->len, &iov, 1) != 1)
		return 0;
	if (((uintptr_t)iov.iov_base | pages->off) & (PAGE_LEN - 1))
		return 0;
	p = mmap(iov.iov_base, pages->len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, f->fd, (off_t)pages->off);
	if (p == MAP_FAILED)
		return err_sys(e, -errno, "%s %s: map %s at 0x%" PRIx64, f->what, f->name,
			       size_text(pages->len).s, pages->off);
	/* As the guest memory that it takes the place of. */
	madvise(p, pages->len, MADV_DONTDUMP);
	return 1;
}

int image_place(const struct gmem *m, const struct image_file *f, const struct image_chunk *c,
		struct err *e)
{
	struct image_chunk pages, head = *c, tail = *c;
	int ret;

	if (f->mode == LOAD_COPY)
		return image_copy(m, f, c, e);
	ret = map_pages(m, f, c, &pages, e);
	if (ret < 0)
		return ret;
	if (ret == 0)
		return image_copy(m, f, c, e);
	/* What shares a page with something else (bss, the next segment) is copied. */
	head.len = pages.gpa - c->gpa;
	tail.gpa = pages.gpa + pages.len;
	tail.off = pages.off + pages.len;
	tail.len = c->gpa + c->len - tail.gpa;
	ret = image_copy(m, f, &head, e);
	return ret ? ret : image_copy(m, f, &tail, e);
}

static int image_open(struct image_file *f, struct err *e)
{
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return err_sys(e, -errno, "%s %s: stat", f->what, f->name);
	/* A pipe cannot be read by position, and a device may have no end. */
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s %s: not a regular file", f->what, f->name);
	if (st.st_size <= 0)
		return err_set(e, -ENODATA, "%s %s: file is empty", f->what, f->name);
	f->size = (uint64_t)st.st_size;
	return 0;
}

int loader_kernel(const struct gmem *m, int fd, const char *name, enum load_mode mode,
		  struct kernel_image *out, struct err *e)
{
	struct image_file f = { .what = "kernel", .name = name, .fd = fd, .mode = mode };
	uint8_t head[KERNEL_HEAD_LEN] = { 0 };
	struct kernel_image k = { 0 };
	int ret;

	ret = image_open(&f, e);
	if (ret == 0)
		ret = image_read(&f, 0, head, (size_t)min_u64(f.size, sizeof(head)), e);
	if (ret < 0)
		return ret;
	if (memcmp(head, ELFMAG, SELFMAG) == 0)
		ret = elf_load(m, &f, head, &k, e);
	else if (memcmp(head + 0x202, "HdrS", 4) == 0)
		ret = bzimage_load(m, &f, head, &k, e);
	else
		ret = err_set(e, -ENOEXEC,
			      "kernel %s: not a kernel: starts with %02x %02x %02x %02x, "
			      "expected an ELF or bzImage header",
			      name, head[0], head[1], head[2], head[3]);
	if (ret == 0)
		*out = k;
	return ret;
}

int loader_initrd(const struct gmem *m, int fd, const char *name, const struct kernel_image *k,
		  struct initrd_image *out, struct err *e)
{
	struct image_file f = { .what = "initrd", .name = name, .fd = fd, .mode = LOAD_COPY };
	struct image_chunk c = { 0 };
	uint64_t floor, top;
	int ret;

	ret = image_open(&f, e);
	if (ret < 0)
		return ret;
	top = min_u64(ram_run_end(m, k->end - 1), KERNEL_LIMIT_GPA);
	if (k->initrd_max < top)
		top = k->initrd_max + 1;
	floor = min_u64(align_up(k->end, PAGE_LEN), top);
	c.len = f.size;
	if (f.size <= top - floor)
		c.gpa = floor;
	if (c.gpa < floor || c.gpa == 0)
		return err_set(e, -E2BIG,
			       "initrd %s: %s does not fit below 0x%" PRIx64
			       " (%s free above the kernel)",
			       name, size_text(f.size).s, top, size_text(top - floor).s);
	ret = image_copy(m, &f, &c, e);
	if (ret == 0)
		*out = (struct initrd_image){ .gpa = c.gpa, .len = c.len };
	return ret;
}
