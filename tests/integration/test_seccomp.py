# SPDX-License-Identifier: Apache-2.0
"""The walls around a running monitor: what an intruder in one of its threads can do, and that each line of the
policies is needed. What the filters allow, number by number, is tests/seccomp/check-policies."""
import contextlib
import errno
import fcntl
import glob
import json
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import tempfile

import pytest

import api
import mote
from api import Monitor
from intruder import EXECVE, GETPPID, MKDIR, OPEN, PTRACE, SOCKET, TOOLS, UNLINK, has_landlock, inject, status, thread
from mote import BUILD, REPO, Mote, expect, run, wait_until
from terminal import Terminal
from test_vsock import Echo, call, dial

POLICIES = [os.path.join(REPO, "seccomp", f"{k}.policy") for k in ("setup", "loop", "vcpu")]
COMPILER = os.path.join(BUILD, "mote-seccomp")
REFUSED = 148
POLL, RESTART = 7, 219
HOST, GUEST_IP = "10.202.0.1", "10.202.0.2"
SLEEP = "MOTE_CMD=sh+-c+echo%20up%3B%20sleep%201000"


def started(tmp_path, *args, drive=None, **kwargs):
    m = Monitor(tmp_path, "--log-path", tmp_path / "log", "--metrics-path", tmp_path / "metrics", *args, **kwargs)
    m.configure(boot_args=f"{api.BOOT_ARGS} {SLEEP}")
    if drive:
        m.api.put("/drives/d", {"drive_id": "d", "is_root_device": False, "path_on_host": str(drive)})
    m.api.start()
    m.out.wait_for(b"up\r\n")
    return m


def log_of(tmp_path):
    return (tmp_path / "log").read_text()


# ---- calls that are refused ------------------------------------------------------------------------


@pytest.mark.parametrize("name, kind", [("mote", "loop"), ("fc_vcpu 0", "vcpu")])
def test_refused_call_ends_the_monitor_and_is_named(tmp_path, name, kind):
    with started(tmp_path) as m:
        assert inject(thread(m.pid, name), EXECVE, "s:/bin/sh", 0, 0) == f"signal {signal.SIGSYS}"
        assert m.wait() == REFUSED
    who = "main" if name == "mote" else name
    assert f"{who}] seccomp: filter {kind}: refused system call {EXECVE} (execve)\n" in log_of(tmp_path)
    assert "Shutting down VM after intercepting signal 31, code 148." in log_of(tmp_path)
    assert json.loads((tmp_path / "metrics").read_text().splitlines()[-1])["seccomp"]["num_faults"] == 1


def test_filters_are_on_before_the_guest(tmp_path):
    with Monitor(tmp_path, "--log-path", tmp_path / "log") as m:
        m.api.get("/version")
        assert inject(thread(m.pid, "mote"), PTRACE, 0, 1) == f"signal {signal.SIGSYS}"
        assert m.wait() == REFUSED
    assert "filter setup: refused system call 101 (ptrace)" in log_of(tmp_path)


def test_refused_call_under_mote_run(tmp_path):
    with Mote("run", "--cpus", "2", "--", "sh", "-c", "echo up; sleep 1000") as m:
        m.out.wait_for(b"up")
        assert inject(thread(m.pid, "fc_vcpu 1"), SOCKET, 2, 1, 0) == f"signal {signal.SIGSYS}"
        expect(m.result(), REFUSED, b"up\n", ["seccomp: filter vcpu: refused system call 41 (socket)"])


def test_arguments_count(tmp_path):
    """A Unix socket is what the loop may have; a TCP socket is not."""
    with started(tmp_path) as m:
        tid = thread(m.pid, "mote")
        assert inject(tid, SOCKET, socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0) > 2
        assert inject(tid, SOCKET, socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0) == "signal 31"
        assert m.wait() == REFUSED


def test_kill_is_without_a_word(tmp_path):
    with started(tmp_path, "--seccomp-kill") as m:
        inject(thread(m.pid, "fc_vcpu 0"), EXECVE, "s:/bin/sh", 0, 0)
        assert m.wait() == -signal.SIGSYS
    assert "seccomp" not in log_of(tmp_path) and "Shutting down" not in log_of(tmp_path)


def test_no_filters_when_asked(tmp_path):
    with started(tmp_path, "--no-seccomp") as m:
        for name in ("mote", "fc_vcpu 0"):
            assert inject(thread(m.pid, name), GETPPID) == os.getpid()
        assert m.api.state() == "Running"


# ---- filters of one's own --------------------------------------------------------------------------


def compiled(tmp_path, without=None, kind="loop"):
    """The policies, without the lines that begin with `without` in that of `kind`, compiled."""
    for path in glob.glob(os.path.join(REPO, "seccomp", "*.policy")):
        with open(path, encoding="utf-8") as f:
            lines = f.readlines()
        if without and os.path.basename(path) == f"{kind}.policy":
            assert any(line.startswith(without) for line in lines)
            lines = [line for line in lines if not line.startswith(without)]
        (tmp_path / os.path.basename(path)).write_text("".join(lines))
    out = tmp_path / "filters"
    subprocess.run([COMPILER, "--output", out, *(tmp_path / os.path.basename(p) for p in POLICIES)], check=True)
    return out


def test_a_filter_of_ones_own(tmp_path):
    expect(run("run", "--seccomp-filter", compiled(tmp_path), "--", "echo", "hello"), 0, b"hello\n")
    shorter = compiled(tmp_path, "epoll_pwait ")
    result = run("run", "--seccomp-filter", shorter, "--", "echo", "hello")
    expect(result, REFUSED, messages=["seccomp: filter loop: refused system call 281 (epoll_pwait)"])


# ---- files -----------------------------------------------------------------------------------------


@pytest.mark.skipif(not has_landlock(), reason="no Landlock in this kernel")
def test_files_out_of_reach(tmp_path):
    """Without seccomp, which would end the monitor at most of these."""
    victim = tmp_path / "victim"
    victim.write_text("x")
    disk = tmp_path / "disk"
    disk.write_bytes(b"\0" * 4096)
    with started(tmp_path, "--no-seccomp") as m:
        for name in ("mote", "fc_vcpu 0"):
            tid = thread(m.pid, name)
            assert inject(tid, OPEN, f"s:{victim}", os.O_RDONLY) == -errno.EACCES
            assert inject(tid, EXECVE, "s:/bin/true", 0, 0) == -errno.EACCES
            assert inject(tid, UNLINK, f"s:{victim}") == -errno.EACCES
    with started(tmp_path, "--no-seccomp", drive=disk, sock="2.sock") as m:
        tid = thread(m.pid, "mote")
        assert inject(tid, OPEN, f"s:{victim}", os.O_RDWR) > 2  # it could be the next disk
        assert inject(tid, OPEN, f"s:{tmp_path}/new", os.O_RDWR | os.O_CREAT, 0o600) == -errno.EACCES
        assert inject(tid, MKDIR, f"s:{tmp_path}/new", 0o700) == -errno.EACCES
        assert inject(tid, UNLINK, f"s:{victim}") == -errno.EACCES
        assert inject(tid, EXECVE, "s:/bin/true", 0, 0) == -errno.EACCES
        assert inject(thread(m.pid, "fc_vcpu 0"), OPEN, f"s:{victim}", os.O_RDONLY) == -errno.EACCES
    assert victim.read_text() == "x"


@pytest.mark.skipif(not has_landlock(), reason="no Landlock in this kernel")
def test_read_only_drives_are_only_read(tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(b"\0" * 4096)
    m = Monitor(tmp_path, "--no-seccomp")
    m.configure(boot_args=f"{api.BOOT_ARGS} {SLEEP}")
    m.api.put("/drives/d", {"drive_id": "d", "is_root_device": False, "path_on_host": str(disk), "is_read_only": True})
    m.api.start()
    m.out.wait_for(b"up\r\n")
    assert inject(thread(m.pid, "mote"), OPEN, f"s:{disk}", os.O_RDWR) == -errno.EACCES
    assert inject(thread(m.pid, "mote"), OPEN, f"s:{disk}", os.O_RDONLY) > 2
    m.close()


# ---- rights and dumps ------------------------------------------------------------------------------


def test_rights_that_are_gone(tmp_path):
    with started(tmp_path) as m:
        for name, filters in (("mote", "2"), ("fc_vcpu 0", "2")):
            s = status(m.pid, thread(m.pid, name))
            assert (s["NoNewPrivs"], s["Seccomp"], s["CapAmb"].strip("0")) == ("1", "2", "")
            assert s.get("Seccomp_filters", filters) == filters


@pytest.mark.parametrize("how", ["copy", "map"])
def test_guest_memory_is_in_no_dump(how):
    with Mote("run", "--kernel-load", how, "--", "sh", "-c", "echo up; sleep 1000") as m:
        m.out.wait_for(b"up")
        smaps = "\n".join(mote.proc_lines(m.pid, "smaps"))
        maps = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) (rw\S+) .*?VmFlags: ([^\n]*)", smaps, re.M | re.S)
        large = [flags.split() for start, end, _, flags in maps if int(end, 16) - int(start, 16) >= 1 << 20]
        assert large and sum("dd" in f for f in large) >= (1 if how == "copy" else 2)
        total = sum(int(end, 16) - int(start, 16) for start, end, _, flags in maps if "dd" in flags.split())
        assert total >= 128 << 20


@contextlib.contextmanager
def core_pattern(text):
    with open("/proc/sys/kernel/core_pattern", encoding="ascii") as f:
        old = f.read()
    try:
        with open("/proc/sys/kernel/core_pattern", "w", encoding="ascii") as f:
            f.write(text)
    except OSError as e:
        pytest.skip(f"core_pattern: {e}")
    try:
        yield
    finally:
        with open("/proc/sys/kernel/core_pattern", "w", encoding="ascii") as f:
            f.write(old)


@pytest.mark.parametrize("args, dumped", [((), False), (("--core-dumps",), True)])
def test_core_dumps(tmp_path, args, dumped):
    limit = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    with core_pattern(f"{tmp_path}/core.%p"):
        with Mote("run", *args, "--", "sh", "-c", "echo up; sleep 1000",
                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, limit)) as m:
            m.out.wait_for(b"up")
            m.signal(signal.SIGQUIT)
            assert m.wait() == -signal.SIGQUIT
        cores = glob.glob(f"{tmp_path}/core.*")
    assert len(cores) == int(dumped)
    assert all(os.stat(c).st_blocks * 512 < 16 << 20 for c in cores)


# ---- each line is needed ---------------------------------------------------------------------------


class Used:
    """Runs monitors under tests/seccomp/used; knows which lines were needed."""

    def __init__(self, tmp_path):
        self.out = tmp_path / "used"
        self.prefix = (os.path.join(TOOLS, "used"), self.out, *POLICIES)

    def lines(self):
        return set(self.out.read_text().split()) if self.out.exists() else set()


def child_of(pid):
    """The monitor that `used` has started."""
    def children():
        return (mote.proc_lines(pid, f"task/{pid}/children") or [""])[0].split()

    wait_until(children, "the monitor's start")
    return int(children()[0])


def inherited_tap():
    """A descriptor, and the name."""
    fd = os.open("/dev/net/tun", os.O_RDWR)
    name = fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"", 2 | 0x1000 | 0x4000))[:16]
    return fd, name.rstrip(b"\0").decode()


@contextlib.contextmanager
def clock_without_vdso():
    """A clock that takes a system call to read, where the host has one."""
    base = "/sys/devices/system/clocksource/clocksource0/"
    def choose(name):
        with open(base + "current_clocksource", "w", encoding="ascii") as f:
            f.write(name)

    with open(base + "current_clocksource", encoding="ascii") as f:
        old = f.read().strip()
    with open(base + "available_clocksource", encoding="ascii") as f:
        slow = [c for c in f.read().split() if c in ("acpi_pm", "hpet")]
    choose(slow[0] if slow else old)
    try:
        yield
    finally:
        choose(old)


GUEST_SCRIPT = f"""
ifconfig eth0 {GUEST_IP} netmask 255.255.255.0 up; ping -c 2 {HOST} >/dev/null && echo net
head -c 16 /dev/hwrng >/dev/null && echo entropy
dd if=/dev/vda of=/dev/null bs=4k count=4 2>/dev/null && dd if=/dev/zero of=/dev/vda bs=512 count=1 conv=fsync 2>/dev/null && echo disk
blkdiscard -l 65536 /dev/vda && cat /dev/vdb >/dev/null && echo ring
/init @vsock-echo 5000 1 & /init @vsock-call 5001 100000 1 && wait && echo vsock
echo all; sleep 1000
"""


def rules():
    """FILE:LINE -> the line."""
    found = {}
    for path in POLICIES:
        with open(path, encoding="utf-8") as f:
            for nr, line in enumerate(f, 1):
                if " : " in line and not line.startswith("#"):
                    found[f"{path}:{nr}"] = line.strip()
    return found


def use_api(used, tmp_path):
    """Everything that the API can be asked for."""
    disk = tmp_path / "disk"
    disk.write_bytes(b"\0" * (1 << 20))
    vsock = str(tmp_path / "v.sock")
    ready, ready_end = os.pipe()
    subprocess.run(["ip", "tuntap", "add", "mtseccomp", "mode", "tap"], check=True)
    subprocess.run(["ip", "addr", "add", f"{HOST}/24", "dev", "mtseccomp"], check=True)
    subprocess.run(["ip", "link", "set", "mtseccomp", "up"], check=True)
    tap, _ = inherited_tap()
    metadata = tmp_path / "metadata"
    metadata.write_text("{}")
    m = Monitor(tmp_path, "--metadata", metadata, "--ready-fd", ready_end, "--boot-timer", prefix=used.prefix, pass_fds=(ready_end, tap))
    m.api.put("/logger", {"log_path": str(tmp_path / "log"), "level": "Info"})
    m.api.put("/metrics", {"metrics_path": str(tmp_path / "metrics")})
    m.configure(boot_args=f"{api.BOOT_ARGS} MOTE_CMD={api.words('sh', '-c', GUEST_SCRIPT)}", vcpu_count=2)
    limiter = {"ops": {"size": 50, "refill_time": 100}}
    m.api.put("/drives/d", {"drive_id": "d", "is_root_device": False, "path_on_host": str(disk), "rate_limiter": limiter,
                            "cache_type": "Writeback"})
    # Not in memory: there the ring is passed by.
    # pylint: disable-next=consider-using-with
    ring = tempfile.NamedTemporaryFile(dir="/var/tmp")
    ring.write(b"r" * (1 << 20))
    ring.flush()
    m.api.put("/drives/r", {"drive_id": "r", "is_root_device": False, "path_on_host": ring.name, "io_engine": "Async"})
    m.api.put("/network-interfaces/n", {"iface_id": "n", "host_dev_name": "mtseccomp"})
    m.api.put("/network-interfaces/i", {"iface_id": "i", "host_dev_name": f"fd:{tap}"})
    for _ in range(2):
        m.api.put("/vsock", {"guest_cid": 3, "uds_path": vsock})
    m.api.put("/entropy", {})
    Echo(vsock, 5001)
    m.api.start()
    m.out.wait_for(b"entropy", timeout=4 * mote.TIMEOUT)
    m.api.ok("PATCH", "/drives/d", {"drive_id": "d", "path_on_host": str(disk)})
    m.api.ok("PATCH", "/drives/r", {"drive_id": "r", "path_on_host": ring.name})
    m.api.ok("PATCH", "/drives/r", {"drive_id": "r", "rate_limiter": limiter})  # its first one
    assert call(dial(vsock, 5000), b"hello") == b"hello"
    m.out.wait_for(b"all", timeout=4 * mote.TIMEOUT)
    for word in (b"net", b"entropy", b"disk", b"ring", b"vsock"):
        assert word in m.out.text()
    m.api.ok("PATCH", "/vm", {"state": "Paused"})
    m.api.ok("PATCH", "/vm", {"state": "Resumed"})
    m.api.put("/actions", {"action_type": "FlushMetrics"})
    with api.Connection(m.sock) as c:
        c.send(api.request_bytes("PUT", "/logger", b"x" * 20000))
        c.answer()
    crowd = [api.Connection(m.sock) for _ in range(11)]
    wait_until(lambda: b"503" in crowd[-1].sock.recv(100), "one client too many")
    for c in crowd:
        c.close()
    os.kill(child_of(m.pid), signal.SIGPIPE)
    wait_until(lambda: m.api.get("/metrics")["signals"]["sigpipe"] == 1, "SIGPIPE")
    assert os.read(ready, 100).startswith(b"listening\nrunning\n")
    m.signal(signal.SIGTERM)
    assert m.wait() == -signal.SIGTERM
    for fd in (ready, ready_end, tap):
        os.close(fd)


def use_terminal(used, tmp_path):
    """The API's monitor on a terminal, whose vCPU makes a forbidden call; and a shell that ends."""
    config = tmp_path / "config"
    config.write_text(json.dumps({"drives": [], "boot-source": {
        "kernel_image_path": mote.VMLINUX, "initrd_path": mote.INITRD, "boot_args": f"{api.BOOT_ARGS}"}}))
    with contextlib.closing(Terminal("--api-sock", tmp_path / "t.sock", "--log-path", tmp_path / "tlog", "--config-file", config,
                                     prefix=used.prefix)) as t:
        t.out.wait_for(b"# ", timeout=4 * mote.TIMEOUT)
        t.signal(signal.SIGUSR1)
        t.type(b"\r")
        assert t.wait() == REFUSED
        assert t.restored()
    assert "filter vcpu: refused system call 59 (execve)" in (tmp_path / "tlog").read_text()
    with contextlib.closing(Terminal("run", prefix=used.prefix)) as t:
        t.out.wait_for(b"# ", timeout=4 * mote.TIMEOUT)
        t.type(b"exit\r")
        assert t.wait() == 0
        assert t.restored()


def in_call(pid, nr):
    """Is the process waiting in that system call?"""
    return mote.proc_lines(pid, "syscall")[0].split()[0] == str(nr)


def use_slow_reader(used):
    """The guest has ended, and nobody has read all that it said: the monitor waits, is stopped, and goes on."""
    ours, theirs = os.pipe()
    full = fcntl.fcntl(theirs, 1031, 4096)  # F_SETPIPE_SZ: the serial port is slow
    m = Mote("run", "--", "sh", "-c", f"head -c {full + 10} /dev/zero", prefix=used.prefix, stdout=theirs)
    os.close(theirs)
    wait_until(lambda: in_call(child_of(m.pid), POLL), "end of the guest", 4 * mote.TIMEOUT)
    os.kill(child_of(m.pid), signal.SIGSTOP)
    wait_until(lambda: "T" in status(child_of(m.pid), child_of(m.pid))["State"].upper(), "stop")
    os.kill(child_of(m.pid), signal.SIGCONT)
    wait_until(lambda: in_call(child_of(m.pid), RESTART), "going on")
    with open(ours, "rb") as f:
        assert len(f.read()) == full + 10
    assert m.wait() == 0


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to make a tap and to choose a clock")
def test_each_line_of_the_policies_is_needed(tmp_path):
    used = Used(tmp_path)
    with clock_without_vdso():
        try:
            use_api(used, tmp_path)
        finally:
            subprocess.run(["ip", "link", "del", "mtseccomp"], check=False)
    use_terminal(used, tmp_path)
    use_slow_reader(used)
    unused = {k: v for k, v in rules().items() if k not in used.lines()}
    assert unused == {}
