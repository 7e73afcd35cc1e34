//! What no Google offers: acting as its users, ordering faults, looking inside. Tests call these methods on a [`crate::Server`];
//! a shell reaches the same over HTTP ([`http`]).

mod calendars;
mod events;
pub(crate) mod http;

use crate::calendar::channels::Channel;
use crate::error::Refusal;
use crate::faults::{Fault, PushFate, PushFault, names};
use crate::journal::Entry;
use crate::oauth::grants::Consent;
use crate::oauth::scopes::Scopes;
use crate::oauth::token::Challenge;
use crate::push::Delivery;
use crate::quirks::Quirks;
use crate::quota::{Breach, Quota};
use crate::state::{Account, Google, Paging};

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

    /// From now on Google has these habits.
    pub fn set_quirks(&self, quirks: Quirks) {
        self.world().quirks = quirks;
    }

    /// From now on so much is allowed, or refused beyond.
    pub fn set_quota(&self, quota: Quota) {
        self.world().meter.quota = quota;
    }

    /// Sends the notifications that were held back, in the order in which they were meant to be sent.
    pub fn release_pushes(&self) {
        let held = std::mem::take(&mut self.world().held);
        for (message, _) in held {
            self.pushes.send(message, &PushFate::PLAIN, Vec::new());
        }
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
        self.world().journal.entries().cloned().collect()
    }

    /// Forgets the requests so far.
    pub fn clear_journal(&self) {
        self.world().journal.clear();
    }

    /// What nobody but us and its owner may ever read: the client's secret, and the unguessable part of every code and token that was given
    /// out and of every channel's.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.world().secrets.clone();
        secrets.push(self.client.secret.clone());
        secrets
    }

    /// The requests that Google's discovery document does not allow; see [`Entry::violations`].
    pub fn violations(&self) -> Vec<Entry> {
        let world = self.world();
        world.journal.entries().filter(|entry| !entry.violations.is_empty()).cloned().collect()
    }

    /// How often a method (or, with a `*` at its end, each that begins so) was called, as far as the journal goes back.
    pub fn calls(&self, operation: &str) -> usize {
        let is_it = |entry: &&Entry| names(operation, &entry.operation);
        self.world().journal.entries().filter(is_it).count()
    }

    /// The calls beyond what Google allows in a minute.
    pub fn quota_breaches(&self) -> Vec<Breach> {
        self.world().meter.breaches.iter().cloned().collect()
    }

    /// The most units that one account has used in a minute.
    pub fn busiest_minute(&self) -> u32 {
        self.world().meter.busiest
    }

    /// The open channels.
    pub fn channels(&self) -> Vec<Channel> {
        self.world().channels.open(self.now()).cloned().collect()
    }

    /// The secret with which notifications of an open channel come, for a test that speaks as Google does.
    pub fn channel_token(&self, id: &str) -> Option<String> {
        let world = self.world();
        world.channels.open(self.now()).find(|channel| channel.id == id)?.token.clone()
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
