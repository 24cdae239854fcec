//! Random numbers to log records of the reference shape.
//!
//! Some 492 bytes each as OTLP; ten attributes, in an order that each event name has for itself, as each place in a
//! program writes its own; every severity from 1 to 24; three events in ten are the banner; bodies are words, one in four
//! of them with a word that rules look for. Next: [`requests`](crate::requests).

use crate::random::{Random, seed};

/// Records that one request holds.
pub const RECORDS_A_REQUEST: usize = 512;

/// Records of one resource that follow each other in a request.
pub const RECORDS_A_RESOURCE: usize = RECORDS_A_REQUEST / SERVICES.len();

/// The services; each is a resource of every request.
pub const SERVICES: [&str; 8] = ["checkout", "cart", "frontend", "payment", "delivery", "warehouse", "search", "login"];

/// The event that rules look for, three records in ten.
pub const BANNER: &str = "LogWelcomeBanner";

/// The other events.
const EVENTS: [&str; 19] = [
    "SessionOpened",
    "SessionClosed",
    "OrderReceived",
    "OrderPacked",
    "BasketChanged",
    "ChargeRefused",
    "ChargeAccepted",
    "LookupMissed",
    "LookupHit",
    "QueryRun",
    "QueryWasSlow",
    "CallReceived",
    "CallAnswered",
    "TaskBegun",
    "TaskEnded",
    "SettingsRead",
    "ProbeAnswered",
    "KeyRenewed",
    "BacklogEmptied",
];

/// The routes; two in twelve begin with `/api/v1/`.
const ROUTES: [&str; 12] = [
    "/api/v1/items",
    "/api/v1/baskets/{id}",
    "/api/v2/items",
    "/api/v2/basket",
    "/api/v2/find",
    "/healthz",
    "/metrics",
    "/assets/main.css",
    "/signin",
    "/signout",
    "/api/v3/charges",
    "/checkout",
];

/// The words that bodies are made of.
pub const WORDS: [&str; 32] = [
    "request",
    "finished",
    "socket",
    "database",
    "attempt",
    "gateway",
    "slow",
    "cache",
    "session",
    "thread",
    "queue",
    "delay",
    "content",
    "handler",
    "answer",
    "client",
    "server",
    "ticket",
    "renewal",
    "order",
    "parcel",
    "warehouse",
    "lookup",
    "batch",
    "drain",
    "commit",
    "rollback",
    "partition",
    "leader",
    "follower",
    "snapshot",
    "heartbeat",
];

const STATUS_CODES: [i64; 10] = [200, 200, 200, 200, 201, 204, 301, 404, 429, 503];
const SEVERITY_TEXTS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const ATTRIBUTE_COUNT: usize = 10;
const BODY_SIZE_MAX: usize = 200;
const DURATION_MEAN_MS: f64 = 200.0;
/// 2025-10-09T08:53:20Z.
const TIME_FIRST_NS: u64 = 1_760_000_000_000_000_000;
const TIME_STEP_NS: u64 = 1_000_003;

/// Holds the value of an attribute.
#[derive(Clone, Debug)]
pub enum Value {
    /// A text.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A real.
    Real(f64),
}

/// Holds a log record.
#[derive(Clone, Debug)]
pub struct Record {
    /// When it happened.
    pub time_unix_nano: u64,
    /// From 1 to 24.
    pub severity_number: i32,
    /// The word for the number.
    pub severity_text: &'static str,
    /// Words.
    pub body: String,
    /// Keys and values, in the order of the event.
    pub attributes: Vec<(&'static str, Value)>,
    /// Position of its service in [`SERVICES`].
    pub service: usize,
}

/// Returns the attributes of a service's resource.
pub fn resource_attributes(service: usize) -> [(&'static str, Value); 2] {
    let host = format!("ip-10-0-{service}-{}.ec2.internal", 11 * service + 5);
    [("service.name", Value::Text(SERVICES[service].to_owned())), ("host.name", Value::Text(host))]
}

/// Returns this many records; `DTQ_SEED` gives other ones.
pub fn make(count: usize) -> Vec<Record> {
    let mut random = Random::new(seed());
    let orders: Vec<[usize; ATTRIBUTE_COUNT]> = (0..=EVENTS.len()).map(|_| shuffled(&mut random)).collect();
    (0..count).map(|index| make_record(&mut random, &orders, index)).collect()
}

/// Returns the positions of attributes in an order (Fisher and Yates).
fn shuffled(random: &mut Random) -> [usize; ATTRIBUTE_COUNT] {
    let mut order: [usize; ATTRIBUTE_COUNT] = std::array::from_fn(|index| index);
    for last in (1..ATTRIBUTE_COUNT).rev() {
        order.swap(last, random.below(last + 1));
    }
    order
}

fn make_record(random: &mut Random, orders: &[[usize; ATTRIBUTE_COUNT]], index: usize) -> Record {
    let service = index % RECORDS_A_REQUEST / RECORDS_A_RESOURCE;
    let event = if random.share() < 0.3 { 0 } else { 1 + random.below(EVENTS.len()) };
    let severity = random.below(24);
    let body = make_body(random);
    let values = make_values(random, service, event);
    Record {
        time_unix_nano: TIME_FIRST_NS + index as u64 * TIME_STEP_NS,
        severity_number: 1 + severity as i32,
        severity_text: SEVERITY_TEXTS[severity / 4],
        body,
        attributes: orders[event].iter().map(|position| values[*position].clone()).collect(),
        service,
    }
}

/// Returns 40 to 180 bytes of words; in 26 of 100 bodies one of them gives way to what some rule looks for.
fn make_body(random: &mut Random) -> String {
    let size_wanted = 40 + random.below(140);
    let mut words = Vec::new();
    let mut size = 0;
    while size < size_wanted {
        let word = random.pick(&WORDS);
        size += word.len() + 1;
        words.push(word.to_owned());
    }
    let place = random.below(words.len());
    let user = random.below(100_000);
    let special = match (random.share() * 100.0) as usize {
        0..10 => Some("timeout".to_owned()),
        10..16 => Some("error".to_owned()),
        16..19 => Some("ERROR".to_owned()),
        19..20 => Some("Error".to_owned()),
        20..23 => Some(format!("user={user} failed")),
        23..26 => Some(format!("user={user} ok")),
        _ => None,
    };
    if let Some(special) = special {
        words[place] = special;
    }
    let mut body = words.join(" ");
    body.truncate(BODY_SIZE_MAX);
    body
}

fn make_values(random: &mut Random, service: usize, event: usize) -> [(&'static str, Value); ATTRIBUTE_COUNT] {
    let event = if event == 0 { BANNER } else { EVENTS[event - 1] };
    // Exponential, as waiting is: 8 in 100 above 500 ms.
    let duration_ms = (-(1.0 - random.share()).ln() * DURATION_MEAN_MS * 1_000.0).round() / 1_000.0;
    let service = SERVICES[service];
    let pod = format!("{service}-{:x}-{:05x}", 0x6_c4e0 + random.below(16), random.below(1 << 20));
    let method = if random.below(3) == 0 { "POST" } else { "GET" };
    [
        ("EventName", Value::Text(event.to_owned())),
        ("http.status_code", Value::Integer(random.pick(&STATUS_CODES))),
        ("http.route", Value::Text(random.pick(&ROUTES).to_owned())),
        ("duration_ms", Value::Real(duration_ms)),
        ("user.id", Value::Text(format!("u-{:08x}", random.bits() as u32))),
        ("k8s.pod.name", Value::Text(pod)),
        ("secret", Value::Text(format!("sk_{:016x}{:016x}", random.bits(), random.bits()))),
        ("thread.id", Value::Integer(random.below(64) as i64)),
        ("code.function", Value::Text(format!("app::{service}::handle_{}", random.pick(&WORDS)))),
        ("http.method", Value::Text(method.to_owned())),
    ]
}
