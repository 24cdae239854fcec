//! Any text as a configuration of `dtq collect`: settings within their bounds, or mistakes with places that exist.
#![no_main]

use dtq_collector::config::read;
use dtq_fuzz::Share;
use libfuzzer_sys::fuzz_target;

static SHARE: Share = Share::new();

/// What configurations are made of: random text seldom gets past YAML.
const PIECES: &[&str] = &[
    "destinations:\n  a: {endpoint: 'http://a'}\n",
    "destinations: {a: {endpoint: 'https://a:1', protocol: http/json, headers: {x: '${SET}'}}}\n",
    "listen: [{address: '127.0.0.1:1', auth: {bearer: [a], basic: [{user: u, password: p}]}}]\n",
    "listen: [{address: '[::]:0', tls: {certificate: c, key: k, client_ca: a}}]\n",
    "ack: received\n",
    "forward_headers: [x-a, te]\n",
    "limits: {request_size: 1MiB, requests: 1, header_timeout: 1s}\n",
    "limits:\n  in_flight_size: 99999999999999999999GiB\n",
    "  streams: -1\n",
    "  body_timeout: 1e9h\n",
    "admin: 0.0.0.0:1\n",
    "admin: off\n",
    "drain: 10s\n",
    "rules: {files: [a, ../b], socket: s, state: t, engine: interp}\n",
    "  b: {endpoint: 'http://u@b', tls: {ca: c}, queue: 0, retry: {initial: 1s, max: 1ms}, only_routed: true}\n",
    "x: &a [*a, *a]\n",
    "y: &b {<<: *b}\n",
    "? [a]\n: b\n",
    "!!binary aGk=\n",
    "${SET}: ${NO:-d}\n",
    "$$ ${ ${} ${NO} ${SET:-${SET}}\n",
    "---\n",
    "\t",
    "  ",
    "\n",
    "# c\n",
    "|\n",
    "[",
    "}",
    "'",
    "\u{feff}",
];

/// Returns the text for an input: as it is, or pieces that its bytes choose.
fn text(kind: u8, rest: &[u8]) -> Vec<u8> {
    if kind % 4 == 0 {
        return rest.to_vec();
    }
    let chosen = rest.iter().take(8).map(|byte| PIECES[usize::from(*byte) % PIECES.len()]);
    let first = PIECES[usize::from(kind / 4) % 2];
    std::iter::once(first).chain(chosen).collect::<String>().into_bytes()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let text = text(*kind, rest);
    let read = read(&text, &|name| (name == "SET").then(|| "a: b # c\n".to_owned()));
    let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
    for fault in read.errors.iter().chain(&read.warnings) {
        assert!(!fault.message.is_empty());
        assert!(fault.line as usize <= lines + 1, "{fault} of {lines} lines");
    }
    assert!(read.config.is_some() || !read.errors.is_empty(), "refused without a reason");
    SHARE.count(read.config.is_some() || read.errors.iter().any(|fault| fault.line > 0));
    let Some(config) = read.config else { return };
    assert!(read.errors.is_empty());
    let settings = config.settings;
    assert!(!settings.ports.is_empty() && !settings.destinations.is_empty());
    for destination in &settings.destinations {
        assert!((1..=1024).contains(&destination.concurrency));
        assert!(matches!(destination.endpoint.scheme_str(), Some("http" | "https")));
    }
    let limits = settings.limits;
    assert!(limits.requests_max > 0 && limits.connections_max > 0 && limits.streams_max > 0);
});
