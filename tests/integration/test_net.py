# SPDX-License-Identifier: Apache-2.0
"""A network device on a real tap: what the guest sees of it, and what comes through."""
import fcntl
import hashlib
import os
import socket
import struct
import subprocess
import threading

import pytest

import api
from mote import TIMEOUT, Mote, expect, run

MIB = 1 << 20
HOST, GUEST_IP = "10.201.0.1", "10.201.0.2"
TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x400454CA, 2, 0x1000, 0x4000

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root to make a tap")

UP = f"ifconfig eth0 {GUEST_IP} netmask 255.255.255.0 up"


def ip(*args):
    made = subprocess.run(["ip", *args], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"no taps here: {made.stderr.strip()}")


@pytest.fixture
def tap():
    name = f"mt{os.getpid() % 100000}"
    ip("tuntap", "add", name, "mode", "tap")
    try:
        ip("addr", "add", f"{HOST}/24", "dev", name)
        ip("link", "set", name, "up")
        yield name
    finally:
        subprocess.run(["ip", "link", "del", name], capture_output=True, check=False)


def guest(tap_name, script, **kwargs):
    return Mote("run", "--net", tap_name, "--", "sh", "-c", script, **kwargs)


def listener():
    s = socket.create_server((HOST, 0))
    s.settimeout(TIMEOUT)
    return s, s.getsockname()[1]


def test_ping(tap):
    """With frames that need more than one buffer, both ways."""
    script = f"{UP}; ping -c 2 -w 30 {HOST} >/dev/null && ping -c 1 -w 30 -s 20000 {HOST} >/dev/null"
    with guest(tap, script) as m:
        expect(m.result(), 0, b"")


def test_mac_and_mtu(tap):
    """As given, and the MTU holds."""
    script = ("cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu;"
              f"{UP}; ping -c 1 -w 30 -s 1000 {HOST} >/dev/null; echo $?")
    with guest(f"{tap},mac=06:00:0a:c9:00:02,mtu=1280", script) as m:
        expect(m.result(), 0, b"06:00:0a:c9:00:02\n1280\n0\n")


def test_tcp_both_ways(tap):
    """Some MiB in each direction, whole and in order."""
    size = 8 * MIB
    data = os.urandom(MIB) * (size // MIB)
    want = hashlib.sha256(data).hexdigest()
    server, port = listener()
    got = hashlib.sha256()
    received = []

    def serve():
        conn, _ = server.accept()
        conn.settimeout(TIMEOUT)
        with conn:
            sender = threading.Thread(target=send, args=(conn,))
            sender.start()
            while piece := conn.recv(65536):
                got.update(piece)
                received.append(len(piece))
            sender.join()

    def send(conn):
        conn.sendall(data)
        conn.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    # All of it to a file first, then back.
    script = (f"{UP}; nc {HOST} {port} </dev/null >/tmp/in; sha256sum </tmp/in")
    back, back_port = listener()
    script += f"; nc {HOST} {back_port} </tmp/in >/dev/null; echo done"
    with guest(tap, script) as m:
        thread.join(4 * TIMEOUT)
        conn, _ = back.accept()
        conn.settimeout(TIMEOUT)
        returned = hashlib.sha256()
        while piece := conn.recv(65536):
            returned.update(piece)
        conn.close()
        result = m.result(4 * TIMEOUT)
    server.close()
    back.close()
    assert result.out.split()[:1] == [want.encode()], result
    assert returned.hexdigest() == want


def test_tap_down_and_up(tap):
    """While it is down nothing comes through and nothing breaks."""
    script = (f"{UP}; while :; do ping -c 1 -w 1 {HOST} >/dev/null && echo reached || echo lost;"
              " done")
    with guest(tap, script) as m:
        m.out.wait_for(b"reached\n")
        ip("link", "set", tap, "down")
        at = len(m.out.text())
        m.out.wait_for(b"lost\nlost\n", start=at)
        ip("link", "set", tap, "up")
        m.out.wait_for(b"reached\nreached\n", start=len(m.out.text()))
        assert m.running()


def test_tap_removed(tap):
    """The device lives on without a network; the monitor does not spin."""
    with guest(tap, f"{UP}; ping -c 1 -w 30 {HOST} >/dev/null; echo up; "
                    f"ping -c 1 -w 2 {HOST} >/dev/null; sleep 2; ping -c 1 -w 2 {HOST} >/dev/null;"
                    "echo still here") as m:
        m.out.wait_for(b"up\n")
        ip("link", "del", tap)
        m.out.wait_for(b"still here\n")
        m.err.wait_for(b"the tap is gone")
        assert m.wait() == 0


def test_inherited_tap(tap):
    """Opened by somebody who may, used by the monitor without any privilege."""
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", tap.encode(),
                                           IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    try:
        with guest(f"fd:{fd}", f"{UP}; ping -c 1 -w 30 {HOST} >/dev/null; echo $?",
                   pass_fds=(fd,), prefix=("setpriv", "--bounding-set", "-net_admin",
                                           "--inh-caps", "-net_admin")) as m:
            m.out.wait_for(b"0\n")
            assert m.wait() == 0
    finally:
        os.close(fd)


def test_errors(tap):
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", tap.encode(),
                                           IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    try:
        expect(run("run", "--net", tap), 152, b"",
               [f"tap {tap}: busy, expected that nobody else has it open"])
    finally:
        os.close(fd)
    for word in ("mac=06:00", "mac=01:00:00:00:00:01", "mtu=67", "mtu=", "x", ""):
        expect(run("run", "--net", f"{tap},{word}"), 153, b"",
               [f"option '--net': '{word}', expected mac=xx:xx:xx:xx:xx:xx or mtu=68 to 65535"])
    expect(run("run", "--net", "no-such-tap", prefix=("setpriv", "--bounding-set", "-net_admin",
                                                      "--inh-caps", "-net_admin")), 152, b"",
           ["tap no-such-tap: no such interface, and no permission to make it"])


def api_guest(tmp_path, tap_name, script, **kwargs):
    m = api.Monitor(tmp_path, "--log-path", tmp_path / "log", **kwargs)
    m.api.put("/network-interfaces/n", {"iface_id": "n", "host_dev_name": tap_name, "guest_mac": "06:00:0a:c9:00:02"})
    m.shell(f"{UP}; {script}")
    return m


def test_spoofed_mac(tap, tmp_path):
    """Frames from another address than the configured one are counted, and none from that one."""
    with api_guest(tmp_path, tap, f"ping -c 1 -w 30 {HOST} >/dev/null; echo honest; read x; ifconfig eth0 down;"
                   f" ifconfig eth0 hw ether 06:00:0a:c9:00:99 up; ping -c 3 -w 30 {HOST} >/dev/null; echo spoofed; read x",
                   stdin=subprocess.PIPE) as m:
        m.out.wait_for(b"honest")
        assert m.api.get("/metrics")["net_n"]["tx_spoofed_mac_count"] == 0
        m.send(b"\n")
        m.out.wait_for(b"spoofed")
        counts = m.api.get("/metrics")["net_n"]
        assert 3 <= counts["tx_spoofed_mac_count"] < counts["tx_packets_count"]


def test_full_tap(tap, tmp_path):
    """The host sends to a guest that stands still until the tap takes no more; then it goes on as if nothing had been."""
    with api_guest(tmp_path, tap, f"ping -c 1 -w 30 {HOST} >/dev/null; echo up; while :; do ping -c 1 -w 1 {HOST} >/dev/null && echo reached; done") as m:
        m.out.wait_for(b"up")
        m.api.patch("/vm", {"state": "Paused"})
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for _ in range(5000):
                s.sendto(b"x" * 1400, (GUEST_IP, 9))
        assert dropped(tap) > 0
        for _ in range(20):
            assert m.api.state() == api.PAUSED
        m.api.patch("/vm", {"state": "Resumed"})
        m.out.wait_for(b"reached\r\nreached", start=len(m.out.text()))


def dropped(tap_name):
    with open(f"/sys/class/net/{tap_name}/statistics/tx_dropped", encoding="ascii") as f:
        return int(f.read())
