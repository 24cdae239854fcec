//! Programs that read a payload, in the kernel: what they leave in their scratch.

use crate::reading::{Emit, Fields, Reading};
use crate::{ETHERNET_SIZE, load};
use dtq_ebpf::asm::Label;
use dtq_ebpf::emit::Emitter;
use dtq_ebpf::insn::{Cond, Reg};
use dtq_ebpf::layout;
use dtq_kernel::{Map, Program};

/// Holds a program that reads payloads.
pub struct Reader {
    pub reading: Reading,
    maps: Vec<Map>,
    program: Program,
}

impl Reader {
    pub fn load(reading: Reading) -> Self {
        let maps: Vec<Map> = reading.maps.iter().map(|def| Map::create(def).expect("programs may be loaded")).collect();
        let program = load(&reading.program, &maps);
        maps[0].set(&[0; 4], &reading.scratch).expect("a value has its size");
        Self { reading, maps, program }
    }

    /// Reads a payload.
    pub fn run(&self, payload: &[u8]) -> Fields {
        // Which processor runs it is not known; only that one writes the length.
        self.maps[0].set(&[0; 4], &self.reading.scratch).expect("a value has its size");
        let result = self.program.test_run(&framed(payload), 1).expect("a packet is long enough").result;
        let scratches = self.maps[0].get(&[0; 4]).ok().flatten().expect("there is one scratch");
        let (begin, length) = (layout::LENGTH as usize, (payload.len() as u64).to_le_bytes());
        let scratch = scratches.iter().find(|scratch| scratch[begin..begin + 8] == length);
        let scratch = scratch.expect("one processor has run it");
        self.reading.fields(result, scratch)
    }

    /// Returns what a run takes at least, in nanoseconds.
    pub fn duration_ns(&self, payload: &[u8]) -> u32 {
        let packet = framed(payload);
        (0..9)
            .map(|_| self.program.test_run(&packet, 20_000).expect("a packet is long enough").duration_ns)
            .min()
            .expect("there are runs")
    }
}

fn framed(payload: &[u8]) -> Vec<u8> {
    [&[0; ETHERNET_SIZE][..], payload].concat()
}

/// Returns a program that reads nothing of a payload but its bytes.
pub fn nothing() -> Reader {
    let emit: Emit = |e, _, judge, dropped| {
        let read = e.asm.label();
        e.load(Reg::R1, layout::LENGTH);
        e.asm.branch(Cond::Ne, Reg::R1, 0, read);
        let malformed = e.undecided(layout::Reason::Malformed);
        e.asm.jump(malformed);
        e.asm.bind(read);
        judge(e, dropped);
        Ok(())
    };
    Reader::load(Reading::new(&[], emit))
}

/// Judges by the first field, a number.
pub fn is_below_warning(e: &mut Emitter, dropped: Label) {
    let kept = e.kept();
    e.load(Reg::R1, layout::field(0) + 8);
    e.asm.branch(Cond::SignedLt, Reg::R1, 13, dropped);
    e.asm.jump(kept);
}
