//! The items of a user's log, as they lie in the table.

use chrono::{DateTime, Utc};
use domain::{Event, Link, Notice, Record, Rev, Role, Seen, UserId};
use serde::{Deserialize, Serialize};

use crate::head::HISTORY;
use crate::key;
use crate::table::{Expression, OnCondition, Table, Write};
use crate::{Error, Head};

/// `E#…`, `R#…` or `X#…`: an event, a series or an exception, or its tombstone.
#[derive(Debug, Deserialize)]
pub(crate) struct EventItem {
    rev: Rev,
    #[serde(default)]
    grid_rev: Rev,
    #[serde(default)]
    someday_rev: Rev,
    event: Event,
    #[serde(default)]
    role: Role,
    link: Option<Link>,
    dirty: Option<String>,
    #[serde(default)]
    is_deleted: bool,
}

impl From<EventItem> for Record {
    fn from(item: EventItem) -> Self {
        Record {
            event: item.event,
            role: item.role,
            rev: item.rev,
            seen: Seen { grid: item.grid_rev, someday: item.someday_rev },
            link: item.link,
            is_dirty: item.dirty.is_some(),
            is_deleted: item.is_deleted,
        }
    }
}

/// The write that brings a record's item to `next`. An update, not a put: what the plan did not change (the link, which the
/// sync worker sets without a rev) is left as it is at the time of the write.
pub(crate) fn write_record(
    table: &Table,
    user: UserId,
    next: &Record,
    old: Option<&Record>,
    now: DateTime<Utc>,
) -> Result<Write, Error> {
    let Record { event, role, rev, seen, link, is_dirty, is_deleted } = next;
    let mut sets = vec!["#event = :event", "#rev = :rev", "grid_rev = :grid", "someday_rev = :someday"];
    let mut removes = Vec::new();
    let mut update = Expression::default()
        .name("#event", "event")
        .name("#rev", "rev")
        .name("#when", "when")
        .name("#dirty", "dirty")
        .value(":event", event)?
        .value(":rev", rev)?
        .value(":grid", seen.grid)?
        .value(":someday", seen.someday)?;
    if *role != Role::Single {
        sets.push("#role = :role");
        update = update.name("#role", "role").value(":role", role)?;
    }
    if *is_deleted {
        sets.push("is_deleted = :true");
        removes.push("#when");
        update = update.value(":true", true)?;
        if *is_dirty {
            // Kept until Google knows, which may be when the user connects again: what is forgotten before then would come back.
            removes.push("expires_at");
        } else {
            // From the commit on: an event that was old when Google deleted it must be told for as long as any other.
            sets.push("expires_at = :expires");
            update = update.value(":expires", (now + HISTORY).timestamp())?;
        }
    } else {
        sets.push("#when = :when");
        removes.extend(["is_deleted", "expires_at"]);
        update = update.value(":when", key::when(next))?;
    }
    if *is_dirty {
        sets.push("#dirty = :dirty");
        update = update.value(":dirty", key::dirty(*rev))?;
    } else {
        removes.push("#dirty");
    }
    if link.as_ref() != old.and_then(|record| record.link.as_ref()) {
        match link {
            Some(link) => {
                sets.push("link = :link");
                update = update.value(":link", link)?;
            }
            None => removes.push("link"),
        }
    }
    update.text = format!("SET {} REMOVE {}", sets.join(", "), removes.join(", "));
    // `HEAD` alone does not vouch for it: a batch read is no snapshot, and may have met this item before a transaction and `HEAD` after it.
    let unchanged = match old {
        Some(record) => Expression::new("#rev = :read").value(":read", record.rev)?,
        None => Expression::new("attribute_not_exists(pk)"),
    };
    Write::update(table, &key::record(user, next.address()), update, unchanged, OnCondition::Retry)
}

/// `N#<rev>`: a notice.
#[derive(Debug, Serialize)]
struct NoticeItem<'a> {
    rev: Rev,
    notice: &'a Notice,
    expires_at: i64,
}

pub(crate) fn write_notice(
    table: &Table,
    user: UserId,
    rev: Rev,
    notice: &Notice,
    now: DateTime<Utc>,
) -> Result<Write, Error> {
    let item = NoticeItem { rev, notice, expires_at: (now + HISTORY).timestamp() };
    Write::put(table, key::notice(user, rev).with(item), None, OnCondition::Retry)
}

/// Moves `HEAD` on from what was read to `next`.
pub(crate) fn write_head(table: &Table, user: UserId, old: &Head, next: &Head) -> Result<Write, Error> {
    let mut sets = vec!["seq = :seq", "changed_at = :changed_at"];
    let mut update = Expression::default().value(":seq", next.seq)?.value(":changed_at", next.changed_at)?;
    if next.marks != old.marks {
        sets.push("marks = :marks");
        update = update.value(":marks", &next.marks)?;
    }
    if next.settings != old.settings {
        sets.push("settings = :settings");
        update = update.value(":settings", &next.settings)?;
    }
    if next.profile != old.profile {
        sets.push("profile = :profile");
        update = update.value(":profile", &next.profile)?;
    }
    if next.google != old.google {
        sets.push("google = :google");
        update = update.value(":google", &next.google)?;
    }
    update.text = format!("SET {}", sets.join(", "));
    let condition = Expression::new("seq = :old_seq").value(":old_seq", old.seq)?;
    Write::update(table, &key::head(user), update, condition, OnCondition::Retry)
}
