# SPDX-License-Identifier: Apache-2.0
"""Drives as a guest uses them, by both engines: file systems, what may be discarded, a monitor that is killed."""
import os
import signal
import subprocess

import pytest

import api
from mote import our_init
from test_api_boot import drive, sparse
from test_disk import assert_clean, e2fs

MIB = 1 << 20
ENGINES = pytest.mark.parametrize("engine", ["Sync", "Async"])


@pytest.fixture
def monitor(tmp_path):
    return api.Monitor(tmp_path, "--log-path", tmp_path / "log")


def ext4(path, mib):
    sparse(path, mib * MIB)
    done = e2fs("mke2fs", "-q", "-F", "-t", "ext4", "-J", "size=4", str(path))
    assert done.returncode == 0, done.stderr
    return str(path)


def used(path):
    return os.stat(path).st_blocks * 512


@ENGINES
def test_file_system(monitor, tmp_path, engine):
    """Many writers at once, flushed, read back through the disk, trimmed; what the host finds is the same."""
    image = ext4(tmp_path / "data", 48)
    monitor.api.put("/drives/data", drive("data", image, cache_type="Writeback", io_engine=engine, serial="data-1"))
    monitor.shell("grep -h . /sys/block/vda/serial /sys/block/vda/queue/discard_max_bytes"
                  " /sys/block/vda/queue/write_zeroes_max_bytes; mkdir /m; mount -t ext4 /dev/vda /m || exit 1;"
                  f"for i in 1 2 3 4 5 6; do /init @fill /m/$i {3 * MIB} $i & done; wait;"
                  f"for i in 1 2 3 4 5 6; do /init @verify /m/$i {3 * MIB} $i || echo bad $i; done;"
                  f"/init @fill /m/gone {8 * MIB} 9; rm /m/gone; sync; fstrim /m || echo no trim; umount /m; echo end")
    monitor.out.wait_for(b"end\r\n")
    # The console has its last line before init has ended the guest.
    counts = monitor.api.get("/metrics")["block_data"] if monitor.running() else None
    assert monitor.wait() == 0
    lines = monitor.out.finish(10).decode().replace("\r", "").splitlines()
    assert lines[-4:] == ["data-1", str(2048 * MIB), str(32 * MIB), "end"]
    if counts:
        assert counts["execute_fails"] == counts["invalid_reqs_count"] == 0
        assert counts["discard_bytes"] >= 8 * MIB and counts["flush_count"] > 0
        assert counts["write_bytes"] >= 18 * MIB
        assert 0 < counts["interrupt_count"] <= counts["read_count"] + counts["write_count"] + counts["flush_count"] + 99
    assert_clean(image)
    assert used(image) < 26 * MIB
    for i in range(1, 7):
        copy = str(tmp_path / "copy")
        e2fs("debugfs", "-R", f"dump /{i} {copy}", image)
        assert our_init("@verify", copy, 3 * MIB, i).returncode == 0


@ENGINES
def test_discard_and_zeroes(monitor, tmp_path, engine):
    """A discarded range gives its room back, a zeroed one reads as zeroes; on a read-only disk neither is offered."""
    disk = sparse(tmp_path / "disk", 8 * MIB)
    with open(disk, "r+b") as f:
        f.write(b"x" * (8 * MIB))
    monitor.api.put("/drives/w", drive("w", disk, io_engine=engine))
    monitor.api.put("/drives/r", drive("r", disk, io_engine=engine, is_read_only=True))
    monitor.shell(f"blkdiscard -o {MIB} -l {2 * MIB} /dev/vda && fallocate -o {4 * MIB} -l {MIB} /dev/vda;"
                  f"blkdiscard -o 0 -l {MIB} /dev/vdb || echo refused; cat /sys/block/vdb/queue/discard_max_bytes")
    assert monitor.wait() == 0
    assert monitor.out.finish(10).decode().replace("\r", "").splitlines()[-2:] == ["refused", "0"]
    with open(disk, "rb") as f:
        data = f.read()
    assert len(data) == 8 * MIB
    assert data[:MIB] == b"x" * MIB and data[MIB:3 * MIB] == bytes(2 * MIB)
    assert used(disk) <= 6 * MIB + 65536


@ENGINES
def test_journal_after_sigkill(monitor, tmp_path, engine):
    """The monitor is killed while the guest writes: the journal is replayed, and what was synced is there."""
    image = ext4(tmp_path / "data", 48)
    monitor.api.put("/drives/data", drive("data", image, cache_type="Writeback", io_engine=engine))
    monitor.shell("mkdir /m; mount -t ext4 /dev/vda /m || exit 1; i=0; while :; do i=$((i + 1));"
                  f"/init @fill /m/$i {MIB // 4} $i && sync && echo synced $i; rm -f /m/$((i - 20)); done")
    monitor.out.wait_for(b"synced 25\r\n")
    os.kill(monitor.pid, signal.SIGKILL)
    monitor.wait()
    text = monitor.out.finish(10).decode()
    last = max(int(line.split()[1]) for line in text.splitlines() if line.startswith("synced "))
    assert e2fs("dumpe2fs", "-h", image).stdout.count("needs_recovery") == 1
    assert e2fs("e2fsck", "-p", image).returncode in (0, 1)
    assert_clean(image)
    for i in range(last - 10, last + 1):
        copy = str(tmp_path / "copy")
        e2fs("debugfs", "-R", f"dump /{i} {copy}", image)
        assert our_init("@verify", copy, MIB // 4, i).returncode == 0, i


@ENGINES
def test_truncated_under_us(monitor, tmp_path, engine):
    """The file shrinks while the guest runs: errors to it, a count, and everything else goes on."""
    disk = sparse(tmp_path / "disk", 8 * MIB)
    monitor.api.put("/drives/d", drive("d", disk, io_engine=engine))
    monitor.shell("echo cut; while [ ! -e /go ]; do sleep 0.1; dd if=/dev/vda of=/tmp/x bs=4k skip=1500 count=1 "
                  "iflag=direct 2>/dev/null || touch /go; done; echo error; "
                  "dd if=/dev/vda of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null && echo still; sleep 600")
    monitor.out.wait_for(b"cut\r\n")
    os.truncate(disk, MIB)
    monitor.out.wait_for(b"still\r\n")
    assert monitor.api.state() == "Running"
    assert monitor.api.get("/metrics")["block_d"]["execute_fails"] > 0
    subprocess.run(["cmp", disk, "/dev/zero", "-n", str(MIB)], check=True)
