//! Calendars, and whose list they are on.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde_json::{Map, Value};

use crate::calendar::book::{Book, Listed};
use crate::calendar::channels::Watched;
use crate::error::Refusal;
use crate::push::ResourceState;
use crate::state::{Google, World};

/// Calendars and their lists.
impl Google {
    /// Adds a calendar of the account, in the zone of its primary one, and returns its id.
    ///
    /// # Errors
    /// If there is no such account.
    pub fn create_calendar(&self, email: &str, summary: &str) -> Result<String, Refusal> {
        let mut world = self.world();
        let zone = world.accounts.get(email).ok_or_else(Refusal::not_found)?.time_zone;
        let id = format!("{}@group.calendar.google.com", world.event_id());
        let at = world.commit_at(self.now());
        world.books.insert(id.clone(), Book::new(email, summary, zone, at));
        self.put_on_list(&mut world, email, &id, "owner", false);
        Ok(id)
    }

    /// Puts a calendar on an account's list with a role (`owner`, `writer`, `reader`, …), or changes the role.
    ///
    /// # Errors
    /// If there is no such account or calendar.
    pub fn share_calendar(&self, calendar: &str, email: &str, role: &str) -> Result<(), Refusal> {
        let mut world = self.world();
        if !world.books.contains_key(calendar) || !world.accounts.contains_key(email) {
            return Err(Refusal::not_found());
        }
        self.put_on_list(&mut world, email, calendar, role, false);
        Ok(())
    }

    /// Takes a calendar off an account's list, and with it the account's access.
    ///
    /// # Errors
    /// If it is not there.
    pub fn unlist_calendar(&self, calendar: &str, email: &str) -> Result<(), Refusal> {
        let mut world = self.world();
        let role = {
            let entry = world.lists.get(email).and_then(|list| list.get(calendar));
            entry.ok_or_else(Refusal::not_found)?.role.clone()
        };
        self.put_on_list(&mut world, email, calendar, &role, true);
        Ok(())
    }

    /// Changes an entry of an account's list: `selected`, `accessRole`, and as they are `hidden`, `summaryOverride`, `colorId`,
    /// `backgroundColor`, `foregroundColor`; null removes.
    ///
    /// # Errors
    /// If there is no such entry.
    pub fn edit_listing(
        &self,
        calendar: &str,
        email: &str,
        patch: Map<String, Value>,
    ) -> Result<(), Refusal> {
        let mut world = self.world();
        let entry = world.lists.get(email).and_then(|list| list.get(calendar));
        let mut entry = entry.ok_or_else(Refusal::not_found)?.clone();
        for (name, value) in patch {
            match (name.as_str(), value) {
                ("selected", value) => entry.is_selected = value == true,
                ("accessRole", Value::String(role)) => entry.role = role,
                (_, Value::Null) => drop(entry.extra.remove(&name)),
                (_, value) => drop(entry.extra.insert(name, value)),
            }
        }
        self.list(&mut world, email, calendar, entry);
        Ok(())
    }

    /// Changes a calendar's title or zone for all who have it on their list.
    ///
    /// # Errors
    /// If there is no such calendar.
    pub fn edit_calendar(
        &self,
        calendar: &str,
        summary: Option<&str>,
        zone: Option<Tz>,
    ) -> Result<(), Refusal> {
        let mut world = self.world();
        let book = world.books.get_mut(calendar).ok_or_else(Refusal::not_found)?;
        book.summary = summary.map_or_else(|| book.summary.clone(), str::to_owned);
        book.zone = zone.unwrap_or(book.zone);
        for (email, entry) in listings(&world, calendar) {
            self.list(&mut world, &email, calendar, entry);
        }
        Ok(())
    }

    /// Deletes a calendar: it leaves all lists, its events are not found any more, and its channels are told `not_exists`.
    ///
    /// # Errors
    /// If there is no such calendar.
    pub fn delete_calendar(&self, calendar: &str) -> Result<(), Refusal> {
        let mut world = self.world();
        if !world.books.contains_key(calendar) {
            return Err(Refusal::not_found());
        }
        for (email, entry) in listings(&world, calendar) {
            self.list(&mut world, &email, calendar, Listed { is_removed: true, ..entry });
        }
        self.tell(&mut world, ResourceState::NotExists, |channel| channel.watched.is_of(calendar));
        Ok(())
    }

    fn put_on_list(&self, world: &mut World, email: &str, calendar: &str, role: &str, is_removed: bool) {
        let (role, is_primary) = (role.to_owned(), calendar == email);
        let old = world.lists.get(email).and_then(|list| list.get(calendar));
        let extra = old.map(|entry| entry.extra.clone()).unwrap_or_default();
        let entry = Listed { role, is_primary, is_selected: true, is_removed, changed: 0, extra };
        self.list(world, email, calendar, entry);
        self.announce(
            world,
            |channel| matches!(&channel.watched, Watched::Acl { calendar: id } if id == calendar),
        );
    }

    /// Writes an entry and tells the channels of the list.
    fn list(&self, world: &mut World, email: &str, calendar: &str, mut entry: Listed) {
        entry.changed = world.commit_at(self.now());
        world.lists.entry(email.to_owned()).or_default().insert(calendar.to_owned(), entry);
        self.announce(world, |channel| channel.watched == Watched::CalendarList && channel.owner == email);
    }

    /// From now on the calendar opens channels (`true`) or refuses them as holiday calendars do (`false`).
    ///
    /// # Errors
    /// If there is no such calendar.
    pub fn set_pushing(&self, calendar: &str, is_pushing: bool) -> Result<(), Refusal> {
        self.world().books.get_mut(calendar).ok_or_else(Refusal::not_found)?.is_pushing = is_pushing;
        Ok(())
    }
}

/// Who has the calendar on the list, and how.
fn listings(world: &World, calendar: &str) -> Vec<(String, Listed)> {
    let entry = |(email, list): (&String, &BTreeMap<String, Listed>)| {
        Some((email.clone(), list.get(calendar)?.clone()))
    };
    world.lists.iter().filter_map(entry).collect()
}
