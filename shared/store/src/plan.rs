//! What a change is made from and made of: what has to be read, what was read, and what shall be written.

use std::collections::BTreeSet;

use contract::user::Settings;
use domain::{Address, Change, EventId, GoogleStatus, Notice, Record, Records, Scope, Steps, Stored};

use crate::lists::EntryWrite;
use crate::table::{TRANSACTION_LIMIT, Write};
use crate::{Head, Profile};

/// What a plan has to know beside `HEAD`.
#[derive(Clone, Debug, Default)]
pub struct Reads {
    pub(crate) addresses: Vec<Address>,
    /// Ids that may lead to a series, of which the scope may ask for all exceptions.
    pub(crate) leading: Vec<(EventId, Scope)>,
    /// Series of which all exceptions are read.
    pub(crate) families: Vec<FamilyOf>,
}

/// Whose exceptions are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyOf {
    /// Those of the series with this id, whether the series itself is stored or not.
    Any(EventId),
    /// Those of the series with this id, if it is stored and not deleted.
    Stored(EventId),
}

impl Reads {
    /// Whatever these ids lead to, with all that a request of this scope may change.
    pub fn leading(ids: impl IntoIterator<Item = EventId>, scope: Scope) -> Self {
        let leading: Vec<_> = ids.into_iter().map(|id| (id, scope)).collect();
        let addresses = leading.iter().flat_map(|(id, _)| Stored::addresses(*id));
        Self { addresses: addresses.collect(), leading, families: Vec::new() }
    }

    /// What lies in these places, and the exceptions of these series.
    pub fn at(
        addresses: impl IntoIterator<Item = Address>,
        families: impl IntoIterator<Item = FamilyOf>,
    ) -> Self {
        // A batch must not name an item twice.
        let addresses: BTreeSet<Address> = addresses.into_iter().collect();
        let families = families.into_iter().collect();
        Self { addresses: addresses.into_iter().collect(), leading: Vec::new(), families }
    }

    /// These, and those.
    pub fn and(
        self,
        addresses: impl IntoIterator<Item = Address>,
        families: impl IntoIterator<Item = FamilyOf>,
    ) -> Self {
        let both =
            Self::at(self.addresses.into_iter().chain(addresses), self.families.into_iter().chain(families));
        Self { leading: self.leading, ..both }
    }
}

/// What is stored of these as single events.
impl From<&[EventId]> for Reads {
    fn from(ids: &[EventId]) -> Self {
        Self { addresses: ids.iter().map(|id| Address::Single(*id)).collect(), ..Self::default() }
    }
}

impl<const N: usize> From<&[EventId; N]> for Reads {
    fn from(ids: &[EventId; N]) -> Self {
        ids.as_slice().into()
    }
}

impl From<&Vec<EventId>> for Reads {
    fn from(ids: &Vec<EventId>) -> Self {
        ids.as_slice().into()
    }
}

/// What a plan is made from. DynamoDB may read a batch across a commit; a plan made from such a mixture is refused when it is written, and made anew.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The user's head.
    pub head: Head,
    /// What was read of the user's events.
    pub records: Records,
}

impl Snapshot {
    /// What is stored of a single event, tombstones included.
    pub fn record(&self, id: EventId) -> Option<&Record> {
        self.records.get(Address::Single(id))
    }
}

/// What shall be written, in one transaction if it fits into one ([`Steps`] says how it is split if not). An empty plan writes nothing.
#[derive(Default)]
pub struct Plan<S = Steps> {
    /// Next states of events.
    pub steps: S,
    /// What clients are told beside them.
    pub notices: Vec<Notice>,
    /// The user's settings, if they change.
    pub settings: Option<Settings>,
    /// The user's profile, if it changes.
    pub profile: Option<Profile>,
    /// The connection to Google, if its state changes.
    pub google: Option<GoogleStatus>,
    /// Entries of the user's lists, each of which gets a rev.
    pub(crate) entries: Vec<EntryWrite>,
    /// Items that no client sees and that must change with the rest.
    pub(crate) also: Vec<Write>,
}

/// A plan that changes no event, for [`crate::Store::mutate_head`].
pub type HeadPlan = Plan<NoSteps>;

/// In place of the steps of a plan that changes no event. A function whose plans are all of this kind has no use for rules and time zones, and does not
/// link them: two megabytes of its memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSteps;

impl<S> Plan<S> {
    /// Also tells clients of this.
    pub fn notice(mut self, notice: Notice) -> Self {
        self.notices.push(notice);
        self
    }

    /// Also sets the state of the connection to Google.
    pub fn google(self, google: GoogleStatus) -> Self {
        Self { google: Some(google), ..self }
    }

    /// Also sets the user's settings.
    pub fn settings(self, settings: Settings) -> Self {
        Self { settings: Some(settings), ..self }
    }

    /// The steps, and the rest.
    pub(crate) fn split(self) -> (S, HeadPlan) {
        let Self { steps, notices, settings, profile, google, entries, also } = self;
        (steps, Plan { steps: NoSteps, notices, settings, profile, google, entries, also })
    }

    /// Whether it writes nothing, apart from its steps.
    pub(crate) fn is_empty_but_for_steps(&self) -> bool {
        self.notices.is_empty()
            && self.entries.is_empty()
            && self.also.is_empty()
            && self.settings.is_none()
            && self.profile.is_none()
            && self.google.is_none()
    }
}

impl Plan {
    /// A plan of changes to events only.
    pub fn of(changes: impl IntoIterator<Item = Change>) -> Self {
        Self::steps(Steps { commit: changes.into_iter().collect(), ..Steps::default() })
    }

    /// A plan of these steps only.
    pub fn steps(steps: Steps) -> Self {
        Self { steps, ..Self::default() }
    }

    /// The most changes and notices that fit into one transaction beside `HEAD` and a few private items.
    pub const LIMIT: usize = TRANSACTION_LIMIT - 10;
    /// The most bytes that the records of one transaction weigh together. DynamoDB takes four megabytes, but not in no time.
    const WEIGHT: usize = 1_000_000;

    /// Whether all of it fits into one transaction.
    pub(crate) fn fits(&self) -> bool {
        self.steps.len() + self.notices.len() <= Self::LIMIT && self.steps.weight() <= Self::WEIGHT
    }

    /// Whether both of these fit into one transaction.
    pub(crate) fn holds(some: &Steps, more: &Steps) -> bool {
        some.len() + more.len() <= Self::LIMIT && some.weight() + more.weight() <= Self::WEIGHT
    }

    /// Changes in their order, as many together as fit into one transaction.
    pub(crate) fn parts(changes: Vec<Change>) -> Vec<Vec<Change>> {
        let (mut parts, mut part, mut weight) = (Vec::new(), Vec::new(), 0);
        for change in changes {
            let more = change.record.weight();
            if part.len() == Self::LIMIT || (weight + more > Self::WEIGHT && !part.is_empty()) {
                parts.push(std::mem::take(&mut part));
                weight = 0;
            }
            weight += more;
            part.push(change);
        }
        if !part.is_empty() {
            parts.push(part);
        }
        parts
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.is_empty_but_for_steps()
    }
}
