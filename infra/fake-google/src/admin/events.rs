//! Acting as a user of Google's own calendar app, and seeding calendars.

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde_json::{Value, json};

use crate::calendar::book::Book;
use crate::calendar::scope::Scope;
use crate::calendar::{Fields, open};
use crate::error::Refusal;
use crate::oauth::scopes::Access;
use crate::state::{Google, World};

/// `calendar` is an id or `primary`; refusals are those of the API.
impl Google {
    /// Adds an event; an id may be given, of any form.
    ///
    /// # Errors
    /// As the API refuses it.
    pub fn create_event(&self, email: &str, calendar: &str, event: Value) -> Result<Value, Refusal> {
        let given = fields(event)?;
        let mut world = self.world();
        let id = given.get("id").and_then(Value::as_str).map_or_else(|| world.event_id(), str::to_owned);
        self.edit(&mut world, email, calendar, |book, at| {
            book.insert(&id, given, email, at).map(|event| shown(&event))
        })
    }

    /// Merges `patch` into an event; null removes a member.
    ///
    /// # Errors
    /// As the API refuses it.
    pub fn edit_event(&self, email: &str, calendar: &str, id: &str, patch: Value) -> Result<Value, Refusal> {
        let patch = fields(patch)?;
        let change = |book: &mut Book, at| book.patch(id, patch, None, at).map(|event| shown(&event));
        self.edit(&mut self.world(), email, calendar, change)
    }

    /// Edits an instance, all from it on, or the whole series, as the app offers it when a person saves; null removes a member. Answers with
    /// the event that was named, the new series, or the series.
    ///
    /// # Errors
    /// As the API refuses it, and 400 if it is no series.
    pub fn edit_series(
        &self,
        email: &str,
        calendar: &str,
        id: &str,
        scope: Scope,
        patch: Value,
    ) -> Result<Value, Refusal> {
        let patch = fields(patch)?;
        let change = |book: &mut Book, at| match scope {
            Scope::This => book.patch(id, patch, None, at),
            Scope::Following => book.edit_following(id, patch, at),
            Scope::All => book.edit_all(id, patch, at),
        };
        self.edit(&mut self.world(), email, calendar, change).map(|event| shown(&event))
    }

    /// Deletes an event; of a series, all of it.
    ///
    /// # Errors
    /// As the API refuses it.
    pub fn delete_event(&self, email: &str, calendar: &str, id: &str) -> Result<(), Refusal> {
        self.delete_series(email, calendar, id, Scope::This)
    }

    /// Deletes an instance, all from it on, or the whole series with what was split off it.
    ///
    /// # Errors
    /// As the API refuses it, and 400 if it is no series.
    pub fn delete_series(&self, email: &str, calendar: &str, id: &str, scope: Scope) -> Result<(), Refusal> {
        self.edit(&mut self.world(), email, calendar, |book, at| match scope {
            Scope::This => book.delete(id, None, at),
            Scope::Following => book.delete_following(id, at),
            Scope::All => book.delete_all(id, at),
        })
    }

    /// Takes an event or an instance out of the bin.
    ///
    /// # Errors
    /// As the API refuses it.
    pub fn restore_event(&self, email: &str, calendar: &str, id: &str) -> Result<Value, Refusal> {
        self.edit_event(email, calendar, id, json!({"status": "confirmed"}))
    }

    /// Moves an event to another calendar of the account.
    ///
    /// # Errors
    /// As the API refuses it.
    pub fn move_event(&self, email: &str, from: &str, to: &str, id: &str) -> Result<Value, Refusal> {
        let mut world = self.world();
        let from = open(&world, email, from, Access::WriteEvents)?;
        let to = open(&world, email, to, Access::WriteEvents)?;
        self.relocate(&mut world, &from, &to, id, None).map(|event| shown(&event))
    }

    /// Puts events into a calendar as they are given, in one commit and with one notification: ids, exceptions, organizers, anything. Only
    /// what is missing is filled in; what is there under the same id is replaced.
    ///
    /// # Errors
    /// If there is no such calendar, or an event has no time.
    pub fn plant(
        &self,
        email: &str,
        calendar: &str,
        events: impl IntoIterator<Item = Value>,
    ) -> Result<(), Refusal> {
        let mut world = self.world();
        let events: Vec<Fields> = events.into_iter().map(fields).collect::<Result<_, _>>()?;
        let named = |world: &mut World, event: Fields| {
            let id = event.get("id").and_then(Value::as_str).map_or_else(|| world.event_id(), str::to_owned);
            (id, event)
        };
        let events: Vec<_> = events.into_iter().map(|event| named(&mut world, event)).collect();
        let calendar = open(&world, email, calendar, Access::ReadEvents)?;
        self.write(&mut world, &calendar, |book, at| {
            events.into_iter().try_for_each(|(id, event)| book.plant(&id, event, email, at))
        })
    }

    /// Fills a calendar with single events, an hour each, one a day from 2026 on, and with weekly series without end; the same every time.
    ///
    /// # Errors
    /// If there is no such calendar.
    pub fn populate(
        &self,
        email: &str,
        calendar: &str,
        singles: usize,
        series: usize,
    ) -> Result<(), Refusal> {
        let event = |n: usize, kind: &str, recurrence: Value| {
            let day = NaiveDate::from_ymd_opt(2026, 1, 1)?
                .checked_add_days(Days::new(u64::try_from(n).ok()? % 3650))?;
            let at = |hour: usize| json!({"dateTime": format!("{day}T{hour:02}:00:00Z"), "timeZone": "UTC"});
            let (summary, description) =
                (format!("{kind} {n}"), "Bring the notes of last time and something to eat.");
            Some(json!({
                "id": format!("{kind}{n:08}"), "summary": summary, "description": description, "location": "Room 1",
                "start": at(n % 23), "end": at(n % 23 + 1), "recurrence": recurrence,
            }))
        };
        let singles = (0..singles).filter_map(|n| event(n, "single", Value::Null));
        let series = (0..series).filter_map(|n| event(n, "series", json!(["RRULE:FREQ=WEEKLY"])));
        self.plant(email, calendar, singles.chain(series))
    }

    /// The instances of a calendar between two instants, in order: what a person sees. Exceptions are as they are, cancelled ones left out.
    ///
    /// # Errors
    /// If there is no such calendar.
    pub fn occurrences(
        &self,
        email: &str,
        calendar: &str,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<Value>, Refusal> {
        let world = self.world();
        let calendar = open(&world, email, calendar, Access::ReadEvents)?;
        let book = world.books.get(&calendar).ok_or_else(Refusal::not_found)?;
        Ok(book.occurrences(from, to).iter().map(|event| shown(event)).collect())
    }

    /// An event, deleted ones included.
    ///
    /// # Errors
    /// If there is no such calendar or event.
    pub fn event(&self, email: &str, calendar: &str, id: &str) -> Result<Value, Refusal> {
        let world = self.world();
        let calendar = open(&world, email, calendar, Access::ReadEvents)?;
        world.books.get(&calendar).ok_or_else(Refusal::not_found)?.event(id).map(|event| shown(&event))
    }

    /// All events of a calendar as they are kept, deleted ones included, in the order of their ids.
    ///
    /// # Errors
    /// If there is no such calendar.
    pub fn events(&self, email: &str, calendar: &str) -> Result<Vec<Value>, Refusal> {
        let world = self.world();
        let calendar = open(&world, email, calendar, Access::ReadEvents)?;
        let book = world.books.get(&calendar).ok_or_else(Refusal::not_found)?;
        Ok(book.events.values().map(|stored| shown(&stored.fields)).collect())
    }

    fn edit<T>(
        &self,
        world: &mut World,
        email: &str,
        calendar: &str,
        change: impl FnOnce(&mut Book, i64) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let calendar = open(world, email, calendar, Access::WriteEvents)?;
        self.write(world, &calendar, change)
    }
}

fn fields(event: Value) -> Result<Fields, Refusal> {
    match event {
        Value::Object(fields) => Ok(fields),
        _ => Err(Refusal::bad("parseError", "Parse Error")),
    }
}

fn shown(event: &Fields) -> Value {
    Value::Object(event.clone())
}
