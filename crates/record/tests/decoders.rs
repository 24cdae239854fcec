//! Recorded telemetry with random damage, and random bytes, through every decoder: the laws hold.
#![allow(clippy::unwrap_used)]

use dtq_record::{Format, laws};
use proptest::collection::vec;
use proptest::prelude::*;
use std::path::PathBuf;
use std::sync::LazyLock;

/// The beginning of each recorded file, uncompressed ones only: damage to compression says little about decoders.
static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/telemetry");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let is_seed = |path: &&PathBuf| {
        let name = path.to_string_lossy();
        [".otlp", ".jsonl", ".ndjson", ".csv", ".log", ".logfmt"].iter().any(|ending| name.ends_with(ending))
    };
    paths.iter().filter(is_seed).map(|path| std::fs::read(path).unwrap()).collect()
});

#[derive(Clone, Debug)]
enum Edit {
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let special = prop_oneof![
        Just(b"\"".to_vec()),
        Just(b"{[".to_vec()),
        Just(b"\n".to_vec()),
        Just(vec![0xFF, 0xFE]),
        Just(vec![0]),
        Just(b"<999>1 ".to_vec()),
        Just(vec![0x80; 11]),
        vec(any::<u8>(), 1..8),
    ];
    prop_oneof![
        (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (any::<prop::sample::Index>(), special).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (any::<prop::sample::Index>(), 1..40usize).prop_map(|(at, count)| Edit::Remove(at, count)),
    ]
}

fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let cut = (any::<prop::sample::Index>(), 200..3000usize);
    (any::<prop::sample::Index>(), cut, vec(edit(), 0..4)).prop_map(|(seed, (_, size), edits)| {
        let seed = &SEEDS[seed.index(SEEDS.len())];
        let mut bytes = seed[..size.min(seed.len())].to_vec();
        for edit in edits {
            match edit {
                Edit::Set(at, byte) => {
                    let at = at.index(bytes.len().max(1));
                    bytes.get_mut(at).into_iter().for_each(|old| *old = byte);
                }
                Edit::Insert(at, more) => {
                    let at = at.index(bytes.len() + 1);
                    bytes.splice(at..at, more);
                }
                Edit::Remove(at, count) => {
                    let at = at.index(bytes.len() + 1);
                    bytes.drain(at..bytes.len().min(at + count));
                }
            }
        }
        bytes
    })
}

fn format() -> impl Strategy<Value = Option<Format>> {
    prop_oneof![3 => Just(None), 1 => prop::sample::select(Format::ALL.to_vec()).prop_map(Some)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn damaged_telemetry_keeps_the_laws(bytes in damaged(), format in format()) {
        laws::check(&bytes, format);
    }

    #[test]
    fn random_bytes_keep_the_laws(bytes in vec(any::<u8>(), 0..300), format in format()) {
        laws::check(&bytes, format);
    }
}

/// Inputs that once broke a law.
#[test]
fn regressions_keep_the_laws() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/regressions");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if let Some(rest) = name.strip_prefix("record_") {
            let format = Format::ALL.into_iter().find(|format| rest.starts_with(&format!("{}-", format.name())));
            laws::check(&std::fs::read(&path).unwrap(), format);
            count += 1;
        }
    }
    assert!(count > 0);
}

/// The seeds themselves get past every parser, so that damage to them tests more than refusals.
#[test]
fn seeds_give_records() {
    for seed in SEEDS.iter() {
        let count = laws::check(&seed[..seed.len().min(3000)], None);
        assert!(count > 0, "{}", String::from_utf8_lossy(&seed[..200]));
    }
}
