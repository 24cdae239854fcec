//! The rules of `docs/cookbook` over recorded telemetry, each file by itself and all together: interpreter and native code,
//! with the guards of many rules and without, give the same requests, records, notices and accounts.
#![allow(clippy::unwrap_used)]

use dtq_record::otlp::Signal;
use dtq_rules::compile::{Options, RuleSet, compile};
use dtq_rules::engine::{self, Account, Outcome, Processor};
use dtq_rules::file::{self, Files, RuleFile};
use dtq_rules::native::NativeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// 2026-01-01.
const NOW: i64 = 639_028_224_000_000_000;
const SECOND: i64 = 10_000_000;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Reads what lies beside the rule files.
struct Beside(PathBuf);

impl Files for Beside {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(self.0.join(path)).map_err(|error| error.to_string())
    }
}

fn recipes() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(repository().join("docs/cookbook")).unwrap();
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths
}

fn read(path: &Path) -> RuleFile {
    let options = file::Options { now_ticks: NOW, ..file::Options::default() };
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let beside = Beside(path.parent().unwrap().to_owned());
    let (read, diagnostics) = file::read(&name, &std::fs::read(path).unwrap(), &beside, &options);
    assert!(read.is_complete, "{diagnostics:?}");
    read
}

fn set(paths: &[PathBuf], is_unoptimized: bool) -> Arc<RuleSet> {
    let files: Vec<RuleFile> = paths.iter().map(|path| read(path)).collect();
    let compiled = compile(&files, &Options { now_ticks: NOW, is_unoptimized, ..Options::default() });
    Arc::new(compiled.set.unwrap_or_else(|| panic!("{paths:?}: {:?}", compiled.diagnostics)))
}

/// Returns the recorded requests, which lie in a file each with its length in front.
fn requests() -> Vec<(Signal, Vec<u8>)> {
    let files = [(Signal::Spans, "traces.otlp"), (Signal::Logs, "logs.otlp"), (Signal::Metrics, "metrics.otlp")];
    let mut requests = Vec::new();
    for (signal, name) in files {
        let bytes = std::fs::read(repository().join("fixtures/telemetry").join(name)).unwrap();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let size = prost::decode_length_delimiter(&mut rest).unwrap();
            let (request, behind) = rest.split_at(size);
            requests.push((signal, request.to_vec()));
            rest = behind;
        }
    }
    requests
}

/// Returns all that a processor gave for two rounds of requests, with a tick between and its end.
fn run(mut processor: Processor, requests: &[(Signal, Vec<u8>)]) -> (Vec<Outcome>, Vec<Account>) {
    let mut outcomes = Vec::new();
    for round in 0..2 {
        let now = NOW + round * 90 * SECOND;
        outcomes.extend(requests.iter().map(|(signal, request)| processor.apply(*signal, request, now, None)));
        outcomes.push(processor.tick(now + 60 * SECOND));
    }
    outcomes.push(processor.shutdown(NOW + 300 * SECOND));
    assert!(processor.totals().is_conserved(), "{:?}", processor.totals());
    assert!(processor.totals().records_in > 100);
    (outcomes, processor.accounts())
}

fn check(paths: &[PathBuf]) {
    let requests = requests();
    let new =
        |set: &Arc<RuleSet>| Processor::new(Arc::clone(set), &engine::Options { start_ticks: NOW, random_seed: 1 });
    let [alone, together] = [true, false].map(|is_unoptimized| set(paths, is_unoptimized));
    let expected = run(new(&alone), &requests);
    assert_eq!(run(new(&together), &requests), expected, "{paths:?} with guards");
    for set in [&alone, &together] {
        let native = NativeSet::compile(set).unwrap();
        let refused: Vec<&String> = native.report().rules.iter().filter_map(|rule| rule.refusal.as_ref()).collect();
        assert!(refused.is_empty() && native.report().scan_refusals.is_empty(), "{paths:?}: {refused:?}");
        let mut processor = new(set);
        assert!(processor.use_native(Arc::new(native)));
        assert_eq!(run(processor, &requests), expected, "{paths:?} natively");
    }
}

#[test]
fn every_recipe_gives_the_same_on_every_engine() {
    let recipes = recipes();
    assert!(recipes.len() > 20, "{recipes:?}");
    recipes.iter().for_each(|path| check(std::slice::from_ref(path)));
}

#[test]
fn all_recipes_together_give_the_same_on_every_engine() {
    check(&recipes());
}
