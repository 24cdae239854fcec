//! The probe: what root, a user without rights, and one with CAP_BPF alone are told.

use crate::filters::{Role, as_other_user, command, constant, role};
use crate::{load, may_load};
use dtq_kernel::probe::{Answer, Feature, Level, Probe};
use dtq_kernel::{Program, ProgramKind};
use serde_json::Value;
use std::os::fd::{AsFd, OwnedFd};

/// Is the process with other rights: prints what it may do.
#[test]
fn probe_child() {
    if role().as_deref() != Some("probe") {
        return;
    }
    // Standard input is a program that the parent has loaded, or none.
    let input: OwnedFd = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let inherited = Program::inherit(input, ProgramKind::SocketFilter).ok();
    let probe = Probe::run(inherited.as_ref());
    eprintln!("{probe}");
    println!("ready {}", serde_json::to_string(&probe).unwrap());
}

/// Probes as another user with these capabilities; `None`, said loudly, when that user cannot be.
fn probe_as(test: &str, capabilities: &str, inherited: Option<&Program>) -> Option<Value> {
    let (mut other, _folder) = as_other_user(&command("probe::probe_child", "probe"), capabilities);
    let said = match inherited {
        Some(program) => {
            other.stdin(program.as_fd().try_clone_to_owned().unwrap());
            let output = other.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            output.ok().and_then(|text| Some(text.lines().find_map(|line| line.split_once("ready "))?.1.to_owned()))
        }
        None => Some(Role::start(other).said.clone()),
    };
    let parsed = said.and_then(|said| serde_json::from_str(&said).ok());
    if parsed.is_none() {
        eprintln!("SKIPPED: {test}: no process can be started as user 65534 by setpriv");
    }
    parsed
}

/// Returns what a probe says of a feature.
fn answer<'p>(probe: &'p Value, feature: &str) -> &'p Value {
    let answers = probe["answers"].as_array().unwrap();
    &answers.iter().find(|pair| pair[0] == feature).unwrap()[1]
}

#[test]
fn root_may_do_everything_that_the_tier_needs() {
    if !may_load("root_may_do_everything_that_the_tier_needs") {
        return;
    }
    let program = load(&constant(0), &[]);
    let probe = Probe::run(Some(&program));
    let text = probe.to_string();
    assert_eq!(probe.level, Level::Full, "{text}");
    for (feature, answer) in &probe.answers {
        // What depends on the machine beside rights may be missing, with a reason.
        let may_be_missing =
            matches!(feature, Feature::CgroupEgress | Feature::Uprobes | Feature::OtherSockets | Feature::NativeCode);
        assert!(*answer == Answer::Yes || may_be_missing, "{text}");
    }
    assert!(text.starts_with("level     full") && text.contains("CAP_BPF"), "{text}");
    println!("{text}");
}

#[test]
fn a_user_without_rights_is_told_what_is_missing() {
    let Some(probe) = probe_as("a_user_without_rights_is_told_what_is_missing", "", None) else { return };
    if probe["settings"]["unprivileged_bpf_disabled"] == 0 {
        eprintln!("SKIPPED: a_user_without_rights_is_told_what_is_missing: everybody may load programs here");
        return;
    }
    assert_eq!((&probe["level"], &probe["settings"]["uid"]), (&"classic-filter".into(), &65534.into()), "{probe}");
    for feature in ["maps", "socket-filter", "ring-buffer", "search"] {
        assert_eq!(answer(&probe, feature)["no"]["reason"], "this process lacks CAP_BPF", "{feature}: {probe}");
    }
    assert_eq!(answer(&probe, "cgroup-egress")["no"]["reason"], "this process lacks CAP_BPF and CAP_NET_ADMIN");
    assert_eq!(answer(&probe, "other-sockets")["no"]["reason"], "this process lacks CAP_SYS_PTRACE");
    assert_eq!(answer(&probe, "classic-filter"), "yes");
    assert!(answer(&probe, "maps")["no"]["remedy"].as_str().unwrap().contains("setcap"));
}

#[test]
fn a_user_without_rights_may_attach_what_was_handed_on() {
    if !may_load("a_user_without_rights_may_attach_what_was_handed_on") {
        return;
    }
    let program = load(&constant(0), &[]);
    let probe = probe_as("a_user_without_rights_may_attach_what_was_handed_on", "", Some(&program));
    let Some(probe) = probe else { return };
    if probe["settings"]["unprivileged_bpf_disabled"] != 0 {
        assert_eq!(probe["level"], "inherited-program", "{probe}");
    }
    assert_eq!(answer(&probe, "inherited-program"), "yes");
}

#[test]
fn a_user_with_cap_bpf_alone_may_do_less() {
    if !may_load("a_user_with_cap_bpf_alone_may_do_less") {
        return;
    }
    let test = "a_user_with_cap_bpf_alone_may_do_less";
    let Some(probe) = probe_as(test, ",+bpf", None) else { return };
    assert_eq!(probe["settings"]["capabilities"], serde_json::json!(["CAP_BPF"]));
    for feature in ["maps", "per-cpu-maps", "ring-buffer", "socket-filter", "classic-filter"] {
        assert_eq!(answer(&probe, feature), "yes", "{feature}: {probe}");
    }
    assert_eq!(answer(&probe, "cgroup-egress")["no"]["reason"], "this process lacks CAP_NET_ADMIN");
    assert_eq!(answer(&probe, "uprobes")["no"]["reason"], "this process lacks CAP_PERFMON");
    // Whether searches load without CAP_PERFMON depends on how the kernel guards against Spectre.
    assert!(probe["level"] == "full" || probe["level"] == "restricted-code", "{probe}");
    let Some(both) = probe_as(test, ",+bpf,+perfmon", None) else { return };
    assert_eq!(both["level"], "full", "{both}");
}
