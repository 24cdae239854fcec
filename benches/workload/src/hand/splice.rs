//! A request and what someone thinks of each record to a smaller or edited request, by cutting and inserting bytes.
//!
//! First the request is walked and the edits are noted, then everything between them is copied. Only lengths around an
//! edit are written anew. Next: [`scanner`](crate::hand::scanner).

use crate::hand::wire::{Place, Read, Reader, message_tag, put_varint, varint_size};

/// `ExportLogsServiceRequest.resource_logs`.
pub const RESOURCE_LOGS: u64 = message_tag(1);
/// `ResourceLogs.resource`.
pub const RESOURCE: u64 = message_tag(1);
/// `ResourceLogs.scope_logs`.
pub const SCOPE_LOGS: u64 = message_tag(2);
/// `ScopeLogs.log_records`.
pub const LOG_RECORDS: u64 = message_tag(2);

/// Says what becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays as it is.
    Keep,
    /// It goes.
    Drop,
    /// It grows by so many bytes; the edits are noted.
    Edit(isize),
}

/// Decides about records.
pub trait Judge {
    /// Looks at the content of a `ResourceLogs` before its records come.
    fn enter(&mut self, resource_logs: &[u8]) -> Read<()>;

    /// Decides about a record, whose content is at `record` in `request`.
    fn judge(&mut self, request: &[u8], record: Place, edits: &mut Edits) -> Read<Fate>;
}

/// What stands in the place of bytes.
#[derive(Clone, Copy, Debug)]
enum Put {
    Nothing,
    Length(u32),
    Bytes(&'static [u8]),
}

#[derive(Clone, Copy, Debug)]
struct Edit {
    start: u32,
    end: u32,
    put: Put,
}

/// Holds the edits of a request, in the order of their places.
#[derive(Default)]
pub struct Edits(Vec<Edit>);

impl Edits {
    /// Takes bytes out.
    #[inline(always)]
    pub fn cut(&mut self, start: usize, end: usize) {
        match self.0.last_mut() {
            Some(Edit { end: last, put: Put::Nothing, .. }) if *last == start as u32 => *last = end as u32,
            _ => self.0.push(Edit { start: start as u32, end: end as u32, put: Put::Nothing }),
        }
    }

    /// Puts bytes in.
    #[inline(always)]
    pub fn insert(&mut self, at: usize, bytes: &'static [u8]) {
        self.0.push(Edit { start: at as u32, end: at as u32, put: Put::Bytes(bytes) });
    }

    /// Notes that a length may change, before the edits behind it are known; returns where that is noted.
    #[inline(always)]
    pub fn open(&mut self, place: Place) -> usize {
        self.0.push(Edit { start: place.length as u32, end: place.start as u32, put: Put::Length(0) });
        self.0.len() - 1
    }

    /// Ends what [`Edits::open`] began, for a content that grows by so much; returns by how much the whole field grows.
    #[inline(always)]
    pub fn close(&mut self, opened: usize, place: Place, growth: isize) -> isize {
        if self.0.len() == opened + 1 {
            self.0.truncate(opened);
            return 0;
        }
        let size = (place.end - place.start).wrapping_add_signed(growth);
        self.0[opened].put = Put::Length(size as u32);
        growth + varint_size(size as u64) as isize - (place.start - place.length) as isize
    }

    /// Ends what [`Edits::open`] began by taking the whole field out; returns by how much the message around it grows.
    #[inline(always)]
    fn remove(&mut self, opened: usize, place: Place) -> isize {
        self.0.truncate(opened);
        self.cut(place.field, place.end);
        -((place.end - place.field) as isize)
    }
}

/// Walks requests and writes what is left of them.
#[derive(Default)]
pub struct Splicer {
    edits: Edits,
    out: Vec<u8>,
}

impl Splicer {
    /// Returns what is left of a request.
    ///
    /// # Errors
    /// When the request is malformed as far as it is read.
    #[inline(always)]
    pub fn splice<J: Judge>(&mut self, request: &[u8], judge: &mut J) -> Read<&[u8]> {
        self.edits.0.clear();
        let mut reader = Reader::new(request);
        loop {
            let field = reader.at;
            match reader.tag()? {
                None => break,
                Some(RESOURCE_LOGS) => {
                    let place = reader.place(field)?;
                    self.resource_logs(request, place, judge)?;
                }
                Some(tag) => reader.skip(tag)?,
            }
        }
        self.write(request);
        Ok(&self.out)
    }

    #[inline(always)]
    fn resource_logs<J: Judge>(&mut self, request: &[u8], place: Place, judge: &mut J) -> Read<isize> {
        judge.enter(&request[place.start..place.end])?;
        let opened = self.edits.open(place);
        let (mut growth, mut kept_count, mut scope_count) = (0, 0, 0);
        let mut reader = Reader::inside(request, place.start..place.end);
        loop {
            let field = reader.at;
            match reader.tag()? {
                None => break,
                Some(SCOPE_LOGS) => {
                    let scope = reader.place(field)?;
                    let (scope_growth, is_kept) = self.scope_logs(request, scope, judge)?;
                    growth += scope_growth;
                    kept_count += usize::from(is_kept);
                    scope_count += 1;
                }
                Some(tag) => reader.skip(tag)?,
            }
        }
        let is_emptied = kept_count == 0 && scope_count > 0;
        Ok(if is_emptied { self.edits.remove(opened, place) } else { self.edits.close(opened, place, growth) })
    }

    /// Returns by how much the message around a `ScopeLogs` grows, and whether the `ScopeLogs` stays.
    #[inline(always)]
    fn scope_logs<J: Judge>(&mut self, request: &[u8], place: Place, judge: &mut J) -> Read<(isize, bool)> {
        let opened = self.edits.open(place);
        let (mut growth, mut kept_count, mut record_count) = (0, 0, 0);
        let mut reader = Reader::inside(request, place.start..place.end);
        loop {
            let field = reader.at;
            match reader.tag()? {
                None => break,
                Some(LOG_RECORDS) => {
                    let record = reader.place(field)?;
                    record_count += 1;
                    match judge.judge(request, record, &mut self.edits)? {
                        Fate::Keep => kept_count += 1,
                        Fate::Edit(by) => (growth, kept_count) = (growth + by, kept_count + 1),
                        Fate::Drop => {
                            self.edits.cut(record.field, record.end);
                            growth -= (record.end - record.field) as isize;
                        }
                    }
                }
                Some(tag) => reader.skip(tag)?,
            }
        }
        let is_emptied = kept_count == 0 && record_count > 0;
        let growth =
            if is_emptied { self.edits.remove(opened, place) } else { self.edits.close(opened, place, growth) };
        Ok((growth, !is_emptied))
    }

    #[inline(always)]
    fn write(&mut self, request: &[u8]) {
        self.out.clear();
        self.out.reserve(request.len());
        let mut from = 0;
        for edit in &self.edits.0 {
            self.out.extend_from_slice(&request[from..edit.start as usize]);
            match edit.put {
                Put::Nothing => {}
                Put::Length(size) => put_varint(&mut self.out, u64::from(size)),
                Put::Bytes(bytes) => self.out.extend_from_slice(bytes),
            }
            from = edit.end as usize;
        }
        self.out.extend_from_slice(&request[from..]);
    }
}
