//! Requests built from a fuzzer's choices: the laws of `dtq_record::laws` hold, and what the index accepts is kept whole.
#![no_main]

use dtq_fuzz::{Share, otlp};
use dtq_record::otlp::assemble::{Assembled, Changes, assemble};
use dtq_record::otlp::index::RequestIndex;
use dtq_record::{Format, laws};
use libfuzzer_sys::fuzz_target;

static SHARE: Share = Share::new();

fuzz_target!(|bytes: &[u8]| {
    let (signal, request) = otlp::request(bytes);
    laws::check(&request, Some(Format::Otlp));
    let mut index = RequestIndex::default();
    let is_read = index.read(signal, &request).is_ok();
    SHARE.count(is_read);
    if !is_read {
        return;
    }
    let mut changes = Changes::default();
    assert_eq!(assemble(&request, &index, &changes), Assembled::Unchanged);
    for record in (0..index.records().len()).filter(|record| bytes.get(*record).is_some_and(|byte| byte % 2 == 0)) {
        changes.drop_record(record);
    }
    if let Assembled::Bytes(left) = assemble(&request, &index, &changes) {
        let before = index.records().len();
        index.read(signal, &left).expect("what is left of a request is one");
        assert!(index.records().len() <= before);
    }
});
