# SPDX-License-Identifier: Apache-2.0
"""vsock: a real Linux guest and the host's Unix sockets, by the protocol that clients speak."""
import os
import random
import resource
import socket
import stat
import subprocess
import threading
import time

import pytest

from mote import BAD_ARGUMENT, BAD_CONFIG, TIMEOUT, Mote, expect, run

MIB = 1 << 20


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "v.sock")


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(TIMEOUT)
    s.connect(path)
    return s


def read_line(s):
    """Byte by byte, as what follows is data. b"" when the connection is closed instead."""
    line = b""
    while not line.endswith(b"\n"):
        try:
            byte = s.recv(1)
        except ConnectionResetError:
            return b""
        if not byte:
            return b""
        line += byte
    return line


def dial(path, port):
    """As the SDK does: again and again, until the guest answers."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        s = connect(path)
        s.sendall(b"CONNECT %d\n" % port)
        s.settimeout(5)
        try:
            line = read_line(s)
        except socket.timeout:
            line = b""
        if line:
            assert line.startswith(b"OK "), line
            assert int(line[3:]) >= 1 << 30
            s.settimeout(TIMEOUT)
            return s
        s.close()
        time.sleep(0.1)
    raise AssertionError(f"port {port} of the guest does not answer")


def call(s, data):
    """Sends `data`, closes that half, and returns what comes back until the end."""
    def send():
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    got = bytearray()
    while piece := s.recv(65536):
        got += piece
    sender.join(TIMEOUT)
    s.close()
    return bytes(got)


class Echo:
    """A listener for the guest's connections to `port`, which sends back what they send."""

    def __init__(self, path, port):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{path}_{port}")
        self.listener.listen(16)
        self.calls = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            s, _ = self.listener.accept()
            self.calls += 1
            threading.Thread(target=self._echo, args=(s,), daemon=True).start()

    @staticmethod
    def _echo(s):
        while piece := s.recv(65536):
            s.sendall(piece)
        s.close()


def guest(path, *words, **kwargs):
    return Mote("run", "--vsock", path, "--", "/init", *words, **kwargs)


def test_host_to_guest(path):
    """Every byte comes back, in connections of any length, each closed half by half."""
    lengths = [0, 1, 4096, 70001, 3 * MIB + 5]
    rng = random.Random(1)
    with guest(path, "@vsock-echo", 5000, len(lengths)) as m:
        m.out.wait_for(b"listening")
        assert stat.S_ISSOCK(os.stat(path).st_mode)
        for length in lengths:
            data = rng.randbytes(length)
            assert call(dial(path, 5000), data) == data
        expect(m.result(), 0, b"listening\n")


def test_dialled_from_the_start(path):
    """The SDK dials as soon as the socket is there, which is long before the guest listens."""
    with guest(path, "@vsock-echo", 10789, 1) as m:
        deadline = time.monotonic() + TIMEOUT
        while not os.path.exists(path) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert call(dial(path, 10789), b"hello") == b"hello"
        expect(m.result(), 0, b"listening\n")


def test_nobody_listens_in_the_guest(path):
    """Refused by the guest: closed without a word; so is what is no request."""
    with guest(path, "@vsock-echo", 5000, 1) as m:
        m.out.wait_for(b"listening")
        for line in b"CONNECT 4999\n", b"HELLO\n", b"CONNECT 4294967296\n", b"x" * 40:
            with connect(path) as s:
                s.sendall(line)
                assert read_line(s) == b"", line
        with connect(path) as s:
            s.sendall(b"connect 5000\n")
            assert read_line(s).startswith(b"OK ")
        expect(m.result(), 0)


def test_guest_to_host(path):
    """The guest's connection to a port is one to PATH_PORT."""
    echo = Echo(path, 6000)
    script = "for i in 1 2 3; do /init @vsock-call 6000 $((i * i * 333333)) $i || exit 1; done"
    expect(run("run", "--vsock", path + ":42", "--", "sh", "-c", script), 0, b"")
    assert echo.calls == 3


def test_many_at_once(path):
    """Connections of both directions at the same time do not disturb each other."""
    Echo(path, 6000)
    script = ("/init @vsock-echo 5000 8 & for i in 1 2 3 4 5 6 7 8; do "
              "/init @vsock-call 6000 400000 $i & p=\"$p $!\"; done; "
              "for i in $p; do wait $i || exit 1; done; wait")
    with Mote("run", "--vsock", path, "--cpus", 2, "--", "sh", "-c", script) as m:
        m.out.wait_for(b"listening")
        data = random.Random(2).randbytes(200000)
        callers = [dial(path, 5000) for _ in range(8)]
        for s in callers:
            assert call(s, data) == data
        expect(m.result(), 0)


def answer(path, port, data):
    """A connection that the guest has accepted, with `data` sent on it, that half closed."""
    s = dial(path, port)
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)
    return s


def test_a_thousand(path):
    """All open at once, each with its own bytes; the process was started with fewer descriptors than that."""
    count = 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    try:
        # It stays until all is read: what a guest's kernel has not yet sent when it ends, it has not sent.
        with Mote("run", "--vsock", path, "--", "sh", "-c", f"/init @vsock-gather 5000 {count}; read x", stdin=subprocess.PIPE,
                  prefix=("sh", "-c", 'ulimit -Sn 256; exec "$@"', "sh")) as m:
            m.out.wait_for(b"listening")
            held = [answer(path, 5000, b"%d," % i * 100) for i in range(count)]
            for i, s in enumerate(held):
                got = bytearray()
                while piece := s.recv(65536):
                    got += piece
                assert got == b"%d," % i * 100
                s.close()
            m.send(b"\n")
            expect(m.result(), 0, b"listening\n")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_clients_than_descriptors(path):
    """Those for whom there is none wait, and come in when others have left."""
    with guest(path, "@vsock-echo", 5000, 2, prefix=("sh", "-c", 'ulimit -n 64; exec "$@"', "sh")) as m:
        m.out.wait_for(b"listening")
        assert call(dial(path, 5000), b"before") == b"before"
        crowd = [connect(path) for _ in range(100)]  # of them the monitor can take in fewer than 64
        late = connect(path)
        late.sendall(b"CONNECT 5000\n")
        late.settimeout(3)
        with pytest.raises(TimeoutError):
            late.recv(1)
        for s in crowd:
            s.close()
        late.settimeout(TIMEOUT)
        assert read_line(late).startswith(b"OK ")
        assert call(late, b"after") == b"after"
        expect(m.result(), 0, b"listening\n")


def test_nobody_listens_on_the_host(path):
    result = run("run", "--vsock", path, "--", "/init", "@vsock-call", 6000, 1, 1)
    assert result.status == 1 and b"vsock-call: connect: Connection reset" in result.out + result.err


def test_clients_that_vanish(path):
    """Gone in the middle of everything; the next one is served."""
    with guest(path, "@vsock-echo", 5000, 6) as m:
        m.out.wait_for(b"listening")
        for _ in range(5):
            s = dial(path, 5000)
            s.sendall(b"x" * 50000)
            s.close()
        assert call(dial(path, 5000), b"still here") == b"still here"
        expect(m.result(), 0)


def test_socket_is_made_before_anything_else(path, tmp_path):
    """What stands in the way is said in one line, and the file stays when the guest has ended."""
    expect(run("run", "--vsock", path, "--", "true"), 0)
    assert stat.S_ISSOCK(os.stat(path).st_mode)
    expect(run("run", "--vsock", path, "--", "true"), BAD_CONFIG, b"",
           [f"vsock {path}: exists already, expected a free name"])
    missing = str(tmp_path / "missing" / "v")
    expect(run("run", "--vsock", missing, "--", "true"), BAD_CONFIG, b"",
           [f"vsock {missing}: No such file or directory"])
    assert run("run", "--vsock", path + ":2", "--", "true").status == BAD_ARGUMENT
    assert run("run", "--vsock", ":3", "--", "true").status == BAD_ARGUMENT
