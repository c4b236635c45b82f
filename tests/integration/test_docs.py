# SPDX-License-Identifier: Apache-2.0
"""What the documents tell a reader to type is typed here."""
import os
import re
import subprocess

import mote


def test_getting_started():
    with open(f"{mote.REPO}/docs/getting-started.md", encoding="utf-8") as f:
        blocks = re.findall(r"```sh\n(.*?)```", f.read(), re.DOTALL)
    assert len(blocks) >= 7
    # Only the tool's folder may differ from what a reader has.
    script = "set -eu\ntrap 'kill ${PID-} 2>/dev/null || :' EXIT\n" + "".join(blocks).replace("$PWD/build", mote.BUILD)
    done = subprocess.run(["bash", "-c", script], cwd=mote.REPO, capture_output=True, timeout=3 * mote.TIMEOUT,
                          check=False)
    said = done.stdout.decode()
    assert done.returncode == 0, (said, done.stderr.decode())
    assert '"mote_version"' in said
    assert '"state":"Not started"' in said and '"state":"Running"' in said
    assert "vcpu_count: 33, expected an integer from 1 to 32" in said


def test_block(tmp_path):
    with open(f"{mote.REPO}/docs/devices/block.md", encoding="utf-8") as f:
        script = re.search(r"```sh\n(.*?)```", f.read(), re.DOTALL).group(1)
    env = {**os.environ, "PATH": f"{os.path.dirname(mote.MOTE)}:{os.environ['PATH']}", "KERNEL": mote.VMLINUX,
           "INITRD": mote.INITRD}
    done = subprocess.run(["bash", "-eu", "-c", script], cwd=tmp_path, env=env, capture_output=True,
                          timeout=mote.TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert b"serial:data-1\r\n/sys/block/vda/size:32768\r\n" in done.stdout, done.stdout
