//! The body of a request, piece by piece, to its bytes, within the memory that all requests share.
//!
//! Takes from the shared memory before it keeps a piece, and gives back when the request is done. Next: `mod.rs`.

use crate::coding::too_large;
use crate::status::{Cause, Refusal};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What shared memory is counted in; a request takes at least one.
const UNIT_BYTES: usize = 4096;

/// Holds the memory that requests share.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Semaphore>);

impl Memory {
    /// Returns memory of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// Returns a share of it that holds nothing yet.
    pub fn share(&self) -> Share {
        Share { memory: Arc::clone(&self.0), permit: None, used_bytes: 0 }
    }
}

/// Holds what one request has of the shared memory, until it is dropped.
#[derive(Debug)]
pub struct Share {
    memory: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
    used_bytes: usize,
}

impl Share {
    /// Takes more of it.
    ///
    /// # Errors
    /// [`Cause::Busy`] when there is not so much left.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.used_bytes += bytes;
        let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = self.used_bytes.div_ceil(UNIT_BYTES).saturating_sub(held);
        if missing == 0 {
            return Ok(());
        }
        let count = u32::try_from(missing).unwrap_or(u32::MAX);
        let more = Arc::clone(&self.memory)
            .try_acquire_many_owned(count)
            .map_err(|_| Refusal::new(Cause::Busy, "the memory for requests is used up; send again"))?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }
}

/// Size in bytes that is made room for because a peer says that they come; past it room grows with what has come.
const BELIEVED_BYTES_MAX: usize = 1 << 20;

/// Returns how many bytes a body has that begins with the frame of a gRPC message.
pub fn framed_bytes(first: &[u8]) -> usize {
    let size = first.get(1..5).and_then(|size| size.try_into().ok()).map(u32::from_be_bytes);
    size.map_or(0, |size| (size as usize).saturating_add(5))
}

/// Returns the whole body; `announced` says from its first piece how large it will be, or 0.
///
/// # Errors
/// [`Cause::TooLarge`] past `bytes_max`, [`Cause::Malformed`] when it breaks off, and as [`Share::grow`].
pub async fn collect<B>(
    mut body: B,
    bytes_max: usize,
    announced: impl Fn(&[u8]) -> usize,
    share: &mut Share,
) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let length = body.size_hint().lower();
    if length > bytes_max as u64 {
        return Err(too_large(bytes_max));
    }
    let (mut first, mut whole) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::new(Cause::Malformed, format!("the body breaks off: {error}")))?;
        let Ok(piece) = frame.into_data() else { continue };
        if first.len() + whole.len() + piece.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        share.grow(piece.len())?;
        // A body of one piece is kept as it is; of several the announced size saves copying again and again.
        if first.is_empty() && whole.is_empty() {
            first = piece;
        } else {
            if whole.is_empty() {
                let size = announced(&first).max(length as usize).min(BELIEVED_BYTES_MAX);
                whole.reserve(size.max(first.len() + piece.len()));
                whole.extend_from_slice(&std::mem::take(&mut first));
            }
            whole.extend_from_slice(&piece);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}
