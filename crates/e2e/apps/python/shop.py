"""A small shop, instrumented with the OpenTelemetry SDK for Python as its documentation shows: it knows of an OTLP endpoint
from the environment (OTEL_EXPORTER_OTLP_ENDPOINT) and of nothing else. Runs until it is told to end.
"""

import random
import signal
import threading

from opentelemetry import metrics, trace
from opentelemetry._logs import LogRecord, SeverityNumber, set_logger_provider
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

resource = Resource.create({"service.name": "shop", "service.version": "1.0.0"})
trace.set_tracer_provider(TracerProvider(resource=resource))
trace.get_tracer_provider().add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=500))
reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=1_000)
metrics.set_meter_provider(MeterProvider(resource=resource, metric_readers=[reader]))
logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(), schedule_delay_millis=500))
set_logger_provider(logs)

tracer, logger = trace.get_tracer("shop"), logs.get_logger("shop")
orders = metrics.get_meter("shop").create_counter("shop.orders", unit="{order}")
BANNER = "Welcome to the shop. " + "Today's offers are on every shelf, and shipping is free for members. " * 3


def say(event, severity, body, **attributes):
    """Logs one event."""
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    record = LogRecord(severity_number=severity, severity_text=severity.name, body=body, attributes=named, event_name=event)
    logger.emit(record)


def serve(number, dice):
    """Serves one visitor."""
    customer = f"c-{number % 97}"
    with tracer.start_as_current_span("GET /", attributes={"http.route": "/"}):
        # Each page has the banner several times, and each time somebody thought a line about it would be of use.
        for shelf in range(8):
            say("LogWelcomeBanner", SeverityNumber.INFO, BANNER, shelf=shelf, secret=f"banner-key-{number}")
        token = f"hunter2-{number}"
        say("UserSignedIn", SeverityNumber.INFO, "a customer signed in", customer=customer, secret=token)
        if dice.random() < 0.3:
            with tracer.start_as_current_span("POST /checkout", attributes={"http.route": "/checkout"}) as span:
                orders.add(1, {"country": dice.choice(["de", "fr", "us"])})
                if dice.random() < 0.3:
                    span.set_status(trace.StatusCode.ERROR, "card refused")
                    say("PaymentFailed", SeverityNumber.ERROR, "the card was refused", customer=customer)


ended = threading.Event()
for name in (signal.SIGTERM, signal.SIGINT):
    signal.signal(name, lambda *_: ended.set())
number, dice = 0, random.Random(7)
while not ended.wait(0.02):
    serve(number, dice)
    number += 1
for provider in (trace.get_tracer_provider(), logs, metrics.get_meter_provider()):
    provider.shutdown()
