//! Random questions about texts and numbers, with the answers of user space.

use crate::part::{Part, Subject, packet_of_number, packet_of_text};
use dtq_ebpf::search::{TermEdges, TextTest, emit_long_in, emit_test, emit_text_in};
use dtq_value::search::{self, WordSet};

/// Makes decisions: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Returns a length, of which most are small.
    fn length(&mut self, max: usize) -> usize {
        let max = self.pick(&[4, 9, 17, 40, 300, max]).min(max);
        self.below(max + 1)
    }

    /// Returns bytes of which some are likely to be those of other such ones.
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let alphabets: [&[u8]; 5] =
            [b"ab", b"aAbB 1", b"errorERROR -_.[`@{", b"abcdefghijklmnopqrstuvwxyz ETAOIN\0:", b"z \xc3\xa9\xff\x81a"];
        let alphabet = self.pick(&alphabets);
        match self.below(12) {
            0 => (0..length).map(|_| self.next() as u8).collect(),
            _ => (0..length).map(|_| self.pick(alphabet)).collect(),
        }
    }

    /// Returns the same with other case of letters, or with a bit flipped here and there.
    fn changed(&mut self, text: &[u8]) -> Vec<u8> {
        let mut text = text.to_vec();
        match self.below(4) {
            0 => {}
            1 if !text.is_empty() => {
                let at = self.below(text.len());
                text[at] ^= 1 << self.below(8);
            }
            _ => text.iter_mut().filter(|_| self.0 & 64 == 0).for_each(|byte| {
                if byte.is_ascii_alphabetic() {
                    *byte ^= 0x20;
                }
            }),
        }
        text
    }

    fn number(&mut self) -> i64 {
        let near = self.pick(&[0, 1, -1, i64::MIN, i64::MAX, 1 << 31, -(1 << 31), 1 << 32, 200]);
        match self.below(4) {
            0 => self.next() as i64,
            _ => near.wrapping_add(self.below(40) as i64 - 20),
        }
    }
}

/// Holds what is asked.
#[derive(Debug)]
pub enum Question {
    Test(TextTest),
    TextIn { texts: Vec<Vec<u8>>, is_case_ignored: bool },
    LongIn(Vec<i64>),
}

impl Question {
    pub fn random(random: &mut Random) -> Self {
        let is_case_ignored = random.below(2) == 0;
        let length = random.length(1_024);
        let text = random.bytes(length);
        match random.below(9) {
            0 => Question::Test(TextTest::Equals { text, is_case_ignored }),
            1 => Question::Test(TextTest::StartsWith { text, is_case_ignored }),
            2 => Question::Test(TextTest::EndsWith { text, is_case_ignored }),
            3 | 4 => Question::Test(TextTest::Contains { text, is_case_ignored }),
            5 | 6 => {
                let edges = random.pick(&[TermEdges::Both, TermEdges::Start, TermEdges::End]);
                Question::Test(TextTest::Has { text, is_case_ignored, edges })
            }
            7 => {
                let count = random.pick(&[0, 1, 5, 8, 9, 20, 300]);
                let mut one = || {
                    let length = random.length(60);
                    random.bytes(length)
                };
                Question::TextIn { texts: (0..count).map(|_| one()).collect(), is_case_ignored }
            }
            _ => {
                let count = random.pick(&[0, 1, 5, 8, 9, 20, 300]);
                Question::LongIn((0..count).map(|_| random.number()).collect())
            }
        }
    }

    /// Returns the program that answers it.
    pub fn part(&self) -> Part {
        let part = match self {
            Question::Test(test) => Part::new(Subject::Text, |e, outcome| emit_test(e, test, outcome)),
            Question::TextIn { texts, is_case_ignored } => {
                Part::new(Subject::Text, |e, outcome| emit_text_in(e, texts, *is_case_ignored, outcome))
            }
            Question::LongIn(values) => Part::new(Subject::Number, |e, outcome| emit_long_in(e, values, outcome)),
        };
        part.unwrap_or_else(|unsupported| panic!("{unsupported}: {self:?}"))
    }

    /// Says whether the kernel may leave it open.
    pub fn may_be_unknown(&self) -> bool {
        matches!(self, Question::Test(TextTest::Has { .. }))
    }

    /// Returns a packet to ask of, and the answer.
    pub fn packet(&self, random: &mut Random) -> (Vec<u8>, bool) {
        if let Question::LongIn(values) = self {
            let number = match random.below(2) {
                0 if !values.is_empty() => random.pick(values).wrapping_add(random.pick(&[0, 0, 0, 1, -1])),
                _ => random.number(),
            };
            return (packet_of_number(number), values.contains(&number));
        }
        let mut text = self.text(random);
        // A test run takes packets of less than a page.
        text.truncate(3_100);
        let (before, behind) = (random.length(40), random.length(40));
        // Beside the text may stand what would make it longer.
        let beside = |random: &mut Random, length| match random.below(2) {
            0 => random.bytes(length),
            _ => self.text(random).into_iter().take(200).collect(),
        };
        let (before, behind) = (beside(random, before), beside(random, behind));
        (packet_of_text(&before, &text, &behind), self.answer(&text))
    }

    /// Returns a text of which the answer is likely to be yes.
    fn text(&self, random: &mut Random) -> Vec<u8> {
        let constant = match self {
            Question::Test(test) => test.constant().0.to_vec(),
            Question::TextIn { texts, .. } if !texts.is_empty() => texts[random.below(texts.len())].clone(),
            _ => Vec::new(),
        };
        let (before, behind) = (random.length(1_200), random.length(1_200));
        let mut part = random.changed(&constant);
        if random.below(6) == 0 {
            part.pop();
        }
        let is_whole = matches!(self, Question::Test(TextTest::Equals { .. }) | Question::TextIn { .. });
        match random.below(8) {
            0 => random.bytes(before),
            _ if is_whole => part,
            1 | 2 => [part, random.bytes(behind)].concat(),
            3 | 4 => [random.bytes(before), part].concat(),
            5 => [&random.bytes(before)[..], b" ", &part, b"-", &random.bytes(behind)].concat(),
            6 => [&random.bytes(before)[..], &part, &constant, b" ", &part].concat(),
            _ => [random.bytes(before), part, random.bytes(behind)].concat(),
        }
    }

    fn answer(&self, text: &[u8]) -> bool {
        match self {
            Question::Test(test) => {
                let (constant, is_case_ignored) = test.constant();
                match test {
                    TextTest::Equals { .. } if is_case_ignored => text.eq_ignore_ascii_case(constant),
                    TextTest::Equals { .. } => text == constant,
                    TextTest::StartsWith { .. } if is_case_ignored => search::starts_with_ignore_case(text, constant),
                    TextTest::StartsWith { .. } => text.starts_with(constant),
                    TextTest::EndsWith { .. } if is_case_ignored => search::ends_with_ignore_case(text, constant),
                    TextTest::EndsWith { .. } => text.ends_with(constant),
                    TextTest::Contains { .. } if is_case_ignored => search::contains_ignore_case(text, constant),
                    TextTest::Contains { .. } => search::contains(text, constant),
                    TextTest::Has { edges, .. } if is_case_ignored => search::has_ignore_case(text, constant, *edges),
                    TextTest::Has { edges, .. } => search::has(text, constant, *edges),
                }
            }
            Question::TextIn { texts, is_case_ignored } => {
                WordSet::new(texts.iter().map(Vec::as_slice), *is_case_ignored).contains(text)
            }
            Question::LongIn(_) => unreachable!("that is no question about a text"),
        }
    }
}
