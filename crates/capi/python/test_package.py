#!/usr/bin/env python3
"""Tests the installed package: python test_package.py. Without opentelemetry-sdk only what needs none is tested.

With DTQ_ALL set, a test that would be skipped fails instead.
"""

import contextlib
import gc
import io
import logging
import multiprocessing
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import weakref

import dtq
from dtq import Refused, Rules, RulesFilter, wire

try:
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

    from dtq.otel import RulesLogRecordProcessor, RulesSpanProcessor
except ImportError:
    if os.environ.get("DTQ_ALL"):
        raise
    LoggerProvider = None
    print("SKIPPED: tests with the OpenTelemetry SDK, because opentelemetry-sdk is not installed", file=sys.stderr)

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "python.md"
HEAD = "apiVersion: dtq/v1\nrules:\n"
LOW = HEAD + "  - {name: low, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}\n"
HIGH = HEAD + "  - {name: high, to: drop, kql: logs | where SeverityNumber > 16}\n"
SECRET = "  - {name: secret, tiers: [in-process], to: replace, kql: '%s | extend Attributes = bag_remove_keys(Attributes, dynamic([\"secret\"]))'}\n"
CARDS = "  - {name: cards, tiers: [in-process], on_error: drop, to: replace, kql: '%s | extend %s = redact(%s, @\"[0-9]{12,}\", \"[card]\")'}\n"
COUNT = HEAD + "  - {name: n, tiers: [in-process], to: metrics, interval: 1h, metrics: {n: {name: logs.n, type: sum, unit: '1'}}, kql: logs | project n = 1}\n"
HOLD = (
    HEAD
    + "  - {name: out, tiers: [in-process], to: 'flush:ring', after: 1m, kql: logs | where SeverityNumber >= 17}\n"
    + "  - {name: hold, tiers: [in-process], to: 'recorder:ring', recorder: {keep: 1m}, kql: logs | where SeverityNumber < 17}\n"
)
# Requests with a record of severity 5, and with one of severity 17.
FIVE, SEVENTEEN = bytes([10, 6, 18, 4, 18, 2, 16, 5]), bytes([10, 6, 18, 4, 18, 2, 16, 17])


def record(name="app", level=logging.INFO, **extra):
    return logging.makeLogRecord({"name": name, "levelno": level, "levelname": "X", "msg": "m", **extra})


class Basics(unittest.TestCase):
    def test_a_filter_drops_by_the_rules_and_follows_a_reload(self):
        rules = Rules(LOW + "  - {name: chatty, to: drop, kql: 'logs | where tostring(Scope.Name) == \"app.chatty\" and tostring(Attributes[\"user\"]) == \"ann\"'}\n")
        kept = RulesFilter(rules)
        self.assertFalse(kept.filter(record(level=logging.DEBUG)))
        self.assertTrue(kept.filter(record()))
        self.assertFalse(kept.filter(record("app.chatty", logging.ERROR, user="ann")))
        self.assertTrue(kept.filter(record("app.chatty", logging.ERROR, user="bob")))
        rules.reload(HIGH)
        self.assertTrue(kept.filter(record(level=logging.DEBUG)))
        self.assertEqual(rules.accounts()["counts"]["dropped"], 2)
        rules.close()
        self.assertTrue(kept.filter(record(level=logging.CRITICAL)), "closed rules pass")
        rules.close()

    def test_a_filter_works_in_a_logger(self):
        with Rules(LOW + "  - {name: where, to: drop, kql: 'logs | where tostring(Attributes[\"exception.type\"]) == \"KeyError\" and Attributes[\"code.function.name\"] has \"logger\"'}\n") as rules:
            out = io.StringIO()
            handler = logging.StreamHandler(out)
            handler.addFilter(RulesFilter(rules, {"service.name": "shop"}))
            logger = logging.getLogger("dtq.test")
            logger.addHandler(handler)
            logger.setLevel(logging.DEBUG)
            logger.propagate = False
            logger.debug("no")
            logger.warning("%s and %d", "yes", 1)
            for kind in (KeyError, ValueError):
                try:
                    raise kind("x")
                except kind:
                    logger.exception(kind.__name__)
            lines = [line for line in out.getvalue().splitlines() if line in ("no", "yes and 1", "KeyError", "ValueError")]
            self.assertEqual(lines, ["yes and 1", "ValueError"])

    def test_an_edit_of_a_log_record_passes_or_is_withheld(self):
        with Rules(HEAD + SECRET % "logs") as rules:
            self.assertTrue(RulesFilter(rules).filter(record(secret="s")))
            self.assertFalse(RulesFilter(rules, withholds=True).filter(record(secret="s")))
            self.assertTrue(RulesFilter(rules, withholds=True).filter(record()))

    def test_bad_rules_say_where_and_those_before_go_on(self):
        with self.assertRaisesRegex(Refused, "rules.yaml:3"):
            Rules(HEAD + "  - {name: x, to: drop, kql: logs | where Nothing}\n")
        self.assertRaises(Refused, lambda: Rules(path="/no/such/file"))
        self.assertRaises(TypeError, Rules)
        with Rules(LOW) as rules:
            self.assertRaises(Refused, rules.reload, "rules: [")
            with self.assertRaisesRegex(Refused, "no file"):
                rules.reload()
            self.assertEqual(rules.judge(dtq.LOGS, FIVE), (dtq.DROP, None))
            self.assertEqual(rules.judge(dtq.LOGS, SEVENTEEN), (dtq.PASS, None))

    def test_a_file_is_followed(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "rules.yaml")
            path.write_text(LOW)
            with Rules(path=path) as rules:
                self.assertEqual(rules.judge(dtq.LOGS, FIVE)[0], dtq.DROP)
                path.write_text(HIGH)
                rules.reload()
                self.assertEqual(rules.judge(dtq.LOGS, FIVE)[0], dtq.PASS)
                # By itself, within a second or so.
                path.write_text(LOW + "# longer\n")
                until = time.monotonic() + 20
                while rules.judge(dtq.LOGS, FIVE)[0] != dtq.DROP and time.monotonic() < until:
                    threading.Event().wait(0.02)
                self.assertEqual(rules.judge(dtq.LOGS, FIVE)[0], dtq.DROP)

    def test_rules_of_other_tiers_are_named(self):
        said = []
        far = "  - {name: far, tiers: [collector], to: drop, kql: logs | where SeverityNumber > 3}\n"
        with Rules(LOW + far, on_notice=lambda name, message: said.append((name, message))) as rules:
            self.assertEqual(rules.accounts()["left_out"], ["far"])
        self.assertEqual([name for name, _ in said], ["dtq.inprocess.left_out"])
        self.assertIn("`far`", said[0][1])

    def test_metrics_go_to_the_callback(self):
        got = []
        with Rules(COUNT, on_emission=lambda *all: got.append(all)) as rules:
            kept = RulesFilter(rules)
            for _ in range(3):
                self.assertTrue(kept.filter(record()))
        self.assertEqual([(signal, destination) for signal, destination, _ in got], [(dtq.METRICS, None)])
        self.assertIn(b"logs.n", got[0][2])

    def test_callbacks_that_raise_do_no_harm(self):
        def bad(*_):
            raise RuntimeError("no")

        rules = Rules(COUNT, on_notice=bad, on_emission=bad)
        self.assertEqual(rules.judge(dtq.LOGS, b"\x0a\x09"), (dtq.PASS, None))
        self.assertEqual(rules.judge(dtq.LOGS, FIVE), (dtq.PASS, None))
        rules.close()

    def test_a_callback_may_close_the_rules(self):
        rules = Rules(COUNT.replace("interval: 1h", "interval: 1ms"), on_emission=lambda *_: rules.close())
        for _ in range(3):
            rules.judge(dtq.LOGS, FIVE)
            rules.tick()
        rules.close()
        self.assertEqual(rules.accounts(), {})

    def test_a_callback_that_logs_comes_to_an_end(self):
        calls = []

        def on_emission(*_):
            calls.append(1)
            rules.judge(dtq.LOGS, FIVE)
            rules.tick()
            rules.accounts()

        rules = Rules(COUNT.replace("interval: 1h", "interval: 1ms"), on_emission=on_emission)
        until = time.monotonic() + 20
        while len(calls) < 3 and time.monotonic() < until:
            rules.judge(dtq.LOGS, FIVE)
            threading.Event().wait(0.02)
            rules.tick()
        self.assertTrue(calls and len(calls) < 1000, len(calls))
        rules.close()

    def test_rules_that_nobody_has_end_by_themselves(self):
        got = []
        rules = Rules(COUNT, on_emission=lambda *all: got.append(all))
        place, gone = rules._rules.value, weakref.ref(rules)
        RulesFilter(rules).filter(record())
        del rules
        gc.collect()
        self.assertIsNone(gone())
        self.assertEqual(dtq._library.dtq_rules_tick(dtq.ctypes.c_void_p(place)), 1, "freed")

    def test_freed_rules_are_refused(self):
        rules = Rules(LOW)
        stale = dtq.ctypes.c_void_p(rules._rules.value)
        rules.close()
        dtq._library.dtq_rules_free(stale)
        rules._rules.value = stale.value
        self.assertEqual(rules.judge(dtq.LOGS, FIVE), (dtq.PASS, None))
        self.assertRaises(Refused, rules.reload, LOW)
        self.assertEqual(rules.accounts(), {})

    def test_values_come_back(self):
        for value in ["a", True, 0, -5, 1 << 62, 1.5, b"\x00\xff", [1, "b", None], {"k": {"n": [False]}}]:
            self.assertEqual(wire.python_value(wire.any_value(value)), value)
        around = []
        around.append(around)
        self.assertTrue(wire.any_value(around), "what contains itself ends somewhere")

    def test_the_version_is_that_of_the_library(self):
        self.assertRegex(dtq.__version__, r"^\d+\.\d+\.\d+$")
        self.assertTrue(pathlib.Path(dtq.__file__).with_name("py.typed").exists())


class Threads(unittest.TestCase):
    def test_threads_judge_while_others_reload_and_close(self):
        both, wrong, over = [LOW, HIGH], [], threading.Event()
        rules = Rules(both[0])

        def judge():
            kept = RulesFilter(rules)
            while not over.is_set():
                if rules.judge(dtq.LOGS, FIVE)[0] not in (dtq.PASS, dtq.DROP) or not kept.filter(record()):
                    wrong.append(1)

        threads = [threading.Thread(target=judge) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(50):
            rules.reload(both[number % 2])
            rules.accounts()
        counts = rules.accounts()["counts"]
        rules.close()
        over.set()
        for thread in threads:
            thread.join(30)
            self.assertFalse(thread.is_alive())
        self.assertEqual((wrong, counts["panics"], counts["loads"]), ([], 0, 51))
        if dtq._HAS_GIL:
            self.assertEqual(counts["contended"], 0, "with the interpreter's lock records never meet")

    def test_a_recorder_loses_nothing_between_threads(self):
        with Rules(HOLD) as rules:
            threads = [threading.Thread(target=lambda: [rules.judge(dtq.LOGS, FIVE) for _ in range(500)]) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            held = {rule["rule"]: rule["held"] for rule in rules.accounts()["rules"]}
            self.assertEqual(held["hold"], 2000)


def in_child(rules, answers):
    """Runs in a process of its own, with the rules of its parent."""
    fate = rules.judge(dtq.LOGS, FIVE)
    counts = rules.accounts()["counts"]
    held = sum(rule["held"] for rule in rules.accounts()["rules"])
    rules.reload(LOW)
    answers.put((fate, counts["records"], held, rules.judge(dtq.LOGS, FIVE)))


class Forks(unittest.TestCase):
    def test_a_child_begins_anew_and_never_waits(self):
        over = threading.Event()
        with Rules(HOLD) as rules:
            busy = threading.Thread(target=lambda: [rules.judge(dtq.LOGS, FIVE) for _ in iter(over.is_set, True)])
            busy.start()
            fork = multiprocessing.get_context("fork")
            try:
                for _ in range(5):
                    answers = fork.Queue()
                    child = fork.Process(target=in_child, args=(rules, answers))
                    child.start()
                    # Held, the only one; then dropped by other rules.
                    self.assertEqual(answers.get(timeout=60), ((dtq.DROP, None), 1, 1, (dtq.DROP, None)))
                    child.join(60)
                    self.assertEqual(child.exitcode, 0)
            finally:
                over.set()
                busy.join(30)
            self.assertEqual(rules.judge(dtq.LOGS, FIVE)[0], dtq.DROP)
            self.assertGreater(sum(rule["held"] for rule in rules.accounts()["rules"]), 1, "the parent goes on")


    def test_a_child_does_not_wait_for_a_lock_that_another_thread_had(self):
        held, over = threading.Event(), threading.Event()
        with Rules(LOW) as rules:

            def hold():
                with rules._lock:
                    held.set()
                    over.wait(60)

            busy = threading.Thread(target=hold)
            busy.start()
            held.wait(60)
            fork = multiprocessing.get_context("fork")
            answers = fork.Queue()
            child = fork.Process(target=in_child, args=(rules, answers))
            child.start()
            try:
                self.assertEqual(answers.get(timeout=60)[0], (dtq.DROP, None))
                child.join(60)
                self.assertEqual(child.exitcode, 0)
            finally:
                child.kill()
                over.set()
                busy.join(60)

    def test_a_process_ends_while_threads_judge(self):
        code = """
import threading, dtq
rules = dtq.Rules(%r)
def judge():
    while True:
        rules.judge(dtq.LOGS, bytes([10, 6, 18, 4, 18, 2, 16, 5]))
for _ in range(3):
    threading.Thread(target=judge, daemon=True).start()
threading.Event().wait(0.05)
"""
        for _ in range(3):
            ended = subprocess.run([sys.executable, "-c", code % LOW], capture_output=True, timeout=120)
            self.assertEqual((ended.returncode, ended.stderr), (0, b""))


if LoggerProvider is not None:

    class RaisingLogs(LogRecordProcessor):
        def on_emit(self, log_record):
            raise RuntimeError("no")

        def shutdown(self):
            pass

        def force_flush(self, timeout_millis=0):
            return True

    class RaisingSpans(SpanProcessor):
        def on_start(self, span, parent_context=None):
            raise RuntimeError("no")

        def on_end(self, span):
            raise RuntimeError("no")


@unittest.skipIf(LoggerProvider is None, "opentelemetry-sdk is not installed")
class Logs(unittest.TestCase):
    def start(self, text, **callbacks):
        self.rules = Rules(text, **callbacks)
        self.addCleanup(self.rules.close)
        self.seen = InMemoryLogRecordExporter()
        self.provider = LoggerProvider(resource=Resource({"service.name": "shop"}))
        self.provider.add_log_record_processor(RulesLogRecordProcessor(self.rules, SimpleLogRecordProcessor(self.seen)))
        return self.provider.get_logger("checkout", "1.2")

    def finished(self):
        return [(one.log_record, one) for one in self.seen.get_finished_logs()]

    def test_drop_and_edit(self):
        logger = self.start(LOW + SECRET % "logs")
        for severity in (SeverityNumber.DEBUG, SeverityNumber.WARN):
            logger.emit(LogRecord(timestamp=1, severity_number=severity, severity_text="x", body={"a": [1]}, attributes={"secret": "s", "n": 7}, event_name="e"))
        [(record, around)] = self.finished()
        self.assertEqual((dict(record.attributes), record.body, record.event_name), ({"n": 7}, {"a": [1]}, "e"))
        self.assertEqual((record.severity_number, record.severity_text, record.timestamp), (SeverityNumber.WARN, "x", 1))
        self.assertEqual(around.resource.attributes["service.name"], "shop")
        self.assertEqual(around.instrumentation_scope.name, "checkout")
        counts = self.rules.accounts()["counts"]
        self.assertEqual((counts["dropped"], counts["edited"]), (1, 1))

    def test_redaction_of_body_and_attributes(self):
        logger = self.start(HEAD + CARDS.replace("cards", "body") % ("logs", "Body", "Body") + CARDS % ("logs", "Attributes", "Attributes"))
        logger.emit(LogRecord(timestamp=1, body="card 4111111111111111", attributes={"pan": "4111111111111111", "n": 1}))
        [(record, _)] = self.finished()
        self.assertEqual((record.body, dict(record.attributes)), ("card [card]", {"pan": "[card]", "n": 1}))

    def test_a_recorder_releases_to_the_same_processor(self):
        logger = self.start(HOLD)
        for number in range(2):
            logger.emit(LogRecord(timestamp=number + 1, severity_number=SeverityNumber.INFO, body=f"held {number}", attributes={"n": number}))
        self.assertEqual(self.finished(), [])
        logger.emit(LogRecord(timestamp=9, severity_number=SeverityNumber.ERROR, body="boom"))
        bodies = sorted(record.body for record, _ in self.finished())
        self.assertEqual(bodies, ["boom", "held 0", "held 1"])
        for record, around in self.finished():
            self.assertEqual(around.resource.attributes["service.name"], "shop")
            self.assertEqual((around.instrumentation_scope.name, around.instrumentation_scope.version), ("checkout", "1.2"))

    def test_reload_while_records_come(self):
        logger = self.start(LOW)
        logger.emit(LogRecord(severity_number=SeverityNumber.DEBUG, body="a"))
        self.rules.reload(HIGH)
        logger.emit(LogRecord(severity_number=SeverityNumber.DEBUG, body="b"))
        self.assertEqual([record.body for record, _ in self.finished()], ["b"])

    def test_the_bridge_of_logging_goes_through(self):
        self.start(LOW)
        try:
            from opentelemetry.sdk._logs import LoggingHandler
        except ImportError:
            self.skipTest("this SDK has no LoggingHandler")
        logger = logging.getLogger("dtq.bridge")
        logger.propagate = False
        logger.setLevel(logging.DEBUG)
        logger.addHandler(LoggingHandler(logger_provider=self.provider))
        logger.debug("no")
        logger.error("yes")
        self.assertEqual([record.body for record, _ in self.finished()], ["yes"])

    def test_a_processor_that_raises_does_no_harm(self):
        with Rules(LOW) as rules:
            wrapper = RulesLogRecordProcessor(rules, RaisingLogs())
            provider = LoggerProvider()
            provider.add_log_record_processor(wrapper)
            provider.get_logger("x").emit(LogRecord(severity_number=SeverityNumber.ERROR))
            self.assertEqual(wrapper.failures, 1)

    def test_what_is_no_record_passes(self):
        with Rules(LOW) as rules:
            got = []
            wrapper = RulesLogRecordProcessor(rules, RaisingLogs())
            wrapper._inner.on_emit = got.append
            wrapper.on_emit("no record")
            self.assertEqual(got, ["no record"])

    def test_metrics_of_records(self):
        got = []
        logger = self.start(COUNT, on_emission=lambda *all: got.append(all))
        logger.emit(LogRecord(timestamp=time.time_ns(), body="x"))
        self.assertEqual(len(self.finished()), 1)
        self.rules.close()
        self.assertEqual([(signal, destination) for signal, destination, _ in got], [(dtq.METRICS, None)])


@unittest.skipIf(LoggerProvider is None, "opentelemetry-sdk is not installed")
class Spans(unittest.TestCase):
    def start(self, text):
        self.rules = Rules(text)
        self.addCleanup(self.rules.close)
        self.seen = InMemorySpanExporter()
        provider = TracerProvider(resource=Resource({"service.name": "shop"}))
        provider.add_span_processor(RulesSpanProcessor(self.rules, SimpleSpanProcessor(self.seen)))
        return provider.get_tracer("web", "1.2")

    def test_drop_and_edit(self):
        tracer = self.start(HEAD + "  - {name: health, to: drop, kql: 'spans | where SpanName == \"health\" and StatusCode != \"Error\"'}\n" + SECRET % "spans")
        far = SpanContext(1 << 90, 77, True, TraceFlags(1))
        with tracer.start_as_current_span("outer") as outer:
            for name in ("health", "pay"):
                links = [Link(far, {"why": "batch"})]
                with tracer.start_as_current_span(name, kind=SpanKind.SERVER, links=links, attributes={"secret": "s", "path": "/", "list": ["a", "b"]}) as span:
                    span.add_event("cache", {"hit": True}, timestamp=5)
                    span.set_status(Status(StatusCode.ERROR, "late") if name == "pay" else Status(StatusCode.OK))
        pay, last = self.seen.get_finished_spans()
        self.assertEqual(last.name, "outer")
        self.assertEqual((pay.name, dict(pay.attributes), pay.kind), ("pay", {"path": "/", "list": ["a", "b"]}, SpanKind.SERVER))
        self.assertEqual((pay.status.status_code, pay.status.description), (StatusCode.ERROR, "late"))
        [event], [link] = pay.events, pay.links
        self.assertEqual((event.name, dict(event.attributes), event.timestamp), ("cache", {"hit": True}, 5))
        self.assertEqual((link.context.trace_id, link.context.span_id, link.context.is_remote, dict(link.attributes)), (1 << 90, 77, True, {"why": "batch"}))
        self.assertEqual(pay.parent.span_id, outer.get_span_context().span_id)
        self.assertEqual(pay.context.trace_id, outer.get_span_context().trace_id)
        self.assertTrue(0 < pay.start_time <= pay.end_time and pay.context.trace_flags.sampled)
        self.assertEqual((pay.resource.attributes["service.name"], pay.instrumentation_scope.version), ("shop", "1.2"))
        self.assertIn("cache", pay.to_json())

    def test_redaction_reaches_events(self):
        tracer = self.start(HEAD + CARDS % ("spans", "Events", "Events"))
        with tracer.start_as_current_span("pay") as span:
            span.add_event("charged", {"pan": "4111111111111111"})
        [pay] = self.seen.get_finished_spans()
        self.assertEqual(dict(pay.events[0].attributes), {"pan": "[card]"})

    def test_a_recorder_releases_spans(self):
        hold = HOLD.replace("logs | where SeverityNumber >= 17", "spans | where StatusCode == \"Error\"").replace("logs | where SeverityNumber < 17", "spans | where StatusCode != \"Error\"")
        tracer = self.start(hold)
        tracer.start_span("held", attributes={"n": 1}).end()
        self.assertEqual(self.seen.get_finished_spans(), ())
        with contextlib.suppress(ValueError), tracer.start_as_current_span("boom"):
            raise ValueError("x")
        self.assertEqual(sorted(span.name for span in self.seen.get_finished_spans()), ["boom", "held"])

    def test_a_processor_that_raises_does_no_harm(self):
        with Rules(LOW) as rules:
            wrapper = RulesSpanProcessor(rules, RaisingSpans())
            provider = TracerProvider()
            provider.add_span_processor(wrapper)
            provider.get_tracer("x").start_span("y").end()
            self.assertEqual(wrapper.failures, 2)


@unittest.skipIf(LoggerProvider is None, "opentelemetry-sdk is not installed")
class Page(unittest.TestCase):
    def test_the_example_of_the_documentation_runs(self):
        blocks = PAGE.read_text().split("```python\n")[1:]
        self.assertTrue(blocks, "the page has an example")
        for block in blocks:
            code, rest = block.split("```", 1)
            expected = rest.split("```text\n", 1)[1].split("```", 1)[0]
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(code, str(PAGE), "exec"), {"__name__": "example"})
            self.assertEqual(out.getvalue(), expected)


if __name__ == "__main__":
    unittest.main()
