# SPDX-License-Identifier: Apache-2.0
"""What the documents tell a reader to type is typed here."""
import os
import re
import subprocess

import pytest

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


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to make a tap")
def test_net():
    with open(f"{mote.REPO}/docs/devices/net.md", encoding="utf-8") as f:
        blocks = re.findall(r"```sh\n(.*?)```", f.read(), re.DOTALL)
    assert len(blocks) == 2
    env = {**os.environ, "PATH": f"{mote.BUILD}:{os.environ['PATH']}"}
    try:
        done = subprocess.run(["sh", "-euc", "".join(blocks)], env=env, capture_output=True, timeout=2 * mote.TIMEOUT,
                              stdin=subprocess.DEVNULL, check=False)
    finally:
        subprocess.run(["ip", "link", "del", "tap0"], capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout.decode(), done.stderr.decode())
    assert b"1 packets received" in done.stdout
