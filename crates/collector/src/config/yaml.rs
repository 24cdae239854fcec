//! YAML text to a tree of texts, lists and mappings, each with its line and column.
//!
//! Decides no types: what a text means depends on its key, so that a token of digits stays the token. Aliases are
//! written out and counted against a bound; tags, merge keys and several documents are refused, because programs
//! disagree on them. Next: `raw.rs`.

use super::value::Fault;
use granit_parser::{Event, Parser, ScalarStyle};
use std::collections::BTreeMap;

/// Nesting of lists and mappings; the keys that there are need five.
const NESTING_MAX: u8 = 32;

/// Values in a file, those that aliases stand for included.
const NODES_MAX: usize = 100_000;

/// Holds a value of the file and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// What it is.
    pub kind: Kind,
}

/// Says what a node is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Nothing: no text, `~` or `null` without quotes.
    Null,
    /// A text, a number, a word.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values in the order of the file; a key may stand twice.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// Returns a fault here.
    pub fn fault(&self, message: impl Into<String>) -> Fault {
        Fault { line: self.line, column: self.column, message: message.into() }
    }
}

/// Returns the tree; a file without content is nothing.
///
/// # Errors
/// What makes it no YAML that is read here.
pub fn parse(text: &str) -> Result<Node, Fault> {
    let options = granit_parser::options! {
        flow_nesting_limit: usize::from(NESTING_MAX),
        block_nesting_limit: usize::from(NESTING_MAX),
    };
    let mut builder = Builder { text, open: Vec::new(), anchors: BTreeMap::new(), root: None, count: 0 };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| {
            let (line, column) = place(text, error.marker().byte_offset().unwrap_or(text.len()));
            Fault { line, column, message: format!("this is not YAML: {}", error.kind()) }
        })?;
        let start = span.byte_range().map_or(0, |range| range.start);
        if span.tag_span().is_some() {
            return Err(builder.node(start, Kind::Null).fault("tags of YAML are not read here; leave it out"));
        }
        builder.event(event, start)?;
    }
    Ok(builder.root.unwrap_or(Node { line: 1, column: 1, kind: Kind::Null }))
}

/// Returns the line and the column of a byte.
fn place(text: &str, offset: usize) -> (u64, u64) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    // Bytes that continue a character are none of their own.
    let column = before[line_start..].iter().filter(|byte| **byte & 0xC0 != 0x80).count() as u64 + 1;
    (before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1, column)
}

/// A list or mapping whose end has not come.
struct Open {
    node: Node,
    anchor: usize,
    nodes: Vec<Node>,
    count_before: usize,
}

struct Builder<'t> {
    text: &'t str,
    open: Vec<Open>,
    /// What an anchor names, and how many nodes it is.
    anchors: BTreeMap<usize, (Node, usize)>,
    root: Option<Node>,
    count: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, start: usize) -> Result<(), Fault> {
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(self.node(start, Kind::Null).fault("a configuration is one YAML document"))
            }
            Event::Scalar(text, style, anchor, _) => {
                let is_null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null");
                let kind = if is_null { Kind::Null } else { Kind::Text(text.into_owned()) };
                let node = self.node(start, kind);
                self.add(node, anchor, 1)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(start, Kind::List(Vec::new()), anchor);
                Ok(())
            }
            Event::MappingStart(_, anchor, _) => {
                self.begin(start, Kind::Map(Vec::new()), anchor);
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some((node, count)) => {
                    let node = self.node(start, node.kind);
                    self.add(node, 0, count)
                }
                None => Err(self.node(start, Kind::Null).fault("this alias stands inside of what it names")),
            },
            _ => Ok(()),
        }
    }

    fn node(&self, start: usize, kind: Kind) -> Node {
        let (line, column) = place(self.text, start);
        Node { line, column, kind }
    }

    fn begin(&mut self, start: usize, kind: Kind, anchor: usize) {
        let node = self.node(start, kind);
        self.open.push(Open { node, anchor, nodes: Vec::new(), count_before: self.count });
    }

    fn end(&mut self) -> Result<(), Fault> {
        let Some(Open { mut node, anchor, nodes, count_before }) = self.open.pop() else { return Ok(()) };
        node.kind = match node.kind {
            Kind::Map(_) => Kind::Map(pairs(nodes)),
            _ => Kind::List(nodes),
        };
        let count = self.count - count_before + 1;
        self.count = count_before;
        self.add(node, anchor, count)
    }

    /// Puts a finished node, of `count` nodes, where it belongs.
    fn add(&mut self, node: Node, anchor: usize, count: usize) -> Result<(), Fault> {
        self.count = self.count.saturating_add(count);
        if self.count > NODES_MAX {
            return Err(node.fault(format!("the file has more than {NODES_MAX} values")));
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
    let mut nodes = nodes.into_iter();
    std::iter::from_fn(|| nodes.next().zip(nodes.next())).collect()
}
