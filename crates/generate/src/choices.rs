//! Where decisions come from: a seeded generator, or the bytes of a fuzzer.

/// Makes decisions; when the bytes of a fuzzer are used up, every decision is the first alternative.
#[derive(Clone, Debug)]
pub enum Choices<'a> {
    /// SplitMix64 from a seed (Steele, Lea and Flood, OOPSLA 2014).
    Seed(u64),
    /// A byte a decision.
    Bytes(&'a [u8]),
}

impl Choices<'_> {
    /// Returns a number below `count`; 0 when `count` is 0.
    pub fn below(&mut self, count: usize) -> usize {
        if count < 2 {
            return 0;
        }
        match self {
            Choices::Seed(state) => (split_mix(state) % count as u64) as usize,
            Choices::Bytes(bytes) => match bytes {
                [low, high, rest @ ..] if count > 256 => {
                    *bytes = rest;
                    (usize::from(*low) | usize::from(*high) << 8) % count
                }
                [first, rest @ ..] => {
                    *bytes = rest;
                    usize::from(*first) % count
                }
                [] => 0,
            },
        }
    }

    /// Says yes once in `count` times; no when the bytes are used up.
    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) + 1 == count
    }

    /// Returns one of the items.
    ///
    /// # Panics
    /// When there are none.
    pub fn pick<'i, T>(&mut self, items: &'i [T]) -> &'i T {
        &items[self.below(items.len())]
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
