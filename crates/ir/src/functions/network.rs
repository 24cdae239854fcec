//! Network addresses: the entries for `dtq_value::scalar::network`.

use crate::function::{Function, Group, Param, ParamKind, Returns, Signature};
use dtq_value::Type;
use dtq_value::scalar::network;

pub(crate) static ENTRIES: &[Function] = &[
    Function::new(
        "parse_ipv4",
        Group::Network,
        &[Signature::new(&[Param::is("ip", Type::String)], Returns::Type(Type::Long), network::parse_ipv4)],
    )
    .never_fails()
    .doc(
        "Gives an IPv4 address as a number; null when it is none.",
        "parse_ipv4('192.168.1.1/24')",
        "3232235776",
        "parse-ipv4-function.md",
    ),
    Function::new(
        "parse_ipv4_mask",
        Group::Network,
        &[Signature::new(
            &[Param::is("ip", Type::String), Param::is("prefix", Type::Long)],
            Returns::Type(Type::Long),
            network::parse_ipv4_mask,
        )],
    )
    .never_fails()
    .doc(
        "Gives an IPv4 address, of which so many bits count, as a number.",
        "parse_ipv4_mask('127.0.0.1', 24)",
        "2130706432",
        "parse-ipv4-mask-function.md",
    ),
    Function::new(
        "parse_ipv6",
        Group::Network,
        &[Signature::new(&[Param::is("ip", Type::String)], Returns::Type(Type::String), network::parse_ipv6)],
    )
    .never_fails()
    .doc(
        "Writes an IPv6 or IPv4 address in full as IPv6.",
        "parse_ipv6('192.168.255.255')",
        "0000:0000:0000:0000:0000:ffff:c0a8:ffff",
        "parse-ipv6-function.md",
    ),
    Function::new(
        "parse_ipv6_mask",
        Group::Network,
        &[Signature::new(
            &[Param::is("ip", Type::String), Param::is("prefix", Type::Long)],
            Returns::Type(Type::String),
            network::parse_ipv6_mask,
        )],
    )
    .never_fails()
    .doc(
        "Writes an IPv6 or IPv4 address, of which so many bits count, in full as IPv6.",
        "parse_ipv6_mask('fe80::85d:e82c:9446:7994/120', 124)",
        "fe80:0000:0000:0000:085d:e82c:9446:7900",
        "parse-ipv6-mask-function.md",
    ),
    Function::new(
        "format_ipv4",
        Group::Network,
        &[Signature::new(
            &[Param::of("ip", ParamKind::Scalar), Param::is("prefix", Type::Long)],
            Returns::Type(Type::String),
            network::format_ipv4,
        )
        .at_least(1)],
    )
    .never_fails()
    .doc(
        "Writes a number or text as an IPv4 address, of which so many bits count.",
        "format_ipv4('192.168.1.1', 24)",
        "192.168.1.0",
        "format-ipv4-function.md",
    ),
    Function::new(
        "format_ipv4_mask",
        Group::Network,
        &[Signature::new(
            &[Param::of("ip", ParamKind::Scalar), Param::is("prefix", Type::Long)],
            Returns::Type(Type::String),
            network::format_ipv4_mask,
        )
        .at_least(1)],
    )
    .never_fails()
    .doc(
        "Writes a number or text as an IPv4 address with its prefix length.",
        "format_ipv4_mask('192.168.1.1', 24)",
        "192.168.1.0/24",
        "format-ipv4-mask-function.md",
    ),
    Function::new(
        "ipv4_compare",
        Group::Network,
        &[Signature::new(
            &[Param::is("a", Type::String), Param::is("b", Type::String), Param::is("prefix", Type::Long)],
            Returns::Type(Type::Long),
            network::ipv4_compare,
        )
        .at_least(2)],
    )
    .never_fails()
    .doc(
        "Compares two IPv4 addresses: -1, 0 or 1; the shortest prefix counts.",
        "ipv4_compare('192.168.1.1/24', '192.168.1.255')",
        "0",
        "ipv4-compare-function.md",
    ),
    Function::new(
        "ipv4_is_match",
        Group::Network,
        &[Signature::new(
            &[Param::is("a", Type::String), Param::is("b", Type::String), Param::is("prefix", Type::Long)],
            Returns::Type(Type::Bool),
            network::ipv4_is_match,
        )
        .at_least(2)],
    )
    .never_fails()
    .doc(
        "Says whether two IPv4 addresses are equal in the shortest prefix.",
        "ipv4_is_match('192.168.1.1/24', '192.168.1.255')",
        "true",
        "ipv4-is-match-function.md",
    ),
    Function::new(
        "ipv4_is_in_range",
        Group::Network,
        &[Signature::new(
            &[Param::is("ip", Type::String), Param::is("range", Type::String)],
            Returns::Type(Type::Bool),
            network::ipv4_is_match,
        )],
    )
    .never_fails()
    .doc(
        "Says whether an IPv4 address is in a range.",
        "ipv4_is_in_range('192.168.1.6', '192.168.1.1/24')",
        "true",
        "ipv4-is-in-range-function.md",
    ),
    Function::new(
        "ipv4_is_in_any_range",
        Group::Network,
        &[
            Signature::new(
                &[Param::of("ip", ParamKind::StringOrDynamic), Param::is("range", Type::String)],
                Returns::Type(Type::Bool),
                network::ipv4_is_in_any_range,
            )
            .at_least(2)
            .variadic(),
            Signature::new(
                &[Param::of("ip", ParamKind::StringOrDynamic), Param::of("ranges", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Bool),
                network::ipv4_is_in_any_range,
            ),
        ],
    )
    .prepare(network::prepare_ranges)
    .never_fails()
    .doc(
        "Says whether an IPv4 address is in one of several ranges.",
        "ipv4_is_in_any_range('192.168.1.6', '192.168.1.1/24', '10.0.0.1/8')",
        "true",
        "ipv4-is-in-any-range-function.md",
    ),
    Function::new(
        "ipv4_is_private",
        Group::Network,
        &[Signature::new(&[Param::is("ip", Type::String)], Returns::Type(Type::Bool), network::ipv4_is_private)],
    )
    .never_fails()
    .doc(
        "Says whether an IPv4 address is in a private network.",
        "ipv4_is_private('192.168.1.1/24')",
        "true",
        "ipv4-is-private-function.md",
    ),
    Function::new(
        "ipv4_netmask_suffix",
        Group::Network,
        &[Signature::new(&[Param::is("ip", Type::String)], Returns::Type(Type::Long), network::ipv4_netmask_suffix)],
    )
    .never_fails()
    .doc(
        "Gives the prefix length of an IPv4 address, 32 when none is written.",
        "ipv4_netmask_suffix('192.168.1.1/24')",
        "24",
        "ipv4-netmask-suffix-function.md",
    ),
    Function::new(
        "ipv4_range_to_cidr_list",
        Group::Network,
        &[Signature::new(
            &[Param::is("start", Type::String), Param::is("end", Type::String)],
            Returns::Type(Type::Dynamic),
            network::ipv4_range_to_cidr_list,
        )],
    )
    .never_fails()
    .doc(
        "Covers the IPv4 addresses from one to another by as few ranges as possible.",
        "ipv4_range_to_cidr_list('1.1.128.0', '1.1.140.255')",
        r#"["1.1.128.0/21","1.1.136.0/22","1.1.140.0/24"]"#,
        "ipv4-range-to-cidr-list-function.md",
    ),
    Function::new(
        "ipv6_compare",
        Group::Network,
        &[Signature::new(
            &[Param::is("a", Type::String), Param::is("b", Type::String), Param::is("prefix", Type::Long)],
            Returns::Type(Type::Long),
            network::ipv6_compare,
        )
        .at_least(2)],
    )
    .never_fails()
    .doc(
        "Compares two IPv6 or IPv4 addresses: -1, 0 or 1; the shortest prefix counts.",
        "ipv6_compare('192.168.1.1', '::ffff:c0a8:0101')",
        "0",
        "ipv6-compare-function.md",
    ),
    Function::new(
        "ipv6_is_match",
        Group::Network,
        &[Signature::new(
            &[Param::is("a", Type::String), Param::is("b", Type::String), Param::is("prefix", Type::Long)],
            Returns::Type(Type::Bool),
            network::ipv6_is_match,
        )
        .at_least(2)],
    )
    .never_fails()
    .doc(
        "Says whether two IPv6 or IPv4 addresses are equal in the shortest prefix.",
        "ipv6_is_match('fe80::85d:e82c:9446:7994/120', 'fe80::85d:e82c:9446:7998')",
        "true",
        "ipv6-is-match-function.md",
    ),
    Function::new(
        "ipv6_is_in_range",
        Group::Network,
        &[Signature::new(
            &[Param::is("ip", Type::String), Param::is("range", Type::String)],
            Returns::Type(Type::Bool),
            network::ipv6_is_match,
        )],
    )
    .never_fails()
    .doc(
        "Says whether an IPv6 address is in a range.",
        "ipv6_is_in_range('a5e:f127:8a9d:146d:e102:b5d3:c755:abcd', 'a5e:f127:8a9d:146d:e102:b5d3:c755:0/112')",
        "true",
        "ipv6-is-in-range-function.md",
    ),
    Function::new(
        "ipv6_is_in_any_range",
        Group::Network,
        &[
            Signature::new(
                &[Param::of("ip", ParamKind::StringOrDynamic), Param::is("range", Type::String)],
                Returns::Type(Type::Bool),
                network::ipv6_is_in_any_range,
            )
            .at_least(2)
            .variadic(),
            Signature::new(
                &[Param::of("ip", ParamKind::StringOrDynamic), Param::of("ranges", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Bool),
                network::ipv6_is_in_any_range,
            ),
        ],
    )
    .never_fails()
    .doc(
        "Says whether an IPv6 address is in one of several ranges.",
        "ipv6_is_in_any_range('::1', '::/64', 'fe80::/10')",
        "true",
        "ipv6-is-in-any-range-function.md",
    ),
    Function::new(
        "has_ipv4",
        Group::Network,
        &[Signature::new(
            &[Param::of("text", ParamKind::StringOrDynamic), Param::is("ip", Type::String)],
            Returns::Type(Type::Bool),
            network::has_any_ipv4,
        )],
    )
    .never_fails()
    .doc(
        "Says whether an IPv4 address stands in a text.",
        "has_ipv4('05:04:54 127.0.0.1 GET', '127.0.0.1')",
        "true",
        "has-ipv4-function.md",
    ),
    Function::new(
        "has_any_ipv4",
        Group::Network,
        &[
            Signature::new(
                &[Param::of("text", ParamKind::StringOrDynamic), Param::is("ip", Type::String)],
                Returns::Type(Type::Bool),
                network::has_any_ipv4,
            )
            .at_least(2)
            .variadic(),
            Signature::new(
                &[Param::of("text", ParamKind::StringOrDynamic), Param::of("ips", ParamKind::Exactly(Type::Dynamic))],
                Returns::Type(Type::Bool),
                network::has_any_ipv4,
            ),
        ],
    )
    .never_fails()
    .doc(
        "Says whether one of several IPv4 addresses stands in a text.",
        "has_any_ipv4('05:04:54 127.0.0.1 GET', '127.0.0.1', '127.0.0.2')",
        "true",
        "has-any-ipv4-function.md",
    ),
    Function::new(
        "has_ipv4_prefix",
        Group::Network,
        &[Signature::new(
            &[Param::of("text", ParamKind::StringOrDynamic), Param::is("prefix", Type::String)],
            Returns::Type(Type::Bool),
            network::has_any_ipv4_prefix,
        )],
    )
    .never_fails()
    .doc(
        "Says whether an IPv4 address in a text starts so.",
        "has_ipv4_prefix('05:04:54 127.0.0.1 GET', '127.0.')",
        "true",
        "has-ipv4-prefix-function.md",
    ),
    Function::new(
        "has_any_ipv4_prefix",
        Group::Network,
        &[
            Signature::new(
                &[Param::of("text", ParamKind::StringOrDynamic), Param::is("prefix", Type::String)],
                Returns::Type(Type::Bool),
                network::has_any_ipv4_prefix,
            )
            .at_least(2)
            .variadic(),
            Signature::new(
                &[
                    Param::of("text", ParamKind::StringOrDynamic),
                    Param::of("prefixs", ParamKind::Exactly(Type::Dynamic)),
                ],
                Returns::Type(Type::Bool),
                network::has_any_ipv4_prefix,
            ),
        ],
    )
    .never_fails()
    .doc(
        "Says whether an IPv4 address in a text starts in one of several ways.",
        "has_any_ipv4_prefix('05:04:54 127.0.0.1 GET', '127.0.', '10.')",
        "true",
        "has-any-ipv4-prefix-function.md",
    ),
];
