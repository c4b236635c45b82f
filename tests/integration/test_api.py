# SPDX-License-Identifier: Apache-2.0
"""What requests mean before a guest runs: answers, ids, phases, files, and what is left as it was.

The fields one by one are in test_api_fields.py, the wire in test_api_http.py, guests in test_api_boot.py.
"""
import json
import os
import re

import pytest

import api
import mote
from mote import INITRD, ROOTFS, VMLINUX, open_files, wait_until

DEFAULT_MACHINE = {"vcpu_count": 1, "mem_size_mib": 128, "smt": False, "track_dirty_pages": False, "huge_pages": "None"}


@pytest.fixture
def monitor(tmp_path):
    return api.Monitor(tmp_path, "--id", "vm-7")


@pytest.fixture
def client(monitor):
    return monitor.api


def drive(name, root=False, path=ROOTFS, **more):
    return {"drive_id": name, "is_root_device": root, "path_on_host": str(path), **more}


def put_drive(client, name, **more):
    return client.put(f"/drives/{name}", drive(name, **more))


def drives(client):
    return [d["drive_id"] for d in client.get("/vm/config")["drives"]]


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk"
    path.write_bytes(bytes(4096))
    return path


# ---- questions -------------------------------------------------------------------------------------


def test_answers_before_anything_is_configured(client):
    version = client.get("/version")["firecracker_version"]
    assert re.fullmatch(r"1\.\d+\.\d+", version) and int(version.split(".")[1]) >= 16
    assert client.get("/") == {"id": "vm-7", "state": "Not started", "vmm_version": version,
                               "app_name": "Firecracker"}
    assert client.get("/machine-config") == DEFAULT_MACHINE
    assert client.refused("GET", "/balloon") == "balloon: the machine has none"
    config = client.get("/vm/config")
    assert list(config) == ["balloon", "drives", "boot-source", "cpu-config", "logger", "machine-config", "metrics",
                            "mmds-config", "network-interfaces", "vsock", "entropy", "pmem", "memory-hotplug"]
    assert config["boot-source"] == {"kernel_image_path": "", "initrd_path": None, "boot_args": None}
    assert config["machine-config"] == DEFAULT_MACHINE
    assert [config[n] for n in ("drives", "network-interfaces", "pmem")] == [[], [], []]
    assert all(config[n] is None for n in ("balloon", "cpu-config", "logger", "metrics", "mmds-config", "vsock",
                                           "entropy", "memory-hotplug"))


def test_vm_config_is_what_was_put(client, disk):
    source = {"kernel_image_path": VMLINUX, "initrd_path": INITRD, "boot_args": "console=ttyS0 quiet"}
    machine = {"vcpu_count": 4, "mem_size_mib": 256, "smt": True, "track_dirty_pages": True, "huge_pages": "Transparent"}
    limiter = {"bandwidth": {"size": 1, "refill_time": 2, "one_time_burst": 3},
               "ops": {"size": 0, "refill_time": 0, "one_time_burst": None}}
    client.put("/boot-source", source)
    client.put("/machine-config", machine)
    client.put("/entropy", {"rate_limiter": limiter})
    client.put("/drives/root", drive("root", True, disk, partuuid="0eaa91a0-01", cache_type="Writeback",
                                     is_read_only=True, io_engine="Sync", rate_limiter=limiter))
    put_drive(client, "small", path=disk)
    config = client.get("/vm/config")
    assert config["boot-source"] == source
    assert config["machine-config"] == machine == client.get("/machine-config")
    assert config["entropy"] == {"rate_limiter": limiter}
    assert config["drives"] == [
        {"drive_id": "root", "partuuid": "0eaa91a0-01", "is_root_device": True, "cache_type": "Writeback",
         "is_read_only": True, "path_on_host": str(disk), "rate_limiter": limiter, "io_engine": "Sync", "socket": None, "serial": None},
        {"drive_id": "small", "partuuid": None, "is_root_device": False, "cache_type": "Unsafe", "is_read_only": False,
         "path_on_host": str(disk), "rate_limiter": None, "io_engine": "Sync", "socket": None, "serial": None}]


# ---- replacing and refusing ------------------------------------------------------------------------


def test_put_boot_source_replaces_all_of_it(client):
    client.put("/boot-source", {"kernel_image_path": VMLINUX, "initrd_path": INITRD, "boot_args": "a"})
    client.put("/boot-source", {"kernel_image_path": INITRD})
    assert client.get("/vm/config")["boot-source"] == {"kernel_image_path": INITRD, "initrd_path": None,
                                                       "boot_args": None}


def test_boot_args(client):
    source = {"kernel_image_path": VMLINUX}
    client.put("/boot-source", {**source, "boot_args": ""})
    client.put("/boot-source", {**source, "boot_args": " !~ -- init words"})
    for wrong in ("a\nb", "a\tb", "\u007f", "caf\u00e9"):
        assert client.refused("PUT", "/boot-source", {**source, "boot_args": wrong}).startswith("boot_args: ")
    assert client.get("/vm/config")["boot-source"]["boot_args"] == " !~ -- init words"


def test_patch_machine_config_changes_what_it_names(client):
    client.put("/machine-config", {"vcpu_count": 2, "mem_size_mib": 256, "smt": True})
    client.patch("/machine-config", {"mem_size_mib": 64})
    want = {**DEFAULT_MACHINE, "vcpu_count": 2, "mem_size_mib": 64, "smt": True}
    assert client.get("/machine-config") == want
    client.patch("/machine-config", {"vcpu_count": 1, "smt": None, "track_dirty_pages": True, "huge_pages": "2M"})
    want.update(vcpu_count=1, track_dirty_pages=True, huge_pages="2M")
    assert client.get("/machine-config") == want
    for nothing in ({}, {"smt": None}, None):
        client.refused("PATCH", "/machine-config", nothing)
    # What is right by itself can be wrong together with what is there already.
    assert client.refused("PATCH", "/machine-config", {"vcpu_count": 3}).startswith("vcpu_count: 3, expected ")
    assert client.refused("PATCH", "/machine-config", {"mem_size_mib": 65}).startswith("mem_size_mib: 65, expected ")
    assert client.get("/machine-config") == want
    client.put("/machine-config", {"vcpu_count": 3, "mem_size_mib": 65})  # the rest returns to its default
    assert client.get("/machine-config") == {**DEFAULT_MACHINE, "vcpu_count": 3, "mem_size_mib": 65}
    assert client.refused("PATCH", "/machine-config", {"smt": True}).startswith("vcpu_count: 3, expected ")
    assert client.refused("PATCH", "/machine-config", {"huge_pages": "2M"}).startswith("mem_size_mib: 65, expected ")


def test_memory_sizes(client):
    with open("/proc/meminfo", encoding="ascii") as f:
        host_mib = int(f.readline().split()[1]) // 1024
    for good in (16, 17, host_mib):
        client.patch("/machine-config", {"mem_size_mib": good})
    for wrong in (1, 15, host_mib + 1024):
        fault = client.refused("PATCH", "/machine-config", {"mem_size_mib": wrong})
        assert fault.startswith(f"mem_size_mib: guest memory: {wrong} MiB, expected 16 to "), fault
    assert client.get("/machine-config")["mem_size_mib"] == host_mib


def test_cpu_template_is_deprecated_and_kept(client):
    body = {"vcpu_count": 1, "mem_size_mib": 128}
    assert "deprecation" not in client.put("/machine-config", body).headers
    answer = client.put("/machine-config", {**body, "cpu_template": "T2"})
    assert answer.headers["deprecation"] == "true"
    assert client.get("/machine-config")["cpu_template"] == "T2"
    assert "deprecation" not in client.put("/machine-config", body).headers
    assert client.get("/machine-config")["cpu_template"] == "T2"
    assert client.patch("/machine-config", {"cpu_template": "None"}).headers["deprecation"] == "true"
    assert client.get("/metrics")["deprecated_api"]["deprecated_http_api_calls"] == 2


def test_vsock_id_is_deprecated(client, tmp_path):
    """firecracker-containerd sends it, with a CID of 0."""
    body = {"guest_cid": 0, "uds_path": str(tmp_path / "v.sock")}
    assert "deprecation" not in client.put("/vsock", body).headers
    assert client.put("/vsock", {**body, "vsock_id": "agent_api"}).headers["deprecation"] == "true"
    assert client.get("/vm/config")["vsock"]["guest_cid"] == 0


def test_vsock_that_cannot_be_made_again(client, tmp_path):
    """The old socket had to go first; then there is none, and the configuration says so."""
    folder = tmp_path / "d"
    folder.mkdir()
    body = {"guest_cid": 3, "uds_path": str(folder / "v.sock")}
    client.put("/vsock", body)
    client.refused("PUT", "/vsock", {**body, "uds_path": str(tmp_path / "missing" / "v")})
    assert client.get("/vm/config")["vsock"]["uds_path"] == body["uds_path"]
    (folder / "v.sock").unlink()
    folder.rmdir()
    client.refused("PUT", "/vsock", body)
    assert client.get("/vm/config")["vsock"] is None
    folder.mkdir()
    client.put("/vsock", body)
    assert client.get("/vm/config")["vsock"]["uds_path"] == body["uds_path"]


def test_root_drive_is_first(client, disk):
    for name in ("a", "b"):
        put_drive(client, name, path=disk)
    put_drive(client, "r", root=True, path=disk)
    assert drives(client) == ["r", "a", "b"]
    fault = client.refused("PUT", "/drives/q", drive("q", True, disk))
    assert "A root block device already exists!" in fault and "r" in fault
    assert "A root block device already exists!" in client.refused("PUT", "/drives/b", drive("b", True, disk))
    assert drives(client) == ["r", "a", "b"]
    put_drive(client, "r", path=disk)  # no longer the root
    assert drives(client) == ["r", "a", "b"]
    put_drive(client, "b", root=True, path=disk)
    assert drives(client) == ["b", "r", "a"]


def test_drive_of_the_same_id_is_replaced(monitor, client, disk, tmp_path):
    put_drive(client, "a", path=disk)
    put_drive(client, "b", path=disk)
    before = open_files(monitor.pid)
    other = tmp_path / "other"
    other.write_bytes(b"")  # of no size: a place to put one later
    for _ in range(20):
        put_drive(client, "a", path=other, is_read_only=True)
        put_drive(client, "a", path=other, root=True)
    config = client.get("/vm/config")["drives"]
    assert [(d["drive_id"], d["path_on_host"]) for d in config] == [("a", str(other)), ("b", str(disk))]
    after = open_files(monitor.pid)
    assert len(before) == len(after)
    assert sorted(n for n, _ in after.values()).count(str(other)) == 1


def test_as_many_drives_as_there_are_interrupts(client, disk):
    names = [f"d{i}" for i in range(18)]
    for name in names:
        put_drive(client, name, path=disk)
    assert client.refused("PUT", "/drives/more", drive("more", path=disk)).startswith("drive_id: more is one too many")
    put_drive(client, names[17], path=disk, root=True)
    assert drives(client) == [names[17], *names[:17]]


@pytest.mark.parametrize("more, message", [
    ({"socket": "/v.sock", "path_on_host": None}, "socket: not supported by this version"),
    ({"socket": "/v.sock"}, "path_on_host: given with socket, expected only one"),
    ({"socket": "/v.sock", "path_on_host": None, "is_read_only": False}, "is_read_only: given with socket, expected only one"),
    ({"socket": "/v.sock", "path_on_host": None, "io_engine": "Sync"}, "io_engine: given with socket, expected only one"),
    ({"path_on_host": None}, "path_on_host: required without socket"),
    ({"serial": "s" * 21}, f'serial: "{"s" * 21}", expected at most 20 bytes, not 21'),
])
def test_drives_that_cannot_be(client, more, message):
    assert client.refused("PUT", "/drives/a", {**drive("a"), **more}) == message
    assert drives(client) == []


# ---- files are opened by the call that names them --------------------------------------------------


def test_errors_of_opening_leave_everything_as_it_was(monitor, client, disk, tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    missing, folder, fifo = (str(tmp_path / n) for n in ("missing", "folder", "fifo"))
    client.put("/boot-source", {"kernel_image_path": VMLINUX, "initrd_path": INITRD})
    put_drive(client, "a", path=disk)
    config, files = client.get("/vm/config"), open_files(monitor.pid)
    attempts = [
        ("/boot-source", {"kernel_image_path": missing}, missing),
        ("/boot-source", {"kernel_image_path": VMLINUX, "initrd_path": missing}, missing),
        ("/boot-source", {"kernel_image_path": VMLINUX, "boot_args": "\n"}, "boot_args"),
        ("/drives/a", drive("a", path=missing), missing),
        ("/boot-source", {"kernel_image_path": folder}, folder),
        ("/boot-source", {"kernel_image_path": fifo}, fifo),
        ("/boot-source", {"kernel_image_path": mote.VMLINUX, "initrd_path": folder}, folder),
        ("/drives/a", drive("a", path=folder), folder),
        ("/drives/a", drive("a", path=fifo), fifo),
        ("/drives/a", drive("a", path=f"{disk}/x"), f"{disk}/x"),
        ("/drives/b", drive("b", path=missing), missing),
        ("/drives/b", drive("b", path="/dev/null"), "/dev/null"),
        ("/serial", {"serial_out_path": missing + "/x"}, missing),
        ("/serial", {"serial_out_path": folder}, folder),
        ("/logger", {"log_path": missing + "/x"}, missing),
        ("/logger", {"log_path": folder}, folder),
        ("/metrics", {"metrics_path": missing + "/x"}, missing),
        ("/metrics", {"metrics_path": folder}, folder),
    ]
    for path, body, name in attempts:
        fault = client.refused("PUT", path, body)
        assert name in fault, fault
        assert client.get("/vm/config") == config and open_files(monitor.pid) == files, (path, body)
    assert not os.path.exists(missing)


def test_paths_are_relative_to_the_working_directory(tmp_path):
    with api.Monitor(tmp_path, cwd=tmp_path) as m:
        (tmp_path / "disk").write_bytes(bytes(512))
        put_drive(m.api, "a", path="disk")
        put_drive(m.api, "b", path="./disk")
        assert drives(m.api) == ["a", "b"]


def test_read_only_file(tmp_path, disk):
    """Of a file that may not be written, a drive has to be read-only."""
    os.chmod(disk, 0o444)
    os.chmod(tmp_path, 0o777)
    everyone = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"]
    with api.Monitor(tmp_path, prefix=everyone) as m:
        assert str(disk) in m.api.refused("PUT", "/drives/a", drive("a", path=disk))
        put_drive(m.api, "a", path=disk, is_read_only=True)


# ---- logger, metrics, serial -----------------------------------------------------------------------


def test_logger(client, tmp_path):
    log = tmp_path / "log"
    client.put("/logger", {"log_path": str(log)})
    client.get("/version")
    wait_until(lambda: "/version" in log.read_text(), "a log line")
    line = log.read_text().splitlines()[-1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9} \[vm-7:main\] .*", line), line
    client.put("/logger", {"level": "debug", "show_level": True, "show_log_origin": True})
    client.get("/version")
    text = log.read_text()
    assert re.search(r"\[vm-7:main:DEBUG:api/dispatch\.c:\d+\] Total previous API call duration: \d+ us\.", text)
    client.put("/logger", {"level": "OFF"})
    size = log.stat().st_size
    client.get("/version")
    assert log.stat().st_size == size
    client.put("/logger", {"level": "Info", "module": "vmm"})
    client.get("/version")
    assert log.stat().st_size == size
    client.refused("PUT", "/logger", {"level": "Loud"})


def test_log_lines_of_requests(client, tmp_path):
    """Phrases that clients' tests wait for; a body cannot break a line."""
    log = tmp_path / "log"
    client.put("/logger", {"log_path": str(log), "show_level": True})
    client.put("/machine-config", {"vcpu_count": 1, "mem_size_mib": 16})
    client.refused("PUT", "/machine-config", b'{\n"vcpu_count":0}')
    client.get("/")
    lines = [line.partition("] ")[2] for line in log.read_text().splitlines()]
    assert 'The API server received a Put request on "/machine-config" with body ' \
           '"{\\"vcpu_count\\": 1, \\"mem_size_mib\\": 16}".' in lines, lines
    assert 'The API server received a Put request on "/machine-config" with body "{\\n\\"vcpu_count\\":0}".' in lines, lines
    assert "The request was executed successfully. Status code: 204 No Content." in lines
    assert [line for line in lines if line.startswith(
        "Received Error. Status code: 400 Bad Request. Message: vcpu_count: 0, expected ")], lines
    assert 'The API server received a Get request on "/".' in lines


def test_log_to_a_fifo_nobody_reads(client, tmp_path):
    """Requests are answered when it is full; what is lost is counted."""
    os.mkfifo(tmp_path / "fifo")
    client.put("/logger", {"log_path": str(tmp_path / "fifo"), "level": "Trace"})
    for _ in range(500):
        client.put("/entropy", {})
    assert client.get("/metrics")["logger"]["missed_log_count"] > 0


def test_metrics_once(client, tmp_path):
    """The first that works counts; what comes after it is refused."""
    client.refused("PUT", "/metrics", {"metrics_path": str(tmp_path / "no" / "file")})
    client.put("/metrics", {"metrics_path": str(tmp_path / "metrics"), "something": 1, "emit_id": True})
    fault = client.refused("PUT", "/metrics", {"metrics_path": str(tmp_path / "second")})
    assert "Reinitialization of metrics not allowed" in fault
    assert not (tmp_path / "second").exists() and (tmp_path / "metrics").exists()
    assert client.get("/metrics")["id"] == "vm-7"


def test_metrics_count_requests(client):
    before = client.get("/metrics")
    client.get("/")
    client.get("/version")
    client.put("/entropy", {})
    client.put("/machine-config", {"vcpu_count": 1, "mem_size_mib": 16})
    client.refused("PUT", "/boot-source", {"kernel_image_path": "/missing"})
    client.refused("PUT", "/drives/a", {})
    client.refused("PATCH", "/machine-config", {"nothing": 1})
    after = client.get("/metrics")

    def grown(group, name):
        return after[group][name] - before[group][name]

    assert grown("get_api_requests", "instance_info_count") == 1
    assert grown("get_api_requests", "vmm_version_count") == 1
    assert [grown("put_api_requests", n) for n in ("machine_cfg_count", "machine_cfg_fails")] == [1, 0]
    assert [grown("put_api_requests", n) for n in ("boot_source_count", "boot_source_fails")] == [1, 1]
    assert [grown("put_api_requests", n) for n in ("drive_count", "drive_fails")] == [1, 1]
    assert [grown("patch_api_requests", n) for n in ("machine_cfg_count", "machine_cfg_fails")] == [1, 1]


def test_serial(monitor, client, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for _ in range(10):
        client.put("/serial", {"serial_out_path": str(tmp_path / "out")})
        client.put("/serial", {"serial_out_path": str(tmp_path / "fifo"), "rate_limiter": None})
    names = [n for n, _ in open_files(monitor.pid).values()]
    assert names.count(str(tmp_path / "fifo")) == 1 and str(tmp_path / "out") not in names
    client.put("/serial", {})  # back to standard output
    assert str(tmp_path / "fifo") not in [n for n, _ in open_files(monitor.pid).values()]


def test_balloon(client):
    """Its target is at most the memory, whichever of the two is set last; each field comes back."""
    balloon = {"amount_mib": 128, "deflate_on_oom": True, "stats_polling_interval_s": 5, "free_page_hinting": True,
               "free_page_reporting": True}
    client.put("/balloon", balloon)
    assert client.get("/balloon") == balloon == client.get("/vm/config")["balloon"]
    assert client.refused("PUT", "/balloon", {**balloon, "amount_mib": 129}) == \
        "amount_mib: Amount of pages requested is too large: 129 MiB, expected at most the guest's 128 MiB"
    assert client.refused("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": 127}).startswith(
        "mem_size_mib: The memory size (MiB) is smaller than the previously set balloon device target size: 127")
    assert client.get("/balloon") == balloon and client.get("/machine-config") == DEFAULT_MACHINE
    client.put("/balloon", {"amount_mib": 0, "deflate_on_oom": False})
    assert client.get("/balloon") == {"amount_mib": 0, "deflate_on_oom": False, "stats_polling_interval_s": 0,
                                      "free_page_hinting": False, "free_page_reporting": False}


# ---- bodies that are none ---------------------------------------------------------------------------

@pytest.mark.parametrize("body", [
    b"{", b"}", b"{}x", b"{} {}", b"{,}", b'{"a"}', b'{"a":}', b'{"a":1,}', b"{'a':1}", b'{"a":01}', b'{"a":+1}',
    b'{"a":.5}', b'{"a":1.}', b'{"a":1e}', b'{"a":NaN}', b'{"a":Infinity}', b'{"a":tru}', b'{"a":True}',
    b'{"a":"\\x"}', b'{"a":"\\u12"}', b'{"a":"\\u0000"}', b'{"a":"\\ud800"}', b'{"a":"\\udc00\\ud800"}', b'{"a":"\n"}',
    b'{"a":"\x00"}', b"\x00", b" ", b"{a:1}", b'{"a":1 "b":2}', b'{"a":[1,]}', b'{"a":[1}', b"// x\n{}", b"\xef\xbb\xbf{}",
    b'{"a":"\xff"}', b'{"\xc3":1}', b'{"a":"\xc0\xaf"}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\xf4\x90\x80\x80"}', b"\xff\xfe{\x00}\x00",
    b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", b"[" * 25000, b'{"a":' * 5000])
def test_malformed_json(client, body):
    """Line and column are named; the next request on the connection is answered."""
    assert re.match(r"line \d+, column \d+: expected ", client.refused("PUT", "/entropy", body))
    assert client.state() == "Not started"


def test_where_it_is_malformed(client):
    assert client.refused("PUT", "/entropy", b'{\n  "rate_limiter": nul\n}').startswith("line 2, column 19: ")
    deep = b'{"rate_limiter":' + b"[" * 63 + b"]" * 63 + b"}"
    assert client.refused("PUT", "/entropy", deep) == "rate_limiter: a list, expected an object"


def test_json_that_is_right_in_unusual_ways(client):
    client.put("/entropy", b' \t\r\n{ "rate_limiter" :\tnull } \n')
    client.put("/machine-config", b'{"vcpu\\u005fcount":2.0,"mem_size_mib":1.28e2}')
    assert client.get("/machine-config")["mem_size_mib"] == 128
    client.put("/boot-source", json.dumps({"kernel_image_path": VMLINUX}).replace("/", "\\/").encode())
    assert client.get("/vm/config")["boot-source"]["kernel_image_path"] == VMLINUX


def test_messages_with_strange_names_are_valid_json(client):
    for name in ('"', "\\", "\u0001", "\u20ac" * 200, "a\nb", "\U0001f600" * 50):
        client.refused("PUT", "/entropy", {name: 1})
        client.refused("PUT", "/drives/a", {"drive_id": name, "is_root_device": False})
        for path in ("/missing" + name, "/" + (name * 100)[:900]):
            answer = client.request("PUT", "/boot-source", {"kernel_image_path": path})
            assert answer.fault.startswith("kernel /"), answer
            assert answer.fault.endswith((": No such file or directory", ": Filename too long")), answer


def test_bodies_where_there_should_be_none_and_none_where_there_should_be(client):
    for path in ("/entropy", "/actions", "/drives/a", "/mmds", "/snapshot/load"):
        assert client.refused("PUT", path) == "Empty PUT request."
        assert client.refused("PUT", path, b"") == "Empty PUT request."
    for path in ("/vm", "/drives/a", "/balloon", "/mmds"):
        assert client.refused("PATCH", path) == "Empty PATCH request."
    for path in ("/", "/version", "/balloon", "/mmds"):
        assert client.refused("GET", path, {}) == "GET request cannot have a body."
    assert client.refused("DELETE", "/drives/a", {}) == "Empty Delete request."


# ---- paths, ids and phases -------------------------------------------------------------------------

@pytest.mark.parametrize("collection, key, more", [
    ("drives", "drive_id", {"is_root_device": False, "path_on_host": ROOTFS}),
    ("network-interfaces", "iface_id", {"host_dev_name": "/missing/tap"})])
def test_ids(client, collection, key, more):
    assert client.refused("PUT", f"/{collection}/a", {key: "b", **more}) == f'{key}: "b", expected "a" as in the path'
    assert client.refused("PATCH", f"/{collection}/a", {key: "b"}) == f'{key}: "b", expected "a" as in the path'
    for empty in (f"/{collection}/", f"/{collection}", f"/{collection}//x"):
        assert client.refused("PUT", empty, {key: "a", **more}) == "The ID cannot be empty."
    for wrong in ("a-b", "a.b", "%61", "a?b"):
        fault = client.refused("PUT", f"/{collection}/{wrong}", {key: "a", **more})
        assert fault == "API Resource IDs can only contain alphanumeric characters and underscores."
    fault = client.refused("PUT", f"/{collection}/a-b", {key: "a-b", **more})
    assert fault == "API Resource IDs can only contain alphanumeric characters and underscores."
    assert client.refused("PATCH", f"/{collection}/a-b", {key: "a-b"}).startswith(f'{key}: "a-b", expected ')
    for good in ("a", "A_9", "_", "x" * 64):
        answer = client.request("PUT", f"/{collection}/{good}", {key: good, **more})
        assert answer.status == 204 or "/missing/tap" in answer.fault, answer


UNSUPPORTED = ["PUT /cpu-config", "DELETE /drives/a", "PUT /pmem/a", "PATCH /pmem/a", "DELETE /pmem/a",
               "DELETE /network-interfaces/a", "PUT /mmds/config", "GET /mmds", "PUT /mmds", "PATCH /mmds",
               "PUT /snapshot/create", "PUT /snapshot/load", "PUT /hotplug/memory", "GET /hotplug/memory",
               "PATCH /hotplug/memory"]


@pytest.mark.parametrize("what", UNSUPPORTED)
def test_what_this_version_lacks(client, what):
    method, path = what.split()
    body = {"anything": 1} if method in ("PUT", "PATCH") else None
    assert client.refused(method, path, body).endswith("not supported by this version")


def test_the_document_and_the_lists_here_agree():
    """Endpoints without an answer but 400, in the document, are those that this version lacks."""
    listed = {w.split("/a")[0].split("/{")[0] for w in UNSUPPORTED}
    for path, item in api.openapi()["paths"].items():
        for method, operation in item.items():
            if isinstance(operation, dict) and list(operation["responses"]) == ["400"]:
                assert f"{method.upper()} {path.split('/{')[0]}" in listed, (method, path)


@pytest.mark.parametrize("method, path", [
    ("GET", "/nothing"), ("GET", "/Version"), ("GET", "/versions"), ("GET", "//"), ("GET", "//version"), ("GET", "/actions"),
    ("GET", "/vm"), ("GET", "/drives/a"), ("GET", "/boot-source"), ("PUT", "/"), ("PUT", "/version"), ("PUT", "/vm"),
    ("PUT", "/vm/config"), ("PATCH", "/actions"), ("PATCH", "/boot-source"), ("PUT", "/hotplug"),
    ("DELETE", "/vsock"), ("DELETE", "/"), ("PUT", "/snapshot"), ("PUT", "/snapshot/other"), ("GET", "/%76ersion"),
    ("PUT", "/" + "x" * 900)])
def test_unknown_paths_and_methods(client, method, path):
    fault = client.refused(method, path, {} if method in ("PUT", "PATCH") else None)
    assert fault.startswith(f"Invalid request method and/or path: {method} "), fault
    assert client.state() == "Not started"


def test_surplus_segments_are_passed_over(client):
    assert client.get("/version/and/more") == client.get("/version") == client.get("/version/")
    client.put("/entropy/x", {})
    client.put("/drives/a/b", drive("a"))
    assert client.get("/vm/config/x")["drives"][0]["drive_id"] == "a"


@pytest.mark.parametrize("method, path, body", [
    ("PATCH", "/vm", {"state": "Paused"}), ("PATCH", "/vm", {"state": "Resumed"}),
    ("PATCH", "/drives/a", {"drive_id": "a", "path_on_host": ROOTFS}), ("PATCH", "/network-interfaces/a", {"iface_id": "a"}),
    ("PATCH", "/balloon", {"amount_mib": 1}), ("GET", "/balloon/statistics", None),
    ("PATCH", "/balloon/statistics", {"stats_polling_interval_s": 1}), ("PATCH", "/balloon/hinting/start", None),
    ("PATCH", "/balloon/hinting/start", {"acknowledge_on_stop": False}), ("GET", "/balloon/hinting/status", None),
    ("PATCH", "/balloon/hinting/stop", None), ("PATCH", "/balloon/hinting/stop", {}),
    ("PATCH", "/balloon/reporting/pause", None), ("PATCH", "/balloon/reporting/resume", None),
    ("GET", "/balloon/reporting/status", None),
    ("PUT", "/actions", {"action_type": "FlushMetrics"}), ("PUT", "/actions", {"action_type": "SendCtrlAltDel"})])
def test_too_early(client, method, path, body):
    fault = client.refused(method, path, body)
    assert fault.endswith("The requested operation is not supported before starting the microVM."), fault


def test_start_without_a_kernel(monitor, client):
    client.state()
    before = open_files(monitor.pid)
    for _ in range(3):
        assert client.refused("PUT", "/actions", {"action_type": "InstanceStart"}).startswith("boot-source: ")
    assert client.state() == "Not started" and open_files(monitor.pid) == before
    assert len(mote.thread_names(monitor.pid)) == 1
