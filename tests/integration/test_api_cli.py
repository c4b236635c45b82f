# SPDX-License-Identifier: Apache-2.0
"""The monitor's command line, its socket, its messages and counters, and how it ends."""
import json
import os
import re
import signal
import socket
import stat
import time

import pytest

import mote
from api import BOOT_ARGS, RUNNING, Client, Monitor
from mote import Mote, run

OK, ERROR, BAD_CONFIG, BAD_ARGUMENT, HANGUP = 0, 1, 152, 153, 156


def ends(*args, **kwargs):
    return run(*args, **kwargs)


# ---- arguments -----------------------------------------------------------------------------------


def test_version_is_what_kata_reads():
    """The second word of the first line, a semantic version of at least 0.21.1."""
    result = ends("--version")
    assert result.status == OK
    word, version = result.out.decode().splitlines()[0].split(" ")
    assert word == "mote"
    numbers = re.fullmatch(r"v(\d+)\.(\d+)\.(\d+)", version)
    assert tuple(map(int, numbers.groups())) >= (0, 21, 1)


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_names_every_option(option):
    result = ends(option)
    assert result.status == OK
    for name in ("api-sock", "id", "config-file", "no-api", "metadata", "log-path", "level", "module", "show-level",
                 "show-log-origin", "metrics-path", "boot-timer", "seccomp-filter", "no-seccomp", "start-time-us",
                 "start-time-cpu-us", "parent-cpu-time-us", "http-api-max-payload-size", "mmds-size-limit",
                 "ready-fd", "openapi", "version"):
        assert f"--{name} ".encode() in result.out, name


@pytest.mark.parametrize("args, message", [
    (["--no-such"], "option '--no-such' is not known"),
    (["word"], "argument 'word' was not expected"),
    (["--id"], "option '--id' requires a value"),
    (["--id", "a", "--id", "b"], "option '--id' was given more than once"),
    (["--id", "a_b"], "'a_b', expected 1 to 64 letters, digits and '-'"),
    (["--id", ""], "'', expected 1 to 64 letters"),
    (["--id", "x" * 65], "expected 1 to 64 letters"),
    (["--no-api"], "expected --config-file with it"),
    (["--http-api-max-payload-size", "many"], "'--http-api-max-payload-size': 'many'"),
    (["--http-api-max-payload-size", "0"], "expected"),
    (["--start-time-us", "-1"], "'--start-time-us': '-1'"),
    (["--seccomp-filter", "f", "--no-seccomp"], "cannot be used together"),
    (["--ready-fd", "77"], "77 is not open"),
    (["--no-seccomp", "--", "more"], "argument 'more' was not expected"),
])
def test_wrong_arguments(args, message):
    result = ends(*args)
    assert result.status == BAD_ARGUMENT, result
    assert len(result.messages) == 1 and message in result.messages[0], result


def test_wrong_level_is_bad_configuration():
    result = ends("--level", "loud")
    assert result.status == BAD_CONFIG
    assert "'loud', expected one of Off, Error, Warning, Info, Debug, Trace" in result.messages[0]


# ---- the socket ----------------------------------------------------------------------------------


def refused_socket(path, *what):
    result = ends("--api-sock", path)
    assert result.status == ERROR, result
    line = result.err.decode()
    assert line.startswith("Error: ") and line.count("\n") == 1, result
    for words in what:
        assert words in line, result
    assert b"Firecracker exiting with error. exit_code=1" in result.out, result


def test_socket_that_exists(tmp_path):
    path = tmp_path / "taken"
    path.write_bytes(b"")
    refused_socket(path, "Failed to open the API socket at: ", str(path), "Check that it is not already used.")


def test_socket_in_a_missing_folder(tmp_path):
    refused_socket(tmp_path / "no" / "api.sock", str(tmp_path))


def test_socket_path_too_long(tmp_path):
    refused_socket(tmp_path / ("x" * 108), "107")


def test_socket_is_relative_to_the_working_directory_and_stays(tmp_path):
    with Monitor(tmp_path, wait=False) as probe:
        probe.signal(signal.SIGTERM)
        probe.wait()
    m = Mote("--api-sock", "rel.sock", "--id", "a-b", cwd=tmp_path)
    path = tmp_path / "rel.sock"
    mote.wait_until(path.exists, "socket")
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert Client(str(path)).get("/")["id"] == "a-b"
    m.signal(signal.SIGTERM)
    assert m.wait() == -signal.SIGTERM
    assert path.exists()


def test_ready_fd(tmp_path):
    ours, theirs = os.pipe()
    with Monitor(tmp_path, "--ready-fd", str(theirs), pass_fds=[theirs]) as m:
        os.close(theirs)
        told = mote.Stream(ours)
        told.wait_for(b"listening\n")
        m.boot("@echo", "up")
        told.wait_for(b"running\n")
        told.wait_for(b"booted\n")
        assert m.wait() == OK
    assert told.finish(10) == b"listening\nrunning\nbooted\n"


# ---- configuration file --------------------------------------------------------------------------


def config(tmp_path, **sections):
    path = tmp_path / "vm.json"
    document = {
        "boot-source": {"kernel_image_path": mote.VMLINUX, "initrd_path": mote.INITRD,
                        "boot_args": f"{BOOT_ARGS} MOTE_CMD=@echo+up"},
        "drives": [],
        **sections,
    }
    path.write_text(json.dumps(document))
    return path


def test_config_file_starts_a_guest(tmp_path):
    with Monitor(tmp_path, "--config-file", config(tmp_path), "--boot-timer") as m:
        m.out.wait_for(b"\nup\r\n")
        m.out.wait_for(b"Guest-boot-time = ")
        assert m.wait() == OK
        m.out.wait_for(b"Firecracker exiting successfully. exit_code=0")


def test_config_file_without_api(tmp_path):
    result = ends("--no-api", "--config-file", config(tmp_path), "--api-sock", tmp_path / "none")
    assert result.status == OK, result
    assert b"\nup\r\n" in result.out
    assert not (tmp_path / "none").exists()


def test_api_answers_once_the_guest_runs(tmp_path):
    file = config(tmp_path)
    file.write_text(file.read_text().replace("MOTE_CMD=@echo+up", "MOTE_CMD=sleep+1000"))
    with Monitor(tmp_path, "--config-file", file) as m:
        assert m.api.state() == RUNNING
        assert "not supported after starting" in m.api.refused("PUT", "/entropy", {})


@pytest.mark.parametrize("text, message", [
    ("", "expected"),
    ("{", "line 1"),
    ("[]", "expected"),
    ('{"drives": []}', "boot-source"),
    ('{"boot-source": {"kernel_image_path": "/nowhere"}, "drives": []}', "kernel /nowhere: No such file"),
    ('{"boot-source": {"kernel_image_path": 7}, "drives": []}', "boot-source.kernel_image_path: 7"),
    ('{"boot-source": {"kernel_image_path": "%s"}, "drives": [{"drive_id": "a"}]}' % mote.VMLINUX,
     "drives[0].is_root_device"),
    ('{"boot-source": {"kernel_image_path": "%s"}, "drives": [], "pmem": [{"id": "x"}]}' % mote.VMLINUX,
     "pmem: not supported by this version"),
])
def test_config_file_that_is_wrong(tmp_path, text, message):
    path = tmp_path / "vm.json"
    path.write_text(text)
    result = ends("--no-api", "--config-file", path)
    assert result.status == BAD_CONFIG, result
    assert str(path) in result.err.decode() and message in result.err.decode(), result


def test_config_file_that_is_missing(tmp_path):
    result = ends("--no-api", "--config-file", tmp_path / "none.json")
    assert result.status == BAD_CONFIG, result
    assert b"none.json: No such file or directory" in result.err


def test_config_file_with_unknown_sections(tmp_path):
    result = ends("--no-api", "--config-file", config(tmp_path, **{"x-something": {"a": 1}}))
    assert result.status == OK, result


def test_guest_that_cannot_start(tmp_path):
    path = tmp_path / "kernel"
    path.write_bytes(b"no kernel" * 1000)
    source = {"kernel_image_path": str(path)}
    result = ends("--no-api", "--config-file", config(tmp_path, **{"boot-source": source}))
    assert result.status == ERROR, result
    assert b"not a kernel" in result.err


def test_metadata_is_read_and_checked(tmp_path):
    data = tmp_path / "data.json"
    data.write_text('{"latest": {"meta-data": {"id": "x"}}}')
    assert ends("--no-api", "--config-file", config(tmp_path), "--metadata", data).status == OK
    data.write_text("nonsense")
    result = ends("--no-api", "--config-file", config(tmp_path), "--metadata", data)
    assert result.status == BAD_CONFIG and b"data.json" in result.err, result


def test_metadata_is_kept_without_its_spaces_up_to_a_limit(tmp_path):
    data = tmp_path / "data.json"
    text = '{"a b": [1, 12345678901234567890, "\\" // x"]}'
    data.write_text(f"\n  {text} \n\n")
    short = len(text) - 3  # the spaces outside strings
    for limit, enough in ((short, True), (short - 1, False)):
        result = ends("--no-api", "--config-file", config(tmp_path), "--metadata", data, "--mmds-size-limit", str(limit))
        assert result.status == (OK if enough else BAD_CONFIG), result
        said = f"{data}: {short} bytes " + ("kept" if enough else f"without spaces, expected at most {limit}")
        assert said.encode() in (result.out if enough else result.err), result


def test_ids_of_a_file_are_free(tmp_path):
    drives = [{"drive_id": i, "is_root_device": False, "path_on_host": mote.ROOTFS} for i in ("a-b", "\u00e9 \"\n")]
    with Monitor(tmp_path, "--config-file", config(tmp_path, drives=drives)) as m:
        assert [d["drive_id"] for d in m.api.get("/vm/config")["drives"]] == [d["drive_id"] for d in drives]
        names = [f'block_{d["drive_id"]}' for d in drives]
        assert set(names) <= set(m.api.get("/metrics"))


# ---- messages ------------------------------------------------------------------------------------

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9} \[([^\]]*)\] (.*)")


def test_log_goes_to_a_file_with_level_and_origin(tmp_path):
    log = tmp_path / "log"
    with Monitor(tmp_path, "--log-path", log, "--level", "debug", "--show-level", "--show-log-origin",
                 "--id", "vm-7") as m:
        m.api.get("/version")
        m.api.refused("PUT", "/nonsense", {})
        m.signal(signal.SIGTERM)
        m.wait()
    lines = [LINE.fullmatch(line) for line in log.read_text().splitlines()]
    assert lines and all(lines), log.read_text()
    said = [m.group(2) for m in lines]
    assert any(s.startswith("Running Firecracker v") for s in said)
    assert 'The API server received a Get request on "/version".' in said
    assert 'The API server received a Put request on "/nonsense" with body "{}".' in said
    assert "The request was executed successfully. Status code: 200 OK." in said
    assert any(s.startswith("Received Error. Status code: 400 Bad Request. Message: ") for s in said)
    assert any(re.fullmatch(r"Total previous API call duration: \d+ us\.", s) for s in said)
    where = lines[0].group(1).split(":")
    assert where[0] == "vm-7" and where[2] == "INFO" and where[3].endswith(".c") and where[4].isdigit(), where


def test_log_fifo_without_reader_holds_nobody_up(tmp_path):
    fifo = tmp_path / "log"
    os.mkfifo(fifo)
    with Monitor(tmp_path, "--log-path", fifo, "--level", "Debug") as m:
        for _ in range(500):  # twice what a pipe holds
            m.api.get("/version")
        lost = m.api.get("/metrics")["logger"]["missed_log_count"]
    assert lost > 0


def test_log_file_that_cannot_be_opened(tmp_path):
    result = ends("--log-path", tmp_path / "no" / "log", "--api-sock", tmp_path / "s")
    assert result.status == BAD_CONFIG, result
    assert str(tmp_path / "no" / "log").encode() in result.err


# ---- counters ------------------------------------------------------------------------------------


def test_metrics_are_deltas_and_written_at_the_end(tmp_path):
    path = tmp_path / "metrics"
    with Monitor(tmp_path, "--metrics-path", path) as m:
        m.configure(boot_args=f"{BOOT_ARGS} MOTE_CMD=sleep+1000")
        m.api.start()
        m.api.put("/actions", {"action_type": "FlushMetrics"})
        m.api.put("/actions", {"action_type": "FlushMetrics"})
        total = m.api.get("/metrics")["put_api_requests"]["actions_count"]
        m.signal(signal.SIGTERM)
        m.wait()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 3
    counted = [line["put_api_requests"]["actions_count"] for line in lines]
    assert counted == [2, 1, 0] and total == 3
    assert lines[0]["put_api_requests"]["boot_source_count"] == 1
    assert lines[1]["put_api_requests"]["boot_source_count"] == 0
    assert list(lines[0])[0] == "utc_timestamp_ms"


def test_flush_before_start_is_refused(tmp_path):
    with Monitor(tmp_path) as m:
        assert "before starting" in m.api.refused("PUT", "/actions", {"action_type": "FlushMetrics"})


# ---- how it ends ---------------------------------------------------------------------------------


def started(tmp_path, *args, **kwargs):
    m = Monitor(tmp_path, *args, **kwargs)
    m.configure(boot_args=f"{BOOT_ARGS} MOTE_CMD=sh+-c+echo%20up%3B%20sleep%201000")
    m.api.start()
    m.out.wait_for(b"\nup\r\n")
    return m


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_signals_end_it_at_once(tmp_path, signum):
    with started(tmp_path) as m:
        m.signal(signum)
        assert m.wait() == -signum
        assert os.path.exists(m.sock)


@pytest.mark.parametrize("signum, status", [
    (signal.SIGHUP, HANGUP), (signal.SIGBUS, 149), (signal.SIGSEGV, 150), (signal.SIGXFSZ, 151),
    (signal.SIGXCPU, 154), (signal.SIGILL, 157), (signal.SIGSYS, 148),
])
def test_fatal_signals_have_a_status_and_write_the_metrics(tmp_path, signum, status):
    path = tmp_path / "metrics"
    with started(tmp_path, "--metrics-path", path) as m:
        m.signal(signum)
        assert m.wait() == status
        m.out.wait_for(f"Shutting down VM after intercepting signal {int(signum)}, code {status}.".encode())
    last = json.loads(path.read_text().splitlines()[-1])
    if signum == signal.SIGSYS:
        assert last["seccomp"]["num_faults"] == 1
    else:
        assert last["signals"][signum.name.lower()] == 1


def test_sigpipe_is_counted(tmp_path):
    with Monitor(tmp_path) as m:
        m.signal(signal.SIGPIPE)
        mote.wait_until(lambda: m.api.get("/metrics")["signals"]["sigpipe"] == 1, "count of SIGPIPE")


def test_sigkill_leaves_nothing_but_the_socket(tmp_path):
    with started(tmp_path) as m:
        m.signal(signal.SIGKILL)
        assert m.wait() == -signal.SIGKILL
        assert mote.session_processes(m.pid) == []


def test_console_never_read_and_client_still_answered(tmp_path):
    """Standard output is a pipe that nobody reads; the guest writes far more than it holds."""
    ours, theirs = os.pipe()
    with Monitor(tmp_path, "--log-path", tmp_path / "log", stdout=theirs) as m:
        os.close(theirs)
        m.configure(boot_args=f"{BOOT_ARGS} MOTE_CMD=sh+-c+while%20true%3B%20do%20echo%20flood%3B%20done")
        m.api.start()
        end = time.monotonic() + 5
        while time.monotonic() < end:
            assert m.api.state() == RUNNING
    os.close(ours)


def test_thread_names(tmp_path):
    with Monitor(tmp_path) as m:
        m.configure(boot_args=f"{BOOT_ARGS} MOTE_CMD=sleep+1000", vcpu_count=2)
        m.api.start()
        names = ["fc_vcpu 0", "fc_vcpu 1", "mote"]
        mote.wait_until(lambda: mote.thread_names(m.pid) == names, "names of the threads")


def test_metrics_path_is_opened_once(tmp_path):
    with Monitor(tmp_path, "--metrics-path", tmp_path / "m") as m:
        assert "Reinitialization of metrics not allowed." in m.api.refused(
            "PUT", "/metrics", {"metrics_path": str(tmp_path / "n")})


def test_socket_backlog_while_the_vm_is_made(tmp_path):
    """Clients that come before the loop runs are answered when it does."""
    with Monitor(tmp_path, "--config-file", config(tmp_path)) as m:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(mote.TIMEOUT)
        s.connect(m.sock)
        s.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 200 ")
        s.close()
