//! Wanted fields to what is wanted of each message. Next: `otlp/message.rs`.

use crate::Unsupported;
use crate::payload::Wanted;
use dtq_record::otlp::fill::FieldPath;
use dtq_record::otlp::logs::column;
use dtq_value::Str;

/// Bytes of a key that is compared; the comparison is code of its own for each key.
const KEY_SIZE_MAX: usize = 120;

/// Says whether a field can be read from this payload.
///
/// # Errors
/// Why it cannot.
pub fn supports(path: &FieldPath) -> Result<(), Unsupported> {
    let key = path.key.as_ref().map(Str::as_bytes);
    let refused = match (path.column, key) {
        (column::ATTRIBUTES | column::RESOURCE, Some(b"")) => "a key without a name",
        (column::ATTRIBUTES | column::RESOURCE, Some(key)) if key.len() > KEY_SIZE_MAX => "a key of over 120 bytes",
        (column::ATTRIBUTES | column::RESOURCE, Some(_)) => return Ok(()),
        (column::SCOPE, Some(key)) if key != b"Attributes" => return Ok(()),
        (column::ATTRIBUTES | column::RESOURCE | column::SCOPE, _) => "a bag as a whole",
        (
            column::TIMESTAMP
            | column::OBSERVED_TIMESTAMP
            | column::TRACE_ID
            | column::SPAN_ID
            | column::TRACE_FLAGS
            | column::SEVERITY_NUMBER
            | column::SEVERITY_TEXT
            | column::EVENT_NAME
            | column::BODY,
            None,
        ) => return Ok(()),
        _ => "what is inside a field",
    };
    Err(Unsupported::new(refused))
}

/// Holds what is wanted of each message, each field once.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// Fields of the record itself, by their columns.
    columns: [Option<i16>; column::COUNT],
    /// Keys of the record's attributes.
    pub attributes: Vec<(Vec<u8>, i16)>,
    /// Keys of the resource's attributes.
    pub resource: Vec<(Vec<u8>, i16)>,
    /// The scope's name.
    pub scope_name: Option<i16>,
    /// The scope's version.
    pub scope_version: Option<i16>,
    /// Fields that no message has.
    pub missing: Vec<i16>,
    /// Fields that are wanted again, and where.
    pub copies: Vec<(i16, i16)>,
}

impl Plan {
    /// Returns the plan for these fields.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn new(wanted: &[Wanted]) -> Result<Self, Unsupported> {
        let mut plan = Self::default();
        for Wanted { path, field } in wanted {
            supports(path)?;
            let key = path.key.as_ref().map(Str::as_bytes);
            match (path.column, key) {
                (column::SCOPE, Some(b"Name")) => set(&mut plan.scope_name, *field, &mut plan.copies),
                (column::SCOPE, Some(b"Version")) => set(&mut plan.scope_version, *field, &mut plan.copies),
                (column::SCOPE, _) => plan.missing.push(*field),
                (column::ATTRIBUTES, Some(key)) => add(&mut plan.attributes, key, *field, &mut plan.copies),
                (column::RESOURCE, Some(key)) => add(&mut plan.resource, key, *field, &mut plan.copies),
                (column, _) => set(&mut plan.columns[column], *field, &mut plan.copies),
            }
        }
        Ok(plan)
    }

    /// Returns the cell of a column that is wanted.
    pub fn column(&self, column: usize) -> Option<i16> {
        self.columns[column]
    }

    /// Says whether something is wanted of the scope.
    pub fn has_scope(&self) -> bool {
        self.scope_fields().next().is_some()
    }

    /// Returns the cells that the scope fills.
    pub fn scope_fields(&self) -> impl Iterator<Item = i16> + use<> {
        self.scope_name.into_iter().chain(self.scope_version)
    }

    /// Returns the cells that records fill, each with its column or that of its bag.
    pub fn record_fields(&self) -> Vec<(usize, i16)> {
        let columns = self.columns.iter().enumerate().filter_map(|(column, field)| field.map(|field| (column, field)));
        columns.chain(self.attributes.iter().map(|(_, field)| (column::ATTRIBUTES, *field))).collect()
    }
}

fn set(place: &mut Option<i16>, field: i16, copies: &mut Vec<(i16, i16)>) {
    match *place {
        Some(from) => copies.push((from, field)),
        None => *place = Some(field),
    }
}

fn add(keys: &mut Vec<(Vec<u8>, i16)>, key: &[u8], field: i16, copies: &mut Vec<(i16, i16)>) {
    match keys.iter().find(|(known, _)| known == key) {
        Some((_, from)) => copies.push((*from, field)),
        None => keys.push((key.to_vec(), field)),
    }
}
