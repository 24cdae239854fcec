//! The frames of a request to a destination, gathered to large writes.
//!
//! HTTP/2 is written a frame of 16 KiB at a time: what most destinations take at most. Each would be a call of the system,
//! and packets of its own. Nothing is held back: what is here when the connection has nothing more to say is written.
//! Next: [`super::client`].

use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower_service::Service;

/// A write this large is one of a row: the least size of frame that a peer may allow (RFC 9113, 6.5.2).
const FRAME_BYTES: usize = 16 << 10;

/// How many bytes are gathered.
const GATHERED_BYTES_MAX: usize = 128 << 10;

/// Makes connections that gather what is written to them.
#[derive(Clone, Debug)]
pub struct Gathering {
    /// What makes connections.
    pub connector: HttpConnector,
    /// Whether they gather: HTTP/1.1 is written in one piece already.
    pub is_gathering: bool,
}

impl Service<Uri> for Gathering {
    type Response = Gathered<<HttpConnector as Service<Uri>>::Response>;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connector.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, is_gathering) = (self.connector.call(uri), self.is_gathering);
        Box::pin(async move { connecting.await.map(|inner| Gathered::new(inner, is_gathering)) })
    }
}

/// Holds a connection and what is to be written to it.
#[derive(Debug)]
pub struct Gathered<T> {
    inner: T,
    is_gathering: bool,
    buffer: Vec<u8>,
    written: usize,
    /// The last write was one of a row, and its flush has not been asked for.
    is_in_row: bool,
}

impl<T: Write + Unpin> Gathered<T> {
    /// Returns a connection that nothing was written to.
    pub fn new(inner: T, is_gathering: bool) -> Self {
        Self { inner, is_gathering, buffer: Vec::new(), written: 0, is_in_row: false }
    }

    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.buffer.len() {
            let count = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.buffer[self.written..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
        }
        self.buffer.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl<T: Write + Unpin> Write for Gathered<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let size: usize = pieces.iter().map(|piece| piece.len()).sum();
        if !self.is_gathering || (size < FRAME_BYTES && self.buffer.is_empty()) {
            self.is_in_row = false;
            return Pin::new(&mut self.inner).poll_write_vectored(cx, pieces);
        }
        if self.buffer.len() >= GATHERED_BYTES_MAX {
            ready!(self.drain(cx))?;
        }
        let before = self.buffer.len();
        for piece in pieces {
            // What is larger than a frame is taken in part, and comes again.
            let room = (before + GATHERED_BYTES_MAX).saturating_sub(self.buffer.len());
            self.buffer.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        let count = self.buffer.len() - before;
        self.is_in_row = count >= FRAME_BYTES;
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        self.is_gathering || self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_in_row && self.buffer.len() < GATHERED_BYTES_MAX {
            // Where a row ends with its last frame, the connection is looked at once more, and flushes then.
            self.is_in_row = false;
            cx.waker().wake_by_ref();
            return Poll::Ready(Ok(()));
        }
        ready!(self.drain(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<T: Read + Unpin> Read for Gathered<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, into)
    }
}

impl<T: Connection> Connection for Gathered<T> {
    fn connected(&self) -> Connected {
        self.inner.connected()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// Takes what is written, at most so many bytes at once, and notes each write.
    struct Taker(Vec<Vec<u8>>, usize);

    impl Write for Taker {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let count = bytes.len().min(self.1);
            self.0.push(bytes[..count].to_vec());
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn written(sizes: &[usize], at_once: usize, extra_flushes: usize) -> (Vec<usize>, bool) {
        let mut gathered = Gathered::new(Taker(Vec::new(), at_once), true);
        let mut cx = Context::from_waker(Waker::noop());
        let mut all = Vec::new();
        for (index, size) in sizes.iter().enumerate() {
            let frame: Vec<u8> = (0..*size).map(|at| (at % 251 + index) as u8).collect();
            all.extend_from_slice(&frame);
            let mut rest = frame.as_slice();
            while !rest.is_empty() {
                let Poll::Ready(Ok(count)) = Pin::new(&mut gathered).poll_write(&mut cx, rest) else { panic!("waits") };
                rest = &rest[count..];
            }
            assert!(Pin::new(&mut gathered).poll_flush(&mut cx).is_ready());
        }
        for _ in 0..extra_flushes {
            assert!(Pin::new(&mut gathered).poll_flush(&mut cx).is_ready());
        }
        let sizes = gathered.inner.0.iter().map(Vec::len).collect();
        (sizes, gathered.inner.0.concat() == all)
    }

    #[test]
    fn frames_of_a_row_are_written_together_and_the_end_is_not_held_back() {
        assert_eq!(written(&[9], usize::MAX, 0), (vec![9], true));
        assert_eq!(written(&[9, 16_393, 16_393, 500], usize::MAX, 0), (vec![9, 33_286], true));
        // A row that ends with a whole frame is written when the connection is looked at again.
        assert_eq!(written(&[16_393, 16_393], usize::MAX, 0), (vec![], false));
        assert_eq!(written(&[16_393, 16_393], usize::MAX, 1), (vec![32_786], true));
    }

    #[test]
    fn what_is_gathered_is_bounded_and_comes_whole_through_small_writes() {
        let (sizes, is_whole) = written(&[16_393; 40], usize::MAX, 1);
        assert!(is_whole && sizes.iter().all(|size| *size <= GATHERED_BYTES_MAX + FRAME_BYTES), "{sizes:?}");
        assert!(written(&[1_000_000, 5, 400_000], 7_001, 1).1);
    }
}
