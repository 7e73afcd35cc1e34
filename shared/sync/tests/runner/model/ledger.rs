//! What was written, by whom and about what: from this follows what must be found in the end.

use domain::Slot;

use super::step::Change;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Here,
    There,
}

/// What of the events that came of one creation a write is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    One(Option<Slot>),
    Following,
    All,
}

impl Cover {
    /// Whether a write of this cover may leave nothing of an earlier one. A second cut may lie before the first.
    fn may_hide(self, earlier: Self) -> bool {
        match (self, earlier) {
            (Self::All, _) | (Self::Following, Self::Following | Self::One(_)) => true,
            (Self::One(later), Self::One(earlier)) => later == earlier,
            (Self::Following, Self::All) | (Self::One(_), Self::All | Self::Following) => false,
        }
    }
}

/// Something that was done and acknowledged.
#[derive(Clone, Debug)]
pub struct Write {
    pub side: Side,
    pub number: u16,
    pub root: String,
    pub cover: Cover,
    pub change: Change,
    /// Nothing of the root was left on that side, and the other side had nothing that this one did not know.
    pub ends_all: bool,
}

impl Write {
    pub fn new(side: Side, number: u16, root: String, cover: Cover, change: Change) -> Self {
        Self { side, number, root, cover, change, ends_all: false }
    }

    pub fn writes_title(&self) -> bool {
        matches!(self.change, Change::Create(_) | Change::Title)
    }

    pub fn writes_description(&self) -> bool {
        matches!(self.change, Change::Description)
    }

    /// Whether this may be why nothing of an earlier write is to be seen.
    pub fn may_hide(&self, earlier: &Self) -> bool {
        let is_about_it = match self.change {
            Change::Title | Change::Create(_) => earlier.writes_title(),
            Change::Description => earlier.writes_description(),
            Change::Delete | Change::Move | Change::Never => true,
            Change::Rule(_) | Change::Shift(..) | Change::TurnAllDay | Change::Length(_) => {
                self.makes_another_pattern() && earlier.cover != Cover::All
            }
            Change::Return | Change::Other(_) => false,
        };
        let is_over_it = self.number > earlier.number && self.cover.may_hide(earlier.cover);
        self.root == earlier.root && is_about_it && (is_over_it || self.takes_the_slot_of(earlier))
    }

    /// Another pattern has other occurrences: what was said of one of the old ones goes with it.
    fn makes_another_pattern(&self) -> bool {
        !matches!(self.cover, Cover::One(_))
    }

    /// A known defect, and not how it should be: a change of a series' pattern that is not sent yet takes what the other side meanwhile says
    /// of one of its occurrences along, without a record.
    fn takes_the_slot_of(&self, other: &Self) -> bool {
        let is_of_one = matches!(other.cover, Cover::One(_));
        self.side != other.side && self.makes_another_pattern() && is_of_one
    }
}
