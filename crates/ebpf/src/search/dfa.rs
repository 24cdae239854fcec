//! Several texts, or a regular expression, to one automaton over bytes.
//!
//! It finds what `dtq_value::search` and `matches regex` find, for every text; where a byte beyond ASCII keeps that from
//! being told, it says so by [`NON_ASCII`]. States are made one by one by the lazy automaton of `regex-automata`, so that
//! what cannot matter anymore, such as all behind a match of a regular expression, is never made; then equal ones are
//! merged. How much is made is bounded before it is made. Next: `many.rs`.

use crate::Unsupported;
use crate::search::{TermEdges, TextTest};
use regex_automata::MatchKind;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::start;
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind};
use regex_syntax::hir::{Look, Repetition};
use rustc_hash::FxHashMap;

/// The bit of a pass that was done.
pub const PASS_DONE: u64 = 1 << 63;
/// The bit of a pass that met a byte beyond ASCII where that matters: what was not found then may be there all the same.
pub const NON_ASCII: u64 = 1 << 62;
/// Patterns of one automaton.
pub const PATTERNS_MAX: usize = 62;
/// States of an automaton, equal ones merged.
pub const STATES_MAX: usize = 1_024;
/// Classes of bytes between which no state makes a difference; letters and digits of Unicode take about a hundred.
pub const CLASSES_MAX: usize = 128;
/// Transitions of an automaton: those of as many states as there may be with 64 classes each.
pub const TRANSITIONS_MAX: usize = STATES_MAX * 64;

/// States that are made before equal ones are merged.
const RAW_STATES_MAX: usize = 8_192;
/// Bytes that making states may take, which bounds the time too: a step takes as long as its sets are large.
const CACHE_SIZE: usize = 8 << 20;
/// Bytes of what states are made from.
const NFA_SIZE_MAX: usize = 1 << 20;
/// How many transitions are looked at to merge equal states, before they are left as they are.
const MERGE_STEPS_MAX: usize = 32 << 20;

/// Holds an automaton over the bytes of a text.
#[derive(Clone, Debug)]
pub struct Automaton {
    /// Of each byte its class.
    classes: [u8; 256],
    class_count: usize,
    /// Of each state and class the state behind it.
    next: Vec<u16>,
    /// Of each state the bits that are found when it is entered.
    found: Vec<u64>,
    /// Of each state the bits that are found when the text ends in it.
    last: Vec<u64>,
    /// Where a text begins.
    start: u16,
    /// Where a piece of a text begins that is looked at by itself.
    middle: u16,
    /// What is found in every text.
    always: u64,
    /// How many bytes before it say all about what is found at a place, and nothing else does; `None` where that is not known.
    window_size: Option<usize>,
}

impl Automaton {
    /// Returns the automaton that finds each of these in one pass: the pattern at position `i` sets bit `i`.
    ///
    /// # Errors
    /// When there are too many of them, or it would be too large, or an edge of a term is beyond ASCII.
    pub fn of_patterns(patterns: &[TextTest]) -> Result<Self, Unsupported> {
        if patterns.len() > PATTERNS_MAX {
            return Err(Unsupported::new(format!("more than {PATTERNS_MAX} texts in one pass")));
        }
        let mut always = 0;
        let mut forms: Vec<(u64, Hir)> = Vec::new();
        for (index, pattern) in patterns.iter().enumerate() {
            match pattern {
                TextTest::Contains { text, .. } | TextTest::Has { text, .. } if text.is_empty() => always |= 1 << index,
                _ => forms.extend(pattern_forms(pattern, 1 << index)?),
            }
        }
        if forms.is_empty() {
            forms.push((0, Hir::fail()));
        }
        let (bits, hirs): (Vec<u64>, Vec<Hir>) = forms.into_iter().unzip();
        let window_size = hirs.iter().filter_map(|hir| hir.properties().maximum_len()).max();
        let dfa = lazy_automaton(&hirs, false)?;
        let raw = Raw::explore(&dfa, &bits, false)?;
        let automaton = raw.reduced()?;
        let always = always | automaton.always;
        Self { always, window_size: Some(window_size.unwrap_or(0) + 1), ..automaton }.checked()
    }

    /// Returns the automaton of `matches regex`, which sets bit 0.
    ///
    /// # Errors
    /// When it does not compile, or its automaton would be too large even where it gives up at bytes beyond ASCII.
    pub fn of_regex(pattern: &str) -> Result<Self, Unsupported> {
        // As `dtq_value::scalar::pool` compiles it: `regex::bytes` with its defaults.
        let hir = regex_syntax::ParserBuilder::new().utf8(false).build().parse(pattern);
        let hir = hir.map_err(|_| Unsupported::new("the regular expression does not compile"))?;
        // Whether a word ends before a byte beyond ASCII takes more than one state to tell; the engine gives up there too.
        let is_ascii_only = hir.properties().look_set().contains_word_unicode();
        let whole = if is_ascii_only { Err(Unsupported::new("")) } else { Self::of_hir(&hir, false) };
        whole.or_else(|_| Self::of_hir(&in_ascii(&hir), true))
    }

    fn of_hir(hir: &Hir, is_ascii_only: bool) -> Result<Self, Unsupported> {
        let dfa = lazy_automaton(std::slice::from_ref(hir), is_ascii_only)?;
        let raw = Raw::explore(&dfa, &[1], true)?;
        let properties = hir.properties();
        let window_size = properties.maximum_len().filter(|_| properties.look_set().is_empty());
        Self { window_size: window_size.map(|size| size + 1), ..raw.reduced()? }.checked()
    }

    /// Returns the bits that a pass over a text gives, [`PASS_DONE`] aside: what code made from it is compared with.
    pub fn run(&self, text: &[u8]) -> u64 {
        let mut state = self.start;
        let mut bits = self.always;
        for byte in text {
            state = self.step(state, self.classes[usize::from(*byte)]);
            bits |= self.found[usize::from(state)];
        }
        bits | self.last[usize::from(state)]
    }

    /// Returns how many states there are.
    pub fn state_count(&self) -> usize {
        self.found.len()
    }

    /// Returns how many classes of bytes there are.
    pub fn class_count(&self) -> usize {
        self.class_count
    }

    /// Returns of each byte its class.
    pub(super) fn classes(&self) -> &[u8; 256] {
        &self.classes
    }

    /// Returns the state behind a byte of a class.
    pub(super) fn step(&self, state: u16, class: u8) -> u16 {
        self.next[usize::from(state) * self.class_count + usize::from(class)]
    }

    /// Returns the bits that are found when a state is entered.
    pub(super) fn found(&self, state: u16) -> u64 {
        self.found[usize::from(state)]
    }

    /// Returns the bits that are found when the text ends in a state.
    pub(super) fn last(&self, state: u16) -> u64 {
        self.last[usize::from(state)]
    }

    /// Returns the state in which a text begins.
    pub(super) fn start(&self) -> u16 {
        self.start
    }

    /// Returns a state in which a piece of a text may begin: nothing is found from there that is not in the text.
    pub(super) fn middle(&self) -> u16 {
        self.middle
    }

    /// Returns what is found in every text.
    pub(super) fn always(&self) -> u64 {
        self.always
    }

    /// Returns how many bytes before it say all about what is found at a place.
    pub(super) fn window_size(&self) -> Option<usize> {
        self.window_size
    }

    /// Says whether no byte leads out of a state.
    pub(super) fn is_end(&self, state: u16) -> bool {
        (0..self.class_count).all(|class| self.step(state, class as u8) == state)
    }

    /// Returns the bits that it can find, those of patterns alone.
    pub(super) fn all(&self) -> u64 {
        let bits = self.found.iter().chain(&self.last).fold(self.always, |all, bits| all | bits);
        bits & !NON_ASCII
    }

    fn checked(self) -> Result<Self, Unsupported> {
        let is_small = self.state_count() <= STATES_MAX && self.class_count <= CLASSES_MAX;
        if !is_small || self.next.len() > TRANSITIONS_MAX {
            let (states, classes) = (self.state_count(), self.class_count);
            return Err(Unsupported::new(format!("an automaton of {states} states and {classes} classes of bytes")));
        }
        Ok(self)
    }
}

/// Returns what a pattern is in bytes, each form with the bits that it sets.
fn pattern_forms(pattern: &TextTest, bit: u64) -> Result<Vec<(u64, Hir)>, Unsupported> {
    let (start, end) = (Hir::look(Look::Start), Hir::look(Look::End));
    let form = match pattern {
        TextTest::Equals { text, is_case_ignored } => vec![start, literal(text, *is_case_ignored), end],
        TextTest::StartsWith { text, is_case_ignored } => vec![start, literal(text, *is_case_ignored)],
        TextTest::EndsWith { text, is_case_ignored } => vec![literal(text, *is_case_ignored), end],
        TextTest::Contains { text, is_case_ignored } => vec![literal(text, *is_case_ignored)],
        TextTest::Has { text, is_case_ignored, edges } => return term_forms(text, *is_case_ignored, *edges, bit),
    };
    Ok(vec![(bit, Hir::concat(form))])
}

/// Returns what a term is in bytes: between edges that ASCII decides, and between others, where it cannot be told.
fn term_forms(text: &[u8], is_case_ignored: bool, edges: TermEdges, bit: u64) -> Result<Vec<(u64, Hir)>, Unsupported> {
    let (Some(first), Some(end)) = (text.first(), text.last()) else { return Ok(Vec::new()) };
    if (!first.is_ascii() && edges != TermEdges::End) || (!end.is_ascii() && edges != TermEdges::Start) {
        return Err(Unsupported::new("a term with an edge beyond ASCII"));
    }
    let literal = literal(text, is_case_ignored);
    // As `dtq_value::search::term`: an edge that is no letter or digit delimits by itself.
    let is_start_asked = edges != TermEdges::End && first.is_ascii_alphanumeric();
    let is_end_asked = edges != TermEdges::Start && end.is_ascii_alphanumeric();
    let delimiter =
        |look| Hir::alternation(vec![Hir::look(look), bytes(|byte| byte.is_ascii() && !byte.is_ascii_alphanumeric())]);
    let unclear = || bytes(|byte| !byte.is_ascii());
    let before = if is_start_asked { delimiter(Look::Start) } else { Hir::empty() };
    let behind = if is_end_asked { delimiter(Look::End) } else { Hir::empty() };
    let mut forms = vec![(bit, Hir::concat(vec![before.clone(), literal.clone(), behind.clone()]))];
    if is_start_asked {
        forms.push((NON_ASCII, Hir::concat(vec![unclear(), literal.clone(), behind])));
    }
    if is_end_asked {
        forms.push((NON_ASCII, Hir::concat(vec![before, literal.clone(), unclear()])));
    }
    if is_start_asked && is_end_asked {
        forms.push((NON_ASCII, Hir::concat(vec![unclear(), literal, unclear()])));
    }
    Ok(forms)
}

fn literal(text: &[u8], is_case_ignored: bool) -> Hir {
    if !is_case_ignored {
        return Hir::literal(text);
    }
    Hir::concat(text.iter().map(|one| bytes(|byte| byte.eq_ignore_ascii_case(one))).collect())
}

/// Returns the class of the bytes of which something holds.
fn bytes(holds: impl Fn(&u8) -> bool) -> Hir {
    let ranges = (0..=u8::MAX).filter(holds).map(|byte| ClassBytesRange::new(byte, byte));
    Hir::class(Class::Bytes(ClassBytes::new(ranges)))
}

/// Returns the part of a regular expression that is about ASCII, for an automaton that gives up at other bytes.
///
/// Nested as deep as the parser lets it be.
fn in_ascii(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Look(_) => hir.clone(),
        HirKind::Class(Class::Unicode(class)) => {
            let mut class = class.clone();
            class.intersect(&ClassUnicode::new([ClassUnicodeRange::new('\0', '\x7f')]));
            Hir::class(Class::Unicode(class))
        }
        HirKind::Class(Class::Bytes(class)) => {
            let mut class = class.clone();
            class.intersect(&ClassBytes::new([ClassBytesRange::new(0, 0x7f)]));
            Hir::class(Class::Bytes(class))
        }
        HirKind::Repetition(Repetition { min, max, greedy, sub }) => {
            Hir::repetition(Repetition { min: *min, max: *max, greedy: *greedy, sub: Box::new(in_ascii(sub)) })
        }
        HirKind::Capture(capture) => in_ascii(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(in_ascii).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(in_ascii).collect()),
    }
}

/// Returns an automaton whose states are made as they are asked for, in bounded memory.
fn lazy_automaton(hirs: &[Hir], is_ascii_only: bool) -> Result<DFA, Unsupported> {
    let too_large = |_| Unsupported::new("a regular expression that is too large");
    let config =
        thompson::Config::new().utf8(false).nfa_size_limit(Some(NFA_SIZE_MAX)).which_captures(WhichCaptures::None);
    let nfa = thompson::Compiler::new().configure(config).build_many_from_hir(hirs).map_err(too_large)?;
    let mut config = DFA::config()
        .match_kind(MatchKind::All)
        .unicode_word_boundary(true)
        .cache_capacity(CACHE_SIZE)
        .minimum_cache_clear_count(Some(0));
    if is_ascii_only {
        config = (0x80..=u8::MAX).fold(config, |config, byte| config.quit(byte, true));
    }
    DFA::builder()
        .configure(config)
        .build_from_nfa(nfa)
        .map_err(|_| Unsupported::new("a regular expression that is too large"))
}

/// The states behind which nothing changes: found, given up, and nothing to be found.
const ACCEPT: u32 = 0;
const QUIT: u32 = 1;
const DEAD: u32 = 2;

/// Holds states as they are made, in the order in which they are met.
struct Raw {
    /// Of each class a byte.
    representatives: Vec<u8>,
    classes: [u8; 256],
    next: Vec<u32>,
    found: Vec<u64>,
    last: Vec<u64>,
    start: u32,
    middle: u32,
}

impl Raw {
    /// Makes all states that texts lead to; where `is_cut`, nothing is made behind a match.
    fn explore(dfa: &DFA, bits: &[u64], is_cut: bool) -> Result<Self, Unsupported> {
        let too_large = || Unsupported::new("an automaton with too many states");
        let mut cache = dfa.create_cache();
        let classes = dfa.byte_classes();
        let mut seen = Seen { dfa, bits, is_cut, ids: FxHashMap::default(), open: Vec::new() };
        let mut start_at = |look_behind| {
            let config = start::Config::new().look_behind(look_behind);
            dfa.start_state(&mut cache, &config).map_err(|_| too_large())
        };
        let (start, middle) = (start_at(None)?, start_at(Some(b'a'))?);
        let mut raw = Self {
            representatives: classes.representatives(0..=u8::MAX).filter_map(|unit| unit.as_u8()).collect(),
            classes: std::array::from_fn(|byte| classes.get(byte as u8)),
            next: Vec::new(),
            found: vec![1, NON_ASCII, 0],
            last: vec![1, NON_ASCII, 0],
            start: seen.index(start),
            middle: seen.index(middle),
        };
        for end in [ACCEPT, QUIT, DEAD] {
            raw.next.extend(raw.representatives.iter().map(|_| end));
        }
        let mut position = 0;
        while let Some(id) = seen.open.get(position).copied() {
            position += 1;
            if position > RAW_STATES_MAX {
                return Err(too_large());
            }
            for byte in &raw.representatives {
                let next = dfa.next_state(&mut cache, id, *byte).map_err(|_| too_large())?;
                raw.next.push(seen.index(next));
            }
            let end = dfa.next_eoi_state(&mut cache, id).map_err(|_| too_large())?;
            raw.found.push(seen.bits_of(&cache, id));
            raw.last.push(seen.bits_of(&cache, end));
        }
        Ok(raw)
    }

    /// Finds bits in the states in which they are sure, not one byte behind them as `regex-automata` does; with that the
    /// states that say only what was found before them are equal to others.
    ///
    /// Returns the bits of the first state, which no text enters.
    fn find_early(&mut self) -> u64 {
        let count = self.representatives.len();
        let sure = |state: usize| {
            let next = self.next[state * count..][..count].iter();
            next.fold(self.last[state], |bits, next| bits & self.found[*next as usize])
        };
        let early: Vec<u64> = (0..self.found.len()).map(sure).collect();
        // Bits that were found on every way to a state before it.
        let mut before = vec![u64::MAX; self.found.len()];
        for (state, bits) in early.iter().enumerate() {
            for next in &self.next[state * count..][..count] {
                before[*next as usize] &= bits;
            }
        }
        for (state, bits) in early.iter().enumerate() {
            self.found[state] = bits | self.found[state] & !before[state];
        }
        early[self.start as usize]
    }

    /// Returns the automaton with equal states and equal classes merged.
    fn reduced(mut self) -> Result<Automaton, Unsupported> {
        let always = self.find_early();
        let blocks = self.blocks();
        let count = self.representatives.len();
        // One state stands for all of its block, numbered in the order in which texts lead to them.
        let mut numbers: FxHashMap<u32, u16> = FxHashMap::default();
        let mut order: Vec<u32> = Vec::new();
        let mut number = |state: u32, order: &mut Vec<u32>| {
            *numbers.entry(blocks[state as usize]).or_insert_with(|| {
                order.push(state);
                order.len() as u16 - 1
            })
        };
        let (start, middle) = (number(self.start, &mut order), number(self.middle, &mut order));
        let mut rows: Vec<u16> = Vec::new();
        let mut position = 0;
        while let Some(state) = order.get(position).copied() {
            position += 1;
            for next in &self.next[state as usize * count..][..count] {
                rows.push(number(*next, &mut order));
            }
        }
        let mut columns: FxHashMap<Vec<u16>, u8> = FxHashMap::default();
        let mut kept: Vec<usize> = Vec::new();
        let mut class_of = Vec::new();
        for class in 0..count {
            let column = rows.iter().skip(class).step_by(count).copied().collect();
            let known = columns.len() as u8;
            class_of.push(*columns.entry(column).or_insert_with(|| {
                kept.push(class);
                known
            }));
        }
        Ok(Automaton {
            classes: self.classes.map(|class| class_of[usize::from(class)]),
            class_count: kept.len(),
            next: rows.chunks(count).flat_map(|row| kept.iter().map(|class| row[*class])).collect(),
            found: order.iter().map(|state| self.found[*state as usize]).collect(),
            last: order.iter().map(|state| self.last[*state as usize]).collect(),
            start,
            middle,
            always,
            window_size: None,
        })
    }

    /// Returns of each state its block: states of one block find the same from there on.
    ///
    /// Blocks are split until none has states that lead to different ones; where that takes too long, each state is its own.
    fn blocks(&self) -> Vec<u32> {
        let count = self.representatives.len();
        let mut ids: FxHashMap<(u64, u64), u32> = FxHashMap::default();
        let mut blocks: Vec<u32> = Vec::new();
        for bits in self.found.iter().copied().zip(self.last.iter().copied()) {
            let known = ids.len() as u32;
            blocks.push(*ids.entry(bits).or_insert(known));
        }
        let mut block_count = ids.len();
        for _ in 0..=MERGE_STEPS_MAX / self.next.len().max(1) {
            let mut ids: FxHashMap<Vec<u32>, u32> = FxHashMap::default();
            let mut split = Vec::with_capacity(blocks.len());
            for (state, block) in blocks.iter().enumerate() {
                let next = self.next[state * count..][..count].iter().map(|next| blocks[*next as usize]);
                let known = ids.len() as u32;
                split.push(*ids.entry(std::iter::once(*block).chain(next).collect()).or_insert(known));
            }
            if ids.len() == block_count {
                return blocks;
            }
            block_count = ids.len();
            blocks = split;
        }
        (0..blocks.len() as u32).collect()
    }
}

/// Holds the states that were met.
struct Seen<'d> {
    dfa: &'d DFA,
    bits: &'d [u64],
    is_cut: bool,
    ids: FxHashMap<LazyStateID, u32>,
    open: Vec<LazyStateID>,
}

impl Seen<'_> {
    fn index(&mut self, id: LazyStateID) -> u32 {
        match () {
            () if id.is_dead() => DEAD,
            () if id.is_quit() => QUIT,
            () if id.is_match() && self.is_cut => ACCEPT,
            () => *self.ids.entry(id).or_insert_with(|| {
                self.open.push(id);
                DEAD + self.open.len() as u32
            }),
        }
    }

    /// Returns the bits of the patterns that are found in a state.
    fn bits_of(&self, cache: &Cache, id: LazyStateID) -> u64 {
        if id.is_quit() {
            return NON_ASCII;
        }
        if !id.is_match() {
            return 0;
        }
        let found = 0..self.dfa.match_len(cache, id);
        found.fold(0, |bits, index| bits | self.bits[self.dfa.match_pattern(cache, id, index).as_usize()])
    }
}
