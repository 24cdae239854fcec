// The shop's recommendations, instrumented with the OpenTelemetry SDK for JavaScript as its documentation shows: it knows of
// an OTLP endpoint from the environment (OTEL_EXPORTER_OTLP_ENDPOINT) and of nothing else. Runs until it is told to end.
"use strict";
const { SpanStatusCode, metrics, trace } = require("@opentelemetry/api");
const { SeverityNumber, logs } = require("@opentelemetry/api-logs");
const { OTLPLogExporter } = require("@opentelemetry/exporter-logs-otlp-proto");
const { OTLPMetricExporter } = require("@opentelemetry/exporter-metrics-otlp-proto");
const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-proto");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { BatchLogRecordProcessor, LoggerProvider } = require("@opentelemetry/sdk-logs");
const { MeterProvider, PeriodicExportingMetricReader } = require("@opentelemetry/sdk-metrics");
const { BatchSpanProcessor, NodeTracerProvider } = require("@opentelemetry/sdk-trace-node");

const resource = resourceFromAttributes({ "service.name": "recommendations", "service.version": "2.0.0" });
const tracing = new NodeTracerProvider({
  resource,
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter(), { scheduledDelayMillis: 500 })],
});
tracing.register();
const processors = [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter(), scheduledDelayMillis: 500 })];
const logging = new LoggerProvider({ resource, processors });
logs.setGlobalLoggerProvider(logging);
const reader = new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(), exportIntervalMillis: 1000, exportTimeoutMillis: 900 });
const measuring = new MeterProvider({ resource, readers: [reader] });
metrics.setGlobalMeterProvider(measuring);

const tracer = trace.getTracer("recommendations");
const logger = logs.getLogger("recommendations");
const asked = metrics.getMeter("recommendations").createCounter("shop.recommendations", { unit: "{request}" });
let number = 0;

function serve() {
  number += 1;
  asked.add(1);
  tracer.startActiveSpan("GET /recommendations", (span) => {
    // This service names its events in an attribute, as many did before logs had event names.
    const attributes = { EventName: "LogWelcomeBanner", secret: `banner-key-js-${number}` };
    logger.emit({ severityNumber: SeverityNumber.INFO, severityText: "INFO", body: "Welcome to recommendations", attributes });
    if (number % 20 === 0) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: "no catalogue" });
      const more = { "error.type": "CatalogueError" };
      logger.emit({ severityNumber: SeverityNumber.ERROR, severityText: "ERROR", body: "the catalogue is away", attributes: more });
    }
    span.end();
  });
}

const timer = setInterval(serve, 50);
for (const name of ["SIGTERM", "SIGINT"]) {
  process.once(name, async () => {
    clearInterval(timer);
    await Promise.allSettled([tracing.shutdown(), logging.shutdown(), measuring.shutdown()]);
    process.exit(0);
  });
}
