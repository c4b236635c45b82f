# SPDX-License-Identifier: Apache-2.0
"""Rate limiters of running devices, changed while a guest uses them.

A bucket that takes an hour to fill again stops a device for good, and one that is taken away lets it go on: what is looked at
is what the guest gets done, not how long that takes.
"""
import os
import time

import pytest

import api
from mote import wait_until
from test_api_boot import drive, sparse
from test_net import GUEST_IP, HOST, tap  # noqa: F401 (a fixture)

MIB = 1 << 20
HOUR = 3600 * 1000
ENGINES = pytest.mark.parametrize("engine", ["Sync", "Async"])
ONE_AN_HOUR = {"ops": {"size": 1, "refill_time": HOUR}}
BYTES_AN_HOUR = {"bandwidth": {"size": 4096, "refill_time": HOUR}}
# What is empty takes the limit away (Firecracker: a size of 0).
NO_LIMIT = {"ops": {"size": 0, "refill_time": 0}, "bandwidth": {"size": 0, "refill_time": 0}}


@pytest.fixture
def monitor(tmp_path):
    return api.Monitor(tmp_path, "--log-path", tmp_path / "log")


def stands_still(m, what):
    """Nothing more of `what` comes; some that was under way may."""
    deadline = time.monotonic() + 20
    seen = m.out.text().count(what)
    while time.monotonic() < deadline:
        time.sleep(2)
        now = m.out.text().count(what)
        if now == seen:
            return
        seen = now
    raise AssertionError(f"the guest goes on: {seen} times {what}")


def shown(client, section, name="rate_limiter"):
    """The first device's limits as GET /vm/config has them, without what is null; None when there are none."""
    limiter = client.get("/vm/config")[section][0][name]
    found = {k: {n: v for n, v in bucket.items() if v is not None} for k, bucket in (limiter or {}).items() if bucket}
    return found or None


def goes_on(m, what, more=3):
    seen = m.out.text().count(what)
    wait_until(lambda: m.out.text().count(what) >= seen + more, f"{more} more of {what} after {seen}")


@ENGINES
@pytest.mark.parametrize("limit", [ONE_AN_HOUR, BYTES_AN_HOUR], ids=["ops", "bandwidth"])
def test_drive(monitor, tmp_path, engine, limit):
    client = monitor.api
    client.put("/drives/d", drive("d", sparse(tmp_path / "disk", MIB), io_engine=engine))
    monitor.shell("while dd if=/dev/vda of=/dev/null bs=4096 count=4 iflag=direct 2>/dev/null; do echo read; done")
    goes_on(monitor, b"read")
    assert client.get("/metrics")["block_d"]["rate_limiter_throttled_events"] == 0
    for _ in range(2):
        client.patch("/drives/d", {"drive_id": "d", "rate_limiter": limit})
        stands_still(monitor, b"read")
        assert client.get("/metrics")["block_d"]["rate_limiter_throttled_events"] > 0
        assert shown(client, "drives") == limit
        client.patch("/drives/d", {"drive_id": "d", "rate_limiter": NO_LIMIT})
        assert shown(client, "drives") is None
        goes_on(monitor, b"read")


@ENGINES
def test_drive_gets_its_burst(monitor, tmp_path, engine):
    """One-time burst and bucket, and then nothing: so many requests, no more and no fewer."""
    client = monitor.api
    client.put("/drives/d", drive("d", sparse(tmp_path / "disk", MIB), io_engine=engine,
                                  rate_limiter={"ops": {"size": 20, "one_time_burst": 7, "refill_time": HOUR}}))
    monitor.shell("i=0; while dd if=/dev/vda of=/dev/null bs=4096 count=1 iflag=direct 2>/dev/null; do i=$((i + 1)); echo read $i; done")
    monitor.out.wait_for(b"read 1\r\n")
    stands_still(monitor, b"read")
    assert client.get("/metrics")["block_d"]["read_count"] == 27


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to make a tap")
@pytest.mark.parametrize("side", ["rx", "tx"])
@pytest.mark.parametrize("limit", [ONE_AN_HOUR, {"bandwidth": {"size": 60, "refill_time": HOUR}}], ids=["ops", "bandwidth"])
def test_network(monitor, tap, side, limit):  # noqa: F811
    client = monitor.api
    client.put("/network-interfaces/n", {"iface_id": "n", "host_dev_name": tap})
    monitor.shell(f"ifconfig eth0 {GUEST_IP} netmask 255.255.255.0 up; while :; do ping -c 1 -W 1 {HOST} >/dev/null && echo reached; done")
    goes_on(monitor, b"reached")
    for _ in range(2):
        client.patch("/network-interfaces/n", {"iface_id": "n", f"{side}_rate_limiter": limit})
        stands_still(monitor, b"reached")
        counts = client.get("/metrics")["net_n"]
        assert counts[f"{side}_rate_limiter_throttled"] > 0
        assert shown(client, "network-interfaces", f"{side}_rate_limiter") == limit
        assert counts[f"{'rx' if side == 'tx' else 'tx'}_rate_limiter_throttled"] == 0
        client.patch("/network-interfaces/n", {"iface_id": "n", f"{side}_rate_limiter": NO_LIMIT})
        goes_on(monitor, b"reached")


def test_entropy(monitor):
    """More than a bucket passes and is paid for; then nothing comes, and the monitor answers."""
    client = monitor.api
    client.put("/entropy", {"rate_limiter": {"bandwidth": {"size": 4096, "refill_time": HOUR}}})
    monitor.shell("while /init @rng 256; do echo random; done")
    monitor.out.wait_for(b"random")
    stands_still(monitor, b"random")
    counts = client.get("/metrics")["entropy"]
    assert counts["entropy_rate_limiter_throttled"] > 0
    assert counts["entropy_bytes"] >= 4096  # Linux itself has taken some of them
