//! The forms of output, as contracts with those who read them.

mod common;

use common::{command, dtq, dtq_with, ran};

const ROWS: &str =
    "datatable(s:string, n:long, d:dynamic)['a,\"b\"', 1, dynamic({'k':[1,2]}), '', long(null), dynamic(null)]";

#[test]
fn ndjson_is_an_object_a_row() {
    let expected = "{\"s\":\"a,\\\"b\\\"\",\"n\":1,\"d\":{\"k\":[1,2]}}\n{\"s\":\"\",\"n\":null,\"d\":null}\n";
    assert_eq!(dtq(&["run", ROWS]).code(0).stdout, expected);
}

#[test]
fn json_is_one_document() {
    let text = dtq(&["run", "--output", "json", ROWS]).code(0).stdout;
    let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(rows, serde_json::json!([{"s":"a,\"b\"","n":1,"d":{"k":[1,2]}}, {"s":"","n":null,"d":null}]));
    assert_eq!(dtq(&["run", "--output", "json", "print x = 1 | where x > 1"]).code(0).stdout, "[\n]\n");
}

#[test]
fn csv_tells_null_from_empty() {
    let expected = "s,n,d\n\"a,\"\"b\"\"\",1,\"{\"\"k\"\":[1,2]}\"\n\"\",,\n";
    assert_eq!(dtq(&["run", "--output", "csv", ROWS]).code(0).stdout, expected);
}

#[test]
fn kusto_is_the_contract() {
    // DESIGN, "Command line": the v1 shape of Kusto's REST API.
    let expected = concat!(
        r#"{"Tables":[{"TableName":"PrimaryResult","Columns":[{"ColumnName":"x","ColumnType":"long"}],"Rows":[[1]]}]}"#,
        "\n"
    );
    assert_eq!(dtq(&["run", "--output", "kusto", "print x = 1"]).code(0).stdout, expected);
}

#[test]
fn kusto_has_the_forms_of_values() {
    // Conformance kusto_engine.jsonl: datetimes, NaN and embedded dynamics as the engine returned them.
    let query = "print dt = datetime(2018-07-01), frac = datetime(2015-12-31 23:59:59.9), ts = 1d, nan = real(nan), \
                 inf = real(+inf), neg = real(-inf), r = 10.0, b = true, g = guid(10e99626-bc2b-4c75-bb3e-fe606de25700), \
                 n = int(null), dyn = dynamic({'a':[1,'x',null]}), str = dynamic('text'), dec = decimal(1.50)";
    let text = dtq(&["run", "--output", "kusto", query]).code(0).stdout;
    let rows = text.split("\"Rows\":").nth(1).unwrap();
    let expected = concat!(
        r#"[["2018-07-01T00:00:00Z","2015-12-31T23:59:59.9Z","1.00:00:00","NaN","Infinity","-Infinity",10.0,true,"#,
        r#""10e99626-bc2b-4c75-bb3e-fe606de25700",null,{"a":[1,"x",null]},"text",1.50]]}]}"#,
        "\n"
    );
    assert_eq!(rows, expected);
}

#[test]
fn several_results_stay_apart() {
    let query = "print a = 1; print b = 2";
    let lines = dtq(&["run", query]).code(0).stdout;
    assert_eq!(lines.lines().count(), 2);
    assert!(lines.lines().all(|line| line.starts_with("{\"$table\":")), "{lines}");
    let kusto: serde_json::Value = serde_json::from_str(&dtq(&["run", "-o", "kusto", query]).code(0).stdout).unwrap();
    assert_eq!(kusto["Tables"].as_array().unwrap().len(), 2);
    let json: serde_json::Value = serde_json::from_str(&dtq(&["run", "-o", "json", query]).code(0).stdout).unwrap();
    assert_eq!(json[1]["rows"], serde_json::json!([{"b": 2}]));
}

#[test]
fn tables_fit_the_width_they_are_given() {
    let query = "range x from 1 to 50 step 1 | extend many = strrep('word ', x), other = strrep('abc', 50 - x)";
    for width in ["20", "40", "80", "200"] {
        let output = command(&["run", "--output", "table", query]).env("COLUMNS", width).output().unwrap();
        let text = ran(output).code(0).stdout;
        let limit: usize = width.parse().unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= limit), "{width}\n{text}");
    }
    let whole = dtq(&["run", "--output", "table", query]).code(0).stdout;
    assert!(whole.contains(&"word ".repeat(50).trim_end().to_owned()), "nothing is cut without a width");
}

#[test]
fn nothing_in_telemetry_reaches_a_terminal() {
    // The fixture has a body with escapes: "mail for ... bounced".
    let query = "logs | where tostring(Body) has 'bounced' | project Body";
    for form in ["table", "ndjson", "json", "kusto"] {
        let ran = dtq(&["run", "--output", form, query, "fixtures/telemetry/logs.otlp"]).code(0);
        assert!(ran.stdout.contains("bounced"), "{form}: {}", ran.stdout);
        assert!(!ran.stdout.chars().any(|c| c.is_control() && c != '\n'), "{form}: {:?}", ran.stdout);
    }
    let hostile = b"{\"a\":\"\\u001b]0;title\\u0007\\u009b2J\\u202e\"}\n";
    let query = "t | extend b = a, c = 1";
    let ran = dtq_with(&["run", "--format", "ndjson", "--table", "t", query, "-"], hostile).code(0);
    assert!(ran.stdout.is_ascii(), "{:?}", ran.stdout);
}

#[test]
fn messages_about_telemetry_are_harmless_too() {
    let ran = dtq_with(&["run", "--format", "ndjson", "--table", "t", "t | count", "-"], b"{\"a\":1}\n\x1b[31m\n");
    assert_eq!(ran.code, 65);
    assert!(!ran.stderr.contains('\x1b'), "{:?}", ran.stderr);
}

#[test]
fn otlp_holds_telemetry_and_no_lists_of_tables() {
    for form in ["otlp", "otlp-json"] {
        assert!(dtq(&["run", "--output", form, "print x = 1"]).code(64).stderr.contains("--output"));
        assert!(dtq(&["tables", "--output", form]).code(64).stderr.contains("use --output ndjson"));
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_run_quietly() {
    use std::io::Read;
    use std::process::Stdio;
    for form in ["csv", "ndjson", "json", "kusto", "table", "otlp", "otlp-json"] {
        let query = "range x from 1 to 100000000 step 1 | project Body = strcat(x, strrep('x', 1000))";
        let mut run = command(&["run", "--output", form, query])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut beginning = [0; 10];
        run.stdout.take().unwrap().read_exact(&mut beginning).unwrap();
        let output = run.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{form}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{form}");
    }
}
