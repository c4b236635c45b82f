// SPDX-License-Identifier: Apache-2.0
/*
 * L1's /init: brings the machine up, runs the one command that tests/testbed/run asks for over
 * the control port, reports its end there, and waits for QEMU to be ended.
 */
#include "boot.h"
#include "fail.h"
#include "job.h"
#include "request.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	struct job_result res;
	struct request req;
	int ctl, out, err;

	boot_early();
	ctl = boot_open_port("mote.ctl", O_RDWR);
	l1_fail_to(ctl);
	out = boot_open_port("mote.out", O_WRONLY);
	err = boot_open_port("mote.err", O_WRONLY);
	request_read(ctl, &req);
	boot_root(&req);
	res = job_run(&req, ctl, out, err);
	if (chdir("/"))
		l1_fail("leaving the working directory");
	boot_unmount_shares(&req);
	/* The byte counts tell run when it has everything: the ports are not ordered among them. */
	dprintf(ctl, "exit %d %" PRIu64 " %" PRIu64 "\n", res.status, res.out, res.err);
	for (;;)
		pause();
}
