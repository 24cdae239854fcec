"""Processors for the OpenTelemetry SDK for Python: rules in front of the processor that exports.

Register only the wrapper: `provider.add_log_record_processor(RulesLogRecordProcessor(rules, BatchLogRecordProcessor(...)))`.
New and released records go to `on_emission` of the rules.
"""

import copy

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk._logs import LogRecordProcessor

from . import CHANGED, DROP, LOGS, SPANS, wire

_KINDS = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}


class RulesLogRecordProcessor(LogRecordProcessor):
    """Runs rules on log records in front of another processor; rules edit body, attributes, severity and event name."""

    def __init__(self, rules, inner):
        self._rules = rules
        self._inner = inner

    def on_emit(self, log_record):
        try:
            kept = self._judge(log_record)
        except Exception:  # A record that cannot be judged passes.
            kept = log_record
        if kept is not None:
            self._inner.on_emit(kept)

    def _judge(self, data):
        record = data.log_record
        scope = data.instrumentation_scope
        resource = getattr(data, "resource", None) or getattr(record, "resource", None)
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
            event_name=getattr(record, "event_name", None),
        )
        around = wire.scope(scope.name, scope.version, scope.attributes) if scope else b""
        resource = wire.resource(resource.attributes if resource else {})
        verdict, changed = self._rules.judge(LOGS, wire.request(resource, around, content))
        if verdict == DROP:
            return None
        return self._edited(data, changed) if verdict == CHANGED else data

    @staticmethod
    def _edited(data, changed):
        edited = copy.copy(data)
        record = copy.copy(data.log_record)
        record.body, record.severity_text, record.attributes = None, None, {}
        for content in wire.records(changed):
            for number, value in wire.fields(content):
                if number == 2 and value:
                    record.severity_number = type(record.severity_number)(value) if record.severity_number else None
                elif number == 3:
                    record.severity_text = value.decode("utf-8", "replace")
                elif number == 5:
                    record.body = wire.python_value(value)
                elif number == 6:
                    key, inner = wire.python_attribute(value)
                    record.attributes[key] = inner
                elif number == 12:
                    record.event_name = value.decode("utf-8", "replace")
        edited.log_record = record
        return edited

    def shutdown(self):
        self._inner.shutdown()

    def force_flush(self, timeout_millis=30000):
        self._rules.tick()
        return self._inner.force_flush(timeout_millis)


class RulesSpanProcessor(SpanProcessor):
    """Runs rules on ended spans in front of another processor; rules edit attributes and name."""

    def __init__(self, rules, inner):
        self._rules = rules
        self._inner = inner

    def on_start(self, span, parent_context=None):
        self._inner.on_start(span, parent_context)

    def on_end(self, span):
        try:
            kept = self._judge(span)
        except Exception:  # A span that cannot be judged passes.
            kept = span
        if kept is not None:
            self._inner.on_end(kept)

    def _judge(self, span):
        scope = span.instrumentation_scope
        around = wire.scope(scope.name, scope.version, scope.attributes) if scope else b""
        resource = wire.resource(span.resource.attributes)
        verdict, changed = self._rules.judge(SPANS, wire.request(resource, around, _span(span)))
        if verdict == DROP:
            return None
        return self._edited(span, changed) if verdict == CHANGED else span

    @staticmethod
    def _edited(span, changed):
        name, attributes = "", {}
        for content in wire.records(changed):
            for number, value in wire.fields(content):
                if number == 5:
                    name = value.decode("utf-8", "replace")
                elif number == 9:
                    key, inner = wire.python_attribute(value)
                    attributes[key] = inner
        return ReadableSpan(
            name, span.context, span.parent, span.resource, attributes, span.events, span.links, span.kind, None,
            span.status, span.start_time, span.end_time, span.instrumentation_scope,
        )

    def shutdown(self):
        self._inner.shutdown()

    def force_flush(self, timeout_millis=30000):
        self._rules.tick()
        return self._inner.force_flush(timeout_millis)


def _span(span):
    out = wire.field(1, span.context.trace_id.to_bytes(16, "big")) + wire.field(2, span.context.span_id.to_bytes(8, "big"))
    if span.parent:
        out += wire.field(4, span.parent.span_id.to_bytes(8, "big"))
    out += wire.field(5, wire.text(span.name)) + wire.number_field(6, _KINDS.get(span.kind.name, 0))
    out += wire.fixed64(7, span.start_time or 0) + wire.fixed64(8, span.end_time or 0)
    out += wire.attributes(9, span.attributes)
    for event in span.events:
        content = wire.fixed64(1, event.timestamp) + wire.field(2, wire.text(event.name))
        out += wire.field(11, content + wire.attributes(3, event.attributes))
    for link in span.links:
        ids = wire.field(1, link.context.trace_id.to_bytes(16, "big")) + wire.field(2, link.context.span_id.to_bytes(8, "big"))
        out += wire.field(13, ids + wire.attributes(4, link.attributes))
    status = wire.field(2, wire.text(span.status.description or "")) + wire.number_field(3, span.status.status_code.value)
    return out + wire.field(15, status)
