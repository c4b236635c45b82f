# SPDX-License-Identifier: Apache-2.0
"""A guest without an operating system (tests/guest) does what no driver would: the monitor lives,
its devices work afterwards, and it reports the guest's status."""
import re

import pytest

from mote import NO_STATUS, TRIPLE_FAULT, Mote, INITRD_MIN, expect, guest_file, run


SECTOR = 512


def tiny(scenario, *options, **kwargs):
    """The arguments of a run of that scenario."""
    return run("run", "--kernel", guest_file("tiny.elf"), "--initrd", INITRD_MIN, *options, "--",
               scenario, **kwargs)


@pytest.fixture
def disk(tmp_path):
    """64 sectors; in sector 1 every byte is its own number, which the guest checks."""
    path = tmp_path / "disk.img"
    content = bytearray((i * 31 + i // 256) % 251 for i in range(64 * SECTOR))
    content[SECTOR:2 * SECTOR] = bytes(i % 256 for i in range(SECTOR))
    path.write_bytes(content)
    return path


def test_port_io():
    expect(tiny("ports"), 0, b"most ports are silent\n")


def test_string_io():
    pattern = bytes((i * 7 + i // 256) % 256 for i in range(8192))
    expect(tiny("strings"), 0, pattern)


def test_mmio(disk):
    result = tiny("mmio", "--entropy", "--rootfs", disk)
    assert result.status == 0, result
    assert result.out == b"2 devices\nthey work\n", result


def guest_warnings(result, device):
    """The lines about a guest's faults, all of which have one form; others must not appear."""
    known = re.compile(rf"mote: warning: {device}: .*")
    for line in result.messages:
        assert known.fullmatch(line), result
    return len(result.messages)


def test_wild_queues(disk):
    result = tiny("queues", "--entropy", "--rootfs", disk)
    assert result.status == 0, result
    assert result.out == (b"78 wild queues on device 4\n78 wild queues on device 2\n"
                          b"they work\n"), result


def test_bad_chains(disk):
    result = tiny("chains", "--entropy")
    assert result.status == 0, result
    assert re.fullmatch(rb"\d+ chains\nit works\n", result.out), result
    # Said, but not for each of them: a guest does not fill its host's logs.
    assert 1 <= len(result.messages) <= 12, result


def test_bad_disk_requests(disk):
    before = disk.read_bytes()
    result = tiny("disk", "--rootfs", disk)
    assert result.status == 0, result
    assert re.fullmatch(rb"\d+ requests\nit works\n", result.out), result
    expected = before[:2 * SECTOR] + b"\xa5" * SECTOR + before[3 * SECTOR:4 * SECTOR]
    expected += bytes(2 * SECTOR) + before[6 * SECTOR:]
    assert disk.read_bytes() == expected


def test_notification_storm():
    expect(tiny("storm", "--entropy", "--cpus", "1"), 0, b"30000 doorbells\nit works\n")


def test_processors_against_each_other():
    result = tiny("race", "--entropy", "--cpus", "2")
    assert result.status == 0, result
    assert result.out == b"reset and run against each other\nit works\n", result


def test_every_byte_on_both_ports():
    """Standard output is COM2, byte for byte; standard error has COM1 and our own lines."""
    result = expect(tiny("bytes"), 0, bytes(range(256)))
    assert result.err == bytes(range(256))


def test_a_guest_that_does_not_wait_loses_output_not_its_end():
    result = tiny("flood")
    assert result.status == 0, result
    assert 0 < result.err.count(b"x") <= 1 << 16


def test_exit_status_is_a_32_bit_write():
    expect(tiny("status"), 33, b"reported\n")


def test_triple_fault():
    expect(tiny("triple"), TRIPLE_FAULT, b"about to\n", ["the guest ended with a triple fault"])


def test_acpi_reset_register():
    expect(tiny("reset"), NO_STATUS, b"", ["the guest ended before its command did"])


def test_wrong_scenario_fails():
    """The guest's own failures reach us: without this, all of the above could pass for nothing."""
    expect(tiny("none"), 1, b"FAILED: no scenario is called 'none'\n")


@pytest.mark.parametrize("mem", [16, 17, 128, 1024, 3071, 3072, 3073, 4096])
def test_all_memory_is_there(mem):
    """Every page but the first 4 MiB, each written with its own address, around the hole."""
    expect(tiny("memory", "--mem", mem), 0, b"%d pages\n" % ((mem << 8) - (4 << 8)))


def test_memory_map():
    """Nothing answers outside of RAM and devices, and the map says where RAM is."""
    expect(tiny("map", "--mem", 128), 0, b"0 9fc00 1\n9fc00 60400 2\n100000 7f00000 1\n")


@pytest.mark.parametrize("scenario", ["hang", "spin"])
def test_a_guest_that_never_ends_is_left_by_a_signal(scenario):
    said = {"hang": b"halted\n", "spin": b"spinning\n"}[scenario]
    with Mote("run", "--kernel", guest_file("tiny.elf"), "--initrd", INITRD_MIN, "--cpus", 2, "--",
              scenario) as m:
        m.out.wait_for(said)
        m.signal(15)
        result = m.result(10)
    expect(result, -15, said)
