# SPDX-License-Identifier: Apache-2.0
"""A guest without an operating system (tests/guest) does what no driver would: the monitor lives,
its devices work afterwards, and it reports the guest's status."""
import os
import re
import time

import pytest

import api
from mote import NO_STATUS, TIMEOUT, TRIPLE_FAULT, Mote, INITRD_MIN, expect, guest_file, run
from test_net import tap  # noqa: F401 (a fixture)

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


def every_device(monitor, tmp_path, tap_name, scenario, cpus):
    """A guest without an operating system that has one device of each kind, and a second disk that it must not harm."""
    good, victim = tmp_path / "good", tmp_path / "victim"
    content = bytearray(64 * SECTOR)
    content[SECTOR:2 * SECTOR] = bytes(i % 256 for i in range(SECTOR))
    good.write_bytes(content)
    victim.write_bytes(bytes(64 * SECTOR))
    monitor.configure(kernel=guest_file("tiny.elf"), initrd=INITRD_MIN, boot_args=f"MOTE_CMD={scenario}", vcpu_count=cpus)
    client = monitor.api
    client.put("/drives/good", {"drive_id": "good", "path_on_host": str(good), "is_root_device": False, "is_read_only": True})
    client.put("/drives/victim", {"drive_id": "victim", "path_on_host": str(victim), "is_root_device": False, "io_engine": "Async"})
    client.put("/network-interfaces/n", {"iface_id": "n", "host_dev_name": tap_name})
    client.put("/vsock", {"guest_cid": 3, "uds_path": str(tmp_path / "v")})
    client.put("/entropy", {})
    client.put("/balloon", {"amount_mib": 0, "deflate_on_oom": False, "stats_polling_interval_s": 1, "free_page_hinting": True,
                            "free_page_reporting": True})
    return good, content


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to make a tap")
@pytest.mark.parametrize("scenario, cpus, said", [
    ("hostile", 1, r"network: 2 queues, 156 wild rings, 48 bad chains, broken by random ones\n"
                   r"block: 1 queues, 78 wild rings, 24 bad chains, broken by random ones\n"
                   r"entropy: 1 queues, 78 wild rings, 24 bad chains, broken by random ones\n"
                   r"balloon: 5 queues, 390 wild rings, 120 bad chains, broken by random ones\n"
                   r"vsock: 3 queues, 234 wild rings, 72 bad chains, broken by random ones\nthey work\n"),
    ("duel", 2, r"network: 2 queues\nblock: 1 queues\nentropy: 1 queues\nballoon: 5 queues\nvsock: 3 queues\nthey work\n")])
def test_every_queue_of_every_device(tmp_path, tap, scenario, cpus, said):  # noqa: F811
    """The monitor lives and answers, the other devices work, and what the guest did is counted."""
    with api.Monitor(tmp_path, "--log-path", tmp_path / "log") as m:
        good, content = every_device(m, tmp_path, tap, scenario, cpus)
        m.api.start()
        try:
            while b"they work" not in m.out.text() and b"FAILED" not in m.out.text():
                counts = m.api.get("/metrics")
                time.sleep(0.1)  # two CPUs are all there are
        except (OSError, EOFError):  # the guest has ended
            pass
        status = m.wait(3 * TIMEOUT)
        assert (m.out.finish(10).replace(b"\r", b"").decode(), status) == (said.replace("\\n", "\n"), 0)
        with open(tmp_path / "log", encoding="utf-8") as f:
            assert sum("warning" in line.lower() for line in f) <= 60  # a guest does not fill its host's logs
    faults = {name: group["faults"] for name, group in counts.items() if name.startswith("virtio_")}
    assert all(n > 0 for name, n in faults.items() if name != "virtio_0_blk") and len(faults) == 6, faults
    assert counts["virtio_0_blk"]["faults"] == 0 and counts["virtio_0_blk"]["requests"] > 0
    assert good.read_bytes() == content
