//! What is left on another process's socket when the process that attached a filter is killed: nothing, or nothing that
//! drops.

use crate::filters::{Role, command, constant, eventually, first_byte, role};
use crate::{load, may_load};
use dtq_kernel::attach::filter::{self, Present};
use dtq_kernel::attach::guard;
use dtq_kernel::{Guard, Socket, SocketFilter};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;

/// Is the guard.
#[test]
fn guard_child() {
    if role().as_deref() == Some("guard") {
        guard::run(std::io::stdin().as_fd().try_clone_to_owned().unwrap()).unwrap();
    }
}

fn start_guard() -> Guard {
    Guard::start(command("guard::guard_child", "guard")).unwrap()
}

/// Is the process that attaches a filter to its parent's socket, which drops datagrams that begin with `d`.
#[test]
fn attacher_child() {
    if role().as_deref() != Some("attacher") {
        return;
    }
    let variable = |name: &str| std::env::var(name).unwrap().parse::<u32>().unwrap();
    let socket = Socket::of_process(variable("DTQ_TEST_PID"), variable("DTQ_TEST_DESCRIPTOR")).unwrap();
    let (program, _) = first_byte(b'd', 0);
    let guard = Arc::new(start_guard());
    let _filter = SocketFilter::attach_guarded(socket, &program, Present::Refuse, &guard).unwrap();
    println!("ready {}", guard.pid());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

/// Starts it for a socket of this process; returns it and its guard.
fn start_attacher(socket: &UnixDatagram) -> (Role, Pid) {
    let mut command = command("guard::attacher_child", "attacher");
    command.env("DTQ_TEST_PID", std::process::id().to_string());
    command.env("DTQ_TEST_DESCRIPTOR", socket.as_raw_fd().to_string());
    let role = Role::start(command);
    let guard = Pid::from_raw(role.said.trim().parse().unwrap()).unwrap();
    (role, guard)
}

fn pair() -> (UnixDatagram, UnixDatagram) {
    let (sender, socket) = UnixDatagram::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    (sender, socket)
}

/// Says whether a datagram passes that the filter drops.
fn passes(sender: &UnixDatagram, socket: &UnixDatagram) -> bool {
    sender.send(b"d").unwrap();
    socket.recv(&mut [0; 8]).is_ok()
}

#[test]
fn a_killed_process_leaves_no_filter() {
    if !may_load("a_killed_process_leaves_no_filter") {
        return;
    }
    let (sender, socket) = pair();
    let (mut attacher, guard) = start_attacher(&socket);
    assert!(!passes(&sender, &socket), "the filter is there");
    // What asks the guard to end, such as the end of a service, is left to its owner.
    kill_process(guard, Signal::TERM).unwrap();
    assert!(!passes(&sender, &socket));
    attacher.kill();
    assert!(eventually(|| passes(&sender, &socket)), "the filter stays");
    assert!(eventually(|| test_kill_process(guard).is_err()), "the guard stays");
    let own = Socket::own(socket.as_fd()).unwrap();
    SocketFilter::attach(own, &load(&constant(-1), &[]), Present::Refuse).expect("there is no filter");
}

#[test]
fn a_killed_guard_leaves_what_drops_nothing() {
    if !may_load("a_killed_guard_leaves_what_drops_nothing") {
        return;
    }
    let (sender, socket) = pair();
    let (mut attacher, guard) = start_attacher(&socket);
    assert!(!passes(&sender, &socket), "the filter is there");
    kill_process(guard, Signal::KILL).unwrap();
    assert!(!passes(&sender, &socket), "it is still there");
    attacher.kill();
    // The kernel has taken the program away, and what went on to it keeps everything.
    assert!(eventually(|| passes(&sender, &socket)), "the program stays");
    let (own, keep) = (|| Socket::own(socket.as_fd()).unwrap(), load(&constant(-1), &[]));
    assert!(SocketFilter::attach(own(), &keep, Present::Refuse).is_err(), "there is something on the socket");
    SocketFilter::attach(own(), &keep, Present::Replace).unwrap().detach().unwrap();
    let kept = SocketFilter::attach(own(), &keep, Present::Refuse).unwrap();
    assert!(filter::is_present(&own()).unwrap() && filter::remove(&own()).unwrap());
    assert!(!filter::is_present(&own()).unwrap() && !filter::remove(&own()).unwrap());
    kept.detach().expect("that it is gone is no error");
}

#[test]
fn a_process_that_closes_its_input_detaches_by_itself() {
    if !may_load("a_process_that_closes_its_input_detaches_by_itself") {
        return;
    }
    let (sender, socket) = pair();
    let (mut attacher, guard) = start_attacher(&socket);
    drop(attacher.input.take());
    assert!(attacher.child.wait().unwrap().success());
    assert!(passes(&sender, &socket) && test_kill_process(guard).is_err(), "both are gone before it is");
}

#[test]
fn a_guard_leaves_alone_what_it_was_told_to_forget() {
    if !may_load("a_guard_leaves_alone_what_it_was_told_to_forget") {
        return;
    }
    let (sender, socket) = pair();
    let own = || Socket::own(socket.as_fd()).unwrap();
    let (drops, guard) = (load(&constant(0), &[]), Arc::new(start_guard()));
    assert!(guard.is_alive());
    let guarded = SocketFilter::attach_guarded(own(), &drops, Present::Refuse, &guard).unwrap();
    // The socket of this very process is watched too: it may have been handed on.
    guarded.detach().unwrap();
    let by_hand = SocketFilter::attach(own(), &drops, Present::Refuse).unwrap();
    let refused = SocketFilter::attach_guarded(own(), &drops, Present::Refuse, &guard).unwrap_err().to_string();
    assert!(refused.contains("has a filter already"), "{refused}");
    drop(guard);
    assert!(!passes(&sender, &socket), "another's filter is left alone");
    drop(by_hand);
    assert!(passes(&sender, &socket));
}

#[test]
fn a_guard_that_does_not_work_is_said() {
    let (_, socket) = pair();
    let error = Guard::start(std::process::Command::new("true")).unwrap_err().to_string();
    assert!(error.contains("the process that is to detach the filter does not work"), "{error}");
    assert!(Guard::start(std::process::Command::new("/nowhere")).is_err());
    let guard = start_guard();
    kill_process(Pid::from_raw(guard.pid() as i32).unwrap(), Signal::KILL).unwrap();
    assert!(eventually(|| !guard.is_alive()));
    assert!(guard.watch(&Socket::own(socket.as_fd()).unwrap()).is_err());
}
