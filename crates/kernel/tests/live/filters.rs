//! Small filters and processes that several tests use.

use crate::load;
use dtq_ebpf::asm::Assembler;
use dtq_ebpf::callee::Helper;
use dtq_ebpf::insn::{AtomicOp, Cond, Insn, Reg, Size};
use dtq_kernel::{Counters, Lease, Map, Program};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// What tells a child which test it is to run as.
const ROLE: &str = "DTQ_TEST_ROLE";
/// How long something may take that is waited for.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Positions of the counts of [`first_byte`].
pub const KEPT: u32 = 0;
/// Beside it.
pub const DROPPED: u32 = 1;

/// Returns a filter that drops datagrams whose first byte is `byte`, and what it counts.
pub fn first_byte(byte: u8, payload_offset: u32) -> (Program, Counters) {
    program_over(byte, payload_offset, vec![Map::create(&Counters::def("counts", 2)).unwrap()])
}

/// Returns the filter of [`first_byte`], which keeps everything once its lease has run out.
pub fn leased(byte: u8, payload_offset: u32) -> (Program, Counters, Lease) {
    let maps = vec![Map::create(&Counters::def("counts", 2)).unwrap(), Map::create(&Lease::def()).unwrap()];
    let lease = Lease::over(&maps[1]).unwrap();
    let (program, counters) = program_over(byte, payload_offset, maps);
    (program, counters, lease)
}

fn program_over(byte: u8, payload_offset: u32, maps: Vec<Map>) -> (Program, Counters) {
    let mut asm = Assembler::default();
    let (keep, count, end) = (asm.label(), asm.label(), asm.label());
    // r6 the packet, r7 what is returned, r8 the position of the count, r9 the size.
    asm.mov(Reg::R6, Reg::R1);
    asm.load(Size::Word, Reg::R9, Reg::R6, 0);
    asm.mov(Reg::R7, -1);
    asm.mov(Reg::R8, KEPT as i32);
    if maps.len() > 1 {
        asm.call(Helper::KtimeGetBootNs);
        asm.add(Insn::LoadImm { dst: Reg::R1, value: dtq_ebpf::insn::Imm64::MapValue { map: 1, offset: 0 } });
        asm.load(Size::Double, Reg::R1, Reg::R1, 0);
        asm.branch(Cond::Ge, Reg::R0, Reg::R1, keep);
    }
    asm.store(Size::Double, Reg::FRAME, -8, 0);
    asm.mov(Reg::R1, Reg::R6);
    asm.mov(Reg::R2, payload_offset as i32);
    asm.mov_frame(Reg::R3, -8);
    asm.mov(Reg::R4, 1);
    asm.call(Helper::SkbLoadBytes);
    asm.branch(Cond::Ne, Reg::R0, 0, keep);
    asm.load(Size::Byte, Reg::R1, Reg::FRAME, -8);
    asm.branch(Cond::Ne, Reg::R1, i32::from(byte), keep);
    asm.mov(Reg::R7, 0);
    asm.mov(Reg::R8, DROPPED as i32);
    asm.jump(count);
    asm.bind(keep);
    asm.jump(count);
    asm.bind(count);
    asm.store(Size::Word, Reg::FRAME, -12, Reg::R8);
    asm.mov_map(Reg::R1, 0);
    asm.mov_frame(Reg::R2, -12);
    asm.call(Helper::MapLookup);
    asm.branch(Cond::Eq, Reg::R0, 0, end);
    asm.mov(Reg::R1, 1);
    asm.add(add(0, Reg::R1));
    asm.add(add(8, Reg::R9));
    asm.bind(end);
    asm.mov(Reg::R0, Reg::R7);
    asm.exit();
    let program = load(&asm.finish(), &maps);
    let counters = Counters::over(&maps[0], vec!["kept".into(), "dropped".into()]).unwrap();
    (program, counters)
}

fn add(offset: i16, src: Reg) -> Insn {
    Insn::Atomic { size: Size::Double, op: AtomicOp::Add, is_fetched: false, base: Reg::R0, offset, src }
}

/// Returns a program that returns a number.
pub fn constant(value: i32) -> Vec<Insn> {
    let mut asm = Assembler::default();
    asm.mov(Reg::R0, value);
    asm.exit();
    asm.finish()
}

/// Returns the role of this process, when it was started as another one's child.
pub fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// Returns the command that runs the test `test` of this binary as a child with a role.
pub fn command(test: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(ROLE, role);
    command
}

/// Returns what runs a command of [`command`] as user 65534 with these capabilities (`,+bpf`), and the folder that is to be
/// kept meanwhile: other users may not come to where this binary lies.
pub fn as_other_user(child: &Command, capabilities: &str) -> (Command, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("live");
    std::fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut other = Command::new("setpriv");
    let sets = [format!("--inh-caps=-all{capabilities}"), format!("--ambient-caps=-all{capabilities}")];
    other.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).args(sets).arg(&binary).args(child.get_args());
    other.envs(child.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir("/");
    (other, folder)
}

/// A child that has said that it is ready, and is killed at the end.
pub struct Role {
    pub child: Child,
    /// Closes when this goes.
    pub input: Option<ChildStdin>,
    /// What it said when it was ready.
    pub said: String,
    /// Kept open, since the test harness of the child writes more.
    _output: BufReader<ChildStdout>,
}

impl Role {
    /// Starts a child and waits until it says `ready` and something behind it.
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut output = BufReader::new(child.stdout.take().unwrap());
        // What the test harness says comes first, also on the same line.
        let said = output.by_ref().lines().map_while(Result::ok);
        let said = said.filter_map(|line| Some(line.split_once("ready ")?.1.to_owned())).next().unwrap_or_default();
        Self { input: child.stdin.take(), child, said, _output: output }
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until something is so, at most as long as [`DEADLINE`]; says whether it is.
pub fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < DEADLINE {
        if is_so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    false
}
