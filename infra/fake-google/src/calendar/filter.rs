//! Which events a list is about.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::book::{Book, Stored};
use super::instance;
use super::question::Question;
use super::time::moment;
use super::{Fields, event};
use crate::error::Refusal;

/// How long Google remembers what was deleted.
const MEMORY: TimeDelta = TimeDelta::days(30);

/// An open interval: what ends after `from` and begins before `to`.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

impl Window {
    /// `timeMin` and `timeMax`, or those `kept` in a sync token.
    pub(super) fn parse(
        question: &Question,
        kept: (Option<&String>, Option<&String>),
    ) -> Result<Self, Refusal> {
        let (from, to) = (question.instant("timeMin", kept.0)?, question.instant("timeMax", kept.1)?);
        if let (Some(from), Some(to)) = (from, to)
            && to <= from
        {
            return Err(Refusal::bad("timeRangeEmpty", "The specified time range is empty.")
                .at("parameter", "timeMax"));
        }
        Ok(Self { from, to })
    }

    /// Does an event by itself lie in it?
    pub(super) fn holds(self, book: &Book, fields: &Fields) -> bool {
        let at =
            |which| moment(fields, which, book.zone).ok().map(|moment| moment.instant(book.zone).to_utc());
        self.from.is_none_or(|from| at("end").is_none_or(|end| end > from))
            && self.to.is_none_or(|to| at("start").is_none_or(|start| start < to))
    }

    /// As [`Window::holds`]; a series does if one of its instances does.
    pub(super) fn has(self, book: &Book, fields: &Fields) -> bool {
        let Some(pattern) = book.pattern(fields).filter(|_| self.from.is_some() || self.to.is_some()) else {
            return self.holds(book, fields);
        };
        let from = self.from.and_then(|from| from.checked_sub_signed(instance::length(fields, book.zone)));
        let from = from.unwrap_or(DateTime::<Utc>::MIN_UTC);
        let to = self.to.unwrap_or_else(|| from.checked_add_signed(TimeDelta::days(3660)).unwrap_or(from));
        pattern.slots(from, to).into_iter().any(|slot| slot < to && (self.from.is_none() || slot > from))
    }
}

/// A question, applied to one event after the other.
pub(super) struct Filter<'a> {
    book: &'a Book,
    question: &'a Question,
    /// Only changes later than this commit.
    after: Option<i64>,
    pub window: Window,
    updated_min: Option<DateTime<Utc>>,
    /// Deletions up to this commit are forgotten.
    forgotten: i64,
}

impl<'a> Filter<'a> {
    /// # Errors
    /// 400 for bounds that cannot be read; 410 if it asks for changes among which are deletions that are forgotten.
    pub(super) fn parse(
        book: &'a Book,
        question: &'a Question,
        repeats_boundary: bool,
        now: DateTime<Utc>,
    ) -> Result<Self, Refusal> {
        let token = question.sync_token.as_ref();
        let kept = token.map(|token| (token.window.0.as_ref(), token.window.1.as_ref())).unwrap_or_default();
        let window = Window::parse(question, kept)?;
        let after = token.map(|token| token.cursor - i64::from(repeats_boundary));
        let forgotten = (now - MEMORY).timestamp_micros();
        let is_lost = |stored: &Stored| {
            is_tombstone(&stored.fields)
                && stored.changed <= forgotten
                && token.is_some_and(|token| token.cursor < stored.changed)
        };
        if token.is_some() && book.events.values().any(is_lost) {
            return Err(Refusal::full_sync_required());
        }
        let updated_min = question.instant("updatedMin", None)?;
        if updated_min.is_some_and(|least| least.timestamp_micros() <= forgotten) {
            return Err(Refusal::updated_min_too_long_ago());
        }
        Ok(Self { book, question, after, window, updated_min, forgotten })
    }

    /// Is it among the changes that are asked for?
    pub(super) fn is_changed(&self, stored: &Stored) -> bool {
        self.after.is_none_or(|after| stored.changed > after)
            && self.updated_min.is_none_or(|least| stored.changed >= least.timestamp_micros())
            && !(is_tombstone(&stored.fields) && stored.changed <= self.forgotten)
    }

    /// Does it match, leaving aside when it is?
    pub(super) fn fits(&self, fields: &Fields) -> bool {
        let is = |name: &str, wanted: &str| fields.get(name).is_some_and(|own| own == wanted);
        let mut types = self.question.all("eventTypes").peekable();
        self.shows(fields)
            && (types.peek().is_none() || types.any(|kind| is("eventType", kind)))
            && self.question.all("iCalUID").all(|uid| is("iCalUID", uid))
            && self.question.all("privateExtendedProperty").all(|pair| has_property(fields, "private", pair))
            && self.question.all("sharedExtendedProperty").all(|pair| has_property(fields, "shared", pair))
            && self.question.all("q").all(|words| mentions(fields, words))
    }

    /// Of the cancelled, a full list shows only the exceptions of live series, and none if it expands series.
    fn shows(&self, fields: &Fields) -> bool {
        let is_exception_of_live = || {
            let master = event::master_of(fields).and_then(|id| self.book.events.get(id));
            let is_alive = master.is_some_and(|master| !event::is_cancelled(&master.fields));
            is_alive && !self.question.is("singleEvents")
        };
        let is_change = self.question.shows_deleted || self.updated_min.is_some();
        is_change || !event::is_cancelled(fields) || is_exception_of_live()
    }
}

/// What is left of a deleted event. A cancelled instance is part of its series and is not forgotten.
fn is_tombstone(fields: &Fields) -> bool {
    event::is_cancelled(fields) && event::master_of(fields).is_none()
}

fn has_property(fields: &Fields, kind: &str, pair: &str) -> bool {
    let Some((name, value)) = pair.split_once('=') else { return false };
    let properties = fields.get("extendedProperties").and_then(|all| all.get(kind));
    properties.and_then(|all| all.get(name)).is_some_and(|own| own == value)
}

fn mentions(fields: &Fields, words: &str) -> bool {
    let words = words.to_lowercase();
    let texts = ["summary", "description", "location"].map(|name| fields.get(name).and_then(Value::as_str));
    texts.into_iter().flatten().any(|text| text.to_lowercase().contains(&words))
}
