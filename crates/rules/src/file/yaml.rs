//! YAML text to a tree of nodes, each with the bytes it was written in.
//!
//! Never decides what a key means. Aliases are written out, and counted against the limit on nodes like what they stand
//! for, so that a small file cannot become a large tree. Tags, merge keys and several documents are refused, because
//! programs disagree on them. Next: `place.rs`.

use crate::file::place::TextMap;
use dtq_source::{Code, Diagnostic, Limits, Span};
use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many bytes of text count like one node.
const TEXT_BYTES_PER_NODE: usize = 64;

/// Holds a value of the file and where it is written.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The bytes of the value; of an alias, the alias.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// Says what a node is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Text, a number, a word: what it means depends on the key.
    Scalar(Scalar),
    /// A list.
    List(Arc<Vec<Node>>),
    /// Keys and values in the order of the file; a key may stand twice.
    Map(Arc<Vec<(Node, Node)>>),
}

/// Holds a value that is not a list or a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    /// The text after YAML's escapes and folding.
    pub text: Arc<str>,
    /// Whether it stands without quotes and not as a block: only then it can be a number, a bool or null.
    pub is_plain: bool,
    /// From places in `text` to places in the file.
    pub map: Arc<TextMap>,
}

/// Returns the tree, `None` for a file without content, or what makes it no YAML that rule files use.
pub(crate) fn parse(text: &str, limits: &Limits) -> Result<Option<Node>, Diagnostic> {
    let nesting_max = limits.nesting_max.min(255);
    let options = granit_parser::options! {
        flow_nesting_limit: nesting_max,
        block_nesting_limit: nesting_max,
    };
    let mut builder = Builder { text, limits, anchors: BTreeMap::new(), open: Vec::new(), root: None, node_count: 0 };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| malformed(text, &error))?;
        let range = span.byte_range().unwrap_or(0..0);
        let tag = span.tag_span().and_then(|span| span.byte_range());
        if let Some(tag) = tag {
            let message = "rule files use no YAML tags";
            return Err(refused(Span::new(tag.start, tag.end), message).label("write the value without its tag"));
        }
        builder.event(event, Span::new(range.start, range.end))?;
    }
    Ok(builder.root)
}

/// A list or mapping whose end has not come.
struct Open {
    start: Span,
    anchor: usize,
    is_map: bool,
    nodes: Vec<Node>,
    node_count_before: usize,
}

struct Builder<'t> {
    text: &'t str,
    limits: &'t Limits,
    /// What an anchor names, and how many nodes it is.
    anchors: BTreeMap<usize, (Node, usize)>,
    open: Vec<Open>,
    root: Option<Node>,
    node_count: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostic> {
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(refused(span, "a rule file is one YAML document").label("put this in a file of its own"))
            }
            Event::Scalar(text, style, anchor, _) => {
                let map = TextMap::of_scalar(self.text, span, &text, style);
                let is_plain = style == ScalarStyle::Plain;
                // Long texts count for more, so that aliases of one are bounded in bytes, too.
                let count = 1 + text.len() / TEXT_BYTES_PER_NODE;
                let scalar = Scalar { text: Arc::from(&*text), is_plain, map: Arc::new(map) };
                self.add(Node { span: trim(self.text, span), kind: Kind::Scalar(scalar) }, anchor, count)
            }
            Event::SequenceStart(_, anchor, _) => self.start(span, anchor, false),
            Event::MappingStart(_, anchor, _) => self.start(span, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some((node, count)) => self.add(Node { span, ..node }, 0, count),
                // An alias inside of what it names.
                None => Err(refused(span, "this alias stands inside of what it names").label("write the value out")),
            },
            _ => Ok(()),
        }
    }

    fn start(&mut self, span: Span, anchor: usize, is_map: bool) -> Result<(), Diagnostic> {
        if self.open.len() >= self.limits.nesting_max {
            return Err(too_deep(span, self.limits.nesting_max));
        }
        let node_count_before = self.node_count;
        self.open.push(Open { start: span, anchor, is_map, nodes: Vec::new(), node_count_before });
        Ok(())
    }

    fn end(&mut self, span: Span) -> Result<(), Diagnostic> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let count = self.node_count - open.node_count_before + 1;
        // The end of a block comes with whatever stands after it.
        let last = open.nodes.last().map_or(span, |node| node.span);
        let whole = if self.text.get(span.range()).unwrap_or("").is_empty() {
            open.start.to(last)
        } else {
            open.start.to(span)
        };
        let kind = if open.is_map { Kind::Map(Arc::new(pairs(open.nodes))) } else { Kind::List(Arc::new(open.nodes)) };
        self.node_count = open.node_count_before;
        self.add(Node { span: whole, kind }, open.anchor, count)
    }

    /// Puts a finished node, of `count` nodes, where it belongs.
    fn add(&mut self, node: Node, anchor: usize, count: usize) -> Result<(), Diagnostic> {
        self.node_count = self.node_count.saturating_add(count);
        if self.node_count > self.limits.rule_file_nodes_max {
            let max = self.limits.rule_file_nodes_max;
            let message = format!("the file has more than {max} values, those of aliases counted each time");
            return Err(
                Diagnostic::error(Code::E5001, node.span, message).label("split the file, or use fewer aliases")
            );
        }
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), count));
        }
        match self.open.last_mut() {
            Some(open) => open.nodes.push(node),
            None => self.root = Some(node),
        }
        Ok(())
    }
}

/// Returns keys and values, which came in turn.
fn pairs(nodes: Vec<Node>) -> Vec<(Node, Node)> {
    let mut pairs = Vec::with_capacity(nodes.len() / 2);
    let mut nodes = nodes.into_iter();
    while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
        pairs.push((key, value));
    }
    pairs
}

/// Returns the span without the line ends and blanks that a block scalar's span ends with.
fn trim(text: &str, span: Span) -> Span {
    let raw = text.get(span.range()).unwrap_or("");
    Span { start: span.start, end: span.start + Span::new(0, raw.trim_end().len()).end }
}

fn refused(span: Span, message: &str) -> Diagnostic {
    Diagnostic::error(Code::E5003, span, message)
}

fn too_deep(span: Span, max: usize) -> Diagnostic {
    Diagnostic::error(Code::E5001, span, format!("lists and mappings are nested deeper than {max}"))
        .label("no rule needs this: write it flatter")
}

/// Returns the diagnostic for text that is no YAML.
fn malformed(text: &str, error: &ScanError) -> Diagnostic {
    let start = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    let end = text.get(start..).and_then(|rest| rest.chars().next()).map_or(start, |first| start + first.len_utf8());
    let span = Span::new(start, end);
    if *error.kind() == ErrorKind::RecursionLimitExceeded {
        return Diagnostic::error(Code::E5001, span, "lists and mappings are nested too deeply")
            .label("no rule needs this: write it flatter");
    }
    let diagnostic = Diagnostic::error(Code::E5002, span, format!("this is not YAML: {}", reason(error)));
    diagnostic.label(remedy(text, start, error.kind()))
}

/// Returns the parser's reason without the place, which is shown otherwise.
fn reason(error: &ScanError) -> String {
    error.kind().to_string()
}

/// Returns what to write instead, where the usual cause is known.
fn remedy(text: &str, offset: usize, kind: &ErrorKind) -> &'static str {
    let line = text.get(..offset).unwrap_or("").rsplit('\n').next().unwrap_or("").trim_start();
    match kind {
        ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation | ErrorKind::TabNotAllowed => {
            "indent with spaces, YAML takes no tabs"
        }
        _ if line.trim_start_matches("- ").starts_with("kql:") => {
            "write the query as a block: `kql: |`, then indented lines"
        }
        ErrorKind::MappingValueNotAllowed => "put the value in quotes, or check the indentation of this line",
        ErrorKind::UnclosedQuotedScalar => "close the quote",
        ErrorKind::UnclosedFlowCollection { .. } => "close the bracket",
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            "write `key: value`, or indent the line as part of the value above"
        }
        ErrorKind::UnknownAnchor => "no anchor `&` has this name",
        _ => "check the indentation here, and quotes and brackets before it",
    }
}
