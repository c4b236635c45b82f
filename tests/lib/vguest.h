/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest with a vsock device, played by hand, and a folder with the host's sockets. Everything on
 * the caller's thread. For unit and fuzz tests.
 */
#ifndef MOTE_TESTS_LIB_VGUEST_H
#define MOTE_TESTS_LIB_VGUEST_H

#include <linux/virtio_vsock.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/board.h"
#include "tests/lib/driver.h"
#include "virtio/vsock.h"

#define VGUEST_CID     3u
#define VGUEST_BUFFERS 16	 /* for packets to the guest, and entries of each queue */
#define VGUEST_BUFFER  4096u	 /* bytes of each */
#define VGUEST_RX      GUEST_MID /* where they lie */
#define VGUEST_HEADER  0x8000ull /* of the packet that the guest sends */
#define VGUEST_PAYLOAD GUEST_HIGH

struct vguest {
	struct vsock v;
	struct board b;
	struct driver rx;
	struct driver tx;
	struct driver event;
	char dir[32];
	char path[64]; /* of the device's socket, in dir */
	bool hungry;   /* gives used buffers back at once; otherwise vguest_feed does */
	uint32_t buf_alloc;
	uint32_t fwd_cnt; /* as told by each packet that it sends */
};

/* The driver runs, hungry, with all buffers given, and a credit of 256 KiB for each connection. */
void vguest_init(struct vguest *g);
void vguest_release(struct vguest *g); /* and removes the folder */

/* DRIVER_OK, and all that goes before it; also after a reset. */
void vguest_start(struct vguest *g, uint64_t features);

/* Lets the device do all that it can do now. */
void vguest_settle(struct vguest *g);

/* Waits up to `ms` until the device has something to do, and lets it. */
void vguest_wait(struct vguest *g, int ms);

/* Sends a packet as it is; `payload` of `len` bytes, which need not be what h->len says. */
void vguest_send_raw(struct vguest *g, const struct virtio_vsock_hdr *h, const void *payload,
		     uint32_t len);

/* Sends a good packet of `len` bytes of payload. `flags` are those of a SHUTDOWN. */
void vguest_send(struct vguest *g, uint16_t op, uint32_t host_port, uint32_t guest_port,
		 uint32_t flags, const void *payload, uint32_t len);

/* The next packet that came, with its payload of up to VGUEST_BUFFER bytes. False: none. */
bool vguest_get(struct vguest *g, struct virtio_vsock_hdr *h, void *payload);

/* Gives buffer `i` (again). */
void vguest_feed(struct vguest *g, uint16_t i);

/* The host's side: a client of the device's socket; a listener for the guest's `port`. */
int vguest_client(const struct vguest *g);
int vguest_listen(const struct vguest *g, uint32_t port, int backlog);
void vguest_unlisten(const struct vguest *g, uint32_t port, int fd);

#endif
