//! The demonstration: two applications that know nothing of dtq, `dtq collect` behind them, and rules made while all runs.
//!
//! Every command that is shown is run as it stands, and everything that is claimed is looked up in what arrived; the first
//! claim that is not so ends it with an error. Read in order: this file (the story), `stage` (what runs), `arrived` (what
//! came out). Tests: `tests/live/demonstration.rs`.

mod arrived;

mod stage;

use arrived::Arrived;
use stage::{Stage, Traffic};
use std::time::Duration;

/// What the operator writes while all runs.
const RULES: &str = include_str!("../apps/rules/shop.yaml");

/// How long traffic is measured.
const MEASURED: Duration = Duration::from_secs(5);

/// Plays the demonstration; `say` takes what is shown, and says whether to go on.
///
/// # Errors
/// What is missing here, or which claim is not so.
pub fn run(say: &mut dyn FnMut(&str) -> bool) -> Result<(), String> {
    let mut stage = Stage::set(say)?;
    find(&mut stage)?;
    let before = stage.measure(MEASURED)?;
    write_rules(&mut stage)?;
    // What was judged before the rules changed may still be on its way.
    stage.measure(Duration::from_secs(1))?;
    let mark = stage.arrived()?.len();
    let after = stage.measure(MEASURED)?;
    show_bytes(&mut stage, &before, &after)?;
    show_arrived(&mut stage, mark)?;
    stage.title("All of it ends in order, and every banner that was dropped has been counted");
    stage.end()
}

/// Finds the noisiest event, and looks at one.
fn find(stage: &mut Stage<'_>) -> Result<(), String> {
    stage.title("What is noisy? By records, then by bytes");
    stage.wait_for_traffic()?;
    let arguments = ["top", "--socket", "state/control.sock", "--once", "--window", "3s", "-n", "6"];
    let by_records = stage.dtq(&arguments)?;
    claim(is_first(&by_records, "LogWelcomeBanner"), "LogWelcomeBanner is the event with the most records")?;
    let by_bytes = stage.dtq(&[&arguments[..], &["--bytes"]].concat())?;
    claim(is_first(&by_bytes, "LogWelcomeBanner"), "LogWelcomeBanner is the event with the most bytes")?;

    stage.title("What does one look like? The other service names its events in an attribute");
    let queries = [
        "logs | where EventName == \"LogWelcomeBanner\" | project Body, Attributes | take 1",
        "logs | where Attributes[\"EventName\"] == \"LogWelcomeBanner\" | project Body, Attributes | take 1",
    ];
    for query in queries {
        let shown = stage.dtq(&["tap", "--socket", "state/control.sock", query])?;
        claim(shown.contains("secret") && shown.contains("banner-key"), "the event has a secret")?;
    }
    Ok(())
}

/// Writes the rules, tries them, and lets the process take them.
fn write_rules(stage: &mut Stage<'_>) -> Result<(), String> {
    stage.title("A rule file: the secret goes, banners are counted, and then dropped");
    stage.write("shop.yaml", RULES)?;
    stage.show_file("shop.yaml", RULES);
    stage.dtq(&["check", "shop.yaml"])?;
    let tested = stage.dtq(&["test", "shop.yaml"])?;
    claim(tested.contains("0 failed"), "the tests of the rules pass")?;
    stage.title("It is put beside the others while everything runs");
    stage.say("$ mv shop.yaml rules/shop.yaml");
    stage.move_rules()?;
    let answer = stage.dtq(&["ctl", "--socket", "state/control.sock", "reload"])?;
    claim(!answer.is_empty(), "the process says what it did")?;
    stage.dtq(&["ctl", "--socket", "state/control.sock", "status"])?;
    Ok(())
}

fn show_bytes(stage: &mut Stage<'_>, before: &Traffic, after: &Traffic) -> Result<(), String> {
    stage.title("Bytes a second, before and after (/metrics: dtq_received_bytes_total, dtq_sent_bytes_total)");
    stage.say("          received        sent   of it sent");
    for (name, traffic) in [("before", before), ("after", after)] {
        let share = traffic.sent / traffic.received.max(1.0) * 100.0;
        stage.say(&format!("{name:<7} {:>9.0} {:>11.0} {share:>11.1}%", traffic.received, traffic.sent));
    }
    claim(before.sent > 0.9 * before.received, "before, everything was sent on")?;
    claim(after.sent < 0.5 * after.received, "after, less than half is sent on")?;
    let rules = stage.dtq(&["ctl", "--socket", "state/control.sock", "rules"])?;
    claim(["no-secrets", "count-banners", "no-banners"].iter().all(|name| rules.contains(name)), "rules are counted")
}

/// Compares what arrived before the rules with what arrived after.
fn show_arrived(stage: &mut Stage<'_>, mark: usize) -> Result<(), String> {
    stage.title("What arrived at the backend");
    let arrived = stage.wait_for("the metric arrives", |all| {
        let after = Arrived::of(&all[mark..]);
        after.metrics.contains_key("shop.welcome.banners") && after.events.contains_key("UserSignedIn")
    })?;
    let (before, after) = (Arrived::of(&arrived[..mark]), Arrived::of(&arrived[mark..]));
    for (name, side) in [("before", &before), ("after", &after)] {
        stage.say(&format!("{name}: {} log records, {} of them with a secret", side.records, side.secrets));
        for (event, count) in &side.events {
            stage.say(&format!("    {count:>7} {event}"));
        }
    }
    let banners = after.metrics.get("shop.welcome.banners").copied().unwrap_or_default();
    stage.say(&format!("the metric shop.welcome.banners counted {banners}"));
    if let Some(example) = &after.signed_in {
        stage.say(&format!("an event that had a secret: {example}"));
    }
    claim(before.events.contains_key("LogWelcomeBanner") && before.secrets > 0, "banners and secrets arrived before")?;
    claim(!after.events.contains_key("LogWelcomeBanner"), "no banner arrives after")?;
    claim(after.secrets == 0 && after.signed_in.is_some(), "events that had a secret arrive without it")?;
    claim(banners > 0.0, "banners are counted")?;
    claim(after.errors > 0, "errors still arrive")?;
    let metrics = ["shop.orders", "shop.recommendations"];
    claim(metrics.iter().all(|name| after.metrics.contains_key(*name)), "the metrics of both applications arrive")?;
    claim(after.services.len() == 2, "spans of both applications arrive")
}

/// Says whether the first row of a table is of an event.
fn is_first(table: &str, event: &str) -> bool {
    table.lines().nth(2).is_some_and(|row| row.contains(event))
}

fn claim(is_so: bool, what: &str) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(format!("it is not so that {what}")) }
}
