//! The command line to typed arguments. Read on: `args/control.rs`, `args/kernel.rs`, then `commands/mod.rs`.

mod control;

mod kernel;

mod collect;

pub use collect::{CollectAction, CollectArguments, LogForm};

pub use control::{CtlAction, CtlArguments, SocketArguments, TapArguments, TopArguments};
pub use kernel::{
    Framing, FrontWord, KernelAction, KernelArguments, KernelAttachArguments, KernelCompileArguments,
    KernelDetachArguments, KernelProbeArguments, KernelRelayArguments, KernelRunArguments, KernelStatusArguments,
    KernelTraceArguments, Payload, Rate,
};

use crate::output::Form;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Shown below `dtq --help`.
const AFTER_HELP: &str = "\
Exit codes:
   0  ok
   1  a test failed, or a comparison (fmt --check, diff --exit-code)
  64  wrong usage
  65  input could not be read whole
  74  output could not be written
  78  the query or a rule is wrong or failed, or the kernel refuses

`dtq help functions` and `dtq help operators` list what the language has;
`dtq help NAME` explains a function, an operator or a code such as E2004.";

/// Answers queries written in KQL over telemetry in files, and applies rules to it
#[derive(Debug, Parser)]
#[command(name = "dtq", version, after_help = AFTER_HELP, disable_help_subcommand = true, max_term_width = 100)]
pub struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// Names the commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a query over files, stdin (`-`), or nothing
    #[command(override_usage = "dtq run [OPTIONS] QUERY [FILES]...\n       \
                          dtq run [OPTIONS] --file FILE.kql [FILES]...\n       \
                          dtq run [OPTIONS] --batch FILE.jsonl --output kusto [FILES]...")]
    Run(RunArguments),
    /// Say what is wrong with queries or rules and how to fix it
    #[command(override_usage = "dtq check [OPTIONS] QUERY [FILES]...\n       \
                          dtq check [OPTIONS] --file FILE.kql... [FILES]...\n       \
                          dtq check [OPTIONS] --rules RULES.yaml...\n       \
                          dtq check [OPTIONS] --batch FILE.jsonl")]
    Check(CheckArguments),
    /// Format queries; without files, stdin to stdout
    Fmt(FmtArguments),
    /// Apply rules to telemetry: what leaves goes to stdout, in the format in which it came
    #[command(override_usage = "dtq apply [OPTIONS] --rules RULES.yaml... [FILES]...")]
    Apply(ApplyArguments),
    /// Begin a rule, with its test, from a record
    New(NewArguments),
    /// Measure what rules cost, each alone and all together
    #[command(override_usage = "dtq bench [OPTIONS] --rules RULES.yaml... FILES...")]
    Bench(BenchArguments),
    /// Print a stage of the compilation of a query, or of rules for the kernel
    #[command(override_usage = "dtq explain [OPTIONS] --stage STAGE QUERY [FILES]...\n       \
                          dtq explain [OPTIONS] --stage STAGE --file FILE.kql [FILES]...\n       \
                          dtq explain [OPTIONS] --stage ebpf --payload FORMAT --rules RULES.yaml...")]
    Explain(ExplainArguments),
    /// Run rules in the kernel, on sockets that telemetry arrives on
    Kernel(KernelArguments),
    /// Stand between applications and their backend: OTLP in, rules, OTLP out, until interrupted
    #[command(override_usage = "dtq collect --config FILE.yaml\n       dtq collect check --config FILE.yaml")]
    Collect(CollectArguments),
    /// Control the rules of a running collector
    Ctl(CtlArguments),
    /// Show records as they pass through a running collector
    Tap(TapArguments),
    /// Show the noisiest events that pass through a running collector
    Top(TopArguments),
    /// List the tables and columns that files give
    Tables(TablesArguments),
    /// Show what rules would change in telemetry
    Diff(DiffArguments),
    /// Run the tests of rule files
    Test(TestArguments),
    /// Explain a command, a function, an operator or a code
    Help(HelpArguments),
    /// Print a completion script for a shell
    Completions(CompletionsArguments),
    /// Print the manual page
    #[command(hide = true)]
    Man,
}

/// Says how input is read.
#[derive(Args, Clone, Debug, Default)]
pub struct InputArguments {
    /// Format of the input, instead of finding it from the content
    #[arg(long, value_name = "FORMAT", help_heading = "Input")]
    pub format: Option<Format>,
    /// Columns and types of the input, instead of sampling them: `time:datetime, ['a b']:string`
    #[arg(long, value_name = "COLUMNS", help_heading = "Input")]
    pub schema: Option<String>,
    /// Name of the table for input that is not OTLP, instead of the file's stem
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    pub table: Option<String>,
    /// Exit with 0 even when records were skipped because they cannot be read
    #[arg(long, help_heading = "Input")]
    pub lenient: bool,
}

/// Says what a query is given besides its tables.
#[derive(Args, Clone, Debug, Default)]
pub struct QueryArguments {
    /// Value of a parameter that the query declares with `declare query_parameters`
    #[arg(long = "param", value_name = "NAME=VALUE", help_heading = "Query")]
    pub params: Vec<String>,
    /// What `now()` is, such as 2024-01-31T12:00:00Z, instead of the clock
    #[arg(long, value_name = "DATETIME", help_heading = "Query")]
    pub now: Option<String>,
    /// Seed of `rand()` and its like, instead of a new one each run
    #[arg(long, value_name = "NUMBER", help_heading = "Query")]
    pub seed: Option<u64>,
}

/// Names a format of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a line
    Ndjson,
    /// One JSON document: an object, or an array of objects
    Json,
    /// OTLP as JSON: one request, or one a line
    OtlpJson,
    /// OTLP as protobuf: one request, or each with its length before it
    Otlp,
    /// Comma-separated values
    Csv,
    /// Tab-separated values
    Tsv,
    /// Syslog, RFC 3164 or RFC 5424, or as it stands in files
    Syslog,
    /// key=value pairs
    Logfmt,
    /// Plain lines
    Text,
}

/// The arguments of `run`.
#[derive(Args, Debug)]
pub struct RunArguments {
    /// The query, unless --file or --batch gives it; then files, globs, or `-` for stdin
    #[arg(value_name = "QUERY|FILES")]
    pub words: Vec<String>,
    /// File that holds the query
    #[arg(short, long, value_name = "FILE.kql", help_heading = "Query", conflicts_with = "batch")]
    pub file: Option<PathBuf>,
    /// File with a query a line, `{"id":...,"query":...}`; needs --output kusto
    #[arg(long, value_name = "FILE.jsonl", help_heading = "Query")]
    pub batch: Option<PathBuf>,
    /// How input is read
    #[command(flatten)]
    pub input: InputArguments,
    /// What the query is given
    #[command(flatten)]
    pub query: QueryArguments,
    /// Form of the result [default: table on a terminal, else ndjson]
    #[arg(short, long, value_name = "FORM", env = "DTQ_OUTPUT", hide_env_values = true)]
    pub output: Option<Form>,
    /// Write records, bytes, time by stage, the engine and what the optimizer did to stderr
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    pub stats: Option<StatsForm>,
    /// What evaluates expressions; results are the same
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    pub engine: Engine,
    /// Run without optimization: whole records are read, and all of them
    #[arg(long)]
    pub no_opt: bool,
    /// Threads that read large input; the result is the same for any number [default: one a core]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Memory for rows that operators hold at once (sort, summarize, join), such as 512MiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub limit_memory: Option<usize>,
    /// Time that the query may take, each of a batch, such as 30s or 500ms
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub limit_time: Option<Duration>,
}

/// Names what evaluates expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// Native code where it pays and the system allows it: for rules, and for queries that read input
    Auto,
    /// Native code
    Jit,
    /// The interpreter
    Interp,
}

/// Names a form of statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatsForm {
    /// A line for people
    Text,
    /// A JSON object
    Json,
}

/// The arguments of `check`.
#[derive(Args, Debug)]
pub struct CheckArguments {
    /// The query, unless --file or --batch gives it; then files whose tables it reads
    #[arg(value_name = "QUERY|FILES")]
    pub words: Vec<String>,
    /// File that holds a query; may be given several times
    #[arg(short, long = "file", value_name = "FILE.kql", help_heading = "Query", conflicts_with = "batch")]
    pub files: Vec<PathBuf>,
    /// File with rules, checked together with the others; words that end in .yaml or .yml are such files, too
    #[arg(short, long, value_name = "RULES.yaml", help_heading = "Rules", conflicts_with_all = ["files", "batch"])]
    pub rules: Vec<PathBuf>,
    /// File with a query a line: `{"id":...,"query":...,"tables":{"T":[["x","long"]]}}`
    #[arg(long, value_name = "FILE.jsonl", help_heading = "Query", conflicts_with = "output")]
    pub batch: Option<PathBuf>,
    /// How input is read
    #[command(flatten)]
    pub input: InputArguments,
    /// What the query is given
    #[command(flatten)]
    pub query: QueryArguments,
    /// Also say what a place that takes less than the whole language would refuse
    #[arg(long, value_name = "PROFILE", help_heading = "Query", conflicts_with = "batch")]
    pub profile: Option<CheckProfile>,
    /// With --profile kernel: format of the payloads, several times for several [default: all]
    #[arg(long = "payload", value_name = "FORMAT", help_heading = "Query")]
    pub payloads: Vec<Payload>,
    /// Form of the diagnostics
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub output: CheckForm,
}

/// Names a place with a part of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckProfile {
    /// The `transformKql` of an Azure Monitor data collection rule
    AzureDcr,
    /// The kernel, for rules that drop: what it decides, what stays in user space, and why
    Kernel,
}

/// Names a form of diagnostics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckForm {
    /// The marked query, on stderr
    Text,
    /// One JSON object a diagnostic, on stdout
    Json,
    /// Annotations for GitHub Actions, on stdout
    Github,
}

/// Names rule files.
#[derive(Args, Clone, Debug, Default)]
pub struct RuleArguments {
    /// File with rules; may be given several times, and the rules of all run together
    #[arg(short, long = "rules", value_name = "RULES.yaml", help_heading = "Rules", required = true)]
    pub rules: Vec<PathBuf>,
}

/// Says what rules are given besides telemetry.
#[derive(Args, Clone, Debug)]
pub struct GivenArguments {
    /// When telemetry arrives, such as 2024-01-31T12:00:00Z, instead of the clock
    #[arg(long, value_name = "DATETIME", help_heading = "Rules")]
    pub now: Option<String>,
    /// Seed of `rand()` and its like, instead of a new one each run
    #[arg(long, value_name = "NUMBER", help_heading = "Rules")]
    pub seed: Option<u64>,
}

impl GivenArguments {
    /// Returns the same as what a query is given.
    pub fn to_query(&self) -> QueryArguments {
        QueryArguments { params: Vec::new(), now: self.now.clone(), seed: self.seed }
    }
}

/// The arguments of `apply`.
#[derive(Args, Debug)]
pub struct ApplyArguments {
    /// Files, globs, or `-` for stdin, which is also read when none is given
    #[arg(value_name = "FILES")]
    pub files: Vec<String>,
    /// The rules
    #[command(flatten)]
    pub rules: RuleArguments,
    /// How input is read
    #[command(flatten)]
    pub input: InputArguments,
    /// What rules are given besides telemetry
    #[command(flatten)]
    pub given: GivenArguments,
    /// Form of what leaves, instead of that in which it came
    #[arg(short, long, value_name = "FORM", help_heading = "Output")]
    pub output: Option<Form>,
    /// File for what leaves, instead of stdout; NAME=FILE is where `to: route:NAME` sends
    #[arg(long = "out", value_name = "[NAME=]FILE", help_heading = "Output")]
    pub outs: Vec<String>,
    /// File for log records that rules make, where they cannot stand among what leaves
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub logs: Option<PathBuf>,
    /// File for metrics that rules make, where they cannot stand among what leaves
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub metrics: Option<PathBuf>,
    /// File for the account as JSON, instead of a table on stderr; `-` is stderr
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub report: Option<PathBuf>,
    /// File for log records on the rules themselves: those that turned themselves off, expired or failed
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub notices: Option<PathBuf>,
    /// Write records, bytes, time by stage and the engine to stderr
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    pub stats: Option<StatsForm>,
    /// What evaluates conditions
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    pub engine: Engine,
    /// Let every rule look at every record by itself
    #[arg(long)]
    pub no_opt: bool,
}

/// The arguments of `new`.
#[derive(Args, Debug)]
pub struct NewArguments {
    /// What the rule does with records
    #[command(subcommand)]
    pub rule: NewRule,
}

/// Names the rules that can be begun.
#[derive(Debug, Subcommand)]
pub enum NewRule {
    /// Drop records that are like one of a file
    Drop(NewDropArguments),
}

/// The arguments of `new drop`.
#[derive(Args, Debug)]
pub struct NewDropArguments {
    /// File with the record, or `-` for stdin
    #[arg(long, value_name = "FILE")]
    pub from: String,
    /// Which record of the file, counted from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub like: u64,
    /// Name of the rule, instead of one made from the record
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// File for the rule, instead of stdout; an existing one is not overwritten
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How input is read
    #[command(flatten)]
    pub input: InputArguments,
}

/// The arguments of `bench`.
#[derive(Args, Debug)]
pub struct BenchArguments {
    /// Files, globs, or `-` for stdin
    #[arg(value_name = "FILES", required = true)]
    pub files: Vec<String>,
    /// The rules
    #[command(flatten)]
    pub rules: RuleArguments,
    /// How input is read
    #[command(flatten)]
    pub input: InputArguments,
    /// How often each is measured; the fastest counts
    #[arg(long, value_name = "COUNT", default_value = "10", value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,
    /// What evaluates conditions; the time to compile is not measured
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    pub engine: Engine,
    /// Form of the result [default: table on a terminal, else ndjson]
    #[arg(short, long, value_name = "FORM", env = "DTQ_OUTPUT", hide_env_values = true)]
    pub output: Option<Form>,
}

/// The arguments of `fmt`.
#[derive(Args, Debug)]
pub struct FmtArguments {
    /// Files to format; none or `-` is stdin to stdout
    #[arg(value_name = "FILES")]
    pub files: Vec<PathBuf>,
    /// Change nothing; name the files that are not formatted and exit with 1
    #[arg(long, conflicts_with = "write")]
    pub check: bool,
    /// Write the files back instead of to stdout
    #[arg(short, long)]
    pub write: bool,
}

/// The arguments of `explain`.
#[derive(Args, Debug)]
pub struct ExplainArguments {
    /// The query, unless --file gives it; then files whose tables it reads
    #[arg(value_name = "QUERY|FILES")]
    pub words: Vec<String>,
    /// File that holds the query
    #[arg(short, long, value_name = "FILE.kql", help_heading = "Query")]
    pub file: Option<PathBuf>,
    /// What to print
    #[arg(long)]
    pub stage: Stage,
    /// With --stage ebpf: file with rules, instead of a query; may be given several times
    #[arg(short, long, value_name = "RULES.yaml", help_heading = "Kernel", conflicts_with = "file")]
    pub rules: Vec<PathBuf>,
    /// With --stage ebpf: format of the payloads
    #[arg(long, value_name = "FORMAT", help_heading = "Kernel")]
    pub payload: Option<Payload>,
    /// With --stage ebpf: sockets that the program is for [default: unix]
    #[arg(long, value_name = "SOCKET", help_heading = "Kernel")]
    pub front: Option<FrontWord>,
    /// How input is read
    #[command(flatten)]
    pub input: InputArguments,
    /// What the query is given
    #[command(flatten)]
    pub query: QueryArguments,
}

/// Names a stage of compilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// The syntax tree
    Ast,
    /// The typed program
    Ir,
    /// The typed program after the optimizer
    Opt,
    /// The native code of each expression, in the form of the code generator (Cranelift)
    Clif,
    /// The native code of each expression, as instructions of this machine
    Asm,
    /// The kernel's program for rules, or for a query as a rule that drops
    Ebpf,
    /// The estimated cost; not in this version
    #[value(hide = true)]
    Cost,
}

/// The arguments of `tables`.
#[derive(Args, Debug)]
pub struct TablesArguments {
    /// Files, globs, or `-` for stdin; none lists the tables that OTLP gives
    #[arg(value_name = "FILES")]
    pub files: Vec<String>,
    /// How input is read
    #[command(flatten)]
    pub input: InputArguments,
    /// Form of the list [default: table on a terminal, else ndjson]
    #[arg(short, long, value_name = "FORM", env = "DTQ_OUTPUT", hide_env_values = true)]
    pub output: Option<Form>,
}

/// The arguments of `diff`.
#[derive(Args, Debug)]
pub struct DiffArguments {
    /// Files, globs, or `-` for stdin, which is also read when none is given
    #[arg(value_name = "FILES")]
    pub files: Vec<String>,
    /// The rules
    #[command(flatten)]
    pub rules: RuleArguments,
    /// How input is read
    #[command(flatten)]
    pub input: InputArguments,
    /// What rules are given besides telemetry
    #[command(flatten)]
    pub given: GivenArguments,
    /// Exit with 1 when the rules would change anything
    #[arg(long)]
    pub exit_code: bool,
    /// Form of the result on stdout
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub output: ReportForm,
}

/// The arguments of `test`.
#[derive(Args, Debug)]
pub struct TestArguments {
    /// Rule files, or folders of them; all are one rule set
    #[arg(value_name = "RULES", required = true)]
    pub rules: Vec<PathBuf>,
    /// Run only the tests whose rule or name contains this text
    #[arg(long, value_name = "NAME")]
    pub filter: Option<String>,
    /// What evaluates conditions
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    pub engine: Engine,
    /// Also write the results to a file, as JUnit XML
    #[arg(long, value_name = "FILE.xml")]
    pub junit: Option<PathBuf>,
    /// Form of the results on stdout
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub output: ReportForm,
}

/// Names a form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportForm {
    /// Lines for people
    Text,
    /// One JSON object
    Json,
}

/// The arguments of `help`.
#[derive(Args, Debug)]
pub struct HelpArguments {
    /// `functions`, `operators`, or the name of a command, function, operator or code
    #[arg(value_name = "TOPIC", allow_hyphen_values = true)]
    pub topic: Option<String>,
    /// With `functions`: the whole reference as markdown
    #[arg(long, hide = true)]
    pub markdown: bool,
}

/// The arguments of `completions`.
#[derive(Args, Debug)]
pub struct CompletionsArguments {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Returns the bytes that a size such as `64MiB`, `2 GB` or `1000` names.
fn parse_size(text: &str) -> Result<usize, String> {
    let digits = text.trim_start().chars().take_while(char::is_ascii_digit).count();
    let (number, unit) = text.trim().split_at(digits);
    let factor: usize = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return Err(format!("`{unit}` is no unit of size: write KiB, MiB or GiB")),
    };
    let count: usize = number.parse().map_err(|_| "a size is a number and a unit, such as 512MiB".to_owned())?;
    count.checked_mul(factor).filter(|size| *size > 0).ok_or_else(|| "the size is out of range".to_owned())
}

/// Returns the duration that a number and a unit stand for.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_start().chars().take_while(char::is_ascii_digit).count();
    let (number, unit) = text.trim().split_at(digits);
    let factor_ms: u64 = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(format!("`{unit}` is no unit of time: write ms, s, m or h")),
    };
    let count: u64 = number.parse().map_err(|_| "a duration is a number and a unit, such as 30s".to_owned())?;
    count.checked_mul(factor_ms).map(Duration::from_millis).ok_or_else(|| "the duration is out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("512MiB"), Ok(512 << 20));
        assert_eq!(parse_size(" 2 GB "), Ok(2_000_000_000));
        assert_eq!(parse_size("10"), Ok(10));
        for wrong in ["", "MiB", "-1", "1 parsec", "99999999999999999999", "99999999999GiB", "0", "\u{e9}"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration(" 2 m "), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
        for wrong in ["", "10", "s", "-1s", "1 parsec", "99999999999999999999s", "9999999999999999h", "\u{e9}"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
