//! Users, and the two look-ups by which they are found: `EMAIL#<address>` and `GOOGLE#<sub>`.
//!
//! A look-up is an item of its own, written with the user in one transaction under the condition that it does not exist. So an address
//! has one user, whoever is faster, and a Google account has one.

use chrono::{DateTime, Utc};
use contract::auth::{Email, SessionHandle};
use domain::UserId;
use serde::{Deserialize, Serialize};

use crate::key::{self, Key};
use crate::sessions::write_session;
use crate::table::{Expression, OnCondition, Write};
use crate::{Error, Head, Plan, Profile, Session, Store};

/// The name of the condition that an address is free.
pub const EMAIL: &str = "email";
/// The name of the condition that a Google account is free, or the user's own.
pub const GOOGLE: &str = "google";

/// `EMAIL#<address>`: to whom an address belongs, and how they sign in with it. Holds a password hash, so it is not `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Whose address.
    pub user: UserId,
    /// The password's PHC string; none for a user who only ever came by Google.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
    /// How often the password was set: a reset is for one of them, so the first one used ends all others.
    #[serde(default)]
    pub password_version: u32,
    /// Whether somebody has shown that the address is theirs: by a mailed link, or by Google's word. Whoever signs up by password may give any.
    #[serde(default)]
    pub is_proven: bool,
    /// When the user came.
    pub joined_at: DateTime<Utc>,
}

/// `GOOGLE#<sub>`: to whom a Google account belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct GoogleAccount {
    user: UserId,
}

/// A user to be created. Holds a password hash, so it is not `Debug`.
pub struct NewUser<'a> {
    /// The id drawn for the user.
    pub id: UserId,
    /// Drawn too: cursors of another life of the partition are told by it.
    pub epoch: String,
    /// The address.
    pub email: &'a Email,
    /// Who the user is.
    pub profile: Profile,
    /// The password's PHC string, if the user comes by password.
    pub password_hash: Option<String>,
    /// The Google account, if the user comes by Google, which has verified the address then.
    pub google_sub: Option<&'a str>,
    /// The first session.
    pub session: Option<(SessionHandle, Session)>,
}

pub(crate) fn email_key(email: &Email) -> Key {
    Key::single(format!("EMAIL#{}", email.as_str()))
}

fn google_key(sub: &str) -> Key {
    Key::single(format!("GOOGLE#{sub}"))
}

fn is_owned_by(user: UserId) -> Result<Expression, Error> {
    Expression::new("#user = :user").name("#user", "user").value(":user", user)
}

fn is_free() -> Expression {
    Expression::new("attribute_not_exists(pk)")
}

/// Makes a Google account the user's, unless it is another's.
fn claim(store: &Store, user: UserId, sub: &str) -> Result<Write, Error> {
    let condition = Expression::new("attribute_not_exists(pk) OR #user = :user")
        .name("#user", "user")
        .value(":user", user)?;
    let item = google_key(sub).with(GoogleAccount { user });
    Write::put(&store.table, item, Some(condition), OnCondition::Refuse(GOOGLE))
}

impl<S> Plan<S> {
    /// Makes a Google account the user's together with the rest of the plan.
    ///
    /// # Errors
    /// [`Error::Shape`]. The write fails with [`Error::Condition`] of [`GOOGLE`] when it is another user's.
    pub fn claim_google(&mut self, store: &Store, user: UserId, sub: &str) -> Result<(), Error> {
        self.also.push(claim(store, user, sub)?);
        Ok(())
    }

    /// Notes that the user's address has been shown to be theirs.
    ///
    /// # Errors
    /// [`Error::Shape`]. The write fails with [`Error::Condition`] of [`EMAIL`] when the address is not the user's any more.
    pub fn prove_address(&mut self, store: &Store, user: UserId, email: &Email) -> Result<(), Error> {
        let update = Expression::new("SET is_proven = :true").value(":true", true)?;
        let own = is_owned_by(user)?;
        self.also.push(Write::update(
            &store.table,
            &email_key(email),
            update,
            own,
            OnCondition::Refuse(EMAIL),
        )?);
        Ok(())
    }
}

impl Store {
    /// Creates a user, the look-ups, the priorities that everybody begins with and the first session, all or nothing. One write.
    ///
    /// # Errors
    /// [`Error::Condition`] of [`EMAIL`] or [`GOOGLE`] when another user has the address or the account; any error of the store.
    pub async fn create_user(&self, new: NewUser<'_>, now: DateTime<Utc>) -> Result<(), Error> {
        let login = Login {
            user: new.id,
            password_hash: new.password_hash,
            password_version: 0,
            is_proven: new.google_sub.is_some(),
            joined_at: now,
        };
        let head = Head::new(new.epoch, new.profile, now);
        // What a user begins with is no change: it has the rev of the head, and whoever begins to follow the log has read it.
        let defaults = self.default_priorities(new.id, now).into_iter();
        let mut writes = defaults.map(|entry| entry(head.seq)).collect::<Result<Vec<_>, _>>()?;
        writes.extend([
            Write::put(&self.table, key::head(new.id).with(head), Some(is_free()), OnCondition::Retry)?,
            Write::put(
                &self.table,
                email_key(new.email).with(login),
                Some(is_free()),
                OnCondition::Refuse(EMAIL),
            )?,
        ]);
        if let Some(sub) = new.google_sub {
            writes.push(claim(self, new.id, sub)?);
        }
        if let Some((handle, session)) = &new.session {
            writes.push(write_session(self, new.id, *handle, session)?);
        }
        self.table.transact(writes).await
    }

    /// How somebody signs in with this address. One read.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn login(&self, email: &Email) -> Result<Option<Login>, Error> {
        self.table.get(&email_key(email)).await
    }

    /// Takes the password away that somebody has set for an address which was never shown to be theirs; only a reset sets another. A mail that
    /// was sent for the old one is of no more use. One write.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the login is not what was read any more; any error of the store.
    pub async fn take_password(&self, email: &Email, read: &Login) -> Result<(), Error> {
        let update = Expression::new("SET password_version = :next REMOVE password_hash")
            .value(":next", read.password_version.saturating_add(1))?;
        let mut same = is_owned_by(read.user)?.value(":version", read.password_version)?;
        same.text.push_str(" AND password_version = :version");
        match self.table.update(&email_key(email), update, same, EMAIL).await {
            Err(Error::Condition(_)) => Err(Error::Conflict),
            other => other,
        }
    }

    /// To whom a Google account belongs. One read.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn google_owner(&self, sub: &str) -> Result<Option<UserId>, Error> {
        let account: Option<GoogleAccount> = self.table.get(&google_key(sub)).await?;
        Ok(account.map(|account| account.user))
    }

    /// Both look-ups side by side: to whom the Google account belongs, and who signs in with the address. One round.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn owners(&self, sub: &str, email: &Email) -> Result<(Option<UserId>, Option<Login>), Error> {
        futures_util::future::try_join(self.google_owner(sub), self.login(email)).await
    }
}
