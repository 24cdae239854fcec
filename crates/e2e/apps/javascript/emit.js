// Emits a little of everything through the official exporters, twice: as the environment says (OTEL_EXPORTER_OTLP_*), and
// straight to DIRECT_ENDPOINT without TLS, so that both can be compared. Says for each signal how the first export ended.
"use strict";
const { diag, DiagConsoleLogger, DiagLogLevel, SpanKind, SpanStatusCode, context, trace } = require("@opentelemetry/api");
const { SeverityNumber } = require("@opentelemetry/api-logs");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { BatchLogRecordProcessor, LoggerProvider } = require("@opentelemetry/sdk-logs");
const { MeterProvider, PeriodicExportingMetricReader } = require("@opentelemetry/sdk-metrics");
const { BatchSpanProcessor, NodeTracerProvider } = require("@opentelemetry/sdk-trace-node");

// Warnings go to stderr: a partial success is one.
diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.WARN);
const protocol = process.env.OTEL_EXPORTER_OTLP_PROTOCOL;
const family = { grpc: "grpc", "http/protobuf": "proto", "http/json": "http" }[protocol];

// Exports the same to both, and says how the first went.
class Both {
  constructor(signal, path, Exporter) {
    this.signal = signal;
    const direct = process.env.DIRECT_ENDPOINT;
    const url = family === "grpc" ? direct : `${direct}/v1/${path}`;
    // The direct way has no use for what the environment says about TLS and compression.
    this.via = new Exporter();
    for (const name of Object.keys(process.env)) if (name.startsWith("OTEL_EXPORTER_OTLP_")) delete process.env[name];
    this.direct = new Exporter({ url });
  }
  export(batch, done) {
    this.direct.export(batch, () => {
      this.via.export(batch, (result) => {
        console.log(this.signal, result.code === 0 ? "SUCCESS" : "FAILURE");
        if (result.error) console.error(result.error);
        done(result);
      });
    });
  }
  selectAggregationTemporality(kind) {
    return this.via.selectAggregationTemporality(kind);
  }
  async forceFlush() {}
  async shutdown() {
    await Promise.all([this.via.shutdown(), this.direct.shutdown()]);
  }
}

function both(signal, path, name) {
  const saved = { ...process.env };
  const made = new Both(signal, path, require(`@opentelemetry/exporter-${name}-otlp-${family}`)[
    { logs: "OTLPLogExporter", metrics: "OTLPMetricExporter", trace: "OTLPTraceExporter" }[name]
  ]);
  Object.assign(process.env, saved);
  return made;
}

const resource = resourceFromAttributes({ "service.name": "emit", "service.version": "1.2.3", "host.cores": 8, ratio: 0.25 });
const logs = new LoggerProvider({ resource, processors: [new BatchLogRecordProcessor({ exporter: both("logs", "logs", "logs") })] });
const traces = new NodeTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(both("traces", "traces", "trace"))] });
const reader = new PeriodicExportingMetricReader({ exporter: both("metrics", "metrics", "metrics"), exportIntervalMillis: 3_600_000 });
const metrics = new MeterProvider({ resource, readers: [reader] });

const tracer = traces.getTracer("emit.tracer", "0.1");
const logger = logs.getLogger("emit.logger", "0.2");
const attributes = { text: 'a "quoted" line\n\u00e4\u2713', whole: -7, real: 0.1, yes: true, list: ["a", "b"], empty: "" };
const outer = tracer.startSpan("outer", { kind: SpanKind.SERVER, attributes });
outer.addEvent("something", { count: 3 });
const inside = trace.setSpan(context.active(), outer);
for (let number = 0; number < 20; number++) {
  const links = [{ context: outer.spanContext(), attributes: { of: "outer" } }];
  const span = tracer.startSpan(`inner ${number}`, { links }, inside);
  if (number % 5 === 0) span.setStatus({ code: SpanStatusCode.ERROR, message: "no luck" });
  logger.emit({
    timestamp: [1_700_000_000, number],
    severityNumber: number % 3 === 0 ? SeverityNumber.WARN : SeverityNumber.INFO,
    severityText: number % 3 === 0 ? "WARN" : "INFO",
    body: number % 2 ? { nested: { number, list: [1, 2.5, true, null] } } : `message ${number}`,
    attributes: { ...attributes, number, bytes: new Uint8Array([0, 255, number]) },
    eventName: number % 4 === 0 ? "counted" : undefined,
    context: trace.setSpan(context.active(), span),
  });
  span.end();
}
outer.end();
const meter = metrics.getMeter("emit.meter", "0.3");
const requests = meter.createCounter("requests", { unit: "{request}", description: "How many." });
const duration = meter.createHistogram("duration", { unit: "s" });
const level = meter.createUpDownCounter("level");
for (let number = 0; number < 10; number++) {
  requests.add(number, { route: `/${number % 3}` });
  duration.record(number / 7, { route: `/${number % 3}` });
  level.add(-number);
}
(async () => {
  // How an export ended has been said already. Metrics are exported once, when their provider ends.
  for (const provider of [traces, logs]) await provider.forceFlush().catch(() => {});
  for (const provider of [traces, logs, metrics]) await provider.shutdown().catch(() => {});
})();
