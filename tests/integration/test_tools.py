# SPDX-License-Identifier: Apache-2.0
"""The tools that people try a microVM with, of Debian's packages: fio looks after every byte of a disk, iperf3 fills a network."""
import json
import os
import subprocess

import pytest

import api
from mote import BAD_ARGUMENT, BAD_CONFIG, TIMEOUT, Mote, expect, guest_file, run
from test_api_boot import drive, sparse
from test_net import GUEST_IP, HOST, tap  # noqa: F401 (a fixture)

MIB = 1 << 20


TOOLS = guest_file("tools.ext4")  # always given read-only


def fio_guest(tmp_path, engine, *jobs):
    """The report of fio in a guest, whose /dev/vdb is a disk of 24 MiB; and that disk."""
    disk = tmp_path / "data"
    disk.write_bytes(bytes(24 * MIB))
    options = ["--filename=/dev/vdb", "--direct=1", "--ioengine=libaio", "--output-format=json", "--output=/tmp/report", *jobs]
    with api.Monitor(tmp_path, "--log-path", tmp_path / "log") as m:
        m.api.put("/drives/root", drive("root", TOOLS, is_read_only=True))
        m.api.put("/drives/data", drive("data", disk, io_engine=engine, cache_type="Writeback"))
        m.api.put("/drives/out", drive("out", sparse(tmp_path / "out", MIB)))
        m.shell(f"mount -t tmpfs none /tmp; fio {' '.join(options)} >/dev/console; echo status $?; dd if=/tmp/report of=/dev/vdc conv=notrunc",
                mem_size_mib=256, append="MOTE_ROOT=/dev/vda MOTE_ROOTFLAGS=ro")
        m.out.wait_for(b"status 0", timeout=4 * TIMEOUT)
        assert m.wait() == 0
    report = (tmp_path / "out").read_bytes().rstrip(b"\0")
    return json.loads(report)["jobs"], disk


@pytest.mark.parametrize("engine", ["Sync", "Async"])
def test_fio_verifies(tmp_path, engine):
    """Random writes of several sizes, many at once, with flushes between: each block is what was written last, and on the host too."""
    jobs, disk = fio_guest(tmp_path, engine, "--name=verify", "--rw=randwrite", "--bsrange=4k-64k", "--size=16m", "--iodepth=32",
                           "--fsync=32", "--verify=crc32c", "--verify_fatal=1", "--do_verify=1", "--randseed=7")
    assert [j["error"] for j in jobs] == [0]
    assert jobs[0]["write"]["io_bytes"] == 16 * MIB and jobs[0]["read"]["io_bytes"] >= 16 * MIB
    assert jobs[0]["sync"]["total_ios"] > 0
    # The same checks, of the file, by the same program on this side.
    done = subprocess.run(["fio", f"--filename={disk}", "--name=verify", "--rw=randwrite", "--bsrange=4k-64k", "--size=16m", "--verify=crc32c",
                           "--verify_fatal=1", "--verify_only=1", "--randseed=7", f"--aux-path={tmp_path}"], capture_output=True, text=True,
                          timeout=2 * TIMEOUT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # And a byte that is not what was written is found: the checks can fail.
    content = bytearray(disk.read_bytes())
    content[5 * MIB + 100] ^= 1
    disk.write_bytes(content)
    done = subprocess.run(done.args, capture_output=True, text=True, timeout=2 * TIMEOUT, check=False)
    assert done.returncode != 0 and "verify" in done.stdout + done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to make a tap")
@pytest.mark.parametrize("way", [[], ["-R"], ["-P", "4"], ["-u", "-b", "20M"]], ids=["to-guest", "to-host", "four-streams", "udp"])
def test_iperf3(tap, way):  # noqa: F811
    """A server in the guest, the client outside: what one side sent the other has received."""
    script = f"ifconfig lo up; ifconfig eth0 {GUEST_IP} netmask 255.255.255.0 up; echo up; exec iperf3 -s -1 --forceflush"
    with Mote("run", "--mem", 256, "--rootfs", f"{TOOLS}:ro", "--net", tap, "--", "sh", "-c", script) as m:
        m.out.wait_for(b"Server listening", timeout=2 * TIMEOUT)
        done = subprocess.run(["iperf3", "-c", GUEST_IP, "-J", "-n", "16M", *way], capture_output=True, text=True, timeout=4 * TIMEOUT, check=False)
        assert done.returncode == 0, done.stdout
        end = json.loads(done.stdout)["end"]
        if "-u" in way:
            assert end["sum"]["packets"] > 1000 and end["sum"]["lost_percent"] < 50
        else:
            sent, received = end["sum_sent"]["bytes"], end["sum_received"]["bytes"]
            assert sent >= 16 * MIB and sent // 4 <= received <= sent  # the rest is under way when the sender ends the test
        assert m.wait(2 * TIMEOUT) == 0


def test_further_disks(tmp_path):
    """In the order of the command line, behind the root disk or without one; a disk that is too many is named."""
    paths = []
    for i in range(3):
        path = tmp_path / f"disk{i}"
        path.write_bytes(b"disk %d\n" % i + bytes(MIB))
        paths.append(path)
    result = run("run", "--disk", f"{paths[0]}:ro", "--disk", paths[1], "--", "sh", "-c",
                 "head -n 1 /dev/vda; head -n 1 /dev/vdb; echo changed >/dev/vdb; sync; cat /sys/block/vd?/ro")
    expect(result, 0, b"disk 0\ndisk 1\n1\n0\n")
    assert paths[1].read_bytes().startswith(b"changed\n") and paths[0].read_bytes().startswith(b"disk 0\n")
    expect(run("run", "--disk", tmp_path / "missing", "--", "true"), BAD_CONFIG, b"", [f"disk {tmp_path}/missing: No such file or directory"])
    assert run("run", "--disk", "", "--", "true").status == BAD_ARGUMENT
    (tmp_path / "empty").write_bytes(b"")
    expect(run("run", "--disk", tmp_path / "empty", "--", "true"), BAD_CONFIG, b"",
           [f"disk {tmp_path}/empty: 0 bytes, expected at least one sector of 512"])
