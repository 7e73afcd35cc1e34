//! Where an edit goes: an event belongs to a calendar, which may be read-only, out of reach, or not synced.

use domain::{Home, Link, Record};
use store::CalendarState;

use crate::account::Account;
use crate::{Error, Sync};

/// Why an edit is taken back.
pub(crate) const READ_ONLY: &str = "the calendar may only be read";
const NOT_SYNCED: &str = "the calendar is not synced";

/// Where an event is sent to.
pub(crate) struct There {
    /// Google's id of the calendar.
    pub calendar: String,
    /// The same, as ids name it.
    pub home: Home,
}

/// Whether and where an event is sent.
pub(crate) enum Destination {
    There(There),
    /// There is no calendar for it at the moment.
    Nowhere,
    /// It may not be sent.
    Refused(&'static str),
}

impl Sync {
    /// Whether Google refuses a write because the calendar has become one that the user may only read.
    pub(crate) async fn is_read_only_now(
        &self,
        account: &mut Account,
        record: &Record,
        base: Option<&Record>,
    ) -> Result<bool, Error> {
        self.read_list(account).await?;
        self.adopt_list(account).await?;
        Ok(matches!(destination(account, record, base), Destination::Refused(_)))
    }
}

/// Where an event is to be sent: to its own calendar, which of an exception is that of its series, `base`; one of which Google has no copy, and whose calendar is not synced, to the first that takes it.
pub(crate) fn destination(account: &Account, record: &Record, base: Option<&Record>) -> Destination {
    let link = record.link.as_ref().or_else(|| base?.link.as_ref());
    let home = link.map_or_else(|| record.event.home(), |link| link.id.home().clone());
    let there = |state: &CalendarState| There { calendar: state.calendar.clone(), home: state.home() };
    match account.calendars.iter().find(|state| state.home() == home) {
        Some(state) if state.is_parked => Destination::Nowhere,
        Some(state) if !state.is_writable => Destination::Refused(READ_ONLY),
        Some(state) => Destination::There(there(state)),
        None if record.link.as_ref().is_some_and(Link::has_copy) => Destination::Refused(NOT_SYNCED),
        None => {
            let is_open =
                |state: &&CalendarState| state.is_writable && !state.is_parked && !state.is_leaving();
            let open = account.calendars.iter().find(is_open).map(there);
            open.map_or(Destination::Nowhere, Destination::There)
        }
    }
}
