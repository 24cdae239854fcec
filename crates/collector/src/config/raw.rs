//! The configuration as it stands in YAML: every value a text with its place, every unknown key an error.
//!
//! Decides nothing; `mod.rs` does. The schema in `docs/collect.schema.json` has the same keys.

use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// A value, and where it stands.
pub type Text = Spanned<String>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Root {
    pub listen: Option<Vec<Port>>,
    pub destinations: BTreeMap<String, Destination>,
    pub ack: Option<Text>,
    pub forward_headers: Vec<Text>,
    pub limits: Limits,
    pub admin: Option<Text>,
    pub drain: Option<Text>,
    pub rules: Rules,
    pub datagrams: Vec<Datagrams>,
    pub user: Option<Text>,
    pub group: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Datagrams {
    pub address: Text,
    pub format: Option<Text>,
    pub kernel: Option<Text>,
    pub mode: Option<Text>,
    pub user: Option<Text>,
    pub group: Option<Text>,
    pub buffer: Option<Text>,
    pub datagram_size: Option<Text>,
    #[serde(default)]
    pub batch: Batch,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Batch {
    pub records: Option<Text>,
    pub size: Option<Text>,
    pub age: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    pub address: Text,
    pub tls: Option<PortTls>,
    #[serde(default)]
    pub auth: Auth,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortTls {
    pub certificate: Text,
    pub key: Text,
    pub client_ca: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    pub bearer: Vec<Text>,
    pub basic: Vec<Basic>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basic {
    pub user: Text,
    pub password: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    pub endpoint: Text,
    pub protocol: Option<Text>,
    pub compression: Option<Text>,
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    pub tls: Option<DestinationTls>,
    pub timeout: Option<Text>,
    pub queue: Option<Text>,
    pub on_full: Option<Text>,
    pub concurrency: Option<Text>,
    #[serde(default)]
    pub retry: Retry,
    pub only_routed: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DestinationTls {
    pub ca: Option<Text>,
    pub certificate: Option<Text>,
    pub key: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    pub initial: Option<Text>,
    pub max: Option<Text>,
    pub give_up_after: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
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

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    pub files: Vec<Text>,
    pub socket: Option<Text>,
    pub state: Option<Text>,
    pub engine: Option<Text>,
}
