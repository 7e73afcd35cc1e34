//! `RESET#<hash>`: permission to set a password, sent by mail.
//!
//! Only the hash of a token is stored. A permission is for one version of the password: setting it moves the version on, so a token
//! works once, and every other one that was sent before ends with it.
//!
//! `RESET-MAIL#<address>`: a mail was sent there a moment ago. Whoever may send the next one is decided by one conditional write.

use chrono::{DateTime, Utc};
use contract::auth::Email;
use domain::UserId;
use serde::{Deserialize, Serialize};

use crate::key::Key;
use crate::table::{Expression, OnCondition, Write};
use crate::users::email_key;
use crate::{Error, Store};

/// The name of the condition that a reset is still good.
pub const RESET: &str = "reset";
/// The name of the condition that no mail was sent to an address a moment ago.
const RESET_MAIL: &str = "reset-mail";

/// `RESET#<hash>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// Whose password.
    pub user: UserId,
    /// The address to which the token was sent.
    pub email: Email,
    /// Which password it is to replace.
    pub password_version: u32,
    /// Until when; to the second. The table forgets it some time after.
    #[serde(with = "chrono::serde::ts_seconds")]
    pub expires_at: DateTime<Utc>,
}

/// `RESET-MAIL#<address>`.
#[derive(Serialize)]
struct ResetMail {
    #[serde(with = "chrono::serde::ts_seconds")]
    expires_at: DateTime<Utc>,
}

fn reset_key(hash: &str) -> Key {
    Key::single(format!("RESET#{hash}"))
}

fn reset_mail_key(email: &Email) -> Key {
    Key::single(format!("RESET-MAIL#{}", email.as_str()))
}

impl Store {
    /// Whether a reset may be mailed to this address; if so, nobody else may before `until` (to the second). One write.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn claim_reset_mail(
        &self,
        email: &Email,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, Error> {
        // The table may keep an item for days after its time.
        let is_free = Expression::new("attribute_not_exists(pk) OR expires_at <= :now")
            .value(":now", now.timestamp())?;
        let item = reset_mail_key(email).with(ResetMail { expires_at: until });
        match self.table.put(item, is_free, RESET_MAIL).await {
            Ok(()) => Ok(true),
            Err(Error::Condition(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Stores a permission under the hash of its token.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn allow_reset(&self, hash: &str, reset: &Reset) -> Result<(), Error> {
        self.table.put(reset_key(hash).with(reset), Expression::default(), RESET).await
    }

    /// The permission under this hash, unless its time is over. One read.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn reset(&self, hash: &str, now: DateTime<Utc>) -> Result<Option<Reset>, Error> {
        let reset: Option<Reset> = self.table.get(&reset_key(hash)).await?;
        Ok(reset.filter(|reset| now < reset.expires_at))
    }

    /// Sets the password that a permission is for, and uses it up: whoever has it reads the address's mail. One write.
    ///
    /// # Errors
    /// [`Error::Condition`] of [`RESET`] when the password was set since the permission was given; any error of the store.
    pub async fn change_password(&self, hash: &str, reset: &Reset, password_hash: &str) -> Result<(), Error> {
        let update =
            Expression::new("SET password_hash = :hash, password_version = :next, is_proven = :true")
                .value(":hash", password_hash)?
                .value(":true", true)?
                .value(":next", reset.password_version.saturating_add(1))?;
        let condition = Expression::new("#user = :user AND password_version = :version")
            .name("#user", "user")
            .value(":user", reset.user)?
            .value(":version", reset.password_version)?;
        let key = email_key(&reset.email);
        self.table
            .transact(vec![
                Write::update(&self.table, &key, update, condition, OnCondition::Refuse(RESET))?,
                Write::delete(&self.table, &reset_key(hash))?,
            ])
            .await
    }
}
