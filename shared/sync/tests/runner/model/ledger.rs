//! What was written, by whom and about what: from this follows what must be found in the end.

use std::collections::BTreeSet;
use std::fmt;

use domain::Slot;

use super::shape;
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
    /// At Google: the following occurrences became a series of their own, which has nothing of what had been said of single ones.
    pub is_cut: bool,
    /// Nothing of the root was left on that side, and the other side had nothing that this one did not know.
    pub ends_all: bool,
    /// The texts that there were on that side before.
    pub saw: Saw,
}

/// Not printed: it is all that there was.
#[derive(Clone, Default)]
pub struct Saw(BTreeSet<String>);

impl fmt::Debug for Saw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl FromIterator<String> for Saw {
    fn from_iter<I: IntoIterator<Item = String>>(texts: I) -> Self {
        Self(texts.into_iter().collect())
    }
}

impl Write {
    pub fn new(side: Side, number: u16, root: String, cover: Cover, change: Change) -> Self {
        Self { side, number, root, cover, change, is_cut: false, ends_all: false, saw: Saw::default() }
    }

    /// The texts that it has written.
    pub fn texts(&self) -> Vec<String> {
        let title = self.writes_title().then(|| shape::title(self.number));
        let description = self.writes_description().then(|| shape::description(&self.root, self.number));
        title.into_iter().chain(description).collect()
    }

    fn writes_title(&self) -> bool {
        matches!(self.change, Change::Create(_) | Change::Title)
    }

    fn writes_description(&self) -> bool {
        matches!(self.change, Change::Description)
    }

    /// Whether this may be why nothing of an earlier write is to be seen: it was made over it, by somebody who had it before their eyes.
    pub fn may_hide(&self, earlier: &Self) -> bool {
        let is_about_it = match self.change {
            Change::Title | Change::Create(_) => earlier.writes_title(),
            Change::Description => earlier.writes_description(),
            Change::Delete | Change::Move(_) | Change::Never => true,
            Change::Rule(_) | Change::Shift(..) | Change::TurnAllDay | Change::Length(_) => {
                self.makes_another_pattern() && earlier.cover != Cover::All
            }
            Change::Return | Change::Other(_) => false,
        };
        let is_about_it = is_about_it || (self.is_cut && matches!(earlier.cover, Cover::One(_)));
        let is_over_it = self.number > earlier.number && self.cover.may_hide(earlier.cover);
        self.root == earlier.root && is_about_it && is_over_it && self.has_seen(earlier)
    }

    fn has_seen(&self, earlier: &Self) -> bool {
        earlier.texts().iter().all(|text| self.saw.0.contains(text))
    }

    /// Another pattern has other occurrences: what was said of one of the old ones goes with it.
    fn makes_another_pattern(&self) -> bool {
        !matches!(self.cover, Cover::One(_))
    }
}
