//! CSV and TSV: RFC 4180 with any delimiter; a header is told from data by its look.

use crate::convert::type_of_text;
use crate::record::Sink;
use dtq_value::Type;
use std::borrow::Cow;
use std::ops::Range;

/// Holds the delimiter and the names of the columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// Between fields.
    pub delimiter: u8,
    /// Names of the columns in order.
    pub names: Vec<String>,
    /// Whether the first record holds the names.
    pub has_header: bool,
    /// For each column whether it is read; the columns behind the last are.
    pub is_read: Vec<bool>,
}

impl Dialect {
    /// Returns the dialect of a file with this first record.
    pub fn of_first_record(record: &[u8], delimiter: u8) -> Self {
        let fields: Vec<String> = split(record, delimiter)
            .iter()
            .map(|field| String::from_utf8_lossy(field.trim_ascii()).into_owned())
            .collect();
        let has_header = is_header(&fields);
        let names = if has_header {
            fields
        } else {
            // As Kusto names columns without a name.
            (1..=fields.len()).map(|number| format!("Column{number}")).collect()
        };
        Self { delimiter, names, has_header, is_read: Vec::new() }
    }

    /// Reads one record.
    ///
    /// # Errors
    /// When it has more or fewer fields than there are columns.
    pub fn decode(&self, record: &[u8], sink: &mut dyn Sink) -> Result<(), String> {
        let mut fields = Vec::with_capacity(self.names.len());
        fields.extend(Fields::new(record, self.delimiter).map(|(field, _)| field));
        if fields.len() != self.names.len() {
            return Err(format!("the record has {} fields where {} are expected", fields.len(), self.names.len()));
        }
        for (index, (name, field)) in self.names.iter().zip(&fields).enumerate() {
            if self.is_read.get(index).is_none_or(|is_read| *is_read) {
                sink.text(name.as_bytes(), field);
            }
        }
        Ok(())
    }
}

/// Says whether fields are names: all there, all different, none a number, a time or the like.
fn is_header(fields: &[String]) -> bool {
    let is_name = |field: &String| {
        !field.is_empty() && field.len() <= 128 && type_of_text(field.as_bytes()) == Type::String && !is_numeric(field)
    };
    let mut sorted: Vec<&String> = fields.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.len() == fields.len() && fields.iter().all(is_name)
}

fn is_numeric(field: &str) -> bool {
    field.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | '+' | '.'))
}

/// Returns the fields of a record; quotes are taken off and doubled quotes inside made single.
pub(crate) fn split(record: &[u8], delimiter: u8) -> Vec<Cow<'_, [u8]>> {
    Fields::new(record, delimiter).map(|(field, _)| field).collect()
}

/// Gives the fields of a record, each with where it stands, quotes included.
pub(crate) struct Fields<'r> {
    record: &'r [u8],
    delimiter: u8,
    /// Where the next one begins; `None` behind the last.
    next: Option<usize>,
}

impl<'r> Fields<'r> {
    /// Returns the fields of a record.
    pub fn new(record: &'r [u8], delimiter: u8) -> Self {
        Self { record, delimiter, next: Some(0) }
    }
}

impl<'r> Iterator for Fields<'r> {
    type Item = (Cow<'r, [u8]>, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let begin = self.next?;
        let rest = &self.record[begin..];
        let is_quoted = rest.first() == Some(&b'"');
        let (field, size) =
            if is_quoted { quoted_field(rest, self.delimiter) } else { plain_field(rest, self.delimiter) };
        self.next = (size < rest.len()).then_some(begin + size + 1);
        Some((field, begin..begin + size))
    }
}

fn plain_field(rest: &[u8], delimiter: u8) -> (Cow<'_, [u8]>, usize) {
    let size = memchr::memchr(delimiter, rest).unwrap_or(rest.len());
    (Cow::Borrowed(&rest[..size]), size)
}

/// Reads a field that begins with a quote; what follows the closing quote is taken as it is.
fn quoted_field(rest: &[u8], delimiter: u8) -> (Cow<'_, [u8]>, usize) {
    let inside = &rest[1..];
    let mut field = Vec::new();
    let mut position = 0;
    loop {
        let Some(at) = memchr::memchr(b'"', &inside[position..]) else {
            field.extend_from_slice(&inside[position..]);
            return (Cow::Owned(field), rest.len());
        };
        field.extend_from_slice(&inside[position..position + at]);
        position += at + 1;
        if inside.get(position) != Some(&b'"') {
            break;
        }
        field.push(b'"');
        position += 1;
    }
    let (tail, size) = plain_field(&inside[position..], delimiter);
    field.extend_from_slice(&tail);
    (Cow::Owned(field), 1 + position + size)
}

/// Returns the delimiter with which all of these records have the same number of fields, two at least.
pub(crate) fn delimiter_of(records: &[&[u8]]) -> Option<u8> {
    let field_count = |delimiter: u8| {
        let mut counts = records.iter().map(|record| split(record, delimiter).len());
        let first = counts.next().filter(|count| *count >= 2)?;
        counts.all(|count| count == first).then_some(first)
    };
    // Of several that fit, the one with the most fields; of those, the first.
    let fitting =
        [b',', b'\t', b';', b'|'].into_iter().rev().filter_map(|delimiter| Some((field_count(delimiter)?, delimiter)));
    fitting.max_by_key(|(count, _)| *count).map(|(_, delimiter)| delimiter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(record: &str) -> Vec<String> {
        split(record.as_bytes(), b',').iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect()
    }

    #[test]
    fn quotes_follow_rfc_4180() {
        assert_eq!(fields(r#"a,"b,""c""",,d"#), ["a", r#"b,"c""#, "", "d"]);
        assert_eq!(fields(""), [""]);
        assert_eq!(fields(r#""open,x"#), ["open,x"]);
        assert_eq!(fields("a,"), ["a", ""]);
    }

    #[test]
    fn headers_and_delimiters_are_found() {
        assert!(Dialect::of_first_record(b"time,level,msg", b',').has_header);
        let bare = Dialect::of_first_record(b"2026-11-24,info,x", b',');
        assert_eq!((bare.has_header, bare.names[0].as_str()), (false, "Column1"));
        assert!(!Dialect::of_first_record(b"a,a,b", b',').has_header);
        assert_eq!(delimiter_of(&[b"a\tb,c", b"1\t2"]), Some(b'\t'));
        assert_eq!(delimiter_of(&[b"a b", b"c"]), None);
    }
}
