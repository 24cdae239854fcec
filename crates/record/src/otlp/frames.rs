//! OTLP files to requests: one request of any size, or a sequence of requests that each have a length in front.
//!
//! One request is handed on resource by resource, so that a file of any size is read in bounded memory.
//! Next: `otlp/reader.rs`.

use super::Signal;
use crate::input::bytes::Window;
use crate::input::report::{Place, Tracker};
use crate::wire::read_varint;
use dtq_source::Limits;
use std::io;

/// Size of the longest varint.
const VARINT_BYTES_MAX: usize = 10;

/// Names how requests follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The file is one request (or several, simply one behind the other: the same to protobuf).
    Bare,
    /// Each request has its length in front, as a varint.
    Delimited,
}

/// Holds a part of a request that is a request itself.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Offset of the first byte in the input.
    pub offset: u64,
    /// Whether the input ends before the frame does.
    pub is_cut: bool,
    /// Its signal, where it says so itself.
    pub signal: Option<Signal>,
    /// The length in front as it stands, which is not among the bytes.
    pub head: Vec<u8>,
    /// Whether it is a field that requests do not have, which stands between resources.
    pub is_unknown: bool,
}

/// Reads the next request into `frame`; says whether there was one. Frames over their bound are skipped and counted.
///
/// # Errors
/// When the input cannot be read.
pub(crate) fn read_frame(
    window: &mut Window<'_>,
    framing: Framing,
    limits: &Limits,
    tracker: &Tracker<'_>,
    frame: &mut Frame,
) -> io::Result<bool> {
    while read_any_frame(window, framing, limits, tracker, frame)? {
        if !frame.is_unknown {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads the next request, or a field that requests do not have, into `frame`; says whether there was one.
///
/// # Errors
/// When the input cannot be read.
pub(crate) fn read_any_frame(
    window: &mut Window<'_>,
    framing: Framing,
    limits: &Limits,
    tracker: &Tracker<'_>,
    frame: &mut Frame,
) -> io::Result<bool> {
    loop {
        window.fill(2 * VARINT_BYTES_MAX)?;
        let head = window.bytes();
        if head.is_empty() {
            return Ok(false);
        }
        let (head_size, size, bytes_max) = match framing {
            Framing::Delimited => match read_varint(head) {
                Some((size, head_size)) => (head_size, size, limits.record_bytes_max),
                None => return give_up(window, tracker, "the length in front of a request is malformed"),
            },
            Framing::Bare => match read_bare_head(head) {
                Some((head_size, size)) => (head_size, size, limits.document_bytes_max),
                None => return give_up(window, tracker, "the request is malformed from here on"),
            },
        };
        // Field 1, wire type 2: the resources of every request.
        let is_request = framing == Framing::Delimited || read_varint(head).is_some_and(|(tag, _)| tag == 0x0A);
        frame.is_unknown = !is_request;
        if size > bytes_max as u64 {
            let what = format!("{size} bytes are over the limit of {bytes_max}");
            tracker.skip(Place::Byte(window.offset), what);
            window.skip((head_size as u64).saturating_add(size))?;
            continue;
        }
        // Bounded by `bytes_max` above. A bare frame keeps its tag and length: so it is a request of its own.
        let whole = head_size + size as usize;
        frame.is_cut = !window.fill(whole)?;
        let skipped = if framing == Framing::Bare { 0 } else { head_size.min(window.bytes().len()) };
        let end = whole.min(window.bytes().len());
        frame.offset = window.offset + skipped as u64;
        frame.head.clear();
        frame.head.extend_from_slice(&window.bytes()[..skipped]);
        frame.bytes.clear();
        frame.bytes.extend_from_slice(&window.bytes()[skipped..end]);
        if frame.is_cut {
            tracker.skip(Place::Byte(window.offset), format!("the input ends {} bytes early", whole - end));
        }
        window.consume(end);
        return Ok(true);
    }
}

/// Reads tag and length of a field of a request: the size of both together and the size of the content.
fn read_bare_head(head: &[u8]) -> Option<(usize, u64)> {
    let (tag, tag_size) = read_varint(head)?;
    let rest = &head[tag_size..];
    if tag >> 3 == 0 || tag > u64::from(u32::MAX) {
        return None;
    }
    match tag & 7 {
        0 => read_varint(rest).map(|(_, size)| (tag_size + size, 0)),
        1 => Some((tag_size, 8)),
        2 => read_varint(rest).map(|(size, length_size)| (tag_size + length_size, size)),
        5 => Some((tag_size, 4)),
        _ => None,
    }
}

/// Without its length nothing behind it can be found: the rest of the input is one skip.
fn give_up(window: &mut Window<'_>, tracker: &Tracker<'_>, reason: &str) -> io::Result<bool> {
    tracker.skip(Place::Byte(window.offset), reason);
    window.skip(u64::MAX)?;
    Ok(false)
}
