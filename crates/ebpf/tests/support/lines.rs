//! What the generators of payloads share, and real payloads.

/// Holds the state of a generator of numbers (xorshift64*).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 33) as usize) % bound
    }

    pub fn pick<'p, T: ?Sized>(&mut self, of: &[&'p T]) -> &'p T {
        of[self.below(of.len())]
    }
}

/// 2026-11-26T10:30:00Z.
pub fn now_ticks() -> i64 {
    621_355_968_000_000_000 + 1_795_689_000 * 10_000_000
}

/// Returns the lines of a recorded file.
pub fn real(name: &str) -> Vec<Vec<u8>> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/telemetry/").to_owned() + name;
    let bytes = std::fs::read(file).expect("the file is in the repository");
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}
