"""Emits a little of everything through the official exporters, twice: as the environment says (OTEL_EXPORTER_OTLP_*), and
straight to DIRECT_ENDPOINT without TLS, so that both can be compared. Says for each signal how the first export ended.
"""

import logging
import os
import sys

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

logging.basicConfig(level=logging.INFO, stream=sys.stderr)
protocol = os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"]
if protocol == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
else:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter


def exporters(kind, path):
    """The exporter that the environment asks for, and the one that goes straight to the sink."""
    direct = os.environ["DIRECT_ENDPOINT"]
    if protocol == "grpc":
        return kind(), kind(endpoint=direct, insecure=True)
    return kind(), kind(endpoint=f"{direct}/v1/{path}")


class Both:
    """Exports the same to both, and says how the first went."""

    def __init__(self, signal, pair):
        self.signal, self.pair = signal, pair

    def export(self, batch, *more, **named):
        self.pair[1].export(batch, *more, **named)
        result = self.pair[0].export(batch, *more, **named)
        print(self.signal, result.name, flush=True)
        return result

    def shutdown(self, *more, **named):
        for exporter in self.pair:
            exporter.shutdown()

    def force_flush(self, *more, **named):
        return True


class BothLogs(Both, LogRecordExporter):
    pass


class BothSpans(Both, SpanExporter):
    pass


class BothMetrics(Both, MetricExporter):
    def __init__(self, signal, pair):
        MetricExporter.__init__(self)
        Both.__init__(self, signal, pair)


resource = Resource.create({"service.name": "emit", "service.version": "1.2.3", "host.cores": 8, "ratio": 0.25})
logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(BothLogs("logs", exporters(OTLPLogExporter, "logs"))))
traces = TracerProvider(resource=resource)
traces.add_span_processor(BatchSpanProcessor(BothSpans("traces", exporters(OTLPSpanExporter, "traces"))))
both = BothMetrics("metrics", exporters(OTLPMetricExporter, "metrics"))
metrics = MeterProvider(resource=resource, metric_readers=[PeriodicExportingMetricReader(both, 3_600_000)])

tracer = traces.get_tracer("emit.tracer", "0.1", attributes={"kind": "scope"})
logger = logs.get_logger("emit.logger", "0.2")
attributes = {"text": "a \"quoted\" line\n\u00e4\u2713", "whole": -7, "big": 2**53 + 1, "real": 0.1, "yes": True, "list": ["a", "b"], "empty": ""}
with tracer.start_as_current_span("outer", kind=SpanKind.SERVER, attributes=attributes) as outer:
    outer.add_event("something", {"count": 3})
    for number in range(20):
        with tracer.start_as_current_span(f"inner {number}", links=[Link(outer.get_span_context(), {"of": "outer"})]) as span:
            if number % 5 == 0:
                span.set_status(Status(StatusCode.ERROR, "no luck"))
            body = {"nested": {"number": number, "list": [1, 2.5, True, None]}} if number % 2 else f"message {number}"
            severity = SeverityNumber.WARN if number % 3 == 0 else SeverityNumber.INFO
            record = LogRecord(
                timestamp=1_700_000_000_000_000_000 + number,
                severity_number=severity,
                severity_text=severity.name,
                body=body,
                attributes={**attributes, "number": number},
                event_name="counted" if number % 4 == 0 else None,
            )
            logger.emit(record)
meter = metrics.get_meter("emit.meter", "0.3")
requests = meter.create_counter("requests", unit="{request}", description="How many.")
duration = meter.create_histogram("duration", unit="s")
level = meter.create_up_down_counter("level")
meter.create_observable_gauge("gauge", callbacks=[lambda options: []])
for number in range(10):
    requests.add(number, {"route": f"/{number % 3}"})
    duration.record(number / 7, {"route": f"/{number % 3}"})
    level.add(-number)
for provider in (traces, logs):
    provider.force_flush(60_000)
# Metrics are exported once, when their provider ends.
for provider in (traces, logs, metrics):
    provider.shutdown()
