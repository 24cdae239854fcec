//! Compressed bodies to plain ones within a bound, and plain ones to compressed.
//!
//! The bound holds while inflating: no body can make more than was allowed, however small it is.

use crate::status::{Cause, Refusal};
use bytes::Bytes;
use std::io::{Read, Write};

/// Names a compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// None.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    /// What is read, for `grpc-accept-encoding` and `accept-encoding`.
    pub const ACCEPTED: &'static str = "gzip,zstd";

    /// Returns the compression that a header names; an absent header is none.
    ///
    /// # Errors
    /// [`Cause::MediaType`] when there is no such compression here.
    pub fn of_header(value: Option<&[u8]>) -> Result<Self, Refusal> {
        match value.map(<[u8]>::trim_ascii) {
            None | Some(b"" | b"identity") => Ok(Coding::Identity),
            Some(b"gzip") => Ok(Coding::Gzip),
            Some(b"zstd") => Ok(Coding::Zstd),
            Some(other) => Err(Refusal::new(
                Cause::MediaType,
                format!("compression `{}` is not read here; gzip, zstd and none are", String::from_utf8_lossy(other)),
            )),
        }
    }

    /// Returns its name in headers.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Identity => "identity",
            Coding::Gzip => "gzip",
            Coding::Zstd => "zstd",
        }
    }

    /// Compresses a body, for speed rather than size.
    pub fn deflate(self, plain: &Bytes) -> Bytes {
        match self {
            Coding::Identity => plain.clone(),
            Coding::Gzip => {
                let out = Vec::with_capacity(plain.len() / 4 + 64);
                let mut writer = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
                writer.write_all(plain).expect("writing to memory cannot fail");
                writer.finish().expect("writing to memory cannot fail").into()
            }
            Coding::Zstd => zstd::bulk::compress(plain, 1).expect("memory is there for the bound of the result").into(),
        }
    }

    /// Inflates a body; `grow` is told of every piece before it is kept.
    ///
    /// # Errors
    /// [`Cause::Malformed`] when it is not what its header says, [`Cause::TooLarge`] past `bytes_max`, and what `grow` says.
    pub fn inflate(
        self,
        body: Bytes,
        bytes_max: usize,
        grow: impl FnMut(usize) -> Result<(), Refusal>,
    ) -> Result<Bytes, Refusal> {
        match self {
            Coding::Identity if body.len() > bytes_max => Err(too_large(bytes_max)),
            Coding::Identity => Ok(body),
            Coding::Gzip => {
                read_within(flate2::bufread::MultiGzDecoder::new(&body[..]), 8 * body.len(), bytes_max, grow)
            }
            Coding::Zstd => {
                let mut reader = zstd::stream::read::Decoder::with_buffer(&body[..]).map_err(malformed)?;
                // 8 MiB, what RFC 8878, 3.1.1.1.2 asks of every decoder: a larger window would be memory without a bound.
                reader.window_log_max(23).map_err(malformed)?;
                read_within(reader, 8 * body.len(), bytes_max, grow)
            }
        }
    }
}

/// Size in bytes that is made room for before anything is inflated.
const EXPECTED_BYTES_MAX: usize = 1 << 20;

fn read_within(
    mut reader: impl Read,
    bytes_expected: usize,
    bytes_max: usize,
    mut grow: impl FnMut(usize) -> Result<(), Refusal>,
) -> Result<Bytes, Refusal> {
    let mut out = Vec::with_capacity(bytes_expected.min(EXPECTED_BYTES_MAX).min(bytes_max));
    let mut piece = [0; 32 << 10];
    loop {
        let count = reader.read(&mut piece).map_err(malformed)?;
        if count == 0 {
            return Ok(out.into());
        }
        if out.len() + count > bytes_max {
            return Err(too_large(bytes_max));
        }
        grow(count)?;
        out.extend_from_slice(&piece[..count]);
    }
}

fn malformed(error: std::io::Error) -> Refusal {
    Refusal::new(Cause::Malformed, format!("the body cannot be decompressed: {error}"))
}

/// Returns the refusal of a body over a bound.
pub fn too_large(bytes_max: usize) -> Refusal {
    Refusal::new(
        Cause::TooLarge,
        format!("the request has more than {bytes_max} bytes; send smaller batches, or raise the limit"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_comes_back() {
        let plain = Bytes::from(b"telemetry ".repeat(10_000));
        for coding in [Coding::Identity, Coding::Gzip, Coding::Zstd] {
            let packed = coding.deflate(&plain);
            let mut grown = 0;
            let grow = |count| {
                grown += count;
                Ok(())
            };
            assert_eq!(coding.inflate(packed.clone(), plain.len(), grow).as_ref(), Ok(&plain), "{coding:?}");
            let refusal = coding.inflate(packed, plain.len() - 1, |_| Ok(())).expect_err("too large");
            assert_eq!(refusal.cause, Cause::TooLarge, "{coding:?}");
        }
    }

    #[test]
    fn garbage_is_malformed() {
        for coding in [Coding::Gzip, Coding::Zstd] {
            let refusal = coding.inflate(Bytes::from_static(b"garbage, not a frame"), 1000, |_| Ok(()));
            assert_eq!(refusal.expect_err("garbage").cause, Cause::Malformed, "{coding:?}");
        }
    }
}
