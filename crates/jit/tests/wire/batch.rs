//! Conditions of a batch against each of them alone, over the same records one by one: the same numbers, and the same
//! records that end a batch.

use super::common::{self, Expression};
use super::{Random, Record, Source};
use dtq_jit::{ASKS_MAX, Ask, Batch, BufferTable, Condition, Filled, NativeContext, NoSubqueries, Verdict};
use dtq_record::otlp::index::{MessagePlace, RecordEntry};
use dtq_record::slot::{Buffers, Slot};

/// The filter, and the filter after the optimizer, among the functions of an expression, and both without what is slow.
const FILTERS: [u32; 4] = [3, 4, 7, 8];

/// Holds the records as a request would, with the same beside each of them.
struct Together<'r> {
    slots: Vec<Slot>,
    beside: &'r [u8],
    request: Vec<u8>,
    places: Vec<RecordEntry>,
}

impl<'r> Together<'r> {
    fn new(records: &'r [Record]) -> Option<Self> {
        let first = records.first()?;
        let (mut request, mut places) = (b"behind this".to_vec(), Vec::new());
        for record in records {
            let start = request.len() as u32;
            request.extend_from_slice(&record.message);
            let place = MessagePlace { tag: start, start, end: request.len() as u32 };
            places.push(RecordEntry { place, parent: 0 });
        }
        Some(Self { slots: first.slots.clone(), beside: &first.beside, request, places })
    }

    fn table(&self, record: usize) -> BufferTable<'_> {
        let record = self.places[record].place.content(&self.request);
        BufferTable::new(&Buffers { record, resource: self.beside, ..Buffers::default() })
    }

    /// Returns the number of one record, or `None` where it ends a batch.
    fn number(&self, batch: &Batch<'_>, record: usize) -> Option<u8> {
        let (mut slots, message) = (self.slots.clone(), self.places[record].place.content(&self.request));
        let mut number = 0;
        match batch.scan.fill(message, &mut slots, batch.wanted) {
            Filled::Irregular => return None,
            Filled::Settled => unreachable!("there are no guards"),
            Filled::Done => {}
        }
        for (at, ask) in batch.asks.iter().enumerate() {
            if number & ask.mask == ask.bits {
                let mut ctx = NativeContext::new(common::context());
                let verdict = ask.condition.decide(&mut ctx, &NoSubqueries, &slots, &self.table(record)).ok()?;
                if verdict == Verdict::Left {
                    return None;
                }
                number |= u8::from(verdict == Verdict::True) << at;
            }
        }
        (batch.stops >> number & 1 == 0).then_some(number)
    }
}

/// Compares batches of some conditions over all records.
pub fn check(source: &Source, expressions: &[Expression], records: &[Record], random: &mut Random) {
    let Some(together) = Together::new(records) else { return };
    let conditions: Vec<Condition<'_>> =
        expressions.iter().flat_map(|one| FILTERS.map(|index| one.code().condition(index))).collect();
    for count in 0..=ASKS_MAX.min(conditions.len()) {
        let ask = |at: usize| {
            let mask = if random.one_in(2) { 0 } else { random.below(1 << at) as u8 };
            let condition = *random.pick(&conditions);
            Ask { condition, subqueries: &NoSubqueries, mask, bits: mask & random.below(64) as u8 }
        };
        let asks: Vec<Ask<'_>> = (0..count).map(ask).collect();
        let stops = if random.one_in(2) { 0 } else { 1 << random.below(64) };
        compare(&together, &Batch { scan: &source.scan, wanted: source.scan.layout().all(), asks: &asks, stops });
    }
}

fn compare(together: &Together<'_>, batch: &Batch<'_>) {
    let (mut slots, mut table, mut start) = (together.slots.clone(), together.table(0), 0);
    let mut ctx = NativeContext::new(common::context());
    while start < together.places.len() {
        let mut numbers = vec![0xAA; together.places.len() - start];
        let records = (&together.request[..], &together.places[start..]);
        let decided = batch.decide(&mut ctx, (&mut slots, &mut table), records, &mut numbers);
        for (at, number) in numbers[..decided].iter().enumerate() {
            assert_eq!(Some(*number), together.number(batch, start + at), "record {}", start + at);
        }
        start += decided;
        if start < together.places.len() {
            assert_eq!(together.number(batch, start), None, "record {start} ended a batch");
        }
        start += 1;
    }
}
