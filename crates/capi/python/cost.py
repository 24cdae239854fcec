#!/usr/bin/env python3
"""Measures what rules cost in Python, with the package as installed: python cost.py; microseconds, the least of nine rounds.

Needs opentelemetry-sdk. With a library that was built without `--release` the numbers say nothing.
"""

import logging
import time

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk._logs._internal import ReadableLogRecord
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

import dtq
from dtq.otel import RulesLogRecordProcessor, RulesSpanProcessor

EVENTS, ROUNDS = 2_000, 9
HEAD = "apiVersion: dtq/v1\nrules:\n  - {name: one, tiers: [in-process], "
BY_VALUE = HEAD + "to: drop, kql: 'logs | where tostring(Attributes[\"user\"]) == \"ann\"'}\n"
EDIT = HEAD + "to: replace, kql: 'logs | extend Attributes = bag_remove_keys(Attributes, dynamic([\"user\"]))'}\n"
OF_SPANS = HEAD + "to: drop, kql: 'spans | where SpanName == \"health\"'}\n"
# A request with one record of severity 5.
FIVE = bytes([10, 6, 18, 4, 18, 2, 16, 5])


class Null(LogRecordProcessor, SpanProcessor):
    def on_emit(self, log_record):
        pass

    def on_end(self, span):
        pass

    def shutdown(self):
        pass

    def force_flush(self, timeout_millis=0):
        return True


class Encoding(Null):
    """Makes of each record what exporters of OTLP make of it, and throws it away."""

    def on_emit(self, log_record):
        readable = ReadableLogRecord(log_record.log_record, log_record.resource, log_record.instrumentation_scope)
        encode_logs([readable]).SerializeToString()


def measure(what, event):
    def round_us():
        begin = time.perf_counter()
        for _ in range(EVENTS):
            event()
        return (time.perf_counter() - begin) / EVENTS * 1e6

    print(f"{min(round_us() for _ in range(ROUNDS)):8.2f}  {what}")


def of_logging(what, rules, user):
    logger = logging.Logger("shop")
    handler = logging.NullHandler()
    handler.handle = handler.filter
    if rules:
        handler.addFilter(dtq.RulesFilter(dtq.Rules(rules)))
    logger.addHandler(handler)
    measure(what, lambda: logger.info("flushed", extra={"user": user}))


def of_logs(what, rules, user, inner):
    provider = LoggerProvider()
    provider.add_log_record_processor(RulesLogRecordProcessor(dtq.Rules(rules), inner) if rules else inner)
    logger = provider.get_logger("shop")

    def event():
        attributes = {"user": user}
        logger.emit(LogRecord(timestamp=1, severity_number=SeverityNumber.INFO, body="flushed", attributes=attributes))

    measure(what, event)


def of_spans(what, rules, name):
    provider = TracerProvider()
    provider.add_span_processor(RulesSpanProcessor(dtq.Rules(rules), Null()) if rules else Null())
    tracer = provider.get_tracer("shop")
    measure(what, lambda: tracer.start_span(name, attributes={"path": "/"}).end())


def main():
    rules = dtq.Rules(HEAD + "to: drop, kql: logs | where SeverityNumber between (1 .. 8)}\n")
    measure("the call into the library alone: a request of one record, dropped", lambda: rules.judge(dtq.LOGS, FIVE))
    of_logging("logging: without a filter", None, "ann")
    of_logging("logging: no rule is for logs", OF_SPANS, "ann")
    of_logging("logging: dropped", BY_VALUE, "ann")
    of_logging("logging: kept", BY_VALUE, "bob")
    of_logs("SDK logs: without rules, to a processor that does nothing", None, "ann", Null())
    of_logs("SDK logs: without rules, encoded as an exporter does", None, "ann", Encoding())
    of_logs("SDK logs: no rule is for logs, to a processor that does nothing", OF_SPANS, "ann", Null())
    of_logs("SDK logs: dropped", BY_VALUE, "ann", Null())
    of_logs("SDK logs: kept, to a processor that does nothing", BY_VALUE, "bob", Null())
    of_logs("SDK logs: edited, to a processor that does nothing", EDIT, "ann", Null())
    of_spans("SDK spans: without rules, to a processor that does nothing", None, "health")
    of_spans("SDK spans: dropped", OF_SPANS, "health")
    of_spans("SDK spans: kept, to a processor that does nothing", OF_SPANS, "pay")


if __name__ == "__main__":
    main()
