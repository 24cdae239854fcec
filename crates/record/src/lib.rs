//! Telemetry bytes to rows of values: OTLP, JSON, CSV, syslog, logfmt, text.
