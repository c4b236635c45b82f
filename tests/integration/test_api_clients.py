# SPDX-License-Identifier: Apache-2.0
"""What the clients that exist send, in their order, with their headers and within their time limits, each until a guest
has booted: ../shared/reference/api-contract.md part 2 is where the sequences come from.

The clients' own waits are kept, but not their limits of 250 and 500 ms: an emulated machine is not what those were
made for. benchmarks/api measures calls; here each must be answered.
"""
import fcntl
import json
import os
import socket
import stat
import struct
import subprocess
import time

import pytest

import mote
from api import Client, Connection, request_bytes
from mote import Mote

TUNSETIFF, TUNSETPERSIST, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x400454ca, 0x400454cb, 2, 0x1000, 0x4000
GO_HEADERS = ["User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip"]


@pytest.fixture
def tap():
    """A tap that exists before the monitor does, as network plugins leave it."""
    if not os.path.exists("/dev/net/tun"):
        pytest.skip("no /dev/net/tun")
    name = f"mt{os.getpid() % 100000}"
    with open("/dev/net/tun", "r+b", buffering=0) as tun:
        wanted = struct.pack("16sH22s", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, b"")
        fcntl.ioctl(tun, TUNSETIFF, wanted)
        fcntl.ioctl(tun, TUNSETPERSIST, 1)
    yield name
    with open("/dev/net/tun", "r+b", buffering=0) as tun:
        fcntl.ioctl(tun, TUNSETIFF, wanted)
        fcntl.ioctl(tun, TUNSETPERSIST, 0)


def root_args(words, command="echo up; sleep 1000"):
    """A client's kernel words, and what makes our root disk say that it is up."""
    encoded = "".join(c if c.isalnum() or c in "_./:,@=-" else f"%{ord(c):02X}" for c in command)
    return f"{words} console=ttyS0 quiet init=/sbin/init MOTE_CMD=sh+-c+{encoded}"


class Go(Client):
    """firecracker-go-sdk: go-openapi over net/http."""

    def request(self, method, path, body=None, headers=()):
        return super().request(method, path, body, [*GO_HEADERS, *headers])


class OnePerCall(Client):
    """A connection for each call, closed by the client."""

    def request(self, method, path, body=None, headers=()):
        answer = super().request(method, path, body, headers)
        self.close()
        return answer


def wait_for_socket(path, client):
    """go-sdk: every 10 ms stat, then GET /machine-config must be 200."""
    def ready():
        if not os.path.exists(path):
            time.sleep(0.01)
            return False
        return client.request("GET", "/machine-config").status == 200
    mote.wait_until(ready, "GET /machine-config")


def fifo_reader(path):
    os.mkfifo(path, 0o700)
    return mote.Stream(os.open(path, os.O_RDWR))


def dial(uds, port, timeout=None):
    """go-sdk vsock.Dial: CONNECT, one line of at most 32 bytes, again every 100 ms."""
    end = time.monotonic() + (timeout or mote.TIMEOUT)
    while time.monotonic() < end:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(5)
        try:
            s.connect(uds)
            s.sendall(b"CONNECT %d\n" % port)
            line = s.recv(32)
            if line.startswith(b"OK "):
                return s
        except (OSError, socket.timeout):
            pass
        s.close()
        time.sleep(0.1)
    raise AssertionError(f"nobody answers on port {port}")


def sdk_start(client, d, words, rootfs, tap=None, vsock=None, logs=True):
    """The handlers of go-sdk's Machine.Start from CreateLogFiles on."""
    if logs:
        client.put("/logger", {"log_path": f"{d}/log.fifo", "level": "Debug", "show_level": True,
                               "show_log_origin": False})
        client.put("/metrics", {"metrics_path": f"{d}/metrics.fifo"})
    client.put("/machine-config", {"mem_size_mib": 128, "smt": False, "vcpu_count": 1, "track_dirty_pages": False})
    client.get("/machine-config")
    client.put("/boot-source", {"boot_args": root_args(words), "kernel_image_path": mote.VMLINUX})
    client.put("/drives/1", {"drive_id": "1", "is_read_only": False, "is_root_device": True, "path_on_host": rootfs})
    if tap:
        client.put("/network-interfaces/1", {"guest_mac": "AA:FC:00:00:00:01", "host_dev_name": tap, "iface_id": "1"})
    if vsock:
        client.put("/vsock", {"guest_cid": 3, "uds_path": vsock, "vsock_id": "agent"})
    client.put("/actions", {"action_type": "InstanceStart"})


def test_firecracker_go_sdk(tmp_path, rootfs, tap):
    log, metrics = fifo_reader(tmp_path / "log.fifo"), fifo_reader(tmp_path / "metrics.fifo")
    sock = str(tmp_path / "fc.sock")
    with Mote("--api-sock", sock, "--no-seccomp", "--id", "sdk") as m:
        client = Go(sock)
        wait_for_socket(sock, client)
        sdk_start(client, tmp_path, "reboot=k panic=1 pci=off nomodule", rootfs, tap, str(tmp_path / "v.sock"))
        m.out.wait_for(b"up\r\n")
        log.wait_for(b"API server received a Put request")
        client.put("/actions", {"action_type": "FlushMetrics"})
        line = metrics.wait_for(b"\n")
        assert json.loads(metrics.text()[:line.start()])["utc_timestamp_ms"] > 0
        info = client.get("/")
        assert info["id"] == "sdk" and info["state"] == "Running" and info["app_name"] == "Firecracker"
        client.put("/actions", {"action_type": "SendCtrlAltDel"})
        m.signal(15)
        m.wait()
        assert os.path.exists(sock)


def test_firectl(tmp_path, rootfs):
    """Console on stdio, messages on a FIFO, root drive "1", further ones "2"...; Ctrl-Alt-Del on SIGTERM."""
    log, _ = fifo_reader(tmp_path / "log.fifo"), fifo_reader(tmp_path / "metrics.fifo")
    sock = str(tmp_path / "fc.sock")
    data = tmp_path / "data.img"
    data.write_bytes(bytes(1 << 20))
    with Mote("--api-sock", sock) as m:
        client = Go(sock)
        wait_for_socket(sock, client)
        client.put("/logger", {"log_path": f"{tmp_path}/log.fifo", "level": "Debug", "show_level": True,
                               "show_log_origin": False})
        client.put("/metrics", {"metrics_path": f"{tmp_path}/metrics.fifo"})
        client.put("/machine-config", {"mem_size_mib": 512, "smt": True, "vcpu_count": 1, "cpu_template": "None"})
        client.get("/machine-config")
        client.put("/boot-source", {"kernel_image_path": mote.VMLINUX, "boot_args": root_args(
            "ro console=ttyS0 noapic reboot=k panic=1 pci=off nomodules")})
        client.put("/drives/1", {"drive_id": "1", "is_read_only": False, "is_root_device": True,
                                 "path_on_host": rootfs})
        client.put("/drives/2", {"drive_id": "2", "is_read_only": True, "is_root_device": False,
                                 "path_on_host": str(data)})
        client.put("/actions", {"action_type": "InstanceStart"})
        m.out.wait_for(b"up\r\n")
        log.wait_for(b"executed successfully")


def test_firecracker_containerd(tmp_path, rootfs):
    """A relative socket, vsock with CID 0 by a relative path, empty stub drives that become real while it runs."""
    fifo_reader(tmp_path / "log.fifo")
    fifo_reader(tmp_path / "metrics.fifo")
    stubs = [tmp_path / f"ctrstub{i}" for i in range(2)]
    for stub in stubs:
        stub.write_bytes(b"")
    image = tmp_path / "image"
    image.write_bytes(b"mote" * 131072)
    sock = str(tmp_path / "api.sock")
    with Mote("--api-sock", "api.sock", "--id", "vm-1", cwd=tmp_path) as m:
        client = Go(sock)
        wait_for_socket(sock, client)
        client.put("/logger", {"log_path": "log.fifo", "level": "Error", "show_level": True,
                               "show_log_origin": False})
        client.put("/metrics", {"metrics_path": "metrics.fifo"})
        client.put("/machine-config", {"mem_size_mib": 128, "smt": False, "vcpu_count": 1})
        client.get("/machine-config")
        wait = "until [ $(cat /sys/block/vdb/size) = 1024 ]; do sleep 0.1; done; head -c 4 /dev/vdb; echo; sleep 1000"
        client.put("/boot-source", {"kernel_image_path": mote.VMLINUX, "boot_args": root_args(
            "console=ttyS0 noapic reboot=k panic=1 pci=off nomodules rw", f"echo up; {wait}")})
        client.put("/drives/root_drive", {"drive_id": "root_drive", "is_read_only": False, "is_root_device": True,
                                          "path_on_host": rootfs})
        for i, stub in enumerate(stubs):
            client.put(f"/drives/stub{i}", {"drive_id": f"stub{i}", "is_read_only": False, "is_root_device": False,
                                            "path_on_host": str(stub)})
        answer = client.request("PUT", "/vsock", {"guest_cid": 0, "uds_path": "firecracker.vsock",
                                                  "vsock_id": "agent_api"})
        assert answer.status == 204 and answer.headers["deprecation"] == "true"
        assert stat.S_ISSOCK((tmp_path / "firecracker.vsock").stat().st_mode)
        client.put("/actions", {"action_type": "InstanceStart"})
        m.out.wait_for(b"up\r\n")
        client.patch("/drives/stub0", {"drive_id": "stub0", "path_on_host": str(image)})
        m.out.wait_for(b"mote\r\n")
        client.patch("/vm", {"state": "Paused"})
        assert client.get("/")["state"] == "Paused"
        client.patch("/vm", {"state": "Resumed"})


def kata_config(tmp_path, rootfs, tap, kernel_words):
    drives = [{"drive_id": "rootfs", "path_on_host": rootfs, "is_root_device": False, "is_read_only": False}]
    for i in range(8):
        empty = tmp_path / f"drive_{i}"
        empty.write_bytes(b"")
        drives.append({"drive_id": f"drive_{i}", "path_on_host": str(empty), "is_root_device": False,
                       "is_read_only": False})
    limiter = {"bandwidth": {"one_time_burst": 0, "refill_time": 1000, "size": 0}}
    return {
        "boot-source": {"kernel_image_path": mote.VMLINUX, "boot_args": kernel_words},
        "drives": drives,
        "machine-config": {"mem_size_mib": 256, "vcpu_count": 1, "smt": False},
        "vsock": {"guest_cid": 3, "uds_path": str(tmp_path / "kata.hvsock"), "vsock_id": "root"},
        "logger": {"level": "Error", "log_path": str(tmp_path / "logs.fifo")},
        "metrics": {"metrics_path": str(tmp_path / "metrics.fifo")},
        "network-interfaces": [{"guest_mac": "02:00:ca:fe:00:04", "host_dev_name": tap, "iface_id": "1",
                                "rx_rate_limiter": limiter, "tx_rate_limiter": limiter}],
    }


def test_kata_go(tmp_path, rootfs, tap):
    """Version check, configuration file in tabs, polling for Running, chmod of the socket, hot-plug, vCPU threads."""
    version = subprocess.run([mote.MOTE, "--version"], capture_output=True, check=True, text=True).stdout
    assert tuple(map(int, version.splitlines()[0].split(" ")[1].lstrip("v").split("."))) >= (0, 21, 1)
    fifo_reader(tmp_path / "logs.fifo")
    metrics = fifo_reader(tmp_path / "metrics.fifo")
    words = root_args("tsc=reliable no_timer_check noreplace-smp reboot=k panic=1 acpi=off pci=off iommu=off "
                      "net.ifnames=0 random.trust_cpu=on root=/dev/vda rw rootfstype=ext4",
                      "echo up; until [ $(cat /sys/block/vdb/size) = 2048 ]; do sleep 0.1; done; echo plugged; "
                      "sleep 1000")
    (tmp_path / "fcConfig.json").write_text(json.dumps(kata_config(tmp_path, rootfs, tap, words), indent="\t"))
    sock = str(tmp_path / "firecracker.socket")
    with Mote("--api-sock", sock, "--config-file", tmp_path / "fcConfig.json") as m:
        def running():
            try:
                return Client(sock).get("/")["state"] == "Running"
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(0.01)
                return False
        mote.wait_until(running, "state Running")
        os.chmod(tmp_path / "kata.hvsock", 0o640)
        m.out.wait_for(b"up\r\n")
        disk = tmp_path / "container.img"
        disk.write_bytes(bytes(1 << 20))
        Client(sock).patch("/drives/drive_0", {"drive_id": "drive_0", "path_on_host": str(disk)})
        m.out.wait_for(b"plugged\r\n")
        assert [n for n in mote.thread_names(m.pid) if n.startswith("fc_vcpu")] == ["fc_vcpu 0"]
        m.signal(15)
        m.wait()
    line = metrics.wait_for(b"\n")
    groups = json.loads(metrics.text()[:line.start()])
    for group in ("api_server", "block", "get_api_requests", "i8042", "latencies_us", "logger", "mmds", "net",
                  "patch_api_requests", "put_api_requests", "seccomp", "vcpu", "vmm", "uart", "signals", "vsock"):
        assert group in groups


def test_kata_runtime_rs(tmp_path, rootfs, tap):
    """Every request again and again until the socket is there; null limiters and MAC; a connection for each call."""
    sock = str(tmp_path / "fc.sock")
    with Mote("--api-sock", sock, cwd=tmp_path) as m:
        client = OnePerCall(sock)

        def call(method, path, body):
            for _ in range(500):
                try:
                    answer = client.request(method, path, body)
                    assert answer.status // 100 == 2, answer
                    return
                except (FileNotFoundError, ConnectionRefusedError):
                    time.sleep(0.01)
            raise AssertionError("no socket")

        call("PUT", "/boot-source", {"kernel_image_path": mote.VMLINUX, "boot_args": root_args(
            "reboot=k panic=1 pci=off root=/dev/vda ro rootfstype=ext4")})
        call("PUT", "/machine-config", {"mem_size_mib": 256, "vcpu_count": 1})
        call("PUT", "/drives/rootfs", {"drive_id": "rootfs", "path_on_host": rootfs, "is_root_device": False,
                                       "is_read_only": True})
        for i in range(1, 6):
            (tmp_path / f"drive{i}").write_bytes(b"")
            call("PUT", f"/drives/drive{i}", {"drive_id": f"drive{i}", "path_on_host": f"{tmp_path}//drive{i}",
                                              "is_root_device": False, "is_read_only": False})
        call("PUT", "/vsock", {"guest_cid": 3, "uds_path": "kata.hvsock", "vsock_id": "root"})
        call("PUT", "/network-interfaces/eth0", {"iface_id": "eth0", "guest_mac": None, "host_dev_name": tap})
        call("PUT", "/actions", {"action_type": "InstanceStart"})
        m.out.wait_for(b"up\r\n")
        disk = tmp_path / "disk"
        disk.write_bytes(bytes(1 << 20))
        call("PATCH", "/drives/drive1", {"drive_id": "drive1", "path_on_host": str(disk), "rate_limiter": None})
        m.signal(9)
        m.wait()


def test_flintlock(tmp_path, rootfs, tap):
    """No API at all: configuration and metadata files, boot timer, output to files, SIGHUP to stop."""
    config = {
        "boot-source": {"kernel_image_path": mote.VMLINUX, "boot_args": root_args(
            "console=ttyS0 reboot=k panic=1 pci=off i8042.noaux i8042.nomux i8042.nopnp i8042.dumbkbd "
            "ds=nocloud-net;s=http://169.254.169.254/latest/")},
        "drives": [{"drive_id": "root", "is_root_device": True, "is_read_only": False, "path_on_host": rootfs,
                    "cache_type": "Unsafe"}],
        "logger": {"log_path": str(tmp_path / "firecracker.log"), "level": "Debug", "show_level": True,
                   "show_log_origin": True},
        "machine-config": {"vcpu_count": 2, "mem_size_mib": 256, "smt": True, "track_dirty_pages": False},
        "metrics": {"metrics_path": str(tmp_path / "metrics")},
        "mmds-config": {"version": "V1", "network_interfaces": ["eth1"]},
        "network-interfaces": [{"iface_id": "eth1", "host_dev_name": tap, "guest_mac": "06:00:00:00:00:01"}],
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "metadata.json").write_text('{"latest": {"meta-data": "aWQ6IHg=", "user-data": "I2Nsb3Vk"}}')
    with open(tmp_path / "stdout", "wb") as out, open(tmp_path / "stderr", "wb") as err:
        m = Mote("--id", "01J8ZZ", "--boot-timer", "--no-api", "--config-file", tmp_path / "config.json", "--metadata",
                 tmp_path / "metadata.json", stdout=out, stderr=err)
    mote.wait_until(lambda: b"up\r\n" in (tmp_path / "stdout").read_bytes() or not m.running(), "guest")
    assert m.running(), (tmp_path / "stderr").read_bytes()
    mote.wait_until(lambda: "Guest-boot-time = " in (tmp_path / "firecracker.log").read_text(), "boot time")
    m.signal(1)
    assert m.wait() == 156
    last = (tmp_path / "metrics").read_text().splitlines()[-1]
    assert json.loads(last)["signals"]["sighup"] == 1


def test_nomad_driver(tmp_path, rootfs):
    """Console on a pty, the root drive last in the list, /usr/bin/firecracker by name."""
    ours, theirs = os.openpty()
    program = tmp_path / "firecracker"
    os.symlink(mote.MOTE, program)
    sock = str(tmp_path / "fc.sock")
    data = tmp_path / "data.img"
    data.write_bytes(bytes(1 << 20))
    with Mote("--api-sock", sock, stdin=theirs, stdout=theirs, program=str(program)) as m:
        os.close(theirs)
        console = mote.Stream(ours)
        client = Go(sock)
        wait_for_socket(sock, client)
        client.put("/machine-config", {"mem_size_mib": 128, "smt": False, "vcpu_count": 1, "cpu_template": "None"})
        client.get("/machine-config")
        client.put("/boot-source", {"kernel_image_path": mote.VMLINUX, "boot_args": root_args(
            "reboot=k panic=1 pci=off nomodules")})
        client.put("/drives/2", {"drive_id": "2", "is_read_only": False, "is_root_device": False,
                                 "path_on_host": str(data)})
        client.put("/drives/1", {"drive_id": "1", "is_read_only": False, "is_root_device": True,
                                 "path_on_host": rootfs})
        assert [d["drive_id"] for d in client.get("/vm/config")["drives"]] == ["1", "2"]
        client.put("/actions", {"action_type": "InstanceStart"})
        console.wait_for(b"up\r")
        client.put("/actions", {"action_type": "SendCtrlAltDel"})
        os.kill(m.pid, 9)
        m.wait()


def test_requests_of_curl(tmp_path):
    """Any Content-Type is taken, as curl -d sends one of forms."""
    sock = str(tmp_path / "fc.sock")
    with Mote("--api-sock", sock):
        mote.wait_until(lambda: os.path.exists(sock), "socket")
        c = Connection(sock)
        body = b'{"vcpu_count":1,"mem_size_mib":128}'
        c.send(request_bytes("PUT", "/machine-config", headers=[
            "Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]) + body)
        assert c.answer().status == 204


def test_vsock_dial_of_the_sdk(tmp_path, rootfs):
    """CONNECT is refused until somebody listens in the guest, then answered."""
    sock, uds = str(tmp_path / "fc.sock"), str(tmp_path / "v.sock")
    with Mote("--api-sock", sock) as m:
        client = Go(sock)
        wait_for_socket(sock, client)
        client.put("/machine-config", {"mem_size_mib": 128, "vcpu_count": 1})
        client.put("/boot-source", {"kernel_image_path": mote.VMLINUX, "initrd_path": mote.INITRD, "boot_args":
                                    "console=ttyS0 reboot=k panic=-1 quiet MOTE_CMD=@vsock-echo+10789+1"})
        client.put("/vsock", {"guest_cid": 3, "uds_path": uds})
        client.put("/actions", {"action_type": "InstanceStart"})
        with dial(uds, 10789) as s:
            s.sendall(b"hello")
            assert s.recv(5) == b"hello"
        m.signal(15)
