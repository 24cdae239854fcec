"""Values of Python to OTLP messages and back, with nothing but the standard library."""

from __future__ import annotations

import struct
from typing import Any, Iterator, Mapping

NESTING_MAX = 30


_ONE_BYTE = [bytes([number]) for number in range(128)]
_FIXED64, _FIXED32, _DOUBLE = struct.Struct("<BQ").pack, struct.Struct("<BI").pack, struct.Struct("<d")


def varint(number: int) -> bytes:
    if 0 <= number < 128:
        return _ONE_BYTE[number]
    out = bytearray()
    number &= 0xFFFFFFFFFFFFFFFF
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, content: bytes) -> bytes:
    size = len(content)
    if number < 16 and size < 128:
        return _ONE_BYTE[number << 3 | 2] + _ONE_BYTE[size] + content
    return varint(number << 3 | 2) + varint(size) + content


def number_field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def fixed64(number: int, value: int) -> bytes:
    return _FIXED64(number << 3 | 1, value & 0xFFFFFFFFFFFFFFFF)


def fixed32(number: int, value: int) -> bytes:
    tag = number << 3 | 5
    if tag < 128:
        return _FIXED32(tag, value & 0xFFFFFFFF)
    return varint(tag) + (value & 0xFFFFFFFF).to_bytes(4, "little")


def text(value: Any) -> bytes:
    return str(value).encode("utf-8", "replace")


def any_value(value: Any, depth: int = NESTING_MAX) -> bytes:
    """Returns the content of an AnyValue; what OTLP has no kind for is its text."""
    if value is None:
        return b""
    if isinstance(value, str):
        return field(1, text(value))
    if isinstance(value, bool):
        return number_field(2, value)
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return number_field(3, value)
    if isinstance(value, float):
        return b"\x21" + _DOUBLE.pack(value)
    if isinstance(value, (bytes, bytearray)):
        return field(7, bytes(value))
    if isinstance(value, dict) and depth:
        return field(6, b"".join(key_value(1, key, inner, depth - 1) for key, inner in value.items()))
    if isinstance(value, (list, tuple)) and depth:
        return field(5, b"".join(field(1, any_value(inner, depth - 1)) for inner in value))
    return field(1, text(value))


def key_value(number: int, key: Any, value: Any, depth: int = NESTING_MAX) -> bytes:
    return field(number, field(1, text(key)) + field(2, any_value(value, depth)))


def attributes(number: int, values: Mapping[str, Any] | None) -> bytes:
    return b"".join(key_value(number, key, value) for key, value in (values or {}).items())


def resource(values: Mapping[str, Any] | None) -> bytes:
    return attributes(1, values)


def scope(name: str, version: str | None = None, values: Mapping[str, Any] | None = None) -> bytes:
    return field(1, text(name)) + (field(2, text(version)) if version else b"") + attributes(3, values)


def request(resource_content: bytes, scope_content: bytes, record: bytes) -> bytes:
    """Returns the request with one record."""
    return field(1, field(1, resource_content) + field(2, field(1, scope_content) + field(2, record)))


def severity_number(level: int) -> int:
    """Returns the number of a level of `logging`, as OpenTelemetry's own bridge maps it."""
    return 0 if level < 10 else min(5 + (level // 10 - 1) * 4 + min(level % 10, 3), 24)


def log_record(
    time_ns: int | None = 0,
    observed_ns: int | None = 0,
    severity_number: int = 0,
    severity_text: str | None = "",
    body: Any = None,
    attributes: Mapping[str, Any] | None = None,
    trace_id: int | None = 0,
    span_id: int | None = 0,
    flags: int | None = 0,
    event_name: str | None = "",
) -> bytes:
    """Returns the content of a LogRecord."""
    out = []
    if time_ns:
        out.append(fixed64(1, time_ns))
    if severity_number:
        out.append(number_field(2, severity_number))
    if severity_text:
        out.append(field(3, text(severity_text)))
    if body is not None:
        out.append(field(5, any_value(body)))
    if attributes:
        out.extend([key_value(6, key, value) for key, value in attributes.items()])
    if flags:
        out.append(fixed32(8, flags))
    if trace_id:
        out.append(field(9, trace_id.to_bytes(16, "big")))
    if span_id:
        out.append(field(10, span_id.to_bytes(8, "big")))
    if observed_ns:
        out.append(fixed64(11, observed_ns))
    if event_name:
        out.append(field(12, text(event_name)))
    return b"".join(out)


def fields(content: bytes) -> Iterator[tuple[int, Any]]:
    """Gives number and value of each field: an int, or bytes."""
    at = 0

    def number() -> int:
        nonlocal at
        shift = value = 0
        while True:
            byte = content[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(content):
        tag = number()
        kind = tag & 7
        if kind == 0:
            value = number()
        else:
            size = number() if kind == 2 else {1: 8, 5: 4}[kind]
            value = content[at : at + size]
            at += size
            if len(value) != size:
                raise ValueError("a message ends too early")
            if kind != 2:
                value = int.from_bytes(value, "little")
        yield tag >> 3, value


def python_value(content: bytes) -> Any:
    """Returns the value of an AnyValue."""
    for number, value in fields(content):
        if number == 1:
            return value.decode("utf-8", "replace")
        if number == 2:
            return bool(value)
        if number == 3:
            return value - (1 << 64) if value >> 63 else value
        if number == 4:
            return _DOUBLE.unpack(value.to_bytes(8, "little"))[0]
        if number == 5:
            return [python_value(inner) for at, inner in fields(value) if at == 1]
        if number == 6:
            return dict(python_attribute(inner) for at, inner in fields(value) if at == 1)
        if number == 7:
            return value
    return None


def python_attribute(content: bytes) -> tuple[str, Any]:
    key, value = "", None
    for number, inner in fields(content):
        if number == 1:
            key = inner.decode("utf-8", "replace")
        elif number == 2:
            value = python_value(inner)
    return key, value


def attributes_of(content: bytes, wanted: int) -> dict:
    """Returns the attributes that stand in a message as a field; of a repeated key the first counts."""
    values: dict = {}
    for number, value in fields(content):
        if number == wanted:
            key, inner = python_attribute(value)
            values.setdefault(key, inner)
    return values


def records(content: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Gives the content of resource, scope and record, for each record of a request."""
    for at, around in fields(content):
        if at != 1:
            continue
        resource_content = next((value for number, value in fields(around) if number == 1), b"")
        for number, scoped in fields(around):
            if number == 2:
                scope_content = next((value for inner, value in fields(scoped) if inner == 1), b"")
                for inner, record in fields(scoped):
                    if inner == 2:
                        yield resource_content, scope_content, record
