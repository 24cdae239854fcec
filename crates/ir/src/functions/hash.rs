//! Hashing: the entries for `dtq_value::scalar::hash`.

use crate::function::{Function, Group, Param, ParamKind, Returns, Signature};
use dtq_value::Type;
use dtq_value::scalar::hash;

pub(crate) static ENTRIES: &[Function] = &[
    Function::new(
        "hash",
        Group::Hash,
        &[Signature::new(
            &[Param::of("value", ParamKind::NotDynamic), Param::of("modulus", ParamKind::Integer)],
            Returns::Type(Type::Long),
            hash::hash,
        )
        .at_least(1)],
    )
    .aliases(&["hash_xxhash64"])
    .never_fails()
    .doc(
        "Gives the xxHash64 of a value, or its rest by a modulus.",
        "hash('World')",
        "1846988464401551951",
        "hash-function.md",
    ),
    Function::new(
        "hash_md5",
        Group::Hash,
        &[Signature::new(&[Param::of("value", ParamKind::NotDynamic)], Returns::Type(Type::String), hash::hash_md5)],
    )
    .doc(
        "Gives the MD5 hash of the text of a value.",
        "hash_md5('World')",
        "f5a7924e621e84c9280a9a27e1bcb7f6",
        "hash-md5-function.md",
    ),
    Function::new(
        "hash_sha1",
        Group::Hash,
        &[Signature::new(&[Param::of("value", ParamKind::NotDynamic)], Returns::Type(Type::String), hash::hash_sha1)],
    )
    .doc(
        "Gives the SHA-1 hash of the text of a value.",
        "hash_sha1('abc')",
        "a9993e364706816aba3e25717850c26c9cd0d89d",
        "hash-sha1-function.md",
    ),
    Function::new(
        "hash_sha256",
        Group::Hash,
        &[Signature::new(&[Param::of("value", ParamKind::NotDynamic)], Returns::Type(Type::String), hash::hash_sha256)],
    )
    .doc(
        "Gives the SHA-256 hash of the text of a value.",
        "hash_sha256('World')",
        "78ae647dc5544d227130a0682a51e30bc7777fbb6d8a8f17007463a3ecd1d524",
        "hash-sha256-function.md",
    ),
];
