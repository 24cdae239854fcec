#!/usr/bin/env python3
"""Tests the installed package: python -m unittest test_package. Without opentelemetry-sdk only what needs none is tested."""

import logging
import unittest

import dtq
from dtq import Refused, Rules, RulesFilter, wire

try:
    from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

    from dtq.otel import RulesLogRecordProcessor, RulesSpanProcessor
except ImportError:
    LoggerProvider = None

HEAD = "apiVersion: dtq/v1\nrules:\n"
LOW = HEAD + "  - {name: low, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}\n"
SECRET = "  - {name: secret, tiers: [in-process], to: replace, kql: '%s | extend Attributes = bag_remove_keys(Attributes, dynamic([\"secret\"]))'}\n"


class Basics(unittest.TestCase):
    def test_a_filter_drops_by_the_rules_and_follows_a_reload(self):
        rules = Rules(LOW + "  - {name: chatty, to: drop, kql: 'logs | where tostring(Scope.Name) == \"app.chatty\" and tostring(Attributes[\"user\"]) == \"ann\"'}\n")
        kept = RulesFilter(rules)
        make = lambda name, level, **extra: logging.makeLogRecord({"name": name, "levelno": level, "levelname": "X", "msg": "m", **extra})
        self.assertFalse(kept.filter(make("app", logging.DEBUG)))
        self.assertTrue(kept.filter(make("app", logging.INFO)))
        self.assertFalse(kept.filter(make("app.chatty", logging.ERROR, user="ann")))
        self.assertTrue(kept.filter(make("app.chatty", logging.ERROR, user="bob")))
        rules.reload(HEAD + "  - {name: no, to: drop, kql: logs | where SeverityNumber > 16}\n")
        self.assertTrue(kept.filter(make("app", logging.DEBUG)))
        self.assertEqual(rules.accounts()["counts"]["dropped"], 2)
        rules.close()
        self.assertTrue(kept.filter(make("app", logging.CRITICAL)), "closed rules pass")

    def test_bad_rules_say_where(self):
        with self.assertRaisesRegex(Refused, "rules.yaml:3"):
            Rules(HEAD + "  - {name: x, to: drop, kql: logs | where Nothing}\n")
        rules = Rules(LOW)
        self.assertRaises(Refused, rules.reload, "rules: [")
        rules.close()

    def test_callbacks_that_raise_do_no_harm(self):
        def bad(*_):
            raise RuntimeError("no")

        rules = Rules(LOW, on_notice=bad, on_emission=bad)
        self.assertEqual(rules.judge(dtq.LOGS, b"\x0a\x09"), (dtq.PASS, None))
        rules.close()

    def test_values_come_back(self):
        for value in ["a", True, 0, -5, 1 << 62, 1.5, b"\x00\xff", [1, "b", None], {"k": {"n": [False]}}]:
            self.assertEqual(wire.python_value(wire.any_value(value)), value)


@unittest.skipIf(LoggerProvider is None, "opentelemetry-sdk is not installed")
class Sdk(unittest.TestCase):
    def test_log_records(self):
        class Recording(LogRecordProcessor):
            seen = []

            def on_emit(self, log_record):
                self.seen.append(log_record)

            def shutdown(self):
                pass

            def force_flush(self, timeout_millis=0):
                return True

        rules = Rules(LOW + SECRET % "logs")
        provider = LoggerProvider()
        provider.add_log_record_processor(RulesLogRecordProcessor(rules, Recording()))
        from opentelemetry._logs import LogRecord, SeverityNumber

        logger = provider.get_logger("shop")
        for severity in (SeverityNumber.DEBUG, SeverityNumber.WARN):
            logger.emit(LogRecord(timestamp=1, severity_number=severity, body={"a": [1]}, attributes={"secret": "s", "n": 7}))
        self.assertEqual(len(Recording.seen), 1)
        record = Recording.seen[0].log_record
        self.assertEqual((dict(record.attributes), record.body), ({"n": 7}, {"a": [1]}))
        self.assertEqual(record.severity_number, SeverityNumber.WARN)

    def test_spans(self):
        class Recording(SpanProcessor):
            seen = []

            def on_end(self, span):
                self.seen.append(span)

        rules = Rules(HEAD + "  - {name: health, to: drop, kql: 'spans | where SpanName == \"health\" and StatusCode != \"Error\"'}\n" + SECRET % "spans")
        provider = TracerProvider()
        provider.add_span_processor(RulesSpanProcessor(rules, Recording()))
        tracer = provider.get_tracer("web")
        for name in ("health", "pay"):
            with tracer.start_as_current_span(name, attributes={"secret": "s", "path": "/"}) as span:
                span.add_event("cache", {"hit": True})
        self.assertEqual([(span.name, dict(span.attributes)) for span in Recording.seen], [("pay", {"path": "/"})])
        self.assertEqual(Recording.seen[0].events[0].name, "cache")


if __name__ == "__main__":
    unittest.main()
