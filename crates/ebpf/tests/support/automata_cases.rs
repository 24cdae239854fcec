//! Random texts, patterns and regular expressions for automata, and the programs that look for them.

use crate::text_program::{FAILED, text_program};
use dtq_ebpf::emit::Outcome;
use dtq_ebpf::insn::{Alu, Reg};
use dtq_ebpf::search::dfa::Automaton;
use dtq_ebpf::search::many::{emit_match, emit_pass};
use dtq_ebpf::search::{TermEdges, TextTest};
use dtq_ebpf::{Insn, MapDef};

/// Random numbers (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    pub fn pick<'p, T>(&mut self, items: &'p [T]) -> &'p T {
        &items[self.below(items.len())]
    }
}

/// Pieces that texts are made of; patterns and regular expressions are about them.
const PIECES: &[&[u8]] = &[
    b"a",
    b"b",
    b"ab",
    b"A",
    b"B",
    b"c",
    b"error",
    b"Error",
    b"timeout",
    b"connection refused",
    b"user=",
    b"42",
    b"7",
    b" ",
    b" ",
    b"\n",
    b"\r\n",
    b"\0",
    b"_",
    b"-",
    b".",
    b"/api/v1/",
    b"status=503",
    b"\xc3\xa9",
    b"\xc3",
    b"\xff",
    b"\xe6\x97\xa5",
    b"127.0.0.1",
    b"GET ",
    b"\t",
    b"aaaa",
    b"abab",
];

/// Returns a text of about so many bytes; few have bytes beyond ASCII.
pub fn text(random: &mut Random, size_max: usize) -> Vec<u8> {
    let size = random.below(size_max + 1);
    let is_ascii = random.below(3) > 0;
    let mut text = Vec::new();
    while text.len() < size {
        let piece = random.pick(PIECES);
        if !is_ascii || piece.is_ascii() {
            text.extend_from_slice(piece);
        }
    }
    text.truncate(size);
    text
}

/// Returns a pattern of any kind.
pub fn pattern(random: &mut Random) -> TextTest {
    let mut text = text(random, 12);
    let is_case_ignored = random.below(2) == 0;
    if random.below(3) > 0 {
        text.truncate(3);
    }
    match random.below(8) {
        0 => TextTest::Equals { text, is_case_ignored },
        1 => TextTest::StartsWith { text, is_case_ignored },
        2 => TextTest::EndsWith { text, is_case_ignored },
        3 | 4 => TextTest::Contains { text, is_case_ignored },
        _ => {
            let edges = *random.pick(&[TermEdges::Both, TermEdges::Start, TermEdges::End]);
            TextTest::Has { text, is_case_ignored, edges }
        }
    }
}

/// Returns a regular expression.
pub fn regex(random: &mut Random, depth: usize) -> String {
    const ATOMS: &[&str] = &[
        "a",
        "b",
        "ab",
        "error",
        "timeout",
        ".",
        r"\d",
        r"\w",
        r"\s",
        r"\b",
        r"\B",
        "^",
        "$",
        "[a-c]",
        "[^a]",
        r"\.",
        "\u{e9}",
        "(?-u:.)",
        r"\D",
        r"\W",
        "[0-9]+",
        r"\x00",
        "(?m:^)",
        "(?m:$)",
        "(?s:.)",
        "(?i:error)",
        "(?R)",
        r"\z",
        r"\A",
        "\u{65e5}",
        r"(?-u:\b)",
        "status=[45]",
        r"\d{1,3}",
        r"(?-u:\xff)",
        r"(?-u:\w)",
        r"\p{L}",
        r"(?m)^",
        r"(?i)",
        "[[:alpha:]]",
    ];
    if depth == 0 || random.below(3) == 0 {
        return (*random.pick(ATOMS)).to_owned();
    }
    let inner = regex(random, depth - 1);
    match random.below(8) {
        0 => format!("(?:{inner})*"),
        1 => format!("(?:{inner})+"),
        2 => format!("({inner})?"),
        3 => format!("(?:{inner}){{1,{}}}", 1 + random.below(4)),
        4 => format!("(?:{inner}|{})", regex(random, depth - 1)),
        5 => format!("{inner}.*{}", regex(random, depth - 1)),
        _ => format!("{inner}{}", regex(random, depth - 1)),
    }
}

/// Regular expressions as they are written for logs.
pub const REAL: &[&str] = &[
    r"error|fail|timeout",
    r"(?i)connection\s+(refused|reset)",
    r"^GET /api/v\d+/",
    r"status=5\d\d",
    r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
    r"user=(\w+)",
    r"a.*b",
    r"^\s*$",
    r"(?s)a.*b$",
    r"[A-Z][a-z]+ \d+",
    r"^[^ ]+ - ",
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d",
    r"[0-9a-f]{8}-[0-9a-f]{4}",
    r"timeout$",
    r"",
    r"(?m)^error",
    r"\p{Greek}",
    r".",
    "\u{e9}+",
    r"^$",
    r"\bab\b",
    r"(a|b)*abb",
    r"x{3,5}y",
    r"[^\x00-\x7f]",
    r"(?-u)[\x80-\xff]",
    r"password=\S+",
];

/// Returns automata about as large as they may be: their tables are those that take the longest offsets.
pub fn large(random: &mut Random) -> Vec<Automaton> {
    let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let patterns: Vec<Vec<u8>> = (0..29).map(|_| (0..34).map(|_| *random.pick(letters)).collect()).collect();
    let of = |is_case_ignored: bool| {
        let test = |text: &Vec<u8>| TextTest::Contains { text: text.clone(), is_case_ignored };
        Automaton::of_patterns(&patterns.iter().map(test).collect::<Vec<_>>()).expect("they are small enough")
    };
    let regexes = [r"(\w+)=(\d+)", r"\w{2} \d", r"user=\w+!", r".{60}x"];
    let regexes = regexes.iter().map(|regex| Automaton::of_regex(regex).expect("it is small enough"));
    [of(false), of(true)].into_iter().chain(regexes).collect()
}

/// Returns the program of a pass: the upper half of the bits is folded into the lower one, for patterns of up to 30.
pub fn pass_program(automaton: &Automaton) -> (Vec<Insn>, Vec<MapDef>) {
    text_program(|e| {
        let over = e.asm.label();
        emit_pass(e, automaton, 3, over).expect("there is room for a pass");
        e.asm.mov(Reg::R1, Reg::R0);
        e.asm.alu(Alu::Rsh, Reg::R1, 32);
        e.asm.alu(Alu::Or, Reg::R0, Reg::R1);
        e.asm.exit();
        e.asm.bind(over);
        e.asm.mov(Reg::R0, FAILED as i32 + 1);
        e.asm.exit();
    })
}

/// What the program of a search gives.
pub const TRUE: u32 = 1;
pub const FALSE: u32 = 2;
pub const UNKNOWN: u32 = 3;

/// Returns the program of a search.
pub fn match_program(automaton: &Automaton) -> (Vec<Insn>, Vec<MapDef>) {
    text_program(|e| {
        let mut label = || e.asm.label();
        let outcome = Outcome { is_true: label(), is_false: label(), is_null: label(), unknown: label() };
        emit_match(e, automaton, &outcome).expect("there is code for each");
        for (label, result) in [(outcome.is_true, TRUE), (outcome.is_false, FALSE), (outcome.unknown, UNKNOWN)] {
            e.asm.bind(label);
            e.asm.mov(Reg::R0, result as i32);
            e.asm.exit();
        }
    })
}
