//! Operators and sources of rows as indented text. Part of [`super`], which has expressions and statements.

use super::{Dump, columns_text, name};
use crate::ast::{
    Evaluate, Find, Join, MakeSeries, MvItem, Name, OperatorKind, Parse, ParsePiece, Property, ReorderItem, Scan,
    ScanStep, Search, SortKey, Source, SubPipeline, Summarize, TopNested, Union,
};

impl Dump {
    /// Writes a source of rows.
    pub(super) fn source(&mut self, source: &Source) {
        match source {
            Source::Print(items) => self.assignments("print", items),
            Source::Range { column, from, to, step } => self.node(&format!("range {}", name(column)), |dump| {
                dump.maybe("from", Some(from));
                dump.maybe("to", Some(to));
                dump.maybe("step", step.as_ref());
            }),
            Source::DataTable { columns, values } => {
                self.node(&format!("datatable {}", columns_text(columns)), |dump| dump.exprs("values", values));
            }
            Source::Union(union) => self.union(union),
            Source::Search(search) => self.search(search),
            Source::Find(find) => self.find(find),
            Source::Evaluate(evaluate) => self.evaluate(evaluate),
            Source::ExternalData { columns, args } => {
                self.node(&format!("externaldata {}", columns_text(columns)), |dump| dump.exprs("from", args));
            }
        }
    }

    /// Writes an operator of a pipeline.
    pub(super) fn operator(&mut self, kind: &OperatorKind) {
        match kind {
            OperatorKind::Missing => self.line("missing operator"),
            OperatorKind::Where(properties, predicate) => self.node("where", |dump| {
                dump.properties(properties);
                dump.expr(predicate);
            }),
            OperatorKind::Extend(items) => self.assignments("extend", items),
            OperatorKind::Project(items) => {
                self.node("project", |dump| items.iter().for_each(|item| dump.assignment(item)));
            }
            OperatorKind::ProjectAway(items) => self.exprs("project-away", items),
            OperatorKind::ProjectKeep(items) => self.exprs("project-keep", items),
            OperatorKind::ProjectRename(items) => self.assignments("project-rename", items),
            OperatorKind::ProjectReorder(items) => self.reorder(items),
            OperatorKind::ProjectByNames(items) => self.exprs("project-by-names", items),
            OperatorKind::Take(properties, count) => self.node("take", |dump| {
                dump.properties(properties);
                dump.expr(count);
            }),
            OperatorKind::Count(as_name) => self.line(&with_name("count", as_name.as_ref())),
            OperatorKind::Distinct(properties, columns) => self.node("distinct", |dump| {
                dump.properties(properties);
                columns.iter().for_each(|column| dump.expr(column));
            }),
            OperatorKind::Summarize(summarize) => self.summarize(summarize),
            OperatorKind::Sort(properties, keys) => self.node("sort", |dump| {
                dump.properties(properties);
                keys.iter().for_each(|key| dump.sort_key(key));
            }),
            OperatorKind::Top { properties, count, by, more } => self.node("top", |dump| {
                dump.properties(properties);
                dump.expr(count);
                dump.sort_key(by);
                more.iter().for_each(|key| dump.sort_key(key));
            }),
            OperatorKind::As(properties, found) => {
                self.node(&format!("as {}", name(found)), |dump| dump.properties(properties));
            }
            OperatorKind::Render { kind, properties } => {
                self.node(&format!("render {}", name(kind)), |dump| dump.properties(properties));
            }
            OperatorKind::Parse(parse) => self.parse(parse),
            OperatorKind::ParseKv { value, columns, properties } => {
                self.node(&format!("parse-kv {}", columns_text(columns)), |dump| {
                    dump.expr(value);
                    dump.properties(properties);
                });
            }
            OperatorKind::MvExpand(expand) => {
                self.node(&with_name("mv-expand", expand.item_index.as_ref()), |dump| {
                    dump.properties(&expand.properties);
                    expand.items.iter().for_each(|item| dump.mv_item(item));
                    dump.maybe("limit", expand.limit.as_ref());
                });
            }
            OperatorKind::MvApply { properties, items, item_index, limit, id, body } => {
                self.node(&with_name("mv-apply", item_index.as_ref()), |dump| {
                    dump.properties(properties);
                    items.iter().for_each(|item| dump.mv_item(item));
                    dump.maybe("limit", limit.as_ref());
                    dump.maybe("id", id.as_ref());
                    dump.sub_pipeline("on", body);
                });
            }
            OperatorKind::Join(join) => self.join("join", join),
            OperatorKind::Lookup(join) => self.join("lookup", join),
            OperatorKind::Union(union) => self.union(union),
            OperatorKind::GetSchema => self.line("getschema"),
            OperatorKind::Serialize(items) => {
                self.node("serialize", |dump| items.iter().for_each(|item| dump.assignment(item)));
            }
            OperatorKind::MakeSeries(series) => self.make_series(series),
            OperatorKind::TopNested(levels) => levels.iter().for_each(|level| self.top_nested(level)),
            OperatorKind::TopHitters { count, of, by } => self.node("top-hitters", |dump| {
                dump.expr(count);
                dump.maybe("of", Some(of));
                dump.maybe("by", by.as_ref());
            }),
            OperatorKind::Search(search) => self.search(search),
            OperatorKind::Scan(scan) => self.scan(scan),
            OperatorKind::Reduce { properties, by, with } => self.node("reduce", |dump| {
                dump.properties(properties);
                dump.maybe("by", Some(by));
                dump.properties(with);
            }),
            OperatorKind::Sample(count) => self.maybe("sample", Some(count)),
            OperatorKind::SampleDistinct { count, of } => self.node("sample-distinct", |dump| {
                dump.expr(count);
                dump.maybe("of", Some(of));
            }),
            OperatorKind::Fork(branches) => self.node("fork", |dump| {
                for branch in branches {
                    dump.sub_pipeline(&with_name("branch", branch.name.as_ref()), &branch.body);
                }
            }),
            OperatorKind::Facet { by, with } => self.node("facet", |dump| {
                dump.exprs("by", by);
                with.iter().for_each(|body| dump.sub_pipeline("with", body));
            }),
            OperatorKind::Partition { properties, by, body } => self.node("partition", |dump| {
                dump.properties(properties);
                dump.maybe("by", Some(by));
                dump.sub_pipeline("each", body);
            }),
            OperatorKind::Invoke(call) => self.maybe("invoke", Some(call)),
            OperatorKind::Evaluate(evaluate) => self.evaluate(evaluate),
            OperatorKind::Consume(properties) => self.node("consume", |dump| dump.properties(properties)),
            OperatorKind::Unsupported(keyword) => self.line(&format!("unsupported {}", keyword.text)),
        }
    }

    fn properties(&mut self, properties: &[Property]) {
        for property in properties {
            self.node(&format!("property {}", name(&property.name)), |dump| dump.expr(&property.value));
        }
    }

    fn sort_key(&mut self, key: &SortKey) {
        let order = match key.is_ascending {
            Some(true) => " asc",
            Some(false) => " desc",
            None => "",
        };
        let nulls = match key.is_nulls_first {
            Some(true) => " nulls first",
            Some(false) => " nulls last",
            None => "",
        };
        self.node(&format!("key{order}{nulls}"), |dump| dump.expr(&key.value));
    }

    fn sub_pipeline(&mut self, label: &str, body: &SubPipeline) {
        self.node(label, |dump| {
            body.source.iter().for_each(|source| dump.expr(source));
            body.operators.iter().for_each(|operator| dump.operator(&operator.kind));
        });
    }

    fn reorder(&mut self, items: &[ReorderItem]) {
        self.node("project-reorder", |dump| {
            for item in items {
                match item.order {
                    Some(order) => dump.node(&format!("order {order:?}"), |dump| dump.expr(&item.column)),
                    None => dump.expr(&item.column),
                }
            }
        });
    }

    fn summarize(&mut self, summarize: &Summarize) {
        self.node("summarize", |dump| {
            dump.properties(&summarize.properties);
            summarize.aggregates.iter().for_each(|item| dump.assignment(item));
            dump.assignments("by", &summarize.by);
            dump.maybe("bin", summarize.bin.as_deref());
        });
    }

    fn parse(&mut self, parse: &Parse) {
        let keyword = if parse.is_where { "parse-where" } else { "parse" };
        let label = with_name(&with_name(keyword, parse.kind.as_ref()), parse.flags.as_ref());
        self.node(&label, |dump| {
            dump.expr(&parse.value);
            for piece in &parse.pattern {
                match piece {
                    ParsePiece::Star(_) => dump.line("skip"),
                    ParsePiece::Text(text) => dump.maybe("text", Some(text)),
                    ParsePiece::Column(column) => {
                        dump.line(&format!("column {}", columns_text(std::slice::from_ref(column))));
                    }
                }
            }
        });
    }

    fn mv_item(&mut self, item: &MvItem) {
        match &item.ty {
            Some(ty) => self.node(&format!("item {}", ty.text), |dump| dump.assignment(&item.value)),
            None => self.node("item", |dump| dump.assignment(&item.value)),
        }
    }

    fn join(&mut self, label: &str, join: &Join) {
        self.node(label, |dump| {
            dump.properties(&join.properties);
            dump.expr(&join.right);
            dump.exprs("on", &join.on);
        });
    }

    fn union(&mut self, union: &Union) {
        self.node("union", |dump| {
            dump.properties(&union.properties);
            union.tables.iter().for_each(|table| dump.expr(table));
        });
    }

    fn search(&mut self, search: &Search) {
        self.node("search", |dump| {
            dump.properties(&search.properties);
            dump.exprs("in", &search.tables);
            dump.expr(&search.predicate);
        });
    }

    fn find(&mut self, find: &Find) {
        self.node("find", |dump| {
            dump.properties(&find.properties);
            dump.exprs("in", &find.tables);
            dump.expr(&find.predicate);
            if !find.is_smart {
                dump.line(&format!("project {}", columns_text(&find.project)));
            }
        });
    }

    fn evaluate(&mut self, evaluate: &Evaluate) {
        self.node("evaluate", |dump| {
            dump.properties(&evaluate.properties);
            dump.expr(&evaluate.call);
            evaluate.schema.iter().for_each(|columns| dump.line(&format!("schema {}", columns_text(columns))));
        });
    }

    fn make_series(&mut self, series: &MakeSeries) {
        self.node("make-series", |dump| {
            dump.properties(&series.properties);
            for (aggregate, default) in &series.aggregates {
                dump.assignment(aggregate);
                dump.maybe("default", default.as_ref());
            }
            dump.assignments("on", std::slice::from_ref(&series.on));
            dump.maybe("from", series.from.as_ref());
            dump.maybe("to", series.to.as_ref());
            dump.maybe("step", Some(&series.step));
            dump.assignments("by", &series.by);
        });
    }

    fn top_nested(&mut self, level: &TopNested) {
        let order = match level.is_ascending {
            Some(true) => "top-nested asc",
            Some(false) => "top-nested desc",
            None => "top-nested",
        };
        self.node(order, |dump| {
            dump.maybe("count", level.count.as_ref());
            dump.assignments("of", std::slice::from_ref(&level.of));
            dump.maybe("others", level.others.as_ref());
            dump.assignments("by", std::slice::from_ref(&level.by));
        });
    }

    fn scan(&mut self, scan: &Scan) {
        self.node("scan", |dump| {
            dump.properties(&scan.properties);
            scan.order_by.iter().for_each(|key| dump.sort_key(key));
            dump.exprs("partition by", &scan.partition_by);
            scan.declare.iter().for_each(|param| dump.param(param));
            scan.steps.iter().for_each(|step| dump.scan_step(step));
        });
    }

    fn scan_step(&mut self, step: &ScanStep) {
        let optional = if step.is_optional { " optional" } else { "" };
        let label = format!("step {}{optional}", name(&step.name));
        self.node(&with_name(&label, step.output.as_ref()), |dump| {
            dump.expr(&step.condition);
            dump.assignments("set", &step.assignments);
        });
    }
}

/// Returns a label and, after it, a name if there is one.
fn with_name(label: &str, found: Option<&Name>) -> String {
    found.map_or_else(|| label.to_owned(), |found| format!("{label} {}", name(found)))
}
