# SPDX-License-Identifier: Apache-2.0
"""Boot protocols, processors, memory sizes, and the ways in which devices are announced."""
import os
import re
import subprocess
import time

import pytest

import kernels
from mote import (BUILD, INITRD, INITRD_MIN, TIMEOUT, VMLINUX, Mote, expect, guest_file, our_init,
                  proc_lines, run, thread_names)

# What Linux reports as kernel.bootloader_type: PVH sets it itself, our zero page says "no id".
BY_PVH, BY_LINUX64 = "176", "255"
DEBIAN = guest_file("debian/vmlinuz")
# The same as an ELF file, which starts sooner.
DEBIAN_ELF = os.path.join(BUILD, "testbed", "vmlinux")
DATA_BYTES = 3000001


@pytest.fixture(scope="module")
def big_initrd(tmp_path_factory):
    """Our initrd with a file of a known pattern, whose every byte has to arrive."""
    path = tmp_path_factory.mktemp("initrd")
    data = path / "data"
    assert our_init("@fill", data, DATA_BYTES, 7).returncode == 0
    return kernels.initrd_with(path / "big.cpio", {"data": data.read_bytes()})


def protocol_kernel(name, tmp_path):
    if name == "pvh":
        return VMLINUX
    if name == "elf64":
        return kernels.without_pvh(tmp_path / "vmlinux")
    return DEBIAN


@pytest.mark.parametrize("protocol", ["pvh", "elf64", "bzimage"])
def test_protocol(protocol, tmp_path, big_initrd):
    script = (f"cat /proc/sys/kernel/bootloader_type /proc/cmdline &&"
              f" /init @verify /data {DATA_BYTES} 7")
    result = run("run", "--kernel", protocol_kernel(protocol, tmp_path), "--initrd", big_initrd,
                 "--mem", 256, "--append", "some.word=1", "--", "sh", "-c", script,
                 timeout=3 * TIMEOUT)
    expect(result, 0)
    kind, cmdline = result.out.decode().splitlines()
    assert kind == (BY_PVH if protocol == "pvh" else BY_LINUX64)
    # Our kernel has words of its own, which come first.
    assert " console=ttyS0 reboot=k panic=-1 quiet " in f" {cmdline}"
    assert cmdline.endswith(" some.word=1")


@pytest.mark.parametrize("load", ["copy", "map"])
def test_kernel_load(load):
    expect(run("run", "--kernel-load", load, "--", "@echo", "up"), 0, b"up\n")


def test_mapped_kernel_is_shared_and_stays_unchanged():
    """By copy-on-write: the pages are the file's, and what the guest writes is not in it."""
    before = kernels.read(VMLINUX)
    with Mote("run", "--kernel-load", "map", "--", "sh", "-c", "echo up; cat",
              stdin=subprocess.PIPE) as m:
        m.out.wait_for(b"up\n")
        name = os.path.realpath(VMLINUX)
        mapped = [line.split()[1] for line in proc_lines(m.pid, "maps") if line.endswith(name)]
        m.close_stdin()
        expect(m.result(), 0, b"up\n")
    assert mapped and set(mapped) == {"rw-p"}
    assert kernels.read(VMLINUX) == before


@pytest.mark.parametrize("cpus", [1, 2, 4, 8])
def test_cpus(cpus):
    """All of them are online, and each is a thread that can be told apart."""
    with Mote("run", "--cpus", cpus, "--", "sh", "-c",
              "grep -c ^processor /proc/cpuinfo; cat; /init @cpus", stdin=subprocess.PIPE) as m:
        m.out.wait_for(b"%d\n" % cpus)
        names = thread_names(m.pid)
        m.close_stdin()
        expect(m.result(), 0, b"%d\n%d\n" % (cpus, cpus))
    assert names == sorted(["mote"] + [f"fc_vcpu {i}" for i in range(cpus)])


@pytest.mark.parametrize("mem", [32, 128, 1024, 3072, 4096])
def test_memory_size(mem):
    """The kernel keeps a few percent for itself, and never finds more than there is."""
    result = expect(run("run", "--mem", mem, "--initrd", INITRD_MIN, "--", "@mem"), 0)
    found = int(result.out)
    assert found < mem << 10
    assert found > (mem << 10) * 95 // 100 - 16384, result


def test_acpi_off():
    """By MPTable and command line alone: processors, interrupts, devices; the end is a reset."""
    result = run("run", "--cpus", 2, "--entropy", "--append", "acpi=off loglevel=5", "--", "sh", "-c",
                 "/init @cpus; /init @rng 8; test -e /sys/firmware/acpi || echo none; exit 6")
    expect(result, 6)
    assert re.fullmatch(rb"2\n[0-9a-f]{16}\nnone\n", result.out), result
    assert b"Restarting system" in result.err, result


def test_acpi_off_power_off_without_a_command():
    result = expect(run("run", "--append", "acpi=off MOTE_CMD=@poweroff"), 0)
    assert b"Restarting system" in result.out, result


@pytest.fixture(scope="module")
def debian_initrd(tmp_path_factory):
    """Ours, with the modules of a kernel that cannot be told of devices on its command line, in the
    order in which they need each other."""
    names = ["virtio_ring", "virtio", "virtio_mmio", "virtio_blk", "virtio-rng"]
    files = {f"{n}.ko": kernels.read(guest_file(f"debian/{n}.ko")) for n in names}
    script = "#!/bin/sh\n" + "".join(f"insmod /{n}.ko || exit 99\n" for n in names)
    files["load"] = script.encode()
    return kernels.initrd_with(tmp_path_factory.mktemp("debian") / "initrd.cpio", files)


def test_acpi_alone(debian_initrd, rootfs):
    """Debian's kernel has no virtio_mmio.device=: what it finds, it found in the DSDT."""
    script = ("sh /load && cat /proc/interrupts >/ints && grep -c virtio /ints;"
              " /init @rng 8; /init @dev | grep vda; /init @cpus; ls -d /sys/bus/acpi/devices/LNRO*")
    result = run("run", "--kernel", DEBIAN_ELF, "--initrd", debian_initrd, "--mem", 256, "--cpus", 2,
                 "--entropy", "--rootfs", rootfs, "--append", "MOTE_ROOT= loglevel=5",
                 "--", "sh", "-c", script, timeout=3 * TIMEOUT)
    expect(result, 0)
    lines = result.out.decode().splitlines()
    assert lines[0] == "2", result
    assert re.fullmatch("[0-9a-f]{16}", lines[1]), result
    assert lines[2] == f"vda {os.path.getsize(rootfs)} rw", result
    assert lines[3] == "2", result
    assert len(lines) == 6, result
    assert b"Power down" in result.err, result


def test_entropy():
    """Bytes that are not the same twice; without the option there is no device."""
    outs = [expect(run("run", "--entropy", "--", "@rng", "64"), 0).out for _ in range(2)]
    assert all(re.fullmatch(rb"([0-9a-f]{64}\n){2}", out) for out in outs), outs
    assert outs[0] != outs[1]
    result = run("run", "--", "@rng", "64")
    assert (result.status, result.out) == (1, b""), result


BOOT_TIMES = re.compile(r"mote: boot timer: first guest instruction ([\d.]+) ms, init ([\d.]+) ms, "
                        r"end ([\d.]+) ms")


def boot_times(result):
    match = BOOT_TIMES.fullmatch(result.messages[-1])
    assert match, result
    return tuple(map(float, match.groups()))


def test_boot_timer():
    result = run("run", "--boot-timer", "--initrd", INITRD_MIN, "--", "@exit", "3")
    assert result.status == 3
    first, init, end = boot_times(result)
    assert 0 < first < init < end < TIMEOUT * 1000


def test_boot_timer_counts_from_where_it_is_told():
    """A caller that started the clock itself: here, a second and a half ago."""
    start_us = time.monotonic_ns() // 1000 - 1500000
    result = run("run", "--boot-timer", "--start-time-us", start_us, "--initrd", INITRD_MIN, "--",
                 "@exit", "0")
    first, init, end = boot_times(result)
    assert 1500 < first < init < end


def test_boot_timer_of_a_guest_without_init():
    result = run("run", "--boot-timer", "--kernel", guest_file("tiny.elf"), "--initrd", INITRD, "--",
                 "status")
    assert result.status == 33
    assert re.fullmatch(r"mote: boot timer: first guest instruction [\d.]+ ms, init not reported, "
                        r"end [\d.]+ ms", result.messages[-1]), result
