//! What tests over generated rules share: rule sets from text, processors on either engine, how many cases are run.

#![allow(dead_code, reason = "each test uses a part")]

use dtq_rules::compile::{Options, RuleSet, compile};
use dtq_rules::engine::Processor;
use dtq_rules::file::{self, NoFiles};
use dtq_rules::native::NativeSet;
use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;
use std::sync::Arc;

pub const NOW: i64 = 639_000_000_000_000_000;

/// Returns a number that the environment sets.
pub fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Returns how many cases are run: those that `DTQ_CASES` sets are other ones each time.
pub fn config(default: u32) -> ProptestConfig {
    let cases = number("DTQ_CASES").and_then(|cases| u32::try_from(cases).ok());
    let rng_seed = if cases.is_some() { RngSeed::Random } else { RngSeed::Fixed(1) };
    ProptestConfig { cases: cases.unwrap_or(default), failure_persistence: None, rng_seed, ..ProptestConfig::default() }
}

pub fn rule_set(text: &str, is_unoptimized: bool) -> Result<Arc<RuleSet>, String> {
    let options = file::Options { now_ticks: NOW, ..file::Options::default() };
    let (read, diagnostics) = file::read("rules.yaml", text.as_bytes(), &NoFiles, &options);
    if !read.is_complete {
        return Err(format!("{diagnostics:?}"));
    }
    let compiled = compile(&[read], &Options { now_ticks: NOW, is_unoptimized, ..Options::default() });
    compiled.set.map(Arc::new).ok_or_else(|| format!("{:?}", compiled.diagnostics))
}

pub fn processor(set: &Arc<RuleSet>) -> Processor {
    Processor::new(Arc::clone(set), &dtq_rules::engine::Options { start_ticks: NOW, random_seed: 1 })
}

/// Returns the processor with native code.
pub fn native(mut processor: Processor, set: &Arc<RuleSet>) -> Processor {
    let native = NativeSet::compile(set).unwrap();
    assert!(processor.use_native(Arc::new(native)));
    processor
}
