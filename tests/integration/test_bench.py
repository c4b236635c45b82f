# SPDX-License-Identifier: Apache-2.0
"""The benchmarks' harness: what it makes of peers, memory maps and traces. No guest."""
import importlib.machinery
import importlib.util
import json
import os
import stat
import sys
import xml.etree.ElementTree

import pytest

import mote

BENCHMARKS = os.path.join(mote.REPO, "benchmarks")
sys.path.insert(0, BENCHMARKS)
sys.dont_write_bytecode = True

from harness import devices_block, devices_idle, devices_net, devices_vsock, monitors, phases, place, results, samples, smaps, trace, waterfall  # noqa: E402

VARIABLES = [variable for _, _, variable, _ in monitors.PEERS]


def script(name):
    """A command of the folder as a module."""
    loader = importlib.machinery.SourceFileLoader(f"bench_{name}", os.path.join(BENCHMARKS, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """No peer in PATH, and none named."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for variable in [*VARIABLES, monitors.KVMTOOL_KERNEL]:
        monkeypatch.delenv(variable, raising=False)


def program(path, text="exit 0\n"):
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


# ---- peers -----------------------------------------------------------------------------------------


def test_absent_peers_are_named(nobody):
    found, absent = monitors.peers()
    assert found == [] and [line.partition(":")[0] for line in absent] == ["QEMU microvm", "kvmtool", "Firecracker", "Cloud Hypervisor"]
    assert absent[2] == "Firecracker: no firecracker in PATH; PEER_FIRECRACKER=FILE names one"


@pytest.mark.parametrize("module", [devices_block, devices_idle, devices_net, devices_vsock])
def test_devices_beside_peers(nobody, monkeypatch, tmp_path, module):
    """Mote alone; and beside a Firecracker that is named."""
    found, absent = module.starts()
    assert all(s.monitor.startswith("mote") and s.is_mote for s in found) and any("Firecracker" in line for line in absent)
    monkeypatch.setenv("PEER_FIRECRACKER", program(tmp_path / "fc"))
    found = [s for s in module.starts()[0] if s.monitor.startswith("Firecracker")]
    assert found and all(str(tmp_path / "fc") in s.shell and not s.is_mote for s in found)


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_peer_that_cannot_be_executed(nobody, monkeypatch, tmp_path, variable):
    (tmp_path / "no-program").write_text("")
    for path in (tmp_path / "no-program", tmp_path / "missing", tmp_path):
        monkeypatch.setenv(variable, str(path))
        with pytest.raises(place.BenchError, match=f"{variable}={path}: expected a program that can be executed"):
            monitors.peers()


def test_every_peer_boots_the_same_guest(nobody, monkeypatch, tmp_path):
    """Kernel, initrd, memory, vCPUs and command line are in each command, or in the file that it reads."""
    for variable in VARIABLES:
        monkeypatch.setenv(variable, program(tmp_path / variable))
    with pytest.raises(place.BenchError, match="PEER_KVMTOOL_KERNEL is '', expected the bzImage"):
        monitors.peers()
    (tmp_path / "bzImage").write_text("")
    monkeypatch.setenv(monitors.KVMTOOL_KERNEL, str(tmp_path / "bzImage"))
    found, absent = monitors.peers()
    assert absent == [] and [m.name for m in found] == ["QEMU microvm", "QEMU microvm", "kvmtool", "Firecracker", "Cloud Hypervisor"]
    guest = monitors.Guest(cpus=2, mem_mib=192, words="more words")
    for m in found:
        words = [*m.command(guest), *m.texts(guest).values()]
        text = " ".join(words)
        assert f"{monitors.CMDLINE} more words" in text and "./initrd" in text and "192" in text and "2" in text
        assert "./vmlinux" in text or str(tmp_path / "bzImage") in text
        assert all(name in words for name in m.texts(guest))
    config = json.loads(*found[3].texts(guest).values())
    assert config["machine-config"] == {"vcpu_count": 2, "mem_size_mib": 192}


def test_a_peer_is_started_and_timed(nobody, monkeypatch, tmp_path):
    """From the script to the samples, with a program that stands in for Firecracker and checks what it is given."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    fake = program(tmp_path / "fc", 'set -e\n[ "$1 $2" = "--no-api --config-file" ]\ngrep -q "vcpu_count.: 1" "$3"\n'
                   f"grep -q 'MOTE_CMD=@echo+{samples.READY} MOTE_END=reset' $3\n[ -s vmlinux ] && [ -s initrd ]\n"
                   f"sleep 0.05\necho {samples.READY}\nexec sleep 60\n")
    monkeypatch.setenv("PEER_FIRECRACKER", fake)
    build = tmp_path / "build"
    for name in ("bench", "guest"):
        (build / name).mkdir(parents=True)
    for name in ("mote", "guest/vmlinux", "guest/initrd-min.cpio"):
        (build / name).write_text("something")
    os.symlink(os.path.join(mote.BUILD, "bench", "measure"), build / "bench" / "measure")
    peer = [m for m in monitors.peers()[0] if m.name == "Firecracker"][0]
    series = samples.Series(peer, monitors.Guest(), 2)
    seen = []
    samples.run_series(place.WALL, str(build), [series], lambda s, n: seen.append(n))
    assert series.failure == "" and seen == [0, 1, 2] and len(series.samples) == 2
    assert all(s["ready_ms"] >= 50 for s in series.samples)
    program(tmp_path / "fc", "echo cannot open /dev/kvm >&2; exit 7\n")
    failing = samples.Series(peer, monitors.Guest(), 2)
    samples.run_series(place.WALL, str(build), [failing], lambda s, n: None)
    assert failing.samples == [] and "exit 7" in failing.failure and "cannot open /dev/kvm" in failing.failure
    os.unlink(build / "guest" / "vmlinux")
    with pytest.raises(place.BenchError, match="guest/vmlinux is missing; run 'make bench-boot'"):
        samples.run_series(place.WALL, str(build), [series], lambda s, n: None)


# ---- memory ----------------------------------------------------------------------------------------


def mapping(start, size, perms, path, inode=0, flags="rd", **kib):
    head = f"{start:x}-{start + size:x} {perms} 00000000 00:00 {inode}                  {path}"
    return [head, *(f"{name}: {n:>10} kB" for name, n in kib.items()), f"VmFlags: {flags}"]


def test_whose_memory_is_whose():
    mib = 1 << 20
    lines = [*mapping(0x400000, mib, "r-xp", "/dev/shm/x/mote", 7, Private_Clean=60, Private_Dirty=40, Shared_Clean=20),
             *mapping(0x600000, mib, "rw-p", "/dev/shm/x/mote", 7, Private_Dirty=8),
             *mapping(0x800000, mib, "rw-p", "[heap]", Private_Dirty=4),
             *mapping(0x10000000, 64 * mib, "rw-p", "", flags="rd wr", Private_Dirty=5000, Rss=5000),
             *mapping(0x10000000 + 64 * mib, 64 * mib, "rw-p", "/x/vmlinux", 9, Private_Dirty=10, Shared_Clean=30, Rss=40),
             *mapping(0x70000000, mib, "rw-p", "", Private_Dirty=12),
             *mapping(0x71000000, mib, "rw-p", "", Private_Dirty=3),
             *mapping(0x72000000, mib, "---p", "")]
    found = smaps.footprint(lines, 128 * mib, "vmlinux")
    assert (found["private"], found["private_file"], found["shared"], found["guest"]) == (127, 100, 20, 5040)
    assert found["mappings"] == {"mote, code": {"private": 100, "private_file": 100, "shared": 20},
                                 "anonymous memory": {"private": 15, "private_file": 0, "shared": 0},
                                 "mote, data": {"private": 8, "private_file": 0, "shared": 0},
                                 "[heap]": {"private": 4, "private_file": 0, "shared": 0}}
    with pytest.raises(ValueError, match="the guest 262144"):
        smaps.footprint(lines, 256 * mib, "vmlinux")


# ---- size ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text, lines", [("", 0), ("int a;\n\n/* two\nlines */\nint b; // c\n// d\n", 2), ('s = "/*";\nt = 1;\n/* x */ u;\n', 3),
                                         ("c = '\"'; /* \" */\nd;\n", 2), ("a /* x\n */ b\n", 1)])
def test_lines_of_code(text, lines):
    assert script("size").code_lines(text) == lines


# ---- traces ----------------------------------------------------------------------------------------

FUNCTION = "  mote-{task}     [000] ..... {at:.6f}: {text}"


def traced(*events):
    """Lines of a trace; an event is (task, ms, text)."""
    return ["# tracer: nop", *(FUNCTION.format(task=task, at=at / 1000, text=text) for task, at, text in events)]


def enter(number, arg1=0):
    return f"sys_enter: NR {number} (3, {arg1:x}, 0, 0, 0, 0)"


def leave(number):
    return f"sys_exit: NR {number} = 0"


EXEC = "sched_process_exec: filename=./mote pid=7 old_pid=7"
TRACE = traced((7, 1, enter(59)), (7, 2, EXEC), (9, 2.1, enter(0)), (7, 3, enter(16, 0xAE01)), (7, 4, leave(16)),
               (7, 4.4, enter(16, 0xFFFFFFFF8090AE81)),
               (7, 4.5, "page_fault_user: address=0x1 ip=0x2 error_code=0x4"), (7, 4.6, "mm_page_alloc: page=0x1 pfn=0x1 order=9 migratetype=1"),
               (7, 4.7, "mm_page_alloc: page=0x1 pfn=0x1 order=0 migratetype=1"), (8, 5, enter(16, 0xAE80)), (8, 9, leave(16)), (7, 10, enter(231)))


def test_events_of_one_process():
    """From its exec on, and its threads; what ran before it, and others, do not count."""
    found = trace.parse(TRACE, "/dev/shm/d/mote")
    assert [(e.task, e.at) for e in found][:3] == [(7, 2.0), (9, 2.1), (7, 3.0)]
    calls, pages = trace.counts(found)
    assert calls == {"read": 1, "KVM_CREATE_VM": 1, "KVM_GET_REGS": 1}
    assert pages == {"page faults in the program": 1, "pages of 2 MiB allocated": 1, "pages of 4 KiB allocated": 1}
    assert found[trace.first_run(found)].at == pytest.approx(5)
    with pytest.raises(trace.TraceError, match="no exec of /x/other"):
        trace.parse(TRACE, "/x/other")
    with pytest.raises(trace.TraceError, match="no KVM_RUN in the trace"):
        trace.first_run(trace.parse(TRACE[:9], "mote"))


def test_phases_of_any_monitor():
    facts = {"start_ns": ["1000000"], "seen_ns": ["6000000"], "end_ns": ["10500000"]}
    found = phases.phases(trace.parse(TRACE, "mote"), facts, False)
    assert [(p.name, pytest.approx(p.start), pytest.approx(p.ms)) for p in found] == [
        ("exec to KVM_CREATE_VM", 0, 2), ("KVM_CREATE_VM", 2, 1), ("KVM_CREATE_VM to first instruction", 3, 1), ("guest to init's line", 4, 2),
        ("guest ends: command, reset", 6, 2), ("monitor ends", 8, 1), ("process torn down", 9, 1.5)]
    guest = [phases.Phase("a", 0, 1), phases.Phase("guest kernel", 1, 10), phases.Phase("b", 11, 1)]
    assert [p.ms for p in phases.split_guest(guest, 3, 2)] == [1, 3, 5, 2, 1]
    with pytest.raises(trace.TraceError, match="guest kernel: 10.000 ms, but 8.000 before"):
        phases.split_guest(guest, 8, 3)


def test_waterfall(tmp_path):
    rows = [{"title": "mote", "phases": [{"name": "a <b>", "start": 0, "ms": 2}, {"name": "guest c", "start": 2, "ms": 6}],
             "initcalls": [{"name": f"call_{i}", "at": i * 10, "us": i} for i in range(30)], "system_calls": {}}]
    root = xml.etree.ElementTree.fromstring(waterfall.plot("title", rows))
    words = [e.text for e in root.iter() if e.tag.endswith("text")]
    bars = [(float(e.get("x")), float(e.get("width"))) for e in root.iter() if e.get("height") == "12"]
    assert "a <b>" in words and "call_29" in words and "call_9" not in words  # the dearest only
    assert bars[1][0] == pytest.approx(bars[0][0] + bars[0][1], abs=0.2) and bars[1][1] == pytest.approx(3 * bars[0][1], rel=0.01)


# ---- tables ----------------------------------------------------------------------------------------


def test_table_of_measures():
    text = results.table([results.Measure("a", "ms", list(range(1, 201))), results.Measure("b", "KiB", [4000])], goal={"b": "4096"},
                         **{"Firecracker 1.16.1": {"a": "7"}})
    head, _, a, b = text.splitlines()
    assert head.endswith("goal  Firecracker 1.16.1")
    assert a.split() == ["a", "ms", "100.5", "1", "200", "198", "200", "7"]
    assert b.split() == ["b", "KiB", "4,000", "4,000", "4,000", "4,000", "1", "4096"]
