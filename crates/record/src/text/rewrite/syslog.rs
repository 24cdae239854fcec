//! Edits of a syslog line: message, priority, words of the header and parameters of structured data.

use super::implied_number;
use super::rows::{Change, NoPlace, text_of};
use crate::otlp::logs::column;
use crate::text::syslog::{FACILITIES, Layout, Parameter, Rest, SEVERITIES, Words, key_of, layout, parameters};
use dtq_value::Value;
use std::ops::Range;

/// Sizes of the words of a header at most (RFC 5424, 6).
const HOST_SIZE_MAX: usize = 255;
const APP_SIZE_MAX: usize = 48;
const PROCESS_SIZE_MAX: usize = 128;
const ID_SIZE_MAX: usize = 32;
/// Size of the id of an element and the name of a parameter at most.
const NAME_SIZE_MAX: usize = 32;

/// Returns the edited line.
///
/// # Errors
/// A change that the line has no place for.
pub(super) fn rewritten(record: &[u8], changes: &[Change<'_>]) -> Result<Vec<u8>, NoPlace> {
    let mut line = Line { record, layout: layout(record), changes, splices: Vec::new() };
    line.write_priority()?;
    let mut added = Vec::new();
    for change in changes {
        let key = change.part.key.as_ref().map(|key| key.as_text().into_owned());
        match (change.part.column, key.as_deref()) {
            (column::SEVERITY_TEXT | column::SEVERITY_NUMBER, _) | (column::ATTRIBUTES, Some("syslog.facility")) => {}
            (column::BODY, _) => line.write_text(change)?,
            (column::RESOURCE, Some("host.name")) => line.write_host(change)?,
            (column::RESOURCE, Some("service.name")) => line.write_app(change)?,
            (column::ATTRIBUTES, Some("syslog.procid")) => line.write_process(change)?,
            (column::ATTRIBUTES, Some("syslog.msgid")) => line.write_id(change)?,
            (column::ATTRIBUTES | column::RESOURCE, Some(key)) => added.extend(line.write_parameter(change, key)?),
            _ => return Err(change.no_place(NO_PLACE)),
        }
    }
    line.add_parameters(added);
    Ok(line.assembled())
}

const NO_PLACE: &str = "has no place in a syslog line";

/// Holds a line and what is to be written into it.
struct Line<'r, 'c> {
    record: &'r [u8],
    layout: Layout<'r>,
    changes: &'c [Change<'c>],
    /// What stands where instead, in any order.
    splices: Vec<(Range<usize>, Vec<u8>)>,
}

/// A parameter that the line does not have: the id of its element, and the parameter with a blank in front.
type Added = (String, Vec<u8>);

impl<'r> Line<'r, '_> {
    /// Returns where a part of the line stands.
    fn place(&self, part: &[u8]) -> Range<usize> {
        let begin = part.as_ptr() as usize - self.record.as_ptr() as usize;
        begin..begin + part.len()
    }

    fn replace(&mut self, part: &[u8], new: Vec<u8>) {
        self.splices.push((self.place(part), new));
    }

    fn words(&self) -> Option<Words<'r>> {
        if let Rest::Words(words) = self.layout.rest { Some(words) } else { None }
    }

    /// Writes severity and facility, which are one number (RFC 5424, 6.2.1).
    fn write_priority(&mut self) -> Result<(), NoPlace> {
        let find = |column: usize, key: Option<&str>| {
            let is_it = |change: &&Change<'_>| {
                change.part.column == column && change.part.key.as_ref().map(|key| key.as_text()).as_deref() == key
            };
            self.changes.iter().find(is_it)
        };
        let (text, number) = (find(column::SEVERITY_TEXT, None), find(column::SEVERITY_NUMBER, None));
        let facility = find(column::ATTRIBUTES, Some("syslog.facility"));
        let Some(first) = text.or(number).or(facility) else { return Ok(()) };
        let Some((digits, priority)) = self.layout.priority else {
            return Err(first.no_place("has no place in a line without a priority"));
        };
        let severity = match (text, number) {
            (Some(change), _) => severity_of(change, implied_number(self.changes, change.value)?)?,
            (None, Some(change)) => match change.value {
                Value::Int(number) => severity_of(change, *number)?,
                _ => return Err(change.no_place("is no severity of syslog")),
            },
            (None, None) => priority & 7,
        };
        let facility = match facility {
            Some(change) => facility_of(change)?,
            None => priority >> 3,
        };
        self.replace(digits, (facility << 3 | severity).to_string().into_bytes());
        Ok(())
    }

    fn write_text(&mut self, change: &Change<'_>) -> Result<(), NoPlace> {
        let mut new = text_of(change)?;
        let text = match self.layout.rest {
            Rest::Words(Words { text, .. }) | Rest::Tagged(.., text) | Rest::Text(text) => text,
        };
        let place = self.place(text);
        let is_apart = place.start == 0 || self.record[place.start - 1] != b' ';
        let lacks_blank = match self.words() {
            // A message that was not there has no blank in front.
            Some(words) => self.place(words.data).end == place.start,
            None => is_apart && new.first() == Some(&b' ') && place.start > 0,
        };
        if lacks_blank && !new.is_empty() {
            new.insert(0, b' ');
        }
        self.splices.push((place, new));
        Ok(())
    }

    fn write_host(&mut self, change: &Change<'_>) -> Result<(), NoPlace> {
        match self.layout.rest {
            Rest::Words(words) => self.write_word(words.host, change, HOST_SIZE_MAX),
            Rest::Tagged(Some(host), ..) => {
                let new = word(change, HOST_SIZE_MAX)?.ok_or_else(|| change.no_place("cannot be left out"))?;
                self.replace(host, new);
                Ok(())
            }
            Rest::Tagged(None, ..) | Rest::Text(_) => Err(change.no_place(NO_PLACE)),
        }
    }

    fn write_app(&mut self, change: &Change<'_>) -> Result<(), NoPlace> {
        match self.layout.rest {
            Rest::Words(words) => self.write_word(words.app, change, APP_SIZE_MAX),
            Rest::Tagged(_, Some(tag), ..) => {
                let new = word(change, APP_SIZE_MAX)?.ok_or_else(|| change.no_place("cannot be left out"))?;
                self.replace(tag, new);
                Ok(())
            }
            Rest::Tagged(..) | Rest::Text(_) => Err(change.no_place(NO_PLACE)),
        }
    }

    fn write_process(&mut self, change: &Change<'_>) -> Result<(), NoPlace> {
        match self.layout.rest {
            Rest::Words(words) => self.write_word(words.process, change, PROCESS_SIZE_MAX),
            Rest::Tagged(_, Some(tag), process, _) => {
                let new = word(change, PROCESS_SIZE_MAX)?;
                let place = match process {
                    // The brackets around it go with it.
                    Some(process) => self.place(process).start - 1..self.place(process).end + 1,
                    None => self.place(tag).end..self.place(tag).end,
                };
                self.splices.push((place, new.map_or_else(Vec::new, |new| [b"[", &new[..], b"]"].concat())));
                Ok(())
            }
            Rest::Tagged(..) | Rest::Text(_) => Err(change.no_place(NO_PLACE)),
        }
    }

    fn write_id(&mut self, change: &Change<'_>) -> Result<(), NoPlace> {
        let Some(words) = self.words() else { return Err(change.no_place(NO_PLACE)) };
        self.write_word(words.id, change, ID_SIZE_MAX)
    }

    fn write_word(&mut self, part: &[u8], change: &Change<'_>, size_max: usize) -> Result<(), NoPlace> {
        let new = word(change, size_max)?;
        self.replace(part, new.unwrap_or_else(|| b"-".to_vec()));
        Ok(())
    }

    /// Writes a parameter that the line has, or returns it as one to be added.
    fn write_parameter(&mut self, change: &Change<'_>, key: &str) -> Result<Option<Added>, NoPlace> {
        let Some(words) = self.words() else { return Err(change.no_place(NO_PLACE)) };
        let is_of_resource = change.part.column == column::RESOURCE;
        let found = parameters(words.data);
        let is_it = |one: &&Parameter<'_>| key_of(&one.id, &one.name) == (is_of_resource, key.to_owned());
        let mut value = if change.is_removed { None } else { Some(text_of(change)?) };
        let mut has_any = false;
        // Further ones of the name go, as it is read from the first.
        for one in found.iter().filter(is_it) {
            has_any = true;
            let new = value.take().map(|value| parameter(one.name.as_bytes(), &value));
            self.replace(one.raw, new.unwrap_or_default());
        }
        let Some(value) = value.filter(|_| !has_any) else { return Ok(None) };
        let named = if is_of_resource { None } else { key.strip_prefix("syslog.") };
        let ids: Vec<&str> = found.iter().map(|one| one.id.as_str()).collect();
        match named.and_then(|named| id_and_name(named, &ids)) {
            Some((id, name)) if !words.data.is_empty() => Ok(Some((id.to_owned(), parameter(name.as_bytes(), &value)))),
            _ => Err(change.no_place(NO_PLACE)),
        }
    }

    /// Adds parameters at the end of their element, or in a new one.
    fn add_parameters(&mut self, added: Vec<Added>) {
        let Some(words) = self.words() else { return };
        let found = parameters(words.data);
        let mut elements: Vec<Added> = Vec::new();
        for (id, parameter) in added {
            if let Some(last) = found.iter().rev().find(|one| one.id == id) {
                let end = self.place(last.raw).end;
                self.splices.push((end..end, parameter));
                continue;
            }
            match elements.iter_mut().find(|(held, _)| *held == id) {
                Some((_, parameters)) => parameters.extend(parameter),
                None => elements.push((id, parameter)),
            }
        }
        let mut new: Vec<u8> = Vec::new();
        for (id, parameters) in elements {
            new.extend([b"[", id.as_bytes(), &parameters[..], b"]"].concat());
        }
        let place = self.place(words.data);
        match words.data {
            _ if new.is_empty() => {}
            b"-" => self.splices.push((place, new)),
            _ => self.splices.push((place.end..place.end, new)),
        }
    }

    fn assembled(mut self) -> Vec<u8> {
        // What is put in at a place stands behind what ends there.
        self.splices.sort_by_key(|(place, _)| (place.start, place.end));
        let mut out = Vec::with_capacity(self.record.len());
        let mut behind = 0;
        for (place, new) in &self.splices {
            out.extend_from_slice(&self.record[behind..place.start]);
            out.extend_from_slice(new);
            behind = place.end;
        }
        out.extend_from_slice(&self.record[behind..]);
        out
    }
}

/// Returns the severity that has a number.
fn severity_of(change: &Change<'_>, number: i32) -> Result<u8, NoPlace> {
    let position = SEVERITIES.iter().position(|(_, known)| *known == number);
    position.map(|position| position as u8).ok_or_else(|| change.no_place("is no severity of syslog"))
}

fn facility_of(change: &Change<'_>) -> Result<u8, NoPlace> {
    let name = text_of(change)?;
    let position = FACILITIES.iter().position(|known| known.as_bytes() == name);
    position.map(|position| position as u8).ok_or_else(|| change.no_place("is no facility of syslog"))
}

/// Returns a word of a header; `None` when it was removed.
fn word(change: &Change<'_>, size_max: usize) -> Result<Option<Vec<u8>>, NoPlace> {
    if change.is_removed {
        return Ok(None);
    }
    let word = text_of(change)?;
    match word.is_empty() || word.len() > size_max || !word.iter().all(u8::is_ascii_graphic) {
        true => Err(change.no_place("is no word that a syslog header can hold")),
        false => Ok(Some(word)),
    }
}

/// Returns a parameter with the blank in front of it (RFC 5424, 6.3.3).
fn parameter(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = [b" ", name, b"=\""].concat();
    for byte in value {
        if matches!(byte, b'"' | b'\\' | b']') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
    out
}

/// Splits what stands behind `syslog.` into the id of an element and the name of a parameter.
fn id_and_name<'k>(named: &'k str, ids: &[&str]) -> Option<(&'k str, &'k str)> {
    let mut splits = named.match_indices('.').map(|(at, _)| (&named[..at], &named[at + 1..]));
    let known = splits.find(|(id, _)| ids.contains(id));
    let (id, name) = known.or_else(|| named.rsplit_once('.'))?;
    let is_name = |text: &str| {
        let is_char = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'=' | b']' | b'"');
        (1..=NAME_SIZE_MAX).contains(&text.len()) && text.bytes().all(is_char)
    };
    (is_name(id) && is_name(name)).then_some((id, name))
}
