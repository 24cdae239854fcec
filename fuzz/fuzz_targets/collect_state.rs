//! Any bytes as what an earlier process left in the folder of the state: a process begins all the same, and says what it
//! cannot read.
#![no_main]

use dtq_collector::events::Events;
use dtq_collector::rules::governor::{Governor, Who};
use dtq_collector::rules::settings::EngineChoice;
use dtq_collector::rules::{Bounds, Settings};
use dtq_fuzz::Share;
use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::LazyLock;

static SHARE: Share = Share::new();

const RULES: &str = "apiVersion: dtq/v1\nrules:\n  - {name: a, to: drop, kql: logs | where Body == 'a'}\n  \
                     - {name: b, to: drop, on_error: drop, kql: logs | where Body == 'b'}\n";

/// A folder in memory, since each input writes and syncs files.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let base = PathBuf::from("/dev/shm");
    let base = if base.is_dir() { base } else { std::env::temp_dir() };
    let folder = base.join(format!("dtq-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("state/versions")).expect("it can be made");
    std::fs::write(folder.join("rules.yaml"), RULES).expect("it can be written");
    folder
});

/// What the files are made of.
const STATES: &[&str] = &[
    "{\"off\":[\"a\"],\"on\":[],\"ripcord\":null,\"pinned\":null}",
    "{\"off\":[\"a\",\"zz\",\"../x\"],\"on\":[\"b\"]}",
    "{\"ripcord\":{\"since\":\"now\",\"also_protective\":true}}",
    "{\"pinned\":{\"version\":1,\"against\":\"x\"}}",
    "{\"pinned\":{\"version\":18446744073709551615,\"against\":\"\"}}",
    "{\"more\":1}",
    "{}",
];
const VERSIONS: &[&str] = &[
    "{\"version\":1,\"time\":\"t\",\"content\":{\"files\":[{\"path\":\"/r/rules.yaml\",\"bytes\":{\"Ok\":\"apiVersion: dtq/v1\\nrules: []\\n\"}}],\"beside\":{}}}",
    "{\"version\":1,\"time\":\"t\",\"content\":{\"files\":[{\"path\":\"r\",\"bytes\":{\"Ok\":\"apiVersion: dtq/v1\\nrules: [{name: a, to: drop, kql: {file: x.kql}}]\\n\"}}],\"beside\":{\"x.kql\":{\"Ok\":\"logs\"}}}}",
    "{\"version\":7,\"time\":\"t\",\"content\":{\"files\":[{\"path\":\"\",\"bytes\":{\"Err\":\"gone\"}}],\"beside\":{\"/etc/passwd\":{\"Err\":\"no\"}}}}",
    "{\"version\":1,\"time\":\"t\",\"content\":{\"files\":[{\"path\":\"r\",\"bytes\":{\"Ok\":[0,255]}}],\"beside\":{}}}",
];

/// Returns a file: bytes as they are, a whole one, or one with a byte changed.
fn content<'a>(kind: u8, all: &[&'a str], rest: &'a [u8]) -> Vec<u8> {
    let mut whole = all[usize::from(kind / 4) % all.len()].as_bytes().to_vec();
    match (kind % 4, rest) {
        (0, _) => rest.to_vec(),
        (1, [at, byte, ..]) => {
            let at = usize::from(*at) % whole.len();
            whole[at] = *byte;
            whole
        }
        (2, [at, ..]) => {
            whole.truncate(usize::from(*at));
            whole
        }
        _ => whole,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let [first, second, version, rest @ ..] = bytes else { return };
    let folder = FOLDER.join("state");
    std::fs::write(folder.join("state.json"), content(*first, STATES, rest)).expect("it can be written");
    let name = format!("versions/{}.json", version % 3);
    std::fs::write(folder.join(name), content(*second, VERSIONS, rest)).expect("it can be written");
    let settings = Settings {
        files: vec![FOLDER.join("rules.yaml")],
        socket: None,
        state: Some(folder.clone()),
        engine: EngineChoice::Interp,
        bounds: Bounds { audit_bytes: 64 << 10, ..Bounds::default() },
    };
    let (governor, _owed, thread) = Governor::open(settings, None, Events::silent()).expect("the rule files are right");
    let status = governor.status();
    SHARE.count(status.problems.is_empty());
    assert!(status.versions.len() <= 17, "{}", status.versions.len());
    for version in [0, 1, 2, 7] {
        let answer = governor.rollback(Who::Start, Some(version));
        assert!(answer.ok || !answer.message.is_empty());
    }
    // What was ordered over what was found is kept, and found again.
    assert!(governor.off(Who::Start, "a").ok || governor.rule_list().rules.iter().all(|rule| rule.name != "a"));
    assert!(governor.reload(Who::Start).ok);
    drop(governor);
    thread.join().expect("it ends");
    for entry in std::fs::read_dir(folder.join("versions")).expect("it is there").flatten() {
        let _ = std::fs::remove_file(entry.path());
    }
});
