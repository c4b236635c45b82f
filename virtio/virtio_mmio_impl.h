/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the transport share. */
#ifndef MOTE_VIRTIO_VIRTIO_MMIO_IMPL_H
#define MOTE_VIRTIO_VIRTIO_MMIO_IMPL_H

#include <linux/virtio_mmio.h>
#include <stdint.h>

#include "virtio/virtio_mmio.h"

/* Counts and raises the interrupt that announces a change of the configuration. Any thread. */
void vmmio_raise_config(struct vmmio *t);

/* Counts an access that the specification forbids. Any thread. */
void vmmio_guest_fault(struct vmmio *t);

/* Shows the guest what has changed of what it reads without us; the transport's lock is held. */
void vmmio_refresh(struct vmmio *t);	 /* the registers */
void vmmio_config_show(struct vmmio *t); /* the configuration space */

/* Accesses of the guest's at `off` in the configuration space; what is not there reads as zero. */
void vmmio_config_read(struct vmmio *t, uint32_t off, void *data, uint32_t len);
void vmmio_config_write(struct vmmio *t, uint32_t off, const void *data, uint32_t len);

#endif
