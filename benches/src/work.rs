//! What is measured on: requests, and their records decoded.

use dtq_workload::slots::Slots;
use dtq_workload::{records, requests, slots};

/// Says how many records there are, and so where they come from while they are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regime {
    /// A hundred thousand, gone over once: from memory.
    Stream,
    /// 4,096, gone over 25 times: from the caches next to the processor.
    Cached,
}

impl Regime {
    /// All regimes.
    pub const ALL: [Self; 2] = [Self::Stream, Self::Cached];

    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Cached => "cached",
        }
    }
}

/// Holds requests and their records.
pub struct Work {
    /// The requests.
    pub requests: Vec<Vec<u8>>,
    /// Their records, decoded.
    pub slots: Vec<Slots>,
    /// How often the records are gone over in one repetition.
    pub passes: usize,
}

impl Work {
    /// Returns what a regime measures: records of a file, or made here.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn new(regime: Regime, file: Option<&str>) -> Result<Self, String> {
        let (count, passes) = match regime {
            Regime::Stream => (100_000, 1),
            Regime::Cached => (4_096, 25),
        };
        let all = match file {
            Some(path) => requests::read(path)?,
            None => requests::encode(&records::make(count)),
        };
        let mut record_count = 0;
        let is_within = |request: &Vec<u8>| {
            let is_within = record_count < count;
            record_count += requests::count(request);
            is_within
        };
        Ok(Self::of_requests(all.into_iter().take_while(is_within).collect(), passes))
    }

    /// Returns this many records, gone over once.
    pub fn of_count(count: usize) -> Self {
        Self::of_requests(requests::encode(&records::make(count)), 1)
    }

    fn of_requests(requests: Vec<Vec<u8>>, passes: usize) -> Self {
        Self { slots: slots::decode_all(&requests), requests, passes }
    }

    /// Returns how many records there are.
    pub fn record_count(&self) -> usize {
        self.slots.len()
    }

    /// Returns the bytes of a record, with its share of what stands around it.
    pub fn record_size(&self) -> f64 {
        self.requests.iter().map(Vec::len).sum::<usize>() as f64 / self.record_count() as f64
    }
}
