//! The cases: rules over payloads, each beside the filter that only loads the same payload.

use super::loaded::{Loaded, filter};
use super::payloads::{self, BANNER, JSON, OTHER, SYSLOG};
use super::{Case, ETHERNET_SIZE, search};
use crate::questions::RuleText;
use dtq_ebpf::filter::Front;
use dtq_ebpf::payload::Format;
use dtq_ebpf::{Insn, MapDef};
use std::fmt::Write;

/// How often a program is loaded.
const COPIES: usize = 4;
/// Records of the larger request: with them it has 2.8 kB.
const RECORDS: usize = 14;
/// The word that is searched.
const WORD: &str = "connection refused";

/// Collects cases.
struct Cases<'c> {
    is_asked: &'c dyn Fn(&str) -> bool,
    cases: Vec<Case>,
}

/// Returns the cases that are asked for.
///
/// # Errors
/// What is wrong with a rule, or what the kernel says of its program.
pub fn all(is_asked: &dyn Fn(&str) -> bool) -> Result<Vec<Case>, String> {
    let mut cases = Cases { is_asked, cases: Vec::new() };
    cases.otlp()?;
    cases.lines()?;
    cases.searches()?;
    cases.many()?;
    Ok(cases.cases)
}

impl Cases<'_> {
    fn add(
        &mut self,
        (name, base): (&str, Option<&str>),
        (program, maps): &(Vec<Insn>, Vec<MapDef>),
        payload: &[u8],
        is_dropped: bool,
    ) -> Result<(), String> {
        let load = |_| Loaded::new(program, maps).map_err(|error| format!("{name}: {error}"));
        let loaded = (0..COPIES).map(load).collect::<Result<Vec<_>, _>>()?;
        let packet = [&[0; ETHERNET_SIZE][..], payload].concat();
        let base = base.map(str::to_owned);
        self.cases.push(Case { name: name.to_owned(), base, loaded, packet, is_dropped });
        Ok(())
    }

    /// Adds the filter that only loads a payload.
    fn load_only(&mut self, name: &str, payload: &[u8]) -> Result<(), String> {
        if (self.is_asked)(name) {
            self.add((name, None), &search::load_only(), payload, false)?;
        }
        Ok(())
    }

    fn rules(
        &mut self,
        names: (&str, &str),
        rules: &[RuleText],
        format: Format,
        payload: &[u8],
        is_dropped: bool,
    ) -> Result<(), String> {
        if !(self.is_asked)(names.0) {
            return Ok(());
        }
        let filter = filter(rules, format, Front::UnixDatagram).map_err(|error| format!("{}: {error}", names.0))?;
        self.add((names.0, Some(names.1)), &filter, payload, is_dropped)
    }

    fn otlp(&mut self) -> Result<(), String> {
        let rule = drops(r#"Attributes["EventName"] == "LogWelcomeBanner""#);
        let one = [BANNER];
        let (all, mut last) = ([BANNER; RECORDS], [BANNER; RECORDS]);
        last[RECORDS - 1] = OTHER;
        let base = "otlp, 1 record: load only";
        self.load_only(base, &payloads::request(&one))?;
        self.rules(("otlp, 1 record: dropped", base), &rule, Format::Otlp, &payloads::request(&one), true)?;
        self.rules(("otlp, 1 record: kept", base), &rule, Format::Otlp, &payloads::request(&[OTHER]), false)?;
        let base = "otlp, 14 records: load only";
        self.load_only(base, &payloads::request(&all))?;
        self.rules(("otlp, 14 records: dropped", base), &rule, Format::Otlp, &payloads::request(&all), true)?;
        let none = payloads::request(&[OTHER; RECORDS]);
        self.rules(("otlp, 14 records: kept by the first", base), &rule, Format::Otlp, &none, false)?;
        self.rules(("otlp, 14 records: kept by the last", base), &rule, Format::Otlp, &payloads::request(&last), false)
    }

    fn lines(&mut self) -> Result<(), String> {
        let base = "syslog: load only";
        self.load_only(base, SYSLOG.as_bytes())?;
        for (name, condition, is_dropped) in [
            ("syslog: severity, dropped", "SeverityNumber between (1 .. 9)", true),
            ("syslog: severity, kept", "SeverityNumber between (1 .. 5)", false),
            ("syslog: has, dropped", r#"tostring(Body) has "items""#, true),
            ("syslog: has, kept", r#"tostring(Body) has "item""#, false),
        ] {
            self.rules((name, base), &drops(condition), Format::Syslog, SYSLOG.as_bytes(), is_dropped)?;
        }
        let base = "json: load only";
        self.load_only(base, JSON.as_bytes())?;
        for (name, condition, is_dropped) in [
            ("json: key, dropped", r#"Attributes["EventName"] == "LogWelcomeBanner""#, true),
            ("json: key, kept", r#"Attributes["EventName"] == "LogWelcomeBanned""#, false),
            ("json: two keys, dropped", r#"Attributes["status"] == 200 and Attributes["method"] == "GET""#, true),
        ] {
            self.rules((name, base), &drops(condition), Format::Json, JSON.as_bytes(), is_dropped)?;
        }
        Ok(())
    }

    /// Adds searches, each beside a rule that reads the same text and decides by its length.
    fn searches(&mut self) -> Result<(), String> {
        let function = search::kernel_function("bpf_strnstr");
        if function.is_none() {
            eprintln!("SKIPPED: bpf_strnstr: this kernel has no such function");
        }
        for size in [1_024, 3_000] {
            let missing = payloads::syslog_of(&payloads::log_text(size));
            let hit = payloads::syslog_of(&format!("{} {WORD}", payloads::log_text(size - WORD.len() - 1)));
            let (load, read) = (format!("search, {size} B: load only"), format!("search, {size} B: read only"));
            self.load_only(&load, missing.as_bytes())?;
            self.rules((&read, &load), &drops(r#"Body == "x""#), Format::Syslog, missing.as_bytes(), false)?;
            for (payload, how) in [(&missing, "miss"), (&hit, "hit at the end")] {
                let name = format!("search, {size} B: bpf_strnstr, {how}");
                if let Some(function) = function.filter(|_| (self.is_asked)(&name)) {
                    let program = search::by_the_kernel(function, WORD);
                    self.add((&name, Some(&load)), &program, payload.as_bytes(), how != "miss")?;
                }
                for operator in ["contains_cs", "contains", "has", "matches regex"] {
                    let rule = drops(&format!(r#"tostring(Body) {operator} "{WORD}""#));
                    let name = format!("search, {size} B: {operator}, {how}");
                    self.rules((&name, &read), &rule, Format::Syslog, payload.as_bytes(), how != "miss")?;
                }
            }
        }
        Ok(())
    }

    /// Adds many patterns, many texts and many rules.
    fn many(&mut self) -> Result<(), String> {
        let payload = payloads::syslog_of(&payloads::log_text(1_024));
        let read = "search, 1024 B: read only";
        for count in [1, 6, 20] {
            let parts: Vec<String> =
                (0..count).map(|at| format!(r#"tostring(Body) contains "pattern{at}x""#)).collect();
            let name = format!("patterns: {count}");
            self.rules((&name, read), &drops(&parts.join(" or ")), Format::Syslog, payload.as_bytes(), false)?;
        }
        let base = "otlp, 1 record: load only";
        let request = payloads::request(&[BANNER]);
        for count in [10, 1_000] {
            let mut texts = format!("\"{BANNER}\"");
            (1..count).for_each(|at| write!(texts, ", \"Event{at}\"").expect("a string takes everything"));
            let rule = drops(&format!(r#"tostring(Attributes["EventName"]) in ({texts})"#));
            let name = format!("in: {count} texts, dropped");
            self.rules((&name, base), &rule, Format::Otlp, &request, true)?;
        }
        let rule =
            |at: usize| format!(r#"logs | where SeverityNumber >= 9 and Attributes["EventName"] == "Event{at}""#);
        for count in [1, 16, 64] {
            let rules: Vec<RuleText> = (0..count).map(|at| drop_rule(at, rule(at))).collect();
            self.rules((&format!("rules: {count}, kept"), base), &rules, Format::Otlp, &request, false)?;
        }
        Ok(())
    }
}

/// Returns the rule that drops what a condition is true of.
pub fn drops(condition: &str) -> Vec<RuleText> {
    vec![drop_rule(0, format!("logs | where {condition}"))]
}

fn drop_rule(at: usize, kql: String) -> RuleText {
    RuleText { name: format!("rule-{at}"), to: "drop", kql }
}
