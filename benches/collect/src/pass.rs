//! Requests to the same requests: a proxy on the HTTP stack that `dtq collect` is built on, and nothing else.
//!
//! Holds a request until it is whole, as whatever judges it has to, sends its bytes on, and hands the answer back. It is
//! the mark: no collector that speaks through this stack costs less.

use crate::sink::Answer;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HOST};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Where logs are exported to over gRPC.
pub const GRPC_PATH: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
/// Where logs are exported to over HTTP.
pub const HTTP_PATH: &str = "/v1/logs";

type Pool = Client<HttpConnector, Full<Bytes>>;

/// Passes requests on until it is killed.
///
/// # Errors
/// When the port cannot be had, or the destination is no address.
pub async fn serve(listen: &str, to: &str, is_grpc: bool) -> Result<(), String> {
    let listener = TcpListener::bind(listen).await.map_err(|error| format!("{listen}: {error}"))?;
    let path = if is_grpc { GRPC_PATH } else { HTTP_PATH };
    let uri: Uri = format!("http://{to}{path}").parse().map_err(|error| format!("{to}: {error}"))?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let pool: Pool = Client::builder(TokioExecutor::new()).http2_only(is_grpc).build(connector);
    let shared = Arc::new((pool, uri));
    loop {
        let (stream, _) = listener.accept().await.map_err(|error| format!("{listen}: {error}"))?;
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(|request| pass(Arc::clone(&shared), request));
            let mut server = auto::Builder::new(TokioExecutor::new());
            server.http1().max_buf_size(64 << 10);
            server.http2().initial_stream_window_size(1 << 20).initial_connection_window_size(2 << 20).max_frame_size(64 << 10);
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn pass(shared: Arc<(Pool, Uri)>, request: Request<Incoming>) -> Result<Response<Answer>, String> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    head.uri = shared.1.clone();
    head.version = hyper::Version::HTTP_11;
    head.headers.remove(HOST);
    head.headers.remove(CONTENT_LENGTH);
    let response = shared.0.request(Request::from_parts(head, Full::new(body))).await;
    Ok(response.map_err(|error| error.to_string())?.map(BodyExt::boxed_unsync))
}
