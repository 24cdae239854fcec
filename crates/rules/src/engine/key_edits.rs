//! What rules write into the attributes of one record, as keys that go and keys that get a constant, to cuts of its bytes.
//!
//! Gives what `written.rs`, the overlay and the edit of a record give together, for records as encoders write them; of
//! others it says that they have to be judged in full. Changes nothing by itself. Next: `lane.rs`.

use crate::engine::written::EDITS_MAX;
use crate::native::edits::{EditPlan, EditedKeys, KeyEdit, Node};
use dtq_record::otlp::assemble::Cut;
use dtq_record::otlp::key_places::{KEYS_EDITED_MAX, KeyPlace};
use smallvec::{SmallVec, smallvec};

/// Holds what rules write into a record, in their order, before it is known what of it is there already.
#[derive(Default)]
pub(crate) struct KeyEdits {
    /// Position of the rule and what it edits.
    edits: SmallVec<[(usize, KeyEdit); 4]>,
    /// The bits of the keys.
    touched: u64,
}

type Cuts = SmallVec<[(u32, u32, Option<usize>); 4]>;

/// Holds what becomes of a record; one of them serves record after record.
#[derive(Default)]
pub(crate) struct Spliced {
    /// The rules that change it, in order.
    pub(crate) editors: SmallVec<[usize; 4]>,
    /// Ranges of the record and what they get, by position, in the order of their places; none when what rules changed
    /// they changed back.
    cuts: Cuts,
    /// The keys in the order in which they first became another.
    becomes: SmallVec<[KeyEdit; KEYS_EDITED_MAX]>,
}

impl Spliced {
    /// Returns what is cut out of the record and put in.
    pub(crate) fn cuts<'k>(&self, keys: &'k EditedKeys) -> impl ExactSizeIterator<Item = Cut<'k>> {
        let put = |put: Option<usize>| put.map_or(&[][..], |put| &keys.puts[put].field);
        self.cuts.iter().map(move |(start, end, new)| Cut { start: *start, end: *end, put: put(*new) })
    }
}

impl KeyEdits {
    /// Says whether no rule writes anything.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Returns the most bytes that they put into a record.
    pub(crate) fn put_bytes(&self, keys: &EditedKeys) -> usize {
        self.edits.iter().filter_map(|(_, (_, put))| *put).map(|put| keys.puts[put].field.len()).sum()
    }

    /// Says whether some of the keys with these bits are written.
    #[inline]
    pub(crate) fn touch(&self, bits: u64) -> bool {
        self.touched & bits != 0
    }

    /// Adds what a rule writes, where `holds` decides its choices; `None` when that is not known here.
    #[inline]
    pub(crate) fn follow(
        &mut self,
        rule: usize,
        plan: &EditPlan,
        mut holds: impl FnMut(usize) -> Option<bool>,
    ) -> Option<()> {
        let first = self.edits.len();
        for root in &plan.roots {
            let (mut at, mut followed_count) = (*root, 0);
            loop {
                match plan.node(at) {
                    Node::Same => break,
                    Node::Unknown => return None,
                    Node::Edited { edits, of } => {
                        followed_count += edits.len();
                        if followed_count >= EDITS_MAX {
                            return None;
                        }
                        edits.iter().for_each(|edit| self.add(rule, first, *edit));
                        at = *of;
                    }
                    Node::Chosen { arms, otherwise } => {
                        at = *otherwise;
                        for (choice, node) in arms {
                            if holds(*choice)? {
                                at = *node;
                                break;
                            }
                        }
                    }
                }
            }
        }
        Some(())
    }

    /// Adds an edit, unless the rule, whose edits begin at `first`, has one of the same key: the outermost counts.
    fn add(&mut self, rule: usize, first: usize, edit: KeyEdit) {
        if self.edits[first..].iter().all(|(_, (key, _))| *key != edit.0) {
            self.edits.push((rule, edit));
            self.touched |= 1 << edit.0;
        }
    }

    /// Finds what becomes of a record; `None` when that is not known here.
    pub(crate) fn splice(&self, keys: &EditedKeys, record: &[u8], spliced: &mut Spliced) -> Option<()> {
        let Spliced { editors, cuts, becomes } = spliced;
        editors.clear();
        cuts.clear();
        becomes.clear();
        let mut places: SmallVec<[Option<KeyPlace<'_>>; 4]> = smallvec![None; keys.places.keys().len()];
        keys.places.find(record, self.touched, &mut places)?;
        let end = record.len() as u32;
        let cut = |key: usize, put| {
            let (start, end) = places[key].as_ref().map_or((end, end), |place| (place.start, place.end));
            (start, end, put)
        };
        if self.edits.len() == self.touched.count_ones() as usize {
            for (rule, (key, put)) in &self.edits {
                if differs(keys, places[*key].as_ref(), *put)? {
                    if editors.last() != Some(rule) {
                        editors.push(*rule);
                    }
                    cuts.push(cut(*key, *put));
                }
            }
            return in_order(cuts);
        }
        for (rule, (key, put)) in &self.edits {
            match becomes.iter_mut().find(|(own, _)| own == key) {
                Some((_, held)) if held == put => continue,
                Some((_, held)) => *held = *put,
                None if !differs(keys, places[*key].as_ref(), *put)? => continue,
                None => becomes.push((*key, *put)),
            }
            if editors.last() != Some(rule) {
                editors.push(*rule);
            }
        }
        for (key, put) in &*becomes {
            // What was changed once may have been changed back, which only an edit of an edited key does.
            if differs(keys, places[*key].as_ref(), *put)? {
                cuts.push(cut(*key, *put));
            }
        }
        in_order(cuts).filter(|()| becomes.len() <= KEYS_EDITED_MAX)
    }
}

/// Brings cuts into the order of their places; what is new stands at the end, in order. `None` for too many.
#[inline]
fn in_order(cuts: &mut Cuts) -> Option<()> {
    if !cuts.is_sorted_by_key(|cut| cut.0) {
        cuts.sort_by_key(|cut| cut.0);
    }
    (cuts.len() <= KEYS_EDITED_MAX).then_some(())
}

/// Says whether an attribute, if it is there, is not what it is to become; `None` when that is not known here.
fn differs(keys: &EditedKeys, place: Option<&KeyPlace<'_>>, put: Option<usize>) -> Option<bool> {
    match (place, put) {
        (None, None) => Some(false),
        (None, Some(_)) | (Some(_), None) => Some(true),
        (Some(place), Some(put)) => place.held.is(&keys.puts[put].value).map(|is_same| !is_same),
    }
}
