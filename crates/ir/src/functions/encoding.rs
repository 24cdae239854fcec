//! Encodings and texts with an inner structure: the entries for `dtq_value::scalar::encoding` and `parse`.

use crate::function::{Function, Group, Naming, Param, ParamKind, Returns, Signature};
use dtq_value::Type;
use dtq_value::scalar::{encoding, parse};

pub(crate) static ENTRIES: &[Function] = &[
    Function::new(
        "base64_encode_tostring",
        Group::Encoding,
        &[Signature::new(&[Param::is("text", Type::String)], Returns::Type(Type::String), encoding::base64_encode)],
    )
    .aliases(&["base64_encodestring"])
    .doc(
        "Writes the bytes of a text in base64.",
        "base64_encode_tostring('Kusto')",
        "S3VzdG8=",
        "base64-encode-tostring-function.md",
    ),
    Function::new(
        "base64_decode_tostring",
        Group::Encoding,
        &[Signature::new(&[Param::is("text", Type::String)], Returns::Type(Type::String), encoding::base64_decode)],
    )
    .aliases(&["base64_decodestring"])
    .doc(
        "Reads a text from base64; empty when it is not UTF-8.",
        "base64_decode_tostring('S3VzdG8=')",
        "Kusto",
        "base64-decode-tostring-function.md",
    ),
    Function::new(
        "base64_decode_toarray",
        Group::Encoding,
        &[Signature::new(
            &[Param::is("text", Type::String)],
            Returns::Type(Type::Dynamic),
            encoding::base64_decode_toarray,
        )],
    )
    .doc(
        "Reads an array of bytes from base64.",
        "base64_decode_toarray('S3VzdG8=')",
        "[75,117,115,116,111]",
        "base64-decode-toarray-function.md",
    ),
    Function::new(
        "base64_encode_fromarray",
        Group::Encoding,
        &[Signature::new(
            &[Param::of("array", ParamKind::Exactly(Type::Dynamic))],
            Returns::Type(Type::String),
            encoding::base64_encode_fromarray,
        )],
    )
    .doc(
        "Writes an array of bytes in base64.",
        "base64_encode_fromarray(dynamic([75, 117, 115, 116, 111]))",
        "S3VzdG8=",
        "base64-encode-fromarray-function.md",
    ),
    Function::new(
        "base64_decode_toguid",
        Group::Encoding,
        &[Signature::new(
            &[Param::is("text", Type::String)],
            Returns::Type(Type::Guid),
            encoding::base64_decode_toguid,
        )],
    )
    .doc(
        "Reads a guid from base64.",
        "base64_decode_toguid('JpbpECu8dUy7Pv5gbeJXAA==')",
        "10e99626-bc2b-4c75-bb3e-fe606de25700",
        "base64-decode-toguid-function.md",
    ),
    Function::new(
        "base64_encode_fromguid",
        Group::Encoding,
        &[Signature::new(
            &[Param::is("guid", Type::Guid)],
            Returns::Type(Type::String),
            encoding::base64_encode_fromguid,
        )],
    )
    .doc(
        "Writes the bytes of a guid in base64.",
        "base64_encode_fromguid(guid(ae3133f2-6e22-49ae-b06a-16e6a9b212eb))",
        "8jMxriJurkmwahbmqbIS6w==",
        "base64-encode-fromguid-function.md",
    ),
    Function::new(
        "zlib_compress_to_base64_string",
        Group::Encoding,
        &[Signature::new(&[Param::is("text", Type::String)], Returns::Type(Type::String), encoding::zlib_compress)],
    )
    .doc(
        "Compresses a text with zlib, in base64.",
        "zlib_compress_to_base64_string('1234567890qwertyuiop')",
        "eAEBFADr/zEyMzQ1Njc4OTBxd2VydHl1aW9wOAkGdw==",
        "zlib-base64-compress-function.md",
    ),
    Function::new(
        "zlib_decompress_from_base64_string",
        Group::Encoding,
        &[Signature::new(&[Param::is("text", Type::String)], Returns::Type(Type::String), encoding::zlib_decompress)],
    )
    .doc(
        "Reads a text from zlib data in base64.",
        "zlib_decompress_from_base64_string('eJwLSS0uUSguKcrMS1cwNDIGACxqBQ4=')",
        "Test string 123",
        "zlib-base64-decompress-function.md",
    ),
    Function::new(
        "gzip_compress_to_base64_string",
        Group::Encoding,
        &[Signature::new(&[Param::is("text", Type::String)], Returns::Type(Type::String), encoding::gzip_compress)],
    )
    .doc(
        "Compresses a text with gzip, in base64.",
        "gzip_compress_to_base64_string('1234567890qwertyuiop')",
        "H4sIAAAAAAAA/wEUAOv/MTIzNDU2Nzg5MHF3ZXJ0eXVpb3A6m7f2FAAAAA==",
        "gzip-base64-compress.md",
    ),
    Function::new(
        "gzip_decompress_from_base64_string",
        Group::Encoding,
        &[Signature::new(&[Param::is("text", Type::String)], Returns::Type(Type::String), encoding::gzip_decompress)],
    )
    .doc(
        "Reads a text from gzip data in base64.",
        "gzip_decompress_from_base64_string('H4sIAAAAAAAA/wEUAOv/MTIzNDU2Nzg5MHF3ZXJ0eXVpb3A6m7f2FAAAAA==')",
        "1234567890qwertyuiop",
        "gzip-base64-decompress.md",
    ),
    Function::new(
        "url_encode",
        Group::Encoding,
        &[Signature::new(&[Param::is("text", Type::String)], Returns::Type(Type::String), encoding::url_encode)],
    )
    .doc(
        "Percent-encodes a text; a space becomes `+`.",
        "url_encode('https://www.bing.com/hello world/')",
        "https%3a%2f%2fwww.bing.com%2fhello+world%2f",
        "url-encode-function.md",
    ),
    Function::new(
        "url_encode_component",
        Group::Encoding,
        &[Signature::new(
            &[Param::is("text", Type::String)],
            Returns::Type(Type::String),
            encoding::url_encode_component,
        )],
    )
    .doc(
        "Percent-encodes a text; a space becomes `%20`.",
        "url_encode_component('https://www.bing.com/hello world/')",
        "https%3a%2f%2fwww.bing.com%2fhello%20world%2f",
        "url-encode-component-function.md",
    ),
    Function::new(
        "url_decode",
        Group::Encoding,
        &[Signature::new(&[Param::is("text", Type::String)], Returns::Type(Type::String), encoding::url_decode)],
    )
    .doc(
        "Decodes a percent-encoded text.",
        "url_decode('https%3a%2f%2fwww.bing.com%2f')",
        "https://www.bing.com/",
        "url-decode-function.md",
    ),
    Function::new(
        "punycode_from_string",
        Group::Encoding,
        &[Signature::new(
            &[Param::is("text", Type::String)],
            Returns::Type(Type::String),
            encoding::punycode_from_string,
        )],
    )
    .doc(
        "Writes a text in Punycode, without `xn--`.",
        "punycode_from_string('academie-francaise')",
        "academie-francaise-",
        "punycode-from-string-function.md",
    ),
    Function::new(
        "punycode_to_string",
        Group::Encoding,
        &[Signature::new(
            &[Param::is("text", Type::String)],
            Returns::Type(Type::String),
            encoding::punycode_to_string,
        )],
    )
    .doc(
        "Reads a text from Punycode without `xn--`.",
        "strlen(punycode_to_string('acadmie-franaise-npb1a'))",
        "18",
        "punycode-to-string-function.md",
    ),
    Function::new(
        "punycode_domain_from_string",
        Group::Encoding,
        &[Signature::new(
            &[Param::is("text", Type::String)],
            Returns::Type(Type::String),
            encoding::punycode_domain_from_string,
        )],
    )
    .doc(
        "Decodes the labels of a domain name that start with `xn--`.",
        "strlen(punycode_domain_from_string('xn--Ge-mia.Bulg.edu'))",
        "12",
        "punycode-domain-from-string-function.md",
    ),
    Function::new(
        "punycode_domain_to_string",
        Group::Encoding,
        &[Signature::new(
            &[Param::is("text", Type::String)],
            Returns::Type(Type::String),
            encoding::punycode_domain_to_string,
        )],
    )
    .doc(
        "Writes the labels of a domain name that are not ASCII in Punycode.",
        "punycode_domain_to_string('www.bing.com')",
        "www.bing.com",
        "punycode-domain-to-string-function.md",
    ),
    Function::new(
        "parse_url",
        Group::Encoding,
        &[Signature::new(&[Param::is("text", Type::String)], Returns::Type(Type::Dynamic), parse::parse_url)],
    )
    .aliases(&["parseurl"])
    .doc("Takes an absolute URL apart.", "parse_url('https://h.io/p').Host", "h.io", "parse-url-function.md"),
    Function::new(
        "parse_urlquery",
        Group::Encoding,
        &[Signature::new(&[Param::is("text", Type::String)], Returns::Type(Type::Dynamic), parse::parse_urlquery)],
    )
    .aliases(&["parseurlquery"])
    .doc(
        "Takes the query part of a URL apart.",
        "parse_urlquery('k1=v1&k2=v2')",
        r#"{"Query Parameters":{"k1":"v1","k2":"v2"}}"#,
        "parse-url-query-function.md",
    ),
    Function::new(
        "parse_path",
        Group::Encoding,
        &[Signature::new(&[Param::is("text", Type::String)], Returns::Type(Type::Dynamic), parse::parse_path)],
    )
    .doc(
        "Takes a file path apart.",
        "parse_path('/usr/lib/temp/file.txt').Filename",
        "file.txt",
        "parse-path-function.md",
    ),
    Function::new(
        "parse_csv",
        Group::Encoding,
        &[Signature::new(
            &[Param::of("text", ParamKind::StringOrDynamic)],
            Returns::Type(Type::Dynamic),
            parse::parse_csv,
        )],
    )
    .naming(Naming::FirstArgument)
    .doc(
        "Gives the fields of a CSV record.",
        r#"parse_csv('aa,"b,b",cc')"#,
        r#"["aa","b,b","cc"]"#,
        "parse-csv-function.md",
    ),
    Function::new(
        "parse_version",
        Group::Encoding,
        &[Signature::new(&[Param::is("text", Type::String)], Returns::Type(Type::Decimal), parse::parse_version)],
    )
    .doc(
        "Gives a version of up to four numbers as one number that orders as they do.",
        "parse_version('0.0.7.0')",
        "700000000",
        "parse-version-function.md",
    ),
    Function::new(
        "parse_command_line",
        Group::Encoding,
        &[Signature::new(
            &[Param::is("text", Type::String), Param::is("kind", Type::String)],
            Returns::Type(Type::Dynamic),
            parse::parse_command_line,
        )],
    )
    .doc(
        "Splits a Windows command line into arguments.",
        r#"parse_command_line('echo "hello world!"', 'windows')"#,
        r#"["echo","hello world!"]"#,
        "parse-command-line-function.md",
    ),
];
