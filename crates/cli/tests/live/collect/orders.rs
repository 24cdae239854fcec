//! Orders to a process that runs: what takes effect, what outlives a kill, and what is written down.

use crate::peers::{logs, send_logs};
use crate::place::Place;
use serde_json::Value;

const HIDE: &str = "  - {name: hide, to: replace, on_error: drop, \
                    kql: \"logs | extend Body = iif(Body == 'secret', '***', tostring(Body))\"}\n";
const NO_DEBUG: &str = "  - {name: no-debug, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}\n";
const NO_TRACE: &str = "  - {name: no-trace, to: drop, kql: logs | where Body == 'trace'}\n";

const ALL: [(i32, &str); 4] = [(5, "debug"), (9, "info"), (9, "trace"), (17, "secret")];

fn lines<'a>(audit: &'a [Value], op: &str) -> Vec<&'a Value> {
    audit.iter().filter(|line| line["op"] == op).collect()
}

#[test]
fn files_are_watched_and_a_wrong_set_is_refused_while_the_old_one_stays() {
    let place = Place::new(NO_DEBUG);
    let running = place.start();
    assert_eq!(place.passes(&running, &ALL), ["info", "trace", "secret"]);
    place.write("  - {name: no-debug, to: drop, kql: logs | where SeverityNumbr == 1}\n  - {name: x, to: nowhere}\n");
    let status = place.until(|status| !status["refused"].is_null());
    let said = status["refused"]["diagnostics"].to_string();
    // All that is wrong, each with its code, its place and what to write instead.
    for part in ["E2001", "SeverityNumber", "rules.yaml:3:", "rules.yaml:4:", "E5008", "E5006"] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
    assert_eq!(status["version"], 1);
    assert_eq!(place.passes(&running, &ALL), ["info", "trace", "secret"]);
    let text = place.order(&["status"]);
    assert!(text.contains("the rule files are wrong since ") && text.contains("error[E2001]"), "{text}");
    let reload = place.dtq(&["ctl", "reload"]).code(78);
    assert!(reload.stderr.contains("the rule files are wrong; version 1 goes on"), "{}", reload.stderr);
    // What `check` says is what the process says.
    let check = crate::common::dtq(&["collect", "check", "--config", &place.argument("collect.yaml")]).code(78);
    assert!(check.stderr.contains("error[E2001]"), "{}", check.stderr);
    // Killed now, it begins with the last set that was right, and says so.
    running.kill();
    let running = place.start();
    assert_eq!(place.passes(&running, &ALL), ["info", "trace", "secret"]);
    assert!(!place.status()["refused"].is_null());
    place.write(&[NO_DEBUG, NO_TRACE].concat());
    let status = place.until(|status| status["version"] == 2);
    assert!(status["refused"].is_null(), "{status}");
    assert_eq!(place.passes(&running, &ALL), ["info", "secret"]);
    let audit = place.audit();
    let loads: Vec<(&Value, &Value)> =
        lines(&audit, "load").iter().map(|line| (&line["by"], &line["result"])).collect();
    let expected = [("files", "refused"), ("control", "refused"), ("start", "refused"), ("files", "ok")];
    assert_eq!(loads.len(), expected.len(), "{loads:?}");
    loads.iter().zip(expected).for_each(|((by, result), one)| assert!(**by == one.0 && **result == one.1, "{loads:?}"));
    assert!(lines(&audit, "load")[0]["diagnostics"].to_string().contains("E2001"));
    running.end();
}

#[test]
fn one_rule_goes_off_and_on_and_a_version_back() {
    let place = Place::new(&[NO_DEBUG, NO_TRACE].concat());
    let running = place.start();
    assert_eq!(place.passes(&running, &ALL), ["info", "secret"]);
    assert_eq!(place.order(&["off", "no-debug"]), "`no-debug` is off\n");
    assert_eq!(place.passes(&running, &ALL), ["debug", "info", "secret"]);
    place.order(&["on", "no-debug"]);
    assert_eq!(place.passes(&running, &ALL), ["info", "secret"]);
    place.write(NO_TRACE);
    place.until(|status| status["version"] == 2);
    assert_eq!(place.passes(&running, &ALL), ["debug", "info", "secret"]);
    place.order(&["off", "no-trace"]);
    place.order(&["rollback"]);
    // The order about one rule holds for other versions too.
    assert_eq!(place.passes(&running, &ALL), ["info", "trace", "secret"]);
    running.kill();
    let running = place.start();
    let status = place.status();
    assert_eq!((&status["version"], &status["rolled_back"]), (&1.into(), &true.into()));
    assert_eq!(place.passes(&running, &ALL), ["info", "trace", "secret"]);
    place.order(&["on", "no-trace"]);
    place.order(&["reload"]);
    let status = place.status();
    assert_eq!((&status["version"], &status["rolled_back"]), (&3.into(), &false.into()));
    assert_eq!(place.passes(&running, &ALL), ["debug", "info", "secret"]);
    let audit = place.audit();
    let orders: Vec<(&str, &str)> = (audit.iter())
        .filter(|line| line["by"] == "control")
        .map(|line| (line["op"].as_str().unwrap(), line["rule"].as_str().unwrap_or_default()))
        .collect();
    let expected = [
        ("off", "no-debug"),
        ("on", "no-debug"),
        ("off", "no-trace"),
        ("rollback", ""),
        ("on", "no-trace"),
        ("load", ""),
    ];
    assert_eq!(orders, expected);
    running.end();
}

#[test]
fn the_ripcord_takes_effect_with_its_answer_and_outlives_a_kill() {
    let place = Place::new(&[HIDE, NO_DEBUG, NO_TRACE].concat());
    let running = place.start();
    let (with_rules, pulled) = (["info", "***"], ["debug", "info", "trace", "***"]);
    assert_eq!(place.passes(&running, &ALL), with_rules);
    // Requests come all the while; the first that comes after the answer is judged by what was ordered.
    let address = running.address;
    let (ends, ended) = std::sync::mpsc::channel::<()>();
    let traffic = std::thread::spawn(move || {
        let mut count = 0_u64;
        while ended.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            send_logs(address, &logs(&[(9, "traffic")]));
            count += 1;
        }
        count
    });
    let said = place.order(&["ripcord"]);
    assert_eq!(said, "all rules but protective ones are off\n");
    let other_than_traffic = |came: Vec<String>| came.into_iter().filter(|one| one != "traffic").collect::<Vec<_>>();
    assert_eq!(other_than_traffic(place.passes(&running, &ALL)), pulled);
    drop(ends);
    assert!(traffic.join().unwrap() > 0);
    let text = place.order(&["status"]);
    assert!(text.contains("ripcord: pulled since ") && text.contains("all but protective rules are off"), "{text}");
    running.kill();
    let running = place.start();
    assert_eq!(place.passes(&running, &ALL), pulled);
    // Protective rules need a second word.
    let refused = place.dtq(&["ctl", "ripcord", "--also-protective"]).code(78);
    assert!(refused.stderr.contains("say --also-protective twice"), "{}", refused.stderr);
    assert_eq!(place.passes(&running, &ALL), pulled);
    place.order(&["ripcord", "--also-protective", "--also-protective"]);
    assert_eq!(place.passes(&running, &ALL), ["debug", "info", "trace", "secret"]);
    // Other files change nothing about it.
    place.write(&[HIDE, NO_DEBUG].concat());
    place.until(|status| status["version"] == 2);
    assert_eq!(place.passes(&running, &ALL), ["debug", "info", "trace", "secret"]);
    place.order(&["restore"]);
    assert_eq!(place.passes(&running, &ALL), ["info", "trace", "***"]);
    let audit = place.audit();
    let pulls: Vec<_> =
        lines(&audit, "ripcord").iter().map(|line| (&line["result"], &line["also_protective"])).collect();
    assert_eq!(
        format!("{pulls:?}"),
        r#"[(String("ok"), Number(0)), (String("refused"), Number(1)), (String("ok"), Number(2))]"#
    );
    let first = lines(&audit, "ripcord")[0];
    let own = std::fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own)).unwrap();
    assert_eq!((&first["uid"], first["pid"].is_u64(), first["time"].is_string()), (&own.into(), true, true));
    assert_eq!(lines(&audit, "restore").len(), 1);
    running.end();
}

#[test]
fn records_that_are_routed_go_where_the_rule_says_and_only_there() {
    let place = Place::new(
        "  - {name: copies, to: 'route:archive', copy: true, phase: observe, kql: logs | where Body == 'both'}
  - {name: audit-logs, to: 'route:archive', kql: logs | where Body startswith 'audit'}
  - {name: lost, to: 'route:nowhere', kql: logs | where Body == 'stray'}\n",
    );
    let running = place.start();
    let all = [(9, "audit 1"), (9, "both"), (9, "plain"), (9, "stray"), (9, "audit 2")];
    let mut passed = place.passes(&running, &all);
    passed.sort();
    assert_eq!(passed, ["both", "plain", "stray"]);
    let mut archived = place.archive.bodies();
    archived.sort();
    assert_eq!(archived, ["audit 1", "audit 2", "both"]);
    assert_eq!(place.account("audit-logs")["account"]["rerouted"], 2);
    // A destination that there is not: nothing is lost, and it is counted.
    assert_eq!(running.metric("dtq_unrouted_requests_total"), 1);
    running.end();
}
