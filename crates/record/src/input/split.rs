//! A window of bytes to records: lines, JSON documents, CSV records. Each is bounded; a longer one is read past and counted.

use super::bytes::Window;
use super::report::{Place, Tracker};
use std::io;

/// Says where the next record is in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Size of the record from the window's start.
    pub size: usize,
    /// Size of the record and what separates it from the next.
    pub whole: usize,
    /// Where it begins.
    pub place: Place,
    /// Whether it is malformed as it stands, which was counted.
    pub is_malformed: bool,
}

/// Names how records are separated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// By newlines.
    Lines,
    /// JSON values behind each other, or the elements of an array.
    Documents,
    /// By newlines outside quotes.
    Csv,
}

/// Finds records in a window, one behind the other.
pub(crate) struct Splitter {
    split: Split,
    bytes_max: usize,
    line: u64,
    is_begun: bool,
}

impl Splitter {
    /// Returns a splitter for records of up to `bytes_max` bytes.
    pub fn new(split: Split, bytes_max: usize) -> Self {
        Self { split, bytes_max, line: 1, is_begun: false }
    }

    /// Finds the next record, which is then the window's beginning; the caller passes it to [`Self::advance`].
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn next(&mut self, window: &mut Window<'_>, tracker: &Tracker<'_>) -> io::Result<Option<Piece>> {
        if !self.is_begun {
            self.is_begun = true;
            if window.fill(3)? && window.bytes().starts_with(b"\xEF\xBB\xBF") {
                window.consume(3);
            }
        }
        let piece = match self.split {
            Split::Lines => self.next_line(window, tracker),
            Split::Documents => self.next_document(window, tracker),
            Split::Csv => self.next_csv_record(window, tracker),
        }?;
        if piece.is_none()
            && let Some(defect) = window.defect.take()
        {
            tracker.skip(Place::Byte(window.offset), defect);
        }
        Ok(piece)
    }

    /// Moves behind a record.
    pub fn advance(&mut self, window: &mut Window<'_>, piece: Piece) {
        if self.split == Split::Lines {
            self.line += 1;
        } else {
            self.line += count_newlines(&window.bytes()[..piece.whole]);
        }
        window.consume(piece.whole);
    }

    fn next_line(&mut self, window: &mut Window<'_>, tracker: &Tracker<'_>) -> io::Result<Option<Piece>> {
        let mut searched = 0;
        loop {
            let bytes = window.bytes();
            if let Some(at) = memchr::memchr(b'\n', &bytes[searched..]) {
                let end = searched + at;
                let size = end - usize::from(end > 0 && bytes[end - 1] == b'\r');
                return Ok(Some(Piece { size, whole: end + 1, place: Place::Line(self.line), is_malformed: false }));
            }
            searched = bytes.len();
            if window.is_finished() {
                let place = Place::Line(self.line);
                return Ok((searched > 0).then_some(Piece {
                    size: searched,
                    whole: searched,
                    place,
                    is_malformed: false,
                }));
            }
            if searched > self.bytes_max {
                self.skip_line(window, tracker)?;
                searched = 0;
                continue;
            }
            window.read_more()?;
        }
    }

    /// Reads past the rest of a line that is too long, without keeping it.
    fn skip_line(&mut self, window: &mut Window<'_>, tracker: &Tracker<'_>) -> io::Result<()> {
        tracker.skip(Place::Line(self.line), format!("the line is longer than {} bytes", self.bytes_max));
        loop {
            if let Some(at) = memchr::memchr(b'\n', window.bytes()) {
                window.consume(at + 1);
                self.line += 1;
                return Ok(());
            }
            window.consume(window.bytes().len());
            if window.is_finished() {
                return Ok(());
            }
            window.read_more()?;
        }
    }

    /// Finds the next JSON object, reading past blanks, commas and the brackets of an array around.
    fn next_document(&mut self, window: &mut Window<'_>, tracker: &Tracker<'_>) -> io::Result<Option<Piece>> {
        loop {
            let bytes = window.bytes();
            let is_filler = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b'[' | b']' | 0x1E);
            let filler = bytes.iter().take_while(|byte| is_filler(byte)).count();
            self.line += count_newlines(&bytes[..filler]);
            window.consume(filler);
            match window.bytes().first() {
                Some(b'{') => match self.measure_document(window, tracker)? {
                    Some(piece) => return Ok(Some(piece)),
                    None => continue,
                },
                Some(_) => {
                    tracker.skip(Place::Line(self.line), "the record is not a JSON object");
                    self.skip_garbage(window)?;
                }
                None if window.is_finished() => return Ok(None),
                None => window.read_more()?,
            }
        }
    }

    /// Finds the end of the object that begins here; `None` when it was too long and is behind now.
    fn measure_document(&mut self, window: &mut Window<'_>, tracker: &Tracker<'_>) -> io::Result<Option<Piece>> {
        let (place, mut scan, mut searched, mut is_dropped) = (Place::Line(self.line), Scan::default(), 0, false);
        loop {
            let bytes = window.bytes();
            if let Some(end) = scan.find_end(&bytes[searched..]).map(|end| searched + end) {
                if !is_dropped {
                    return Ok(Some(Piece { size: end, whole: end, place, is_malformed: false }));
                }
                self.line += count_newlines(&bytes[..end]);
                window.consume(end);
                return Ok(None);
            }
            searched = bytes.len();
            if searched > self.bytes_max || is_dropped {
                if !is_dropped {
                    tracker.skip(place, format!("the record is longer than {} bytes", self.bytes_max));
                }
                is_dropped = true;
                self.line += count_newlines(bytes);
                window.consume(searched);
                searched = 0;
            }
            if window.is_finished() {
                // What is there of a cut document is given: its reader keeps what is complete and counts the fault.
                if !is_dropped {
                    return Ok(Some(Piece { size: searched, whole: searched, place, is_malformed: false }));
                }
                window.consume(searched);
                return Ok(None);
            }
            window.read_more()?;
        }
    }

    /// Reads past what is no object: to the next comma, brace or newline.
    fn skip_garbage(&mut self, window: &mut Window<'_>) -> io::Result<()> {
        let (mut is_first, mut is_in_string, mut is_escaped) = (true, false, false);
        loop {
            let stop = window.bytes().iter().position(|byte| {
                let is_end = !is_in_string && matches!(byte, b'{' | b',' | b']') || *byte == b'\n';
                match byte {
                    _ if is_escaped => is_escaped = false,
                    b'\\' if is_in_string => is_escaped = true,
                    b'"' => is_in_string = !is_in_string,
                    _ => {}
                }
                is_end && !std::mem::take(&mut is_first)
            });
            if let Some(at) = stop {
                window.consume(at.max(1));
                return Ok(());
            }
            window.consume(window.bytes().len());
            if window.is_finished() {
                return Ok(());
            }
            window.read_more()?;
        }
    }

    /// Finds the next line end outside quotes. A quote that never closes costs its line only, which is malformed: the
    /// search begins again behind it.
    fn next_csv_record(&mut self, window: &mut Window<'_>, tracker: &Tracker<'_>) -> io::Result<Option<Piece>> {
        let (mut searched, mut is_quoted) = (0, false);
        loop {
            let bytes = window.bytes();
            for at in memchr::memchr2_iter(b'"', b'\n', &bytes[searched..]).map(|at| searched + at) {
                if bytes[at] == b'"' {
                    is_quoted = !is_quoted;
                } else if !is_quoted {
                    let size = at - usize::from(at > 0 && bytes[at - 1] == b'\r');
                    return Ok(Some(Piece { size, whole: at + 1, place: Place::Line(self.line), is_malformed: false }));
                }
            }
            searched = bytes.len();
            if window.is_finished() && is_quoted && searched <= self.bytes_max {
                let place = Place::Line(self.line);
                tracker.skip(place, "a quote does not end");
                let size = memchr::memchr(b'\n', bytes).unwrap_or(searched);
                let whole = (size + 1).min(searched);
                return Ok(Some(Piece { size, whole, place, is_malformed: true }));
            }
            if searched > self.bytes_max {
                tracker.skip(Place::Line(self.line), "the record is too long");
                match memchr::memchr(b'\n', bytes) {
                    Some(at) => {
                        window.consume(at + 1);
                        self.line += 1;
                    }
                    None => self.drop_line(window)?,
                }
                (searched, is_quoted) = (0, false);
                continue;
            }
            if window.is_finished() {
                let place = Place::Line(self.line);
                return Ok((searched > 0).then_some(Piece {
                    size: searched,
                    whole: searched,
                    place,
                    is_malformed: false,
                }));
            }
            window.read_more()?;
        }
    }

    fn drop_line(&mut self, window: &mut Window<'_>) -> io::Result<()> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', window.bytes()) {
                window.consume(at + 1);
                self.line += 1;
                return Ok(());
            }
            window.consume(window.bytes().len());
            if window.is_finished() {
                return Ok(());
            }
            window.read_more()?;
        }
    }
}

fn count_newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Follows JSON's nesting and strings, however long, in constant memory.
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    nesting: u64,
    is_in_string: bool,
    is_escaped: bool,
}

impl Scan {
    /// Returns the offset behind the object's last brace, when it is in `bytes`.
    fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.is_in_string => self.is_escaped = true,
                b'"' => self.is_in_string = !self.is_in_string,
                b'{' | b'[' if !self.is_in_string => self.nesting += 1,
                b'}' | b']' if !self.is_in_string => {
                    self.nesting = self.nesting.saturating_sub(1);
                    if self.nesting == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}
