//! `dtq ctl`: an order or a question to a running process, and its answer. Next: `tap.rs`.

use crate::args::{CtlAction, CtlArguments, ReportForm, SocketArguments};
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use crate::output::table::TableSink;
use crate::output::{Header, Sink, text};
use dtq_collector::rules::protocol::{Answer, Client, Request, RuleList, Status};
use dtq_collector::rules::settings::default_socket;
use dtq_record::stream::Column;
use dtq_value::{Type, Value};
use std::io::Write;

/// Runs `dtq ctl`.
pub fn execute(arguments: &CtlArguments, console: &mut Console) -> Outcome {
    let request = match &arguments.action {
        CtlAction::Status => Request::Status,
        CtlAction::Rules => Request::Rules,
        CtlAction::Off { rule } => Request::Off { rule: rule.clone() },
        CtlAction::On { rule } => Request::On { rule: rule.clone() },
        CtlAction::Rollback { version } => Request::Rollback { version: *version },
        CtlAction::Ripcord { also_protective } => Request::Ripcord { also_protective: *also_protective },
        CtlAction::Restore => Request::Restore,
        CtlAction::Reload => Request::Reload,
    };
    let answer = connect(&arguments.socket)?.ask(&request).map_err(broken)?;
    if arguments.output == ReportForm::Json {
        let json = serde_json::to_string(&answer).expect("plain data always serializes");
        writeln!(console.out, "{}", text::neutral_json(&json))?;
        return if answer.ok { Ok(()) } else { Err(Failure::Query) };
    }
    let answer = obeyed(answer, console)?;
    match &arguments.action {
        CtlAction::Status => match serde_json::from_value(answer.result) {
            Ok(status) => show_status(&status, console),
            Err(error) => Err(Failure::Input(format!("the process answers in a form of another version: {error}"))),
        },
        CtlAction::Rules => match serde_json::from_value(answer.result) {
            Ok(list) => show_rules(&list, console),
            Err(error) => Err(Failure::Input(format!("the process answers in a form of another version: {error}"))),
        },
        _ => Ok(writeln!(console.out, "{}", text::neutral_lines(&answer.message))?),
    }
}

/// Connects to a process.
///
/// # Errors
/// [`Failure::Input`] when there is none, or it is another user's.
pub fn connect(arguments: &SocketArguments) -> Result<Client, Failure> {
    let path = arguments.socket.clone().unwrap_or_else(default_socket);
    Client::connect(&path).map_err(|error| {
        let path = path.display();
        let hint = "is `dtq collect` running, as this user? --socket names its control socket";
        Failure::Input(format!("cannot connect to `{path}`: {error}; {hint}"))
    })
}

/// Returns an answer that is no refusal.
///
/// # Errors
/// [`Failure::Query`] when it is one; what is wrong is written.
pub fn obeyed(answer: Answer, console: &Console) -> Result<Answer, Failure> {
    if answer.ok {
        return Ok(answer);
    }
    answer.diagnostics.iter().for_each(|diagnostic| console.say(diagnostic.trim_end()));
    console.say(&format!("error: {}", answer.message));
    Err(Failure::Query)
}

/// Says that a connection failed.
pub fn broken(error: std::io::Error) -> Failure {
    Failure::Input(format!("the connection to the process failed: {error}"))
}

fn show_status(status: &Status, console: &mut Console) -> Outcome {
    let mut lines = vec![
        format!("dtq {}, process {}", status.dtq, status.pid),
        format!("rules: version {} since {}, on {}", status.version, status.since, status.engine),
        format!("files: {}", status.files.join(", ")),
    ];
    let kept: Vec<String> = status.versions.iter().map(|kept| kept.version.to_string()).collect();
    lines.push(format!("versions kept: {}", kept.join(", ")));
    if status.rolled_back {
        lines.push("rolled back: until the files change or are reloaded".to_owned());
    }
    if let Some(since) = &status.ripcord {
        let which = if status.ripcord_also_protective { "all rules" } else { "all but protective rules" };
        lines.push(format!("ripcord: pulled since {since}: {which} are off"));
    }
    if !status.off.is_empty() {
        lines.push(format!("off: {}", status.off.join(", ")));
    }
    for counts in [&status.requests, &status.totals] {
        let pairs: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        lines.push(pairs.join(", "));
    }
    lines.extend(status.interpreted_because.iter().map(|why| format!("interpreted: {why}")));
    lines.extend(status.problems.iter().map(|problem| format!("problem: {problem}")));
    for notice in &status.notices {
        let part = |key: &str| notice[key].as_str().unwrap_or_default();
        lines.push(format!("{} {}: {}", part("time"), part("rule"), part("message")));
    }
    if let Some(refused) = &status.refused {
        lines.push(format!("the rule files are wrong since {}:", refused.time));
        lines.extend(refused.diagnostics.iter().map(|diagnostic| diagnostic.trim_end().to_owned()));
    }
    for line in lines {
        writeln!(console.out, "{}", text::neutral_lines(&line))?;
    }
    Ok(())
}

fn show_rules(list: &RuleList, console: &mut Console) -> Outcome {
    let count = |account: &Option<serde_json::Map<String, serde_json::Value>>, key: &str| {
        let count = account.as_ref().and_then(|account| account.get(key)?.as_u64());
        count.map_or(Value::Null, |count| Value::Long(i64::try_from(count).unwrap_or(i64::MAX)))
    };
    let counts = ["seen", "matched", "dropped", "edited", "created", "errors"];
    let mut columns = vec![Column::new("rule", Type::String), Column::new("mode", Type::String)];
    columns.push(Column::new("phase", Type::String));
    columns.extend(counts.map(|name| Column::new(name, Type::Long)));
    columns.push(Column::new("because", Type::String));
    let rows = list.rules.iter().map(|rule| {
        let words = [&rule.name, &rule.mode, &rule.phase].map(|word| Value::string(word.as_str()));
        let because = Value::string(rule.because.as_deref().unwrap_or_default());
        words.into_iter().chain(counts.map(|key| count(&rule.account, key))).chain([because]).collect()
    });
    let rows: Vec<Vec<Value>> = rows.collect();
    show_table(&columns, &rows, console)
}

/// Writes a table for people.
pub fn show_table(columns: &[Column], rows: &[Vec<Value>], console: &mut Console) -> Outcome {
    let mut sink = TableSink::new(console.width());
    sink.begin(&mut console.out, &Header { name: "", columns, is_one_of_several: false })?;
    sink.rows(&mut console.out, rows)?;
    sink.end(&mut console.out)?;
    Ok(sink.finish(&mut console.out)?)
}
