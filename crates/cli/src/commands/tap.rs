//! `dtq tap`: a query over live records, to a JSON object a line. Next: `top.rs`.

use crate::args::TapArguments;
use crate::commands::ctl::{broken, connect, obeyed};
use crate::console::Console;
use crate::failure::Outcome;
use crate::output::text;
use dtq_collector::rules::protocol::{Request, TapRequest};
use serde_json::Value;
use std::io::Write;

/// Runs `dtq tap`, until its query ends, the process does, or nobody reads any more.
pub fn execute(arguments: &TapArguments, console: &mut Console) -> Outcome {
    let mut client = connect(&arguments.socket)?;
    let request = TapRequest {
        query: arguments.query.clone(),
        before: arguments.before.clone(),
        after: arguments.after.clone(),
        unredacted: arguments.unredacted,
        rate: Some(arguments.rate),
    };
    obeyed(client.ask(&Request::Tap(request)).map_err(broken)?, console)?;
    let mut said = 0;
    while let Some(line) = client.next_line().map_err(broken)? {
        if let Some(row) = line.get("row") {
            writeln!(console.out, "{}", text::neutral_json(&row.to_string()))?;
            console.out.flush()?;
        }
        if let Some(counts) = line.get("counts") {
            said = say_lost(counts, said, console);
        }
        if let Some(end) = line.get("end") {
            say_lost(end, said, console);
            if let Some(because) = line["because"].as_str() {
                console.say(&format!("note: the tap has ended: {because}"));
            }
            return Ok(());
        }
    }
    Ok(())
}

/// Says how much was not shown, when that has grown; returns how much was said.
fn say_lost(counts: &Value, said: u64, console: &Console) -> u64 {
    let count = |key: &str| counts[key].as_u64().unwrap_or(0);
    let not_looked_at = count("requests_left_out") + count("requests_passed_over") + count("too_large");
    let lost = not_looked_at + count("rows_withheld");
    if lost > said {
        let (requests, rows) = (count("requests"), count("rows_withheld"));
        console.say(&format!(
            "note: of {requests} requests {not_looked_at} were not looked at, and {rows} rows were over the rate; see --rate"
        ));
    }
    lost.max(said)
}
