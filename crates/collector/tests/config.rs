//! Configuration files to settings or to what is wrong with them, and the published schema against what is read.

use dtq_collector::config::{Read, read};
use serde_json::Value;
use std::path::Path;

fn of(yaml: &str) -> Read {
    read(yaml.as_bytes(), &|name| match name {
        "SET" => Some("a: b # c".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    })
}

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_example_is_right_and_says_the_defaults() {
    let example = of(&document("collect.example.yaml"));
    assert_eq!((example.errors, example.warnings), (vec![], vec![]));
    let example = example.config.expect("nothing is wrong").settings;
    let least =
        of("destinations: {backend: {endpoint: 'https://backend.example:4317'}}").config.expect("right").settings;
    assert_eq!((example.limits, example.drain, example.admin), (least.limits, least.drain, least.admin));
    let (shown, plain) = (&example.destinations[0], &least.destinations[0]);
    assert_eq!(
        (shown.retry, shown.queue_bytes_max, shown.timeout),
        (plain.retry, plain.queue_bytes_max, plain.timeout)
    );
    assert_eq!((shown.concurrency, shown.on_full), (plain.concurrency, plain.on_full));
}

#[test]
fn the_schema_has_the_keys_that_are_read() {
    let schema: Value = serde_json::from_str(&document("collect.schema.json")).expect("JSON");
    let port = "listen: [{address: 'a', ";
    let destination = "destinations: {a: {endpoint: 'a', ";
    // How a section is opened, and where it stands in the schema.
    let sections = [
        ("{", "", ""),
        (port, "}]", "/properties/listen/items"),
        ("listen: [{address: 'a', tls: {", "}}]", "/properties/listen/items/properties/tls"),
        ("listen: [{address: 'a', auth: {", "}}]", "/properties/listen/items/properties/auth"),
        (destination, "}}", "/properties/destinations/additionalProperties"),
        ("destinations: {a: {retry: {", "}}}", "/properties/destinations/additionalProperties/properties/retry"),
        ("destinations: {a: {batch: {", "}}}", "/properties/destinations/additionalProperties/properties/batch"),
        ("destinations: {a: {tls: {", "}}}", "/properties/destinations/additionalProperties/properties/tls"),
        ("limits: {", "}", "/properties/limits"),
        ("telemetry: {", "}", "/properties/telemetry"),
        ("rules: {", "}", "/properties/rules"),
        ("datagrams: [{address: 'a', ", "}]", "/properties/datagrams/items"),
        ("datagrams: [{address: 'a', batch: {", "}}]", "/properties/datagrams/items/properties/batch"),
    ];
    for (open, close, pointer) in sections {
        let close = if open == "{" { "}" } else { close };
        let wrong = of(&format!("{open}zzz: 1{close}")).errors;
        let message = &wrong.iter().find(|fault| fault.message.contains("`zzz`")).expect("it is unknown").message;
        let mut read: Vec<_> = message.split('`').skip(1).step_by(2).filter(|key| *key != "zzz").collect();
        let section = schema.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
        let mut published: Vec<_> =
            section["properties"].as_object().expect("keys").keys().map(String::as_str).collect();
        assert_eq!(section["additionalProperties"], false, "{pointer}");
        read.sort_unstable();
        published.sort_unstable();
        assert_eq!(read, published, "{pointer}: {message}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let cases = [
        ("destinations: {}", "0:0", "no destination takes"),
        ("destinations:\n  a:\n    endpoint: nowhere", "3:15", "begins with http:// or https://"),
        ("destinations:\n  a: {endpoint: 'http://a', protocol: udp}", "2:39", "`udp` is not one of `grpc`"),
        ("drain: soon\ndestinations: {a: {endpoint: 'http://a'}}", "1:8", "is not a duration such as"),
        ("drain: ${UNSET}\ndestinations: {a: {endpoint: 'http://a'}}", "1:8", "the environment has no `UNSET`"),
        ("destinations:\n  a: {endpoint: 'http://a', headers: {te: x}}", "2:43", "belongs to the protocol"),
        ("destinations:\n  a: {endpoint: 'http://a', tls: {key: k}}", "2:17", "has no effect on http://"),
        ("destinations:\n  a: {endpoint: 'http://a', batch: {delay: 8s}}", "2:44", "waits no longer than `limits:"),
        ("destinatons: {}", "0:0", "no destination takes"),
        ("drian: 1s\ndestinations: {a: {endpoint: 'http://a'}}", "1:1", "did you mean `drain`?"),
        ("destinations: {a: {endpoint: 'http://a', endpoint: 'http://b'}}", "1:42", "stands here twice"),
        ("destinations: {a: {protocol: grpc}}", "1:19", "`endpoint` is missing here"),
        ("destinations: [a]", "0:0", "no destination takes"),
        ("drain: [1s]\ndestinations: {a: {endpoint: 'http://a'}}", "1:8", "is one value"),
        ("drain: !!str 1s", "1:14", "tags of YAML are not read"),
        ("drain: ${1X}\ndestinations: {a: {endpoint: 'http://a'}}", "1:8", "`1X` is no name of a variable"),
        ("drain: ${A\ndestinations: {a: {endpoint: 'http://a'}}", "1:8", "has no `}`"),
        ("destinations: {a: {endpoint: 'http://a'}}\ntelemetry: {to: b}", "2:17", "there is no destination `b`"),
        (
            "datagrams: [{address: 514}]\ndestinations: {a: {endpoint: 'http://a'}}",
            "1:23",
            "is not a UDP address such as",
        ),
        (
            "datagrams: [{address: /a, format: text}]\ndestinations: {a: {endpoint: 'http://a'}}",
            "1:35",
            "`text` is not one of `syslog`",
        ),
        (
            "datagrams: [{address: /a, mode: rw}]\ndestinations: {a: {endpoint: 'http://a'}}",
            "1:33",
            "no permissions such as",
        ),
        (
            "datagrams: [{address: '@a', mode: 666}]\ndestinations: {a: {endpoint: 'http://a'}}",
            "1:35",
            "only a unix socket with a path",
        ),
        ("user: no-such-user\ndestinations: {a: {endpoint: 'http://a'}}", "1:7", "no user `no-such-user`"),
        ("a: [", "", ""),
    ];
    for (yaml, place, message) in cases {
        let read = of(yaml);
        assert!(read.config.is_none(), "{yaml}");
        let first = &read.errors[0];
        if !place.is_empty() {
            assert_eq!(format!("{}:{}", first.line, first.column), place, "{yaml}: {first}");
        }
        assert!(first.message.contains(message), "{yaml}: {first}");
    }
}

#[test]
fn one_look_shows_everything_that_is_wrong() {
    let yaml =
        "drian: 1s\nack: maybe\ndestinations:\n  a:\n    endpoint: ${NOWHERE}\n    qeue: 1MiB\n  b: {}\nadmin: x\n";
    let places: Vec<_> = of(yaml).errors.iter().map(|fault| (fault.line, fault.column)).collect();
    assert_eq!(places, [(1, 1), (2, 6), (5, 15), (6, 5), (7, 6), (8, 8)]);
}

#[test]
fn tokens_stay_what_is_written_and_aliases_stand_for_their_anchor() {
    let yaml = "x: &tls {ca: ca.pem}\n";
    assert!(of(yaml).errors.iter().any(|fault| fault.message.contains("`x`")));
    let yaml = "listen: [{address: '127.0.0.1:1', auth: {bearer: [0123, 1e3, yes]}}]\n\
                destinations:\n  a: {endpoint: 'https://a', tls: &tls {ca: ca.pem}}\n  \
                b: {endpoint: 'https://b', tls: *tls}\n";
    let settings = of(yaml).config.expect("right").settings;
    assert!(settings.ports[0].auth.admits(Some(b"Bearer 0123")));
    assert!(settings.ports[0].auth.admits(Some(b"Bearer 1e3")));
    assert_eq!(settings.destinations[1].tls.ca, Some("ca.pem".into()));
    // A bomb of aliases is refused, not written out.
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for depth in 1..12 {
        let before = format!("*a{}", depth - 1);
        bomb += &format!("a{depth}: &a{depth} [{}]\n", vec![before; 9].join(", "));
    }
    assert!(of(&bomb).errors[0].message.contains("values"));
}

#[test]
fn the_environment_is_put_into_values_and_is_not_yaml() {
    let yaml = "destinations: {a: {endpoint: 'http://a', headers: {x-a: 'v ${SET} $$1', x-b: '${NO:-d}', x-c: '${EMPTY:-e}${EMPTY}'}}}";
    let settings = of(yaml).config.expect("right").settings;
    let headers: Vec<_> = settings.destinations[0].headers.iter().map(|(_, value)| value.to_str().unwrap()).collect();
    assert_eq!(headers, ["v a: b # c $1", "d", "e"]);
}

#[test]
fn what_lets_anyone_in_is_warned_about() {
    let read = of("listen: [{address: '0.0.0.0:4317'}]\ndestinations: {a: {endpoint: 'http://a'}}");
    assert!(read.config.is_some());
    assert!(read.warnings[0].message.contains("anyone who reaches this address"));
}
