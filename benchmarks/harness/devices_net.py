# SPDX-License-Identifier: Apache-2.0
"""Network over a tap: one TCP stream of 64 MiB each way, and 2,000 round trips of one byte."""

import json
import shlex

from . import devices, monitors

NAME = "net"
TAP, HOST, GUEST, PORT = "mb0", "10.202.0.1", "10.202.0.2", 5000
BYTES, TRIPS = 64 << 20, 2000
COMMAND = ["/bench/measure_net", "all", HOST, str(PORT), str(BYTES), GUEST]


def _figure(key, title, unit, goal, firecracker, qemu, at_most=False):
    return devices.Figure(f"net.{key}", title, unit, goal, at_most,
                          recorded={"Firecracker 1.16": firecracker, "QEMU": qemu})


FIGURES = [
    _figure("take", "TCP, guest to host", "MB/s", 850, 552, 581),
    _figure("send", "TCP, host to guest", "MB/s", 900, 636, 530),
    _figure("ping", "round trip of one byte", "us", 75, 104, 111, at_most=True),
]

# The host's ends listen before the guest starts, and each prints the time of its connection.
_BEGIN = f"""
ip link del {TAP} 2>/dev/null || true
ip tuntap add {TAP} mode tap
ip addr add {HOST}/24 dev {TAP}
ip link set {TAP} up
./measure_net take {HOST} {PORT} >take & take=$!
./measure_net send {HOST} {PORT + 1} {BYTES} >send & send=$!
./measure_net ping {HOST} {PORT + 2} {TRIPS} >ping & ping=$!
"""
# Whoever still waits for a guest that never came is not waited for.
_END = f"""
kill $take $send $ping 2>/dev/null || true
cat take send ping | awk '
    $1 == "ping_ns" {{ print "result net.ping", $2 / {TRIPS} / 1000 }}
    $1 == "take_ns" || $1 == "send_ns" {{ print "result net." substr($1, 1, 4), {BYTES} / $2 * 1000 }}'
ip link del {TAP}
"""


def files(build):
    return {"measure_net": f"{build}/bench/guest/measure_net"}


def _start(monitor, command, before="", mote=False):
    return devices.Start(monitor, f"{_BEGIN}{before}{command} </dev/null 2>&1\n{_END}", is_mote=mote)


def _by_config(monitor, binary, mote=False):
    text = json.dumps(devices.config(COMMAND, network_interfaces=[
        {"iface_id": "eth0", "host_dev_name": TAP}]))
    argv = [binary, "--no-api", "--config-file", "config", "--level", "Error"]
    return _start(monitor, shlex.join(argv), f"printf %s {shlex.quote(text)} >config\n", mote)


def starts():
    found = [_by_config("mote", "./mote", mote=True)]
    absent = []
    if monitors.find("QEMU microvm"):
        options = ["-netdev", f"tap,id=n,ifname={TAP},script=no,downscript=no,vhost=off",
                   "-device", "virtio-net-device,netdev=n"]
        found.append(_start("QEMU microvm, vhost off", devices.qemu_microvm(COMMAND, options)))
    else:
        absent.append("QEMU microvm: no qemu-system-x86_64 in PATH (Debian: qemu-system-x86)")
    if binary := monitors.find("Firecracker"):
        found.append(_by_config("Firecracker", binary))
    else:
        absent.append("Firecracker: no binary in PATH; its figures were recorded earlier")
    return found, absent
