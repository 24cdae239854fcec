//! The cases of `fixtures/rules`: rule files to their mistakes, and to what they say about requests.

use dtq_fixture::Case;
use dtq_record::otlp::Signal;
use dtq_rules::compile::{self, compile};
use dtq_rules::engine::{Options, Processor};
use dtq_rules::file::{self, Files, RuleFile, check_together};
use dtq_source::{Code, Diagnostic, render};
use dtq_value::scalar::time;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// When cases are read that say no time.
const NOW: &str = "2024-01-01T00:00:00Z";

/// The files beside a fixture.
struct Beside(PathBuf);

impl Files for Beside {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        fs::read(self.0.join(path)).map_err(|_| "there is no such file".to_owned())
    }
}

/// A rule file of a case, and what is wrong with it.
type Read = (RuleFile, Vec<Diagnostic>);

/// Returns the time of a case, in ticks.
fn now(case: &Case) -> i64 {
    let now = case.rules().next().and_then(|block| block.attribute("now")).unwrap_or(NOW);
    time::parse_datetime(now.as_bytes()).expect("`now=` is a time")
}

fn read_text(name: &str, text: &str, case: &Case) -> Read {
    let now_ticks = now(case);
    let beside = Beside(case.path.parent().unwrap_or(Path::new("")).to_owned());
    file::read(name, text.as_bytes(), &beside, &file::Options { now_ticks, ..Default::default() })
}

/// Returns the rule files of a case, each with its own mistakes and those of all together.
fn read_all(case: &Case) -> Vec<Read> {
    let name = |index: usize| if index == 0 { "rules.yaml" } else { "more.yaml" };
    let blocks = case.rules().enumerate();
    let read =
        blocks.map(|(index, block)| read_text(block.attribute("file").unwrap_or(name(index)), &block.text, case));
    let (files, mut found): (Vec<RuleFile>, Vec<Vec<Diagnostic>>) = read.unzip();
    let is_sound = found.iter().flatten().all(|diagnostic| !diagnostic.is_error());
    let together = check_together(&files);
    let more = match is_sound && !together.iter().any(|located| located.diagnostic.is_error()) {
        // What is wrong together comes again with what is wrong with the queries.
        true => compile(&files, &compile::Options { now_ticks: now(case), ..Default::default() }).diagnostics,
        false => together,
    };
    for located in more {
        found[located.file].push(located.diagnostic);
    }
    files.into_iter().zip(found).collect()
}

/// Returns diagnostics as fixtures hold them, after the name of their file when there are several.
fn golden_text(read: &[Read]) -> String {
    let mut out = String::new();
    for (file, found) in read {
        if read.len() > 1 {
            out.push_str(&format!("{}:\n", file.source.name()));
        }
        out.push_str(&render::golden(found));
    }
    out
}

fn cases() -> Vec<Case> {
    dtq_fixture::load(&dtq_fixture::root().join("rules"))
}

#[test]
fn golden() {
    let mut run = dtq_fixture::Run::new("rules");
    for case in cases() {
        case.check(&mut run, "diagnostics", || golden_text(&read_all(&case)));
        case.check(&mut run, "output", || match case.inputs().is_empty() {
            true => shown(&read_all(&case)),
            false => ran(&case),
        });
    }
    run.finish();
}

/// Returns what rules say about the requests of a case, as OTLP JSON, and the counts of all together.
fn ran(case: &Case) -> String {
    let read: Vec<RuleFile> = read_all(case).into_iter().map(|(file, _)| file).collect();
    let now_ticks = now(case);
    let set = compile(&read, &compile::Options { now_ticks, ..Default::default() }).set.expect("the rules compile");
    let mut processor = Processor::new(Arc::new(set), &Options { start_ticks: now_ticks, random_seed: 1 });
    let mut out = String::new();
    for input in case.inputs() {
        let json = input.bytes();
        let (signal, request) = match serde_json::from_slice::<ExportTraceServiceRequest>(&json) {
            Ok(request) if !request.resource_spans.is_empty() => (Signal::Spans, request.encode_to_vec()),
            _ => {
                let request: ExportLogsServiceRequest = serde_json::from_slice(&json).expect("logs or spans");
                (Signal::Logs, request.encode_to_vec())
            }
        };
        for notice in processor.apply(signal, &request, now_ticks, None).notices {
            let rule = notice.rule.map_or(String::new(), |rule| rule.to_string());
            out.push_str(&format!("{rule}: {}\n", notice.message));
        }
    }
    let totals = processor.totals();
    assert!(totals.is_conserved(), "{totals:?}");
    out + &format!("{} in, {} created, {} out\n", totals.records_in, totals.created, totals.records_out)
}

/// Returns diagnostics as a person reads them.
fn shown(read: &[Read]) -> String {
    let one = |(file, found): &Read| {
        found.iter().map(|diagnostic| render::text(&file.source, diagnostic, render::Style::Plain)).collect::<String>()
    };
    read.iter().map(one).collect()
}

#[test]
fn every_code_of_rule_files_has_a_fixture() {
    let codes = Code::ALL.iter().copied().filter(|code| (5001..5200).contains(&code.number()));
    let mut missing: Vec<Code> = codes.collect();
    for case in cases() {
        let read = read_all(&case);
        missing.retain(|code| read.iter().all(|(_, found)| found.iter().all(|diagnostic| diagnostic.code != *code)));
    }
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn diagnostics_stand_in_the_text_and_say_what_to_do() {
    for case in cases() {
        for (file, found) in read_all(&case) {
            for diagnostic in found {
                assert!(file.source.text().get(diagnostic.span.range()).is_some(), "{}: {diagnostic:?}", case.name);
                assert!(!diagnostic.label.is_empty(), "{}: no remedy: {diagnostic:?}", case.name);
            }
        }
    }
}

#[test]
fn fixes_remove_the_mistake_they_belong_to() {
    let mut count = 0;
    for case in cases() {
        let Some(block) = case.rules().next() else { continue };
        let read = read_all(&case);
        for diagnostic in &read[0].1 {
            let Some(fix) = &diagnostic.fix else { continue };
            let mut fixed = block.text.clone();
            fixed.replace_range(fix.span.range(), &fix.replacement);
            let (file, mut left) = read_text("rules.yaml", &fixed, &case);
            left.extend(check_together(&[file]).into_iter().map(|located| located.diagnostic));
            let says_same = left.iter().any(|other| other.message == diagnostic.message);
            assert!(!says_same, "{}: the fix leaves `{}` in:\n{fixed}", case.name, diagnostic.message);
            count += 1;
        }
    }
    assert!(count > 10, "only {count} fixes");
}
