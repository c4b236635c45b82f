# SPDX-License-Identifier: Apache-2.0
"""What the documents tell a reader to type is typed here."""
import os
import re
import subprocess

import pytest

import mote


def follow(page, blocks_at_least):
    """Runs all that a page shows, in one shell; what it said."""
    with open(f"{mote.REPO}/docs/{page}", encoding="utf-8") as f:
        blocks = re.findall(r"```sh\n(.*?)```", f.read(), re.DOTALL)
    assert len(blocks) >= blocks_at_least
    # Only the tool's folder may differ from what a reader has.
    script = "".join(blocks).replace("$PWD/build", mote.BUILD)
    script = re.sub(r"^build/mote ", f"{mote.MOTE} ", script, flags=re.MULTILINE)
    script = "set -eu\ntrap 'kill ${PID-} 2>/dev/null || :' EXIT\n" + script
    done = subprocess.run(["bash", "-c", script], cwd=mote.REPO, capture_output=True, timeout=3 * mote.TIMEOUT,
                          check=False)
    said = done.stdout.decode()
    assert done.returncode == 0, (said, done.stderr.decode())
    return said


def test_getting_started():
    said = follow("getting-started.md", 7)
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


def test_balloon():
    said = follow("devices/balloon.md", 3)
    assert '"actual_mib":64' in said and '"host_cmd":1' in said and said.count("VmRSS") == 2


def test_entropy():
    said = follow("devices/entropy.md", 1)
    assert len(re.findall(r"[0-9a-f]{2}", said.split('"entropy"')[0])) >= 128
    assert int(re.search(r'"entropy_rate_limiter_throttled":(\d+)', said).group(1)) > 0
    assert int(re.search(r'"entropy_bytes":(\d+)', said).group(1)) >= 128


def test_serial():
    said = follow("devices/serial.md", 1)
    written = int(re.search(r"^(\d+) .*/console$", said, re.MULTILINE).group(1))
    assert 200 <= written < 10000
    assert int(re.search(r'"rate_limiter_dropped_bytes":(\d+)', said).group(1)) > 10000


def test_block(tmp_path):
    with open(f"{mote.REPO}/docs/devices/block.md", encoding="utf-8") as f:
        script = re.search(r"```sh\n(.*?)```", f.read(), re.DOTALL).group(1)
    env = {**os.environ, "PATH": f"{os.path.dirname(mote.MOTE)}:{os.environ['PATH']}", "KERNEL": mote.VMLINUX,
           "INITRD": mote.INITRD}
    done = subprocess.run(["bash", "-eu", "-c", script], cwd=tmp_path, env=env, capture_output=True,
                          timeout=mote.TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert b"serial:data-1\r\n/sys/block/vda/size:32768\r\n" in done.stdout, done.stdout
