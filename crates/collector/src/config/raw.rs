//! The configuration as it stands in YAML: every value a text with its place, every unknown key an error.
//!
//! Goes on after a mistake, so that one look shows all of them. Decides nothing else; `mod.rs` does. The schema in
//! `docs/collect.schema.json` has the same keys. Next: `value.rs`.

use super::value::Fault;
use super::yaml::{Kind, Node};
use std::collections::BTreeMap;

/// A value, and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// The value as it is written.
    pub value: String,
    /// The line, from 1; 0 where it does not stand at all.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
}

/// From how alike on an unknown key is taken for a known one.
const LIKENESS_MIN: f64 = 0.8;

/// Is read from a node.
pub trait FromNode: Default {
    /// Returns what a node says; what is wrong with it comes to `faults`.
    fn from_node(node: &Node, faults: &mut Vec<Fault>) -> Self;

    /// Returns what there is when a key of a section is missing.
    fn absent(_section: &Node, _key: &str, _faults: &mut Vec<Fault>) -> Self {
        Self::default()
    }
}

impl FromNode for Text {
    fn from_node(node: &Node, faults: &mut Vec<Fault>) -> Self {
        let value = match &node.kind {
            Kind::Text(value) => value.clone(),
            Kind::Null => String::new(),
            Kind::List(_) | Kind::Map(_) => {
                faults.push(node.fault("this is one value, no list and no mapping"));
                String::new()
            }
        };
        Self { value, line: node.line, column: node.column }
    }

    fn absent(section: &Node, key: &str, faults: &mut Vec<Fault>) -> Self {
        faults.push(section.fault(format!("`{key}` is missing here")));
        Self::default()
    }
}

impl<T: FromNode> FromNode for Option<T> {
    fn from_node(node: &Node, faults: &mut Vec<Fault>) -> Self {
        (!matches!(node.kind, Kind::Null)).then(|| T::from_node(node, faults))
    }
}

impl<T: FromNode> FromNode for Vec<T> {
    fn from_node(node: &Node, faults: &mut Vec<Fault>) -> Self {
        match &node.kind {
            Kind::Null => Vec::new(),
            Kind::List(nodes) => nodes.iter().map(|node| T::from_node(node, faults)).collect(),
            Kind::Text(_) | Kind::Map(_) => {
                faults.push(node.fault("a list stands here: `[...]`, or lines that begin with `- `"));
                Vec::new()
            }
        }
    }
}

impl<T: FromNode> FromNode for BTreeMap<String, T> {
    fn from_node(node: &Node, faults: &mut Vec<Fault>) -> Self {
        let mut map = Self::new();
        for (name, key, value) in keys(node, faults) {
            let value = T::from_node(value, faults);
            if map.insert(name.to_owned(), value).is_some() {
                faults.push(key.fault(format!("`{name}` stands here twice")));
            }
        }
        map
    }
}

/// Returns the keys of a mapping, with where they stand and what they hold.
fn keys<'n>(node: &'n Node, faults: &mut Vec<Fault>) -> Vec<(&'n str, &'n Node, &'n Node)> {
    let pairs = match &node.kind {
        Kind::Null => return Vec::new(),
        Kind::Map(pairs) => pairs,
        Kind::Text(_) | Kind::List(_) => {
            faults.push(node.fault("keys with values stand here: `{key: value}`, or lines of `key: value`"));
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for (key, value) in pairs {
        match &key.kind {
            Kind::Text(name) => found.push((name.as_str(), key, value)),
            _ => faults.push(key.fault("a key is a word")),
        }
    }
    found
}

/// Notes a key that there is not, with the one that may be meant, or all.
fn unknown(name: &str, key: &Node, known: &[&str], faults: &mut Vec<Fault>) {
    let likeness = known.iter().map(|one| (strsim::jaro_winkler(one, name), one));
    let near = likeness.filter(|(likeness, _)| *likeness >= LIKENESS_MIN).max_by(|one, two| one.0.total_cmp(&two.0));
    let hint = match near {
        Some((_, near)) => format!("did you mean `{near}`?"),
        None => format!("there are {}", known.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ")),
    };
    faults.push(key.fault(format!("there is no key `{name}` here; {hint}")));
}

/// Makes a section: the keys that it has, and how it is read.
macro_rules! section {
    ($(#[$meta:meta])* pub struct $name:ident { $(pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub struct $name {
            $(pub $field: $type,)*
        }

        impl FromNode for $name {
            fn from_node(node: &Node, faults: &mut Vec<Fault>) -> Self {
                let found = keys(node, faults);
                let known = [$(stringify!($field)),*];
                for (index, (name, key, _)) in found.iter().enumerate() {
                    if !known.contains(name) {
                        unknown(name, key, &known, faults);
                    } else if found[..index].iter().any(|(before, ..)| before == name) {
                        faults.push(key.fault(format!("`{name}` stands here twice")));
                    }
                }
                Self {
                    $($field: match found.iter().find(|(name, ..)| *name == stringify!($field)) {
                        Some((_, _, value)) => FromNode::from_node(value, faults),
                        None => FromNode::absent(node, stringify!($field), faults),
                    },)*
                }
            }
        }
    };
}

section! {
    pub struct Root {
        pub listen: Option<Vec<Port>>,
        pub destinations: BTreeMap<String, Destination>,
        pub ack: Option<Text>,
        pub forward_headers: Vec<Text>,
        pub limits: Limits,
        pub admin: Option<Text>,
        pub drain: Option<Text>,
        pub telemetry: Option<Telemetry>,
        pub rules: Rules,
        pub datagrams: Vec<Datagrams>,
        pub user: Option<Text>,
        pub group: Option<Text>,
    }
}

section! {
    pub struct Datagrams {
        pub address: Text,
        pub format: Option<Text>,
        pub kernel: Option<Text>,
        pub mode: Option<Text>,
        pub user: Option<Text>,
        pub group: Option<Text>,
        pub buffer: Option<Text>,
        pub datagram_size: Option<Text>,
        pub batch: Batch,
    }
}

section! {
    pub struct Batch {
        pub records: Option<Text>,
        pub size: Option<Text>,
        pub age: Option<Text>,
    }
}

section! {
    pub struct Port {
        pub address: Text,
        pub tls: Option<PortTls>,
        pub auth: Auth,
    }
}

section! {
    pub struct PortTls {
        pub certificate: Text,
        pub key: Text,
        pub client_ca: Option<Text>,
    }
}

section! {
    pub struct Auth {
        pub bearer: Vec<Text>,
        pub basic: Vec<Basic>,
    }
}

section! {
    pub struct Basic {
        pub user: Text,
        pub password: Text,
    }
}

section! {
    pub struct Destination {
        pub endpoint: Text,
        pub protocol: Option<Text>,
        pub compression: Option<Text>,
        pub headers: BTreeMap<String, Text>,
        pub tls: Option<DestinationTls>,
        pub timeout: Option<Text>,
        pub queue: Option<Text>,
        pub on_full: Option<Text>,
        pub concurrency: Option<Text>,
        pub retry: Retry,
        pub batch: Option<DestinationBatch>,
        pub only_routed: Option<Text>,
    }
}

section! {
    pub struct DestinationTls {
        pub ca: Option<Text>,
        pub certificate: Option<Text>,
        pub key: Option<Text>,
    }
}

section! {
    pub struct Retry {
        pub initial: Option<Text>,
        pub max: Option<Text>,
        pub give_up_after: Option<Text>,
    }
}

section! {
    pub struct DestinationBatch {
        pub size: Option<Text>,
        pub delay: Option<Text>,
    }
}

section! {
    pub struct Limits {
        pub request_size: Option<Text>,
        pub inflated_size: Option<Text>,
        pub in_flight_size: Option<Text>,
        pub requests: Option<Text>,
        pub connections: Option<Text>,
        pub streams: Option<Text>,
        pub header_size: Option<Text>,
        pub header_timeout: Option<Text>,
        pub body_timeout: Option<Text>,
        pub request_timeout: Option<Text>,
        pub idle_timeout: Option<Text>,
    }
}

section! {
    pub struct Rules {
        pub files: Vec<Text>,
        pub socket: Option<Text>,
        pub state: Option<Text>,
        pub engine: Option<Text>,
    }
}

section! {
    pub struct Telemetry {
        pub to: Text,
        pub interval: Option<Text>,
        pub metrics: Option<Text>,
        pub logs: Option<Text>,
        pub resource: BTreeMap<String, Text>,
    }
}
