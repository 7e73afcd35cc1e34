//! The first slots of a range that may hold any number of them.

use crate::{Pattern, Slot};

/// How many days are looked at in a first step; each further step looks at twice as many.
const STEP: i64 = 64;

impl Pattern<'_> {
    /// The first slots in `[from, to]`, at most `limit`, sorted. Costs as much as what it returns, however long the range is.
    pub fn first_slots(&self, from: Slot, to: Slot, limit: usize) -> Vec<Slot> {
        let mut found = Vec::new();
        let (mut start, mut days) = (self.next(from).filter(|first| *first <= to), STEP);
        while let Some(first) = start.filter(|_| found.len() < limit) {
            let end = self.shifted(first, days).min(to);
            found.extend(self.slots(first, end));
            let after = end.successor().filter(|_| end < to);
            start = after.and_then(|after| self.next(after)).filter(|next| *next <= to);
            days = days.saturating_mul(2);
        }
        found.truncate(limit);
        found
    }
}
