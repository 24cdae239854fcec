//! What is measured: how each is configured for a question, and started.
//!
//! All are told to listen on a port of loopback and to send to the sink, over one protocol and compression on both sides,
//! with their own metrics off where they let one.

use crate::send::Manner;
use crate::traffic::Question;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Holds where programs are; what is absent is not measured.
pub struct Programs {
    /// This one.
    pub own: PathBuf,
    /// `dtq`.
    pub dtq: Option<PathBuf>,
    /// What else is configured of the destination of `dtq collect`, with a comma in front.
    pub more: String,
    /// The OpenTelemetry Collector.
    pub otelcol: Option<PathBuf>,
    /// rotel's agent.
    pub rotel: Option<PathBuf>,
}

/// Names what is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The proxy of this program.
    Pass,
    /// `dtq collect`.
    Dtq,
    /// The Collector, one request in and one out, acknowledged when the destination has: what `dtq collect` does.
    Otelcol,
    /// The Collector as its documentation has it: with the batch processor and a queue, acknowledged at once.
    OtelcolUsual,
    /// rotel, which batches and acknowledges at once.
    Rotel,
}

impl Subject {
    /// Returns its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Subject::Pass => "pass-through",
            Subject::Dtq => "dtq collect",
            Subject::Otelcol => "otelcol",
            Subject::OtelcolUsual => "otelcol, batch and queue",
            Subject::Rotel => "rotel, Python",
        }
    }
}

/// Holds a process that runs; it is killed when this is dropped.
pub struct Running(Child);

impl Running {
    /// Returns its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Says whether it has not ended.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Holds what one is started with.
pub struct Place<'a> {
    /// Its folder.
    pub folder: &'a Path,
    /// Where it listens.
    pub listen: SocketAddr,
    /// The sink.
    pub sink: SocketAddr,
    /// How requests come and leave.
    pub manner: Manner,
}

/// Starts one; `None` when its program is absent.
///
/// # Errors
/// When it cannot be started.
pub fn start(
    subject: Subject,
    question: Question,
    programs: &Programs,
    place: &Place<'_>,
) -> Result<Option<Running>, String> {
    let command = match subject {
        Subject::Pass => Some(pass(&programs.own, place)),
        Subject::Dtq => programs.dtq.as_deref().map(|program| dtq(program, &programs.more, question, place)).transpose()?,
        Subject::Otelcol | Subject::OtelcolUsual => {
            let start = |program: &PathBuf| otelcol(program, question, subject == Subject::OtelcolUsual, place);
            programs.otelcol.as_ref().map(start).transpose()?
        }
        Subject::Rotel => programs.rotel.as_deref().map(|program| rotel(program, question, place)).transpose()?,
    };
    let Some(mut command) = command else { return Ok(None) };
    let said = |error: std::io::Error| format!("{}: {error}", subject.name());
    let output = fs::File::create(place.folder.join("output.txt")).map_err(said)?;
    command.stdin(Stdio::null()).stdout(output.try_clone().map_err(said)?).stderr(output);
    Ok(Some(Running(command.spawn().map_err(said)?)))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn pass(program: &Path, place: &Place<'_>) -> Command {
    let mut command = Command::new(program);
    let protocol = if place.manner.is_grpc { "grpc" } else { "http" };
    command.args(["pass", &place.listen.to_string(), &place.sink.to_string(), protocol]);
    command
}

/// Returns a rule file for a question: what is to go as `drop`, what is to stay as `replace`.
fn rules(question: Question) -> Option<String> {
    let f3 = r#"SeverityNumber >= 9 and (Resource["service.name"] == "checkout" or toint(Attributes["http.status_code"]) >= 500) and tostring(Body) contains_cs "timeout""#;
    let (to, condition) = match question {
        Question::Nothing => return None,
        Question::F2 => ("drop", r#"Attributes["EventName"] == "LogWelcomeBanner""#),
        Question::F3 => ("replace", f3),
        Question::NotF3 => ("drop", f3),
    };
    Some(format!(
        "apiVersion: dtq/v1\nrules:\n  - name: one\n    to: {to}\n    kql: |\n      logs | where {condition}\n"
    ))
}

fn dtq(program: &Path, more: &str, question: Question, place: &Place<'_>) -> Result<Command, String> {
    let protocol = if place.manner.is_grpc { "grpc" } else { "http/protobuf" };
    let compression = if place.manner.is_gzip { "gzip" } else { "none" };
    let mut config = format!(
        "listen: [{{address: \"{}\"}}]\ndestinations:\n  sink: {{endpoint: \"http://{}\", protocol: {protocol}, compression: {compression}{more}}}\n",
        place.listen, place.sink
    );
    if let Some(rules) = rules(question) {
        write(&place.folder.join("rules.yaml"), &rules)?;
        config += "rules: {files: [rules.yaml], socket: control.sock, state: state}\n";
    }
    let path = place.folder.join("collect.yaml");
    write(&path, &config)?;
    let mut command = Command::new(program);
    command.arg("collect").arg("--config").arg(path).current_dir(place.folder);
    Ok(command)
}

/// Returns the condition of records that are dropped, in the Collector's language.
fn ottl(question: Question) -> Option<String> {
    let f3 = r#"severity_number >= SEVERITY_NUMBER_INFO and (resource.attributes["service.name"] == "checkout" or attributes["http.status_code"] >= 500) and IsMatch(body, "timeout")"#;
    match question {
        Question::Nothing => None,
        Question::F2 => Some(r#"attributes["EventName"] == "LogWelcomeBanner""#.to_owned()),
        Question::F3 => Some(format!("not ({f3})")),
        Question::NotF3 => Some(f3.to_owned()),
    }
}

fn otelcol(program: &Path, question: Question, is_usual: bool, place: &Place<'_>) -> Result<Command, String> {
    let (listen, sink) = (place.listen, place.sink);
    let compression = if place.manner.is_gzip { "gzip" } else { "none" };
    let (receiver, exporter, endpoint) = match place.manner.is_grpc {
        true => ("grpc: {max_recv_msg_size_mib: 16, ", "otlp_grpc", sink.to_string()),
        false => ("http: {", "otlp_http", format!("http://{sink}")),
    };
    let queue = if is_usual { "" } else { ", sending_queue: {enabled: false}" };
    let filter = ottl(question)
        .map(|condition| format!("  filter: {{error_mode: ignore, logs: {{log_record: ['{condition}']}}}}\n"));
    let names = [filter.is_some().then_some("filter"), is_usual.then_some("batch")];
    let names: Vec<&str> = names.into_iter().flatten().collect();
    let config = format!(
        "receivers:\n  otlp: {{protocols: {{{receiver}endpoint: \"{listen}\"}}}}}}\n\
         processors:\n  batch: {{}}\n{}\
         exporters:\n  {exporter}: {{endpoint: \"{endpoint}\", compression: {compression}, tls: {{insecure: true}}{queue}}}\n\
         service:\n  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}\n  \
         pipelines:\n    logs: {{receivers: [otlp], processors: [{}], exporters: [{exporter}]}}\n",
        filter.unwrap_or_default(),
        names.join(", ")
    );
    let path = place.folder.join("otelcol.yaml");
    write(&path, &config)?;
    let mut command = Command::new(program);
    command.arg("--config").arg(path);
    Ok(command)
}

fn rotel(program: &Path, question: Question, place: &Place<'_>) -> Result<Command, String> {
    let (listen, sink) = (place.listen.to_string(), format!("http://{}", place.sink));
    let compression = if place.manner.is_gzip { "gzip" } else { "none" };
    let (own, other, protocol) = match place.manner.is_grpc {
        true => ("--otlp-grpc-endpoint", "--otlp-http-endpoint", "grpc"),
        false => ("--otlp-http-endpoint", "--otlp-grpc-endpoint", "http"),
    };
    let mut command = Command::new(program);
    command.args(["start", own, &listen, other, "127.0.0.1:0", "--otlp-grpc-max-recv-msg-size-mib", "16"]);
    command.args(["--exporter", "otlp", "--otlp-exporter-endpoint", &sink, "--otlp-exporter-protocol", protocol]);
    command.args(["--otlp-exporter-compression", compression]);
    if question != Question::Nothing {
        let condition = match question {
            Question::F2 => "not is_banner(record)",
            Question::F3 => "is_f3(record, service)",
            _ => "not is_f3(record, service)",
        };
        let path = place.folder.join("processor.py");
        write(&path, &include_str!("processor.py").replace("KEEPS", condition))?;
        command.arg("--otlp-with-logs-processor").arg(path);
    }
    Ok(command)
}
