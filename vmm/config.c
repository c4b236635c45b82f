// SPDX-License-Identifier: Apache-2.0
/* The configuration's owner's thread. */
#include "vmm/config.h"

#include <unistd.h>

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void vm_config_close(struct vm_config *c)
{
	close_fd(&c->kernel_fd);
	close_fd(&c->initrd_fd);
	for (unsigned int i = 0; i < c->nr_drives; i++)
		blk_file_close(&c->drive[i].file);
	for (unsigned int i = 0; i < c->nr_nets; i++)
		net_backend_close(&c->net[i].backend);
	if (c->has_vsock)
		vsock_uds_close(&c->vsock);
}
