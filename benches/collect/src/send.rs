//! Requests to a collector, as fast as it answers: a closed loop for each sender, on a connection of its own.

use crate::traffic::Request;
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderValue, TE};
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Says how requests are sent.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Over gRPC, or else over HTTP/1.1 with protobuf.
    pub is_grpc: bool,
    /// Compressed.
    pub is_gzip: bool,
}

/// Counts what was answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    /// Records of requests that were taken.
    pub records: u64,
    /// How many of them leave the collector.
    pub kept: u64,
    /// Requests that were taken.
    pub requests: u64,
    /// Requests that were not.
    pub refused: u64,
}

/// Holds the messages of a run as they are written, with what is expected of each.
pub struct Load {
    bodies: Vec<(Bytes, u64, u64)>,
    next: AtomicUsize,
    manner: Manner,
    address: SocketAddr,
}

impl Load {
    /// Returns a load of these requests; `kept` says how many records of one leave.
    pub fn new(address: SocketAddr, manner: Manner, requests: &[Request], kept: impl Fn(&Request) -> u64) -> Arc<Self> {
        let frame = |request: &Request| match manner.is_grpc {
            true => framed(&request.body, manner.is_gzip),
            false => request.body.clone(),
        };
        let bodies = requests.iter().map(|request| (frame(request), request.records, kept(request))).collect();
        Arc::new(Self { bodies, next: AtomicUsize::new(0), manner, address })
    }

    /// Sends for a time with so many senders.
    ///
    /// # Errors
    /// When there is no connection, or it breaks.
    pub async fn run(self: &Arc<Self>, senders: usize, time: Duration) -> Result<Sent, String> {
        let end = Instant::now() + time;
        let tasks: Vec<_> = (0..senders).map(|_| tokio::spawn(send(Arc::clone(self), end))).collect();
        let mut all = Sent::default();
        for task in tasks {
            let sent = task.await.map_err(|error| error.to_string())??;
            all.records += sent.records;
            all.kept += sent.kept;
            all.requests += sent.requests;
            all.refused += sent.refused;
        }
        Ok(all)
    }

    fn request(&self, body: Bytes) -> hyper::Request<Full<Bytes>> {
        let mut request = hyper::Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        let path = if self.manner.is_grpc { crate::pass::GRPC_PATH } else { crate::pass::HTTP_PATH };
        let uri = if self.manner.is_grpc { format!("http://{}{path}", self.address) } else { path.to_owned() };
        *request.uri_mut() = uri.parse().expect("an address with a path");
        let headers = request.headers_mut();
        let value = HeaderValue::from_static;
        if self.manner.is_grpc {
            headers.insert(CONTENT_TYPE, value("application/grpc"));
            headers.insert(TE, value("trailers"));
            if self.manner.is_gzip {
                headers.insert("grpc-encoding", value("gzip"));
            }
        } else {
            headers.insert(HOST, HeaderValue::from_str(&self.address.to_string()).expect("an address"));
            headers.insert(CONTENT_TYPE, value("application/x-protobuf"));
            if self.manner.is_gzip {
                headers.insert(CONTENT_ENCODING, value("gzip"));
            }
        }
        request
    }
}

fn framed(message: &[u8], is_gzip: bool) -> Bytes {
    let mut out = BytesMut::with_capacity(message.len() + 5);
    out.put_u8(u8::from(is_gzip));
    out.put_u32(u32::try_from(message.len()).expect("a request is small"));
    out.put_slice(message);
    out.freeze()
}

enum Connection {
    Grpc(http2::SendRequest<Full<Bytes>>),
    Http(http1::SendRequest<Full<Bytes>>),
}

async fn connect(address: SocketAddr, is_grpc: bool) -> Result<Connection, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| format!("{address}: {error}"))?;
    let _ = stream.set_nodelay(true);
    let said = |error: hyper::Error| format!("{address}: {error}");
    if is_grpc {
        let builder = http2::Builder::new(TokioExecutor::new());
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(said)?;
        tokio::spawn(connection);
        return Ok(Connection::Grpc(sender));
    }
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(said)?;
    tokio::spawn(connection);
    Ok(Connection::Http(sender))
}

async fn send(load: Arc<Load>, end: Instant) -> Result<Sent, String> {
    let mut connection = connect(load.address, load.manner.is_grpc).await?;
    let mut sent = Sent::default();
    while Instant::now() < end {
        let index = load.next.fetch_add(1, Ordering::Relaxed) % load.bodies.len();
        let (body, records, kept) = &load.bodies[index];
        let request = load.request(body.clone());
        let answer = match &mut connection {
            Connection::Grpc(sender) => sender.send_request(request).await,
            Connection::Http(sender) => match sender.ready().await {
                Ok(()) => sender.send_request(request).await,
                Err(error) => Err(error),
            },
        };
        let answer = answer.map_err(|error| format!("{}: {error}", load.address))?;
        if is_taken(answer, load.manner.is_grpc).await {
            sent.requests += 1;
            sent.records += records;
            sent.kept += kept;
        } else {
            sent.refused += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(sent)
}

async fn is_taken(answer: Response<Incoming>, is_grpc: bool) -> bool {
    let (head, body) = answer.into_parts();
    let Ok(body) = body.collect().await else { return false };
    let status = head.headers.get("grpc-status").or_else(|| body.trailers()?.get("grpc-status"));
    head.status == StatusCode::OK && (!is_grpc || status.is_some_and(|status| status == "0"))
}
