//! Inputs whose records are lines to rows: blocks of whole lines, each decoded by itself, perhaps on another thread.
//!
//! The input is read block by block on the reader's thread; decoding a block depends on nothing but its bytes, and what
//! comes of the blocks is put together in their order. So rows and report are the same however many threads there are.
//! Nothing here starts a thread: the host may lend some ([`Workers`]). Next: `sieve.rs` (which lines need no look).

use super::bytes::Window;
use super::report::{Events, Place, Tracker};
use crate::json::RecordSink;
use crate::record::{Plan, RowBuilder};
use crate::sieve::Sieve;
use crate::stream::Row;
use crate::text::Decoder;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Bytes of a block, unless a line is longer: few enough that each is still in the cache when it is decoded.
const BLOCK_BYTES: usize = 256 << 10;
/// Bytes of the first block, so that the beginning of an input comes soon; each following one has twice as many.
const FIRST_BLOCK_BYTES: usize = 32 << 10;
/// Blocks that are decoded where they are read before others are asked for help: most inputs are small.
const ALONE_BLOCKS: u64 = 16;

/// Decodes blocks, perhaps at the same time on several threads.
pub trait Workers {
    /// Returns how many blocks may be begun and not finished.
    fn pending_max(&self) -> usize;

    /// Takes a block to decode; the ticket names it.
    fn begin(&self, block: Block) -> u64;

    /// Returns what a block was decoded to, waiting for it.
    fn finish(&self, ticket: u64) -> Decoded;
}

/// Holds some lines of an input and how they are read.
pub struct Block {
    reader: Arc<LineReader>,
    may_pass_over: bool,
    kind: BlockKind,
}

enum BlockKind {
    /// Whole lines: that many of the bytes.
    Lines(Vec<u8>, usize),
    /// A line over the bound, which was not kept.
    TooLong,
}

/// Holds the rows of a block and what happened on the way.
pub struct Decoded {
    rows: Vec<Row>,
    events: Events,
    line_count: u64,
    passed_over: u64,
    size_bytes: u64,
    /// The block's memory, to be used again.
    buffer: Vec<u8>,
}

impl Block {
    /// Decodes the block.
    pub fn decode(self) -> Decoded {
        match self.kind {
            BlockKind::Lines(buffer, size) => self.reader.decode(buffer, size, self.may_pass_over),
            BlockKind::TooLong => self.reader.too_long(),
        }
    }
}

/// Says what became of a line.
enum Read {
    Row(Row),
    PassedOver,
    /// It is blank or malformed.
    Nothing,
}

/// Holds all that decoding a block needs.
#[derive(Clone, Debug)]
pub(crate) struct LineReader {
    pub decoder: Decoder,
    pub plan: Arc<Plan>,
    /// What a line needs so that it matters; `None` when every line does.
    pub sieve: Option<Sieve>,
    pub line_bytes_max: usize,
}

impl LineReader {
    fn decode(&self, buffer: Vec<u8>, size: usize, may_pass_over: bool) -> Decoded {
        let bytes = &buffer[..size];
        let events = RefCell::new(Events::default());
        let tracker = Tracker::keeping(&events);
        let mut builder = RowBuilder::new(Arc::clone(&self.plan));
        let mut sifting = self.sieve.as_ref().filter(|_| may_pass_over).map(|sieve| sieve.over(bytes));
        let may_settle = may_pass_over && matches!(self.decoder, Decoder::Json { .. });
        let (mut rows, mut line_count, mut passed_over, mut start) = (Vec::new(), 0, 0, 0);
        while start < size {
            let newline = memchr::memchr(b'\n', &bytes[start..]).map(|at| start + at);
            let end = match newline {
                Some(at) => at - usize::from(at > start && bytes[at - 1] == b'\r'),
                None => size,
            };
            line_count += 1;
            let line = &bytes[start..end];
            if line.len() > self.line_bytes_max {
                tracker.skip(Place::Line(line_count), self.too_long_reason());
            } else if sifting.as_mut().is_some_and(|sifting| sifting.passes_over(start..end)) {
                passed_over += 1;
            } else {
                builder.set_may_settle(may_settle && line.trim_ascii_end().last() == Some(&b'}'));
                match self.row(line, Place::Line(line_count), &mut builder, &tracker) {
                    Read::Row(row) => rows.push(row),
                    Read::PassedOver => passed_over += 1,
                    Read::Nothing => {}
                }
            }
            start = newline.map_or(size, |at| at + 1);
        }
        drop(sifting);
        Decoded { rows, events: events.into_inner(), line_count, passed_over, size_bytes: size as u64, buffer }
    }

    fn row(&self, line: &[u8], place: Place, builder: &mut RowBuilder, tracker: &Tracker<'_>) -> Read {
        if line.trim_ascii().is_empty() {
            return Read::Nothing;
        }
        match self.decoder.decode(line, builder) {
            Ok(()) => Read::Row(builder.finish(place, tracker)),
            Err(_) if builder.is_settled() => {
                builder.discard();
                Read::PassedOver
            }
            Err(reason) => {
                builder.discard();
                tracker.skip(place, reason);
                Read::Nothing
            }
        }
    }

    fn too_long(&self) -> Decoded {
        let events = RefCell::new(Events::default());
        Tracker::keeping(&events).skip(Place::Line(1), self.too_long_reason());
        let events = events.into_inner();
        Decoded { rows: Vec::new(), events, line_count: 1, passed_over: 0, size_bytes: 0, buffer: Vec::new() }
    }

    fn too_long_reason(&self) -> String {
        format!("the line is longer than {} bytes", self.line_bytes_max)
    }
}

/// Cuts an input into blocks of whole lines.
struct Cutter<'i> {
    window: Window<'i>,
    line_bytes_max: usize,
    block_bytes: usize,
    /// What was read behind the last block.
    carried: Vec<u8>,
    is_begun: bool,
    /// How many bytes were read.
    offset: u64,
}

impl Cutter<'_> {
    /// Returns the next block, in memory that was used before; `None` at the end.
    fn next(&mut self, mut buffer: Vec<u8>) -> io::Result<Option<BlockKind>> {
        let mut filled = self.carried.len();
        buffer.resize(buffer.len().max(filled + self.block_bytes), 0);
        buffer[..filled].copy_from_slice(&self.carried);
        self.carried.clear();
        self.block_bytes = (self.block_bytes * 2).min(BLOCK_BYTES);
        let mut searched = 0;
        loop {
            if filled == buffer.len() {
                buffer.resize(filled + BLOCK_BYTES, 0);
            }
            filled += self.read(&mut buffer[filled..])?;
            if !self.is_begun {
                if filled < 3 && !self.window.is_finished() {
                    continue;
                }
                self.is_begun = true;
                if buffer[..filled].starts_with(b"\xEF\xBB\xBF") {
                    buffer.copy_within(3..filled, 0);
                    filled -= 3;
                }
            }
            if let Some(at) = memchr::memrchr(b'\n', &buffer[searched..filled]) {
                let end = searched + at + 1;
                self.carried.extend_from_slice(&buffer[end..filled]);
                return Ok(Some(BlockKind::Lines(buffer, end)));
            }
            searched = filled;
            if self.window.is_finished() {
                return Ok((filled > 0).then_some(BlockKind::Lines(buffer, filled)));
            }
            if filled > self.line_bytes_max {
                return self.skip_line(&mut buffer).map(Some);
            }
        }
    }

    /// Reads past the rest of a line that is too long, without keeping it.
    fn skip_line(&mut self, buffer: &mut [u8]) -> io::Result<BlockKind> {
        loop {
            let size = self.read(buffer)?;
            if let Some(at) = memchr::memchr(b'\n', &buffer[..size]) {
                self.carried.extend_from_slice(&buffer[at + 1..size]);
                return Ok(BlockKind::TooLong);
            }
            if self.window.is_finished() {
                return Ok(BlockKind::TooLong);
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.window.read_into(buffer)?;
        self.offset += size as u64;
        Ok(size)
    }
}

/// Reads the rows of an input whose records are lines.
pub(crate) struct LineRows<'i> {
    cutter: Cutter<'i>,
    /// Reads everything; in use until [`LineRows::narrow`].
    whole: Arc<LineReader>,
    /// Reads what the projection asks for.
    narrow: Arc<LineReader>,
    is_narrow: bool,
    may_pass_over: bool,
    tracker: Tracker<'i>,
    workers: Option<&'i dyn Workers>,
    /// Blocks that others decode, in order.
    pending: VecDeque<u64>,
    /// Why no block follows those that are pending.
    end: Option<io::Result<()>>,
    spare: Vec<Vec<u8>>,
    block_count: u64,
    line_count: u64,
    passed_over: u64,
}

impl<'i> LineRows<'i> {
    /// Returns the rows of a window's lines; `whole` and `narrow` differ in what they leave out.
    pub fn new(
        window: Window<'i>,
        (whole, narrow): (LineReader, LineReader),
        tracker: Tracker<'i>,
        workers: Option<&'i dyn Workers>,
    ) -> Self {
        let cutter = Cutter {
            window,
            line_bytes_max: whole.line_bytes_max,
            block_bytes: FIRST_BLOCK_BYTES,
            carried: Vec::new(),
            is_begun: false,
            offset: 0,
        };
        Self {
            cutter,
            whole: Arc::new(whole),
            narrow: Arc::new(narrow),
            is_narrow: false,
            may_pass_over: false,
            tracker,
            workers,
            pending: VecDeque::new(),
            end: None,
            spare: Vec::new(),
            block_count: 0,
            line_count: 0,
            passed_over: 0,
        }
    }

    /// Begins to leave out what the projection does not ask for, and, if `may_pass_over`, records that it does not need.
    pub fn narrow(&mut self, may_pass_over: bool) {
        self.is_narrow = true;
        self.may_pass_over = may_pass_over;
    }

    /// Returns how many lines were passed over since this was last asked.
    pub fn take_passed_over(&mut self) -> u64 {
        std::mem::take(&mut self.passed_over)
    }

    /// Appends the rows of the next block; says whether more may follow.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn read(&mut self, batch: &mut Vec<Row>) -> io::Result<bool> {
        let decoded = match self.workers {
            Some(workers) if self.is_narrow && self.block_count >= ALONE_BLOCKS => {
                while self.pending.len() < workers.pending_max().max(1) {
                    let Some(block) = self.next_block() else { break };
                    self.pending.push_back(workers.begin(block));
                }
                self.pending.pop_front().map(|ticket| workers.finish(ticket))
            }
            _ => self.next_block().map(Block::decode),
        };
        if let Some(decoded) = decoded {
            self.take(decoded, batch);
            return Ok(true);
        }
        if let Some(Err(error)) = self.end.replace(Ok(())) {
            return Err(error);
        }
        if let Some(defect) = self.cutter.window.defect.take() {
            self.tracker.skip(Place::Byte(self.cutter.offset), defect);
        }
        Ok(false)
    }

    /// Cuts the next block; `None` at the end of the input and when it cannot be read.
    fn next_block(&mut self) -> Option<Block> {
        if self.end.is_some() {
            return None;
        }
        let kind = match self.cutter.next(self.spare.pop().unwrap_or_default()) {
            Ok(Some(kind)) => kind,
            Ok(None) => {
                self.end = Some(Ok(()));
                return None;
            }
            Err(error) => {
                self.end = Some(Err(error));
                return None;
            }
        };
        self.block_count += 1;
        let reader = if self.is_narrow { &self.narrow } else { &self.whole };
        Some(Block { reader: Arc::clone(reader), may_pass_over: self.may_pass_over, kind })
    }

    fn take(&mut self, decoded: Decoded, batch: &mut Vec<Row>) {
        let Decoded { mut rows, events, line_count, passed_over, size_bytes, buffer } = decoded;
        events.tell(&self.tracker, self.line_count);
        self.line_count += line_count;
        self.passed_over += passed_over;
        self.tracker.count(rows.len() as u64, size_bytes);
        self.tracker.count_passed_over(passed_over);
        batch.append(&mut rows);
        // Memory that a long line made large is given back.
        if buffer.len() <= 2 * BLOCK_BYTES {
            self.spare.push(buffer);
        }
    }
}

impl Drop for LineRows<'_> {
    fn drop(&mut self) {
        // What nobody takes would stay with the workers.
        if let Some(workers) = self.workers.filter(|_| !std::thread::panicking()) {
            self.pending.drain(..).for_each(|ticket| drop(workers.finish(ticket)));
        }
    }
}
