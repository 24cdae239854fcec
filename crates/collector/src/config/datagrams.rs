//! What the configuration says of sockets for datagrams, and of who the process becomes. Next: `mod.rs`.

use super::raw::{self, Text};
use super::value::Values;
use crate::datagram::{Batch, Format, InKernel, Settings};
use crate::privileges::{User, group_number, user_number};
use dtq_kernel::Address;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Returns a socket.
pub(super) fn socket(one: &raw::Datagrams, values: &mut Values<'_>) -> Settings {
    let address = address(&one.address, values);
    let formats = [("syslog", Format::Syslog), ("otlp", Format::Otlp), ("json", Format::Json)];
    let format = values.word(one.format.as_ref(), &formats, Format::Syslog);
    let is_file = matches!(&address, Address::Unix(path) if !path.as_os_str().as_encoded_bytes().starts_with(b"@"));
    for key in [&one.mode, &one.user, &one.group].into_iter().flatten() {
        if !is_file {
            values.error(key, "only a unix socket with a path has a file with an owner and permissions");
        }
    }
    if let Address::Udp(udp) = &address
        && !udp.ip().is_loopback()
    {
        values.warn(&one.address, "anyone who reaches this address can send, for UDP has no credentials");
    }
    let in_kernel = [("auto", InKernel::Auto), ("off", InKernel::Off), ("require", InKernel::Require)];
    let default = Settings::new(address, format);
    let least = default.batch;
    Settings {
        in_kernel: values.word(one.kernel.as_ref(), &in_kernel, default.in_kernel),
        mode: one.mode.as_ref().and_then(|mode| permissions(mode, values)),
        user: one.user.as_ref().and_then(|user| number(user, user_number, values)),
        group: one.group.as_ref().and_then(|group| number(group, group_number, values)),
        queue_bytes: one.buffer.as_ref().map(|size| values.size(Some(size), 1)),
        datagram_bytes_max: values.size(one.datagram_size.as_ref(), default.datagram_bytes_max).min(1 << 20),
        batch: Batch {
            records_max: values.count(one.batch.records.as_ref(), least.records_max),
            bytes_max: values.size(one.batch.size.as_ref(), least.bytes_max),
            age_max: values.duration(one.batch.age.as_ref(), least.age_max),
        },
        ..default
    }
}

/// Returns who the process becomes.
pub(super) fn user(root: &raw::Root, values: &mut Values<'_>) -> Option<User> {
    let at = root.user.as_ref().or(root.group.as_ref())?;
    let user = root.user.as_ref().map(|user| values.text(user));
    let group = root.group.as_ref().map(|group| values.text(group));
    User::find(user.as_deref(), group.as_deref()).map_err(|message| values.error(at, message)).ok()
}

fn address(text: &Text, values: &mut Values<'_>) -> Address {
    let word = values.text(text);
    if word.contains('/') || word.starts_with('@') {
        return Address::Unix(PathBuf::from(word));
    }
    let what = "a UDP address such as 127.0.0.1:514, or the path of a unix socket";
    let address = values.parse::<SocketAddr>(text, what);
    Address::Udp(address.unwrap_or_else(|| ([127, 0, 0, 1], 0).into()))
}

fn permissions(text: &Text, values: &mut Values<'_>) -> Option<u32> {
    let word = values.text(text);
    let mode = u32::from_str_radix(word.strip_prefix("0o").unwrap_or(&word), 8).ok().filter(|mode| *mode <= 0o777);
    if mode.is_none() {
        values.error(text, format!("`{word}` is no permissions such as \"0666\", in octal"));
    }
    mode
}

fn number(text: &Text, find: fn(&str) -> Result<u32, String>, values: &mut Values<'_>) -> Option<u32> {
    let name = values.text(text);
    find(&name).map_err(|message| values.error(text, message)).ok()
}
