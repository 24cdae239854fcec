//! The files in `tables/` to tables, with names resolved to positions and mistakes told by file and column.

use super::mapping::{Mapping, Step, Test};
use super::{Base, Part, Table};
use crate::stream::Column;
use dtq_value::{Str, Type, Value};
use serde_json::{Map, Value as Json};

/// Holds all tables.
pub(super) struct Tables {
    /// Those that readers fill.
    pub standard: Vec<Table>,
    /// Those that follow from them.
    pub aliases: Vec<Table>,
}

const STANDARD: [&str; 4] = [
    include_str!("../../tables/logs.json"),
    include_str!("../../tables/metrics.json"),
    include_str!("../../tables/spans.json"),
    include_str!("../../tables/resources.json"),
];

/// A table that is `like` another stands behind it.
const ALIASES: [&str; 14] = [
    include_str!("../../tables/OTELLogs.json"),
    include_str!("../../tables/OTELMetrics.json"),
    include_str!("../../tables/OTELTraces.json"),
    include_str!("../../tables/traces.json"),
    include_str!("../../tables/requests.json"),
    include_str!("../../tables/dependencies.json"),
    include_str!("../../tables/exceptions.json"),
    include_str!("../../tables/customMetrics.json"),
    include_str!("../../tables/AppTraces.json"),
    include_str!("../../tables/AppRequests.json"),
    include_str!("../../tables/AppDependencies.json"),
    include_str!("../../tables/AppExceptions.json"),
    include_str!("../../tables/AppMetrics.json"),
    include_str!("../../tables/source.json"),
];

/// Columns that several tables share, by the name under which they are included.
const SHARED: [(&str, &str); 2] = [
    ("application_insights", include_str!("../../tables/shared/application_insights.json")),
    ("log_analytics", include_str!("../../tables/shared/log_analytics.json")),
];

/// Reads all files.
///
/// # Errors
/// The first mistake, with the name of the table.
pub(super) fn tables() -> Result<Tables, String> {
    let mut tables = Tables { standard: Vec::new(), aliases: Vec::new() };
    for text in STANDARD {
        let (name, file) = parse(text)?;
        let table = standard(&name, &file).map_err(|error| format!("{name}: {error}"))?;
        tables.standard.push(table);
    }
    for text in ALIASES {
        let (name, file) = parse(text)?;
        let table = alias(&name, &file, &tables).map_err(|error| format!("{name}: {error}"))?;
        tables.aliases.push(table);
    }
    Ok(tables)
}

fn parse(text: &str) -> Result<(String, Map<String, Json>), String> {
    let file: Map<String, Json> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok((string(&file, "table")?.to_owned(), file))
}

fn standard(name: &str, file: &Map<String, Json>) -> Result<Table, String> {
    let mut table = empty(name, file)?;
    for entry in list(file, "columns")? {
        let column = column(entry)?;
        table.is_writable.push(entry.get("read_only").and_then(Json::as_bool) != Some(true));
        table.columns.push(column);
    }
    Ok(table)
}

fn empty(name: &str, file: &Map<String, Json>) -> Result<Table, String> {
    let documentation = string(file, "documentation")?.to_owned();
    Ok(Table { name: name.to_owned(), documentation, columns: Vec::new(), is_writable: Vec::new(), parts: Vec::new() })
}

fn column(entry: &Json) -> Result<Column, String> {
    let entry = entry.as_object().ok_or("a column is an object")?;
    let (name, ty) = (string(entry, "name")?, string(entry, "type")?);
    Ok(Column::new(name, Type::parse(ty).ok_or_else(|| format!("`{ty}` is no type"))?))
}

fn alias(name: &str, file: &Map<String, Json>, tables: &Tables) -> Result<Table, String> {
    let mut table = empty(name, file)?;
    let entries = all_entries(file)?;
    if let Some(other) = file.get("like") {
        let other = other.as_str().ok_or("`like` is a name")?;
        let model = tables.aliases.iter().find(|table| table.name == other).ok_or("no such table")?;
        return like(table, model, &entries);
    }
    for part in list(file, "parts")? {
        table.parts.push(self::part(part, tables)?);
    }
    for entry in &entries {
        let column = column(entry)?;
        add_column(&mut table, entry, tables).map_err(|error| format!("column {}: {error}", column.name))?;
        table.columns.push(column);
    }
    Ok(table)
}

/// Returns the table's own columns and those that it includes.
fn all_entries(file: &Map<String, Json>) -> Result<Vec<Json>, String> {
    let mut entries = list(file, "columns")?.clone();
    if let Some(include) = file.get("include") {
        let name = include.as_str().unwrap_or_default();
        let (_, text) = SHARED.iter().find(|(known, _)| *known == name).ok_or("no such shared columns")?;
        let shared: Vec<Json> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        entries.extend(shared);
    }
    Ok(entries)
}

/// Makes a table whose columns are those of another under other names.
fn like(mut table: Table, model: &Table, entries: &[Json]) -> Result<Table, String> {
    table.parts = model.parts.iter().map(|part| Part { mappings: Vec::new(), ..part.clone() }).collect();
    for entry in entries {
        let column = column(entry)?;
        let of = entry.get("of").and_then(Json::as_str);
        let at = match of {
            Some(of) => {
                let position = model.columns.iter().position(|column| column.name == of);
                Some(position.ok_or_else(|| format!("column {}: no column `{of}`", column.name))?)
            }
            None => None,
        };
        let constant = entry.get("constant").map_or(Value::Null, constant);
        for (part, source) in table.parts.iter_mut().zip(&model.parts) {
            part.mappings.push(at.map_or(Mapping::Constant(constant.clone()), |at| source.mappings[at].clone()));
        }
        table.is_writable.push(at.is_some_and(|at| model.is_writable[at]));
        table.columns.push(column);
    }
    Ok(table)
}

fn part(entry: &Json, tables: &Tables) -> Result<Part, String> {
    let entry = entry.as_object().ok_or("a part is an object")?;
    let over = string(entry, "over")?;
    let base = Base::parse(over).ok_or_else(|| format!("`{over}` is no standard table"))?;
    let names = Names::of(base, tables);
    let test = |key: &str| entry.get(key).map(|json| names.test(json)).transpose();
    Ok(Part {
        base,
        test: test("where")?,
        each: entry.get("each").map(|json| names.mapping(json)).transpose()?,
        each_test: test("each_where")?,
        is_expanded: entry.get("expand").and_then(Json::as_bool) == Some(true),
        mappings: Vec::new(),
    })
}

/// Adds a column's mapping to each part: `from` holds for all, `by_part` has one for each.
fn add_column(table: &mut Table, entry: &Json, tables: &Tables) -> Result<(), String> {
    let by_part = entry.get("by_part").and_then(Json::as_array);
    let mut is_writable = table.parts.len() == 1;
    for (index, part) in table.parts.iter_mut().enumerate() {
        let names = Names::of(part.base, tables);
        let json = match by_part {
            Some(list) => list.get(index).ok_or("`by_part` is too short")?,
            None => entry.get("from").unwrap_or(&Json::Null),
        };
        let mapping = names.mapping(json)?;
        let writable = tables.standard.iter().find(|table| table.name == part.base.name());
        let has_inverse = writable.is_some_and(|base| mapping.has_inverse(&base.is_writable));
        is_writable &= has_inverse && !part.is_expanded && part.each.is_none();
        part.mappings.push(mapping);
    }
    table.is_writable.push(is_writable);
    Ok(())
}

/// Resolves the names of a standard table's columns.
struct Names {
    columns: Vec<String>,
}

impl Names {
    fn of(base: Base, tables: &Tables) -> Self {
        let table = tables.standard.iter().find(|table| table.name == base.name());
        let columns = table.map(|table| table.columns.iter().map(|column| column.name.clone()).collect());
        Self { columns: columns.unwrap_or_default() }
    }

    fn mapping(&self, json: &Json) -> Result<Mapping, String> {
        match json {
            Json::Null => Ok(Mapping::Constant(Value::Null)),
            Json::String(name) if name == "$item" => Ok(Mapping::Item),
            Json::String(name) => {
                let position = self.columns.iter().position(|column| column == name);
                Ok(Mapping::Column(position.ok_or_else(|| format!("no column `{name}`"))?))
            }
            Json::Array(steps) => {
                let (first, rest) = steps.split_first().ok_or("a path is empty")?;
                Ok(Mapping::Path(self.boxed(first)?, rest.iter().map(step).collect::<Result<_, _>>()?))
            }
            Json::Object(object) if object.contains_key("if") => self.choice(object),
            Json::Object(object) => {
                let (key, inner) = object.iter().next().ok_or("an operation is empty")?;
                self.operation(key, inner)
            }
            other => Err(format!("no mapping: {other}")),
        }
    }

    fn boxed(&self, json: &Json) -> Result<Box<Mapping>, String> {
        self.mapping(json).map(Box::new)
    }

    fn choice(&self, object: &Map<String, Json>) -> Result<Mapping, String> {
        let branch = |key: &str| self.boxed(object.get(key).unwrap_or(&Json::Null));
        let test = self.test(object.get("if").unwrap_or(&Json::Null))?;
        Ok(Mapping::If(Box::new(test), branch("then")?, branch("else")?))
    }

    fn operation(&self, key: &str, inner: &Json) -> Result<Mapping, String> {
        Ok(match key {
            "constant" => Mapping::Constant(constant(inner)),
            "first" => Mapping::First(self.list(inner)?),
            "concat" => Mapping::Concat(self.list(inner)?),
            "list" => Mapping::List(self.list(inner)?),
            "object" => Mapping::Object(self.properties(inner)?),
            "text" => Mapping::Text(self.boxed(inner)?),
            "milliseconds" => Mapping::Milliseconds(self.boxed(inner)?),
            "join" => {
                let between = inner.get("by").and_then(Json::as_str).ok_or("`join` needs `by`")?;
                Mapping::Join(between.to_owned(), self.list(&inner["of"])?)
            }
            "words" => Mapping::Words {
                of: self.boxed(&inner["of"])?,
                words: pairs(&inner["words"])?.map(|(word, json)| (Str::from(word.as_str()), constant(json))).collect(),
                other: inner.get("other").map(constant),
            },
            "ranges" => Mapping::Ranges {
                of: self.boxed(&inner["of"])?,
                ranges: inner["ranges"]
                    .as_array()
                    .ok_or("`ranges` is a list")?
                    .iter()
                    .map(range)
                    .collect::<Result<_, _>>()?,
                other: constant(&inner["other"]),
            },
            "with" => {
                Mapping::With { bag: self.boxed(&inner["bag"])?, properties: self.properties(&inner["properties"])? }
            }
            "renamed" => Mapping::Renamed {
                of: self.boxed(&inner["of"])?,
                keys: pairs(&inner["keys"])?
                    .map(|(old, new)| (Str::from(old.as_str()), Str::from(new.as_str().unwrap_or_default())))
                    .collect(),
            },
            other => return Err(format!("no operation `{other}`")),
        })
    }

    fn list(&self, json: &Json) -> Result<Vec<Mapping>, String> {
        json.as_array().ok_or("a list is needed")?.iter().map(|item| self.mapping(item)).collect()
    }

    fn properties(&self, json: &Json) -> Result<Vec<(Str, Mapping)>, String> {
        pairs(json)?.map(|(key, json)| Ok((Str::from(key.as_str()), self.mapping(json)?))).collect()
    }

    fn test(&self, json: &Json) -> Result<Test, String> {
        if let Some(tests) = json.get("any").and_then(Json::as_array) {
            return Ok(Test::Any(tests.iter().map(|test| self.test(test)).collect::<Result<_, _>>()?));
        }
        if let Some(test) = json.get("not") {
            return Ok(Test::Not(Box::new(self.test(test)?)));
        }
        if let Some(of) = json.get("present") {
            return Ok(Test::Present(self.mapping(of)?));
        }
        let of = self.mapping(json.get("of").ok_or("a test needs `of`, `present`, `any` or `not`")?)?;
        if let Some(words) = json.get("in").and_then(Json::as_array) {
            let words = words.iter().map(|word| Str::from(word.as_str().unwrap_or_default()));
            return Ok(Test::In(of, words.collect()));
        }
        let bounds = json.get("between").and_then(Json::as_array).ok_or("a test needs `in` or `between`")?;
        Ok(Test::Between(of, number(bounds.first())?, number(bounds.get(1))?))
    }
}

fn step(json: &Json) -> Result<Step, String> {
    match (json.as_str(), json.as_u64()) {
        (Some(key), _) => Ok(Step::Key(Str::from(key))),
        (_, Some(index)) => Ok(Step::Index(index as usize)),
        _ => Err(format!("no step of a path: {json}")),
    }
}

/// Reads `[from, to, value]`; a bound that is null is open.
fn range(json: &Json) -> Result<(f64, f64, Value), String> {
    let bound = |at: usize, open: f64| if json[at].is_null() { Ok(open) } else { number(json.get(at)) };
    Ok((bound(0, f64::NEG_INFINITY)?, bound(1, f64::INFINITY)?, constant(&json[2])))
}

fn number(json: Option<&Json>) -> Result<f64, String> {
    json.and_then(Json::as_f64).ok_or_else(|| "a number is needed".to_owned())
}

fn pairs(json: &Json) -> Result<impl Iterator<Item = (&String, &Json)>, String> {
    json.as_object().map(Map::iter).ok_or_else(|| "an object is needed".to_owned())
}

fn constant(json: &Json) -> Value {
    match json {
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Long(number),
            None => Value::Real(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::string(text.as_str()),
        _ => Value::Null,
    }
}

fn string<'j>(object: &'j Map<String, Json>, key: &str) -> Result<&'j str, String> {
    object.get(key).and_then(Json::as_str).ok_or_else(|| format!("`{key}` is missing"))
}

fn list<'j>(object: &'j Map<String, Json>, key: &str) -> Result<&'j Vec<Json>, String> {
    object.get(key).and_then(Json::as_array).ok_or_else(|| format!("`{key}` is missing"))
}
