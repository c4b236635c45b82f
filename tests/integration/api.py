# SPDX-License-Identifier: Apache-2.0
"""A client of the API, and a monitor that serves it.

Client speaks HTTP on the Unix socket by hand, so that a test can send what no library would. Every answer is
looked at: framing, headers, and its body by the schema that `mote --openapi` gives for that method and path.
"""
import functools
import json
import os
import socket
import subprocess
import time

import jsonschema

import mote

# Set by the API's `state`.
NOT_STARTED, RUNNING, PAUSED = "Not started", "Running", "Paused"
BOOT_ARGS = "console=ttyS0 reboot=k panic=-1 quiet"


@functools.lru_cache(maxsize=None)
def openapi():
    text = subprocess.run([mote.MOTE, "--openapi"], check=True, capture_output=True, timeout=mote.TIMEOUT).stdout
    return json.loads(text)


def find_path(path):
    """The document's path that stands for `path`: the longest whose segments it begins with."""
    have = [s for s in path.split("?")[0].split("/") if s]
    best = None
    for candidate in openapi()["paths"]:
        want = [s for s in candidate.split("/") if s]
        fits = len(want) <= len(have) and all(w == h or w.startswith("{") for w, h in zip(want, have))
        if fits and (want or not have) and (best is None or len(want) > len(best.split("/")) - 1):
            best = candidate
    return best


def check_body(method, path, status, body):
    """The answer is one that the document allows."""
    if status == 204:
        assert body is None
        return
    where = find_path(path)
    operation = openapi()["paths"].get(where, {}).get(method.lower()) if where else None
    if operation is None:
        assert status == 400
        schema = {"$ref": "#/components/schemas/Error"}
    else:
        answers = operation["responses"]
        assert str(status) in answers, (method, path, status)
        schema = answers[str(status)].get("content", {}).get("application/json", {}).get("schema", {})
    jsonschema.Draft202012Validator({**schema, "components": openapi()["components"]}).validate(body)


class Answer:
    """Status, headers (lower-case names) and body, decoded when it is JSON."""

    def __init__(self, status, headers, raw):
        self.status, self.headers, self.raw = status, headers, raw
        self.body = json.loads(raw) if raw else None

    @property
    def fault(self):
        return self.body["fault_message"]

    def __repr__(self):
        return f"{self.status} {self.headers} {self.raw!r}"


class Connection:
    """One connection; requests and answers as they are on the wire."""

    def __init__(self, path, timeout=None):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout or mote.TIMEOUT)
        deadline = time.monotonic() + 10
        while True:
            try:
                self.sock.connect(path)
                break
            except ConnectionRefusedError:  # the file is there, and nobody listens yet: bind before listen
                assert time.monotonic() < deadline, f"nobody listens at {path}"
                time.sleep(0.001)
        self.buffer = b""

    def send(self, data):
        self.sock.sendall(data)

    def _more(self):
        piece = self.sock.recv(65536)
        if not piece:
            raise EOFError(f"the connection ended after {self.buffer!r}")
        self.buffer += piece

    def answer(self):
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = head.decode("ascii").split("\r\n")
        version, status, reason = lines[0].split(" ", 2)
        assert version == "HTTP/1.1" and reason == "", lines[0]
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        length = int(headers.get("content-length", "0"))
        while len(self.buffer) < length:
            self._more()
        raw, self.buffer = self.buffer[:length], self.buffer[length:]
        return Answer(int(status), headers, raw)

    def closed(self):
        """True when the other side closes without another byte."""
        try:
            return not self.buffer and self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def request_bytes(method, path, body=None, headers=()):
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Accept: application/json", *headers]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


class Client:
    """Requests over one keep-alive connection."""

    def __init__(self, path):
        self.path = path
        self.connection = None

    def request(self, method, path, body=None, headers=()):
        if self.connection is None:
            self.connection = Connection(self.path)
        self.connection.send(request_bytes(method, path, body, headers))
        answer = self.connection.answer()
        assert answer.headers["server"] == "Firecracker API"
        check_body(method, path, answer.status, answer.body)
        return answer

    def get(self, path):
        answer = self.request("GET", path)
        assert answer.status == 200, answer
        return answer.body

    def ok(self, method, path, body):
        answer = self.request(method, path, body)
        assert answer.status == 204, answer
        return answer

    def put(self, path, body):
        return self.ok("PUT", path, body)

    def patch(self, path, body):
        return self.ok("PATCH", path, body)

    def refused(self, method, path, body=None):
        """The message of a request that has to be refused."""
        answer = self.request(method, path, body)
        assert answer.status == 400, answer
        assert "\n" not in answer.fault
        return answer.fault

    def state(self):
        return self.get("/")["state"]

    def start(self):
        return self.put("/actions", {"action_type": "InstanceStart"})

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def words(*command):
    """A command as MOTE_CMD takes it (kernel-config/init/README.md)."""
    plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:,@=-"
    return "+".join("".join(c if c in plain else f"%{ord(c):02X}" for c in w) for w in command)


class Monitor(mote.Mote):
    """`mote --api-sock SOCKET ARGS`, with a client. Listening when the constructor returns."""

    def __init__(self, tmp_path, *args, wait=True, sock="api.sock", **kwargs):
        self.dir = str(tmp_path)
        self.sock = os.path.join(self.dir, sock)
        super().__init__("--api-sock", self.sock, *args, **kwargs)
        self.api = Client(self.sock)
        if wait:
            mote.wait_until(lambda: os.path.exists(self.sock) or not self.running(), "API socket")

    def configure(self, boot_args=BOOT_ARGS, initrd=mote.INITRD, kernel=mote.VMLINUX, **machine):
        source = {"kernel_image_path": kernel, "boot_args": boot_args}
        if initrd:
            source["initrd_path"] = initrd
        self.api.put("/boot-source", source)
        if machine:
            self.api.put("/machine-config", {"vcpu_count": 1, "mem_size_mib": 128, **machine})

    def boot(self, *command, append="", **kwargs):
        """Starts a guest whose init runs a verb or a program and then powers off."""
        self.configure(boot_args=f"{BOOT_ARGS} {append} MOTE_CMD={words(*command or ('@echo', 'up'))}", **kwargs)
        self.api.start()

    def shell(self, script, **kwargs):
        """The same with a script."""
        self.boot("sh", "-c", script, **kwargs)

    def close(self):
        self.api.close()
        super().close()
