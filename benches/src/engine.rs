//! Rule texts to processors, with what evaluates the rules: the one place that knows the engines apart.

use crate::questions::{self, RuleText};
use dtq_record::otlp::Signal;
use dtq_rules::compile::{Options, RuleSet, compile};
use dtq_rules::engine::{Options as ProcessorOptions, Output, Processor};
use dtq_rules::file::{self, NoFiles};
use dtq_rules::native::NativeSet;
use std::sync::Arc;

/// The time that rules see.
pub const NOW_TICKS: i64 = 638_960_000_000_000_000;

/// Rules of one file: a file may not be larger than 4 MiB.
const RULES_A_FILE: usize = 1_000;

/// Says what evaluates the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The interpreter.
    Interp,
    /// Native code.
    Native,
}

impl Engine {
    /// All engines.
    pub const ALL: [Self; 2] = [Self::Interp, Self::Native];

    /// Returns the word for it, as lines and arguments have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interp => "interp",
            Self::Native => "native",
        }
    }

    /// Returns what a case of this engine is called among those of one question.
    pub fn who(self) -> String {
        format!("dtq {}", self.name())
    }

    /// Returns the rule set of rule files.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn rule_set(self, files: &[String]) -> Result<RuleSet, String> {
        let read = files.iter().enumerate().map(|(index, text)| {
            let name = format!("rules-{index}.yaml");
            let (read, diagnostics) = file::read(&name, text.as_bytes(), &NoFiles, &file::Options::default());
            if read.is_complete { Ok(read) } else { Err(format!("{diagnostics:?}")) }
        });
        let compiled = compile(&read.collect::<Result<Vec<_>, _>>()?, &self.options());
        compiled.set.ok_or_else(|| format!("{:?}", compiled.diagnostics))
    }

    fn options(self) -> Options {
        match self {
            Self::Interp | Self::Native => Options::default(),
        }
    }

    /// Returns a processor that runs a rule set.
    pub fn processor(self, set: Arc<RuleSet>) -> Processor {
        let options = ProcessorOptions { start_ticks: NOW_TICKS, random_seed: 1 };
        let mut processor = Processor::new(Arc::clone(&set), &options);
        if self == Self::Native {
            let native = NativeSet::compile(&set).expect("this machine runs native code");
            assert!(processor.use_native(Arc::new(native)), "the set is the processor's own");
        }
        processor
    }

    /// Puts a rule set in the place of another; native code is compiled for it, but for what the set before has too.
    pub fn swap(self, processor: &mut Processor, set: &Arc<RuleSet>, native: &mut Option<Arc<NativeSet>>) {
        processor.swap(Arc::clone(set), NOW_TICKS);
        if self == Self::Native {
            let begun = NativeSet::begin(set, native.as_deref()).expect("this machine runs native code");
            let is_complete = !begun.report().scans.is_empty() && begun.report().begun == 0;
            let next = Arc::new(if is_complete { begun } else { complete(&begun) });
            assert!(processor.use_native(Arc::clone(&next)), "the set is the processor's own");
            *native = Some(next);
        }
    }

    /// Returns the native code of a rule set, as far as an engine has any.
    pub fn code(self, set: &Arc<RuleSet>) -> Option<NativeSet> {
        (self == Self::Native).then(|| NativeSet::compile(set).expect("this machine runs native code"))
    }

    /// Returns a processor that gives its first answers: with native code, on that of the conditions alone, which comes
    /// after that of another set or of none.
    pub fn first_processor(self, set: Arc<RuleSet>, before: Option<&NativeSet>) -> Processor {
        let options = ProcessorOptions { start_ticks: NOW_TICKS, random_seed: 1 };
        let mut processor = Processor::new(Arc::clone(&set), &options);
        if self == Self::Native {
            let native = NativeSet::begin(&set, before).expect("this machine runs native code");
            assert!(processor.use_native(Arc::new(native)), "the set is the processor's own");
        }
        processor
    }

    /// Returns a processor that runs these rules.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn processor_of(self, rules: &[RuleText]) -> Result<Processor, String> {
        Ok(self.processor(Arc::new(self.rule_set(&files(rules))?)))
    }
}

fn complete(native: &NativeSet) -> NativeSet {
    native.complete().expect("this machine runs native code")
}

/// Returns the rule files that hold these rules.
pub fn files(rules: &[RuleText]) -> Vec<String> {
    rules.chunks(RULES_A_FILE).map(questions::file).collect()
}

/// Returns what is left of a request.
pub fn apply(processor: &mut Processor, request: &[u8]) -> Output {
    processor.apply(Signal::Logs, request, NOW_TICKS, None).output
}

/// Returns how many bytes are left of a request.
pub fn size_left(processor: &mut Processor, request: &[u8]) -> u64 {
    match apply(processor, request) {
        Output::Unchanged => request.len() as u64,
        Output::Empty => 0,
        Output::Bytes(bytes) => {
            let size = bytes.len() as u64;
            processor.recycle(bytes);
            size
        }
    }
}
