// SPDX-License-Identifier: Apache-2.0
/* Builder thread, or with the vCPUs stopped. */
#include "vmm/x86/vmgenid.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>

#include "vmm/x86/layout.h"

int vmgenid_write(const struct gmem *m, struct err *e)
{
	uint8_t id[VMGENID_LEN];
	ssize_t n;
	int ret;

	/* So few bytes come whole, once the host's pool is ready; before that a signal may
	 * interrupt. */
	do {
		n = getrandom(id, sizeof(id), 0);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(id))
		return err_sys(e, n < 0 ? -errno : -EIO, "VM generation id: random numbers");
	ret = gmem_write(m, VMGENID_GPA, id, sizeof(id));
	if (ret < 0)
		return err_set(e, ret, "VM generation id: 0x%x is outside guest memory",
			       VMGENID_GPA);
	return 0;
}
