//! `dtq kernel trace --list`: what can be traced, and what a hit costs there. Next: `choice.rs`.

use super::place::Place;
use crate::args::KernelTraceArguments;
use crate::commands::kernel::refusal;
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Form, Header};
use dtq_kernel::trace::Listed;
use dtq_record::stream::{Column, Row};
use dtq_value::{Type, Value};
use std::fs::File;
use std::io::{BufWriter, Write};

/// Lists functions and probes of a file.
pub fn execute(arguments: &KernelTraceArguments, place: &Place, console: &mut Console) -> Outcome {
    let wanted = match arguments.sites.as_slice() {
        [] => "",
        [wanted] => wanted.as_str(),
        _ => return Err(Failure::Usage("--list takes one pattern, a part of the names".into())),
    };
    let listed = Listed::find(&place.path, wanted).map_err(|error| refusal::of_trace(&error))?;
    if listed.is_empty() {
        let path = place.path.display();
        let library = if arguments.file.is_none() { "; --file takes a library of the process" } else { "" };
        return Err(Failure::Kernel(match wanted {
            "" => format!("{path} has no names of functions, since it was stripped, and no probes{library}"),
            _ => format!("no function or probe of {path} has `{wanted}` in its name{library}"),
        }));
    }
    let form = arguments.output.unwrap_or(if console.is_out_terminal { Form::Table } else { Form::Ndjson });
    let names = [
        ("NsPerHit", Type::Long),
        ("Instruction", Type::String),
        ("Arguments", Type::Long),
        ("Site", Type::String),
        ("Function", Type::String),
    ];
    let columns: Vec<Column> = names.into_iter().map(|(name, kind)| Column::new(name, kind)).collect();
    let rows: Vec<Row> = listed.iter().map(row).collect();
    let mut sink = output::sink(form, 1, console)?;
    let mut file;
    let out: &mut dyn Write = match &arguments.out {
        Some(path) => {
            file = BufWriter::new(File::create(path).map_err(|error| super::out::cannot_write(path, &error))?);
            &mut file
        }
        None => &mut console.out,
    };
    sink.begin(out, &Header { name: "Sites", columns: &columns, is_one_of_several: false })?;
    sink.rows(out, &rows)?;
    sink.end(out)?;
    sink.finish(out)?;
    Ok(out.flush()?)
}

fn row(listed: &Listed) -> Row {
    let number = |count: Option<i64>| count.map_or(Value::Null, Value::Long);
    // Most sites are named as their functions are.
    let is_same = listed.name.split_once(':').is_some_and(|(_, name)| name == listed.function);
    [
        number(listed.cost.measured_ns().map(i64::from)),
        Value::string(listed.cost.name()),
        number(listed.argument_count.and_then(|count| i64::try_from(count).ok())),
        Value::string(listed.name.as_str()),
        Value::string(if is_same { "" } else { listed.function.as_str() }),
    ]
    .into_iter()
    .collect()
}
