//! Ids to a bit each in a file, so that what was acknowledged is known also after the process was killed.
//!
//! What is written reaches the page cache before the call returns: a killed process loses nothing of it, a machine that
//! loses its power may. Next: [`crate::sink`].

use crate::ids::Id;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The numbers that are kept: 128 MiB for a stream. A record past them is an error, not a gap.
const NUMBERS_END: u64 = 1 << 30;

/// Holds which numbers of a stream there are.
#[derive(Debug, Default)]
struct Bits {
    bytes: Vec<u8>,
    file: Option<File>,
}

/// Holds which records were seen, in memory and, where a folder is given, in files.
#[derive(Debug, Default)]
pub struct Seen {
    folder: Option<PathBuf>,
    name: &'static str,
    streams: BTreeMap<u16, Bits>,
}

impl Seen {
    /// Returns what a folder holds under a name; without a folder nothing, and nothing is kept.
    ///
    /// # Errors
    /// When files cannot be read or written.
    pub fn open(folder: Option<&Path>, name: &'static str) -> io::Result<Self> {
        let mut seen = Self { folder: folder.map(Path::to_owned), name, streams: BTreeMap::new() };
        let Some(folder) = folder else { return Ok(seen) };
        std::fs::create_dir_all(folder)?;
        for entry in std::fs::read_dir(folder)? {
            let file_name = entry?.file_name();
            let stream = file_name.to_str().and_then(|file| file.strip_prefix(name)?.strip_prefix('-'));
            if let Some(stream) = stream.and_then(|digits| u16::from_str_radix(digits, 16).ok()) {
                seen.bits(stream)?;
            }
        }
        Ok(seen)
    }

    /// Notes ids and returns how many of them had been noted before; the files have them when this returns.
    ///
    /// # Errors
    /// When a file cannot be written, or a number is past what is kept.
    pub fn note(&mut self, ids: impl Iterator<Item = Id>) -> io::Result<u64> {
        let mut duplicates = 0;
        // The ids of a request lie beside each other: one write for each run of a stream.
        let mut run: Option<(u16, usize, usize)> = None;
        for id in ids {
            if id.number >= NUMBERS_END {
                return Err(io::Error::other(format!("record {} of a stream is past what is kept", id.number)));
            }
            let (byte, bit) = ((id.number / 8) as usize, 1 << (id.number % 8));
            let bits = &mut self.bits(id.stream)?.bytes;
            if bits.len() <= byte {
                bits.resize(byte + 1, 0);
            }
            duplicates += u64::from(bits[byte] & bit != 0);
            bits[byte] |= bit;
            run = match run {
                Some((stream, first, last)) if stream == id.stream && byte.abs_diff(last) <= 4096 => {
                    Some((stream, first.min(byte), last.max(byte)))
                }
                before => {
                    self.write(before)?;
                    Some((id.stream, byte, byte))
                }
            };
        }
        self.write(run)?;
        Ok(duplicates)
    }

    /// Says whether an id was noted.
    pub fn has(&self, id: Id) -> bool {
        let byte = self.streams.get(&id.stream).and_then(|bits| bits.bytes.get((id.number / 8) as usize));
        byte.is_some_and(|byte| byte & (1 << (id.number % 8)) != 0)
    }

    /// Returns how many ids of a stream were noted.
    pub fn count(&self, stream: u16) -> u64 {
        let bytes = self.streams.get(&stream).map_or(&[][..], |bits| &bits.bytes);
        bytes.iter().map(|byte| u64::from(byte.count_ones())).sum()
    }

    /// Returns the streams of which something was noted.
    pub fn streams(&self) -> impl Iterator<Item = u16> + '_ {
        self.streams.keys().copied()
    }

    fn bits(&mut self, stream: u16) -> io::Result<&mut Bits> {
        if let std::collections::btree_map::Entry::Vacant(place) = self.streams.entry(stream) {
            let mut bits = Bits::default();
            if let Some(folder) = &self.folder {
                let path = folder.join(format!("{}-{stream:04x}", self.name));
                let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
                file.read_to_end(&mut bits.bytes)?;
                bits.file = Some(file);
            }
            place.insert(bits);
        }
        Ok(self.streams.get_mut(&stream).expect("it was put in"))
    }

    fn write(&self, run: Option<(u16, usize, usize)>) -> io::Result<()> {
        let Some((stream, first, last)) = run else { return Ok(()) };
        let bits = &self.streams[&stream];
        bits.file.as_ref().map_or(Ok(()), |file| file.write_all_at(&bits.bytes[first..=last], first as u64))
    }
}

/// Holds a few numbers that outlive the process in the same way.
#[derive(Debug)]
pub struct Numbers<const N: usize> {
    /// The numbers.
    pub values: [u64; N],
    file: Option<File>,
}

impl<const N: usize> Numbers<N> {
    /// Returns the numbers of a file, or zeros.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        let mut numbers = Self { values: [0; N], file: None };
        let Some(path) = path else { return Ok(numbers) };
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        for (value, bytes) in numbers.values.iter_mut().zip(bytes.chunks_exact(8)) {
            *value = u64::from_le_bytes(bytes.try_into().expect("chunks have eight bytes"));
        }
        numbers.file = Some(file);
        Ok(numbers)
    }

    /// Writes the numbers down.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self) -> io::Result<()> {
        let bytes: Vec<u8> = self.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.file.as_ref().map_or(Ok(()), |file| file.write_all_at(&bytes, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_there_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let id = |stream, number| Id { stream, number };
        let mut seen = Seen::open(Some(folder.path()), "seen").unwrap();
        assert_eq!(seen.note([id(1, 0), id(1, 9), id(2, 70_000), id(1, 9)].into_iter()).unwrap(), 1);
        let mut again = Seen::open(Some(folder.path()), "seen").unwrap();
        assert_eq!(again.streams().collect::<Vec<_>>(), [1, 2]);
        assert!(again.has(id(1, 0)) && again.has(id(1, 9)) && again.has(id(2, 70_000)));
        assert!(!again.has(id(1, 1)) && !again.has(id(2, 0)) && !again.has(id(3, 0)));
        assert_eq!((again.count(1), again.count(2), again.count(3)), (2, 1, 0));
        assert_eq!(again.note([id(1, 0), id(1, 1)].into_iter()).unwrap(), 1);
        assert!(again.note([id(1, NUMBERS_END)].into_iter()).is_err());
        let mut numbers = Numbers::<2>::open(Some(&folder.path().join("numbers"))).unwrap();
        numbers.values[1] = 7;
        numbers.save().unwrap();
        assert_eq!(Numbers::<2>::open(Some(&folder.path().join("numbers"))).unwrap().values, [0, 7]);
    }
}
