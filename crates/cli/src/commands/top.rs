//! `dtq top`: the noisiest events of live telemetry, window after window.

use crate::args::{ReportForm, TopArguments};
use crate::commands::ctl::{broken, connect, obeyed, show_table};
use crate::console::Console;
use crate::failure::Outcome;
use crate::output::text;
use dtq_collector::rules::protocol::{Request, TopRequest};
use dtq_record::stream::Column;
use dtq_value::{Type, Value};
use std::io::Write;

/// Puts the cursor at the beginning of a terminal and removes what is there.
const CLEAR: &[u8] = b"\x1b[H\x1b[2J";

/// Runs `dtq top`, for one window or until nobody reads any more.
pub fn execute(arguments: &TopArguments, console: &mut Console) -> Outcome {
    let mut client = connect(&arguments.socket)?;
    let request = TopRequest {
        window_ms: u64::try_from(arguments.window.as_millis()).unwrap_or(u64::MAX),
        once: arguments.once,
        count: Some(usize::from(arguments.count)),
        by_bytes: arguments.bytes,
        unredacted: arguments.unredacted,
    };
    obeyed(client.ask(&Request::Top(request)).map_err(broken)?, console)?;
    while let Some(line) = client.next_line().map_err(broken)? {
        if let Some(end) = line.get("end").and_then(|end| end.as_str()) {
            console.say(&format!("note: it has ended: {end}"));
            return Ok(());
        }
        let Some(top) = line.get("top") else { continue };
        if arguments.output == ReportForm::Json {
            writeln!(console.out, "{}", text::neutral_json(&top.to_string()))?;
        } else {
            if console.is_out_terminal && !arguments.once {
                console.out.write_all(CLEAR)?;
            }
            show(top, console)?;
        }
        console.out.flush()?;
        if arguments.once {
            return Ok(());
        }
    }
    Ok(())
}

/// Writes the events of a window as a table.
fn show(top: &serde_json::Value, console: &mut Console) -> Outcome {
    let words = ["table", "event", "severity", "service"];
    let counts = ["records", "bytes"];
    let columns: Vec<Column> = (counts.map(|name| Column::new(name, Type::Long)).into_iter())
        .chain(words.map(|name| Column::new(name, Type::String)))
        .collect();
    let count = |of: &serde_json::Value, key: &str| of[key].as_u64().unwrap_or(0);
    let long = |number: u64| Value::Long(i64::try_from(number).unwrap_or(i64::MAX));
    let rows = top["events"].as_array().into_iter().flatten().map(|event| {
        let numbers = counts.map(|key| long(count(event, key))).into_iter();
        numbers.chain(words.map(|key| Value::string(event[key].as_str().unwrap_or_default()))).collect()
    });
    let rows: Vec<Vec<Value>> = rows.collect();
    show_table(&columns, &rows, console)?;
    let (records, bytes) = (count(top, "records"), count(top, "bytes"));
    let (requests, left_out) = (count(top, "requests"), count(top, "requests_left_out") + count(top, "too_large"));
    let window = count(top, "window_ms") as f64 / 1e3;
    let sampled =
        if left_out > 0 { format!("; of {requests} requests {left_out} were not looked at") } else { String::new() };
    Ok(writeln!(console.out, "{records} records, {bytes} bytes in {window} s{sampled}")?)
}
