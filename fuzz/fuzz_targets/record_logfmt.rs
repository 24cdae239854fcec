//! Any bytes as logfmt: the laws of `dtq_record::laws` hold.
#![no_main]

use dtq_fuzz::Share;
use dtq_record::{Format, laws};
use libfuzzer_sys::fuzz_target;

static SHARE: Share = Share::new();

fuzz_target!(|bytes: &[u8]| SHARE.count(laws::check(bytes, Some(Format::Logfmt)) > 0));
