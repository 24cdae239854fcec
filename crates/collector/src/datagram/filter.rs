//! The rules that run to programs on sockets: what the kernel decides of them is dropped before it is received.
//!
//! What goes down is what `dtq kernel` takes down; everything that stays is judged as it comes, by all rules, so that it
//! does not matter which of the two has the newer ones for a moment: each record is judged by one version as a whole. Where
//! the kernel refuses a program, the one from before is taken off and all is judged here.

use super::account::{Running, SocketAccount};
use super::{Door, Format, InKernel};
use crate::rules::clock::now_ticks;
use dtq_ebpf::filter::{Filter, Front};
use dtq_ebpf::layout::Reason;
use dtq_kernel::attach::filter::Present;
use dtq_kernel::probe::{Answer, Feature};
use dtq_kernel::share::{ShareOptions, Shared, share};
use dtq_kernel::{Count, Counters, LoadError, Map, Probe, Program, ProgramKind, Socket, SocketFilter, SocketKind};
use dtq_rules::compile::{Options, RuleSet, compile};
use dtq_rules::engine::{Account, Totals};
use dtq_rules::file::RuleFile;
use dtq_source::Limits;
use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

/// The name under which the kernel shows a program.
const NAME: &str = "dtq_filter";

/// Puts rules onto sockets.
pub struct Filters {
    sockets: Vec<Filtered>,
    /// Where it is said what stands in the kernel.
    say: Box<dyn Fn(&str) + Send + Sync>,
    /// When the time of the next rule is over.
    expires_ticks: Mutex<Option<i64>>,
}

impl fmt::Debug for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filters").field("sockets", &self.sockets.len()).finish()
    }
}

/// Holds a socket that takes filters.
struct Filtered {
    /// Keeps the socket open, so that a filter can be put onto it.
    socket: OwnedFd,
    front: Front,
    format: Format,
    is_required: bool,
    account: Arc<SocketAccount>,
    attached: Mutex<Attached>,
}

#[derive(Default)]
struct Attached {
    filter: Option<SocketFilter>,
    /// What was said last.
    said: String,
}

impl Filters {
    /// Returns what puts rules onto those of the sockets that take filters; `say` gets a line whenever something changes
    /// that operators want to know.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn new(doors: &[Door], say: impl Fn(&str) + Send + Sync + 'static) -> std::io::Result<Self> {
        let filtered = |door: &Door| {
            let front = match door.inlet.kind() {
                SocketKind::UnixDatagram | SocketKind::UnixSeqpacket => Front::UnixDatagram,
                SocketKind::Udp4 | SocketKind::Udp6 => Front::UdpDatagram,
            };
            Ok(Filtered {
                socket: door.inlet.as_fd().try_clone_to_owned()?,
                front,
                format: door.settings.format,
                is_required: door.settings.in_kernel == InKernel::Require,
                account: Arc::clone(&door.account),
                attached: Mutex::default(),
            })
        };
        let sockets: std::io::Result<Vec<Filtered>> =
            doors.iter().filter(|door| door.takes_filters()).map(filtered).collect();
        Ok(Self { sockets: sockets?, say: Box::new(say), expires_ticks: Mutex::default() })
    }

    /// Puts what the kernel decides of rules onto the sockets, in the place of what is there.
    ///
    /// # Errors
    /// Why it is not on one of those that require it; all other sockets have it then.
    pub fn install(&self, files: &[RuleFile]) -> Result<(), String> {
        if self.sockets.is_empty() {
            return Ok(());
        }
        let now_ticks = now_ticks();
        let limits = Limits::default();
        let options = Options { limits, now_ticks, tier: None, is_unoptimized: true };
        // What does not compile for all tiers, although it does for this one, stays up as a whole.
        let set = compile(files, &options).set;
        let expires = set.as_ref().and_then(|set| set.rules.iter().filter_map(|rule| rule.expires_ticks).min());
        *self.expires_ticks.lock().unwrap_or_else(PoisonError::into_inner) = expires;
        let results: Vec<_> = self.sockets.iter().map(|socket| socket.install(set.as_ref(), &self.say)).collect();
        results.into_iter().collect()
    }

    /// Says whether the time of a rule is over, so that what is there is to be replaced.
    pub fn is_due(&self) -> bool {
        let expires = *self.expires_ticks.lock().unwrap_or_else(PoisonError::into_inner);
        expires.is_some_and(|ticks| now_ticks() >= ticks)
    }

    /// Adds what the kernel has dropped to the accounts of rules and of all records: it came, it matched, it is gone.
    ///
    /// A rule that runs in the kernel only has an account of its own then. Bytes are those of datagrams.
    pub fn add_to(&self, rules: &mut Vec<(String, Account)>, totals: &mut Totals) {
        let mut sum: BTreeMap<String, Count> = BTreeMap::new();
        for socket in &self.sockets {
            for (rule, count) in socket.account.in_kernel.totals().rules {
                let all = sum.entry(rule).or_default();
                *all = *all + count;
            }
        }
        for (name, Count { records, bytes }) in sum {
            let place = rules.iter().position(|(rule, _)| *rule == name).unwrap_or_else(|| {
                rules.push((name, Account::default()));
                rules.len() - 1
            });
            let account = &mut rules[place].1;
            for count in [&mut account.seen, &mut account.matched, &mut account.dropped] {
                *count = count.saturating_add(records);
            }
            for count in [&mut account.seen_bytes, &mut account.dropped_bytes] {
                *count = count.saturating_add(bytes);
            }
            totals.records_in = totals.records_in.saturating_add(records);
            totals.dropped = totals.dropped.saturating_add(records);
            totals.bytes_in = totals.bytes_in.saturating_add(bytes);
        }
    }
}

impl Filtered {
    /// Puts what goes down of a set onto the socket.
    fn install(&self, set: Option<&RuleSet>, say: &dyn Fn(&str)) -> Result<(), String> {
        let mut attached = self.attached.lock().unwrap_or_else(PoisonError::into_inner);
        let put = match set {
            Some(set) => self.put(&mut attached, set),
            None => Put::Nothing("the rules do not compile for all tiers".to_owned()),
        };
        let name = &self.account.name;
        let (running, text, because, is_refused) = match put {
            Put::Down(running, text) => (Some(running), text, None, false),
            Put::Nothing(because) => (None, format!("no rule is in the kernel: {because}"), Some(because), false),
            Put::Refused(because) => {
                let text = format!("no rule is in the kernel, all are judged here: {because}");
                (None, text, Some(because), true)
            }
        };
        if running.is_none()
            && let Some(filter) = attached.filter.take()
            && let Err(error) = filter.detach()
        {
            say(&format!("{name}: the program from before cannot be taken off the socket: {error}"));
        }
        self.account.in_kernel.replace(running, because.clone());
        if attached.said != text {
            say(&format!("{name}: {text}"));
            attached.said = text;
        }
        match because {
            Some(because) if self.is_required && is_refused => Err(format!("{name}: `kernel: require`, but {because}")),
            _ => Ok(()),
        }
    }

    /// Attaches the program of what goes down.
    fn put(&self, attached: &mut Attached, set: &RuleSet) -> Put {
        let options = ShareOptions {
            format: self.format.payload(),
            front: self.front,
            has_lease: false,
            reads_counts: false,
            minds_expiry: true,
        };
        let shared = share(set, &options);
        let Some(filter) = &shared.filter else { return Put::Nothing(reasons(&shared)) };
        let running = match load(&shared, filter) {
            Ok(running) => running,
            Err(because) => return Put::Refused(because),
        };
        let put = match &mut attached.filter {
            Some(present) => present.replace(&running.program),
            None => Socket::own(self.socket.as_fd())
                .and_then(|socket| SocketFilter::attach(socket, &running.program, Present::Refuse))
                .map(|filter| attached.filter = Some(filter)),
        };
        match put {
            Ok(()) => Put::Down(running, summary(&shared)),
            Err(error) => Put::Refused(error.to_string()),
        }
    }
}

/// Says what became of rules on a socket.
enum Put {
    /// Some of them are there, and which.
    Down(Running, String),
    /// Nothing of them goes into the kernel, and why.
    Nothing(String),
    /// The kernel refuses, and why.
    Refused(String),
}

/// Loads the program of a filter with its maps.
fn load(shared: &Shared, filter: &Filter) -> Result<Running, String> {
    let refused = |error: std::io::Error| {
        let help = if error.kind() == std::io::ErrorKind::PermissionDenied { missing() } else { String::new() };
        format!("the kernel makes no map: {error}{help}")
    };
    let maps: Vec<Map> = filter.maps.iter().map(Map::create).collect::<std::io::Result<_>>().map_err(refused)?;
    let rules: Vec<(String, u32)> = shared
        .rules
        .iter()
        .filter_map(|rule| Some((rule.name.clone(), Filter::rule_position(rule.filter_rule?))))
        .collect();
    let names = vec![String::new(); Filter::rule_position(rules.len()) as usize];
    let counters = Counters::over(&maps[Filter::COUNTS_MAP as usize], names).map_err(refused)?;
    let program = Program::load(NAME, ProgramKind::SocketFilter, &filter.program, &maps).map_err(|error| {
        let is_denied =
            matches!(&error, LoadError::Kernel { error, .. } if error.kind() == std::io::ErrorKind::PermissionDenied);
        format!("{error}{}", if is_denied { missing() } else { String::new() })
    })?;
    Ok(Running {
        program,
        counters,
        rules,
        kept: Filter::kept_position(),
        dropped: Filter::dropped_position(),
        undecided: Reason::ALL.map(Filter::reason_position).to_vec(),
        replaced: None,
    })
}

/// Returns what of the rules stands in the kernel.
fn summary(shared: &Shared) -> String {
    let down = shared.rules.iter().filter(|rule| rule.filter_rule.is_some());
    let name = |rule: &dtq_kernel::share::SharedRule| match rule.stays.is_empty() {
        true => format!("`{}`", rule.name),
        false => format!("a part of `{}`", rule.name),
    };
    let names: Vec<String> = down.map(name).collect();
    format!("in the kernel: {} of {} rules: {}", names.len(), shared.rules.len(), names.join(", "))
}

/// Returns why no rule goes into the kernel.
fn reasons(shared: &Shared) -> String {
    let reason = |rule: &dtq_kernel::share::SharedRule| {
        format!("`{}`: {}", rule.name, rule.reason.as_deref().unwrap_or("it stays up"))
    };
    match shared.rules.len() {
        0 => "there are none".to_owned(),
        count => {
            let shown: Vec<String> = shared.rules.iter().take(3).map(reason).collect();
            let more = if count > 3 { format!("; and {} more", count - 3) } else { String::new() };
            format!("{}{more} (`dtq check --profile kernel`)", shown.join("; "))
        }
    }
}

/// Returns what would help where this process may not load programs.
fn missing() -> String {
    let probe = Probe::run(None);
    match probe.answer(Feature::SocketFilter) {
        Answer::No { reason, remedy } => format!(" ({reason}; to have it: {remedy})"),
        _ => String::new(),
    }
}
