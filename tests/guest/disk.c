// SPDX-License-Identifier: Apache-2.0
/* Requests that a disk must refuse, and those at the edges that it must not. The image has 64
 * sectors; the test looks at it afterwards. */
#include <linux/virtio_blk.h>

#include "tests/guest/guest.h"
#include "tests/guest/virtio.h"

#define W	VRING_DESC_F_WRITE
#define SECTORS 64u
#define SECTOR	512u
#define OTHER	0xffu /* the status byte as we leave it */
#define NO_ROOM 0xfeu /* the chain has no room for a status */

static struct virtio_blk_outhdr header;
static uint8_t data[8192] __attribute__((aligned(4096)));
static uint8_t status;

static const struct request {
	const char *name;
	uint32_t type;
	uint64_t sector;
	uint32_t len;
	uint32_t header_len; /* 0 = as long as it should be */
	uint8_t want;
	uint32_t want_len;
} requests[] = {
	{ "read the first", VIRTIO_BLK_T_IN, 0, SECTOR, 0, VIRTIO_BLK_S_OK, SECTOR + 1 },
	{ "read the last", VIRTIO_BLK_T_IN, SECTORS - 1, SECTOR, 0, VIRTIO_BLK_S_OK, SECTOR + 1 },
	{ "read several", VIRTIO_BLK_T_IN, 3, 16 * SECTOR, 0, VIRTIO_BLK_S_OK, 16 * SECTOR + 1 },
	{ "read behind the end", VIRTIO_BLK_T_IN, SECTORS, SECTOR, 0, VIRTIO_BLK_S_IOERR, 1 },
	{ "read across the end", VIRTIO_BLK_T_IN, SECTORS - 1, 2 * SECTOR, 0, VIRTIO_BLK_S_IOERR,
	  1 },
	{ "read from far", VIRTIO_BLK_T_IN, 1ull << 55, SECTOR, 0, VIRTIO_BLK_S_IOERR, 1 },
	{ "read from the very end", VIRTIO_BLK_T_IN, UINT64_MAX, SECTOR, 0, VIRTIO_BLK_S_IOERR, 1 },
	{ "read half a sector", VIRTIO_BLK_T_IN, 0, SECTOR / 2, 0, VIRTIO_BLK_S_IOERR, 1 },
	{ "write behind the end", VIRTIO_BLK_T_OUT, SECTORS, SECTOR, 0, VIRTIO_BLK_S_IOERR, 1 },
	{ "write across the end", VIRTIO_BLK_T_OUT, SECTORS - 1, 2 * SECTOR, 0, VIRTIO_BLK_S_IOERR,
	  1 },
	{ "write half a sector", VIRTIO_BLK_T_OUT, 2, SECTOR / 2, 0, VIRTIO_BLK_S_IOERR, 1 },
	{ "write one", VIRTIO_BLK_T_OUT, 2, SECTOR, 0, VIRTIO_BLK_S_OK, 1 },
	{ "flush", VIRTIO_BLK_T_FLUSH, 0, 0, 0, VIRTIO_BLK_S_OK, 1 },
	{ "id", VIRTIO_BLK_T_GET_ID, 0, 20, 0, VIRTIO_BLK_S_OK, 21 },
	{ "id in too little room", VIRTIO_BLK_T_GET_ID, 0, 10, 0, VIRTIO_BLK_S_IOERR, 1 },
	{ "unknown type", 77, 0, SECTOR, 0, VIRTIO_BLK_S_UNSUPP, 1 },
	{ "unknown type, all ones", UINT32_MAX, 0, SECTOR, 0, VIRTIO_BLK_S_UNSUPP, 1 },
	{ "discard one", VIRTIO_BLK_T_DISCARD, 4, 16, 0, VIRTIO_BLK_S_OK, 1 },
	{ "discard behind the end", VIRTIO_BLK_T_DISCARD, SECTORS, 16, 0, VIRTIO_BLK_S_IOERR, 1 },
	{ "discard from the very end", VIRTIO_BLK_T_DISCARD, UINT64_MAX, 16, 0, VIRTIO_BLK_S_IOERR,
	  1 },
	{ "discard half a range", VIRTIO_BLK_T_DISCARD, 1, 8, 0, VIRTIO_BLK_S_IOERR, 1 },
	{ "discard two ranges", VIRTIO_BLK_T_DISCARD, 1, 32, 0, VIRTIO_BLK_S_IOERR, 1 },
	{ "discard nothing at all", VIRTIO_BLK_T_DISCARD, 1, 0, 0, VIRTIO_BLK_S_IOERR, 1 },
	{ "zero one", VIRTIO_BLK_T_WRITE_ZEROES, 5, 16, 0, VIRTIO_BLK_S_OK, 1 },
	{ "zero behind the end", VIRTIO_BLK_T_WRITE_ZEROES, SECTORS, 16, 0, VIRTIO_BLK_S_IOERR, 1 },
	{ "short header", VIRTIO_BLK_T_IN, 0, SECTOR, 15, VIRTIO_BLK_S_IOERR, 1 },
};

static void run_request(struct dev *d, const struct request *r)
{
	bool range = r->type == VIRTIO_BLK_T_DISCARD || r->type == VIRTIO_BLK_T_WRITE_ZEROES;
	uint16_t data_flags = r->type == VIRTIO_BLK_T_OUT || range ? 0 : W;
	uint32_t header_len = r->header_len ? r->header_len : sizeof(header);

	header = (struct virtio_blk_outhdr){ .type = r->type, .sector = r->sector };
	if (range)
		*(struct virtio_blk_discard_write_zeroes *)(void *)data =
			(struct virtio_blk_discard_write_zeroes){ r->sector, 1, 0 };
	status = OTHER;
	set_desc(d, 0, (uint64_t)&header, header_len, 0, r->len ? 1 : 2);
	set_desc(d, 1, (uint64_t)data, r->len, data_flags, 2);
	set_desc(d, 2, (uint64_t)&status, 1, W, -1);
	submit(d, 0);
	if (wait_for_outcome(d) != DONE)
		fail("%s: not completed", r->name);
	if (status != r->want || used_len(d) != r->want_len)
		fail("%s: status %d and %d bytes, expected %d and %d", r->name,
		     (unsigned long)status, (unsigned long)used_len(d), (unsigned long)r->want,
		     (unsigned long)r->want_len);
}

/* Chains without room for a status are given back untouched. */
static void no_status(struct dev *d)
{
	header = (struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_OUT, .sector = 4 };
	set_desc(d, 0, (uint64_t)&header, sizeof(header), 0, 1);
	set_desc(d, 1, (uint64_t)data, SECTOR, 0, -1);
	submit(d, 0);
	if (wait_for_outcome(d) != DONE || used_len(d) != 0)
		fail("a chain without a status byte is not given back");
}

void scenario_disk(void)
{
	struct dev d;

	dev_find(&d, ID_BLOCK);
	dev_start(&d, F_VERSION_1);
	memset(data, 0xa5, sizeof(data));
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		if (requests[i].type == VIRTIO_BLK_T_OUT)
			memset(data, 0xa5, sizeof(data));
		run_request(&d, &requests[i]);
	}
	no_status(&d);
	print("%d requests\n", (unsigned long)ARRAY_SIZE(requests));
	disk_must_work();
	print("it works\n");
}
