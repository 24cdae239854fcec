//! A configuration file to settings, with everything that is wrong or looks wrong in it, and where.
//!
//! Reads no file but the one it is handed: certificates are read when a collector starts. Read in order: `yaml`, `raw` (the
//! keys), `value` (what values mean), `datagrams`, this file. The keys are described in `docs/collect.example.yaml` and `docs/collect.schema.json`.

mod yaml;

mod raw;

mod value;

mod datagrams;

pub use value::Fault;

use crate::auth::Auth;
use crate::coding::Coding;
use crate::collector::{Port, Settings};
use crate::datagram;
use crate::intake::Ack;
use crate::limits::Limits;
use crate::privileges::User;
use crate::send::merge::Merge;
use crate::send::settings::{OnFull, Protocol, Retry};
use crate::send::{self};
use crate::tls::{ClientTls, ServerTls};
use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use raw::{FromNode, Text};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use value::Values;

/// Size in bytes of a configuration file.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// Holds what a configuration file says.
#[derive(Clone, Debug)]
pub struct Config {
    /// Everything but rules.
    pub settings: Settings,
    /// Where rules come from.
    pub rules: Rules,
    /// Where the own telemetry goes.
    pub telemetry: Option<crate::telemetry::Settings>,
    /// Where datagrams come in.
    pub datagrams: Vec<datagram::Settings>,
    /// Who the process becomes once its sockets are bound.
    pub user: Option<User>,
}

/// Holds where rules come from and where they are controlled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Rule files and folders of them.
    pub files: Vec<PathBuf>,
    /// The control socket.
    pub socket: Option<PathBuf>,
    /// The folder of what outlives the process.
    pub state: Option<PathBuf>,
    /// Whether conditions are only interpreted.
    pub is_interpreted: bool,
}

impl Config {
    /// Has relative paths begin at a folder: that of the configuration, wherever the process was started.
    pub fn put_in(&mut self, folder: &Path) {
        let ports = self.settings.ports.iter_mut().filter_map(|port| port.tls.as_mut());
        let of_ports = ports.flat_map(|tls| [&mut tls.certificate, &mut tls.key].into_iter().chain(&mut tls.client_ca));
        let destinations = self.settings.destinations.iter_mut().map(|one| &mut one.tls);
        let of_destinations = destinations.flat_map(|tls| {
            let identity = tls.identity.iter_mut().flat_map(|(certificate, key)| [certificate, key]);
            tls.ca.iter_mut().chain(identity)
        });
        let rules = &mut self.rules;
        let of_rules = rules.files.iter_mut().chain(&mut rules.socket).chain(&mut rules.state);
        for path in of_ports.chain(of_destinations).chain(of_rules) {
            *path = folder.join(&*path);
        }
    }
}

/// Holds what was read and what was found wrong with it.
#[derive(Clone, Debug)]
pub struct Read {
    /// What it says, unless there are errors.
    pub config: Option<Config>,
    /// What is wrong.
    pub errors: Vec<Fault>,
    /// What looks wrong.
    pub warnings: Vec<Fault>,
}

/// Reads a configuration; `environment` gives the variables that it names.
///
/// # Example
/// ```
/// let yaml = "destinations: {backend: {endpoint: 'http://127.0.0.1:14317'}}";
/// let read = dtq_collector::config::read(yaml.as_bytes(), &|_| None);
/// assert!(read.errors.is_empty());
/// assert_eq!(read.config.expect("nothing is wrong").settings.ports.len(), 2);
/// ```
pub fn read(yaml: &[u8], environment: &dyn Fn(&str) -> Option<String>) -> Read {
    let failed = |line, column, message| Read {
        config: None,
        errors: vec![Fault { line, column, message }],
        warnings: Vec::new(),
    };
    if yaml.len() > FILE_BYTES_MAX {
        return failed(0, 0, format!("the file has more than {FILE_BYTES_MAX} bytes"));
    }
    let Ok(text) = std::str::from_utf8(yaml) else {
        return failed(0, 0, "the file is not UTF-8".to_owned());
    };
    let node = match yaml::parse(text) {
        Ok(node) => node,
        Err(Fault { line, column, message }) => return failed(line, column, message),
    };
    let mut faults = Vec::new();
    let root = raw::Root::from_node(&node, &mut faults);
    let mut values = Values::new(environment, faults);
    let config = convert(&root, &mut values);
    let Values { mut errors, mut warnings, .. } = values;
    for faults in [&mut errors, &mut warnings] {
        faults.sort_by_key(|fault| (fault.line, fault.column));
        faults.dedup();
    }
    Read { config: errors.is_empty().then_some(config), errors, warnings }
}

fn convert(root: &raw::Root, values: &mut Values<'_>) -> Config {
    let ports: Vec<_> = match &root.listen {
        None => [4317, 4318].map(|port| open_port((Ipv4Addr::LOCALHOST, port).into())).into(),
        Some(ports) => ports.iter().map(|one| port(one, values)).collect(),
    };
    let limits = limits(&root.limits, values);
    let destinations: Vec<_> =
        root.destinations.iter().map(|(name, one)| destination(name, one, &limits, values)).collect();
    if destinations.iter().all(|one| one.is_only_routed) {
        let message = "no destination takes what rules do not route; write `destinations: {NAME: {endpoint: URL}}`";
        values.errors.push(Fault { line: 0, column: 0, message: message.to_owned() });
    }
    if ports.is_empty() && root.datagrams.is_empty() {
        let message = "`listen` is empty, so nothing could come in; leave it out for 127.0.0.1, ports 4317 and 4318";
        values.errors.push(Fault { line: 0, column: 0, message: message.to_owned() });
    }
    let ack = [("delivered", Ack::Delivered), ("received", Ack::Received)];
    let settings = Settings {
        ports,
        destinations,
        ack: values.word(root.ack.as_ref(), &ack, Ack::Delivered),
        forwarded: root.forward_headers.iter().filter_map(|name| forwarded(name, values)).collect(),
        limits,
        admin: admin(root.admin.as_ref(), values),
        drain: values.duration(root.drain.as_ref(), Duration::from_secs(20)),
    };
    let rules = Rules {
        files: root.rules.files.iter().map(|path| path_of(path, values)).collect(),
        socket: root.rules.socket.as_ref().map(|path| path_of(path, values)),
        state: root.rules.state.as_ref().map(|path| path_of(path, values)),
        is_interpreted: values.word(root.rules.engine.as_ref(), &[("auto", false), ("interp", true)], false),
    };
    let telemetry = root.telemetry.as_ref().map(|one| telemetry(one, &settings.destinations, values));
    let datagrams = root.datagrams.iter().map(|one| datagrams::socket(one, values)).collect();
    let user = datagrams::user(root, values);
    Config { settings, rules, telemetry, datagrams, user }
}

fn telemetry(
    raw: &raw::Telemetry,
    destinations: &[send::Settings],
    values: &mut Values<'_>,
) -> crate::telemetry::Settings {
    let to = values.text(&raw.to);
    if raw.to.line > 0 && destinations.iter().all(|one| one.name != to) {
        values.error(
            &raw.to,
            format!("there is no destination `{to}`; the own telemetry goes to one of `destinations:`"),
        );
    }
    let words = [("true", true), ("false", false)];
    crate::telemetry::Settings {
        to,
        interval: values.duration(raw.interval.as_ref(), Duration::from_secs(60)).max(Duration::from_secs(1)),
        has_metrics: values.word(raw.metrics.as_ref(), &words, true),
        has_logs: values.word(raw.logs.as_ref(), &words, true),
        resource: raw.resource.iter().map(|(name, value)| (name.clone(), values.text(value))).collect(),
    }
}

fn open_port(address: SocketAddr) -> Port {
    Port { address, tls: None, auth: Auth::default() }
}

fn port(port: &raw::Port, values: &mut Values<'_>) -> Port {
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    let address: SocketAddr = values.parse(&port.address, "an address such as 127.0.0.1:4317").unwrap_or(any);
    let mut auth = Auth::default();
    for token in &port.auth.bearer {
        let text = secret(token, values);
        auth.add_bearer(&text);
    }
    for one in &port.auth.basic {
        let (user, password) = (values.text(&one.user), secret(&one.password, values));
        if user.contains(':') {
            values.error(&one.user, "a user of basic authentication has no `:`");
        }
        auth.add_basic(&user, &password);
    }
    let tls = port.tls.as_ref().map(|tls| ServerTls {
        certificate: path_of(&tls.certificate, values),
        key: path_of(&tls.key, values),
        client_ca: tls.client_ca.as_ref().map(|path| path_of(path, values)),
    });
    let has_auth = !port.auth.bearer.is_empty() || !port.auth.basic.is_empty();
    if has_auth && tls.is_none() && !address.ip().is_loopback() {
        values.warn(&port.address, "credentials come without TLS, for anyone on the way to read; add `tls:`");
    }
    let asks_nobody = !has_auth && tls.as_ref().is_none_or(|tls| tls.client_ca.is_none());
    if asks_nobody && !address.ip().is_loopback() {
        values
            .warn(&port.address, "anyone who reaches this address can send; add `auth:`, or `client_ca:` under `tls:`");
    }
    Port { address, tls, auth }
}

/// Returns a secret; an empty one would let everyone in.
fn secret(text: &Text, values: &mut Values<'_>) -> String {
    let secret = values.text(text);
    if secret.is_empty() {
        values.error(text, "this secret is empty");
    }
    secret
}

fn destination(name: &str, one: &raw::Destination, limits: &Limits, values: &mut Values<'_>) -> send::Settings {
    let protocols = [("grpc", Protocol::Grpc), ("http/protobuf", Protocol::Protobuf), ("http/json", Protocol::Json)];
    let protocol = values.word(one.protocol.as_ref(), &protocols, Protocol::Grpc);
    let endpoint = endpoint(one, values);
    let mut settings = send::Settings::new(name, endpoint, protocol);
    let codings = [("gzip", Coding::Gzip), ("zstd", Coding::Zstd), ("none", Coding::Identity)];
    settings.coding = values.word(one.compression.as_ref(), &codings, settings.coding);
    settings.headers = one.headers.iter().filter_map(|(name, value)| header(name, value, values)).collect();
    settings.tls = client_tls(one, settings.endpoint.scheme_str() == Some("https"), values);
    settings.timeout = values.duration(one.timeout.as_ref(), settings.timeout);
    settings.queue_bytes_max = values.size(one.queue.as_ref(), settings.queue_bytes_max);
    if let Some(queue) = one.queue.as_ref().filter(|_| settings.queue_bytes_max < limits.request_bytes_max) {
        values.warn(queue, "requests larger than this queue are refused, though `limits: {request_size}` allows them");
    }
    let on_full = [("backpressure", OnFull::Backpressure), ("drop_oldest", OnFull::DropOldest)];
    settings.on_full = values.word(one.on_full.as_ref(), &on_full, settings.on_full);
    settings.concurrency = values.count(one.concurrency.as_ref(), settings.concurrency).min(1024);
    let retry = Retry::default();
    settings.retry = Retry {
        initial: values.duration(one.retry.initial.as_ref(), retry.initial),
        max: values.duration(one.retry.max.as_ref(), retry.max),
        elapsed_max: values.duration(one.retry.give_up_after.as_ref(), retry.elapsed_max),
    };
    settings.merge = one.batch.as_ref().map(|batch| merge(batch, &settings, limits, values));
    settings.is_only_routed = values.word(one.only_routed.as_ref(), &[("true", true), ("false", false)], false);
    settings
}

fn merge(batch: &raw::DestinationBatch, settings: &send::Settings, limits: &Limits, values: &mut Values<'_>) -> Merge {
    let delay = batch.delay.as_ref().map(|delay| values.duration(Some(delay), Duration::ZERO)).unwrap_or_default();
    if let Some(text) = batch.delay.as_ref().filter(|_| delay >= limits.request_timeout) {
        values.error(text, "a sender waits no longer than `limits: {request_timeout}`, which is not more than this");
    }
    // What leaves as JSON is written anew anyway.
    let keeps = settings.protocol != Protocol::Json && settings.coding != Coding::Identity;
    let bytes_max = values.size(batch.size.as_ref(), MERGED_BYTES_MAX);
    Merge { bytes_max, delay, kept: keeps.then_some(settings.coding) }
}

/// What requests are merged to at most where nothing is said: a quarter of what receivers of gRPC take unless told otherwise.
const MERGED_BYTES_MAX: usize = 1 << 20;

fn endpoint(one: &raw::Destination, values: &mut Values<'_>) -> Uri {
    let nowhere = Uri::from_static("http://127.0.0.1");
    let Some(uri) = values.parse::<Uri>(&one.endpoint, "a URL such as https://backend.example:4317") else {
        return nowhere;
    };
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    if !is_http || uri.host().is_none_or(str::is_empty) {
        values.error(&one.endpoint, "an endpoint begins with http:// or https:// and a host");
        return nowhere;
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        values.error(&one.endpoint, "credentials stand in `headers: {authorization: ...}`, not in the URL");
    }
    uri
}

fn client_tls(one: &raw::Destination, is_https: bool, values: &mut Values<'_>) -> ClientTls {
    let Some(tls) = &one.tls else { return ClientTls::default() };
    if !is_https {
        values.error(&one.endpoint, "`tls:` has no effect on http://; write https://");
    }
    let ca = tls.ca.as_ref().map(|path| path_of(path, values));
    let identity = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => Some((path_of(certificate, values), path_of(key, values))),
        (None, None) => None,
        (Some(alone), None) | (None, Some(alone)) => {
            values.error(alone, "`certificate` and `key` are only of use together");
            None
        }
    };
    ClientTls { ca, identity }
}

fn header(name: &str, value: &Text, values: &mut Values<'_>) -> Option<(HeaderName, HeaderValue)> {
    let text = values.text(value);
    match (name.parse::<HeaderName>(), HeaderValue::from_str(&text)) {
        (Ok(name), Ok(mut value_read)) if !is_own(&name) => {
            value_read.set_sensitive(true);
            Some((name, value_read))
        }
        (Ok(name), Ok(_)) => {
            values.error(value, format!("the header `{name}` belongs to the protocol and cannot be set"));
            None
        }
        _ => {
            values.error(value, format!("`{name}` with this value is no header of HTTP"));
            None
        }
    }
}

fn forwarded(text: &Text, values: &mut Values<'_>) -> Option<HeaderName> {
    let name: HeaderName = values.parse(text, "the name of a header")?;
    if is_own(&name) {
        values.error(text, format!("the header `{name}` belongs to the protocol and cannot go on"));
        return None;
    }
    Some(name)
}

/// Says whether a header is one that the protocol sets for each connection or body.
fn is_own(name: &HeaderName) -> bool {
    const OWN: [&str; 9] = [
        "host",
        "connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "keep-alive",
        "expect",
        "accept-encoding",
    ];
    let name = name.as_str();
    OWN.contains(&name) || name.starts_with("content-") || name.starts_with("grpc-") || name.starts_with("proxy-")
}

fn admin(text: Option<&Text>, values: &mut Values<'_>) -> Option<SocketAddr> {
    let Some(text) = text else { return Some((Ipv4Addr::LOCALHOST, 8888).into()) };
    let value = values.text(text);
    if value == "off" || value == "false" {
        return None;
    }
    let address: SocketAddr = values.parse(text, "an address such as 127.0.0.1:8888, or `off`")?;
    if !address.ip().is_loopback() {
        values.warn(text, "counts and names of destinations can be read by anyone who reaches this address");
    }
    Some(address)
}

fn limits(raw: &raw::Limits, values: &mut Values<'_>) -> Limits {
    let default = Limits::default();
    Limits {
        request_bytes_max: values.size(raw.request_size.as_ref(), default.request_bytes_max),
        inflated_bytes_max: values.size(raw.inflated_size.as_ref(), default.inflated_bytes_max),
        records_max: default.records_max,
        in_flight_bytes_max: values.size(raw.in_flight_size.as_ref(), default.in_flight_bytes_max),
        requests_max: values.count(raw.requests.as_ref(), default.requests_max),
        connections_max: values.count(raw.connections.as_ref(), default.connections_max),
        streams_max: values.count(raw.streams.as_ref(), default.streams_max as usize) as u32,
        header_bytes_max: values.size(raw.header_size.as_ref(), default.header_bytes_max as usize).min(1 << 20) as u32,
        header_timeout: values.duration(raw.header_timeout.as_ref(), default.header_timeout),
        body_timeout: values.duration(raw.body_timeout.as_ref(), default.body_timeout),
        request_timeout: values.duration(raw.request_timeout.as_ref(), default.request_timeout),
        idle_timeout: values.duration(raw.idle_timeout.as_ref(), default.idle_timeout),
    }
}

fn path_of(text: &Text, values: &mut Values<'_>) -> PathBuf {
    let path = values.text(text);
    if path.is_empty() {
        values.error(text, "this path is empty");
    }
    path.into()
}
