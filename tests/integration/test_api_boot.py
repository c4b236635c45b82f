# SPDX-License-Identifier: Apache-2.0
"""Guests that the API starts, changes, pauses and ends, and starts that fail."""
import fcntl
import json
import os
import random
import re
import signal
import struct
import subprocess
import termios
import time

import pytest

import api
import mote
import test_api_fields as fields
from api import PAUSED, RUNNING
from mote import INITRD, ROOTFS, VMLINUX, open_files, our_init, proc_lines, wait_until

MIB = 1 << 20
TICKS = "while :; do read u x </proc/uptime; echo tick $u; sleep 0.1; done"


@pytest.fixture
def monitor(tmp_path):
    return api.Monitor(tmp_path, "--log-path", tmp_path / "log")


def sparse(path, size, start=b""):
    with open(path, "wb") as f:
        f.write(start)
        f.truncate(size)
    return str(path)


def drive(name, path, root=False, **more):
    return {"drive_id": name, "is_root_device": root, "path_on_host": str(path), **more}


def log_of(monitor):
    with open(os.path.join(monitor.dir, "log"), encoding="utf-8", errors="replace") as f:
        return [line.partition("] ")[2].rstrip("\n") for line in f]


def ends_well(monitor):
    """The guest ends by itself: status 0, nothing on standard error, the lines that clients look for."""
    assert monitor.wait() == 0
    assert monitor.err.finish(10) == b""
    assert log_of(monitor)[-2:] == ["Vmm is stopping.", "Firecracker exiting successfully. exit_code=0"]
    text = monitor.out.finish(10).replace(b"\r\n", b"\n").decode()
    return re.sub(r"^\[ *\d+\.\d+\] .*\n", "", text, flags=re.M)  # without what the kernel says


# ---- starts that fail ------------------------------------------------------------------------------


def holdings(pid):
    """Descriptors, threads and mappings."""
    maps = [re.sub(r"\s+", " ", line) for line in proc_lines(pid, "maps")]
    return sorted(n for n, _ in open_files(pid).values()), mote.thread_names(pid), maps


def failing_starts(folder, host_mib):
    """What to PUT, and how the message of the start that follows begins."""
    kernel = {"kernel_image_path": VMLINUX, "initrd_path": INITRD}
    with open(VMLINUX, "rb") as f:
        half = sparse(folder / "half", 3 * MIB, f.read(3 * MIB))
    machine = {"vcpu_count": 2, "mem_size_mib": 64}
    return [
        ({**kernel, "kernel_image_path": INITRD}, machine, f"kernel {INITRD}: not a kernel"),
        ({**kernel, "kernel_image_path": half}, machine, f"kernel {half}: "),
        ({**kernel, "kernel_image_path": sparse(folder / "empty", 0)}, machine, "kernel "),
        ({**kernel, "initrd_path": sparse(folder / "large", 100 * MIB)}, machine, f"initrd {folder}/large: "),
        ({**kernel, "initrd_path": str(folder / "empty")}, machine, f"initrd {folder}/empty: "),
        ({**kernel, "boot_args": "a" * 2040}, machine, "boot_args: with what is added longer than 2047 bytes"),
        (kernel, {**machine, "huge_pages": "2M", "mem_size_mib": host_mib & ~1}, "guest memory: cannot reserve "),
    ]


def test_failing_starts(monitor, tmp_path):
    """Each is refused with its reason, leaves nothing, and what is put right then boots."""
    client = monitor.api
    assert client.refused("PUT", "/actions", {"action_type": "InstanceStart"}).startswith("boot-source: ")
    with open("/proc/meminfo", encoding="ascii") as f:
        host_mib = int(f.readline().split()[1]) // 1024
    client.put("/entropy", {})
    client.put("/drives/a", drive("a", sparse(tmp_path / "disk", MIB)))
    client.put("/drives/r", drive("r", ROOTFS, True, is_read_only=True))
    kinds = failing_starts(tmp_path, host_mib)
    before = None
    for i in range(3):
        for source, machine, begin in kinds:
            client.put("/boot-source", source)
            client.put("/machine-config", machine)
            fault = client.refused("PUT", "/actions", {"action_type": "InstanceStart"})
            assert fault.startswith(begin), fault
            assert client.state() == "Not started"
        before = before or holdings(monitor.pid)
    assert holdings(monitor.pid) == before
    assert client.get("/metrics")["put_api_requests"]["actions_fails"] == 3 * len(kinds) + 1
    monitor.boot("@dev", mem_size_mib=64)
    assert sorted(ends_well(monitor).splitlines()) == [f"vda {os.path.getsize(ROOTFS)} ro", f"vdb {MIB} rw"]


def test_start_without_address_space(tmp_path):
    """Memory that cannot be had: refused; less of it boots."""
    with api.Monitor(tmp_path, "--log-path", tmp_path / "log", prefix=["prlimit", f"--as={500 * MIB}"]) as m:
        m.configure(boot_args=f"{api.BOOT_ARGS} MOTE_CMD=@echo+up", mem_size_mib=1024)
        for _ in range(3):
            fault = m.api.refused("PUT", "/actions", {"action_type": "InstanceStart"})
            assert fault.startswith("guest memory: cannot reserve 1024 MiB"), fault
        m.api.patch("/machine-config", {"mem_size_mib": 64})
        m.api.start()
        assert ends_well(m).endswith("up\n")


# ---- a running guest -------------------------------------------------------------------------------


def test_phases_and_counters_of_a_running_guest(monitor, tmp_path):
    """What is for before the start is refused now; GET /metrics takes nothing from what is flushed."""
    client = monitor.api
    client.put("/metrics", {"metrics_path": str(tmp_path / "metrics")})
    monitor.boot("@hold")
    assert client.state() == RUNNING
    config = client.get("/vm/config")
    for state in (RUNNING, PAUSED, RUNNING):
        client.patch("/vm", {"state": "Paused" if state == PAUSED else "Resumed"})
        assert client.state() == state
        for what, (method, path, operation) in fields.OPERATIONS.items():
            if "after" in operation["x-phases"]:
                continue
            end = fields.Endpoint(monitor, what)
            answer = end.send(fields.minimum(end.schema, monitor.dir))
            assert "not supported after starting the microVM." in answer.fault, (what, answer)
        fault = client.refused("PUT", "/actions", {"action_type": "InstanceStart"})
        assert "not supported after starting the microVM." in fault
        assert "after starting" in client.refused("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": 64})
        assert client.get("/vm/config") == config
    for method, path, body in (("GET", "/balloon/statistics", None), ("PATCH", "/balloon", {"amount_mib": 1}),
                               ("PATCH", "/balloon/hinting/stop", None), ("PATCH", "/balloon/hinting/start", None),
                               ("GET", "/balloon/hinting/status", None), ("GET", "/balloon/reporting/status", None),
                               ("PATCH", "/balloon/reporting/pause", None)):
        assert client.refused(method, path, body) == "balloon: the machine has none"
    counted_once(client, tmp_path / "metrics")
    monitor.signal(signal.SIGTERM)
    assert monitor.wait() == -signal.SIGTERM


def counted_once(client, path):
    flush = {"action_type": "FlushMetrics"}

    def line():
        client.put("/actions", flush)
        return json.loads(path.read_text().splitlines()[-1])["get_api_requests"]["vmm_version_count"]

    line()
    for _ in range(3):
        client.get("/version")
    total = client.get("/metrics")["get_api_requests"]["vmm_version_count"]
    assert client.get("/metrics")["get_api_requests"]["vmm_version_count"] == total
    assert line() == 3 and line() == 0
    client.get("/version")
    assert client.get("/metrics")["get_api_requests"]["vmm_version_count"] == total + 1
    assert line() == 1


def cpu_ticks(pid):
    words = proc_lines(pid, "stat")[0].rpartition(")")[2].split()
    return int(words[11]) + int(words[12])


def settled_output(monitor):
    """What has been printed, once nothing more of it is on its way."""
    size = -1
    while size != len(monitor.out.text()):
        size = len(monitor.out.text())
        time.sleep(0.3)
    return size


def test_pause_and_resume(monitor):
    client = monitor.api
    monitor.shell(TICKS, vcpu_count=2)
    monitor.out.wait_for(b"tick")
    for _ in range(3):
        client.patch("/vm", {"state": "Paused"})
        client.patch("/vm", {"state": "Paused"})
        size, ticks = settled_output(monitor), cpu_ticks(monitor.pid)
        time.sleep(0.7)  # a guest that runs prints seven lines
        assert len(monitor.out.text()) == size and cpu_ticks(monitor.pid) - ticks <= 3
        for _ in range(5):
            assert client.state() == PAUSED
        client.put("/actions", {"action_type": "FlushMetrics"})
        client.patch("/vm", {"state": "Resumed"})
        client.patch("/vm", {"state": "Resumed"})
        assert client.state() == RUNNING
        # Lines of after the pause: its clock and its timers go on.
        monitor.out.wait_for(re.compile(rb"tick [\d.]+\r\n(?s:.*)tick [\d.]+\r\n"), start=size)
    client.patch("/vm", {"state": "Paused"})
    assert client.get("/metrics")["latencies_us"]["pause_vm"] > 0
    monitor.signal(signal.SIGTERM)
    assert monitor.wait(20) == -signal.SIGTERM


def test_paused_devices_take_nothing(tmp_path):
    """What is written to the console meanwhile stays in the pipe, and reaches the guest afterwards."""
    with api.Monitor(tmp_path, "--log-path", tmp_path / "log", stdin=subprocess.PIPE) as m:
        m.shell("echo ready; read word; echo got $word")
        m.out.wait_for(b"ready\r\n")
        m.api.patch("/vm", {"state": "Paused"})
        m.send(b"bread\n")
        time.sleep(0.5)
        assert struct.unpack("i", fcntl.ioctl(m.proc.stdin, termios.FIONREAD, bytes(4)))[0] == 6
        m.api.patch("/vm", {"state": "Resumed"})
        assert ends_well(m).endswith("got bread\n")


def test_pausing_at_any_moment(monitor):
    """From the first instruction to the last: a guest that is stopped all the time boots, and ends."""
    client = monitor.api
    monitor.boot(vcpu_count=2)
    rounds = 0
    try:
        while monitor.running():
            client.patch("/vm", {"state": "Paused"})
            client.patch("/vm", {"state": "Resumed"})
            rounds += 1
            time.sleep(0.01)
    except (EOFError, ConnectionError):
        client.close()
    assert rounds > 5
    assert ends_well(monitor).endswith("up\n")


@pytest.mark.parametrize("engine", ["Sync", "Async"])
def test_block_requests_in_flight_survive_a_pause(monitor, tmp_path, engine):
    size = 24 * MIB
    disk = sparse(tmp_path / "disk", size)
    monitor.api.put("/drives/d", drive("d", disk, cache_type="Writeback", io_engine=engine))
    monitor.shell(f"echo go; for i in 1 2 3; do /init @fill /dev/vda {size} $i && /init @verify /dev/vda {size} $i && "
                  "echo done $i; done; echo end")
    monitor.out.wait_for(b"go\r\n")
    pauses = 0
    while b"end\r\n" not in monitor.out.text() and monitor.running():
        try:
            monitor.api.patch("/vm", {"state": "Paused"})
            time.sleep(0.02)
            monitor.api.patch("/vm", {"state": "Resumed"})
            time.sleep(0.05)
        except (EOFError, ConnectionError):
            break
        pauses += 1
    assert pauses > 5
    assert ends_well(monitor).endswith("done 1\ndone 2\ndone 3\nend\n")
    assert our_init("@verify", disk, size, 3).returncode == 0


def test_patch_drive(monitor, tmp_path):
    """A placeholder of no size becomes a disk, a larger one, and one that the guest reads; errors change nothing."""
    client = monitor.api
    placeholder = sparse(tmp_path / "none", 0)
    small, large = sparse(tmp_path / "small", MIB, b"first disk\n"), sparse(tmp_path / "large", 3 * MIB, b"second disk\n")
    os.chmod(small, 0o444)
    client.put("/drives/r", drive("r", ROOTFS, True, is_read_only=True))
    client.put("/drives/d", drive("d", placeholder))
    monitor.shell("old=; while :; do read s </sys/block/vdb/size; [ $s = \"$old\" ] || echo size $s; old=$s; "
                  "[ $s = 0 ] || { read line </dev/vdb; echo $line; }; [ $s != 6144 ] || exit 0; sleep 0.1; done")
    monitor.out.wait_for(b"size 0\r\n")
    files = open_files(monitor.pid)
    for path in (str(tmp_path / "missing"), str(tmp_path)):
        assert path in client.refused("PATCH", "/drives/d", {"drive_id": "d", "path_on_host": path})
    assert client.refused("PATCH", "/drives/x", {"drive_id": "x", "path_on_host": small}).startswith("drive_id: x")
    assert client.refused("PATCH", "/drives/x", {"drive_id": "x"}).startswith("drive_id: x")
    client.patch("/drives/d", {"drive_id": "d"})
    assert open_files(monitor.pid) == files
    assert client.get("/vm/config")["drives"][1]["path_on_host"] == placeholder
    client.patch("/drives/d", {"drive_id": "d", "path_on_host": small, "rate_limiter": None})
    monitor.out.wait_for(b"size 2048\r\nfirst disk\r\n")
    assert client.get("/vm/config")["drives"][1]["path_on_host"] == small
    client.patch("/vm", {"state": "Paused"})
    client.patch("/drives/d", {"drive_id": "d", "path_on_host": large})
    client.patch("/vm", {"state": "Resumed"})
    monitor.out.wait_for(b"size 6144\r\n")
    names = [n for n, _ in open_files(monitor.pid).values()]
    assert names.count(large) + names.count(small) <= 2, names
    assert "size 6144\n" in ends_well(monitor)


# ---- processors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("smt, siblings", [(False, ["0", "1", "2", "3"]), (True, ["0-1", "0-1", "2-3", "2-3"])])
def test_threads_of_a_core(monitor, smt, siblings):
    """With smt, the guest takes pairs of vCPUs for the threads of a core."""
    monitor.shell("cat /sys/devices/system/cpu/cpu?/topology/thread_siblings_list", vcpu_count=4, smt=smt)
    assert ends_well(monitor).split()[-4:] == siblings


def test_terminal_of_a_command(monitor):
    """It is the terminal's foreground, and no session's leader: such a one's end throws away what is not sent yet."""
    monitor.shell("cut -d' ' -f5-8 /proc/self/stat")
    group, session, terminal, foreground = ends_well(monitor).split()[-4:]
    assert session == "1" and group == foreground and terminal != "0"


# ---- ends ------------------------------------------------------------------------------------------


def test_send_ctrl_alt_del(monitor):
    """A guest that reads its keyboard gets the keys, and ends by them."""
    monitor.configure(boot_args="MOTE_CMD=keys", kernel=mote.guest_file("tiny.elf"), initrd=mote.INITRD_MIN)
    monitor.api.start()
    monitor.api.put("/actions", {"action_type": "SendCtrlAltDel"})
    ends_well(monitor)


@pytest.mark.parametrize("words", ["", "acpi=off", "noapic"])
def test_ctrl_alt_del_of_our_kernel(monitor, words):
    """It has no keyboard, but a patch that knows these keys, and restarts."""
    monitor.shell("echo ready; sleep 1000", append=words)
    monitor.out.wait_for(b"ready")
    monitor.api.put("/actions", {"action_type": "SendCtrlAltDel"})
    ends_well(monitor)


def test_ctrl_alt_del_of_debian(monitor):
    """Debian's kernel has a driver: init is told, and reboots."""
    monitor.shell("echo ready; sleep 1000", kernel=mote.guest_file("debian/vmlinuz"), mem_size_mib=256)
    monitor.out.wait_for(b"ready")
    monitor.api.put("/actions", {"action_type": "SendCtrlAltDel"})
    ends_well(monitor)


def test_ctrl_alt_del_that_nobody_reads(monitor):
    press = {"action_type": "SendCtrlAltDel"}
    monitor.configure(boot_args="MOTE_CMD=spin", kernel=mote.guest_file("tiny.elf"), initrd=mote.INITRD_MIN)
    monitor.api.start()
    answers = [monitor.api.request("PUT", "/actions", press).status for _ in range(10)]
    assert answers == sorted(answers) and set(answers) == {204, 400}
    assert monitor.api.refused("PUT", "/actions", press) == "SendCtrlAltDel: the guest does not read its keyboard"


@pytest.mark.parametrize("verb", ["@poweroff", "@reboot", "@panic", "@exit"])
def test_ends_of_a_guest(monitor, verb):
    """Each is a success of the monitor's; the socket stays, and does not answer."""
    monitor.boot(*(["@exit", "7"] if verb == "@exit" else [verb]))
    ends_well(monitor)
    assert os.path.exists(monitor.sock)
    assert not mote.session_processes(monitor.pid)


# ---- round trip ------------------------------------------------------------------------------------


def test_config_makes_the_same_guest(tmp_path):
    """GET /vm/config, fed to --config-file."""
    script = "cat /proc/cmdline; nproc; head -1 /proc/meminfo; cd /sys/block; head -99 vd*/size vd*/ro; ls -l /dev/hwrng; " \
        "echo finis-$((1 + 1)); sleep 1"  # the kernel's last words come over the same line, between any two characters
    outputs = []
    with api.Monitor(tmp_path, "--log-path", tmp_path / "log") as m:
        m.api.put("/drives/d", drive("d", sparse(tmp_path / "disk", MIB), cache_type="Writeback"))
        m.api.put("/drives/r", drive("r", ROOTFS, True, is_read_only=True, partuuid="0eaa91a0-01"))
        m.api.put("/entropy", {})
        m.shell(script, vcpu_count=2, mem_size_mib=96)
        config = m.api.get("/vm/config")
        outputs.append(ends_well(m).partition("finis-2"))
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    with api.Monitor(tmp_path, "--log-path", tmp_path / "log", "--config-file", file, sock="second.sock") as m:
        assert m.api.get("/vm/config") == config
        outputs.append(ends_well(m).partition("finis-2"))
    assert outputs[0][:2] == outputs[1][:2] and outputs[0][1]
    assert "root=PARTUUID=0eaa91a0-01 ro" in outputs[0][0] and "\n2\n" in outputs[0][0]


# ---- whatever was asked for before -----------------------------------------------------------------


class Asker:
    """Random requests, right and wrong ones, and all of them remembered."""

    def __init__(self, seed, monitor):
        self.random, self.client, self.folder = random.Random(seed), monitor.api, monitor.dir
        self.asked = []
        with open("/proc/meminfo", encoding="ascii") as f:
            self.host_mib = int(f.readline().split()[1]) // 1024

    def pick(self, *choices):
        return self.random.choice(choices)

    def body(self, what):
        missing, disk = os.path.join(self.folder, "missing"), os.path.join(self.folder, "disk")
        paths = (VMLINUX, INITRD, disk, missing, "", None, self.folder)
        bodies = {
            "/boot-source": lambda: {"kernel_image_path": self.pick(*paths), "initrd_path": self.pick(*paths),
                                     "boot_args": self.pick(None, "", "quiet", "a" * 2040, "\n", "x -- y")},
            "/machine-config": lambda: {"vcpu_count": self.pick(0, 1, 2, 3, 32, 33, None),
                                        "mem_size_mib": self.pick(0, 16, 63, 64, self.host_mib, 1 << 40),
                                        "smt": self.pick(True, False), "huge_pages": self.pick("None", "2M", "Transparent"),
                                        "cpu_template": self.pick("T2", "None", None)},
            "/drives": lambda: {"drive_id": self.pick("a", "b", "c"), "is_root_device": self.pick(True, False),
                                "path_on_host": self.pick(*paths), "is_read_only": self.pick(True, False, None),
                                "partuuid": self.pick(None, "1-2"), "cache_type": self.pick("Unsafe", "Writeback", "x")},
            "/entropy": lambda: self.pick({}, {"rate_limiter": None}, {"rate_limiter": {"ops": {}}}, []),
            "/serial": lambda: {"serial_out_path": self.pick(os.path.join(self.folder, "serial"), missing + "/x")},
            "/logger": lambda: {"level": self.pick("Info", "Debug", "Error", "x")},
            "/vsock": lambda: {"guest_cid": self.pick(0, 3, -1), "uds_path": os.path.join(self.folder, "v")},
            "/balloon": lambda: {"amount_mib": self.pick(0, 64, -1), "deflate_on_oom": True},
            "/actions": lambda: {"action_type": self.pick("FlushMetrics", "SendCtrlAltDel", "InstanceStart", "x")},
            "/vm": lambda: {"state": self.pick("Paused", "Resumed")},
            "/nothing": lambda: {},
        }
        return bodies[what]()

    def ask(self):
        what = self.pick("/boot-source", "/machine-config", "/machine-config", "/drives", "/drives", "/drives", "/entropy",
                         "/serial", "/logger", "/vsock", "/balloon", "/actions", "/actions", "/vm", "/nothing")
        body = self.body(what)
        method = "PATCH" if what == "/vm" or self.random.random() < 0.2 else "PUT"
        path = f"/drives/{body['drive_id']}" if what == "/drives" else what
        raw = json.dumps(body).encode()
        if self.random.random() < 0.1:
            at = self.random.randrange(len(raw))
            raw = raw[:at] + self.random.randbytes(1) + raw[at + 1:]
        if what == "/actions" and body["action_type"] == "InstanceStart":
            # It must not succeed: the guest would be another one.
            self.client.put("/boot-source", {"kernel_image_path": INITRD})
        self.asked.append((method, path, raw))
        answer = self.client.request(method, path, raw)
        assert answer.status in (204, 400), answer


@pytest.mark.parametrize("seed", range(6))
def test_any_requests_then_right_ones(tmp_path, seed):
    """Five random sequences, each followed by a start that fails; then the right requests boot the guest that
    they describe. Whatever made it fail is in the assertion: the seed, and what was asked for."""
    sparse(tmp_path / "disk", MIB)
    with api.Monitor(tmp_path, "--log-path", tmp_path / "log") as m:
        asker = Asker(seed, m)
        try:
            for _ in range(5):
                for _ in range(12):
                    asker.ask()
                m.api.put("/boot-source", {"kernel_image_path": INITRD})
                m.api.refused("PUT", "/actions", {"action_type": "InstanceStart"})
                assert m.api.state() == "Not started"
            for d in m.api.get("/vm/config")["drives"]:  # a drive stays a drive; its file is to be a right one
                m.api.put(f"/drives/{d['drive_id']}", drive(d["drive_id"], tmp_path / "disk"))
            if m.api.get("/vm/config")["balloon"]:  # which may want all of the guest's memory
                m.api.put("/balloon", {"amount_mib": 0, "deflate_on_oom": True})
            m.api.put("/serial", {})
            m.api.put("/logger", {"level": "Info"})
            m.boot("@dev", mem_size_mib=64, vcpu_count=2)
            drives = len(m.api.get("/vm/config")["drives"]) if m.running() else None
            out = ends_well(m)
            assert drives is None or out.count(f" {MIB} rw\n") == drives
        except BaseException:
            print(f"seed {seed}: {asker.asked}")
            raise
