//! A seed to numbers, the same at each run.

/// The seed unless `DTQ_SEED` gives one: the golden ratio as 64 bits, as good as any.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// Returns the seed of this run: `DTQ_SEED`, or always the same.
///
/// # Panics
/// When `DTQ_SEED` is no number: measuring other records than were asked for would mislead.
pub fn seed() -> u64 {
    match std::env::var("DTQ_SEED") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("DTQ_SEED is `{text}`, not a number")),
        Err(_) => SEED,
    }
}

/// Gives random numbers: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Returns a generator that begins at a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number from 0 up to a bound, which it never is.
    pub fn below(&mut self, bound: usize) -> usize {
        // The bias of a remainder is below 2^-40 for the bounds here.
        (self.bits() % bound as u64) as usize
    }

    /// Returns a real from 0 up to 1, which it never is.
    pub fn share(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns one of these.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}
