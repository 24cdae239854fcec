//! IPv4 and IPv6 addresses, with or without a prefix length.
//!
//! An address with a prefix (`10.1.2.3/24`) stands for its first address. What is not an address gives null.

use crate::Value;
use crate::scalar::bounded;
use crate::scalar::{Call, Fault, Pooled, format};
use bstr::ByteSlice;
use dtq_source::Limits;
use std::cmp::Ordering;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Holds an address and how many of its leading bits count, in the width of IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net<T> {
    address: T,
    prefix: u32,
}

fn mask4(prefix: u32) -> u32 {
    u32::MAX.checked_shl(32 - prefix.min(32)).unwrap_or(0)
}

fn mask6(prefix: u32) -> u128 {
    u128::MAX.checked_shl(128 - prefix.min(128)).unwrap_or(0)
}

/// Reads an IPv4 address: four decimal numbers without leading zeros, `/` and a prefix length optional.
///
/// # Source
/// Kusto documentation, `parse_ipv4()`; leading zeros, spaces and bare slashes: conformance `trap/723` to `trap/813`.
fn parse4(text: &[u8]) -> Option<Net<u32>> {
    let (address, prefix) = split_prefix(text.trim(), 32)?;
    let address: Ipv4Addr = std::str::from_utf8(address).ok()?.parse().ok()?;
    Some(Net { address: u32::from(address), prefix })
}

/// Reads an IPv6 address, or an IPv4 address as the one that maps it (`::ffff:0:0/96`).
///
/// # Source
/// Kusto documentation, `parse_ipv6()`; conformance `trap/752` to `trap/799`.
fn parse6(text: &[u8]) -> Option<Net<u128>> {
    if let Some(net) = parse4(text) {
        return Some(Net { address: 0xFFFF_0000_0000 | u128::from(net.address), prefix: net.prefix + 96 });
    }
    let (address, prefix) = split_prefix(text.trim(), 128)?;
    let address: Ipv6Addr = std::str::from_utf8(address).ok()?.parse().ok()?;
    Some(Net { address: u128::from(address), prefix })
}

/// Reads an IPv6 address as [`parse6`] does, but for a prefix length behind dots, which counts as one of IPv4.
///
/// # Source
/// Conformance `emu/parse-ipv6-mask-function-00`: `::192.168.255.255/24` keeps 120 bits. `ipv6_compare` reads the same
/// text with 24: `emu/ipv6-compare-function-00`.
fn parse6_dotted(text: &[u8]) -> Option<Net<u128>> {
    let net = parse6(text)?;
    let is_dotted = text.contains(&b'.') && text.contains(&b':') && net.prefix <= 32;
    Some(if is_dotted { Net { prefix: net.prefix + 96, ..net } } else { net })
}

fn split_prefix(text: &[u8], prefix_max: u32) -> Option<(&[u8], u32)> {
    let Some(slash) = memchr::memchr(b'/', text) else { return Some((text, prefix_max)) };
    let digits = &text[slash + 1..];
    if digits.is_empty() || digits.len() > 3 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let prefix: u32 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (prefix <= prefix_max).then_some((&text[..slash], prefix))
}

/// Returns the prefix length given as an argument, `prefix_max` when it is left out; `None` when it is out of range.
fn prefix_arg(call: &Call<'_>, index: usize, prefix_max: u32) -> Option<u32> {
    if index >= call.args.len() {
        return Some(prefix_max);
    }
    u32::try_from(call.long(index)?).ok().filter(|prefix| *prefix <= prefix_max)
}

fn long(address: u32) -> Value {
    Value::Long(i64::from(address))
}

/// `parse_ipv4(text)`: the address as a number.
pub fn parse_ipv4(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(parse4(call.bytes(0)).map_or(Value::Null, |net| long(net.address & mask4(net.prefix))))
}

/// `parse_ipv4_mask(text, prefix)`: the address, of which at most so many bits count, as a number.
pub fn parse_ipv4_mask(call: &mut Call<'_>) -> Result<Value, Fault> {
    let net = parse4(call.bytes(0)).zip(prefix_arg(call, 1, 32));
    Ok(net.map_or(Value::Null, |(net, prefix)| long(net.address & mask4(prefix.min(net.prefix)))))
}

/// `parse_ipv6(text)`: the address in full, `""` when it is none.
pub fn parse_ipv6(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(parse6_dotted(call.bytes(0)).map_or(Value::string(""), |net| full6(net.address & mask6(net.prefix))))
}

/// `parse_ipv6_mask(text, prefix)`: the address, of which at most so many bits count, in full.
pub fn parse_ipv6_mask(call: &mut Call<'_>) -> Result<Value, Fault> {
    let net = parse6_dotted(call.bytes(0)).zip(prefix_arg(call, 1, 128));
    Ok(net.map_or(Value::string(""), |(net, prefix)| full6(net.address & mask6(prefix.min(net.prefix)))))
}

fn full6(address: u128) -> Value {
    let groups: Vec<String> = (0..8).rev().map(|index| format!("{:04x}", (address >> (index * 16)) as u16)).collect();
    Value::string(groups.join(":"))
}

/// `format_ipv4(address, prefix)`: a text or number as an address, of which so many bits count; `""` when it is none.
pub fn format_ipv4(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(net) = formatted(call) else { return Ok(Value::string("")) };
    Ok(Value::string(Ipv4Addr::from(net.address).to_string()))
}

/// `format_ipv4_mask(address, prefix)`: as `format_ipv4`, with the prefix length.
pub fn format_ipv4_mask(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(net) = formatted(call) else { return Ok(Value::string("")) };
    Ok(Value::string(format!("{}/{}", Ipv4Addr::from(net.address), net.prefix)))
}

fn formatted(call: &Call<'_>) -> Option<Net<u32>> {
    let net = match call.long(0) {
        Some(number) => Net { address: u32::try_from(number).ok()?, prefix: 32 },
        None => parse4(&format::dynamic_text(call.arg(0)))?,
    };
    let prefix = prefix_arg(call, 1, 32)?.min(net.prefix);
    Some(Net { address: net.address & mask4(prefix), prefix })
}

fn compare4(call: &Call<'_>) -> Option<Ordering> {
    let (a, b) = (parse4(call.bytes(0))?, parse4(call.bytes(1))?);
    let mask = mask4(prefix_arg(call, 2, 32)?.min(a.prefix).min(b.prefix));
    Some((a.address & mask).cmp(&(b.address & mask)))
}

fn compare6(call: &Call<'_>) -> Option<Ordering> {
    let (a, b) = (parse6(call.bytes(0))?, parse6(call.bytes(1))?);
    let mask = mask6(prefix_arg(call, 2, 128)?.min(a.prefix).min(b.prefix));
    Some((a.address & mask).cmp(&(b.address & mask)))
}

/// `ipv4_compare(a, b, prefix)`: -1, 0 or 1; the smallest of the prefix lengths counts.
pub fn ipv4_compare(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(compare4(call).map_or(Value::Null, |order| Value::Long(order as i64)))
}

/// `ipv4_is_match(a, b, prefix)`: whether two addresses are equal, in the smallest of the prefix lengths.
///
/// `ipv4_is_in_range(address, range)` is the same of an address and a range.
pub fn ipv4_is_match(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(compare4(call).map_or(Value::Null, |order| Value::Bool(order.is_eq())))
}

/// `ipv6_compare(a, b, prefix)`: as `ipv4_compare`, IPv4 addresses mapped.
pub fn ipv6_compare(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(compare6(call).map_or(Value::Null, |order| Value::Long(order as i64)))
}

/// `ipv6_is_match(a, b, prefix)`: as `ipv4_is_match`, IPv4 addresses mapped.
pub fn ipv6_is_match(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(compare6(call).map_or(Value::Null, |order| Value::Bool(order.is_eq())))
}

/// Holds the ranges of `ipv4_is_in_any_range`, read once.
#[derive(Clone, Debug)]
pub struct Ranges(Vec<Net<u32>>);

/// Reads the ranges of `ipv4_is_in_any_range` when all are constants.
///
/// # Errors
/// None: what is not a range matches nothing.
pub fn prepare_ranges(args: &[Option<&Value>], _limits: &Limits) -> Result<Option<Pooled>, Fault> {
    let constants: Option<Vec<&Value>> = args.iter().skip(1).copied().collect();
    Ok(constants.map(|texts| {
        let texts = texts.into_iter().flat_map(|text| match text {
            Value::Array(items) => items.as_slice(),
            single => std::slice::from_ref(single),
        });
        Pooled::Ranges(Ranges(texts.filter_map(range_of).collect()))
    }))
}

fn range_of(text: &Value) -> Option<Net<u32>> {
    if let Value::String(text) = text { parse4(text.as_bytes()) } else { None }
}

/// `ipv4_is_in_any_range(address, ranges...)`: whether one of the ranges, texts or an array of texts, has the address.
pub fn ipv4_is_in_any_range(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(net) = parse4(&format::dynamic_text(call.arg(0))) else { return Ok(Value::Null) };
    let is_in = |range: &Net<u32>| (net.address ^ range.address) & mask4(range.prefix.min(net.prefix)) == 0;
    Ok(Value::Bool(match call.pooled {
        Some(Pooled::Ranges(ranges)) => ranges.0.iter().any(is_in),
        _ => any_text(call, |range| parse4(range).as_ref().is_some_and(is_in)),
    }))
}

/// `ipv6_is_in_any_range(address, ranges...)`: as `ipv4_is_in_any_range`, IPv4 addresses mapped.
pub fn ipv6_is_in_any_range(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(net) = parse6(&format::dynamic_text(call.arg(0))) else { return Ok(Value::Null) };
    let is_in = |range: &[u8]| {
        parse6(range).is_some_and(|range| (net.address ^ range.address) & mask6(range.prefix.min(net.prefix)) == 0)
    };
    Ok(Value::Bool(any_text(call, is_in)))
}

/// Says whether a test holds for one of the texts from argument 1 on, or of the array there.
fn any_text(call: &Call<'_>, test: impl Fn(&[u8]) -> bool) -> bool {
    let texts = call.array(1).unwrap_or_else(|| call.args.get(1..).unwrap_or_default());
    texts.iter().any(|text| if let Value::String(text) = text { test(text.as_bytes()) } else { false })
}

/// `ipv4_is_private(address)`: whether it is in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16.
///
/// # Source
/// Kusto documentation, `ipv4_is_private()`: the table of private ranges (RFC 1918).
pub fn ipv4_is_private(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(net) = parse4(call.bytes(0)) else { return Ok(Value::Null) };
    let ranges = [(0x0A00_0000, 8), (0xAC10_0000, 12), (0xC0A8_0000, 16)];
    Ok(Value::Bool(
        ranges.iter().any(|(range, prefix)| net.prefix >= *prefix && net.address & mask4(*prefix) == *range),
    ))
}

/// `ipv4_netmask_suffix(address)`: its prefix length, 32 when it has none.
pub fn ipv4_netmask_suffix(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(parse4(call.bytes(0)).map_or(Value::Null, |net| Value::Long(i64::from(net.prefix))))
}

/// `ipv4_range_to_cidr_list(start, end)`: the fewest ranges that hold all addresses from one to another, inclusive.
pub fn ipv4_range_to_cidr_list(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (Some(start), Some(end)) = (parse4(call.bytes(0)), parse4(call.bytes(1))) else { return Ok(Value::Null) };
    let (mut start, end) = (u64::from(start.address), u64::from(end.address));
    let mut ranges = Vec::new();
    // At most 62 ranges: each step takes the largest block that starts here and ends in time.
    while start <= end {
        let aligned = if start == 0 { 32 } else { start.trailing_zeros().min(32) };
        let fitting = (end - start + 1).ilog2();
        let bits = aligned.min(fitting);
        let address = Ipv4Addr::from(start as u32);
        ranges.push(Value::string(format!("{address}/{}", 32 - bits)));
        start += 1 << bits;
    }
    bounded::array(ranges, &call.ctx.limits)
}

/// Returns the addresses in a text that stand between characters that are neither letters nor digits.
///
/// # Source
/// Kusto documentation, `has_ipv4()`: "properly delimited with non-alphanumeric characters".
fn addresses_in(text: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let starts = (0..text.len()).filter(|start| {
        text[*start].is_ascii_digit() && !text[..*start].chars().next_back().is_some_and(char::is_alphanumeric)
    });
    starts.filter_map(|start| {
        let length = text[start..].iter().take(16).take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        let mut end = start + length;
        // A full stop, or a fifth number, may follow the address.
        let numbers: Vec<&[u8]> = text[start..end].split(|byte| *byte == b'.').collect();
        if numbers.len() > 4 {
            end = start + numbers[..4].iter().map(|number| number.len() + 1).sum::<usize>() - 1;
        }
        if text[end..].chars().next().is_some_and(char::is_alphanumeric) {
            return None;
        }
        let address: Ipv4Addr = std::str::from_utf8(&text[start..end]).ok()?.parse().ok()?;
        Some(u32::from(address))
    })
}

/// Returns an address or the start of one, `10.1.`, as the range it stands for.
fn prefix_range(text: &[u8]) -> Option<Net<u32>> {
    if let Some(net) = parse4(text) {
        return Some(net);
    }
    let numbers = text.strip_suffix(b".")?.split(|byte| *byte == b'.').count();
    let padded = [text, [&b"0."[..]].repeat(4usize.checked_sub(numbers)?).concat().strip_suffix(b".")?].concat();
    Some(Net { address: parse4(&padded)?.address, prefix: numbers as u32 * 8 })
}

fn has_any(call: &Call<'_>, range_of: fn(&[u8]) -> Option<Net<u32>>) -> Value {
    let source = format::dynamic_text(call.arg(0));
    let found: Vec<u32> = addresses_in(&source).collect();
    let is_found = |text: &[u8]| {
        let Some(range) = range_of(text) else { return false };
        found.iter().any(|address| (address ^ range.address) & mask4(range.prefix) == 0)
    };
    Value::Bool(!found.is_empty() && any_text(call, is_found))
}

/// `has_ipv4(text, address)` and `has_any_ipv4(text, addresses...)`: whether one of the addresses stands in the text.
pub fn has_any_ipv4(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(has_any(call, parse4))
}

/// `has_ipv4_prefix(text, prefix)` and `has_any_ipv4_prefix(text, prefixes...)`: whether an address in the text starts so.
pub fn has_any_ipv4_prefix(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(has_any(call, prefix_range))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::{Context, Eval};

    fn eval(function: Eval, args: &[Value]) -> String {
        let mut ctx = Context::new(Limits::default(), 0, 0);
        let result = function(&mut Call { args, pooled: None, ctx: &mut ctx }).unwrap();
        String::from_utf8(format::dynamic_text(&result).into_owned()).unwrap()
    }

    fn texts(function: Eval, args: &[&str]) -> String {
        eval(function, &args.iter().map(|arg| Value::string(*arg)).collect::<Vec<_>>())
    }

    // Conformance `trap/723` to `trap/813`.
    #[test]
    fn ipv4_is_strict() {
        let cases = [
            ("203.0.113.10/32", "3405803786"),
            (" 203.0.113.10", "3405803786"),
            ("192.168.1.1/24", "3232235776"),
            ("255.255.255.255/31", "4294967294"),
            ("1.2.3.4/0", "0"),
            ("1.2.3", ""),
            ("01.02.03.04", ""),
            ("1.2.3.4/33", ""),
            ("1.2.3.4/", ""),
            ("1.2.3.4/+8", ""),
            ("/24", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(texts(parse_ipv4, &[text]), expected, "{text}");
        }
    }

    // Conformance `trap/752` to `trap/799`, and `emu/parse-ipv6-mask-function-00`.
    #[test]
    fn ipv6_is_written_in_full() {
        let cases = [
            ("::", "0000:0000:0000:0000:0000:0000:0000:0000"),
            ("203.0.113.10", "0000:0000:0000:0000:0000:ffff:cb00:710a"),
            ("::1.2.3.4", "0000:0000:0000:0000:0000:0000:0102:0304"),
            ("1:2:3:4:5:6:1.2.3.4", "0001:0002:0003:0004:0005:0006:0102:0304"),
            ("2001:db8::10/17", "2001:0000:0000:0000:0000:0000:0000:0000"),
            ("2001:db8::10/113", "2001:0db8:0000:0000:0000:0000:0000:0000"),
            ("1.2.3.4/0", "0000:0000:0000:0000:0000:ffff:0000:0000"),
            ("1:2:3:4:5:6:7:8:9", ""),
            ("2001:db8::10/129", ""),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(texts(parse_ipv6, &[text]), expected, "{text}");
        }
        let masked = |text: &str, prefix: i64| eval(parse_ipv6_mask, &[Value::string(text), Value::Long(prefix)]);
        assert_eq!(masked("192.168.255.255/24", 124), "0000:0000:0000:0000:0000:ffff:c0a8:ff00");
        assert_eq!(masked("::192.168.255.255/24", 128), "0000:0000:0000:0000:0000:0000:c0a8:ff00");
        assert_eq!(masked("fe80::85d:e82c:9446:7994/120", 124), "fe80:0000:0000:0000:085d:e82c:9446:7900");
    }

    // The documentation's examples; `emu/ipv6-compare-function-00`.
    #[test]
    fn comparison_uses_the_shortest_prefix() {
        let cases: &[(Eval, &[&str], &str)] = &[
            (ipv4_is_match, &["192.168.1.1/30", "192.168.1.255/24"], "true"),
            (ipv4_is_match, &["192.168.1.1", "192.168.1.2"], "false"),
            (ipv4_is_match, &["192.168.1", "192.168.1.2"], ""),
            (ipv4_compare, &["192.168.1.1", "192.168.1.2"], "-1"),
            (ipv6_compare, &["::192.168.1.1/30", "192.168.1.255/24"], "0"),
            (ipv6_compare, &["192.168.1.1/24", "::ffff:c0a8:01ff"], "0"),
            (ipv6_is_match, &["fe80::85d:e82c:9446:7994", "fe80::85d:e82c:9446:7998/120"], "true"),
            (ipv4_is_private, &["10.1.2.3/24"], "true"),
            (ipv4_is_private, &["127.0.0.1"], "false"),
            (ipv4_is_in_any_range, &["1.2.3.4", "9.9.9.9", "1.2.0.0/16"], "true"),
            (ipv4_netmask_suffix, &["127.0.0.1/16"], "16"),
            (ipv4_netmask_suffix, &["10.1.2.3"], "32"),
            (
                ipv4_range_to_cidr_list,
                &["1.1.128.0", "1.1.140.255"],
                r#"["1.1.128.0/21","1.1.136.0/22","1.1.140.0/24"]"#,
            ),
            (ipv4_range_to_cidr_list, &["0.0.0.0", "255.255.255.255"], r#"["0.0.0.0/0"]"#),
            (format_ipv4, &["192.168.1.1/24"], "192.168.1.0"),
        ];
        for (function, args, expected) in cases {
            assert_eq!(texts(*function, args), *expected, "{args:?}");
        }
        let formatted = |prefix: i64| eval(format_ipv4_mask, &[Value::string("192.168.1.1/24"), Value::Long(prefix)]);
        assert_eq!(formatted(32), "192.168.1.0/24");
        assert_eq!(formatted(-1), "");
        assert_eq!(eval(format_ipv4, &[Value::Long(3_232_235_777)]), "192.168.1.1");
    }

    #[test]
    fn constant_ranges_are_read_once() {
        let ranges = Value::array(vec![Value::string("nonsense"), Value::Null, Value::string("10.0.0.0/8")]);
        let pooled = prepare_ranges(&[None, Some(&ranges)], &Limits::default()).unwrap();
        let mut ctx = Context::new(Limits::default(), 0, 0);
        for (ip, expected) in [("10.1.2.3", true), ("11.1.2.3", false)] {
            let args = [Value::string(ip), ranges.clone()];
            for pooled in [None, pooled.as_ref()] {
                let result = ipv4_is_in_any_range(&mut Call { args: &args, pooled, ctx: &mut ctx });
                assert_eq!(result, Ok(Value::Bool(expected)));
            }
        }
        assert!(prepare_ranges(&[None, Some(&ranges), None], &Limits::default()).unwrap().is_none());
    }

    // The documentation's examples of `has_ipv4()` and its relatives; `docs_inline` 37 and 39.
    #[test]
    fn addresses_in_text_are_delimited() {
        let log = "05:04:54 127.0.0.1 GET /favicon.ico 404";
        let cases: &[(Eval, &[&str], &str)] = &[
            (has_any_ipv4, &[log, "127.0.0.1"], "true"),
            (has_any_ipv4, &[log, "127.0.0.2", "127.0.0.1"], "true"),
            (has_any_ipv4, &["05:04:54 127.0.0.256 GET", "127.0.0.256"], "false"),
            (has_any_ipv4, &["05:04:54127.0.0.1 GET", "127.0.0.1"], "false"),
            (has_any_ipv4, &["127.0.0.11", "127.0.0.1"], "false"),
            (has_any_ipv4, &["(10.1.1.201).", "10.1.1.201"], "true"),
            (has_any_ipv4_prefix, &[log, "127.0."], "true"),
            (has_any_ipv4_prefix, &[log, "127.0"], "false"),
            (has_any_ipv4_prefix, &["05:04:54127.0.0.1 GET", "127.0.", "192."], "false"),
            (has_any_ipv4_prefix, &["Source address is 10.1.2.3:1234", "10.1.2."], "true"),
            (has_any_ipv4_prefix, &["10.1.2.3", "10.1.2.3."], "false"),
            (has_any_ipv4_prefix, &["10.1.2.3", "."], "false"),
        ];
        for (function, args, expected) in cases {
            assert_eq!(texts(*function, args), *expected, "{args:?}");
        }
    }
}
