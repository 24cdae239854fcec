//! Orders of operators, and files that change.

use crate::common::*;
use dtq_collector::pipeline::Judge;
use dtq_collector::rules::protocol::{Request, RuleList};
use dtq_collector::rules::{Rules, Settings};
use dtq_collector::telemetry::text::append;
use std::os::unix::fs::{PermissionsExt, symlink};

const NO_DEBUG: &str = "  - {name: no-debug, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}\n";
const NO_SECRET: &str =
    "  - {name: no-secret, to: drop, on_error: drop, kql: logs | where tostring(Body) contains 'secret'}\n";

fn off(rule: &str) -> Request {
    Request::Off { rule: rule.into() }
}

fn on(rule: &str) -> Request {
    Request::On { rule: rule.into() }
}

#[test]
fn a_wrong_set_is_refused_and_the_one_that_ran_stays() {
    let place = Place::new(NO_DEBUG);
    let (rules, _owed) = place.start();
    let both = request(&[(5, "debug"), (9, "info")]);
    assert_eq!(bodies(&rules, &both), ["info"]);
    place.write("  - {name: no-debug, to: drop, kql: logs | where SeverityNumbr < 9}\n");
    let status = place.until(|status| status.refused.is_some());
    let refused = status.refused.unwrap();
    assert!(refused.diagnostics[0].contains("SeverityNumbr"), "{refused:?}");
    assert_eq!((status.version, bodies(&rules, &both)), (1, vec!["info".to_owned()]));
    // Reloading says what is wrong, too.
    let answer = place.ask(&Request::Reload);
    assert!(!answer.ok && answer.diagnostics[0].contains("SeverityNumbr"), "{answer:?}");
    // The wrong files do not keep the process from starting again.
    drop(rules);
    let (rules, _owed) = place.start();
    assert_eq!(bodies(&rules, &both), ["info"]);
    assert!(place.status().refused.is_some());
    place.write("  - {name: no-info, to: drop, kql: logs | where SeverityNumber == 9}\n");
    let status = place.until(|status| status.version == 2);
    assert_eq!((status.refused, bodies(&rules, &both)), (None, vec!["debug".to_owned()]));
    let loads: Vec<_> = place.audit().into_iter().filter(|line| line["op"] == "load").collect();
    let results: Vec<_> =
        loads.iter().map(|line| (line["by"].as_str().unwrap(), line["result"].as_str().unwrap())).collect();
    assert_eq!(results, [("files", "refused"), ("control", "refused"), ("start", "refused"), ("files", "ok")]);
}

#[test]
fn the_first_start_needs_right_rules() {
    let place = Place::new("  - {name: wrong, to: drop, kql: logs | wher true}\n");
    let refusal = Rules::start(place.settings()).err().unwrap().to_string();
    assert!(refusal.contains("wher") && refusal.contains("rules.yaml"), "{refusal}");
    assert!(Rules::check(&place.settings()).is_err());
    let missing = Settings { files: vec![place.path("nowhere.yaml")], ..place.settings() };
    let refusal = Rules::start(missing).err().unwrap().to_string();
    assert!(refusal.contains("nowhere.yaml"), "{refusal}");
}

#[test]
fn a_config_map_is_swapped_by_its_link() {
    let place = Place::new(NO_DEBUG);
    let mount = place.path("mount");
    for (name, rules) in [("..1", NO_DEBUG), ("..2", NO_SECRET)] {
        std::fs::create_dir_all(mount.join(name)).unwrap();
        std::fs::write(mount.join(name).join("rules.yaml"), format!("apiVersion: dtq/v1\nrules:\n{rules}")).unwrap();
    }
    symlink("..1", mount.join("..data")).unwrap();
    symlink("..data/rules.yaml", mount.join("rules.yaml")).unwrap();
    let settings = Settings { files: vec![mount.clone()], ..place.settings() };
    let (rules, _owed) = Rules::start(settings).unwrap();
    let both = request(&[(5, "debug"), (9, "secret")]);
    assert_eq!(bodies(&rules, &both), ["secret"]);
    symlink("..2", mount.join("..data_tmp")).unwrap();
    std::fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    place.until(|status| status.version == 2);
    assert_eq!(bodies(&rules, &both), ["debug"]);
}

#[test]
fn rules_are_turned_off_and_on_and_stay_so() {
    let place = Place::new(&format!("{NO_DEBUG}{NO_SECRET}"));
    let (rules, _owed) = place.start();
    let all = request(&[(5, "debug"), (9, "secret"), (9, "info")]);
    assert_eq!(bodies(&rules, &all), ["info"]);
    place.done(&off("no-debug"));
    assert_eq!(bodies(&rules, &all), ["debug", "info"]);
    drop(rules);
    let (rules, _owed) = place.start();
    assert_eq!(bodies(&rules, &all), ["debug", "info"]);
    assert_eq!(place.status().off, ["no-debug"]);
    // Another version of the files does not turn it on.
    place.write(&format!(
        "{NO_DEBUG}{NO_SECRET}  - {{name: more, to: drop, mode: 'off', kql: logs | where Body == 'info'}}\n"
    ));
    place.until(|status| status.version == 2);
    assert_eq!(bodies(&rules, &all), ["debug", "info"]);
    place.done(&on("no-debug"));
    place.done(&on("more"));
    assert_eq!(bodies(&rules, &all), Vec::<String>::new());
    let unknown = place.ask(&off("no-debg"));
    assert!(!unknown.ok && unknown.message.contains("`no-debug`"), "{unknown:?}");
    let orders: Vec<_> = place.audit().into_iter().filter(|line| line["by"] == "control").collect();
    let said: Vec<String> =
        orders.iter().map(|line| format!("{} {} {}", line["op"], line["rule"], line["result"])).collect();
    let expected = ["off no-debug ok", "on no-debug ok", "on more ok", "off no-debg refused"];
    assert_eq!(said.join(", ").replace('"', ""), expected.join(", "));
    let me = (std::process::id(), rustix::process::geteuid().as_raw());
    assert!(orders.iter().all(|line| (line["pid"] == me.0) && line["uid"] == me.1));
}

#[test]
fn the_ripcord_leaves_protective_rules_unless_it_is_said_twice() {
    let place = Place::new(&format!("{NO_DEBUG}{NO_SECRET}"));
    let (rules, _owed) = place.start();
    let all = request(&[(5, "debug"), (9, "secret"), (9, "info")]);
    place.done(&Request::Ripcord { also_protective: 0 });
    assert_eq!(bodies(&rules, &all), ["debug", "info"]);
    let list: RuleList = serde_json::from_value(place.done(&Request::Rules).result).unwrap();
    let modes: Vec<_> = list.rules.iter().map(|rule| (rule.name.as_str(), rule.mode.as_str())).collect();
    assert_eq!(modes, [("no-secret", "enforce"), ("no-debug", "off")]);
    drop(rules);
    let (rules, _owed) = place.start();
    assert_eq!(bodies(&rules, &all), ["debug", "info"]);
    assert!(!place.ask(&Request::Ripcord { also_protective: 1 }).ok);
    assert_eq!(bodies(&rules, &all), ["debug", "info"]);
    place.done(&Request::Ripcord { also_protective: 2 });
    assert_eq!(bodies(&rules, &all), ["debug", "secret", "info"]);
    place.done(&Request::Restore);
    assert_eq!(bodies(&rules, &all), ["info"]);
    assert_eq!(place.audit().iter().filter(|line| line["op"] == "ripcord").count(), 3);
}

#[test]
fn a_protective_rule_keeps_the_table_that_it_needs() {
    let place = Place::new(
        "  - {name: bad-services, to: 'table:bad', for: 1h, key: service, \
         kql: 'logs | where Body == \"bad\" | project service = tostring(Resource[\"service.name\"])'}\n  \
         - {name: hide, to: drop, tiers: [collector], on_error: drop, phase: reduce, \
         kql: 'logs | where tostring(Resource[\"service.name\"]) in ((bad | project service))'}\n",
    );
    let (rules, _owed) = place.start();
    let one = request(&[(9, "bad"), (9, "after")]);
    place.done(&Request::Ripcord { also_protective: 0 });
    judge(&rules, &one);
    assert_eq!(bodies(&rules, &one), Vec::<String>::new());
    // Turned off alone, its table is missed.
    let answer = place.ask(&off("bad-services"));
    assert!(!answer.ok || bodies(&rules, &one).is_empty(), "{answer:?}");
}

#[test]
fn a_rollback_stays_until_files_change() {
    let place = Place::new(NO_DEBUG);
    let (rules, _owed) = place.start();
    let all = request(&[(5, "debug"), (9, "secret")]);
    place.write(NO_SECRET);
    place.until(|status| status.version == 2);
    assert_eq!(bodies(&rules, &all), ["debug"]);
    place.done(&Request::Rollback { version: None });
    assert_eq!(bodies(&rules, &all), ["secret"]);
    assert!(!place.ask(&Request::Rollback { version: None }).ok);
    assert!(!place.ask(&Request::Rollback { version: Some(77) }).ok);
    drop(rules);
    let (rules, _owed) = place.start();
    let status = place.status();
    assert!(status.rolled_back && status.version == 1, "{status:?}");
    assert_eq!(bodies(&rules, &all), ["secret"]);
    place.write(&format!("{NO_DEBUG}{NO_SECRET}"));
    let status = place.until(|status| status.version == 3);
    assert!(!status.rolled_back);
    assert_eq!(bodies(&rules, &all), Vec::<String>::new());
    // A reload ends a rollback, too.
    place.done(&Request::Rollback { version: Some(2) });
    assert_eq!(bodies(&rules, &all), ["debug"]);
    place.done(&Request::Reload);
    assert_eq!(bodies(&rules, &all), Vec::<String>::new());
}

#[test]
fn a_rule_that_turned_itself_off_is_turned_on_again() {
    let place = Place::new(
        "  - name: dear\n    to: drop\n    tiers: [collector]\n    limits: {ns_per_record: 1}\n    kql: logs | where Body == 'one'\n",
    );
    let (rules, _owed) = place.start();
    // Its cost is measured over ten seconds, which nobody waits for here: that it is turned off and on again is enough.
    assert_eq!(bodies(&rules, &request(&[(9, "one")])), Vec::<String>::new());
    assert!(place.done(&on("dear")).message.contains("is on"));
}

#[test]
fn the_socket_is_for_its_user_and_survives_nonsense() {
    let place = Place::new(NO_DEBUG);
    let (rules, _owed) = place.start();
    let mode = std::fs::metadata(place.path("control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Another process may not take the folder or the socket of a living one.
    assert!(Rules::start(place.settings()).is_err());
    let elsewhere = Settings { state: Some(place.path("other")), ..place.settings() };
    let refusal = Rules::start(elsewhere).err().unwrap().to_string();
    assert!(refusal.contains("control.sock"), "{refusal}");
    use std::io::{BufRead, BufReader, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(place.path("control.sock")).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    for nonsense in ["{}", "[]", "\u{0}", "{\"op\":\"off\"}", "{\"op\":\"off\",\"rule\":1}", "{\"op\":\"of\"}", ""] {
        stream.write_all(format!("{nonsense}\n").as_bytes()).unwrap();
        let answer = lines.next().unwrap().unwrap();
        assert!(answer.contains("\"ok\":false"), "{answer}");
    }
    stream.write_all(&vec![b'x'; 64 << 10]).unwrap();
    assert!(lines.next().unwrap().unwrap().contains("a line of at most"));
    assert!(place.status().problems.is_empty());
    drop(rules);
    assert!(!place.path("control.sock").exists());
}

#[test]
fn what_rules_owe_comes_at_the_end() {
    let place = Place::new(
        "  - name: count\n    to: metrics\n    tiers: [collector]\n    interval: 1h\n    \
         metrics: {seen: {name: logs.seen, type: sum, unit: '1'}}\n    kql: logs | project seen = 1\n",
    );
    let (rules, mut owed) = place.start();
    let _ = judge(&rules, &request(&[(9, "one")]));
    let mut text = String::new();
    append(&mut text, &rules.families());
    assert!(text.contains("dtq_rule_active{rule=\"count\"} 1\n"), "{text}");
    let last = runtime().block_on(rules.finish());
    assert_eq!(last.iter().map(|one| one.signal).collect::<Vec<_>>(), [dtq_record::otlp::Signal::Metrics]);
    assert!(runtime().block_on(owed.recv()).is_none());
    // Who comes later passes, and is counted.
    assert_eq!(bodies(&rules, &request(&[(9, "late")])), ["late"]);
    assert_eq!(rules.shared().counts.unjudged.load(std::sync::atomic::Ordering::Relaxed), 1);
}
