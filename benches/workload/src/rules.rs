//! Random numbers to rules like F3: severity, service or status, and a word in the body.
//!
//! Fifty with ten words are F5. Sets of any size with 200 words show how cost grows with the number of rules.

use crate::random::{Random, seed};
use crate::records::{SERVICES, WORDS};

/// The words of F5: one that a body in ten has, some that few have, some that none has.
const F5_WORDS: [&str; 10] = [
    "timeout",
    "deadlock",
    "panic",
    "corrupt",
    "rollback snapshot",
    "leader follower",
    "evicted",
    "user=99",
    "throttled",
    "no space",
];

/// Different words in the sets of [`many`].
pub const MANY_WORDS: usize = 200;

/// Holds a rule: severity at least so much, and (this service, or status at least so much), and the word in the body.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The least severity.
    pub severity_min: i32,
    /// The service.
    pub service: &'static str,
    /// The least status.
    pub status_min: i64,
    /// What the body contains, in this case.
    pub word: String,
}

/// Returns the fifty rules of F5.
pub fn fifty() -> Vec<Rule> {
    let mut random = Random::new(seed() ^ 0xF5);
    (0..50).map(|index| rule(&mut random, F5_WORDS[index * 3 % F5_WORDS.len()].to_owned())).collect()
}

/// Returns this many rules, in whose order [`MANY_WORDS`] words come again and again.
///
/// Half of the words are pairs that some bodies have, half are in no body. A larger set begins with the smaller one.
pub fn many(count: usize) -> Vec<Rule> {
    let mut random = Random::new(seed() ^ 0x200);
    let words: Vec<String> = (0..MANY_WORDS).map(|index| many_word(&mut random, index)).collect();
    (0..count).map(|index| rule(&mut random, words[index % MANY_WORDS].clone())).collect()
}

fn many_word(random: &mut Random, index: usize) -> String {
    match F5_WORDS.get(index) {
        Some(word) => (*word).to_owned(),
        // The number keeps words apart.
        None if index % 2 == 0 => format!("fault-{index}-{:04x}", random.below(1 << 16)),
        // Each pair comes once: the first word by the index, the second by how often that one came before.
        None => format!("{} {}", WORDS[index / 2 % WORDS.len()], WORDS[(index / 2 + 1 + index / 64) % WORDS.len()]),
    }
}

fn rule(random: &mut Random, word: String) -> Rule {
    Rule {
        severity_min: 5 + random.below(20) as i32,
        service: random.pick(&SERVICES),
        status_min: 400 + 25 * random.below(8) as i64,
        word,
    }
}
