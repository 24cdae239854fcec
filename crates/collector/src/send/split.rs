//! A request that is too large for a destination, to two with half of its records each.
//!
//! Cuts between resources; where there is one, between its scopes; where there is one, between its records or metrics, in
//! which nothing is cut. What both halves need (resource, scope, schema URLs, fields that are not known) stands in both.
//! Next: `again.rs`.

use bytes::Bytes;
use dtq_record::wire::{Field, Fields, append_bytes_field};

/// The numbers of resources in a request, scopes in a resource, records in a scope: the same for all three signals.
///
/// # Source
/// opentelemetry/proto/{logs,metrics,trace}/v1/*.proto.
const LEVELS: [u32; 3] = [1, 2, 2];

/// Returns both halves of a request; `None` where it has one record, or where most of it would stand in both.
///
/// # Cost
/// Both together are at most a quarter larger than the request.
pub fn halves(request: &[u8]) -> Option<[Bytes; 2]> {
    let [left, right] = halves_of(request, &LEVELS)?;
    let is_worth_it = left.len() + right.len() <= request.len() + request.len() / 4;
    is_worth_it.then(|| [left.into(), right.into()])
}

/// Returns both halves of a message of some level; `levels` are the numbers of what it consists of, and so on below.
fn halves_of(message: &[u8], levels: &[u32]) -> Option<[Vec<u8>; 2]> {
    let (number, below) = levels.split_first()?;
    let fields = Fields::new(message).collect::<Result<Vec<_>, _>>().ok()?;
    let parts: Vec<&Field<'_>> = fields.iter().filter(|field| field.number == *number).collect();
    let mut out = [Vec::with_capacity(message.len() / 2), Vec::with_capacity(message.len() / 2)];
    let only = match parts.as_slice() {
        [] => return None,
        [only] => Some(halves_of(only.bytes().ok()?, below)?),
        _ => None,
    };
    // The first half ends with the part that has its middle byte, but never with the last.
    let size = |field: &Field<'_>| field.end - field.offset;
    let all: usize = parts.iter().map(|part| size(part)).sum();
    let last_offset = parts.last()?.offset;
    let mut before = 0;
    for field in &fields {
        let bytes = &message[field.offset..field.end];
        match (&only, field.number == *number) {
            (_, false) => out.iter_mut().for_each(|half| half.extend_from_slice(bytes)),
            (Some(only), true) => out.iter_mut().zip(only).for_each(|(half, inside)| {
                append_bytes_field(half, *number, inside);
            }),
            (None, true) => {
                let is_first = before == 0 || (before < all / 2 && field.offset != last_offset);
                out[usize::from(!is_first)].extend_from_slice(bytes);
                before += size(field);
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtq_record::otlp::Signal;
    use dtq_record::otlp::index::RequestIndex;
    use dtq_record::wire::append_message_field;

    fn record(out: &mut Vec<u8>, body: &str) {
        append_message_field(out, 2, |record| append_bytes_field(record, 5, body.as_bytes()));
    }

    /// A resource with a name, scopes with these bodies, and a schema URL behind them.
    fn resource(out: &mut Vec<u8>, name: &str, scopes: &[&[&str]]) {
        append_message_field(out, 1, |resource| {
            append_bytes_field(resource, 1, name.as_bytes());
            for bodies in scopes {
                append_message_field(resource, 2, |scope| {
                    bodies.iter().for_each(|body| record(scope, body));
                    append_bytes_field(scope, 3, b"scope/1");
                });
            }
            append_bytes_field(resource, 3, b"url/1");
        });
    }

    fn request(resources: &[(&str, &[&[&str]])]) -> Vec<u8> {
        let mut out = Vec::new();
        resources.iter().for_each(|(name, scopes)| resource(&mut out, name, scopes));
        out
    }

    fn cut(request: &[u8]) -> Option<[Vec<u8>; 2]> {
        halves_of(request, &LEVELS)
    }

    #[test]
    fn the_cut_is_between_resources_then_scopes_then_records() {
        let (a, b, c): (&[&str], &[&str], &[&str]) = (&["a1", "a2"], &["b1"], &["c1", "c2"]);
        assert_eq!(
            cut(&request(&[("r", &[a]), ("s", &[b]), ("t", &[c])])),
            Some([request(&[("r", &[a]), ("s", &[b])]), request(&[("t", &[c])])])
        );
        assert_eq!(cut(&request(&[("r", &[a, b])])), Some([request(&[("r", &[a])]), request(&[("r", &[b])])]));
        assert_eq!(cut(&request(&[("r", &[a])])), Some([request(&[("r", &[&["a1"]])]), request(&[("r", &[&["a2"]])])]));
        assert_eq!(cut(&request(&[("r", &[b])])), None, "one record");
        assert_eq!(cut(&[]), None);
        assert_eq!(cut(&[0x0A]), None, "malformed");
    }

    #[test]
    fn a_large_one_is_alone_wherever_it_stands() {
        let large = "x".repeat(1000);
        let cases: [&[&str]; 3] = [&[&large, "a", "b"], &["a", &large, "b"], &["a", "b", &large]];
        for bodies in cases {
            let [left, right] = cut(&request(&[("r", &[bodies])])).unwrap();
            assert!(!left.is_empty() && !right.is_empty());
            let count = |half: &[u8]| {
                let mut index = RequestIndex::default();
                index.read(Signal::Logs, half).unwrap();
                index.records().len()
            };
            assert_eq!(count(&left) + count(&right), 3);
            assert!(count(&left) > 0 && count(&right) > 0, "each cut is one");
        }
    }

    #[test]
    fn what_would_mostly_be_written_twice_is_not_cut() {
        let name = "n".repeat(10_000);
        assert_eq!(halves(&request(&[(&name, &[&["a", "b"]])])), None);
        let bodies = vec!["a body of a record"; 10_000];
        assert!(halves(&request(&[(&name, &[&bodies])])).is_some());
    }
}
