//! What rules remember, over rule sets that replace each other while the process runs.

use crate::peers::{logs, logs_of, record, send_logs};
use crate::place::Place;
use crate::started::eventually;

/// Holds details until there is an error, lets two of each text a day pass, and counts.
const REMEMBERING: &str = "  - name: count
    to: metrics
    tiers: [collector]
    interval: 1h
    metrics: {seen: {name: logs.seen, type: sum, unit: '1'}}
    kql: logs | project seen = 1
  - name: errors-release
    to: flush:details
    key: tostring(Resource[\"service.name\"])
    kql: logs | where SeverityNumber >= 17
  - name: hold
    to: recorder:details
    key: tostring(Resource[\"service.name\"])
    recorder: {keep: 1h}
    kql: logs | where SeverityNumber between (1 .. 8)
  - name: few
    to: drop
    tiers: [collector]
    key: tostring(Body)
    above: {rate: 2/24h, burst: 2}
    kql: logs | where SeverityNumber == 9
";

fn other(word: &str) -> String {
    format!("  - {{name: other, to: drop, tiers: [collector], kql: logs | where Body == '{word}'}}\n")
}

#[test]
fn a_swap_that_does_not_touch_a_rule_keeps_what_it_remembers() {
    let place = Place::new(REMEMBERING);
    let running = place.start();
    send_logs(running.address, &logs(&[(5, "held 1"), (9, "info"), (9, "one"), (9, "one")]));
    assert_eq!(place.sink.bodies(), ["info", "one", "one"]);
    for (at, word) in ["a", "b", "c"].into_iter().enumerate() {
        place.write(&[REMEMBERING, &other(word)].concat());
        place.until(|status| status["version"] == at as u64 + 2);
    }
    // A rule goes off and on beside them, too.
    place.order(&["off", "other"]);
    place.order(&["on", "other"]);
    send_logs(running.address, &logs(&[(5, "held 2"), (9, "one"), (9, "two"), (9, "c")]));
    send_logs(running.address, &logs_of("mail", vec![record(5, "held of mail")]));
    // `one` has had its two; `c` is what the other rule drops by now.
    assert_eq!(place.sink.bodies(), ["info", "one", "one", "two"]);
    assert_eq!(place.account("hold")["account"]["held"], 3);
    send_logs(running.address, &logs(&[(17, "error")]));
    assert!(eventually(|| place.sink.bodies().len() == 7), "{:?}", place.sink.bodies());
    let mut bodies = place.sink.bodies();
    bodies.sort();
    assert_eq!(bodies, ["error", "held 1", "held 2", "info", "one", "one", "two"]);
    // Accounts go on, too.
    let account = place.account("few")["account"].clone();
    assert_eq!((&account["dropped"], &account["within_rate"]), (&1.into(), &5.into()));
    // The window that was open over all of it is handed out at the end: every record once.
    running.end();
    assert_eq!(place.sink.sum_of("logs.seen"), 10);
}

#[test]
fn a_rule_that_goes_gives_what_it_owes_or_discards_it_as_it_says() {
    for (on_shutdown, expected) in [("flush", vec!["held", "info"]), ("discard", vec!["info"])] {
        let place = Place::new(&REMEMBERING.replace("keep: 1h", &format!("keep: 1h, on_shutdown: {on_shutdown}")));
        let running = place.start();
        send_logs(running.address, &logs(&[(5, "held"), (9, "info")]));
        // Off by the ripcord is as good as gone.
        place.order(&["ripcord"]);
        assert!(eventually(|| place.sink.sum_of("logs.seen") == 2), "{}", place.status());
        place.order(&["restore"]);
        send_logs(running.address, &logs(&[(17, "error")]));
        running.end();
        let mut bodies = place.sink.bodies();
        bodies.sort();
        assert_eq!(bodies, [vec!["error"], expected].concat(), "{on_shutdown}");
        assert_eq!(place.sink.sum_of("logs.seen"), 3);
    }
}
