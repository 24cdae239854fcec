//! `libdtq`: rules for programs in C, and for languages that call C.
//!
//! Bytes of OTLP requests in, verdict and bytes out. Each call checks its pointers and lets no panic out, and may come from
//! any thread at any time; `dtq_rules_judge` waits for none of the others. Rules that were freed are refused. The header is
//! `include/dtq.h`, made of this file; the Python package in `python/` is written on these calls.
#![allow(unsafe_code, reason = "pointers of C")]

use dtq_inprocess::{Bounds, Fate, Host, Notice, Rules};
use dtq_record::otlp::Signal;
use dtq_rules::engine::Emission;
use std::collections::VecDeque;
use std::ffi::{CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr;
use std::sync::{Mutex, Once, PoisonError, RwLock, TryLockError};

/// The version of these calls; it moves on when one of them changes, not when one is added.
pub const DTQ_ABI_VERSION: u32 = 1;

/// Says how a call ended.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtqStatus {
    /// It did what it says.
    Ok = 0,
    /// A pointer is null, a text is no UTF-8, or a number names nothing.
    BadArgument = 1,
    /// The rules are wrong; those before go on.
    Refused = 2,
    /// dtq made a mistake; the record passes.
    Internal = 3,
}

/// Says what becomes of a request.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtqVerdict {
    /// It goes on as it is.
    Pass = 0,
    /// It is removed.
    Drop = 1,
    /// Other bytes go on in its place.
    Changed = 2,
}

/// Says what the records of a request are.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtqSignal {
    /// An ExportLogsServiceRequest.
    Logs = 0,
    /// An ExportMetricsServiceRequest.
    Metrics = 1,
    /// An ExportTraceServiceRequest.
    Spans = 2,
}

/// Bytes that the caller owns and gives back with dtq_bytes_free.
#[repr(C)]
#[derive(Debug)]
pub struct DtqBytes {
    /// The bytes; null when there are none. Texts have a zero behind their last byte, which is not counted.
    pub data: *mut u8,
    /// How many.
    pub size: usize,
}

/// Functions of the program that rules tell of notices and of requests that they make; each may be null.
///
/// They are called on the thread that judges, must not unwind, and must be safe to call from any thread.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct DtqHost {
    /// Handed to both.
    pub context: *mut c_void,
    /// Takes a notice: event name and message, zero-terminated, valid during the call.
    pub on_notice:
        Option<unsafe extern "C" fn(context: *mut c_void, event_name: *const c_char, message: *const c_char)>,
    /// Takes a request that rules made; the destination is null where requests go on. Nonzero says that it was taken.
    pub on_emission: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            signal: i32,
            destination: *const c_char,
            data: *const u8,
            size: usize,
        ) -> i32,
    >,
}

/// The rules of a program; made by dtq_rules_new and dtq_rules_open, ended by dtq_rules_free.
#[derive(Debug)]
pub struct DtqRules {
    /// None once they are freed. The place itself stays, so that whoever still points to it finds that out.
    rules: RwLock<Option<Rules>>,
}

/// Places of freed rules that stay empty; those freed before them serve other rules.
const FREED_MIN: usize = 1024;
/// How often a lock is tried that others hold for a moment, before it is taken for one that a fork has left behind.
const TRIES: usize = 10_000;

static FREED: Mutex<VecDeque<&'static DtqRules>> = Mutex::new(VecDeque::new());

impl DtqRules {
    /// Returns the place of new rules.
    fn put(rules: Rules) -> &'static Self {
        let freed =
            FREED.try_lock().ok().filter(|freed| freed.len() > FREED_MIN).and_then(|mut freed| freed.pop_front());
        let place = freed.unwrap_or_else(|| Box::leak(Box::new(Self { rules: RwLock::new(None) })));
        // Nobody else has it; whoever still points to it from before looks for a moment, and goes.
        *place.rules.write().unwrap_or_else(PoisonError::into_inner) = Some(rules);
        place
    }

    /// Returns the rules, which stay as long as they are used.
    fn get(&self) -> Option<Rules> {
        match self.rules.try_read() {
            Ok(rules) => rules.clone(),
            Err(TryLockError::Poisoned(rules)) => rules.into_inner().clone(),
            // They are being freed.
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Takes the rules out, unless that was done before.
    fn take(&'static self) -> Option<Rules> {
        for _ in 0..TRIES {
            let mut rules = match self.rules.try_write() {
                Ok(rules) => rules,
                Err(TryLockError::Poisoned(rules)) => rules.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    std::thread::yield_now();
                    continue;
                }
            };
            let taken = rules.take();
            drop(rules);
            if taken.is_some()
                && let Ok(mut freed) = FREED.try_lock()
            {
                freed.push_back(self);
            }
            return taken;
        }
        None
    }
}

/// Returns the rules that a program points to, if they are not freed.
///
/// # Safety
/// The pointer is null or from these calls.
unsafe fn rules_at(rules: *const DtqRules) -> Option<Rules> {
    // SAFETY: what these calls gave out stays in memory for good.
    unsafe { rules.as_ref() }?.get()
}

/// Hands what rules say to the functions of the program.
struct CHost(Option<DtqHost>);

// SAFETY: the functions of a `DtqHost` are safe to call from any thread with its context: its documentation asks for it.
unsafe impl Send for CHost {}
// SAFETY: as above.
unsafe impl Sync for CHost {}

impl Host for CHost {
    fn notice(&self, notice: &Notice) {
        let Some((host, call)) = self.0.as_ref().and_then(|host| Some((host, host.on_notice?))) else { return };
        let (name, message) = (text(notice.event_name), text(&notice.message));
        // SAFETY: both texts live during the call; that the function takes this context is the program's promise.
        unsafe { call(host.context, name.as_ptr(), message.as_ptr()) }
    }

    fn emission(&self, emission: Emission) -> bool {
        let Some((host, call)) = self.0.as_ref().and_then(|host| Some((host, host.on_emission?))) else { return false };
        let destination = emission.destination.map(|name| text(&name.as_text()));
        let destination = destination.as_ref().map_or(ptr::null(), |name| name.as_ptr());
        let request = &emission.request;
        // SAFETY: name and bytes live during the call; that the function takes this context is the program's promise.
        unsafe { call(host.context, emission.signal as i32, destination, request.as_ptr(), request.len()) != 0 }
    }
}

/// Returns a text of C; a zero inside ends it.
fn text(text: &str) -> CString {
    let end = text.find('\0').unwrap_or(text.len());
    CString::new(&text[..end]).unwrap_or_default()
}

/// What stands before bytes that a caller owns: how many there are, and a sign that they are from here.
const HEAD: usize = 16;
const SIGN: u64 = u64::from_le_bytes(*b"dtqbytes");

/// Hands bytes to the caller, with a zero behind them.
fn hand_over(out: *mut DtqBytes, bytes: &[u8]) {
    if out.is_null() {
        return;
    }
    let size = bytes.len();
    let mut held = Vec::with_capacity(HEAD + size + 1);
    held.extend_from_slice(&(size as u64).to_ne_bytes());
    held.extend_from_slice(&SIGN.to_ne_bytes());
    held.extend_from_slice(bytes);
    held.push(0);
    let data = Box::into_raw(held.into_boxed_slice()).cast::<u8>().wrapping_add(HEAD);
    // SAFETY: `out` is not null, and points to a `DtqBytes` of the caller: each function that takes one asks for it.
    unsafe { out.write(DtqBytes { data, size }) }
}

/// Makes what a caller finds, should a call fail before it writes.
fn clear(out: *mut DtqBytes) {
    if !out.is_null() {
        // SAFETY: `out` is not null, and points to a `DtqBytes` of the caller: each function that takes one asks for it.
        unsafe { out.write(DtqBytes { data: ptr::null_mut(), size: 0 }) }
    }
}

/// Returns the bytes that a caller points to.
///
/// # Safety
/// They stay as they are while the slice is used.
unsafe fn bytes<'a>(data: *const u8, size: usize) -> Option<&'a [u8]> {
    if size == 0 {
        return Some(&[]);
    }
    if data.is_null() || size > isize::MAX as usize {
        return None;
    }
    // SAFETY: not null and not too large; that so many bytes are there is the caller's promise.
    Some(unsafe { std::slice::from_raw_parts(data, size) })
}

/// Returns the text that a caller points to.
///
/// # Safety
/// As for `bytes`.
unsafe fn utf8<'a>(data: *const u8, size: usize) -> Option<&'a str> {
    // SAFETY: the caller's promise is handed on.
    std::str::from_utf8(unsafe { bytes(data, size) }?).ok()
}

fn signal_of(number: i32) -> Option<Signal> {
    match number {
        0 => Some(Signal::Logs),
        1 => Some(Signal::Metrics),
        2 => Some(Signal::Spans),
        _ => None,
    }
}

/// Ends what a call does in any case: a panic becomes a status.
fn guarded(call: impl FnOnce() -> DtqStatus) -> DtqStatus {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(DtqStatus::Internal)
}

#[cfg(unix)]
unsafe extern "C" {
    /// Registers what is called in the child of a fork (POSIX).
    fn pthread_atfork(
        prepare: Option<extern "C" fn()>,
        parent: Option<extern "C" fn()>,
        child: Option<extern "C" fn()>,
    ) -> i32;
}

/// Has the child of a fork begin anew.
fn watch_forks() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        #[cfg(unix)]
        // SAFETY: the function is there for good, touches nothing but two atomic numbers, and cannot unwind. Should there
        // be no room to register it, a child finds out by itself when a place is taken that nobody will leave.
        unsafe {
            pthread_atfork(None, None, Some(dtq_after_fork));
        }
    });
}

/// Writes new rules to the caller, or why there are none.
fn made(result: Result<Rules, dtq_inprocess::Refused>, rules: *mut *mut DtqRules, report: *mut DtqBytes) -> DtqStatus {
    watch_forks();
    match result {
        Ok(made) => {
            let made = ptr::from_ref(DtqRules::put(made)).cast_mut();
            // SAFETY: checked by the callers of this function: not null, and the program's own variable.
            unsafe { rules.write(made) }
            DtqStatus::Ok
        }
        Err(refused) => {
            hand_over(report, refused.to_string().as_bytes());
            DtqStatus::Refused
        }
    }
}

/// Gives the version of these calls, DTQ_ABI_VERSION of the library.
#[unsafe(no_mangle)]
pub extern "C" fn dtq_abi_version() -> u32 {
    DTQ_ABI_VERSION
}

/// Gives the version of the library, as "0.1.0": a text that is there for good.
#[unsafe(no_mangle)]
pub extern "C" fn dtq_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// Tells that this may be the child of a fork: its rules begin anew, and what the parent holds stays with the parent.
///
/// A fork by the C library calls this by itself; only a process made in another way has to. Once more does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn dtq_after_fork() {
    dtq_inprocess::after_fork();
}

/// Makes rules of a text; when they are wrong, `report` gets the reasons, each with its position.
///
/// # Safety
/// `text` points to `size` bytes, `host` to functions or is null, `rules` and `report` to variables; `report` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtq_rules_new(
    text: *const u8,
    size: usize,
    host: *const DtqHost,
    rules: *mut *mut DtqRules,
    report: *mut DtqBytes,
) -> DtqStatus {
    clear(report);
    guarded(|| {
        // SAFETY: the caller's promise.
        let (text, host) = unsafe { (utf8(text, size), host.as_ref()) };
        let Some(text) = text.filter(|_| !rules.is_null()) else { return DtqStatus::BadArgument };
        made(Rules::from_text("rules.yaml", text, Bounds::default(), CHost(host.copied())), rules, report)
    })
}

/// Makes rules of a file, which is looked at again about once a second by a thread that judges.
///
/// # Safety
/// As for `dtq_rules_new`, with the path in the place of the text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtq_rules_open(
    path: *const u8,
    size: usize,
    host: *const DtqHost,
    rules: *mut *mut DtqRules,
    report: *mut DtqBytes,
) -> DtqStatus {
    clear(report);
    guarded(|| {
        // SAFETY: the caller's promise.
        let (path, host) = unsafe { (utf8(path, size), host.as_ref()) };
        let Some(path) = path.filter(|_| !rules.is_null()) else { return DtqStatus::BadArgument };
        made(Rules::from_file(Path::new(path), Bounds::default(), CHost(host.copied())), rules, report)
    })
}

/// Takes the rules of a text in the place of those that run; when they are wrong, those before go on.
///
/// # Safety
/// `rules` is from these calls, `text` points to `size` bytes, `report` to a variable or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtq_rules_reload(
    rules: *const DtqRules,
    text: *const u8,
    size: usize,
    report: *mut DtqBytes,
) -> DtqStatus {
    clear(report);
    guarded(|| {
        // SAFETY: the caller's promise.
        let (rules, text) = unsafe { (rules_at(rules), utf8(text, size)) };
        let (Some(rules), Some(text)) = (rules, text) else { return DtqStatus::BadArgument };
        match rules.reload_text("rules.yaml", text) {
            Ok(()) => DtqStatus::Ok,
            Err(refused) => {
                hand_over(report, refused.to_string().as_bytes());
                DtqStatus::Refused
            }
        }
    })
}

/// Reads the file of dtq_rules_open again, whether it has changed or not; when it is wrong, the rules before go on.
///
/// # Safety
/// `rules` is from these calls, `report` points to a variable or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtq_rules_reload_file(rules: *const DtqRules, report: *mut DtqBytes) -> DtqStatus {
    clear(report);
    guarded(|| {
        // SAFETY: the caller's promise.
        let Some(rules) = (unsafe { rules_at(rules) }) else { return DtqStatus::BadArgument };
        match rules.reload() {
            Ok(()) => DtqStatus::Ok,
            Err(refused) => {
                hand_over(report, refused.to_string().as_bytes());
                DtqStatus::Refused
            }
        }
    })
}

/// Says whether any rule is for a signal, as 1 or 0: where none is, a request need not be made to be judged.
///
/// # Safety
/// `rules` is from these calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtq_rules_concern(rules: *const DtqRules, signal: i32) -> i32 {
    catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the caller's promise.
        let rules = unsafe { rules_at(rules) };
        i32::from(rules.zip(signal_of(signal)).is_some_and(|(rules, signal)| rules.concern(signal)))
    }))
    .unwrap_or(0)
}

/// Says what becomes of an OTLP request; where it is changed, `changed` gets the bytes that go on.
///
/// What rules make besides goes to `on_emission`. On any status but DTQ_STATUS_OK the verdict is to pass.
///
/// # Safety
/// `rules` is from these calls, `request` points to `size` bytes, `verdict` and `changed` to variables.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtq_rules_judge(
    rules: *const DtqRules,
    signal: i32,
    request: *const u8,
    size: usize,
    verdict: *mut DtqVerdict,
    changed: *mut DtqBytes,
) -> DtqStatus {
    clear(changed);
    if verdict.is_null() || changed.is_null() {
        return DtqStatus::BadArgument;
    }
    // SAFETY: not null; a variable of the caller.
    unsafe { verdict.write(DtqVerdict::Pass) }
    guarded(|| {
        // SAFETY: the caller's promise.
        let (rules, request) = unsafe { (rules_at(rules), bytes(request, size)) };
        let (Some(rules), Some(request), Some(signal)) = (rules, request, signal_of(signal)) else {
            return DtqStatus::BadArgument;
        };
        let (fate, emissions) = rules.apply(signal, request);
        rules.send(emissions);
        let said = match fate {
            Fate::Pass => DtqVerdict::Pass,
            Fate::Drop => DtqVerdict::Drop,
            Fate::Changed(bytes) => {
                hand_over(changed, &bytes);
                DtqVerdict::Changed
            }
        };
        // SAFETY: not null; a variable of the caller.
        unsafe { verdict.write(said) }
        DtqStatus::Ok
    })
}

/// Hands what is due by the time to `on_emission`: metrics whose window is over. For programs that are silent for long.
///
/// # Safety
/// `rules` is from these calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtq_rules_tick(rules: *const DtqRules) -> DtqStatus {
    guarded(|| {
        // SAFETY: the caller's promise.
        let Some(rules) = (unsafe { rules_at(rules) }) else { return DtqStatus::BadArgument };
        rules.send(rules.tick());
        DtqStatus::Ok
    })
}

/// Gives the account of each rule and the counts of all, as JSON: {"running":..., "counts":{...}, "rules":[...],
/// "left_out":[names of rules whose tiers leave in-process out], "warnings":...}.
///
/// # Safety
/// `rules` is from these calls, `json` points to a variable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtq_rules_accounts(rules: *const DtqRules, json: *mut DtqBytes) -> DtqStatus {
    clear(json);
    guarded(|| {
        // SAFETY: the caller's promise.
        let Some(rules) = (unsafe { rules_at(rules) }).filter(|_| !json.is_null()) else {
            return DtqStatus::BadArgument;
        };
        let all = serde_json::json!({
            "running": rules.running(), "counts": rules.counts(), "rules": rules.accounts(),
            "left_out": rules.left_out(), "warnings": rules.warnings(),
        });
        hand_over(json, all.to_string().as_bytes());
        DtqStatus::Ok
    })
}

/// Hands what rules still owe to `on_emission` and frees them. Null is fine, and so is once more.
///
/// Later calls with them are refused as a bad argument. A call that another thread is in ends as it would have, and may
/// still use the functions of the program: where their context ends too, wait for such threads first.
///
/// # Safety
/// `rules` is null or from these calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtq_rules_free(rules: *mut DtqRules) {
    guarded(|| {
        // SAFETY: what these calls gave out stays in memory for good.
        let rules = unsafe { rules.cast_const().as_ref() };
        if let Some(rules) = rules.and_then(DtqRules::take) {
            rules.send(rules.shutdown());
        }
        DtqStatus::Ok
    });
}

/// Frees bytes from these calls, which are null afterwards. Null is fine.
///
/// # Safety
/// `bytes` is null or points to what one of these calls wrote, with its `data`; its `size` is not asked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtq_bytes_free(bytes: *mut DtqBytes) {
    // SAFETY: the caller's promise.
    let Some(held) = (unsafe { bytes.as_mut() }) else { return };
    let DtqBytes { data, .. } = std::mem::replace(held, DtqBytes { data: ptr::null_mut(), size: 0 });
    if data.is_null() {
        return;
    }
    let begin = data.wrapping_sub(HEAD);
    // SAFETY: from `hand_over`, which wrote both numbers in front of the bytes, by the caller's promise.
    let [size, sign] = unsafe { begin.cast::<[u64; 2]>().read_unaligned() };
    if sign != SIGN {
        return;
    }
    // SAFETY: as above; of bytes that are given back twice, the second time finds no sign as long as nobody else has them.
    unsafe { begin.cast::<[u64; 2]>().write_unaligned([0; 2]) }
    // SAFETY: `hand_over` made it of so many bytes, with its head and a zero.
    drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(begin, HEAD + size as usize + 1)) });
}
