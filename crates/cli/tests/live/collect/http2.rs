//! Frames of HTTP/2 as no client would send them (RFC 9113).

use crate::peers::connect;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// Returns a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let size = payload.len() as u32;
    let mut out = size.to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// Returns fields of a header, each a literal that is kept out of tables (RFC 7541, 6.2.2).
pub fn fields(all: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in all {
        out.push(0);
        for text in [name, value] {
            // A length of seven bits, continued in groups of seven (RFC 7541, 5.1).
            let mut size = text.len();
            if size < 127 {
                out.push(size as u8);
            } else {
                out.push(127);
                size -= 127;
                while size >= 128 {
                    out.push((size % 128) as u8 | 128);
                    size /= 128;
                }
                out.push(size as u8);
            }
            out.extend(text.as_bytes());
        }
    }
    out
}

/// Returns the header of an Export request of logs over gRPC.
pub fn export() -> Vec<u8> {
    fields(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "dtq"),
        (":path", "/opentelemetry.proto.collector.logs.v1.LogsService/Export"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ])
}

/// Returns a message of gRPC.
pub fn message(request: &[u8]) -> Vec<u8> {
    [&[0], &(request.len() as u32).to_be_bytes()[..], request].concat()
}

/// Holds a connection that has said that it speaks HTTP/2.
pub struct Connection {
    pub stream: TcpStream,
}

impl Connection {
    /// Opens one with settings of its own.
    pub fn open(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut stream = connect(address);
        let payload: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        let hello = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &payload)].concat();
        stream.write_all(&hello).unwrap();
        Self { stream }
    }

    /// Sends bytes; says whether the other side still takes them.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Reads frames until one is as wanted, and returns its payload; `None` where the connection ends before.
    pub fn wait_for(&mut self, is_wanted: impl Fn(u8, u32) -> bool) -> Option<Vec<u8>> {
        loop {
            let mut head = [0; 9];
            if let Err(error) = self.stream.read_exact(&mut head) {
                assert!(!matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "nothing comes");
                return None;
            }
            let size = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; size as usize];
            if self.stream.read_exact(&mut payload).is_err() {
                return None;
            }
            if is_wanted(head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]])) {
                return Some(payload);
            }
        }
    }

    /// Waits until the other side has closed the connection; returns the error code of its last word, if it said one.
    pub fn end(mut self) -> Option<u32> {
        let last = self.wait_for(|kind, _| kind == GOAWAY)?;
        while self.wait_for(|_, _| false).is_some() {}
        Some(u32::from_be_bytes([last[4], last[5], last[6], last[7]]))
    }
}
