// SPDX-License-Identifier: Apache-2.0
/*
 * The configuration space (virtio 1.2 §2.5): the device's own copy, which the transport's lock
 * guards, and the one that the guest reads without us. vmmio_config_read and _write: vCPU threads.
 */
#include <string.h>

#include "virtio/virtio_mmio_impl.h"
#include "vmm/mutants.h"
#include "vmm/util.h"

void vmmio_config_show(struct vmmio *t)
{
	if (t->host.page)
		memcpy((uint8_t *)t->host.page + VIRTIO_MMIO_CONFIG, t->dev->config,
		       t->dev->config_len);
}

void vmmio_config_change(struct vmmio *t, uint32_t off, const void *data, uint32_t len)
{
	/*
	 * Whoever reads across the change sees two generations: it has one of its own before and
	 * one after. A field of 64 bits could still be read in halves between the two; the
	 * interrupt makes the driver read it again.
	 */
	pthread_mutex_lock(&t->lock);
	t->state.config_generation++;
	vmmio_refresh(t);
	memcpy(t->dev->config + off, data, len);
	vmmio_config_show(t);
	t->state.config_generation++;
	vmmio_refresh(t);
	pthread_mutex_unlock(&t->lock);
	vmmio_raise_config(t);
}

void vmmio_config_get(struct vmmio *t, uint32_t off, void *data, uint32_t len)
{
	pthread_mutex_lock(&t->lock);
	memcpy(data, t->dev->config + off, len);
	pthread_mutex_unlock(&t->lock);
}

void vmmio_config_read(struct vmmio *t, uint32_t off, void *data, uint32_t len)
{
	const struct virtio_dev *d = t->dev;

	memset(data, 0, len);
	if (off < d->config_len)
		memcpy(data, d->config + off, min_u64(len, d->config_len - off));
}

void vmmio_config_write(struct vmmio *t, uint32_t off, const void *data, uint32_t len)
{
	struct virtio_dev *d = t->dev;
	uint32_t at = off - d->config_rw_off; /* below it: wraps, and is too large */

	pthread_mutex_lock(&t->lock);
	if (MUT_NOT_WRITABLE(at > d->config_rw_len || len > d->config_rw_len - at))
		vmmio_guest_fault(t);
	else
		memcpy(d->config + off, data, len);
	vmmio_config_show(t);
	pthread_mutex_unlock(&t->lock);
}
