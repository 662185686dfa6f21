//! The window of a fan-out: which subscriptions are under way, and how far everything is settled. Pure.
//!
//! Subscriptions enter in key order and settle in any order. The cursor follows the gapless run of settled ones; a
//! straggler in front of a full window is set aside, so that one slow subscriber holds up nobody. A checkpoint reaches
//! to the last settled one and names those before it that are not.

use std::collections::{BTreeSet, VecDeque};

use crate::protocol::CallbackId;

/// What a restart needs: everything up to the cursor is settled except the ones named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) cursor: Option<CallbackId>,
    pub(super) open: Vec<CallbackId>,
}

/// Subscriptions under way.
#[derive(Debug)]
pub(super) struct Window {
    cursor: Option<CallbackId>,
    run: VecDeque<(CallbackId, bool)>,
    stragglers: BTreeSet<CallbackId>,
    under_way: usize,
    /// Settled since the checkpoint that was made last, and between that and the one that was saved last.
    since_checkpoint: usize,
    unsaved: usize,
    batch: usize,
    width: usize,
    aside: usize,
    every: usize,
}

impl Window {
    /// A window that repeats at most `batch` after a crash: half of it may be in the run, an eighth set aside, and the rest
    /// settled since the last checkpoint or while that is being saved, half and half.
    pub(super) fn new(batch: usize, from: Checkpoint) -> Self {
        let (eighth, rest) = ((batch / 8).max(1), (batch / 16).saturating_mul(3).max(1));
        Self {
            cursor: from.cursor,
            run: VecDeque::new(),
            under_way: from.open.len(),
            stragglers: from.open.into_iter().collect(),
            since_checkpoint: 0,
            unsaved: 0,
            batch,
            width: (batch / 2).max(1),
            aside: eighth,
            every: rest,
        }
    }

    /// The ones that a checkpoint left open.
    pub(super) fn open(&self) -> impl Iterator<Item = CallbackId> + '_ {
        self.stragglers.iter().copied()
    }

    /// Whether another may enter. Makes room by setting stragglers aside.
    pub(super) fn has_room(&mut self) -> bool {
        while self.run.len() >= self.width && self.stragglers.len() < self.aside {
            let Some((callback, settled)) = self.run.pop_front() else { break };
            self.cursor = Some(callback);
            if !settled {
                self.stragglers.insert(callback);
            }
            self.advance();
        }
        // What is settled while a checkpoint is on its way to the disk would be repeated as well.
        let repeated = [self.run.len(), self.stragglers.len(), self.since_checkpoint, self.unsaved];
        self.run.len() < self.width && repeated.into_iter().fold(0, usize::saturating_add) < self.batch
    }

    /// The next in key order is under way.
    pub(super) fn enter(&mut self, callback: CallbackId) {
        self.run.push_back((callback, false));
        self.under_way = self.under_way.saturating_add(1);
    }

    /// The next in key order needs nothing: it has a backlog, or the publication is not for it.
    pub(super) fn pass(&mut self, callback: CallbackId) {
        if self.run.is_empty() {
            self.cursor = Some(callback);
        } else {
            self.run.push_back((callback, true));
        }
    }

    /// All of them are [settled](Self::settle).
    pub(super) fn settle_all(&mut self, callbacks: Vec<CallbackId>) {
        for callback in callbacks {
            self.settle(callback);
        }
    }

    /// Delivered, or in a backlog.
    pub(super) fn settle(&mut self, callback: CallbackId) {
        self.under_way = self.under_way.saturating_sub(1);
        self.since_checkpoint = self.since_checkpoint.saturating_add(1);
        if self.stragglers.remove(&callback) {
            return;
        }
        // Keys are in order: the place is found by halving.
        let place = self.run.binary_search_by(|(other, _)| other.cmp(&callback));
        if let Ok(place) = place
            && let Some((_, settled)) = self.run.get_mut(place)
        {
            *settled = true;
        }
        self.advance();
    }

    fn advance(&mut self) {
        while let Some((callback, true)) = self.run.front() {
            self.cursor = Some(*callback);
            self.run.pop_front();
        }
    }

    /// How many are under way.
    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way == 0
    }

    /// A checkpoint, when enough has settled since the last.
    pub(super) fn due_checkpoint(&mut self) -> Option<Checkpoint> {
        (self.since_checkpoint >= self.every).then(|| self.checkpoint())
    }

    /// The checkpoint that was made last is on disk.
    pub(super) fn saved(&mut self) {
        self.unsaved = 0;
    }

    /// A checkpoint of this moment.
    pub(super) fn checkpoint(&mut self) -> Checkpoint {
        self.unsaved = self.since_checkpoint;
        self.since_checkpoint = 0;
        let reach = self.run.iter().rposition(|(_, is_settled)| *is_settled);
        let mut passed = self.run.iter().take(reach.map_or(0, |last| last.saturating_add(1)));
        let unsettled = passed.clone().filter(|(_, is_settled)| !is_settled).map(|(callback, _)| *callback);
        Checkpoint {
            open: self.stragglers.iter().copied().chain(unsettled).collect(),
            cursor: passed.next_back().map(|(callback, _)| *callback).or(self.cursor),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn callback(number: u64) -> CallbackId {
        let mut octets = [0; 16];
        octets[8..].copy_from_slice(&number.to_be_bytes());
        CallbackId::from_bytes(octets)
    }

    #[test]
    fn a_checkpoint_reaches_to_the_last_settled_and_names_the_gaps() {
        let mut window = Window::new(8, Checkpoint::default());
        for number in 1..=3 {
            assert!(window.has_room());
            window.enter(callback(number));
        }
        window.settle(callback(2));
        assert_eq!(window.checkpoint(), Checkpoint { cursor: Some(callback(2)), open: vec![callback(1)] });
        window.settle(callback(1));
        assert_eq!(window.checkpoint(), Checkpoint { cursor: Some(callback(2)), open: vec![] });
    }

    #[test]
    fn a_straggler_is_set_aside_and_named() {
        let mut window = Window::new(8, Checkpoint::default());
        for number in 1..=4 {
            assert!(window.has_room());
            window.enter(callback(number));
        }
        for number in 2..=4 {
            window.settle(callback(number));
        }
        assert!(window.has_room(), "one slow subscriber holds up nobody");
        assert_eq!(window.checkpoint(), Checkpoint { cursor: Some(callback(4)), open: vec![callback(1)] });
        window.settle(callback(1));
        assert!(window.is_idle());
        assert!(window.checkpoint().open.is_empty());
    }

    #[test]
    fn what_is_set_aside_is_bounded() {
        let mut window = Window::new(8, Checkpoint::default());
        let mut entered = 0;
        while window.has_room() {
            entered += 1;
            window.enter(callback(entered));
        }
        assert_eq!(entered, 4 + 1, "half a batch in the run, an eighth aside");
    }

    proptest! {
        /// Whatever settles in whatever order: after a crash at any checkpoint nobody is left out, and no more than a
        /// batch is done twice.
        #[test]
        fn a_crash_leaves_nobody_out_and_repeats_at_most_a_batch(
            order in prop::collection::vec(any::<prop::sample::Index>(), 1..400),
            batch in 4_usize..64,
            speed in 1_usize..40,
            passed in prop::collection::btree_set(0_u64..200, 0..40),
        ) {
            let total = 200_u64;
            let mut window = Window::new(batch, Checkpoint::default());
            let mut next = 0;
            let mut under_way = BTreeSet::new();
            let mut done = BTreeSet::new();
            let mut last = Checkpoint::default();
            let mut saving = None;
            for (step, pick) in order.into_iter().enumerate() {
                while next < total && window.has_room() {
                    if passed.contains(&next) { window.pass(callback(next)); done.insert(next); }
                    else { window.enter(callback(next)); under_way.insert(next); }
                    next += 1;
                }
                if under_way.is_empty() { break; }
                let number = *pick.get(&under_way.iter().copied().collect::<Vec<_>>());
                under_way.remove(&number);
                done.insert(number);
                window.settle(callback(number));
                // A checkpoint takes a while to the disk, and nobody waits for it.
                if step % speed == 0 && let Some(checkpoint) = saving.take() {
                    last = checkpoint;
                    window.saved();
                }
                if saving.is_none() { saving = window.due_checkpoint(); }
                // The crash: what is behind the cursor and not named is never sent again.
                for number in 0..next {
                    let sent_again = last.cursor.is_none_or(|cursor| callback(number) > cursor)
                        || last.open.contains(&callback(number));
                    prop_assert!(sent_again || done.contains(&number), "{number} is lost");
                }
                let again = (0..next).filter(|number| done.contains(number) && !passed.contains(number)).filter(|number| {
                    last.cursor.is_none_or(|cursor| callback(*number) > cursor) || last.open.contains(&callback(*number))
                }).count() + under_way.len();
                prop_assert!(again <= batch, "{again} repeated, {batch} allowed");
            }
        }
    }
}
