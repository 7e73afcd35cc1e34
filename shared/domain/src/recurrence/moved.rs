//! A recurrence whose whole series was moved.

use super::{Pattern, Recurrence};
use crate::EventTime;

impl Pattern<'_> {
    /// The recurrence after the whole series was moved to a new start. `None` where a rule cannot be moved faithfully: the caller then keeps
    /// the lines.
    pub fn moved(&self, new_start: &EventTime) -> Option<Recurrence> {
        (new_start.is_same_time(self.start)).then(|| self.recurrence.clone())
    }
}
