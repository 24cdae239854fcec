"""Reads what rules leave with the official protobuf classes, and says what they lost.

Into every message of a request, at every level, goes a field that no version of OTLP has, with an id of its own. `dtq
apply` then runs rule sets over these requests: those of the cookbook over the recorded telemetry, and generated ones
over generated requests. Each record that leaves is found again by its id, and must hold all of the record that came
but for the fields that the rules assign; what surrounds it must be as it was; no record leaves twice, and those that
are missing are those that the report of `apply` accounts for. The same in OTLP JSON must be the same messages.

Nothing here is shared with dtq.

Usage: check.py DTQ DIR
  DTQ is the binary. DIR holds generated cases, NAME.SIGNAL.yaml with NAME.SIGNAL.otlp beside it, as the test
  `generated_rules_are_of_use` of `crates/rules/tests/oracle` writes them when DTQ_DUMP names a folder.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.unknown_fields import UnknownFieldSet

ROOT = Path(__file__).resolve().parents[4]
TELEMETRY = ROOT / "fixtures/telemetry"
sys.path.insert(0, str(TELEMETRY))
from oracle import REQUESTS, frames, from_otlp_json, lines_of  # noqa: E402

# Names of the repeated fields from a request down to its records.
LEVELS = {
    "logs": ("resource_logs", "scope_logs", "log_records"),
    "traces": ("resource_spans", "scope_spans", "spans"),
    "metrics": ("resource_metrics", "scope_metrics", "metrics"),
}
DATA = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
# A field number that OTLP does not have, and its tag with wire type 2.
UNKNOWN = 1000
TAG = b"\xc2\x3e"

# Which fields of a message a column of a table is; a column of an alias may be any of several.
ALIAS = {
    *("attributes", "body", "event_name", "severity_number", "severity_text", "name", "kind", "status"),
    *("trace_id", "span_id", "parent_span_id"),
}
COLUMNS = {
    "Body": {"body"},
    "Attributes": {"attributes"},
    "SeverityText": {"severity_text"},
    "SeverityNumber": {"severity_number"},
    "EventName": {"event_name"},
    "ObservedTimestamp": {"observed_time_unix_nano"},
    "TraceFlags": {"flags"},
    "TraceId": {"trace_id"},
    "SpanId": {"span_id"},
    "ParentSpanId": {"parent_span_id"},
    "TraceState": {"trace_state"},
    "SpanName": {"name"},
    "SpanKind": {"kind"},
    "StatusCode": {"status"},
    "StatusMessage": {"status"},
    "StartTime": {"start_time_unix_nano"},
    "EndTime": {"end_time_unix_nano"},
    "Events": {"events"},
    "Links": {"links"},
    "MetricName": {"name"},
    "MetricUnit": {"unit"},
    "MetricDescription": {"description"},
    "MetricValue": {"as_double", "as_int", "flags"},
}


class Failed(Exception):
    """Says what is wrong with an output."""


def submessages(message):
    """Yields a message and all messages in it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for item in value if field.is_repeated else [value]:
            yield from submessages(item)


class Ids:
    """Gives ids that no other message has."""

    def __init__(self):
        self.count = 0

    def mark(self, request):
        for message in list(submessages(request)):
            self.count += 1
            text = str(self.count).encode()
            message.MergeFromString(TAG + bytes([len(text)]) + text)


def id_of(message):
    """Returns the id that was put into a message, or None for one that dtq made."""
    found = [field.data for field in UnknownFieldSet(message) if field.field_number == UNKNOWN]
    if len(found) > 1:
        raise Failed(f"a message has {len(found)} ids")
    return int(found[0]) if found else None


def bytes_of(message, without=()):
    """Returns all that a message says, unknown fields too, but for some fields."""
    if without:
        copy = type(message)()
        copy.CopyFrom(message)
        for name in without:
            if name in copy.DESCRIPTOR.fields_by_name:
                copy.ClearField(name)
        message = copy
    return message.SerializeToString(deterministic=True)


def known(message):
    """Returns all that a message says in fields of OTLP."""
    copy = type(message)()
    copy.CopyFrom(message)
    copy.DiscardUnknownFields()
    return copy.SerializeToString(deterministic=True)


def records(signal, requests):
    """Yields each record with what surrounds it, from the outside in."""
    resources, scopes, items = LEVELS[signal]
    for request in requests:
        for resource in getattr(request, resources):
            for scope in getattr(resource, scopes):
                for item in getattr(scope, items):
                    if signal != "metrics":
                        yield (resource, scope), item
                        continue
                    kind = item.WhichOneof("data")
                    for point in getattr(item, kind).data_points if kind else ():
                        yield (resource, scope, item), point


def assigned(rules):
    """Returns the fields that rules may write in records, and whether they may write resources."""
    fields, writes_resources = set(), False
    # A query ends where the next key of YAML or the next rule begins.
    for query in re.split(r"\n {2,4}(?=[\w-]+:|- )", rules):
        parts = re.findall(r"\b(extend|project-away|project)\b(.*?)(?=\n? *\| *\w|$)", query, re.S)
        for operator, text in parts:
            names = re.findall(r"\w+", text) if operator == "project-away" else re.findall(r"(\w+) *=(?![=~])", text)
            for name in names:
                fields |= COLUMNS.get(name, ALIAS)
        writes_resources |= bool(parts) and bool(re.search(r"\bresources\b", query))
    return fields, writes_resources


def check_same(what, before, after, without):
    if bytes_of(before, without) != bytes_of(after, without):
        raise Failed(f"{what} differs in fields that no rule assigns:\n--- in\n{before}--- out\n{after}")


def check_surroundings(signal, before, after, fields, writes_resources):
    """Compares what surrounds a record: the same messages, and what they hold beside records."""
    for depth, (old, new) in enumerate(zip(before, after)):
        if id_of(old) != id_of(new):
            raise Failed(f"a record has moved from {id_of(old)} to {id_of(new)}")
        without = {LEVELS[signal][1], LEVELS[signal][2]} if depth < 2 else {*DATA, *fields}
        if depth == 0:
            without.add("resource")
            attributes = {"attributes"} if writes_resources else ()
            check_same("a resource", old.resource, new.resource, attributes)
            check_attributes(old.resource, new.resource)
        check_same("what surrounds a record", old, new, without)
        kind = old.WhichOneof("data") if depth == 2 else None
        if kind:
            check_same("the data of a metric", getattr(old, kind), getattr(new, kind), {"data_points"})


def check_attributes(old, new):
    """An attribute that says the same as before is the same, with what dtq does not know of it."""
    def by_key(message):
        pairs = {}
        for pair in message.attributes:
            pairs.setdefault(pair.key, []).append(pair)
        return pairs

    before = by_key(old)
    for key, pairs in by_key(new).items():
        was = before.get(key, [])
        if len(was) == 1 and len(pairs) == 1 and known(was[0]) == known(pairs[0]):
            check_same(f"the attribute `{key}`", was[0], pairs[0], ())


def check_record(old, new, fields):
    check_same("a record", old, new, fields)
    check_attributes(old, new)
    parts = {id_of(part): part for part in submessages(old)}
    for part in submessages(new):
        was = parts.get(id_of(part))
        if was is not None and known(was) == known(part):
            check_same("a part of a record", was, part, ())


def apply(dtq, rules, source, folder, form=None):
    """Runs `dtq apply`; returns the main output, the others, and the report."""
    folder.mkdir()
    routes = sorted(set(re.findall(r"\bto: route:([\w.-]+)", rules.read_text())))
    outs = {name: folder / f"{name}.otlp" for name in [*routes, "logs", "metrics"]}
    main, report = folder / "main", folder / "report.json"
    command = [dtq, "apply", "--rules", rules, "--now", "2026-11-24T12:00:00Z", "--seed", "1", "--report", report]
    command += ["--out", main, "--logs", outs["logs"], "--metrics", outs["metrics"]]
    command += [word for name in routes for word in ("--out", f"{name}={outs[name]}")]
    command += ["--output", form] if form else []
    ran = subprocess.run([*map(str, command), str(source)], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise Failed(f"exit code {ran.returncode}: {ran.stderr}")
    return main, outs, json.loads(report.read_text())


def check(dtq, rules, signal, requests, folder):
    """Checks what a rule set makes of requests; returns how many records left and how many of them had changed."""
    ids = Ids()
    for request in requests:
        ids.mark(request)
    folder.mkdir()
    source = folder / "in.otlp"
    source.write_bytes(b"".join(delimited(request) for request in requests))
    before = {id_of(record): (around, record) for around, record in records(signal, requests)}
    fields, writes_resources = assigned(rules.read_text())

    main, others, report = apply(dtq, rules, source, folder / "protobuf")
    left = [REQUESTS[signal].FromString(frame) for frame in frames(main.read_bytes())]
    made = {}
    for name, path in others.items():
        kind = name if name in LEVELS else signal
        made[name] = (kind, [REQUESTS[kind].FromString(frame) for frame in frames(path.read_bytes())])
    seen, new_count, changed = [], 0, 0
    for kind, output in [(signal, left), *made.values()]:
        for around, record in records(kind, output):
            own = id_of(record)
            if own is None:
                new_count += 1
                continue
            old_around, old = before[own]
            check_surroundings(signal, old_around, around, fields, writes_resources)
            check_record(old, record, fields)
            heads = [bytes_of(one, DATA) for one in (*old_around[2:], *around[2:])]
            changed += bytes_of(old) != bytes_of(record) or len(set(heads)) > 1
            seen.append(own)
    totals = report["totals"]
    if len(set(seen)) != len(seen) and not re.search(r"\bcopy: true", rules.read_text()):
        raise Failed("a record has left twice")
    missing = len(before) - len(set(seen))
    accounted = totals["dropped"] + totals["consumed"] + totals["held"] + totals["evicted"]
    if missing != accounted or totals["records_in"] != len(before) or new_count > totals["created"]:
        raise Failed(f"{missing} of {len(before)} records are missing, {new_count} are new; the report says {totals}")
    # What one rule edits another may edit, give back or remove.
    edited = [rule["edited"] for rule in report["rules"]]
    if changed > sum(edited):
        raise Failed(f"{changed} records have changed; the report says {edited}")

    document, _, _ = apply(dtq, rules, source, folder / "json", "otlp-json")
    key = {"logs": "resourceLogs", "traces": "resourceSpans", "metrics": "resourceMetrics"}[signal]
    text = document.read_text()
    lines = [line for line in lines_of(text) if line and key in json.loads(line)] if text else []
    in_json = [known(record) for _, record in records(signal, [from_otlp_json(line, REQUESTS[signal]) for line in lines])]
    in_protobuf = [known(record) for _, record in records(signal, left)]
    # Metrics that rules make stand in the document and not in a protobuf output of another signal.
    if signal == "metrics":
        in_protobuf += [known(record) for _, record in records("metrics", made["metrics"][1])]
        in_json.sort(), in_protobuf.sort()
    if in_json != in_protobuf:
        raise Failed(f"OTLP JSON has {len(in_json)} records and protobuf {len(in_protobuf)}, or they differ")
    return len(seen), changed


def delimited(message):
    body = message.SerializeToString()
    size, head = len(body), bytearray()
    while size >= 0x80:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*head, size]) + body


def cases(generated):
    """Yields rule files, each with a signal and a file of requests."""
    for rules in sorted((ROOT / "docs/cookbook").glob("*.yaml")):
        for signal in LEVELS:
            yield rules, signal, TELEMETRY / f"{signal}.otlp"
    for rules in sorted(generated.glob("*.yaml")):
        yield rules, rules.name.split(".")[-2], rules.with_suffix(".otlp")


def main():
    dtq, generated = sys.argv[1], Path(sys.argv[2])
    counts = {"rule sets": 0, "requests": 0, "records left": 0, "changed": 0}
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for number, (rules, signal, source) in enumerate(cases(generated)):
            requests = [REQUESTS[signal].FromString(frame) for frame in frames(source.read_bytes())]
            try:
                left, changed = check(dtq, rules, signal, requests, Path(scratch) / str(number))
            except Failed as failure:
                failed += 1
                print(f"FAILED {rules} on {source}: {failure}")
                continue
            counts["rule sets"] += 1
            counts["requests"] += len(requests)
            counts["records left"] += left
            counts["changed"] += changed
    print(f"protobuf: {', '.join(f'{count} {what}' for what, count in counts.items())}; {failed} failed")
    # With nothing generated or nothing changed the check would show nothing.
    if not any(generated.glob("*.yaml")) or counts["changed"] == 0:
        print("no generated cases, or none that changes something")
        failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
