# SPDX-License-Identifier: Apache-2.0
"""HTTP on the API's socket, byte for byte: framing, limits, and peers that are slow, many, rude or gone."""
import json
import os
import select
import socket
import threading

import pytest

import api
import mote
from mote import open_files, wait_until

LIMIT = 51200
BUSY = (b"HTTP/1.1 503\r\nServer: Firecracker API\r\nConnection: close\r\nContent-Length: 40\r\n\r\n"
        b'{ "error": "Too many open connections" }')
DONE = b"HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n"


@pytest.fixture
def monitor(tmp_path):
    return api.Monitor(tmp_path)


def everything(connection):
    """All that arrives until the other side closes."""
    while True:
        piece = connection.sock.recv(65536)
        if not piece:
            return connection.buffer
        connection.buffer += piece


def refused(monitor, data, reason):
    """The request is answered with an error of the framing, and nothing comes after it."""
    with api.Connection(monitor.sock) as c:
        c.send(data)
        answer = everything(c)
    body = b'{ "error": "%s\nAll previous unanswered requests will be dropped." }' % reason.encode()
    assert answer == (b"HTTP/1.1 400 \r\nServer: Firecracker API\r\nConnection: close\r\nContent-Type: application/json\r\n"
                      b"Content-Length: %d\r\n\r\n" % len(body)) + body, answer
    assert monitor.api.state() == "Not started"


def accepted(monitor, data, status=200):
    with api.Connection(monitor.sock) as c:
        c.send(data)
        answer = c.answer()
        assert answer.status == status, answer
        c.send(b"GET / HTTP/1.1\r\n\r\n")
        assert c.answer().status == 200
        return answer


def settled(monitor, count):
    """Waits until the monitor has `count` open files."""
    wait_until(lambda: len(os.listdir(f"/proc/{monitor.pid}/fd")) == count, f"{count} open files", 20)


# ---- one request and many --------------------------------------------------------------------------


def test_answers_byte_for_byte(monitor):
    with api.Connection(monitor.sock) as c:
        c.send(b"PUT /entropy HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
        wait_until(lambda: len(c.sock.recv(4096, socket.MSG_PEEK)) >= len(DONE), "an answer")
        assert c.sock.recv(4096) == DONE
        c.send(b"GET /version HTTP/1.1\r\n\r\n")
        answer = c.answer()
        assert answer.headers == {"server": "Firecracker API", "connection": "keep-alive",
                                  "content-type": "application/json", "content-length": str(len(answer.raw))}
        c.send(b"GET /nothing HTTP/1.1\r\n\r\n")
        assert c.answer().raw == b'{"fault_message":"Invalid request method and/or path: GET nothing."}'


def test_keep_alive(monitor):
    """A connection is good for any number of requests, also after refused ones."""
    with api.Connection(monitor.sock) as c:
        c.send(b"GET / HTTP/1.1\r\n\r\n")
        c.answer()
        before = open_files(monitor.pid)
        for i in range(200):
            c.send(b"PUT /entropy HTTP/1.1\r\nContent-Length: 2\r\n\r\n" + (b"{}" if i % 2 else b"{{"))
            assert c.answer().status == (204 if i % 2 else 400)
        assert open_files(monitor.pid) == before


def numbered(i):
    """A request whose answer shows the number, and what that shows."""
    if i % 3 == 0:
        body = b'{"n%d":0}' % i
        return (b"PUT /entropy HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body,
                lambda a: a.status == 400 and a.fault.startswith(f"n{i}: unknown field"))
    if i % 3 == 1:
        return b"GET /version HTTP/1.1\r\nX: %d\r\n\r\n" % i, lambda a: "mote_version" in a.body
    return b"GET /n%d HTTP/1.1\r\n\r\n" % i, lambda a: a.fault.endswith(f" GET n{i}.")


def test_pipelining(monitor):
    """A thousand requests in one go are answered in their order."""
    pairs = [numbered(i) for i in range(1000)]
    with api.Connection(monitor.sock) as c:
        sender = threading.Thread(target=c.send, args=(b"".join(p for p, _ in pairs),))
        sender.start()
        for i, (_, right) in enumerate(pairs):
            answer = c.answer()
            assert right(answer), (i, answer)
        sender.join()
        assert c.buffer == b""


def test_pipelined_requests_do_not_hold_up_others(monitor):
    """A client that sends without a pause and one that sends a single request."""
    with api.Connection(monitor.sock) as greedy:
        greedy.send(b"GET / HTTP/1.1\r\n\r\n" * 2000)
        assert monitor.api.state() == "Not started"
        for _ in range(2000):
            assert greedy.answer().status == 200


def test_byte_by_byte(monitor):
    """Each byte by itself; another client is answered in between."""
    body = json.dumps({"rate_limiter": None}).encode()
    data = api.request_bytes("PUT", "/entropy", body)
    with api.Connection(monitor.sock) as slow, api.Connection(monitor.sock) as quick:
        for i in range(len(data)):
            slow.send(data[i:i + 1])
            quick.send(b"GET / HTTP/1.1\r\n\r\n")
            assert quick.answer().status == 200
            if i < len(data) - 1:
                assert select.select([slow.sock], [], [], 0)[0] == []
        assert slow.answer().status == 204


@pytest.mark.parametrize("size", [2, 3, 7, 64, 1000])
def test_pieces(monitor, size):
    """What comes out does not depend on where the bytes were cut."""
    pairs = [numbered(i) for i in range(60)]
    data = b"".join(p for p, _ in pairs)
    with api.Connection(monitor.sock) as c:
        for at in range(0, len(data), size):
            c.send(data[at:at + size])
        for i, (_, right) in enumerate(pairs):
            assert right(c.answer()), i


# ---- heads -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\n\n",
    b"\r\nGET / HTTP/1.1\r\n\r\n",
    b"GET http://localhost/ HTTP/1.1\r\n\r\n",
    b"GET http://localhost HTTP/1.1\r\n\r\n",
    b"GET HTTP://x:80/version HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    b"GET / HTTP/1.1\r\ncontent-LENGTH:0\r\nContent-Length:  0  \r\n\r\n",
    b"GET / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
    b"GET / HTTP/1.1\r\nAccept-Encoding: gzip, identity;q=0.5, *;q=0\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Type: image/png\r\nAccept: text/html\r\n\r\n",
    b"GET / HTTP/1.1\r\nX-Empty:\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"H: v\r\n" * 64 + b"\r\n",
    b"GET / HTTP/1.1\r\nH: " + b"v" * (1024 - 5) + b"\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"])
def test_heads_that_are_taken(monitor, data):
    assert accepted(monitor, data).headers["connection"] == "keep-alive"


@pytest.mark.parametrize("data, reason", [
    (b"POST / HTTP/1.1\r\n\r\n", "Invalid HTTP Method: Unsupported HTTP method."),
    (b"get / HTTP/1.1\r\n\r\n", "Invalid HTTP Method: Unsupported HTTP method."),
    (b"GET / HTTP/2.0\r\n\r\n", "Invalid HTTP Version: Unsupported HTTP version."),
    (b"GET / HTTP/1.2\r\n\r\n", "Invalid HTTP Version: Unsupported HTTP version."),
    (b"GET version HTTP/1.1\r\n\r\n", "Invalid URI: expected a path or http://host/path."),
    (b"GET https://localhost/ HTTP/1.1\r\n\r\n", "Invalid URI: expected a path or http://host/path."),
    (b"GET http:// HTTP/1.1\r\n\r\n", "Invalid URI: expected a path or http://host/path."),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n", "Invalid request line."),
    (b"GET / HTTP/1.1\r\nnothing\r\n\r\n", "Invalid header: expected NAME: VALUE."),
    (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "Invalid header: a header that is continued on the next line."),
    (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
     "Invalid header: Transfer-Encoding is not supported, expected a Content-Length."),
    (b"PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "Invalid header: Content-Length, expected a number of bytes."),
    (b"PUT / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n", "Invalid header: Content-Length, expected a number of bytes."),
    (b"PUT / HTTP/1.1\r\nContent-Length:\r\n\r\n", "Invalid header: Content-Length, expected a number of bytes."),
    (b"PUT / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
     "Invalid header: Content-Length, expected a number of bytes."),
    (b"PUT / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n",
     "Request payload with size 18446744073709551615 is larger than the limit of 51200 allowed by server."),
    (b"PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
     "Invalid header: Content-Length, given twice with two values."),
    (b"GET / HTTP/1.1\r\nAccept-Encoding: identity;q=0\r\n\r\n",
     "Invalid header: Accept-Encoding, expected identity to be accepted."),
    (b"GET / HTTP/1.1\r\nAccept-Encoding: gzip, *;q=0\r\n\r\n",
     "Invalid header: Accept-Encoding, expected identity to be accepted."),
    (b"GET / HTTP/1.1\r\n" + b"H: v\r\n" * 65 + b"\r\n", "Invalid header: more than 64 of them."),
    (b"GET / HTTP/1.1\r\nH: " + b"v" * 1020 + b"\r\n\r\n", "Invalid request: a line of more than 1024 bytes."),
    (b"GET / HTTP/1.1\r\n" + (b"H: " + b"v" * 1000 + b"\r\n") * 9, "Invalid request: more than 8192 bytes before the body."),
    (b"GET /" + b"a" * 1100 + b" HTTP/1.1\r\n\r\n", "Invalid request: a line of more than 1024 bytes."),
    (b"a" * 1025, "Invalid request: a line of more than 1024 bytes.")])
def test_heads_that_are_refused(monitor, data, reason):
    refused(monitor, data, reason)


def test_longest_request_line(monitor):
    path = b"a" * (1024 - len(b"GET / HTTP/1.1\r\n"))
    assert accepted(monitor, b"GET /" + path + b" HTTP/1.1\r\n\r\n", 400).fault.startswith("Invalid request method")
    refused(monitor, b"GET /a" + path + b" HTTP/1.1\r\n\r\n", "Invalid request: a line of more than 1024 bytes.")


def test_requests_before_and_after_a_wrong_one(monitor):
    """Those before it are answered, those after it are not."""
    with api.Connection(monitor.sock) as c:
        c.send(b"GET /version HTTP/1.1\r\n\r\n" * 9 + b"POST / HTTP/1.1\r\n\r\n" + b"GET / HTTP/1.1\r\n\r\n" * 9)
        assert [c.answer().status for _ in range(9)] == [200] * 9
        assert everything(c).count(b"HTTP/1.1") == 1


def test_error_reaches_a_client_that_goes_on_sending(monitor):
    """Its writes do not break before it has read why."""
    with api.Connection(monitor.sock) as c:
        c.send(b"POST / HTTP/1.1\r\n\r\n")
        for _ in range(256):
            c.send(b"x" * 4096)
        assert everything(c).startswith(b"HTTP/1.1 400 \r\n")


@pytest.mark.parametrize("head", [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
                                  b"GET / HTTP/1.1\r\nConnection: x, Close\r\n\r\n"])
def test_last_answer(monitor, head):
    with api.Connection(monitor.sock) as c:
        c.send(head + b"GET /version HTTP/1.1\r\n\r\n")
        answer = c.answer()
        assert answer.status == 200 and answer.headers["connection"] == "close"
        assert c.closed()


# ---- bodies ----------------------------------------------------------------------------------------


def padded(size):
    return b"PUT /entropy HTTP/1.1\r\nContent-Length: %d\r\n\r\n{" % size + b" " * (size - 2) + b"}"


def test_body_limit(monitor):
    accepted(monitor, padded(LIMIT), 204)
    refused(monitor, padded(LIMIT + 1), f"Request payload with size {LIMIT + 1} is larger than the limit of {LIMIT} allowed by server.")


@pytest.mark.parametrize("limit", [2, 1000, 300000])
def test_body_limit_of_the_option(tmp_path, limit):
    with api.Monitor(tmp_path, "--http-api-max-payload-size", limit) as m:
        accepted(m, padded(limit), 204)
        refused(m, padded(limit + 1), f"Request payload with size {limit + 1} is larger than the limit of {limit} allowed by server.")


def test_truncated_body(monitor):
    with api.Connection(monitor.sock) as c:
        c.send(padded(100)[:-1])
        monitor.api.state()
        assert "rate_limiter" not in str(monitor.api.get("/vm/config")["entropy"])
        c.sock.shutdown(socket.SHUT_WR)
        assert everything(c) == b""
    assert monitor.api.get("/vm/config")["entropy"] is None


def test_expect_100_continue(monitor):
    head = b"PUT /entropy HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    with api.Connection(monitor.sock) as c:
        for _ in range(3):
            c.send(head)
            assert c.answer().status == 100
            c.send(b"{")
            monitor.api.state()
            c.send(b"}")
            assert c.answer().status == 204
        c.send(head + b"{}")  # it did not wait: there is nothing to continue with
        assert c.answer().status == 204
    refused(monitor, b"PUT /entropy HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 60000\r\n\r\n",
            "Request payload with size 60000 is larger than the limit of 51200 allowed by server.")


# ---- peers -----------------------------------------------------------------------------------------


def test_the_eleventh_connection(monitor):
    monitor.api.close()
    ten = [api.Connection(monitor.sock) for _ in range(10)]
    for c in ten:
        c.send(b"GET / HTTP/1.1\r\n\r\n")
        assert c.answer().status == 200
    for early in (b"", b"GET / HTTP/1.1\r\n\r\n"):
        with api.Connection(monitor.sock) as c:
            try:
                c.send(early)
            except BrokenPipeError:
                pass  # turned away already; why, it can still read
            assert everything(c) == BUSY
    for c in ten:
        c.send(b"GET / HTTP/1.1\r\n\r\n")
        assert c.answer().status == 200
    count = len(open_files(monitor.pid))
    ten.pop().close()
    settled(monitor, count - 1)
    assert monitor.api.state() == "Not started"
    for c in ten:
        c.close()


def test_a_peer_that_had_its_last_answer_gives_its_place_up(monitor):
    monitor.api.close()
    ten = [api.Connection(monitor.sock) for _ in range(10)]
    for c in ten:
        c.send(b"GET / HTTP/1.1\r\n\r\n")
        c.answer()
    ten[3].send(b"POST / HTTP/1.1\r\n\r\n")
    assert b"Unsupported" in everything(ten[3])  # and does not close
    assert monitor.api.state() == "Not started"
    for c in ten:
        c.close()


def cpu_seconds(pid):
    fields = mote.proc_lines(pid, "stat")[0].rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fill(connection, request):
    """Sends requests until no more are taken. How many whole ones, and what is left of the last."""
    connection.sock.setblocking(False)
    count, rest = 0, b""
    while True:
        try:
            rest = rest or request
            rest = rest[connection.sock.send(rest):]
            count += not rest
        except BlockingIOError:
            # Once more after a while: the monitor may be about to read some.
            connection.sock.settimeout(0.5)
            try:
                rest = rest[connection.sock.send(rest):]
                count += not rest
                connection.sock.setblocking(False)
            except TimeoutError:
                connection.sock.settimeout(mote.TIMEOUT)
                return count, rest


def test_peer_that_does_not_read(monitor):
    """It is not read from either, costs no time, and gets every answer once it reads."""
    with api.Connection(monitor.sock) as c:
        request = b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 900 + b"\r\n\r\n"
        count, rest = fill(c, request)
        assert count > 50
        before = cpu_seconds(monitor.pid)
        for _ in range(20):
            assert monitor.api.state() == "Not started"
        wait_quiet(0.5)
        assert cpu_seconds(monitor.pid) - before < 0.4
        answers = count
        if rest and len(rest) < len(request):
            threading.Thread(target=c.send, args=(rest,), daemon=True).start()
            answers += 1
        for _ in range(answers):
            assert "utc_timestamp_ms" in c.answer().body
        assert c.buffer == b""


def test_answers_that_do_not_fit_into_the_socket(monitor):
    """Whichever of a round of the loop, which takes four requests, is cut: the rest follows when the client
    reads. Answers are made large by drives with long names."""
    path = "/" + "./" * 2000 + mote.ROOTFS.lstrip("/")
    for i in range(18):
        monitor.api.put(f"/drives/d{i}", {"drive_id": f"d{i}", "is_root_device": False, "path_on_host": path})
    with api.Connection(monitor.sock) as c:
        for small in range(4):
            for large in range(1, 9):
                c.send(GET_STATE * small + b"GET /vm/config HTTP/1.1\r\n\r\n" * large)
                for _ in range(4):  # rounds, until all that fit were answered
                    monitor.api.state()
                for i in range(small + large):
                    assert ("state" if i < small else "drives") in c.answer().body
                assert c.buffer == b""


def wait_quiet(seconds):
    """A while in which nothing must happen."""
    threading.Event().wait(seconds)


def test_idle_peers(monitor):
    """Nine that have sent nothing, or half a request, are no matter to the tenth."""
    idle = [api.Connection(monitor.sock) for _ in range(9)]
    for i, c in enumerate(idle[:8]):
        c.send(b"PUT /entropy HTTP/1.1\r\nContent-Length: 2\r\n\r\n{"[:5 + 5 * i])
    for _ in range(50):
        assert monitor.api.state() == "Not started"
    before = cpu_seconds(monitor.pid)
    wait_quiet(0.5)
    assert cpu_seconds(monitor.pid) - before < 0.2
    for c in idle:
        c.close()


def test_client_gone_before_the_answer(monitor):
    monitor.api.state()
    before = open_files(monitor.pid)
    for i in range(100):
        with api.Connection(monitor.sock) as c:
            c.send(b"GET /metrics HTTP/1.1\r\n\r\n" * (1 + i % 30))
    settled(monitor, len(before))
    assert monitor.api.state() == "Not started"


def test_client_gone_in_a_request(monitor):
    monitor.api.state()
    before = open_files(monitor.pid)
    data = api.request_bytes("PUT", "/entropy", {})
    for at in range(len(data)):
        with api.Connection(monitor.sock) as c:
            c.send(data[:at])
    settled(monitor, len(before))
    assert monitor.api.get("/vm/config")["entropy"] is None


def test_half_close(monitor):
    """A client that says at once that it has nothing more to say gets all its answers."""
    for count in (1, 4, 5, 50):
        with api.Connection(monitor.sock) as c:
            c.send(b"GET / HTTP/1.1\r\n\r\n" * count)
            c.sock.shutdown(socket.SHUT_WR)
            assert everything(c).count(b"HTTP/1.1 200 \r\n") == count


# ---- while a guest runs ----------------------------------------------------------------------------


def own_memory_kib(pid, guest_mib):
    """Anonymous memory of the monitor without that of its guest."""
    total, size = 0, 0
    for line in mote.proc_lines(pid, "smaps"):
        word = line.split()
        if "-" in word[0] and not word[0].endswith(":"):
            low, high = (int(x, 16) for x in word[0].split("-"))
            size = high - low
        elif word[0] == "Anonymous:" and size < guest_mib << 19:
            total += int(word[1])
    return total


def exchange(connection, requests, batch, done):
    """Sends requests in batches, each after the answers to the last one; counts the answers."""
    kinds = [GET_METRICS if i % 10 == 4 else PATCH_WRONG if i % 10 == 7 else GET_STATE for i in range(batch)]
    right = {GET_STATE: b'"state":"Running"', GET_METRICS: b'"utc_timestamp_ms"', PATCH_WRONG: b'"fault_message"'}
    for _ in range(0, requests, batch):
        connection.send(b"".join(kinds))
        for kind in kinds:
            if right[kind] in connection.answer().raw:
                done.append(1)


GET_STATE = b"GET / HTTP/1.1\r\n\r\n"
GET_METRICS = b"GET /metrics HTTP/1.1\r\n\r\n"
PATCH_WRONG = b"PATCH /vm HTTP/1.1\r\nContent-Length: 13\r\n\r\n" + b'{"state":"x"}'


def test_ten_thousand_requests_while_a_guest_runs(tmp_path):
    """On five connections, next to a peer that does not read: no answer is lost, the guest goes on, and the
    monitor's memory does not grow."""
    with api.Monitor(tmp_path, "--level", "Error", "--log-path", tmp_path / "log") as m:
        m.shell("i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.3; done")
        m.out.wait_for(b"tick 1\r\n")
        with api.Connection(m.sock) as deaf:
            fill(deaf, GET_METRICS)
            connections = [api.Connection(m.sock) for _ in range(5)]
            exchange(connections[0], 200, 20, [])
            for c in connections[1:]:
                exchange(c, 20, 20, [])
            memory, files = own_memory_kib(m.pid, 128), open_files(m.pid)
            ticks, done = m.out.text().count(b"tick"), []
            threads = [threading.Thread(target=exchange, args=(c, 2000, 20, done)) for c in connections]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            assert len(done) == 10000
            assert m.out.text().count(b"tick") > ticks
            assert open_files(m.pid) == files
            grown = own_memory_kib(m.pid, 128) - memory
            assert memory > 0 and grown <= 64, f"{memory} KiB, then {grown} more"
            for c in connections:
                c.close()
        assert m.running()
