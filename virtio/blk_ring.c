// SPDX-License-Identifier: Apache-2.0
/* Loop thread, or before the loop runs. */
#include "virtio/blk_ring.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/util.h"

static int enter(const struct blk_ring *r, unsigned int submit, unsigned int wait_for)
{
	unsigned int flags = wait_for != 0 ? IORING_ENTER_GETEVENTS : 0;
	long n = syscall(SYS_io_uring_enter, r->fd, submit, wait_for, flags, NULL, 0);

	return n < 0 ? -errno : (int)n;
}

static int do_register(const struct blk_ring *r, unsigned int how, const void *arg, unsigned int nr)
{
	return syscall(SYS_io_uring_register, r->fd, how, arg, nr) < 0 ? -errno : 0;
}

static int map_queues(struct blk_ring *r, const struct io_uring_params *p)
{
	const int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_POPULATE;
	uint8_t *at;

	r->queues_len = max_u64(p->sq_off.array + p->sq_entries * sizeof(uint32_t),
				p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe));
	r->sqes_len = p->sq_entries * sizeof(struct io_uring_sqe);
	at = mmap(NULL, r->queues_len, prot, flags, r->fd, IORING_OFF_SQ_RING);
	if (at == MAP_FAILED)
		return -errno;
	r->queues = at;
	r->sqes = mmap(NULL, r->sqes_len, prot, MAP_SHARED, r->fd, IORING_OFF_SQES);
	if (r->sqes == MAP_FAILED) {
		r->sqes = NULL;
		return -errno;
	}
	r->sq_head = (void *)(at + p->sq_off.head);
	r->sq_tail = (void *)(at + p->sq_off.tail);
	r->cq_head = (void *)(at + p->cq_off.head);
	r->cq_tail = (void *)(at + p->cq_off.tail);
	r->cqes = (void *)(at + p->cq_off.cqes);
	r->sq_mask = p->sq_entries - 1;
	r->cq_mask = p->cq_entries - 1;
	/* An entry's place is its number: the table between the two says nothing. */
	for (uint32_t i = 0; i < p->sq_entries; i++)
		((uint32_t *)(void *)(at + p->sq_off.array))[i] = i;
	return 0;
}

static const char *reason(int r)
{
	if (r == -ENOSYS)
		return "the host's kernel has no io_uring";
	if (r == -EPERM || r == -EACCES)
		return "the host forbids io_uring (kernel.io_uring_disabled, or seccomp)";
	return strerror(-r);
}

/*
 * What the ring can be asked for, for good: seccomp does not see what goes through it, and whoever
 * takes over the loop must not open or connect by it. The file is always the registered one.
 */
static int restrict_ring(const struct blk_ring *r)
{
	static const struct io_uring_restriction allowed[] = {
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READV },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITEV },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_FSYNC },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_FALLOCATE },
		{ .opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED, .sqe_flags = IOSQE_FIXED_FILE },
		{ .opcode = IORING_RESTRICTION_REGISTER_OP,
		  .register_op = IORING_REGISTER_FILES_UPDATE },
	};
	int ret = do_register(r, IORING_REGISTER_RESTRICTIONS, allowed, ARRAY_SIZE(allowed));

	return ret < 0 ? ret : do_register(r, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

int blk_ring_init(struct blk_ring *r, int fd, struct err *e)
{
	struct io_uring_params p = { .flags = IORING_SETUP_R_DISABLED | IORING_SETUP_COOP_TASKRUN };
	int32_t file = fd;
	int ret = 0;

	memset(r, 0, sizeof(*r));
	r->fd = (int)syscall(SYS_io_uring_setup, BLK_RING_DEPTH, &p);
	if (r->fd < 0 && errno == EINVAL) {
		/* Before Linux 5.19: it interrupts us where it could wait. */
		p = (struct io_uring_params){ .flags = IORING_SETUP_R_DISABLED };
		r->fd = (int)syscall(SYS_io_uring_setup, BLK_RING_DEPTH, &p);
	}
	if (r->fd < 0)
		ret = -errno;
	/* One mapping for both queues, and iovecs that need not stay: since Linux 5.5. */
	else if (!(p.features & IORING_FEAT_SINGLE_MMAP))
		ret = -ENOSYS;
	if (ret == 0)
		ret = map_queues(r, &p);
	if (ret == 0)
		ret = do_register(r, IORING_REGISTER_FILES, &file, 1);
	if (ret == 0)
		ret = restrict_ring(r);
	if (ret < 0) {
		blk_ring_release(r);
		return err_set(e, ret,
			       "io_engine Async: %s; expected a host that allows io_uring, "
			       "or io_engine Sync",
			       reason(ret));
	}
	r->tail = *r->sq_tail;
	return 0;
}

void blk_ring_release(struct blk_ring *r)
{
	if (r->queues)
		munmap(r->queues, r->queues_len);
	if (r->sqes)
		munmap(r->sqes, r->sqes_len);
	if (r->fd >= 0)
		close(r->fd);
	*r = (struct blk_ring){ .fd = -1 };
}

int blk_ring_set_file(struct blk_ring *r, int fd)
{
	int32_t file = fd;
	struct io_uring_files_update u = { .fds = (uintptr_t)&file };

	return do_register(r, IORING_REGISTER_FILES_UPDATE, &u, 1);
}

void blk_ring_add(struct blk_ring *r, const struct blk_op *op, uint64_t tag)
{
	static const uint8_t codes[] = {
		[BLK_READ] = IORING_OP_READV,	  [BLK_WRITE] = IORING_OP_WRITEV,
		[BLK_FLUSH] = IORING_OP_FSYNC,	  [BLK_DISCARD] = IORING_OP_FALLOCATE,
		[BLK_ZERO] = IORING_OP_FALLOCATE, [BLK_ZERO_UNMAP] = IORING_OP_FALLOCATE,
	};
	struct io_uring_sqe *s = &r->sqes[r->tail++ & r->sq_mask];

	memset(s, 0, sizeof(*s));
	s->opcode = codes[op->kind];
	s->flags = IOSQE_FIXED_FILE; /* the one that is registered, number 0 */
	s->user_data = tag;
	if (op->kind == BLK_FLUSH) {
		s->fsync_flags = IORING_FSYNC_DATASYNC;
		return;
	}
	s->off = op->off;
	if (op->kind == BLK_READ || op->kind == BLK_WRITE) {
		s->addr = (uintptr_t)op->iov;
		s->len = (uint32_t)op->nr;
	} else {
		s->addr = op->len;
		s->len = (uint32_t)blk_file_mode(op->kind);
	}
}

int blk_ring_submit(struct blk_ring *r, unsigned int wait_for)
{
	__atomic_store_n(r->sq_tail, r->tail, __ATOMIC_RELEASE);
	for (;;) {
		unsigned int left = r->tail - __atomic_load_n(r->sq_head, __ATOMIC_ACQUIRE);
		unsigned int ended = __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE) - *r->cq_head;
		int n;

		if (left == 0 && ended >= wait_for)
			return 0;
		n = enter(r, left, wait_for);
		if (n < 0 && n != -EINTR)
			return n;
		if (n == 0 && left != 0)
			return -EAGAIN;
	}
}

bool blk_ring_take_back(struct blk_ring *r, uint64_t *tag)
{
	if (r->tail == __atomic_load_n(r->sq_head, __ATOMIC_ACQUIRE))
		return false;
	/* The kernel looks at the queue only while we call it. */
	*tag = r->sqes[--r->tail & r->sq_mask].user_data;
	__atomic_store_n(r->sq_tail, r->tail, __ATOMIC_RELEASE);
	return true;
}

bool blk_ring_next(struct blk_ring *r, uint64_t *tag, int32_t *result)
{
	uint32_t head = *r->cq_head;
	const struct io_uring_cqe *c = &r->cqes[head & r->cq_mask];

	if (head == __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE))
		return false;
	*tag = c->user_data;
	*result = c->res;
	__atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
	return true;
}
