//! All cases, in turns, to the table.

use crate::Options;
use crate::run::{self, Case, Cost};
use crate::send::Manner;
use crate::subjects::Subject;
use crate::traffic::{self, Question};
use std::collections::BTreeMap;

/// Records of a request that is not small.
const LARGE: usize = dtq_workload::records::RECORDS_A_REQUEST;
/// Records of a request that is.
const SMALL: usize = 32;

/// What is measured with each compression, over gRPC.
const FULL: &[(Subject, &[Question])] = &[
    (Subject::Pass, &[Question::Nothing]),
    (Subject::Dtq, &[Question::Nothing, Question::F2, Question::F3, Question::NotF3]),
    (Subject::Otelcol, &[Question::Nothing, Question::F2, Question::F3, Question::NotF3]),
    (Subject::OtelcolUsual, &[Question::F2, Question::F3, Question::NotF3]),
    (Subject::Rotel, &[Question::Nothing, Question::F2]),
];

/// What is measured besides: small requests, and HTTP.
const BRIEF: &[(Subject, &[Question])] = &[
    (Subject::Pass, &[Question::Nothing]),
    (Subject::Dtq, &[Question::Nothing, Question::F2]),
    (Subject::Otelcol, &[Question::F2]),
    (Subject::OtelcolUsual, &[Question::F2]),
];

fn cases() -> Vec<Case> {
    let groups = [
        (Manner { is_grpc: true, is_gzip: false }, LARGE, FULL),
        (Manner { is_grpc: true, is_gzip: true }, LARGE, FULL),
        (Manner { is_grpc: true, is_gzip: false }, SMALL, BRIEF),
        (Manner { is_grpc: false, is_gzip: false }, LARGE, BRIEF),
    ];
    let mut cases = Vec::new();
    for (manner, records_a_request, subjects) in groups {
        for (subject, questions) in subjects {
            for question in *questions {
                cases.push(Case { subject: *subject, question: *question, manner, records_a_request });
            }
        }
    }
    cases
}

/// Measures what the options say, and prints it.
///
/// # Errors
/// When a case cannot be measured, or fewer records come out than should of one that promises them.
pub async fn measure(options: &Options) -> Result<(), String> {
    let is_wanted = |case: &Case| options.only.is_empty() || options.only.iter().any(|one| case.name().contains(one));
    let cases: Vec<Case> = cases().into_iter().filter(is_wanted).collect();
    let mut traffic = BTreeMap::new();
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); cases.len()];
    for round in 1..=options.rounds {
        for (case, costs) in cases.iter().zip(&mut costs) {
            let (size, is_gzip) = (case.records_a_request, case.manner.is_gzip);
            let requests = traffic.entry((size, is_gzip)).or_insert_with(|| traffic::requests(size, is_gzip));
            let cost =
                run::measure(case, requests, options).await.map_err(|error| format!("{}: {error}", case.name()))?;
            if let Some(cost) = cost {
                eprintln!("round {round}: {}: {:.0} ns a record", case.name(), cost.ns_a_record);
                costs.push(cost);
            }
        }
    }
    print(&cases, &costs);
    check(&cases, &costs)
}

fn check(cases: &[Case], costs: &[Vec<Cost>]) -> Result<(), String> {
    for (case, costs) in cases.iter().zip(costs) {
        let is_exact = costs.iter().all(|cost| (cost.arrived - 1.0).abs() < 1e-9);
        if matches!(case.subject, Subject::Pass | Subject::Dtq | Subject::Otelcol) && !is_exact {
            return Err(format!("{}: not all records came out, or too many did: the numbers say nothing", case.name()));
        }
    }
    Ok(())
}

/// Returns the value in the middle.
fn median(costs: &[Cost], value: impl Fn(&Cost) -> f64) -> f64 {
    let mut values: Vec<f64> = costs.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print(cases: &[Case], costs: &[Vec<Cost>]) {
    let middle = |wanted: Subject, question: Option<Question>, like: &Case| {
        let is_it = |case: &Case| {
            case.subject == wanted
                && question.is_none_or(|question| case.question == question)
                && case.manner.is_grpc == like.manner.is_grpc
                && case.manner.is_gzip == like.manner.is_gzip
                && case.records_a_request == like.records_a_request
        };
        let found = cases.iter().zip(costs).find(|(case, costs)| is_it(case) && !costs.is_empty());
        found.map(|(_, costs)| costs.as_slice())
    };
    let mut group = String::new();
    for (case, costs) in cases.iter().zip(costs).filter(|(_, costs)| !costs.is_empty()) {
        let protocol = if case.manner.is_grpc { "gRPC" } else { "HTTP/1.1 with protobuf" };
        let coding = if case.manner.is_gzip { "gzip" } else { "not compressed" };
        let heading = format!("{protocol}, {coding}, {} records a request", case.records_a_request);
        if heading != group {
            println!("\n{heading}\n");
            println!(
                "| what | rule | ns a record | least | of otelcol | records/s | of pass-through | arrived | refused | MiB |"
            );
            println!("|---|---|---|---|---|---|---|---|---|---|");
            group = heading;
        }
        let (cpu, speed) = (|cost: &Cost| cost.ns_a_record, |cost: &Cost| cost.records_a_second);
        let least = costs.iter().map(cpu).fold(f64::INFINITY, f64::min);
        let share = |of: Option<&[Cost]>, value: &dyn Fn(&Cost) -> f64| {
            of.map_or("-".to_owned(), |of| format!("{:.2}", median(costs, value) / median(of, value)))
        };
        println!(
            "| {} | {} | {:.0} | {least:.0} | {} | {:.0} | {} | {:.1} % | {} | {} |",
            case.subject.name(),
            case.question.name(),
            median(costs, cpu),
            share(middle(Subject::Otelcol, Some(case.question), case), &cpu),
            median(costs, speed),
            share(middle(Subject::Pass, None, case), &speed),
            100.0 * median(costs, |cost| cost.arrived),
            costs.iter().map(|cost| cost.refused).sum::<u64>(),
            costs.iter().map(|cost| cost.resident_mib).max().unwrap_or(0),
        );
    }
}
