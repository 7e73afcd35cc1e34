//! What no Google offers: acting as its users, ordering faults, looking inside. Tests call these methods on a [`crate::Server`];
//! a shell reaches the same over HTTP ([`http`]).

pub(crate) mod http;

use serde_json::Value;

use crate::calendar::book::{Book, Listed};
use crate::calendar::channels::{Channel, Watched};
use crate::calendar::{Fields, open};
use crate::error::Refusal;
use crate::faults::{Fault, PushFault};
use crate::journal::Entry;
use crate::oauth::grants::Consent;
use crate::oauth::scopes::{Access, Scopes};
use crate::oauth::token::Challenge;
use crate::push::Delivery;
use crate::state::{Account, Google, Paging, World};

/// A consent given without a browser.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsentRequest {
    /// The account that consents; made if there is none.
    pub email: String,
    /// The scopes that it grants, space-separated.
    pub scopes: String,
    /// Where the code is bound to.
    pub redirect_uri: String,
    /// Comes back in the id token.
    #[serde(default)]
    pub nonce: Option<String>,
    /// An S256 code challenge.
    #[serde(default)]
    pub code_challenge: Option<String>,
    /// Was it asked for with `access_type=online`? Then there is no refresh token.
    #[serde(default)]
    pub is_online: bool,
    /// Was it asked for with `prompt=consent`? Then there is a refresh token every time.
    #[serde(default)]
    pub is_prompted: bool,
}

impl ConsentRequest {
    /// Offline access without challenge and nonce.
    pub fn new(email: &str, scopes: &str, redirect_uri: &str) -> Self {
        Self {
            email: email.to_owned(),
            scopes: scopes.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            nonce: None,
            code_challenge: None,
            is_online: false,
            is_prompted: false,
        }
    }
}

/// Accounts and consent.
impl Google {
    /// Forgets all accounts with everything they have, and all faults.
    pub fn reset(&self) {
        self.world().reset();
    }

    /// Opens an account with a primary calendar, or finds it.
    pub fn create_account(&self, account: Account) -> Account {
        self.world().open_account(account, self.now())
    }

    /// All accounts.
    pub fn accounts(&self) -> Vec<Account> {
        self.world().accounts.values().cloned().collect()
    }

    /// Consents for an account, as the page would, and returns the code.
    pub fn consent(&self, request: ConsentRequest) -> String {
        self.create_account(Account::new(&request.email));
        let scopes = Scopes::parse(&request.scopes);
        self.keep_consent(Consent {
            email: request.email,
            client_id: self.client.id.clone(),
            redirect_uri: request.redirect_uri,
            scopes: Scopes::consented(&scopes, &scopes),
            is_offline: !request.is_online,
            is_prompted: request.is_prompted,
            includes_granted_scopes: false,
            nonce: request.nonce,
            challenge: request.code_challenge.map(Challenge::S256),
        })
    }

    /// All access tokens of the account expire now; refresh tokens live on.
    pub fn expire_access_tokens(&self, email: &str) {
        self.world().grants.expire_access_tokens(email);
    }

    /// The account withdraws everything it granted; `false` if there was nothing.
    pub fn revoke_grants(&self, email: &str) -> bool {
        self.world().grants.revoke(email, None)
    }

    /// From now on another key signs id tokens.
    pub fn rotate_keys(&self) {
        self.world().keys.rotate();
    }
}

/// Acting as a user of Google's own calendar app. `calendar` is an id or `primary`; refusals are those of the API.
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

    /// Deletes an event.
    ///
    /// # Errors
    /// As the API refuses it.
    pub fn delete_event(&self, email: &str, calendar: &str, id: &str) -> Result<(), Refusal> {
        self.edit(&mut self.world(), email, calendar, |book, at| book.delete(id, None, at))
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

/// Faults, and how lists behave.
impl Google {
    /// Orders a fault.
    pub fn inject(&self, fault: Fault) {
        self.world().faults.add(fault);
    }

    /// Orders a fault of notifications.
    pub fn inject_push(&self, fault: PushFault) {
        self.world().faults.add_push(fault);
    }

    /// Cancels all faults.
    pub fn clear_faults(&self) {
        self.world().faults.clear();
    }

    /// Faults that have not struck to the end.
    pub fn faults(&self) -> Vec<Fault> {
        self.world().faults.waiting().to_vec()
    }

    /// From now on lists are cut into pages like this.
    pub fn set_paging(&self, paging: Paging) {
        self.world().paging = paging;
    }

    /// All page tokens expire.
    pub fn expire_page_tokens(&self) {
        self.world().traversals.expire();
    }

    /// All sync tokens of a calendar's events expire: 410 `fullSyncRequired`, also in the middle of a traversal.
    ///
    /// # Errors
    /// If there is no such calendar.
    pub fn invalidate_sync_tokens(&self, calendar: &str) -> Result<(), Refusal> {
        self.world().books.get_mut(calendar).ok_or_else(Refusal::not_found)?.generation += 1;
        Ok(())
    }
}

/// Looking inside.
impl Google {
    /// Every request so far, oldest first; nothing secret is in it.
    pub fn journal(&self) -> Vec<Entry> {
        self.world().journal.entries()
    }

    /// Forgets the requests so far.
    pub fn clear_journal(&self) {
        self.world().journal.clear();
    }

    /// The open channels.
    pub fn channels(&self) -> Vec<Channel> {
        self.world().channels.open(self.now()).cloned().collect()
    }

    /// The notifications that were answered or given up.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.pushes.over()
    }

    /// How many notifications are neither answered nor given up.
    pub fn pending_pushes(&self) -> usize {
        self.pushes.pending()
    }

    /// Waits until no notification is pending.
    pub async fn idle(&self) {
        self.pushes.idle().await;
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
