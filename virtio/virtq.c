// SPDX-License-Identifier: Apache-2.0
/* Event-loop thread only. */
#include "virtio/virtq.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "vmm/mutants.h"
#include "vmm/util.h"

_Static_assert(sizeof(struct vring_desc) == 16, "descriptor layout, virtio 1.2 §2.7.5");
_Static_assert(sizeof(struct vring_used_elem) == 8, "used element layout, virtio 1.2 §2.7.8");

/* Offsets inside the rings (§2.7.6, §2.7.8). */
enum {
	RING_FLAGS = 0,
	RING_IDX = 2,
	RING_ENTRIES = 4,
};

static size_t avail_len(uint16_t size)
{
	return RING_ENTRIES + 2u * size + 2u; /* with used_event */
}

static size_t used_len(uint16_t size)
{
	return RING_ENTRIES + 8u * size + 2u; /* with avail_event */
}

static guest_ram void *used_event(const struct virtq *q)
{
	return gmem_off(q->avail, RING_ENTRIES + 2u * q->size);
}

static guest_ram void *avail_event(const struct virtq *q)
{
	return gmem_off(q->used, RING_ENTRIES + 8u * q->size);
}

static int broken(struct virtq *q, enum virtq_fault why)
{
	q->fault = (uint8_t)why;
	return -EIO;
}

int virtq_enable(struct virtq *q, const struct gmem *m, const struct virtq_regs *r,
		 uint64_t features)
{
	memset(q, 0, sizeof(*q));
	q->mem = m;
	q->size = r->size;
	q->event_idx = features & (1ull << VIRTIO_RING_F_EVENT_IDX);
	q->indirect = features & (1ull << VIRTIO_RING_F_INDIRECT_DESC);
	if (!is_pow2(r->size) || r->size > VIRTQ_SIZE_MAX || (r->desc & 15) || (r->avail & 1) ||
	    (r->used & 3)) {
		broken(q, VIRTQ_BAD_GEOMETRY);
		return -EINVAL;
	}
	q->desc = gmem_map(m, r->desc, sizeof(struct vring_desc) * r->size);
	q->avail = gmem_map(m, r->avail, avail_len(r->size));
	q->used = gmem_map(m, r->used, used_len(r->size));
	if (!q->desc || !q->avail || !q->used) {
		broken(q, VIRTQ_BAD_GEOMETRY);
		return -EINVAL;
	}
	q->enabled = true;
	return 0;
}

void virtq_disable(struct virtq *q)
{
	memset(q, 0, sizeof(*q));
}

/* Adds one descriptor's buffer to the chain. */
static int add_buffer(struct virtq *q, struct virtq_chain *c, const struct vring_desc *d)
{
	bool writable = d->flags & VRING_DESC_F_WRITE;
	int used = c->nr_read + c->nr_write;
	uint64_t *sum = writable ? &c->write_len : &c->read_len;
	int nr;

	/* A device that has begun to write never finds more to read (§2.7.4.2). */
	if (!writable && c->nr_write != 0)
		return broken(q, VIRTQ_BAD_ORDER);
	nr = gmem_iov(q->mem, d->addr, d->len, &c->iov[used], MUT_IOV_ROOM(VIRTQ_IOV_MAX - used));
	if (nr == -ENOSPC)
		return broken(q, VIRTQ_TOO_LONG);
	if (nr < 0)
		return broken(q, VIRTQ_BAD_BUFFER);
	*sum += d->len;
	if (*sum > UINT32_MAX)
		return broken(q, VIRTQ_TOO_LONG);
	if (writable)
		c->nr_write = (uint16_t)(c->nr_write + nr);
	else
		c->nr_read = (uint16_t)(c->nr_read + nr);
	return 0;
}

/*
 * Follows the links of a table of `nr` descriptors from `index`, copying each descriptor before
 * looking at it. Stops at an indirect descriptor, which it leaves in *last: only a main table may
 * hold one, as its chain's last element (§2.7.5.3.1).
 */
static int walk_table(struct virtq *q, struct virtq_chain *c, guest_ram void *table, uint32_t nr,
		      uint16_t index, struct vring_desc *last)
{
	for (uint32_t seen = 0; MUT_WALK_ON(seen < nr); seen++) {
		guest_ram void *at = gmem_off(table, sizeof(*last) * index);
		int r;

		gmem_ldcpy(last, at, sizeof(*last));
		if (last->flags & VRING_DESC_F_INDIRECT)
			return 0;
		r = add_buffer(q, c, MUT_DESC(last, at));
		if (r < 0)
			return r;
		if (!(last->flags & VRING_DESC_F_NEXT))
			return 0;
		index = last->next;
		if (MUT_INDEX_BAD(index >= nr))
			return broken(q, VIRTQ_BAD_NEXT);
	}
	return broken(q, VIRTQ_LOOP);
}

static int walk_indirect(struct virtq *q, struct virtq_chain *c, const struct vring_desc *d)
{
	uint32_t nr = d->len / (uint32_t)sizeof(*d);
	struct vring_desc last;
	guest_ram void *table;
	int r;

	if (!q->indirect || (d->flags & VRING_DESC_F_NEXT) || d->len % sizeof(*d) != 0 || nr == 0 ||
	    nr > q->size)
		return broken(q, VIRTQ_BAD_INDIRECT);
	table = gmem_map(q->mem, d->addr, d->len);
	if (!table)
		return broken(q, VIRTQ_BAD_INDIRECT);
	r = walk_table(q, c, table, nr, 0, &last);
	if (r == 0 && (last.flags & VRING_DESC_F_INDIRECT))
		return broken(q, VIRTQ_BAD_INDIRECT);
	return r;
}

static bool head_in_flight(const struct virtq *q, uint16_t head)
{
	return q->in_flight[head / 64] >> (head % 64) & 1;
}

/* Reads avail.idx when all that was announced is taken. 1 = there is something, 0 = nothing. */
static int look_for_more(struct virtq *q)
{
	uint16_t idx;

	if (q->avail_seen != q->next_avail)
		return 1;
	/* Acquire pairs with the driver's barrier before it moves idx: entries come first. */
	idx = gmem_ld16_acq(gmem_off(q->avail, RING_IDX));
	if (MUT_AVAIL_BAD((uint16_t)(idx - q->next_avail) > q->size))
		return broken(q, VIRTQ_BAD_AVAIL_IDX);
	q->avail_seen = idx;
	return idx != q->next_avail;
}

int virtq_pop(struct virtq *q, struct virtq_chain *c)
{
	struct vring_desc last;
	uint16_t head;
	int r;

	if (!q->enabled || q->fault != VIRTQ_OK)
		return -EIO;
	r = look_for_more(q);
	if (r <= 0)
		return r;
	head = gmem_ld16(gmem_off(q->avail, RING_ENTRIES + 2u * (q->next_avail & (q->size - 1u))));
	if (MUT_INDEX_BAD(head >= q->size))
		return broken(q, VIRTQ_BAD_HEAD);
	if (MUT_IN_FLIGHT(head_in_flight(q, head)))
		return broken(q, VIRTQ_HEAD_IN_USE);
	c->head = head;
	c->nr_read = c->nr_write = 0;
	c->read_len = c->write_len = 0;
	r = walk_table(q, c, q->desc, q->size, head, &last);
	if (r == 0 && (last.flags & VRING_DESC_F_INDIRECT))
		r = walk_indirect(q, c, &last);
	if (r < 0)
		return r;
	q->next_avail++;
	q->in_flight[head / 64] |= 1ull << (head % 64);
	q->nr_in_flight++;
	return 1;
}

void virtq_push(struct virtq *q, uint16_t head, uint32_t written)
{
	struct vring_used_elem e = { .id = head, .len = written };

	if (!q->enabled || q->fault != VIRTQ_OK)
		return;
	gmem_stcpy(gmem_off(q->used, RING_ENTRIES + 8u * (q->next_used & (q->size - 1u))), &e,
		   sizeof(e));
	q->next_used++;
	q->in_flight[head / 64] &= ~(1ull << (head % 64));
	q->nr_in_flight--;
}

void virtq_show(struct virtq *q)
{
	if (!q->enabled || q->fault != VIRTQ_OK || q->published == q->next_used)
		return;
	/* Release pairs with the driver's barrier after it reads idx: elements come first. */
	gmem_st16_rel(gmem_off(q->used, RING_IDX), q->next_used);
	q->published = q->next_used;
}

void virtq_unpop(struct virtq *q, uint16_t head)
{
	if (!q->enabled || q->fault != VIRTQ_OK)
		return;
	q->next_avail--;
	q->in_flight[head / 64] &= ~(1ull << (head % 64));
	q->nr_in_flight--;
}

bool virtq_publish(struct virtq *q)
{
	uint16_t old = q->signalled;
	bool first = !q->signalled_valid;
	uint16_t event;

	if (!q->enabled || q->fault != VIRTQ_OK || old == q->next_used)
		return false;
	virtq_show(q);
	q->signalled = q->next_used;
	q->signalled_valid = true;
	/* idx must be visible before we look whether the driver waits for it, or both sides sleep.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!q->event_idx)
		return !(gmem_ld16(gmem_off(q->avail, RING_FLAGS)) & VRING_AVAIL_F_NO_INTERRUPT);
	event = gmem_ld16(used_event(q));
	return first || MUT_EVENT_DUE(vring_need_event(event, q->next_used, old),
				      event >= old && event < q->next_used);
}

void virtq_mute(struct virtq *q)
{
	if (q->enabled && !q->event_idx)
		gmem_st16(gmem_off(q->used, RING_FLAGS), VRING_USED_F_NO_NOTIFY);
}

bool virtq_unmute(struct virtq *q)
{
	if (!q->enabled || q->fault != VIRTQ_OK)
		return false;
	if (q->event_idx)
		gmem_st16(avail_event(q), q->next_avail);
	else
		gmem_st16(gmem_off(q->used, RING_FLAGS), 0);
	/* The wish must be visible before we look again, or a chain added meanwhile is missed. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return gmem_ld16_acq(gmem_off(q->avail, RING_IDX)) != q->next_avail;
}

const char *virtq_fault_name(enum virtq_fault f)
{
	static const char *const name[] = {
		[VIRTQ_OK] = "none",
		[VIRTQ_BAD_GEOMETRY] = "bad ring geometry",
		[VIRTQ_BAD_AVAIL_IDX] = "available index too far ahead",
		[VIRTQ_BAD_HEAD] = "chain head outside the table",
		[VIRTQ_HEAD_IN_USE] = "chain head already in flight",
		[VIRTQ_BAD_NEXT] = "descriptor link outside the table",
		[VIRTQ_LOOP] = "descriptor chain longer than the queue",
		[VIRTQ_BAD_ORDER] = "readable descriptor after a writable one",
		[VIRTQ_BAD_BUFFER] = "buffer empty or outside guest memory",
		[VIRTQ_TOO_LONG] = "too many segments or bytes in a chain",
		[VIRTQ_BAD_INDIRECT] = "bad indirect descriptor",
	};

	return (unsigned int)f < ARRAY_SIZE(name) ? name[f] : "unknown";
}
