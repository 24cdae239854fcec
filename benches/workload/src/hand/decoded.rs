//! The reference work on decoded records.

use crate::hand::text::{contains_error, contains_failed_user};
use crate::records::BANNER;
use crate::rules::Rule;
use crate::slots::Slots;
use memchr::memmem::Finder;

/// Says whether the severity is at least that of errors.
#[inline]
pub fn f1(record: &Slots) -> bool {
    record.severity >= 17
}

/// Says whether the record is not a banner.
#[inline]
pub fn f2(record: &Slots) -> bool {
    *record.event != *BANNER
}

/// Holds what F3 searches with.
pub struct F3 {
    timeout: Finder<'static>,
}

impl Default for F3 {
    fn default() -> Self {
        Self { timeout: Finder::new("timeout") }
    }
}

impl F3 {
    /// Says whether F3 holds.
    #[inline]
    pub fn holds(&self, record: &Slots) -> bool {
        record.severity >= 9
            && (record.status >= 500 || *record.service == *"checkout")
            && self.timeout.find(record.body.as_bytes()).is_some()
    }
}

/// Holds what F4 searches with.
pub struct F4 {
    user: Finder<'static>,
}

impl Default for F4 {
    fn default() -> Self {
        Self { user: Finder::new("user=") }
    }
}

impl F4 {
    /// Says whether F4 holds.
    #[inline]
    pub fn holds(&self, record: &Slots) -> bool {
        record.route.starts_with("/api/v1/")
            || contains_error(record.body.as_bytes())
            || contains_failed_user(record.body.as_bytes(), &self.user)
    }
}

/// Runs rules in a loop: each has its own searcher, and the first that holds ends the loop.
pub struct F5Loop {
    rules: Vec<(Rule, Finder<'static>)>,
}

impl F5Loop {
    /// Returns a loop over these rules.
    pub fn new(rules: &[Rule]) -> Self {
        let with_finder = |rule: &Rule| (rule.clone(), Finder::new(rule.word.as_bytes()).into_owned());
        Self { rules: rules.iter().map(with_finder).collect() }
    }

    /// Returns the first rule that holds.
    #[inline]
    pub fn first(&self, record: &Slots) -> Option<usize> {
        self.rules.iter().position(|(rule, word)| {
            record.severity >= rule.severity_min
                && (record.status >= rule.status_min || *record.service == *rule.service)
                && word.find(record.body.as_bytes()).is_some()
        })
    }
}

/// Says of one record which words were searched and which are there; words are numbered from 0 to 63.
#[derive(Clone, Copy, Default)]
struct Known {
    searched: u64,
    found: u64,
}

/// Runs rules in a loop that searches each different word at most once in a record.
pub struct F5Memo {
    words: Vec<Finder<'static>>,
    rules: Vec<(Rule, usize)>,
}

impl F5Memo {
    /// Returns a loop over these rules.
    ///
    /// # Panics
    /// With more than 64 different words: they would not fit one integer.
    pub fn new(rules: &[Rule]) -> Self {
        let mut words: Vec<String> = Vec::new();
        let numbered = rules.iter().map(|rule| {
            let number = words.iter().position(|word| *word == rule.word).unwrap_or_else(|| {
                words.push(rule.word.clone());
                words.len() - 1
            });
            (rule.clone(), number)
        });
        let rules = numbered.collect();
        assert!(words.len() <= 64, "{} different words", words.len());
        Self { words: words.iter().map(|word| Finder::new(word.as_bytes()).into_owned()).collect(), rules }
    }

    /// Returns the first rule that holds.
    #[inline]
    pub fn first(&self, record: &Slots) -> Option<usize> {
        self.first_of(record.severity, record.status, record.service.as_bytes(), record.body.as_bytes())
    }

    /// Returns the first rule that holds of these fields.
    #[inline]
    pub fn first_of(&self, severity: i32, status: i64, service: &[u8], body: &[u8]) -> Option<usize> {
        let mut known = Known::default();
        self.rules.iter().position(|(rule, word)| {
            severity >= rule.severity_min
                && (status >= rule.status_min || service == rule.service.as_bytes())
                && self.contains(*word, body, &mut known)
        })
    }

    #[inline]
    fn contains(&self, word: usize, body: &[u8], known: &mut Known) -> bool {
        let bit = 1 << word;
        if known.searched & bit == 0 {
            known.searched |= bit;
            if self.words[word].find(body).is_some() {
                known.found |= bit;
            }
        }
        known.found & bit != 0
    }
}

/// Returns `secret` and `tier` as T1 leaves them.
#[inline]
pub fn t1(record: &Slots) -> (Option<&str>, Option<&'static str>) {
    let secret = if *record.event == *BANNER { None } else { record.secret.as_deref() };
    let tier = if record.duration_ms > 500.0 { Some("gold") } else { None };
    (secret, tier)
}
