//! `dtq kernel relay`: what its filter keeps goes on, whole and in order.

use crate::common::{file, folder};
use crate::may_attach;
use crate::started::{DEADLINE, Started};
use std::io::Read;
use std::os::unix::net::UnixDatagram;

const RULES: &[u8] = b"apiVersion: dtq/v1
rules:
  - name: no-noise
    to: drop
    kql: logs | where Attributes[\"kind\"] == \"noise\"
";

#[test]
fn what_is_kept_goes_on_to_a_socket() {
    if !may_attach("what_is_kept_goes_on_to_a_socket") {
        return;
    }
    let folder = folder("k-relay");
    let rules = file(&folder, "rules.yaml", RULES);
    let (listen, forward) = (folder.join("in"), folder.join("out"));
    let target = UnixDatagram::bind(&forward).unwrap();
    target.set_read_timeout(Some(DEADLINE)).unwrap();
    let arguments = ["kernel", "relay", "--payload", "json", "--rules", &rules, "--mode", "600"];
    let places = ["--listen", listen.to_str().unwrap(), "--forward", forward.to_str().unwrap()];
    let relay = Started::start(&[&arguments[..], &places].concat());
    let sender = UnixDatagram::unbound().unwrap();
    let count = 2_000;
    let receiver = std::thread::spawn(move || {
        let mut buffer = [0; 256];
        let mut receive = || target.recv(&mut buffer).map(|size| String::from_utf8_lossy(&buffer[..size]).into_owned());
        (0..count / 2).map(|_| receive().expect("it arrives")).collect::<Vec<_>>()
    });
    for number in 0..count {
        let kind = if number % 2 == 0 { "noise" } else { "news" };
        sender.send_to(format!("{{\"kind\":\"{kind}\",\"n\":{number}}}").as_bytes(), &listen).unwrap();
    }
    let expected: Vec<String> =
        (0..count / 2).map(|at| format!("{{\"kind\":\"news\",\"n\":{}}}", 2 * at + 1)).collect();
    assert_eq!(receiver.join().unwrap(), expected);
    relay.signal("TERM");
    let (code, said) = relay.end();
    assert!(code == Some(0) && said.contains("1000 received = 1000 forwarded + 0 failed + 0 waiting"), "{said}");
    assert!(said.contains("2000 seen = 1000 dropped + 1000 kept"), "{said}");
    assert!(!listen.exists(), "its file goes with it");
}

#[test]
fn what_is_kept_goes_on_to_stdout() {
    if !may_attach("what_is_kept_goes_on_to_stdout") {
        return;
    }
    let folder = folder("k-stdout");
    let rules = file(&folder, "rules.yaml", RULES);
    let listen = folder.join("in");
    let listen = listen.to_str().unwrap();
    for (framing, expected) in [("lines", &b"{\"n\":1}\n{\"n\":2}\n"[..]), ("delimited", b"\x07{\"n\":1}\x07{\"n\":2}")]
    {
        let arguments = ["kernel", "relay", "--payload", "json", "--rules", &rules, "--listen", listen];
        let mut relay = Started::start(&[&arguments[..], &["--forward", "-", "--framing", framing]].concat());
        let sender = UnixDatagram::unbound().unwrap();
        for text in ["{\"n\":1}", "{\"kind\":\"noise\"}", "{\"n\":2}"] {
            sender.send_to(text.as_bytes(), listen).unwrap();
        }
        let mut written = vec![0; expected.len()];
        let mut stdout = relay.child.stdout.take().unwrap();
        stdout.read_exact(&mut written).unwrap();
        assert_eq!(written, expected);
        relay.signal("HUP");
        let (code, said) = relay.end();
        assert!(code == Some(0) && said.contains("1 dropped"), "{said}");
        assert_eq!(stdout.read_to_end(&mut Vec::new()).unwrap(), 0);
    }
}

#[test]
fn an_address_in_use_is_left_alone() {
    if !may_attach("an_address_in_use_is_left_alone") {
        return;
    }
    let folder = folder("k-in-use");
    let rules = file(&folder, "rules.yaml", RULES);
    let path = folder.join("in");
    let _used = UnixDatagram::bind(&path).unwrap();
    let arguments = ["kernel", "relay", "--payload", "json", "--rules", &rules, "--forward", "-", "--listen"];
    let ran = crate::common::dtq(&[&arguments[..], &[path.to_str().unwrap()]].concat()).code(78);
    assert!(ran.stderr.contains("is in use"), "{}", ran.stderr);
}

#[test]
fn what_has_expired_drops_no_more() {
    if !may_attach("what_has_expired_drops_no_more") {
        return;
    }
    // Once its rules can be read when their time is over, once not; long after it has begun, however slow the machine is.
    std::thread::scope(|scope| {
        scope.spawn(|| expires("k-expires", false));
        scope.spawn(|| expires("k-expires-spoilt", true));
    });
}

fn expires(name: &str, is_spoilt: bool) {
    let folder = folder(name);
    let date = std::process::Command::new("date").args(["-u", "-d", "+10 seconds", "+%Y-%m-%dT%H:%M:%SZ"]).output();
    let expires = String::from_utf8(date.unwrap().stdout).unwrap();
    let yaml = format!(
        "apiVersion: dtq/v1\nrules:\n  - name: noise\n    to: drop\n    expires: {}\n    kql: logs | where Attributes[\"kind\"] == \"noise\"\n",
        expires.trim()
    );
    let rules = file(&folder, "expires.yaml", yaml.as_bytes());
    let listen = folder.join("in");
    let listen = listen.to_str().unwrap();
    let arguments = ["kernel", "relay", "--payload", "json", "--rules", &rules, "--listen", listen];
    let mut relay = Started::start(&[&arguments[..], &["--forward", "-"]].concat());
    if is_spoilt {
        std::fs::write(folder.join("expires.yaml"), "rules: [").unwrap();
    }
    relay.wait_for(if is_spoilt { "the time of a rule is over" } else { "everything is kept" });
    let sender = UnixDatagram::unbound().unwrap();
    sender.send_to(b"{\"kind\":\"noise\"}", listen).unwrap();
    let mut written = [0; 17];
    relay.child.stdout.take().unwrap().read_exact(&mut written).unwrap();
    assert_eq!(&written, b"{\"kind\":\"noise\"}\n");
    relay.signal("TERM");
    let (code, said) = relay.end();
    assert_eq!(code, Some(0), "{said}");
}
