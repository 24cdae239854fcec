//! Messages to scan, made from what a pass reads: as encoders write them, or in every other way.

use dtq_generate::Choices;
use dtq_record::otlp::pass::{How, Pass, Read};
use dtq_record::wire::append_varint;

/// Keys of every shape of compare, more of one size than are compared one by one, and some that no attribute has.
pub const KEYS: [&str; 24] = [
    "a",
    "b",
    "c",
    "d",
    "aa",
    "ab",
    "bb",
    "abc",
    "abd",
    "four",
    "fivee",
    "sevenof",
    "EventName",
    "http.route",
    "http.status_code",
    "http.statuX_code",
    "http.status_codE",
    "Xttp.status_code",
    "http.status_c0de",
    "",
    "service.name",
    "a-key-that-is-longer-than-all-the-others-and-that-nothing-ever-had-before",
    "x",
    "Name",
];

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    fn number(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => 1,
            2 => u64::MAX,
            3 => self.next(),
            4 => self.next() >> self.below(64),
            5 => 127 + self.below(4) as u64,
            _ => self.below(600) as u64,
        }
    }
}

/// Makes messages; `odd` ones have what encoders do not write.
pub struct Maker<'a> {
    pub random: &'a mut Random,
    pub odd: bool,
}

impl Maker<'_> {
    fn is_odd(&mut self, bound: usize) -> bool {
        self.odd && self.random.one_in(bound)
    }

    fn varint(&mut self, out: &mut Vec<u8>, number: u64) {
        let start = out.len();
        append_varint(out, number);
        if out.len() - start == 10 && self.is_odd(8) {
            // Of the tenth byte only the lowest bit counts, and no other may be there.
            *out.last_mut().expect("a varint has a byte") = self.random.below(4) as u8;
        }
        if self.is_odd(60) {
            // Padded to at most eleven bytes, of which the last is too much.
            let size = out.len() - start;
            *out.last_mut().expect("a varint has a byte") |= 0x80;
            let more = 1 + self.random.below(11 - size);
            out.extend(std::iter::repeat_n(0x80, more - 1));
            out.push(u8::from(self.random.one_in(20)));
        }
    }

    /// Returns a number of a field; only odd ones have three bytes and more, which is left to the filler.
    fn field_number(&mut self) -> u64 {
        let number = self.random.number();
        if self.odd { number } else { number & 0x3FFF }
    }

    fn tag(&mut self, out: &mut Vec<u8>, number: u32, wire_type: u32) {
        self.varint(out, u64::from(number << 3 | wire_type));
    }

    fn bytes_field(&mut self, out: &mut Vec<u8>, number: u32, content: &[u8]) {
        self.tag(out, number, 2);
        let wrong = match self.is_odd(200).then(|| self.random.below(6)) {
            None => 0,
            // So that the sum with an address wraps, or nearly does.
            Some(4) => u64::MAX - self.random.below(300) as u64,
            Some(5) => 1 << (30 + self.random.below(34)),
            Some(more) => more as u64,
        };
        self.varint(out, (content.len() as u64).wrapping_add(wrong));
        out.extend_from_slice(content);
    }

    fn text(&mut self) -> Vec<u8> {
        let size = match self.random.below(12) {
            0 => 0,
            1 => 120 + self.random.below(12),
            2 => 1 + self.random.below(400),
            // From 16 KiB on a length has three bytes, which is left to the filler.
            3 if self.random.one_in(10) => self.random.below(8) + if self.odd { 16_380 } else { 1_500 },
            _ => self.random.below(24),
        };
        match self.random.below(6) {
            0 => b"LogWelcomeBanner".to_vec(),
            1 | 2 => dtq_generate::values::text(&mut Choices::Seed(self.random.next())),
            _ => vec![b'x'; size],
        }
    }

    pub fn any(&mut self, depth: usize) -> Vec<u8> {
        let mut out = Vec::new();
        if self.random.one_in(12) {
            return out;
        }
        let members = if self.is_odd(10) { 2 } else { 1 };
        for _ in 0..members {
            match self.random.below(if depth == 0 { 10 } else { 12 }) {
                0 => {
                    self.tag(&mut out, 2, 0);
                    // Whatever is not 0 is true.
                    let flag = if self.is_odd(4) { self.random.number() } else { self.random.below(2) as u64 };
                    self.varint(&mut out, flag);
                }
                1 | 2 => {
                    self.tag(&mut out, 3, 0);
                    let number = self.random.number();
                    self.varint(&mut out, number);
                }
                3 => {
                    self.tag(&mut out, 4, 1);
                    out.extend_from_slice(&self.random.next().to_le_bytes());
                }
                4 => {
                    let text = self.text();
                    self.bytes_field(&mut out, 7, &text);
                }
                10 => {
                    let items: Vec<u8> = (0..self.random.below(3)).fold(Vec::new(), |mut items, _| {
                        let item = self.any(depth - 1);
                        self.bytes_field(&mut items, 1, &item);
                        items
                    });
                    self.bytes_field(&mut out, 5, &items);
                }
                11 => {
                    let pair = self.pair(depth - 1);
                    let mut items = Vec::new();
                    self.bytes_field(&mut items, 1, &pair);
                    self.bytes_field(&mut out, 6, &items);
                }
                _ => {
                    let text = self.text();
                    self.bytes_field(&mut out, 1, &text);
                }
            }
            if self.is_odd(20) {
                self.unread(&mut out);
            }
        }
        if self.is_odd(40) {
            // What is behind a member is read too, and may be no field.
            out.push(*self.random.pick(&[0x00, 0x01, 0x0A, 0x80]));
        }
        out
    }

    pub fn pair(&mut self, depth: usize) -> Vec<u8> {
        let key = match self.random.below(20) {
            // From 128 bytes on the length of a key has two bytes.
            0 => "k".repeat(if self.odd { 126 + self.random.below(4) } else { 127 }),
            1..5 => format!("k{}", self.random.below(120)),
            5..10 => (*self.random.pick(&KEYS[..4])).to_owned(),
            _ => (*self.random.pick(&KEYS)).to_owned(),
        };
        let value = self.any(depth);
        let mut out = Vec::new();
        if !self.is_odd(20) {
            self.bytes_field(&mut out, 1, key.as_bytes());
        }
        if !self.is_odd(20) {
            self.bytes_field(&mut out, 2, &value);
        }
        match self.odd.then(|| self.random.below(60)) {
            Some(0) => self.unread(&mut out),
            Some(1) => self.bytes_field(&mut out, 1, b"a"),
            Some(2) => self.bytes_field(&mut out, 2, b""),
            Some(3) => out.extend_from_slice(&[0x18, 0x01]),
            Some(4) => {
                let mut swapped = Vec::new();
                self.bytes_field(&mut swapped, 2, &value);
                self.bytes_field(&mut swapped, 1, key.as_bytes());
                return swapped;
            }
            _ => {}
        }
        out
    }

    /// Appends a field of any number and wire type.
    fn unread(&mut self, out: &mut Vec<u8>) {
        let number = match self.random.below(4) {
            0 => 16 + self.random.below(240),
            1 => 16,
            _ => 1 + self.random.below(15),
        };
        self.field_of(out, number as u32);
    }

    fn field_of(&mut self, out: &mut Vec<u8>, number: u32) {
        let wire_type = match number {
            _ if self.is_odd(12) => self.random.below(8) as u32,
            // As the flags of a span have.
            16.. if !self.odd => 5,
            _ => *self.random.pick(&[0, 1, 2, 5]),
        };
        self.tag(out, number, wire_type);
        match wire_type {
            0 => {
                let content = self.field_number();
                self.varint(out, content);
            }
            1 => out.extend_from_slice(&self.random.next().to_le_bytes()),
            2 => {
                let text = self.text();
                self.varint(out, text.len() as u64);
                out.extend_from_slice(&text);
            }
            3 => self.tag(out, number, 4),
            5 => out.extend_from_slice(&[1, 2, 3, 4]),
            _ => {}
        }
    }

    fn read(&mut self, out: &mut Vec<u8>, pass: &Pass, read: &Read) {
        if self.is_odd(40) {
            return self.field_of(out, read.number);
        }
        match read.how {
            How::Int | How::Word(_) | How::Bool | How::PointFlags => {
                self.tag(out, read.number, 0);
                let number = self.field_number();
                self.varint(out, number);
            }
            How::Time | How::Real | How::LongAsReal | How::Count => {
                self.tag(out, read.number, 1);
                out.extend_from_slice(&self.random.number().to_le_bytes());
            }
            How::TraceFlags => {
                self.tag(out, read.number, 5);
                out.extend_from_slice(&(self.random.number() as u32).to_le_bytes());
            }
            How::Text => {
                let text = self.text();
                self.bytes_field(out, read.number, &text);
            }
            How::Id => {
                let size = if self.is_odd(6) { self.random.below(20) } else { *self.random.pick(&[0, 8, 16]) };
                let zeros = self.random.one_in(3);
                let id: Vec<u8> = (0..size).map(|_| if zeros { 0 } else { self.random.below(3) as u8 }).collect();
                self.bytes_field(out, read.number, &id);
            }
            How::Any => {
                let any = self.any(2);
                self.bytes_field(out, read.number, &any);
            }
            How::Keys => {
                for _ in 0..self.random.below(12) {
                    let pair = self.pair(2);
                    self.bytes_field(out, read.number, &pair);
                }
            }
            How::Message(position) | How::Data(_, position) => {
                let message = self.message(&pass.nested()[position]);
                self.bytes_field(out, read.number, &message);
            }
        }
    }

    /// Makes a message of the fields that a pass reads, and of others.
    pub fn message(&mut self, pass: &Pass) -> Vec<u8> {
        let mut fields: Vec<(u32, Vec<u8>)> = Vec::new();
        for read in pass.reads() {
            let times =
                if self.odd { [0, 1, 1, 1, 2][self.random.below(5)] } else { usize::from(!self.random.one_in(6)) };
            for _ in 0..times {
                let mut field = Vec::new();
                self.read(&mut field, pass, read);
                fields.push((read.number, field));
            }
        }
        for _ in 0..self.random.below(6) {
            let bound = if self.random.one_in(3) { 40 } else { 15 };
            let number = 1 + self.random.below(bound) as u32;
            if pass.reads().iter().all(|read| read.number != number) {
                let mut field = Vec::new();
                self.field_of(&mut field, number);
                fields.push((number, field));
            }
        }
        match self.odd && self.random.one_in(2) {
            true => (1..fields.len()).for_each(|end| fields.swap(end, self.random.below(end + 1))),
            false => fields.sort_by_key(|(number, _)| *number),
        }
        fields.into_iter().flat_map(|(_, field)| field).collect()
    }
}

/// Damages a message: cuts it, or changes, adds or takes away a byte.
pub fn mutate(random: &mut Random, message: &mut Vec<u8>) {
    if message.is_empty() {
        return message.push(random.next() as u8);
    }
    let position = random.below(message.len());
    match random.below(5) {
        0 => message.truncate(position),
        1 => message[position] ^= 1 << random.below(8),
        2 => message.insert(position, random.next() as u8),
        3 => drop(message.remove(position)),
        _ => message[position] = *random.pick(&[0, 0x0A, 0x12, 0x7F, 0x80, 0xFF, 0x32]),
    }
}
