# SPDX-License-Identifier: Apache-2.0
"""Signals at any moment, what a running monitor holds, and what is left of it: nothing."""
import os
import re
import signal
import subprocess
import time

import pytest

from mote import (INITRD_MIN, MOTE, TIMEOUT, Mote, expect, guest_file, open_files, run,
                  session_processes, thread_names)


TINY = ["run", "--kernel", guest_file("tiny.elf"), "--initrd", INITRD_MIN]
O_CLOEXEC = 0o2000000


def kernel_vms():
    """The VMs that this machine's KVM knows, where debugfs tells; they belong to a process each."""
    try:
        return [d for d in os.listdir("/sys/kernel/debug/kvm") if re.fullmatch(r"\d+-\d+", d)]
    except OSError:
        return []


def assert_gone(m):
    assert session_processes(m.pid) == []
    assert [d for d in kernel_vms() if d.startswith(f"{m.pid}-")] == []


# ---- signals -----------------------------------------------------------------------------------------

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL]
# Seconds after the start. The first are before, in and after the loading of the kernel, the later
# ones in the guest's boot; on a fast machine all of the guest's life is in between.
MOMENTS = [0, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.2]


@pytest.mark.parametrize("signum", SIGNALS)
def test_signal_at_any_moment(signum, tmp_path):
    """It ends us as it ends any program, whatever we were doing: 128+N for a shell."""
    for moment in MOMENTS:
        with Mote("run", "--cpus", 2, "--append", "MOTE_CMD=@hold", cwd=tmp_path) as m:
            time.sleep(moment)
            m.signal(signum)
            result = m.result(20)
            assert result.status == -signum, (moment, result)
            assert result.err == b"", (moment, result)
            assert_gone(m)
    assert os.listdir(tmp_path) == []


def test_status_of_a_signal_in_a_shell():
    script = '"$@" & sleep 2; kill $!; wait $!; echo "status $?"'
    result = run("-c", script, "sh", MOTE, *TINY, "--", "hang", program="/bin/sh")
    assert result.out == b"halted\nstatus 143\n", result


def test_two_signals():
    """The second one does not find us half gone."""
    with Mote(*TINY, "--", "hang") as m:
        m.out.wait_for(b"halted")
        m.signal(signal.SIGTERM)
        m.signal(signal.SIGINT)
        assert m.wait(20) in (-signal.SIGTERM, -signal.SIGINT)


def test_ignored_signals():
    """Stopped and continued, the guest goes on; and a closed pipe elsewhere does not matter."""
    with Mote("run", "--", "cat", stdin=subprocess.PIPE) as m:
        m.send(b"one")
        m.out.wait_for(b"one")
        m.signal(signal.SIGPIPE)
        m.signal(signal.SIGSTOP)
        m.send(b"two")
        time.sleep(0.5)
        assert m.out.text() == b"one"
        m.signal(signal.SIGCONT)
        m.out.wait_for(b"two")
        m.close_stdin()
        expect(m.result(), 0, b"onetwo")


# ---- what it holds -----------------------------------------------------------------------------------


def test_threads():
    with Mote(*TINY, "--cpus", 32, "--", "hang") as m:
        m.out.wait_for(b"halted")
        assert thread_names(m.pid) == sorted(["mote"] + [f"fc_vcpu {i}" for i in range(32)])
        m.signal(signal.SIGTERM)
        assert m.wait(20) == -signal.SIGTERM


def test_descriptors(rootfs):
    """None is left open for a program that might be started, and none is opened over time."""
    with Mote("run", "--entropy", "--rootfs", rootfs, "--", "sh", "-c",
              "echo up; head -c 40000 /dev/zero; echo down; cat", stdin=subprocess.PIPE) as m:
        m.out.wait_for(b"up\n")
        before = open_files(m.pid)
        m.out.wait_for(b"down\n")
        m.send(b"some input")
        m.out.wait_for(b"some input")
        after = open_files(m.pid)
        m.close_stdin()
        assert m.wait() == 0
    assert {fd: name for fd, (name, _) in before.items()} == {
        fd: name for fd, (name, _) in after.items()}
    leaky = [name for fd, (name, flags) in after.items() if fd > 2 and not flags & O_CLOEXEC]
    assert not leaky, leaky
    names = [name for name, _ in after.values()]
    assert names.count("/dev/kvm") == 1 and names.count("anon_inode:kvm-vm") == 1, names
    assert names.count("anon_inode:kvm-vcpu:0") == 1 and names.count(rootfs) == 1, names
    assert len(names) < 50, names


def test_memory_is_not_core_dumped_nor_locked():
    """Guest memory is left out of core files, and reserved only as it is touched."""
    with Mote(*TINY, "--mem", 1024, "--", "hang") as m:
        m.out.wait_for(b"halted")
        with open(f"/proc/{m.pid}/smaps", encoding="ascii", errors="replace") as f:
            text = f.read()
        m.signal(signal.SIGTERM)
        m.wait(20)
    maps = re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", text)[1:]
    sizes = {x: int(re.search(r"^Size: +(\d+)", x, re.M).group(1)) for x in maps}
    large = [x for x in maps if sizes[x] >= 1000 << 10]
    assert large, text
    for x in large:
        flags = re.search(r"^VmFlags: (.*)$", x, re.M).group(1).split()
        assert "dd" in flags and "nr" in flags and "lo" not in flags, x
    resident = sum(int(re.search(r"^Rss: +(\d+)", x, re.M).group(1)) for x in maps)
    assert resident < 64 << 10


# ---- pages -------------------------------------------------------------------------------------------


def anon_huge_kib(pid):
    with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("AnonHugePages:"))


@pytest.mark.parametrize("pages", ["thp", "small"])
def test_pages(pages):
    with Mote("run", "--pages", pages, "--", "sh", "-c", "echo up; cat",
              stdin=subprocess.PIPE) as m:
        m.out.wait_for(b"up\n")
        huge = anon_huge_kib(m.pid)
        m.close_stdin()
        expect(m.result(), 0, b"up\n")
    with open("/sys/kernel/mm/transparent_hugepage/enabled", encoding="ascii") as f:
        available = "[never]" not in f.read()
    assert (huge > 0) == (pages == "thp" and available)


@pytest.fixture
def huge_pages():
    """70 huge pages of 2 MiB for a guest of 128 MiB, given back afterwards."""
    path = "/proc/sys/vm/nr_hugepages"
    with open(path, encoding="ascii") as f:
        before = int(f.read())
    try:
        with open(path, "w", encoding="ascii") as f:
            f.write(str(before + 70))
    except PermissionError:
        pytest.skip("needs root to set huge pages aside")
    with open(path, encoding="ascii") as f:
        got = int(f.read())
    try:
        if got < before + 70:
            pytest.skip(f"of 70 huge pages only {got - before} could be had")
        yield before
    finally:
        with open(path, "w", encoding="ascii") as f:
            f.write(str(before))


def free_huge_pages():
    with open("/proc/meminfo", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("HugePages_Free:"))


def test_huge_pages(huge_pages):
    free = free_huge_pages()
    with Mote("run", "--pages", "hugetlb", "--", "sh", "-c", "echo up; cat",
              stdin=subprocess.PIPE) as m:
        m.out.wait_for(b"up\n")
        assert free_huge_pages() < free
        m.close_stdin()
        expect(m.result(), 0, b"up\n")
    assert free_huge_pages() == free


# ---- many --------------------------------------------------------------------------------------------


def test_twenty_at_once(tmp_path):
    """Each gets its own input, output and status, and none of them waits for another."""
    motes = [Mote("run", "--", "sh", "-c", f"cat; echo guest {i}; exit {i}", stdin=subprocess.PIPE)
             for i in range(20)]
    for i, m in enumerate(motes):
        m.send(b"input %d\n" % i)
        m.close_stdin()
    for i, m in enumerate(motes):
        expect(m.result(10 * TIMEOUT), i, b"input %d\nguest %d\n" % (i, i))
        assert_gone(m)


def test_twenty_share_one_read_only_disk(rootfs):
    """And may be ended all together."""
    motes = [Mote("run", "--rootfs", rootfs + ":ro", "--kernel-load", "map", "--", "sh", "-c",
                  "echo up; cat", stdin=subprocess.PIPE) for _ in range(20)]
    for m in motes:
        m.out.wait_for(b"up\n", 10 * TIMEOUT)
    for m in motes:
        m.signal(signal.SIGTERM)
    for m in motes:
        assert m.wait() == -signal.SIGTERM
        assert_gone(m)
