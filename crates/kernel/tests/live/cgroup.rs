//! Programs on what a control group sends: what the sender is told, and that they go with their descriptor.

use crate::filters::{Role, command, constant, role};
use crate::may_load;
use dtq_kernel::attach::cgroup::{EgressVerdict, cgroup_of};
use dtq_kernel::object::has_program;
use dtq_kernel::{CgroupEgress, Program, ProgramKind};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How many datagrams are sent.
const COUNT: usize = 5;

/// Removes a control group at the end.
struct Group(PathBuf);

impl Group {
    /// Makes one below that of this process; `None`, said loudly, where that cannot be.
    fn make(test: &str) -> Option<Self> {
        let made = cgroup_of(std::process::id()).map_err(|error| error.to_string()).and_then(|parent| {
            let path = parent.join(format!("dtq-{test}-{}", std::process::id()));
            std::fs::create_dir(&path).map(|()| Self(path)).map_err(|error| error.to_string())
        });
        made.inspect_err(|error| eprintln!("SKIPPED: {test}: no control group can be made ({error})")).ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// Is the process in the control group: sends datagrams, and says how many the kernel says it took.
#[test]
fn sender_child() {
    if role().as_deref() != Some("sender") {
        return;
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(std::env::var("DTQ_TEST_ADDRESS").unwrap()).unwrap();
    let told: Vec<String> = (0..COUNT)
        .map(|_| socket.send(b"x").map_or_else(|error| format!("{:?}", error.kind()), |size| format!("sent {size}")))
        .collect();
    println!("ready {}", told.join(","));
}

/// Sends from a control group; returns what the sender was told and how many came.
fn send_from(group: &Path) -> (String, usize) {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_nonblocking(true).unwrap();
    let sender = command("cgroup::sender_child", "sender");
    let mut moved = Command::new("sh");
    let program = sender.get_program().to_string_lossy().into_owned();
    moved.args(["-c", r#"echo $$ > "$1/cgroup.procs"; shift; exec "$@""#, "sh", &group.to_string_lossy(), &program]);
    moved.args(sender.get_args());
    moved.envs(sender.get_envs().filter_map(|(name, value)| Some((name, value?))));
    moved.env("DTQ_TEST_ADDRESS", receiver.local_addr().unwrap().to_string());
    let mut child = Role::start(moved);
    child.child.wait().unwrap();
    let mut count = 0;
    while receiver.recv(&mut [0; 8]).is_ok() {
        count += 1;
    }
    (child.said.clone(), count)
}

#[test]
fn what_a_program_returns_is_what_the_sender_is_told() {
    if !may_load("what_a_program_returns_is_what_the_sender_is_told") {
        return;
    }
    let Some(group) = Group::make("verdicts") else { return };
    let load = |verdict: EgressVerdict| {
        Program::load("egress", ProgramKind::CgroupEgress, &constant(verdict.number()), &[]).unwrap()
    };
    let (sent, refused) = (["sent 1"; COUNT].join(","), ["PermissionDenied"; COUNT].join(","));
    let first = load(EgressVerdict::Refuse);
    let id = first.info().unwrap().id;
    let mut egress = CgroupEgress::attach(&group.0, &first).unwrap();
    drop(first);
    assert_eq!(send_from(&group.0), (refused, 0));
    egress.replace(&load(EgressVerdict::Drop)).unwrap();
    assert!(crate::filters::eventually(|| !has_program(id).unwrap()));
    assert_eq!(send_from(&group.0), (sent.clone(), 0));
    egress.replace(&load(EgressVerdict::Keep)).unwrap();
    assert_eq!(send_from(&group.0), (sent.clone(), COUNT));
    egress.replace(&load(EgressVerdict::Drop)).unwrap();
    // Another program beside it decides on its own, and goes with its descriptor.
    drop(CgroupEgress::attach(&group.0, &load(EgressVerdict::Refuse)).unwrap());
    assert_eq!(send_from(&group.0), (sent.clone(), 0));
    egress.detach().unwrap();
    assert_eq!(send_from(&group.0), (sent, COUNT));
}

/// Is a process that has what a control group sends refused.
#[test]
fn refusing_child() {
    if role().as_deref() != Some("refusing") {
        return;
    }
    let program = Program::load("egress", ProgramKind::CgroupEgress, &constant(0), &[]).unwrap();
    let _egress = CgroupEgress::attach(Path::new(&std::env::var("DTQ_TEST_GROUP").unwrap()), &program).unwrap();
    println!("ready {}", program.info().unwrap().id);
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn a_killed_process_leaves_nothing_on_a_control_group() {
    if !may_load("a_killed_process_leaves_nothing_on_a_control_group") {
        return;
    }
    let Some(group) = Group::make("killed") else { return };
    let mut refusing = command("cgroup::refusing_child", "refusing");
    refusing.env("DTQ_TEST_GROUP", &group.0);
    let mut refusing = Role::start(refusing);
    let id = refusing.said.trim().parse().unwrap();
    assert_eq!(send_from(&group.0).1, 0);
    refusing.kill();
    assert!(crate::filters::eventually(|| !has_program(id).unwrap()), "the program stays");
    assert_eq!(send_from(&group.0).1, COUNT);
}

#[test]
fn what_is_no_control_group_is_refused() {
    if !may_load("what_is_no_control_group_is_refused") {
        return;
    }
    let program = Program::load("egress", ProgramKind::CgroupEgress, &constant(1), &[]).unwrap();
    let error = CgroupEgress::attach(Path::new("/tmp"), &program).unwrap_err().to_string();
    assert!(error.contains("`/tmp` is no control group of version 2"), "{error}");
    assert!(CgroupEgress::attach(Path::new("/nowhere"), &program).is_err());
    let filter = Program::load("filter", ProgramKind::SocketFilter, &constant(1), &[]).unwrap();
    let error = CgroupEgress::attach(Path::new("/tmp"), &filter).unwrap_err().to_string();
    assert!(error.contains("not loaded for what a control group sends"), "{error}");
    // A number that has no meaning there is refused by the verifier, by the place that was named when it was loaded.
    assert!(Program::load("egress", ProgramKind::CgroupEgress, &constant(4), &[]).is_err());
}
