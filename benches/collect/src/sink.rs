//! What comes out of a collector to how many records it was.
//!
//! Answers yes to everything. Counts by walking the framing of requests; compressed ones are inflated for it.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpListener;

/// Holds what has come.
#[derive(Debug, Default)]
pub struct Seen {
    /// Records.
    pub records: AtomicU64,
    /// Requests that could not be read.
    pub unreadable: AtomicU64,
    /// Requests that were compressed.
    pub packed: AtomicU64,
}

/// The body of an answer, with trailers where it is one of gRPC.
pub type Answer = UnsyncBoxBody<Bytes, hyper::Error>;

/// Starts a sink, and returns where it is and what it counts.
///
/// # Errors
/// When no port can be had.
pub async fn start() -> Result<(SocketAddr, Arc<Seen>), String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| format!("the sink: {error}"))?;
    let address = listener.local_addr().map_err(|error| format!("the sink: {error}"))?;
    let seen = Arc::new(Seen::default());
    let shared = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = Arc::clone(&shared);
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let service = service_fn(|request| take(Arc::clone(&seen), request));
                let mut server = auto::Builder::new(TokioExecutor::new());
                server.http2().initial_stream_window_size(4 << 20).initial_connection_window_size(16 << 20);
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok((address, seen))
}

async fn take(seen: Arc<Seen>, request: Request<Incoming>) -> Result<Response<Answer>, Infallible> {
    let (head, body) = request.into_parts();
    let is_grpc = head.headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    let coding = if is_grpc { head.headers.get("grpc-encoding") } else { head.headers.get(CONTENT_ENCODING) };
    let is_gzip = coding.is_some_and(|value| value == "gzip");
    let body = body.collect().await.map(|all| all.to_bytes()).unwrap_or_default();
    let is_packed = if is_grpc { body.first() == Some(&1) } else { is_gzip };
    seen.packed.fetch_add(u64::from(is_packed), Ordering::Relaxed);
    match read(&body, is_grpc, is_packed) {
        Some(records) => seen.records.fetch_add(records, Ordering::Relaxed),
        None => seen.unreadable.fetch_add(1, Ordering::Relaxed),
    };
    Ok(success(is_grpc))
}

/// Returns the answer of a server that has taken all.
fn success(is_grpc: bool) -> Response<Answer> {
    let never = |never: Infallible| match never {};
    let (content_type, body) = if is_grpc {
        let trailers = HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from_static("0"))]);
        let body = Full::new(Bytes::from_static(&[0; 5])).with_trailers(std::future::ready(Some(Ok(trailers))));
        ("application/grpc", body.map_err(never).boxed_unsync())
    } else {
        ("application/x-protobuf", Full::new(Bytes::new()).map_err(never).boxed_unsync())
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn read(body: &[u8], is_grpc: bool, is_packed: bool) -> Option<u64> {
    let message = if is_grpc { body.get(5..)? } else { body };
    if !is_packed {
        return count(message, &[1, 2, 2]);
    }
    let mut plain = Vec::with_capacity(8 * message.len());
    flate2::bufread::GzDecoder::new(message).read_to_end(&mut plain).ok()?;
    count(&plain, &[1, 2, 2])
}

/// Counts what lies at a path of fields: resources, their scopes, their records (`opentelemetry/proto/logs/v1`).
fn count(mut message: &[u8], path: &[u64]) -> Option<u64> {
    let Some((field, inside)) = path.split_first() else { return Some(1) };
    let mut found = 0;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let size = match tag & 7 {
            0 => {
                varint(&mut message)?;
                continue;
            }
            1 => 8,
            5 => 4,
            2 => usize::try_from(varint(&mut message)?).ok()?,
            _ => return None,
        };
        let (content, rest) = message.split_at_checked(size)?;
        if tag == field << 3 | 2 {
            found += count(content, inside)?;
        }
        message = rest;
    }
    Some(found)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}
