//! Every rule of the fixtures and the cookbook that the kernel may decide is one that it loads.

use crate::may_load;
use dtq_ebpf::filter::{Filter, Front};
use dtq_ebpf::payload::Format;
use dtq_kernel::share::{ShareOptions, share};
use dtq_kernel::{LoadError, Map, Program, ProgramKind};
use dtq_rules::compile::{Options, RuleSet, compile};
use dtq_rules::file::{self, Files};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const NOW: i64 = 639_000_000_000_000_000;

/// Files beside a rule file.
struct Folder(PathBuf);

impl Files for Folder {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(self.0.join(path)).map_err(|error| error.to_string())
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the files below a folder with one of these extensions.
fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|own| extensions.iter().any(|one| own == *one)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Returns the rule files in a text: all of it, or the blocks of a page.
fn rule_files(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "yaml") {
        return vec![text];
    }
    let blocks = text.split("```").filter_map(|block| block.find("apiVersion:").map(|start| block[start..].to_owned()));
    let queries: BTreeSet<&str> = text.lines().filter(|line| line.starts_with("logs | where ")).collect();
    let as_rules = queries.into_iter().map(|query| {
        let query = query.replace('\'', "''");
        format!("apiVersion: dtq/v1\nrules:\n  - {{name: query, to: drop, kql: '{query}'}}\n")
    });
    blocks.chain(as_rules).collect()
}

fn rule_set(text: &str, folder: &Path) -> Option<RuleSet> {
    let options = file::Options { now_ticks: NOW, ..file::Options::default() };
    let (read, _) = file::read("rules.yaml", text.as_bytes(), &Folder(folder.to_path_buf()), &options);
    compile(&[read], &Options { now_ticks: NOW, is_unoptimized: true, ..Options::default() }).set
}

fn load(filter: &Filter, front: Front, context: &str) {
    let maps: Vec<Map> = filter.maps.iter().map(|def| Map::create(def).unwrap()).collect();
    let kind = match front {
        Front::EgressPacket { .. } => ProgramKind::CgroupEgress,
        _ => ProgramKind::SocketFilter,
    };
    if let Err(error) = Program::load("filter", kind, &filter.program, &maps) {
        let log = if let LoadError::Kernel { log, .. } = &error { log.as_str() } else { "" };
        panic!("{context}\n{error}\n{}", &log[log.len().saturating_sub(3_000)..]);
    }
}

#[test]
fn rules_of_the_fixtures_and_the_cookbook_load() {
    let is_live = may_load("rules_of_the_fixtures_and_the_cookbook_load");
    let (mut sets, mut rules, mut down, mut loaded) = (0, 0, 0, 0);
    for folder in ["docs", "fixtures"] {
        for path in files(&root().join(folder), &["yaml", "md"]) {
            for text in rule_files(&path) {
                let Some(set) = rule_set(&text, path.parent().unwrap()) else { continue };
                sets += 1;
                for format in Format::ALL {
                    let fronts = [
                        (Front::UnixDatagram, false),
                        (Front::UdpDatagram, true),
                        (Front::EgressPacket { port: 4_317 }, false),
                    ];
                    for (front, has_lease) in fronts {
                        let shared = share(
                            &set,
                            &ShareOptions { format, front, has_lease, reads_counts: true, minds_expiry: true },
                        );
                        rules += shared.rules.len();
                        down += shared.rules.iter().filter(|rule| rule.filter_rule.is_some()).count();
                        // What does not go down says why.
                        let is_explained = |rule: &dtq_kernel::share::SharedRule| {
                            rule.filter_rule.is_some()
                                || rule.tally.is_some()
                                || rule.reason.is_some()
                                || !rule.stays.is_empty()
                        };
                        assert!(shared.rules.iter().all(is_explained), "{}: {:?}", path.display(), shared.rules);
                        if let (Some(filter), true) = (&shared.filter, is_live) {
                            load(filter, front, &format!("{}: {text}", path.display()));
                            loaded += 1;
                        }
                    }
                }
            }
        }
    }
    println!("{sets} sets, {rules} rules for a format and a socket, of which {down} go down; {loaded} filters loaded");
    assert!(down >= 60, "{down}");
}
