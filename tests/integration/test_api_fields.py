# SPDX-License-Identifier: Apache-2.0
"""Every field of every request that the OpenAPI document has: what is accepted, what is refused and how.

Nothing here starts a guest. A request that is decoded and then refused for another reason (the wrong phase, a
device that this version lacks, a file that is not there) counts as accepted: its message is one of LATER.
"""
import json
import os

import pytest

import api
import mote

# What is said of a body that was understood.
LATER = ["before starting the microVM", "not supported by this version", "No such file or directory",
         "Filename too long", "guest memory: ", "Reinitialization of metrics", "expected a kernel to start",
         "kernel_image_path: empty, expected a file", "Amount of pages requested is too large"]


def operations():
    for path, item in api.openapi()["paths"].items():
        for method, operation in item.items():
            if isinstance(operation, dict) and "requestBody" in operation:
                yield method.upper(), path, operation


OPERATIONS = {f"{method} {path}": (method, path, op) for method, path, op in operations()}


def resolve(schema):
    if "$ref" in schema:
        return api.openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def body_schema(operation):
    return resolve(operation["requestBody"]["content"]["application/json"]["schema"])


def types(field):
    if "anyOf" in field:
        return [t for s in field["anyOf"] for t in types(resolve(s))]
    kind = resolve(field).get("type", [])
    return [kind] if isinstance(kind, str) else kind


def example(name, field, folder):
    """A value that the field takes."""
    known = {"kernel_image_path": mote.VMLINUX, "initrd_path": mote.INITRD, "path_on_host": mote.ROOTFS,
             "drive_id": "id1", "iface_id": "id1", "guest_mac": "06:00:AC:10:00:02",
             "serial_out_path": os.path.join(folder, "serial"), "log_path": os.path.join(folder, "log"),
             "metrics_path": os.path.join(folder, "metrics"), "uds_path": os.path.join(folder, "v.sock"),
             "host_dev_name": f"t{os.getpid()}", "properties": {"zone": "a"}}
    if name in known:
        return known[name]
    if "enum" in field:
        return field["enum"][0]
    for option in field.get("anyOf", []):
        if option.get("type") != "null":
            return minimum(resolve(option), folder)
    if "object" in types(field):
        return minimum(resolve(field), folder)
    return {"string": "word", "integer": max(field.get("minimum", 1), 1), "boolean": False}[types(field)[0]]


def minimum(schema, folder):
    body = {n: example(n, schema["properties"][n], folder) for n in schema.get("required", [])}
    if "mem_size_mib" in schema["properties"]:
        body.update(vcpu_count=2, mem_size_mib=128)  # of an update, that there is anything
    if "socket" in schema["properties"]:
        body["path_on_host"] = mote.ROOTFS  # required without `socket`
    return body


def full(schema, folder):
    body = {n: example(n, f, folder) for n, f in schema["properties"].items() if n != "socket"}
    return {**body, **minimum(schema, folder)}


class Endpoint:
    """One method and path of a monitor."""

    def __init__(self, monitor, what):
        self.client, self.folder = monitor.api, monitor.dir
        self.method, self.path, self.operation = OPERATIONS[what]
        self.schema = body_schema(self.operation)
        self.url = self.path
        for parameter in self.operation.get("parameters", []):
            self.url = self.url.replace("{%s}" % parameter["name"], "id1")

    def send(self, body):
        return self.client.request(self.method, self.url, body)

    def accepts(self, body):
        answer = self.send(body)
        if answer.status == 204:
            return
        assert any(text in answer.fault for text in LATER), (self.url, str(body)[:300], answer)

    def refuses(self, body, begin):
        answer = self.send(body)
        assert answer.status == 400, (self.url, str(body)[:300], answer)
        assert answer.fault.startswith(begin) and "\n" not in answer.fault, (str(body)[:300], answer)
        assert not any(text in answer.fault for text in LATER), (str(body)[:300], answer)

    def base(self, name):
        """A body to put the field `name` in."""
        body = minimum(self.schema, self.folder)
        if name == "socket":
            del body["path_on_host"]
        return body


@pytest.fixture
def endpoint(tmp_path, request):
    return Endpoint(api.Monitor(tmp_path), request.param)


every_operation = pytest.mark.parametrize("endpoint", OPERATIONS, indirect=True)


@every_operation
def test_minimum_and_full_body(endpoint):
    endpoint.accepts(minimum(endpoint.schema, endpoint.folder))
    endpoint.accepts(full(endpoint.schema, endpoint.folder))


@every_operation
def test_required_and_unknown_fields(endpoint):
    body = full(endpoint.schema, endpoint.folder)
    for name in endpoint.schema.get("required", []):
        rest = {n: v for n, v in body.items() if n != name}
        endpoint.refuses(rest, f"{name}: required, not given")
    if endpoint.schema["additionalProperties"]:
        endpoint.accepts({**body, "nobody_knows": 1})
    else:
        endpoint.refuses({**body, "nobody_knows": 1}, "nobody_knows: unknown field, expected ")
        endpoint.refuses({**body, next(iter(body)).upper(): 1}, "")


@every_operation
def test_fields_given_twice(endpoint):
    for name, value in full(endpoint.schema, endpoint.folder).items():
        body = json.dumps(endpoint.base(name) | {name: value})
        again = f"{body[:-1]}, {json.dumps(name)}: {json.dumps(value)}}}"
        endpoint.refuses(again.encode(), f"{name}: given twice")


@every_operation
def test_null(endpoint):
    """Means absent where a field is optional; else it is refused."""
    for name, field in endpoint.schema["properties"].items():
        body = {**endpoint.base(name), name: None}
        if "null" not in types(field):
            endpoint.refuses(body, f"{name}: null, expected ")
        elif name == "path_on_host" and "socket" in endpoint.schema["properties"]:
            endpoint.refuses(body, "path_on_host: required without socket")
        elif name == "socket":
            endpoint.refuses(body, "path_on_host: required without socket")
        else:
            endpoint.accepts(body)


@every_operation
def test_wrong_types(endpoint):
    values = {"string": "word", "integer": 7, "number": 0.5, "boolean": True, "array": [1], "object": {"a": 1}}
    for name, field in endpoint.schema["properties"].items():
        for kind, value in values.items():
            if kind not in types(field):
                endpoint.refuses({**endpoint.base(name), name: value}, f"{name}: ")


@every_operation
def test_the_whole_body_of_a_wrong_type(endpoint):
    for body in (b"null", b"[]", b"7", b'"word"', b"true"):
        answer = endpoint.send(body)
        assert answer.status == 400 and answer.fault.endswith("expected an object"), answer


def boundaries(name, field):
    """Values that are accepted, and values that are not."""
    kind = [t for t in types(field) if t != "null"][0]
    if "enum" in field:
        words = [w for w in field["enum"] if w is not None]
        other = [w.swapcase() for w in words]
        wrong = ["", words[0] + "x", words[0][:-1]]
        return (words + other, wrong) if field.get("x-any-case") else (words, wrong + other)
    if kind == "integer":
        low, high = field["minimum"], field["maximum"]
        return [low, high, float(low)], [low - 1, high + 1, -high, 1e30, low + 0.5]
    if kind == "boolean":
        return [True, False], [0, 1, "true"]
    if name == "guest_mac":
        return ["00:00:00:00:00:00", "ff:FF:aA:09:10:fe"], ["", "06:00:AC:10:00", "06:00:AC:10:00:02:", "06-00-AC-10-00-02"]
    if kind == "string":
        low, high = field.get("minLength", 0), field["maxLength"]
        right = ["/missing/" + "a" * (high - 9)] if name.endswith("path") or name == "host_dev_name" else ["a" * high]
        wrong = ["a" * (high + 1)] + ([""] if low else [])
        if "pattern" in field:
            wrong += ["a-b", "a b", "a/b", "\u00e9", "a\n"]
        if name in ("drive_id", "iface_id"):
            right = []  # the id in the path must be the same: test_api.py
        return right, wrong
    return [], []


@every_operation
def test_boundaries(endpoint):
    for name, field in endpoint.schema["properties"].items():
        right, wrong = boundaries(name, field)
        for value in right:
            endpoint.accepts({**endpoint.base(name), name: value})
        for value in wrong:
            endpoint.refuses({**endpoint.base(name), name: value}, f"{name}: ")


def nested(schema, place=""):
    """Every object within a body: its place and its schema."""
    for name, field in schema["properties"].items():
        for option in field.get("anyOf", [field]):
            inner = resolve(option)
            if "properties" in inner:
                yield [*place, name], inner
                yield from nested(inner, [*place, name])


def within(place, value):
    for name in reversed(place):
        value = {name: value}
    return value


@every_operation
def test_nested_objects(endpoint):
    """Rate limiters and their buckets: messages name the place with dots."""
    for place, schema in nested(endpoint.schema, []):
        at, base = ".".join(place), endpoint.base(place[0])
        good = minimum(schema, endpoint.folder)
        endpoint.accepts({**base, **within(place, {**good, **full(schema, endpoint.folder)})})
        endpoint.accepts({**base, **within(place, None)})
        for name, field in schema["properties"].items():
            if name in schema.get("required", []):
                rest = {n: v for n, v in good.items() if n != name}
                endpoint.refuses({**base, **within(place, rest)}, f"{at}.{name}: required, not given")
            right, wrong = boundaries(name, field)
            for value in right:
                endpoint.accepts({**base, **within(place, {**good, name: value})})
            for value in wrong:
                endpoint.refuses({**base, **within(place, {**good, name: value})}, f"{at}.{name}: ")
        if not schema["additionalProperties"]:
            endpoint.refuses({**base, **within(place, {**good, "nobody": 1})}, f"{at}.nobody: unknown field")


def test_every_rate_limiter_is_looked_at():
    """The tests above find them by the document: here is how many there should be."""
    found = [(what, ".".join(place)) for what, (_, _, op) in OPERATIONS.items()
             for place, _ in nested(body_schema(op), [])]
    assert len(OPERATIONS) == 18 and len(found) == 7 * 3 + 1, (len(OPERATIONS), found)


def test_metrics_properties(tmp_path):
    """A map of at most 16 strings."""
    e = Endpoint(api.Monitor(tmp_path), "PUT /metrics")
    base = e.base("properties")
    e.refuses({**base, "properties": {f"k{i}": "v" for i in range(17)}}, "properties: 17 elements, expected at most 16")
    e.refuses({**base, "properties": {"k": 1}}, "properties.k: 1, expected a string")
    e.refuses({**base, "properties": {"k" * 64: "v"}}, "properties.")
    e.refuses({**base, "properties": {"k": "v" * 64}}, "properties.k: ")
    answer = e.send({**base, "properties": {f"k{i}": "v" * 63 for i in range(16)}})
    assert answer.status == 204, answer
    assert e.client.get("/metrics")["properties"]["k15"] == "v" * 63
