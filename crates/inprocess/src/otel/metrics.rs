//! Metrics of the SDK through the rules to the exporter, or as bytes to a sink where rules changed them.
//!
//! `opentelemetry_sdk` lets nobody make or change a `ResourceMetrics`. So the wrapped exporter gets what rules leave as
//! it is, and what they change, and metrics that they make of logs and spans, goes to a sink as an OTLP request.

use super::points;
use crate::host::Notice;
use crate::rules::{Attachment, Rules};
use crate::seat::Fate;
use dtq_record::otlp::Signal;
use dtq_rules::engine::Emission;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

/// Takes an `ExportMetricsServiceRequest`, on the thread that exports; it should end within the reader's timeout.
pub type MetricSink = dyn Fn(Vec<u8>) -> OTelSdkResult + Send + Sync;

/// Runs the rules on collected metrics, in front of the exporter.
///
/// Points that are left as they are, and exports that are dropped as a whole, need no sink. With one, changed exports go
/// there, and with them the metrics that rules make of logs and spans. Without one an export that rules would change
/// passes unchanged and is counted as unfit, or is withheld where a protective rule stands for metrics.
pub struct RulesMetricExporter<E> {
    rules: Rules,
    inner: E,
    sink: Option<Box<MetricSink>>,
    /// With a sink.
    attachment: Option<Attachment>,
    has_said_unfit: AtomicBool,
}

impl<E: fmt::Debug> fmt::Debug for RulesMetricExporter<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RulesMetricExporter({:?}, {:?})", self.rules, self.inner)
    }
}

impl<E: PushMetricExporter> RulesMetricExporter<E> {
    /// Returns the exporter that does what `inner` does with exports that rules leave as they are.
    pub fn new(rules: Rules, inner: E) -> Self {
        Self { rules, inner, sink: None, attachment: None, has_said_unfit: AtomicBool::new(false) }
    }

    /// Returns the exporter that also sends what rules change or make, to the sink.
    pub fn with_sink(rules: Rules, inner: E, sink: impl Fn(Vec<u8>) -> OTelSdkResult + Send + Sync + 'static) -> Self {
        let attachment = Some(rules.attach(Signal::Metrics));
        Self { sink: Some(Box::new(sink)), attachment, ..Self::new(rules, inner) }
    }

    /// Appends to a request the metrics that rules made, and hands on what is none of this wrapper's.
    fn gather(&self, request: &mut Vec<u8>, emissions: Vec<Emission>) {
        let is_own = |one: &Emission| self.sink.is_some() && one.signal == Signal::Metrics && one.destination.is_none();
        let (own, others): (Vec<_>, Vec<_>) = emissions.into_iter().partition(is_own);
        own.iter().for_each(|one| request.extend_from_slice(&one.request));
        self.rules.send(others);
        if self.sink.is_some() {
            request.extend_from_slice(&self.rules.waiting(Signal::Metrics));
        }
    }

    fn send(&self, request: Vec<u8>) -> OTelSdkResult {
        match &self.sink {
            Some(sink) if !request.is_empty() => self.rules.calling(|| sink(request)).unwrap_or_else(panicked),
            _ => Ok(()),
        }
    }

    async fn pass(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let Some(future) = self.rules.calling(|| self.inner.export(metrics)) else { return panicked() };
        let mut future = std::pin::pin!(future);
        poll_fn(|context| {
            let polled = self.rules.calling(|| future.as_mut().poll(context));
            polled.unwrap_or_else(|| Poll::Ready(panicked()))
        })
        .await
    }

    /// Ends an export that rules changed and that has no way out but as it was.
    async fn unfit(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.rules.note_unfit();
        let is_protected = self.rules.is_protected(Signal::Metrics);
        let what = if is_protected { "are withheld, as a protective rule is among them" } else { "go on unchanged" };
        if !self.has_said_unfit.swap(true, Ordering::Relaxed) {
            let message = format!(
                "rules change metrics, and opentelemetry_sdk takes no changed ones: exports {what}. Make the exporter \
                 with `RulesMetricExporter::with_sink`, or keep these rules to the collector"
            );
            self.rules.say(&Notice { event_name: "dtq.inprocess.unfit", message });
        }
        if !is_protected {
            return self.pass(metrics).await;
        }
        self.rules.note_withheld();
        Err(OTelSdkError::InternalFailure(format!("rules changed metrics, there is no sink, and exports {what}")))
    }
}

/// Returns what a call comes to whose panic ended at the wrapper.
pub(super) fn panicked() -> OTelSdkResult {
    Err(OTelSdkError::InternalFailure("what stands behind the rules panicked".to_owned()))
}

impl<E: PushMetricExporter> PushMetricExporter for RulesMetricExporter<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        // Made before a place is taken: it takes long, and the records of others would find none.
        let is_asked = self.rules.concern(Signal::Metrics);
        let request = if is_asked { points::request(metrics) } else { Vec::new() };
        let (fate, mut emissions) = self.rules.apply(Signal::Metrics, &request);
        emissions.extend(self.rules.tick());
        let (result, mut request) = match fate {
            Fate::Pass => (self.pass(metrics).await, Vec::new()),
            Fate::Drop => (Ok(()), Vec::new()),
            Fate::Changed(request) if self.sink.is_some() => (Ok(()), request),
            Fate::Changed(_) => (self.unfit(metrics).await, Vec::new()),
        };
        self.gather(&mut request, emissions);
        result.and(self.send(request))
    }

    fn force_flush(&self) -> OTelSdkResult {
        let mut request = Vec::new();
        self.gather(&mut request, self.rules.tick());
        let flushed = self.rules.calling(|| self.inner.force_flush()).unwrap_or_else(panicked);
        flushed.and(self.send(request))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let mut request = Vec::new();
        self.gather(&mut request, self.rules.shutdown());
        self.attachment.iter().for_each(Attachment::end);
        let ended = self.rules.calling(|| self.inner.shutdown_with_timeout(timeout)).unwrap_or_else(panicked);
        ended.and(self.send(request))
    }

    fn temporality(&self) -> Temporality {
        self.rules.calling(|| self.inner.temporality()).unwrap_or_default()
    }
}
