//! What a Google account that was just proven means for a user here. Pure but for the dice in sealing.

use chrono::{DateTime, Utc};
use contract::auth::Email;
use domain::{GoogleStatus, ImportFlag, Job, Notice, UserId};
use google::oauth::Grant;
use google::{Identity, Vault};
use runtime::http::ApiError;
use store::{Connection, Due, Error, Head, HeadPlan, Profile, SealedAccess, Store};
use sync::IMPORT_LEASE;
use sync::due::SILENCE;

/// Without these the calendar can neither be read nor written. (The address is asked for too, and its absence is noticed by itself.)
const CALENDAR_SCOPES: [&str; 2] =
    ["https://www.googleapis.com/auth/calendar.readonly", "https://www.googleapis.com/auth/calendar.events"];
/// Implies both.
const WHOLE_CALENDAR: &str = "https://www.googleapis.com/auth/calendar";

/// A calendar scope that is missing from what was granted.
pub fn missing_scope(grant: &Grant) -> Option<&'static str> {
    let has = |wanted: &str| grant.scopes.iter().any(|scope| scope == wanted);
    CALENDAR_SCOPES.into_iter().find(|scope| !has(scope) && !has(WHOLE_CALENDAR))
}

/// The address of a Google account, if Google told a usable one.
pub fn email(grant: &Grant) -> Option<Email> {
    grant.identity.email.as_deref()?.parse().ok()
}

/// The connection to store: none unless Google sent a permission that lasts, and for the calendar.
///
/// # Errors
/// When the tokens cannot be sealed.
pub fn connection(
    vault: &Vault,
    user: UserId,
    grant: &Grant,
    now: DateTime<Utc>,
) -> Result<Option<Connection>, ApiError> {
    let Some(refresh) = grant.refresh.as_ref().filter(|_| missing_scope(grant).is_none()) else {
        return Ok(None);
    };
    let seal = |secret| {
        vault.seal(user, secret).map(String::from).map_err(|error| ApiError::of_class(error.class(), error))
    };
    let access = SealedAccess {
        sealed: seal(&grant.access.secret)?,
        issued_at: now,
        expires_at: grant.access.expires_at,
    };
    Ok(Some(Connection {
        sub: grant.identity.sub.clone(),
        email: grant.identity.email.clone(),
        picture: grant.identity.picture.clone(),
        scopes: grant.scopes.clone(),
        sealed_refresh: seal(refresh)?,
        access: Some(access),
    }))
}

/// What connecting changes for everybody to see: the state, and a first import that is wanted.
pub fn connect(plan: &mut HeadPlan, user: UserId, now: DateTime<Utc>) {
    plan.google = Some(GoogleStatus::connected(now + IMPORT_LEASE));
    plan.notices.push(Notice::Metadata);
    plan.notices.push(Notice::Wanted(Job::Import { user, is_repair: false }));
}

/// What disconnecting changes: the state, and the leave that is to be taken of Google. Should that job be lost, the sweep has it done.
///
/// # Errors
/// When the plan cannot be written down.
pub fn disconnect(
    plan: &mut HeadPlan,
    store: &Store,
    user: UserId,
    head: &Head,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let Some(status) = head.google.as_ref().filter(|status| !status.is_disconnected) else { return Ok(()) };
    plan.google = Some(status.disconnected());
    plan.notices.push(Notice::Metadata);
    plan.notices.push(Notice::Wanted(Job::Disconnect { user }));
    plan.schedule(store, Due::Poll, user, now + SILENCE)
}

/// What signing in changes, with a new permission or with the one that is stored, if any.
pub fn sign_in(plan: &mut HeadPlan, user: UserId, head: &Head, has_permission: bool, now: DateTime<Utc>) {
    match &head.google {
        // Nothing to go by: the web app shows a button that asks Google for consent.
        None if !has_permission => {}
        Some(status) if !status.stands() && !has_permission => {}
        Some(status) if status.stands() && (is_imported(status) || status.is_importing(now)) => {
            plan.notices.push(Notice::Wanted(Job::Pull { user }));
        }
        _ => connect(plan, user, now),
    }
}

fn is_imported(status: &GoogleStatus) -> bool {
    status.import == ImportFlag::Completed
}

/// The profile with the account's picture, if that changes it.
pub fn with_picture(profile: &Profile, identity: &Identity) -> Option<Profile> {
    let picture = identity.picture.clone().unwrap_or_default();
    (profile.picture != picture).then(|| Profile { picture, ..profile.clone() })
}
