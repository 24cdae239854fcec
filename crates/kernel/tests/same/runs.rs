//! Filters run on payloads, in the interpreter and in the kernel.

use dtq_ebpf::asm::Assembler;
use dtq_ebpf::filter::Filter;
use dtq_ebpf::insn::Reg;
use dtq_ebpf::text;
use dtq_ebpf::vm::{Input, Machine, Maps};
use dtq_kernel::counts::{Counts, counted};
use dtq_kernel::share::Reading;
use dtq_kernel::{LoadError, Map, Program, ProgramKind};
use dtq_rules::engine::Counted;

/// Bytes in front of what a socket filter sees in a test run.
const ETHERNET_SIZE: usize = 14;

/// What a filter did with a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub result: u32,
    pub is_dropped: bool,
    /// Why it was kept; 0 when it surely is.
    pub reason: usize,
}

/// Runs a filter in the interpreter.
pub struct Simulated<'f> {
    filter: &'f Filter,
    maps: Maps,
    counts: Vec<(u64, u64)>,
    /// What is drawn.
    pub random: u32,
}

impl<'f> Simulated<'f> {
    pub fn new(filter: &'f Filter) -> Self {
        let maps = Maps::new(&filter.maps);
        let mut simulated = Self { filter, maps, counts: Vec::new(), random: 0 };
        simulated.counts = simulated.counts();
        simulated
    }

    pub fn counts(&self) -> Vec<(u64, u64)> {
        let count = self.filter.maps[Filter::COUNTS_MAP as usize].entries_max;
        let value = |position: u32| self.maps.get(Filter::COUNTS_MAP as usize, &position.to_le_bytes()).unwrap();
        (0..count).map(|position| pair(value(position))).collect()
    }

    pub fn run(&mut self, payload: &[u8]) -> Verdict {
        self.run_at(payload, 0)
    }

    /// Runs it at a time.
    pub fn run_at(&mut self, payload: &[u8], now_ns: u64) -> Verdict {
        let mut context = [0; 192];
        context[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        let input = Input {
            context: &context,
            packet: payload,
            now_ns,
            random: self.random,
            steps_max: 10_000_000,
            ..Input::default()
        };
        let outcome = Machine::new(&self.filter.program, &mut self.maps).run(&input);
        let outcome = outcome.unwrap_or_else(|trap| panic!("{trap}\n{}", text::print(&self.filter.program)));
        let counts = self.counts();
        let is_more = |position: u32| counts[position as usize].0 > self.counts[position as usize].0;
        let is_dropped = is_more(Filter::dropped_position());
        let reasons = Filter::reason_position(dtq_ebpf::layout::Reason::ALL[0]);
        let reason = (0..dtq_ebpf::layout::Reason::ALL.len()).find(|at| is_more(reasons + *at as u32));
        assert!(is_dropped || reason.is_some() || is_more(Filter::kept_position()), "each payload is counted");
        self.counts = counts;
        Verdict { result: outcome.result as u32, is_dropped, reason: reason.map_or(0, |at| at + 1) }
    }
}

impl Simulated<'_> {
    /// Takes out what was counted by keys, and has later runs count in the other table.
    pub fn take(&mut self, readings: &[Reading]) -> Vec<Counted> {
        let Some(tables) = &self.filter.tables else { return Vec::new() };
        let choice = tables.choice_map as usize;
        let in_use = usize::from(self.maps.get(choice, &[0; 4]).unwrap()[0]);
        assert!(self.maps.set(choice, &[0; 4], &(1 - in_use as u64).to_le_bytes()));
        let table = tables.maps[in_use] as usize;
        let entries: Vec<(Vec<u8>, Vec<u8>)> =
            self.maps.entries(table).map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        let mut rows = Vec::new();
        for (key, value) in entries {
            rows.extend(counted(tables, readings, &key, &[&value]));
            assert!(self.maps.remove(table, &key));
        }
        rows
    }
}

fn pair(value: &[u8]) -> (u64, u64) {
    let [records, bytes] = [0, 8].map(|at| u64::from_le_bytes(value[at..at + 8].try_into().unwrap()));
    (records, bytes)
}

/// Runs a filter in the kernel.
pub struct Live {
    program: Program,
    maps: Vec<Map>,
    taker: Option<Counts>,
}

impl Live {
    pub fn new(filter: &Filter, yaml: &str) -> Self {
        let maps: Vec<Map> = filter.maps.iter().map(|def| Map::create(def).unwrap()).collect();
        let program = Program::load("filter", ProgramKind::SocketFilter, &filter.program, &maps);
        let program = program.unwrap_or_else(|error| {
            let log = if let LoadError::Kernel { log, .. } = &error { log.as_str() } else { "" };
            let tail = &log[log.len().saturating_sub(6_000)..];
            panic!("{error}\n{yaml}\n{}\n{tail}", text::print(&filter.program))
        });
        Self { program, maps, taker: None }
    }

    /// Takes out what was counted by keys.
    pub fn take(&mut self, filter: &Filter, readings: &[Reading]) -> Vec<Counted> {
        let Some(tables) = &filter.tables else { return Vec::new() };
        self.taker.get_or_insert_with(|| Counts::new(tables, readings)).take(&self.maps).unwrap()
    }

    pub fn run(&self, payload: &[u8]) -> u32 {
        let framed = [&[0; ETHERNET_SIZE][..], payload].concat();
        self.program.test_run(&framed, 1).unwrap().result
    }

    pub fn counts(&self) -> Vec<(u64, u64)> {
        let map = &self.maps[Filter::COUNTS_MAP as usize];
        let of = |position: u32| {
            let values = map.get(&position.to_le_bytes()).unwrap().unwrap();
            values.iter().map(|value| pair(value)).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
        };
        (0..map.def().entries_max).map(of).collect()
    }
}

/// Says whether programs may be loaded here; says loudly when not.
pub fn may_load(test: &str) -> bool {
    let mut asm = Assembler::default();
    asm.mov(Reg::R0, 0);
    asm.exit();
    match Program::load("probe", ProgramKind::SocketFilter, &asm.finish(), &[]) {
        Ok(_) => true,
        Err(error) => {
            eprintln!("SKIPPED: {test} in the kernel: no program can be loaded here ({error}); run it as root");
            false
        }
    }
}
