//! Inputs whose records are lines to rows: blocks of whole lines, each decoded by itself, perhaps on another thread.
//!
//! The input is cut block by block on the reader's thread; decoding a block depends on nothing but its bytes, and what
//! comes of the blocks is put together in their order. So rows and report are the same however many threads there are.
//! Nothing here starts a thread: the host may lend some ([`Workers`]), which then also read, where any part of the input
//! can be read at any time (`parts`). Next: `sieve.rs` (which lines need no look).

use super::bytes::Window;
use super::parts::{PART_BYTES, Parts, Source};
use super::report::{Events, Place, Tracker};
use crate::json::RecordSink;
use crate::record::{Plan, RowBuilder};
use crate::sieve::{PassedOver, Sieve};
use crate::stream::Row;
use crate::text::Decoder;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a block, unless a line is longer: few enough that each is still in the cache when it is decoded.
pub(super) const BLOCK_BYTES: usize = 256 << 10;
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
    /// The lines that begin in a part of the input, still to be read.
    Part(Arc<Source>, Range<u64>),
}

/// Holds the rows of a block and what happened on the way.
#[derive(Default)]
pub struct Decoded {
    pub(super) rows: Vec<Row>,
    events: Events,
    pub(super) line_count: u64,
    passed_over: u64,
    size_bytes: u64,
    /// The block's memory, to be used again.
    buffer: Vec<u8>,
    /// Why the block is not whole.
    error: Option<io::Error>,
}

impl Block {
    /// Decodes the block.
    pub fn decode(self) -> Decoded {
        let mut decoding = Decoding::new(&self.reader, self.may_pass_over);
        match self.kind {
            BlockKind::Lines(buffer, size) => {
                decoding.lines(&buffer[..size]);
                decoding.decoded.buffer = buffer;
            }
            BlockKind::TooLong => decoding.too_long(),
            BlockKind::Part(source, part) => decoding.decoded.error = source.decode(part, &mut decoding).err(),
        }
        decoding.finish()
    }
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

/// Decodes the lines of one block.
pub(super) struct Decoding<'r> {
    reader: &'r LineReader,
    may_pass_over: bool,
    builder: RowBuilder,
    events: RefCell<Events>,
    decoded: Decoded,
}

impl<'r> Decoding<'r> {
    pub(super) fn new(reader: &'r LineReader, may_pass_over: bool) -> Self {
        let builder = RowBuilder::new(Arc::clone(&reader.plan));
        Self { reader, may_pass_over, builder, events: RefCell::default(), decoded: Decoded::default() }
    }

    /// Decodes whole lines; the last may lack its newline.
    pub(super) fn lines(&mut self, bytes: &[u8]) {
        let line_bytes_max = self.reader.line_bytes_max;
        let sieve = self.reader.sieve.as_ref().filter(|_| self.may_pass_over);
        let mut sifting = sieve.map(|sieve| sieve.over(bytes, line_bytes_max));
        let mut start = 0;
        while start < bytes.len() {
            if let Some(sifting) = &mut sifting {
                let PassedOver { count, next } = sifting.pass_over(start);
                self.decoded.line_count += count;
                self.decoded.passed_over += count;
                start = next;
                if start == bytes.len() {
                    break;
                }
            }
            let newline = memchr::memchr(b'\n', &bytes[start..]).map(|at| start + at);
            let end = match newline {
                Some(at) => at - usize::from(at > start && bytes[at - 1] == b'\r'),
                None => bytes.len(),
            };
            let line = &bytes[start..end];
            if line.len() > line_bytes_max {
                self.too_long();
            } else if sifting.as_ref().is_some_and(|sifting| sifting.lacks_another(line)) {
                self.decoded.line_count += 1;
                self.decoded.passed_over += 1;
            } else {
                self.line(line);
            }
            start = newline.map_or(bytes.len(), |at| at + 1);
        }
        self.decoded.size_bytes += bytes.len() as u64;
    }

    fn line(&mut self, line: &[u8]) {
        self.decoded.line_count += 1;
        let trimmed = line.trim_ascii();
        if trimmed.is_empty() {
            return;
        }
        let (reader, builder) = (self.reader, &mut self.builder);
        let is_json = matches!(reader.decoder, Decoder::Json { .. });
        builder.set_may_settle(self.may_pass_over && is_json && trimmed.last() == Some(&b'}'));
        let place = Place::Line(self.decoded.line_count);
        let tracker = Tracker::keeping(&self.events);
        match reader.decoder.decode(line, builder) {
            _ if builder.is_settled() => {
                builder.discard();
                self.decoded.passed_over += 1;
            }
            Ok(()) => self.decoded.rows.push(builder.finish(place, &tracker)),
            Err(reason) => {
                builder.discard();
                tracker.skip(place, reason);
            }
        }
    }

    /// Takes a line over the bound, which was not kept.
    pub(super) fn too_long(&mut self) {
        self.decoded.line_count += 1;
        let reason = format!("the line is longer than {} bytes", self.reader.line_bytes_max);
        Tracker::keeping(&self.events).skip(Place::Line(self.decoded.line_count), reason);
    }

    /// Returns the bound on lines.
    pub(super) fn line_bytes_max(&self) -> usize {
        self.reader.line_bytes_max
    }

    pub(super) fn finish(self) -> Decoded {
        Decoded { events: self.events.into_inner(), ..self.decoded }
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
    /// The input as parts that workers read themselves, where it can be read like that.
    source: Option<Arc<Source>>,
    /// Where the next part begins, once parts are used.
    next_part: Option<u64>,
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
    ///
    /// `parts` are the same bytes, when any part of them can be read.
    pub fn new(
        (window, parts): (Window<'i>, Option<Arc<dyn Parts>>),
        (whole, narrow): (LineReader, LineReader),
        tracker: Tracker<'i>,
        workers: Option<&'i dyn Workers>,
    ) -> Self {
        let source = parts.filter(|_| window.is_plain()).map(|parts| Arc::new(Source::new(parts)));
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
            source,
            next_part: None,
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
                    let Some(block) = self.next_part().or_else(|| self.next_block()) else { break };
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
        match self.cutter.next(self.spare.pop().unwrap_or_default()) {
            Ok(Some(kind)) => {
                self.block_count += 1;
                Some(self.block(kind))
            }
            Ok(None) => {
                self.end = Some(Ok(()));
                None
            }
            Err(error) => {
                self.end = Some(Err(error));
                None
            }
        }
    }

    /// Returns the next part of the input, which whoever decodes it reads; `None` at the end, and where that cannot be.
    fn next_part(&mut self) -> Option<Block> {
        let source = self.source.as_ref().filter(|_| self.end.is_none())?;
        let begin = self.next_part.unwrap_or_else(|| self.cutter.offset - self.cutter.carried.len() as u64);
        let end = source.size().min(begin.saturating_add(PART_BYTES));
        self.next_part = Some(end);
        if begin >= end {
            self.end = Some(Ok(()));
            return None;
        }
        Some(self.block(BlockKind::Part(Arc::clone(source), begin..end)))
    }

    fn block(&self, kind: BlockKind) -> Block {
        let reader = if self.is_narrow { &self.narrow } else { &self.whole };
        Block { reader: Arc::clone(reader), may_pass_over: self.may_pass_over, kind }
    }

    fn take(&mut self, decoded: Decoded, batch: &mut Vec<Row>) {
        let Decoded { mut rows, events, line_count, passed_over, size_bytes, buffer, error } = decoded;
        events.tell(&self.tracker, self.line_count);
        self.line_count += line_count;
        self.passed_over += passed_over;
        self.tracker.count(rows.len() as u64, size_bytes);
        self.tracker.count_passed_over(passed_over);
        batch.append(&mut rows);
        if is_worth_keeping(&buffer) {
            self.spare.push(buffer);
        }
        if let Some(error) = error {
            self.forget_pending();
            self.end = Some(Err(error));
        }
    }

    /// Takes from the workers what would stay with them otherwise.
    fn forget_pending(&mut self) {
        if let Some(workers) = self.workers {
            self.pending.drain(..).for_each(|ticket| drop(workers.finish(ticket)));
        }
    }
}

/// Says whether a block's memory is of use for another: what a long line made large is given back.
pub(super) fn is_worth_keeping(buffer: &[u8]) -> bool {
    (1..=2 * BLOCK_BYTES).contains(&buffer.len())
}

impl Drop for LineRows<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.forget_pending();
        }
    }
}
