//! Rules that count, in front of rules that drop: what the kernel counts of what it drops and what user space counts of the
//! rest are together what user space counts of all.

use crate::oracle::Oracle;
use crate::random::Random;
use crate::rules::{condition, numbers, texts};
use crate::runs::{self, Live, Simulated};
use crate::{number, payloads};
use dtq_ebpf::filter::Front;
use dtq_ebpf::payload::Format;
use dtq_kernel::share::{ShareOptions, share};

/// Counts what was compared.
#[derive(Debug, Default)]
struct Tally {
    sets: u64,
    /// Sets of which some rule counts in the kernel.
    counting: u64,
    payloads: u64,
    dropped: u64,
    /// Rows that the kernel counted, and the records in them.
    rows: u64,
    records: u64,
    points: u64,
}

#[test]
fn counts_of_both_add_up_for_otlp() {
    compare(Format::Otlp);
}

#[test]
fn counts_of_both_add_up_for_syslog() {
    compare(Format::Syslog);
}

#[test]
fn counts_of_both_add_up_for_json() {
    compare(Format::Json);
}

fn compare(format: Format) {
    let (cases, per_case, seed) = (number("DTQ_CASES", 60), number("DTQ_PAYLOADS", 40), number("DTQ_SEED", 1));
    let is_live = runs::may_load(format.name());
    let mut tally = Tally::default();
    for case in 0..cases {
        let mut random = Random::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(case ^ 0xC0));
        let yaml = set(&mut random, format);
        compare_set(&mut random, format, &yaml, (is_live, per_case), &mut tally);
    }
    println!("{}: {tally:?}", format.name());
    assert!(tally.counting * 3 > tally.sets, "{tally:?}: few sets count in the kernel");
    assert!(tally.dropped * 20 > tally.payloads && tally.records * 2 > tally.dropped, "{tally:?}");
}

fn compare_set(random: &mut Random, format: Format, yaml: &str, (is_live, payloads): (bool, u64), tally: &mut Tally) {
    let is_unoptimized = random.one_in(2);
    let [mut whole, mut above] = [(); 2].map(|()| Oracle::with(yaml, format, is_unoptimized));
    // In front of `summarize` user space reads a bag as a whole, and counts nothing where some key of it is malformed.
    let reads_bags = yaml.contains("summarize") && yaml.contains("k0 = ");
    let options =
        ShareOptions { format, front: Front::UnixDatagram, has_lease: false, reads_counts: true, minds_expiry: true };
    let shared = share(whole.set(), &options);
    tally.sets += 1;
    let Some(filter) = &shared.filter else { return };
    tally.counting += u64::from(filter.tables.is_some());
    let mut simulated = Simulated::new(filter);
    let mut live = is_live.then(|| Live::new(filter, yaml));
    for _ in 0..payloads {
        let mutates = random.one_in(4) && !reads_bags;
        let payload = payloads::payload_of(random, format, mutates);
        let verdict = simulated.run(&payload);
        tally.payloads += 1;
        tally.dropped += u64::from(verdict.is_dropped);
        let is_dropped = whole.drops(&payload);
        assert!(is_dropped || !verdict.is_dropped, "{verdict:?}\n{yaml}\n{}", payload.escape_ascii());
        if !verdict.is_dropped {
            above.drops(&payload);
        }
        if let Some(live) = &live {
            assert_eq!(live.run(&payload), verdict.result, "{yaml}\n{}", payload.escape_ascii());
        }
        if random.one_in(16) {
            let rows = simulated.take(&shared.readings);
            tally.rows += rows.len() as u64;
            tally.records += rows.iter().map(|row| row.records).sum::<u64>();
            if let Some(live) = &mut live {
                let texts = |mut rows: Vec<String>| {
                    rows.sort();
                    rows
                };
                let of_live = live.take(filter, &shared.readings);
                assert_eq!(
                    texts(of_live.iter().map(|row| format!("{row:?}")).collect()),
                    texts(rows.iter().map(|row| format!("{row:?}")).collect()),
                    "{yaml}"
                );
            }
            above.add_counted(rows);
        }
    }
    let rows = simulated.take(&shared.readings);
    tally.records += rows.iter().map(|row| row.records).sum::<u64>();
    above.add_counted(rows);
    let points = whole.points();
    tally.points += points.len() as u64;
    let found = above.points();
    let only = |those: &[String], others: &[String]| -> Vec<String> {
        those.iter().filter(|point| !others.contains(point)).cloned().collect()
    };
    let (missing, odd) = (only(&points, &found), only(&found, &points));
    assert!(points == found, "{yaml}\nmissing: {missing:#?}\nodd: {odd:#?}");
}

/// Returns a rule file with rules that count and rules that drop, in any order.
fn set(random: &mut Random, format: Format) -> String {
    let mut yaml = "apiVersion: dtq/v1\nrules:\n".to_owned();
    for rule in 0..2 + random.below(3) {
        let depth = random.below(2);
        let text = match random.below(6) {
            0 => "true".to_owned(),
            _ => condition(random, format, depth).replace('\'', "''"),
        };
        let phase = random.pick(&["", "", "phase: redact, "]);
        yaml += &match random.below(5) {
            0 => format!("  - {{name: r{rule}, to: replace, {phase}kql: 'logs | where {text}'}}\n"),
            1 | 2 => format!("  - {{name: r{rule}, to: drop, {phase}kql: 'logs | where {text}'}}\n"),
            _ => counting(random, format, &format!("r{rule}"), &text),
        };
    }
    let count = random.pick(&["severity > 2", "true", "isnotnull(severity)"]).replace("severity", "SeverityNumber");
    yaml += &counting(random, format, "counts", &count);
    yaml += "  - {name: drops, to: drop, kql: 'logs | where SeverityNumber < 17'}\n";
    yaml
}

fn counting(random: &mut Random, format: Format, name: &str, text: &str) -> String {
    let consume = random.pick(&["", "", "", "", "phase: reduce, consume: true, ", "phase: reduce, "]);
    let mut keys = Vec::new();
    for key in 0..random.below(4) {
        let field = random.pick(texts(format));
        let number = random.pick(numbers(format));
        let value = match random.below(6) {
            0..3 => format!("tostring({field})"),
            3 => format!("tolower(tostring({field}))"),
            4 => format!("tostring({number})"),
            _ => "SeverityNumber".to_owned(),
        };
        keys.push(format!("k{key} = {value}"));
    }
    if format == Format::Otlp && !random.one_in(4) {
        let values = ["count()", "countif(SeverityNumber > 9)", "sum(SeverityNumber)", "max(SeverityNumber)"];
        let others = ["sum(tolong(Attributes[\"n\"]))", "min(tolong(Attributes[\"n\"]))", "max(SeverityNumber + 1)"];
        let (first, second) = (random.pick(&values), random.pick(&[&others[..], &values[..]].concat()));
        let is_plain = random.one_in(2);
        if is_plain {
            keys = ["SeverityText", "SeverityNumber", "EventName"][random.below(3)..]
                .iter()
                .map(|key| (*key).to_owned())
                .collect();
        }
        let second = if is_plain { "min(SeverityNumber)" } else { second };
        keys.insert(random.below(keys.len() + 1), "bin(Timestamp, 1d)".to_owned());
        return format!(
            "  - {{name: {name}, to: metrics, lateness: 100000d, {consume}metrics: {{a: {{name: {name}.a, type: sum}}, \
             b: {{name: {name}.b, type: gauge}}}}, kql: 'logs | where {text} | summarize a = {first}, b = {second} by {}'}}\n",
            keys.join(", ")
        );
    }
    let amount = random.pick(&["SeverityNumber", "tolong(Attributes[\"n\"])", "7", "SeverityNumber * 2"]);
    keys.insert(0, format!("n = 1, x = {amount}"));
    format!(
        "  - {{name: {name}, to: metrics, {consume}metrics: {{n: {{name: {name}.n, type: sum}}, \
         x: {{name: {name}.x, type: sum, monotonic: {}}}}}, kql: 'logs | where {text} | project {}'}}\n",
        random.pick(&["true", "false"]),
        keys.join(", ")
    )
}
