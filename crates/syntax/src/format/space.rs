//! What stands between two tokens on one line, and what is known of each range of tokens before any is written.
//!
//! One pass from left to right with a stack of brackets; afterwards every question about a range takes constant time.

use crate::token::{Token, TokenKind};
use crate::words;
use dtq_source::Span;
use std::collections::HashMap;

/// Holds what is known of the tokens of a text.
pub struct Spacing {
    /// Index of the bracket that each bracket is paired with.
    partners: Vec<Option<usize>>,
    /// Whether a space stands before each token, if it is not the first of its line.
    spaces: Vec<bool>,
    /// Width of all tokens before this one, with their spaces.
    widths: Vec<usize>,
    /// Count of places up to each token where a line must break before it.
    breaks: Vec<usize>,
    /// Whether the token is a word such as `by` before which a long operator breaks.
    clauses: Vec<bool>,
    /// For the first token of an operator whose list can be broken: the index of its first item.
    lists: HashMap<usize, usize>,
    /// Count of values in a row, for the bracket of a `datatable`.
    rows: HashMap<usize, usize>,
}

/// Operators that are a keyword and a list.
const LISTING: &[&str] = &[
    "extend",
    "project",
    "project-away",
    "project-keep",
    "project-rename",
    "project-reorder",
    "distinct",
    "summarize",
    "sort",
    "order",
    "print",
    "mv-expand",
    "union",
    "serialize",
    "make-series",
    "top-nested",
];

/// Operators whose names can be patterns, in which a star keeps its place.
const PATTERNS: &[&str] = &["project-away", "project-keep", "project-reorder", "union"];

/// Parameters of operators, written without spaces around `=`.
const PROPERTIES: &[&str] = &[
    "kind",
    "withsource",
    "with_source",
    "isfuzzy",
    "flags",
    "bagexpansion",
    "with_itemindex",
    "with_match_id",
    "with_step_name",
    "decodeblocks",
];

/// Words after which a parenthesis does not hold arguments.
const CLAUSES: &[&str] = &[
    "and", "or", "by", "on", "of", "to", "from", "step", "with", "view", "as", "asc", "desc", "first", "last", "regex",
    "matches", "let", "set", "default", "optional", "print", "search", "find",
];

/// What is known of the bracket, or the whole text, around the place reached.
#[derive(Clone, Default)]
struct Frame<'a> {
    /// The keyword of the operator reached.
    operator: &'a str,
    /// Indexes of the pipes so far.
    pipes: Vec<usize>,
    /// Whether stars keep their place.
    is_pattern: bool,
    /// Whether `name=value` is a property.
    has_properties: bool,
    /// Whether it is inside of `dynamic(...)`.
    is_json: bool,
    /// Whether it is a function's body.
    is_body: bool,
    /// Whether it holds the steps of `scan`.
    has_steps: bool,
}

impl Spacing {
    /// Looks at all tokens.
    pub fn new(text: &str, tokens: &[Token], comments: &[Span]) -> Self {
        let mut spacing = Self {
            partners: partners(tokens),
            spaces: Vec::with_capacity(tokens.len()),
            widths: vec![0],
            breaks: Vec::with_capacity(tokens.len()),
            clauses: vec![false; tokens.len()],
            lists: HashMap::new(),
            rows: HashMap::new(),
        };
        let mut forced = forced_by_comments(tokens, comments);
        let mut scan = Scan { text, tokens, stack: vec![Frame::default()] };
        for index in 0..tokens.len() {
            scan.enter_word(index, &mut spacing);
            let has_space = index > 0 && scan.has_space(index);
            spacing.spaces.push(has_space);
            let size = scan.word(index).chars().count() + usize::from(has_space);
            spacing.widths.push(spacing.widths[index] + size);
            scan.bracket(index, &mut spacing, &mut forced);
        }
        let mut count = 0;
        for is_forced in forced {
            count += usize::from(is_forced);
            spacing.breaks.push(count);
        }
        spacing
    }

    /// Returns the bracket paired with a token.
    pub fn partner(&self, index: usize) -> Option<usize> {
        self.partners.get(index).copied().flatten()
    }

    /// Says whether a space stands before a token.
    pub fn has_space(&self, index: usize) -> bool {
        self.spaces[index]
    }

    /// Returns the width of a range on one line, in characters.
    pub fn width(&self, start: usize, end: usize) -> usize {
        self.widths[end] - self.widths[start]
    }

    /// Says whether a line has to break inside of a range.
    pub fn must_break(&self, start: usize, end: usize) -> bool {
        end > start + 1 && self.breaks[end - 1] > self.breaks[start]
    }

    /// Says whether a long operator breaks before a token.
    pub fn is_clause(&self, index: usize) -> bool {
        self.clauses[index]
    }

    /// Says whether a range that begins here is a list whose items can stand on lines of their own.
    pub fn is_listing(&self, index: usize) -> bool {
        self.lists.contains_key(&index)
    }

    /// Says whether an operator with a list begins here.
    pub fn is_operator(&self, index: usize) -> bool {
        self.lists.contains_key(&index)
    }

    /// Returns the index of the first item of the list that begins here.
    pub fn items_start(&self, index: usize) -> usize {
        self.lists.get(&index).copied().unwrap_or(index + 1)
    }

    /// Returns how many items stand on a line inside of this bracket.
    pub fn row_size(&self, open: usize) -> usize {
        self.rows.get(&open).copied().unwrap_or(1)
    }

    /// Says whether a comment stands on a line that begins with code.
    pub fn follows_code(&self, text: &str, comment: Span) -> bool {
        let before = &text[..comment.start as usize];
        let line = before.rsplit('\n').next().unwrap_or(before);
        !line.trim().is_empty()
    }

    /// Says whether an empty line stands right before an offset.
    pub fn has_blank_line_before(&self, text: &str, offset: usize) -> bool {
        let before = &text[..offset];
        let white = &before[before.trim_end().len()..];
        white.bytes().filter(|byte| *byte == b'\n').count() > 1
    }
}

/// Returns for each token the index of the bracket it is paired with; the text is known to parse.
fn partners(tokens: &[Token]) -> Vec<Option<usize>> {
    let mut partners = vec![None; tokens.len()];
    let mut open = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        if token.kind.closing().is_some() {
            open.push(index);
        } else if token.kind.is_closing()
            && let Some(partner) = open.pop()
        {
            partners[index] = Some(partner);
            partners[partner] = Some(index);
        }
    }
    partners
}

/// Returns for each token whether a comment stands before it.
fn forced_by_comments(tokens: &[Token], comments: &[Span]) -> Vec<bool> {
    let mut forced = vec![false; tokens.len()];
    let mut at = 0;
    for comment in comments {
        while at < tokens.len() && tokens[at].span.start < comment.start {
            at += 1;
        }
        // The printer moves such a comment behind the comma.
        let is_moved =
            tokens.get(at).is_some_and(|token| matches!(token.kind, TokenKind::Comma | TokenKind::Semicolon));
        at += usize::from(is_moved);
        if let Some(place) = forced.get_mut(at) {
            *place = true;
        }
    }
    forced
}

/// The pass over the tokens.
struct Scan<'a> {
    text: &'a str,
    tokens: &'a [Token],
    stack: Vec<Frame<'a>>,
}

impl<'a> Scan<'a> {
    fn kind(&self, index: usize) -> TokenKind {
        self.tokens.get(index).map_or(TokenKind::End, |token| token.kind)
    }

    fn word(&self, index: usize) -> &'a str {
        self.tokens.get(index).map_or("", |token| &self.text[token.span.range()])
    }

    fn frame(&mut self) -> &mut Frame<'a> {
        self.stack.last_mut().expect("the frame of the whole text is never popped")
    }

    /// Learns from a word which operator is reached and what is a clause.
    fn enter_word(&mut self, index: usize, spacing: &mut Spacing) {
        let kind = self.kind(index);
        if kind == TokenKind::Semicolon || kind == TokenKind::Pipe {
            let frame = self.frame();
            (frame.operator, frame.is_pattern) = ("", false);
            if kind == TokenKind::Semicolon {
                frame.pipes.clear();
            }
        }
        if kind != TokenKind::Word {
            return;
        }
        let word = self.word(index);
        let after_pipe = index > 0 && self.kind(index - 1) == TokenKind::Pipe;
        let is_source = matches!(word, "print" | "union" | "search" | "find") && self.frame().operator.is_empty();
        if after_pipe || is_source {
            let frame = self.frame();
            (frame.operator, frame.is_pattern) = (word, PATTERNS.contains(&word));
            if LISTING.contains(&word) {
                let has_by = self.word(index + 1) == "by";
                let start = if after_pipe { index - 1 } else { index };
                spacing.lists.insert(start, index + 1 + usize::from(has_by));
            }
        } else if matches!((self.frame().operator, word), ("summarize" | "make-series", "by") | ("make-series", "on")) {
            spacing.clauses[index] = true;
        }
    }

    /// Opens and closes frames, and says where pipelines and functions have to break.
    fn bracket(&mut self, index: usize, spacing: &mut Spacing, forced: &mut [bool]) {
        let kind = self.kind(index);
        if kind.closing().is_some() {
            let frame = self.opened(index);
            if kind == TokenKind::BracketOpen
                && let Some(size) = self.datatable_columns(index, spacing)
            {
                spacing.rows.insert(index, size);
            }
            self.stack.push(frame);
        } else if kind.is_closing() && self.stack.len() > 1 {
            let frame = self.stack.pop().expect("more than one frame");
            if frame.pipes.len() > 1 {
                frame.pipes.iter().for_each(|pipe| forced[*pipe] = true);
            }
        } else if kind == TokenKind::Pipe {
            self.frame().pipes.push(index);
        } else if kind == TokenKind::Semicolon
            && self.stack.len() > 1
            && let Some(next) = forced.get_mut(index + 1)
        {
            *next = true;
        }
    }

    /// Returns the frame of a bracket.
    fn opened(&mut self, index: usize) -> Frame<'a> {
        let before = if index > 0 { self.word(index - 1) } else { "" };
        let outer = self.frame().clone();
        let is_brace = self.kind(index) == TokenKind::BraceOpen;
        let is_json = before == "dynamic" || outer.is_json;
        let is_step = self.word(index + 1) == "step";
        Frame {
            is_json,
            is_body: is_brace && !is_json,
            is_pattern: before == "in" && matches!(outer.operator, "search" | "find"),
            has_properties: before == "with" && !is_step,
            has_steps: before == "with" && is_step,
            ..Frame::default()
        }
    }

    /// Returns how many columns the `datatable` has whose values begin here.
    fn datatable_columns(&self, open: usize, spacing: &Spacing) -> Option<usize> {
        let close = open.checked_sub(1).filter(|close| self.kind(*close) == TokenKind::ParenClose)?;
        let columns = spacing.partner(close)?;
        let is_datatable = columns > 0 && self.word(columns - 1) == "datatable";
        let commas = (columns..close).filter(|index| self.kind(*index) == TokenKind::Comma).count();
        is_datatable.then_some(commas + 1)
    }

    /// Says whether a space stands before a token that is not the first.
    fn has_space(&mut self, index: usize) -> bool {
        let (before, kind) = (self.kind(index - 1), self.kind(index));
        let frame = self.frame().clone();
        if words::UNSUPPORTED.contains(&frame.operator) {
            // Signs such as `-->` are several tokens; what they mean is not known here.
            return self.tokens[index - 1].span.end < self.tokens[index].span.start;
        }
        if matches!(kind, TokenKind::Comma | TokenKind::Semicolon) || before == TokenKind::Dot {
            return false;
        }
        if before.closing().is_some() {
            return frame.is_body && before == TokenKind::BraceOpen;
        }
        if kind.is_closing() {
            return frame.is_body && kind == TokenKind::BraceClose;
        }
        match kind {
            TokenKind::Dot => matches!(before, TokenKind::Integer | TokenKind::Real | TokenKind::TimeSpan),
            TokenKind::Colon => before == TokenKind::ParenClose && self.kind(index + 1) == TokenKind::ParenOpen,
            TokenKind::ParenOpen => self.has_space_before_parenthesis(index),
            TokenKind::BracketOpen => {
                !matches!(before, TokenKind::ParenClose | TokenKind::BracketClose) && !self.is_name(index - 1)
            }
            TokenKind::Assign => !self.is_property(index),
            TokenKind::Star => !self.is_glued_star(index, &frame),
            _ => {
                self.has_space_after(index - 1, &frame)
                    && !(before == TokenKind::Star && self.is_glued_star(index, &frame))
            }
        }
    }

    /// Says whether a space stands after a token, as far as that one decides.
    fn has_space_after(&mut self, index: usize, frame: &Frame<'a>) -> bool {
        match self.kind(index) {
            TokenKind::Colon => {
                let is_schema = index > 0 && self.kind(index - 1) == TokenKind::ParenClose;
                frame.is_json || frame.has_steps || is_schema
            }
            TokenKind::Assign => !self.is_property(index),
            TokenKind::Minus | TokenKind::Plus => index > 0 && self.ends_operand(index - 1),
            _ => true,
        }
    }

    fn has_space_before_parenthesis(&mut self, index: usize) -> bool {
        match self.kind(index - 1) {
            TokenKind::Word
                if index > 1 && self.kind(index - 2) == TokenKind::Assign && self.is_property(index - 2) =>
            {
                true
            }
            TokenKind::Word if self.frame().operator == "partition" => true,
            TokenKind::Word => !self.is_name(index - 1),
            TokenKind::BracketClose | TokenKind::Colon => self.kind(index.saturating_sub(2)) == TokenKind::ParenClose,
            TokenKind::Minus | TokenKind::Plus => index > 1 && self.ends_operand(index - 2),
            TokenKind::Assign => !self.is_property(index - 1),
            _ => true,
        }
    }

    /// Says whether a word is a name, after which brackets hold arguments or an index.
    fn is_name(&self, index: usize) -> bool {
        let word = self.word(index);
        let is_keyword = CLAUSES.contains(&word)
            || words::LIST_OPERATORS.contains(&word)
            || words::STRING_OPERATORS.contains(&word)
            || words::OPERATORS.contains(&word) && word != "count" && !self.is_call(index);
        self.kind(index) == TokenKind::Word && !is_keyword
    }

    /// Says whether an operator's word stands where it can only be a function.
    fn is_call(&self, index: usize) -> bool {
        index > 0 && !matches!(self.kind(index - 1), TokenKind::Pipe | TokenKind::ParenOpen | TokenKind::BraceOpen)
    }

    /// Says whether the `=` here belongs to a parameter of an operator.
    fn is_property(&mut self, index: usize) -> bool {
        let word = self.word(index - 1);
        let is_hint = index > 2 && self.kind(index - 2) == TokenKind::Dot;
        let is_output = word == "output" && self.frame().has_steps;
        PROPERTIES.contains(&word) || is_hint || is_output || self.frame().has_properties
    }

    /// Says whether a star here, or before here, is glued to its neighbour as part of a pattern.
    fn is_glued_star(&self, index: usize, frame: &Frame<'a>) -> bool {
        let is_glued = self.tokens[index - 1].span.end == self.tokens[index].span.start;
        let is_part = |kind| matches!(kind, TokenKind::Word | TokenKind::Star | TokenKind::Integer);
        frame.is_pattern && is_glued && is_part(self.kind(index - 1)) && is_part(self.kind(index))
    }

    /// Says whether an operand ends with this token, so that a sign after it is an operator.
    fn ends_operand(&self, index: usize) -> bool {
        match self.kind(index) {
            TokenKind::Word => {
                let word = self.word(index);
                !CLAUSES.contains(&word)
                    && !words::LIST_OPERATORS.contains(&word)
                    && !words::STRING_OPERATORS.contains(&word)
                    && (!words::OPERATORS.contains(&word) || self.is_call(index))
            }
            TokenKind::Integer | TokenKind::Real | TokenKind::TimeSpan | TokenKind::String | TokenKind::Typed => true,
            kind => kind.is_closing(),
        }
    }
}
