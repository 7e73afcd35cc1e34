//! Calendars, and whose list they are on.

use crate::calendar::book::{Book, Listed};
use crate::calendar::channels::Watched;
use crate::error::Refusal;
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

    fn put_on_list(&self, world: &mut World, email: &str, calendar: &str, role: &str, is_removed: bool) {
        let changed = world.commit_at(self.now());
        let (role, is_primary) = (role.to_owned(), calendar == email);
        let entry = Listed { role, is_primary, is_selected: true, is_removed, changed };
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
