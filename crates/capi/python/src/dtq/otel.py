"""Processors for the OpenTelemetry SDK for Python: rules in front of the processor that exports.

Register only the wrapper: `provider.add_log_record_processor(RulesLogRecordProcessor(rules, BatchLogRecordProcessor(...)))`.
New and released records go to the same inner processor; metrics that rules make go to `on_emission` of the rules.
"""

from __future__ import annotations

import copy
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.trace.status import Status, StatusCode

from . import CHANGED, DROP, LOGS, SPANS, Rules, wire

# SpanKind (trace.proto), in the order of its numbers.
_KINDS = ["INTERNAL", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
_IS_REMOTE = 0x200


class RulesLogRecordProcessor(LogRecordProcessor):
    """Runs rules on log records in front of another processor."""

    def __init__(self, rules: Rules, inner: LogRecordProcessor) -> None:
        self._rules = rules
        self._inner = inner
        self.failures = 0
        """How often the inner processor raised; it ends here, as the program that logs is not to blame."""
        rules._takers[LOGS] = self._release

    def on_emit(self, log_record: Any) -> None:
        """Hands a record that rules leave, or what they made of it, to the inner processor."""
        try:
            kept = self._judge(log_record)
        except Exception:  # A record that cannot be judged passes.
            kept = log_record
        if kept is not None:
            self._emit(kept)

    def _emit(self, data: Any) -> None:
        try:
            self._inner.on_emit(data)
        except Exception:
            self.failures += 1

    def _judge(self, data: Any) -> Any:
        if not self._rules.concern(LOGS):
            return data
        record, scope = data.log_record, data.instrumentation_scope
        content = wire.log_record(
            time_ns=record.timestamp,
            observed_ns=record.observed_timestamp,
            severity_number=record.severity_number.value if record.severity_number else 0,
            severity_text=record.severity_text,
            body=record.body,
            attributes=record.attributes,
            trace_id=record.trace_id,
            span_id=record.span_id,
            flags=record.trace_flags,
            event_name=record.event_name,
        )
        resource = wire.resource(data.resource.attributes if data.resource else {})
        verdict, changed = self._rules.judge(LOGS, wire.request(resource, _scope(scope), content))
        if verdict == DROP:
            return None
        if verdict != CHANGED or changed is None:
            return data
        edited = copy.copy(data)
        for _, _, edited_content in wire.records(changed):
            edited.log_record = _log_record(edited_content, copy.copy(record))
        return edited

    def _release(self, request: bytes) -> None:
        for resource, scope, content in wire.records(request):
            blank = LogRecord(timestamp=0, observed_timestamp=0)
            self._emit(
                ReadWriteLogRecord(
                    log_record=_log_record(content, blank),
                    resource=Resource(wire.attributes_of(resource, 1)),
                    instrumentation_scope=_scope_of(scope),
                )
            )

    def enabled(self, **asked: Any) -> bool:
        """Says what the inner processor says."""
        ask = getattr(self._inner, "enabled", None)
        return ask(**asked) if ask else True

    def shutdown(self) -> None:
        """Ends the inner processor; the rules go on, as others may use them: `Rules.close` ends them."""
        self._rules.tick()
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Sends on what is due by the time, and flushes the inner processor."""
        self._rules.tick()
        return self._inner.force_flush(timeout_millis)


class RulesSpanProcessor(SpanProcessor):
    """Runs rules on ended spans in front of another processor."""

    def __init__(self, rules: Rules, inner: SpanProcessor) -> None:
        self._rules = rules
        self._inner = inner
        self.failures = 0
        """How often the inner processor raised; it ends here, as the program that is traced is not to blame."""
        rules._takers[SPANS] = self._release

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """Hands a span on; rules look at it when it ends."""
        try:
            self._inner.on_start(span, parent_context)
        except Exception:
            self.failures += 1

    def on_end(self, span: ReadableSpan) -> None:
        """Hands a span that rules leave, or what they made of it, to the inner processor."""
        try:
            kept = self._judge(span)
        except Exception:  # A span that cannot be judged passes.
            kept = span
        if kept is not None:
            self._end(kept)

    def _end(self, span: ReadableSpan) -> None:
        try:
            self._inner.on_end(span)
        except Exception:
            self.failures += 1

    def _judge(self, span: ReadableSpan) -> ReadableSpan | None:
        if not self._rules.concern(SPANS):
            return span
        resource = wire.resource(span.resource.attributes)
        request = wire.request(resource, _scope(span.instrumentation_scope), _span(span))
        verdict, changed = self._rules.judge(SPANS, request)
        if verdict == DROP:
            return None
        if verdict != CHANGED or changed is None:
            return span
        edited: ReadableSpan = span
        for _, _, content in wire.records(changed):
            edited = _readable_span(content, span.resource, span.instrumentation_scope)
        return edited

    def _release(self, request: bytes) -> None:
        for resource, scope, content in wire.records(request):
            self._end(_readable_span(content, Resource(wire.attributes_of(resource, 1)), _scope_of(scope)))

    def shutdown(self) -> None:
        """Ends the inner processor; the rules go on, as others may use them: `Rules.close` ends them."""
        self._rules.tick()
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Sends on what is due by the time, and flushes the inner processor."""
        self._rules.tick()
        return self._inner.force_flush(timeout_millis)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _scope(scope: InstrumentationScope | None) -> bytes:
    return wire.scope(scope.name, scope.version, scope.attributes) if scope else b""


def _scope_of(content: bytes) -> InstrumentationScope:
    parts = dict(wire.fields(content))
    name, version = _text(parts.get(1, b"")), _text(parts[2]) if 2 in parts else None
    return InstrumentationScope(name, version, None, wire.attributes_of(content, 3))


def _log_record(content: bytes, record: LogRecord) -> LogRecord:
    """Writes what a message holds into a record that is the caller's own."""
    record.timestamp = record.severity_number = record.severity_text = record.body = record.event_name = None
    record.attributes = wire.attributes_of(content, 6)
    record.trace_id = record.span_id = 0
    for number, value in wire.fields(content):
        if number == 1:
            record.timestamp = value or None
        elif number == 2 and 0 < value < 25:
            record.severity_number = SeverityNumber(value)
        elif number == 3:
            record.severity_text = _text(value)
        elif number == 5:
            record.body = wire.python_value(value)
        elif number == 8:
            record.trace_flags = TraceFlags(value & 0xFF)
        elif number == 9:
            record.trace_id = int.from_bytes(value, "big")
        elif number == 10:
            record.span_id = int.from_bytes(value, "big")
        elif number == 11:
            record.observed_timestamp = value
        elif number == 12:
            record.event_name = _text(value)
    return record


def _span(span: ReadableSpan) -> bytes:
    out = _ids(span.context, 1, 2, 3)
    is_remote = 0
    if span.parent:
        out += wire.field(4, span.parent.span_id.to_bytes(8, "big"))
        is_remote = _IS_REMOTE if span.parent.is_remote else 0
    out += wire.field(5, wire.text(span.name)) + wire.number_field(6, max(_KINDS.index(span.kind.name), 1))
    out += wire.fixed64(7, span.start_time or 0) + wire.fixed64(8, span.end_time or 0)
    out += wire.attributes(9, span.attributes)
    for event in span.events:
        content = wire.fixed64(1, event.timestamp) + wire.field(2, wire.text(event.name))
        out += wire.field(11, content + wire.attributes(3, event.attributes))
    for link in span.links:
        content = _ids(link.context, 1, 2, 3) + wire.attributes(4, link.attributes)
        out += wire.field(13, content + wire.fixed32(6, link.context.trace_flags | (_IS_REMOTE if link.context.is_remote else 0)))
    status = wire.field(2, wire.text(span.status.description or "")) + wire.number_field(3, span.status.status_code.value)
    return out + wire.field(15, status) + wire.fixed32(16, span.context.trace_flags | is_remote)


def _ids(context: SpanContext, trace_number: int, span_number: int, state_number: int) -> bytes:
    state = context.trace_state.to_header() if context.trace_state else ""
    out = wire.field(trace_number, context.trace_id.to_bytes(16, "big"))
    out += wire.field(span_number, context.span_id.to_bytes(8, "big"))
    return out + (wire.field(state_number, wire.text(state)) if state else b"")


def _context(parts: dict[int, Any], flags: int, is_remote: bool) -> SpanContext:
    state = TraceState.from_header([_text(parts[3])]) if 3 in parts else TraceState()
    trace_id, span_id = int.from_bytes(parts.get(1, b""), "big"), int.from_bytes(parts.get(2, b""), "big")
    return SpanContext(trace_id, span_id, is_remote, TraceFlags(flags & 0xFF), state)


def _readable_span(content: bytes, resource: Resource, scope: InstrumentationScope | None) -> ReadableSpan:
    """Returns the span that a message holds, with its events and links."""
    parts = dict(wire.fields(content))
    flags = parts.get(16, 0)
    context = _context(parts, flags, False)
    parent_id = int.from_bytes(parts.get(4, b""), "big")
    parent = SpanContext(context.trace_id, parent_id, bool(flags & _IS_REMOTE), context.trace_flags) if parent_id else None
    events, links = [], []
    for number, value in wire.fields(content):
        if number == 11:
            own = dict(wire.fields(value))
            events.append(Event(_text(own.get(2, b"")), wire.attributes_of(value, 3), own.get(1, 0)))
        elif number == 13:
            own = dict(wire.fields(value))
            linked = _context(own, own.get(6, 0), bool(own.get(6, 0) & _IS_REMOTE))
            links.append(Link(linked, wire.attributes_of(value, 4)))
    status = dict(wire.fields(parts.get(15, b"")))
    code = StatusCode(status.get(3, 0))
    description = _text(status[2]) if status.get(2) and code == StatusCode.ERROR else None
    return ReadableSpan(
        _text(parts.get(5, b"")),
        context,
        parent,
        resource,
        wire.attributes_of(content, 9),
        events,
        links,
        SpanKind[_KINDS[parts.get(6, 1)]],
        None,
        Status(code, description),
        parts.get(7, 0),
        parts.get(8, 0),
        scope,
    )
