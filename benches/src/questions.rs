//! The reference work as rules.

use dtq_workload::rules::Rule;
use std::fmt::Write;

/// Holds a rule of a rule file.
pub struct RuleText {
    /// Its name.
    pub name: String,
    /// Its destination.
    pub to: &'static str,
    /// Its query.
    pub kql: String,
}

/// F1: a number.
pub const F1: &str = "logs | where SeverityNumber >= 17";

/// F2: an attribute.
pub const F2: &str = r#"logs | where Attributes["EventName"] != "LogWelcomeBanner""#;

/// F3: number, resource, attribute and body.
pub const F3: &str = r#"logs | where SeverityNumber >= 9 and (Resource["service.name"] == "checkout" or toint(Attributes["http.status_code"]) >= 500) and tostring(Body) contains_cs "timeout""#;

/// F4: texts, one in any case, one a regular expression.
pub const F4: &str = r#"logs | where tostring(Body) contains "error" or tostring(Attributes["http.route"]) startswith "/api/v1/" or tostring(Body) matches regex "user=[0-9]+ failed""#;

/// T1: an attribute goes from some records and one comes to others.
pub const T1: &str = r#"logs | extend Attributes = iff(Attributes["EventName"] == "LogWelcomeBanner", bag_remove_keys(Attributes, dynamic(["secret"])), Attributes) | extend Attributes = iff(todouble(Attributes["duration_ms"]) > 500, bag_set_key(Attributes, "tier", "gold"), Attributes)"#;

/// A condition that the resource settles: never true here.
pub const SETTLED: &str = r#"logs | where Resource["service.name"] == "nowhere""#;

/// A condition that the resource settles: true of two in eight.
pub const BY_RESOURCE: &str = r#"logs | where Resource["service.name"] in ("checkout", "cart")"#;

/// Nothing.
pub const NOTHING: &str = "logs | where false";

/// Returns a rule set of one rule.
pub fn one(to: &'static str, kql: &str) -> Vec<RuleText> {
    vec![RuleText { name: "one".to_owned(), to, kql: kql.to_owned() }]
}

/// Returns rules that drop: the first that matches is the one that counts the record, since no later one sees it.
pub fn dropping(rules: &[Rule]) -> Vec<RuleText> {
    let texts = rules.iter().enumerate().map(|(index, rule)| {
        let Rule { severity_min, service, status_min, word } = rule;
        let kql = format!(
            r#"logs | where SeverityNumber >= {severity_min} and (Resource["service.name"] == "{service}" or toint(Attributes["http.status_code"]) >= {status_min}) and tostring(Body) contains_cs "{word}""#
        );
        RuleText { name: format!("rule-{index:05}"), to: "drop", kql }
    });
    texts.collect()
}

/// Returns a rule file.
pub fn file(rules: &[RuleText]) -> String {
    let mut yaml = "apiVersion: dtq/v1\nrules:\n".to_owned();
    for RuleText { name, to, kql } in rules {
        writeln!(yaml, "  - name: {name}\n    to: {to}\n    kql: |\n      {kql}").expect("a string takes everything");
    }
    yaml
}
