# SPDX-License-Identifier: Apache-2.0
"""The part of JSON Schema 2020-12 that our OpenAPI document uses: checks schemas, and values by them.

Whoever changes api/schema_describe.c to use another keyword adds it here; an unknown one is an error.
"""

import re

TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "integer": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool) and v == int(v),
}

COUNT = lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= 0
TEXT = lambda v: isinstance(v, str)

# Each keyword, and what its value must be; schemas inside it are looked at by check_schema.
KEYWORDS = {
    "$ref": TEXT,
    "description": TEXT,
    "type": lambda v: all(t in TYPES for t in ([v] if isinstance(v, str) else v)) and v != [],
    "enum": lambda v: isinstance(v, list) and len(v) > 0 and len(set(map(repr, v))) == len(v),
    "default": lambda v: True,
    "deprecated": lambda v: isinstance(v, bool),
    "minimum": COUNT, "maximum": COUNT,
    "minLength": COUNT, "maxLength": COUNT,
    "minItems": COUNT, "maxItems": COUNT,
    "minProperties": COUNT, "maxProperties": COUNT,
    "pattern": lambda v: re.compile(v) is not None,
    "properties": lambda v: isinstance(v, dict),
    "required": lambda v: isinstance(v, list) and all(map(TEXT, v)) and len(set(v)) == len(v),
    "additionalProperties": lambda v: isinstance(v, (bool, dict)),
    "propertyNames": lambda v: isinstance(v, dict),
    "items": lambda v: isinstance(v, dict),
    "anyOf": lambda v: isinstance(v, list) and len(v) > 0,
    "x-any-case": lambda v: isinstance(v, bool),
}


def resolve(doc, ref):
    """What "#/a/b" stands for in the document; KeyError when there is no such thing."""
    assert ref.startswith("#/"), ref
    at = doc
    for part in ref[2:].split("/"):
        at = at[part]
    return at


def inside(schema):
    """The schemas within a schema."""
    yield from schema.get("properties", {}).values()
    yield from schema.get("anyOf", [])
    for key in ("items", "propertyNames", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield schema[key]


def check_schema(doc, schema, where):
    for key, value in schema.items():
        assert key in KEYWORDS, f"{where}: unknown keyword {key}"
        assert KEYWORDS[key](value), f"{where}: {key}: {value!r}"
    if "$ref" in schema:
        resolve(doc, schema["$ref"])
    for name in schema.get("required", []):
        assert name in schema["properties"], f"{where}: requires {name}, which it does not describe"
    if "default" in schema:
        validate(doc, schema, schema["default"], f"{where}: default")
    for low, high in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
        if low in schema and high in schema:
            assert schema[low] <= schema[high], f"{where}: {low} above {high}"
    for sub in inside(schema):
        check_schema(doc, sub, where)


def fits(doc, schema, value):
    try:
        validate(doc, schema, value)
    except AssertionError:
        return False
    return True


def validate(doc, schema, value, where="value"):
    """AssertionError, which says where, when `value` does not fit `schema`."""
    if "$ref" in schema:
        validate(doc, resolve(doc, schema["$ref"]), value, where)
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    assert not types or any(TYPES[t](value) for t in types), f"{where}: {value!r} is no {types}"
    assert "enum" not in schema or value in schema["enum"], f"{where}: {value!r} not in enum"
    if "anyOf" in schema:
        assert any(fits(doc, s, value) for s in schema["anyOf"]), f"{where}: {value!r} fits nothing"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value), f"{where}: {value}"
    size = {str: "Length", list: "Items", dict: "Properties"}.get(type(value))
    if size:
        n = len(value)
        assert schema.get("min" + size, n) <= n <= schema.get("max" + size, n), f"{where}: {n} {size}"
    if isinstance(value, str) and "pattern" in schema:
        assert re.search(schema["pattern"], value), f"{where}: {value!r}"
    if isinstance(value, list) and "items" in schema:
        for i, v in enumerate(value):
            validate(doc, schema["items"], v, f"{where}[{i}]")
    if isinstance(value, dict):
        validate_object(doc, schema, value, where)


def validate_object(doc, schema, value, where):
    for name in schema.get("required", []):
        assert name in value, f"{where}: {name} is missing"
    others = schema.get("additionalProperties", True)
    for name, v in value.items():
        if "propertyNames" in schema:
            validate(doc, schema["propertyNames"], name, f"{where}: name {name}")
        if name in schema.get("properties", {}):
            validate(doc, schema["properties"][name], v, f"{where}.{name}")
        elif isinstance(others, dict):
            validate(doc, others, v, f"{where}.{name}")
        else:
            assert others, f"{where}: {name} is not described"
