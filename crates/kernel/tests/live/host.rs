//! Being asked to end is something to look at, and not the end.

use crate::filters::{Role, command, role};
use dtq_kernel::host::{Ends, any_readable};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Read;
use std::os::fd::AsFd;
use std::time::Duration;

/// Is the process that is asked; it writes a file when it was.
#[test]
fn asked_child() {
    if role().as_deref() != Some("asked") {
        return;
    }
    let ends = Ends::hold().unwrap();
    assert!(!ends.are_asked().unwrap());
    println!("ready now");
    assert!(any_readable(&[ends.as_fd()], crate::filters::DEADLINE).unwrap()[0]);
    assert!(ends.are_asked().unwrap());
    std::process::exit(42);
}

#[test]
fn who_is_asked_to_end_ends_by_itself() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut child = Role::start(command("host::asked_child", "asked"));
        let pid = Pid::from_raw(i32::try_from(child.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        assert_eq!(child.child.wait().unwrap().code(), Some(42), "{signal:?}");
    }
}

#[test]
fn waiting_ends_with_its_time() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    assert!(!any_readable(&[reader.as_fd()], Duration::from_millis(1)).unwrap()[0]);
    drop(writer);
    assert!(any_readable(&[reader.as_fd()], Duration::from_secs(1)).unwrap()[0]);
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}
