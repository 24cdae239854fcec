//! What of a rule set the kernel decides, to lines for people and JSON for machines. Next: `advice.rs`.

use dtq_ebpf::filter::{Filter, Front};
use dtq_ebpf::{MapDef, MapKind};
use dtq_kernel::share::{ShareOptions, Shared, SharedRule};
use serde_json::{Value, json};
use std::fmt::Write;

/// Says how much of a rule goes into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of its condition.
    Whole,
    /// A part of it.
    Part,
    /// Nothing.
    Nothing,
}

impl Extent {
    /// Returns how much of a rule goes into the kernel.
    pub fn of(rule: &SharedRule) -> Self {
        match (rule.filter_rule, rule.stays.is_empty()) {
            (None, _) => Self::Nothing,
            (Some(_), true) => Self::Whole,
            (Some(_), false) => Self::Part,
        }
    }

    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Part => "part",
            Self::Nothing => "nothing",
        }
    }
}

/// Returns a line for each rule, and below it one for each part of its condition.
pub fn text(shared: &Shared) -> String {
    let mut out = String::new();
    for rule in &shared.rules {
        let extent = match Extent::of(rule) {
            Extent::Whole => "goes down",
            Extent::Part => "goes down in part",
            Extent::Nothing => "stays up",
        };
        let reason = rule.reason.iter().map(|reason| format!(": {reason}")).collect::<String>();
        line(&mut out, &format!("{}: {extent}{reason}", rule.name));
        for part in &rule.down {
            line(&mut out, &format!("  down: {part}"));
        }
        for (part, reason) in &rule.stays {
            line(&mut out, &format!("  up: {part}: {reason}"));
        }
    }
    out
}

/// Returns what a filter consists of, as a line.
pub fn filter_text(filter: &Filter) -> String {
    let maps: Vec<&str> = filter.maps.iter().map(|map| map.name.as_str()).collect();
    format!("{} instructions; maps: {}", filter.program.len(), maps.join(", "))
}

/// Returns the definition of a map, as a line.
pub fn map_text(map: &MapDef) -> String {
    let initial = if map.initial.is_empty() { "" } else { ", filled before it runs" };
    format!(
        "{}: {}, keys of {} bytes, values of {}, at most {}{initial}",
        map.name,
        kind_name(map.kind),
        map.key_size,
        map.value_size,
        map.entries_max
    )
}

/// Returns all of it as JSON.
pub fn json(shared: &Shared, options: &ShareOptions) -> Value {
    let rules = shared.rules.iter().map(|rule| {
        let stays = rule.stays.iter().map(|(part, reason)| json!({"part": part, "reason": reason}));
        json!({
            "rule": rule.name,
            "goes": Extent::of(rule).name(),
            "position": rule.filter_rule,
            "reason": rule.reason,
            "down": rule.down,
            "stays": stays.collect::<Vec<_>>(),
        })
    });
    json!({
        "payload": options.format.name(),
        "front": front_name(options.front),
        "rules": rules.collect::<Vec<_>>(),
        "instructions": shared.filter.as_ref().map(|filter| filter.program.len()),
        "maps": shared.filter.iter().flat_map(|filter| &filter.maps).map(map_json).collect::<Vec<_>>(),
    })
}

fn map_json(map: &MapDef) -> Value {
    json!({
        "name": map.name,
        "kind": kind_name(map.kind),
        "key_size": map.key_size,
        "value_size": map.value_size,
        "entries_max": map.entries_max,
    })
}

fn front_name(front: Front) -> &'static str {
    match front {
        Front::UnixDatagram => "unix",
        Front::UdpDatagram => "udp",
        Front::EgressPacket { .. } => "egress",
    }
}

/// Returns the word that bpftool has for a kind of map.
fn kind_name(kind: MapKind) -> &'static str {
    match kind {
        MapKind::Hash => "hash",
        MapKind::Array => "array",
        MapKind::PerCpuHash => "percpu_hash",
        MapKind::PerCpuArray => "percpu_array",
        MapKind::LruHash => "lru_hash",
        MapKind::RingBuffer => "ringbuf",
    }
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("a string can be written to");
}
