//! Counting different values: `count_distinct` exactly, `dcount` exactly while they are few and estimated after that.

use super::Accumulator;
use crate::budget::value_bytes;
use cardinality_estimator::estimator::CardinalityEstimator;
use dtq_interp::Identity;
use dtq_value::Value;
use rustc_hash::{FxBuildHasher, FxHashSet};
use std::hash::BuildHasher;

/// `count_distinct`.
#[derive(Default)]
pub(super) struct CountDistinct(FxHashSet<Identity>);

impl Accumulator for CountDistinct {
    fn add(&mut self, args: &[Value]) -> usize {
        if args[0].is_null() || !self.0.insert(Identity(args[0].clone())) {
            return 0;
        }
        value_bytes(&args[0])
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        outputs.push(Value::Long(self.0.len() as i64));
    }
}

/// `dcount`: exact up to [`EXACT_MAX`] values, then HyperLogLog with the precision that the accuracy asks for.
pub(super) struct DCount {
    accuracy: i64,
    exact: FxHashSet<u64>,
    estimator: Option<Box<dyn Estimator>>,
}

/// Up to how many different values are counted exactly; enough for what people read as a count, and 64 KiB of hashes.
const EXACT_MAX: usize = 4_096;

/// Estimates how many different hashes it has seen.
trait Estimator: Send {
    fn insert(&mut self, hash: u64);
    fn estimate(&self) -> usize;
}

impl<const PRECISION: usize> Estimator for CardinalityEstimator<u64, wyhash_free::NoHash, PRECISION, 6> {
    fn insert(&mut self, hash: u64) {
        self.insert_hash(hash);
    }

    fn estimate(&self) -> usize {
        CardinalityEstimator::estimate(self)
    }
}

/// The estimator wants a hasher although it is only ever given hashes.
mod wyhash_free {
    /// Hashes nothing.
    #[derive(Default)]
    pub(super) struct NoHash;

    impl std::hash::Hasher for NoHash {
        fn finish(&self) -> u64 {
            0
        }

        fn write(&mut self, _bytes: &[u8]) {}
    }
}

impl DCount {
    pub(super) fn new(accuracy: Option<&Value>) -> Self {
        let accuracy = match accuracy {
            Some(Value::Long(accuracy)) => *accuracy,
            Some(Value::Int(accuracy)) => i64::from(*accuracy),
            _ => 1,
        };
        Self { accuracy, exact: FxHashSet::default(), estimator: None }
    }

    /// Returns an estimator for the accuracy.
    ///
    /// # Source
    /// Kusto documentation, "dcount()", "Estimation accuracy": 12, 14, 16, 17 and 18 bits of entries.
    fn new_estimator(&self) -> Box<dyn Estimator> {
        match self.accuracy {
            ..=0 => Box::new(CardinalityEstimator::<u64, wyhash_free::NoHash, 12, 6>::new()),
            1 => Box::new(CardinalityEstimator::<u64, wyhash_free::NoHash, 14, 6>::new()),
            2 => Box::new(CardinalityEstimator::<u64, wyhash_free::NoHash, 16, 6>::new()),
            3 => Box::new(CardinalityEstimator::<u64, wyhash_free::NoHash, 17, 6>::new()),
            4.. => Box::new(CardinalityEstimator::<u64, wyhash_free::NoHash, 18, 6>::new()),
        }
    }
}

/// Returns a hash whose bits are all equally good; the estimator uses the high and the low ones.
fn hash(value: &Value) -> u64 {
    let mut mixed = FxBuildHasher.hash_one(Identity(value.clone()));
    // The finalizer of MurmurHash3 (Appleby): each bit of the input changes half of the output.
    mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    mixed ^ (mixed >> 33)
}

impl Accumulator for DCount {
    fn add(&mut self, args: &[Value]) -> usize {
        /// What a register array takes at the highest precision: 2^18 registers of six bits.
        const ESTIMATOR_BYTES: usize = (1 << 18) * 6 / 8;
        if args[0].is_null() {
            return 0;
        }
        let hash = hash(&args[0]);
        if let Some(estimator) = &mut self.estimator {
            estimator.insert(hash);
            return 0;
        }
        if !self.exact.insert(hash) {
            return 0;
        }
        if self.exact.len() <= EXACT_MAX {
            return 2 * size_of::<u64>();
        }
        let mut estimator = self.new_estimator();
        std::mem::take(&mut self.exact).into_iter().for_each(|hash| estimator.insert(hash));
        self.estimator = Some(estimator);
        ESTIMATOR_BYTES
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        let count = self.estimator.as_ref().map_or(self.exact.len(), |estimator| estimator.estimate());
        outputs.push(Value::Long(count as i64));
    }
}
