//! What a process that has bound its sockets still may: as little as it needs from then on.
//!
//! To be called while the process has one thread, for the system keeps rights by thread. What is kept is `CAP_BPF`, and
//! only where rules go into the kernel: other rules need other programs. Why: `docs/decisions/0013-datagrams.md`.

use rustix::process::{Gid, Uid, getegid, geteuid};
use rustix::thread::{self, CapabilitySet, CapabilitySets};
use std::fs;
use std::io;

/// Holds who a process becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Other groups.
    pub groups: Vec<u32>,
}

impl User {
    /// Finds a user, and a group instead of that user's, by name or number.
    ///
    /// # Errors
    /// When there is none of the name.
    pub fn find(user: Option<&str>, group: Option<&str>) -> Result<Self, String> {
        let (users, groups) = (entries("/etc/passwd"), entries("/etc/group"));
        let found = match user {
            None => None,
            Some(name) => Some(uid_of(&users, name)?),
        };
        let (name, uid, own) = found.unwrap_or((String::new(), geteuid().as_raw(), None));
        let gid = match group {
            Some(group) => gid_of(&groups, group)?,
            None => own.ok_or_else(|| format!("the user {uid} has no entry in /etc/passwd; name a `group`, too"))?,
        };
        let is_member = |entry: &&Vec<String>| {
            !name.is_empty() && entry.get(3).is_some_and(|members| members.split(',').any(|member| member == name))
        };
        let others = groups.iter().filter(is_member).filter_map(|entry| entry.get(2)?.parse().ok());
        Ok(Self { uid, gid, groups: others.filter(|other| *other != gid).collect() })
    }
}

/// Returns the number of a user by name or number.
///
/// # Errors
/// When there is none of the name.
pub fn user_number(user: &str) -> Result<u32, String> {
    uid_of(&entries("/etc/passwd"), user).map(|(_, uid, _)| uid)
}

/// Returns the number of a group by name or number.
///
/// # Errors
/// When there is none of the name.
pub fn group_number(group: &str) -> Result<u32, String> {
    gid_of(&entries("/etc/group"), group)
}

/// Gives up all rights that are not needed any more, and becomes `user`.
///
/// # Errors
/// What the system refuses; also when the process has several threads, the others of which would keep theirs.
pub fn reduce(user: Option<&User>, keeps_bpf: bool) -> io::Result<()> {
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        return Err(io::Error::other(format!("the process has {threads} threads already")));
    }
    if let Some(user) = user
        && (user.uid, user.gid) != (geteuid().as_raw(), getegid().as_raw())
    {
        let groups: Vec<Gid> = user.groups.iter().map(|group| Gid::from_raw(*group)).collect();
        let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
        thread::set_keep_capabilities(true)?;
        thread::set_thread_groups(&groups)?;
        thread::set_thread_res_gid(gid, gid, gid)?;
        thread::set_thread_res_uid(uid, uid, uid)?;
        thread::set_keep_capabilities(false)?;
    }
    let wanted = if keeps_bpf { CapabilitySet::BPF } else { CapabilitySet::empty() };
    let kept = thread::capabilities(None)?.permitted.intersection(wanted);
    let none = CapabilitySet::empty();
    // Not known to every kernel, and nothing is inherited where there is nothing to inherit from.
    let _ = thread::clear_ambient_capability_set();
    thread::set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: none })?;
    Ok(thread::set_no_new_privs(true)?)
}

/// Returns the lines of a file of users or groups, in their parts.
fn entries(path: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
}

/// Returns name, number and group of a user.
fn uid_of(users: &[Vec<String>], user: &str) -> Result<(String, u32, Option<u32>), String> {
    let number = user.parse::<u32>().ok();
    let is_it = |entry: &&Vec<String>| match number {
        None => entry.first().is_some_and(|name| name == user),
        Some(number) => entry.get(2).and_then(|text| text.parse::<u32>().ok()) == Some(number),
    };
    let found = users.iter().find(is_it);
    let uid = number.or_else(|| found?.get(2)?.parse().ok());
    let uid = uid.ok_or_else(|| format!("there is no user `{user}` in /etc/passwd"))?;
    let name = found.and_then(|entry| entry.first().cloned()).unwrap_or_default();
    Ok((name, uid, found.and_then(|entry| entry.get(3)?.parse().ok())))
}

fn gid_of(groups: &[Vec<String>], group: &str) -> Result<u32, String> {
    let named = |entry: &&Vec<String>| entry.first().is_some_and(|name| name == group);
    let found = || groups.iter().find(named)?.get(2)?.parse().ok();
    group.parse().ok().or_else(found).ok_or_else(|| format!("there is no group `{group}` in /etc/group"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_by_number() {
        let root = User::find(Some("root"), None).unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert_eq!(User::find(Some("12345"), Some("54321")), Ok(User { uid: 12_345, gid: 54_321, groups: vec![] }));
        assert!(User::find(Some("12345"), None).unwrap_err().contains("name a `group`"));
        assert!(user_number("no-such-user").unwrap_err().contains("no user"));
        assert!(group_number("no-such-group").unwrap_err().contains("no group"));
    }
}
