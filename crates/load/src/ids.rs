//! The id of a record: a text in one of its attributes, found again by looking for it in any bytes.
//!
//! The text stands in protobuf and in JSON as it is, so that nothing has to be decoded to find it, and so that nothing
//! of dtq that reads OTLP is trusted here. Next: [`crate::traffic`].

use memchr::memmem::Finder;
use serde::Serialize;

/// The attribute that holds the id.
pub const KEY: &str = "load.id";

/// What an id begins with; no other text of the traffic holds it.
const MARK: &[u8] = b"load-id:";

/// Bytes of a whole id: mark, four digits of the stream, a point, ten digits of the number.
const SIZE: usize = 8 + 4 + 1 + 10;

/// Names a record: the stream that it belongs to, and its place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Id {
    /// One signal of one sender.
    pub stream: u16,
    /// Counted from 0, without gaps.
    pub number: u64,
}

impl Id {
    /// The first number that has no place in an id.
    pub const NUMBERS_END: u64 = 1 << 40;

    /// Returns the text of an id.
    pub fn text(self) -> String {
        format!("load-id:{:04x}.{:010x}", self.stream, self.number % Self::NUMBERS_END)
    }
}

/// Finds ids in bytes.
#[derive(Clone, Debug)]
pub struct Ids {
    finder: Finder<'static>,
}

impl Default for Ids {
    fn default() -> Self {
        Self { finder: Finder::new(MARK) }
    }
}

impl Ids {
    /// Returns the ids in the order in which they stand, each with its offset; what is no whole id is passed over.
    pub fn find<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = (usize, Id)> + 'a {
        self.finder.find_iter(bytes).filter_map(|offset| {
            let text = bytes.get(offset..offset + SIZE)?;
            let (stream, number) = (hex(&text[8..12])?, hex(&text[13..])?);
            (text[12] == b'.').then_some((offset, Id { stream: stream as u16, number }))
        })
    }
}

/// Writes a number over that of the id at `offset`.
pub fn renumber(bytes: &mut [u8], offset: usize, number: u64) {
    let digits = &mut bytes[offset + 13..offset + SIZE];
    for (index, digit) in digits.iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (4 * index)) as usize & 15];
    }
}

fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum, digit| Some(sum << 4 | u64::from((*digit as char).to_digit(16)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_and_numbered() {
        let (one, two) = (Id { stream: 3, number: 17 }, Id { stream: 0xffff, number: Id::NUMBERS_END - 1 });
        let mut bytes = format!("before{}between load-id:12 {}", one.text(), two.text()).into_bytes();
        let ids = Ids::default();
        assert_eq!(ids.find(&bytes).collect::<Vec<_>>(), [(6, one), (6 + SIZE + 19, two)]);
        renumber(&mut bytes, 6, 0xabc_def0);
        assert_eq!(ids.find(&bytes).next(), Some((6, Id { stream: 3, number: 0xabc_def0 })));
        assert_eq!(ids.find(b"load-id:000x.0000000000 load-id:0001-0000000000 load-id:").count(), 0);
    }
}
