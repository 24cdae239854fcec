//! One request to its answer, over gRPC and over HTTP.
//!
//! Next: `serve.rs`.

use super::{Act, Shared};
use crate::telemetry::Telemetry;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use tonic::codec::CompressionEncoding;

/// The largest request, compressed or not.
const BODY_BYTES_MAX: usize = 64 << 20;

/// Returns what answers requests.
pub fn router(shared: &Arc<Shared>) -> Router {
    let at = || Grpc(Arc::clone(shared));
    macro_rules! service {
        ($server:ident) => {
            $server::new(at())
                .accept_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Zstd)
                .max_decoding_message_size(BODY_BYTES_MAX)
        };
    }
    let grpc = tonic::service::Routes::new(service!(LogsServiceServer))
        .add_service(service!(MetricsServiceServer))
        .add_service(service!(TraceServiceServer));
    let http = Router::new().route("/v1/{signal}", post(over_http)).with_state(Arc::clone(shared));
    grpc.prepare().into_axum_router().merge(http).layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// Answers over gRPC.
struct Grpc(Arc<Shared>);

impl Grpc {
    /// Takes a request; gives the records that it does not take, and why.
    async fn take(&self, metadata: HeaderMap, telemetry: Telemetry) -> Result<Option<(i64, String)>, tonic::Status> {
        let authorization = metadata.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if !self.0.lets_in(authorization) {
            return Err(tonic::Status::unauthenticated("not this token"));
        }
        match self.0.take(telemetry, texts(&metadata)) {
            Act::Take => Ok(None),
            Act::Slow(wait) => {
                tokio::time::sleep(wait).await;
                Ok(None)
            }
            Act::Partial(rejected, message) => Ok(Some((rejected, message))),
            Act::Unavailable(None) => Err(tonic::Status::unavailable("away")),
            Act::Unavailable(Some(wait)) => Err(later(tonic::Code::Unavailable, wait)),
            Act::TooMany(wait) => Err(later(tonic::Code::ResourceExhausted, wait)),
            Act::Refuse => Err(tonic::Status::invalid_argument("not this")),
        }
    }
}

macro_rules! grpc {
    ($service:ident, $request:ident, $response:ident, $partial:ident, $count:ident, $signal:ident) => {
        #[tonic::async_trait]
        impl $service for Grpc {
            async fn export(
                &self,
                request: tonic::Request<$request>,
            ) -> Result<tonic::Response<$response>, tonic::Status> {
                let (metadata, _, message) = request.into_parts();
                let partial = self.take(metadata.into_headers(), Telemetry::$signal(message)).await?;
                let partial_success = partial.map(|(count, error_message)| $partial { $count: count, error_message });
                Ok(tonic::Response::new($response { partial_success }))
            }
        }
    };
}

grpc!(
    LogsService,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
    ExportLogsPartialSuccess,
    rejected_log_records,
    Logs
);
grpc!(
    MetricsService,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
    ExportMetricsPartialSuccess,
    rejected_data_points,
    Metrics
);
grpc!(
    TraceService,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
    ExportTracePartialSuccess,
    rejected_spans,
    Traces
);

/// `google.rpc.Status`, `google.protobuf.Any`, `google.rpc.RetryInfo` and `google.protobuf.Duration`.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Span>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Span {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

fn later(code: tonic::Code, wait: Duration) -> tonic::Status {
    let delay = Span { seconds: wait.as_secs().cast_signed(), nanos: wait.subsec_nanos().cast_signed() };
    let value = RetryInfo { retry_delay: Some(delay) }.encode_to_vec();
    let details = vec![Any { type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(), value }];
    let status = RpcStatus { code: code as i32, message: "later".to_owned(), details };
    tonic::Status::with_details(code, "later", status.encode_to_vec().into())
}

async fn over_http(
    State(shared): State<Arc<Shared>>,
    Path(signal): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !shared.lets_in(headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let is_json = text(header::CONTENT_TYPE).starts_with("application/json");
    let read = inflated(text(header::CONTENT_ENCODING), &body).and_then(|plain| {
        if is_json { Telemetry::from_json(&signal, &plain) } else { Telemetry::from_protobuf(&signal, &plain) }
    });
    let telemetry = match read {
        Ok(telemetry) => telemetry,
        Err(why) => return (StatusCode::BAD_REQUEST, why).into_response(),
    };
    let wait = |status: StatusCode, after: Option<Duration>| {
        let seconds = after.map(|after| (header::RETRY_AFTER, after.as_secs().to_string()));
        match seconds {
            Some(seconds) => (status, [seconds]).into_response(),
            None => status.into_response(),
        }
    };
    match shared.take(telemetry, texts(&headers)) {
        Act::Take => taken(&signal, is_json, None),
        Act::Slow(wait) => {
            tokio::time::sleep(wait).await;
            taken(&signal, is_json, None)
        }
        Act::Partial(rejected, message) => taken(&signal, is_json, Some((rejected, message))),
        Act::Unavailable(after) => wait(StatusCode::SERVICE_UNAVAILABLE, after),
        Act::TooMany(after) => wait(StatusCode::TOO_MANY_REQUESTS, Some(after)),
        Act::Refuse => (StatusCode::BAD_REQUEST, "not this").into_response(),
    }
}

/// Returns the answer to a request that is taken, but for some records.
fn taken(signal: &str, is_json: bool, partial: Option<(i64, String)>) -> Response {
    if is_json {
        let count = match signal {
            "logs" => "rejectedLogRecords",
            "metrics" => "rejectedDataPoints",
            _ => "rejectedSpans",
        };
        // Whole numbers of 64 bits are texts in the JSON of protobuf.
        let partial = partial.map(|(rejected, message)| {
            serde_json::json!({ "partialSuccess": { count: rejected.to_string(), "errorMessage": message } })
        });
        let body = partial.unwrap_or_else(|| serde_json::json!({})).to_string();
        return ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    }
    // The three answers have the same numbers.
    let partial_success = partial
        .map(|(rejected_log_records, error_message)| ExportLogsPartialSuccess { rejected_log_records, error_message });
    let body = ExportLogsServiceResponse { partial_success }.encode_to_vec();
    ([(header::CONTENT_TYPE, "application/x-protobuf")], body).into_response()
}

fn inflated(coding: &str, body: &Bytes) -> Result<Vec<u8>, String> {
    let mut plain = Vec::new();
    let read = match coding {
        "" | "identity" => return Ok(body.to_vec()),
        "gzip" => flate2::read::GzDecoder::new(&body[..]).take(BODY_BYTES_MAX as u64).read_to_end(&mut plain),
        "zstd" => zstd::stream::read::Decoder::new(&body[..])
            .and_then(|decoder| decoder.take(BODY_BYTES_MAX as u64).read_to_end(&mut plain)),
        other => return Err(format!("the coding {other} is not known here")),
    };
    read.map(|_| plain).map_err(|error| error.to_string())
}

fn texts(headers: &HeaderMap) -> BTreeMap<String, String> {
    let texts = headers.iter().filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    texts.collect()
}
