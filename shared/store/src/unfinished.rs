//! Work of more than one transaction, noted before it begins and forgotten when it has ended. Should its function be killed in between, the sweep ends
//! it: what a request has begun is never left half done.
//!
//! What has to be done lies in parts, `J#<work>#<part>`; with the head, `J#<work>`, it counts. The head is written in the very transaction from which
//! on the work must come to its end, together with the date at which somebody looks after it. Doing it a second time changes nothing: of what was
//! written before, or by somebody else since, nothing is written again.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Change, Context, Draft, Records, Scope, Steps, Stored, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::due::{Due, DueRow};
use crate::key::{self, Key};
use crate::table::{Expression, OnCondition, Query, Write};
use crate::{Error, HeadPlan, Plan, Store};

/// When it is looked after: long after the function that began it has ended, whether it was done or not.
const PATIENCE: TimeDelta = TimeDelta::minutes(1);
/// When it is looked after again if that failed.
const AGAIN: TimeDelta = TimeDelta::minutes(5);
/// How long parts are kept. Their head is gone long before.
const KEPT: TimeDelta = TimeDelta::days(7);
/// The bytes that a part holds, beside its first element: an item of DynamoDB holds 400 KB.
const PART: usize = 200 * 1024;

/// What is to be done.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// Save these.
    Save(Vec<Draft>),
    /// Write these, where nothing was written since they were planned.
    Clean(Vec<Change>),
}

/// Work that is noted.
pub(crate) struct Note {
    user: UserId,
    id: String,
    begun_at: DateTime<Utc>,
}

/// The head's attributes.
#[derive(Serialize)]
struct Head {
    begun_at: DateTime<Utc>,
}

/// A part's attributes.
#[derive(Serialize)]
struct Part {
    /// [`Work`] as JSON: it is read whole or not at all.
    work: String,
    expires_at: i64,
}

/// Either of them.
#[derive(Deserialize)]
struct Noted {
    sk: String,
    begun_at: Option<DateTime<Utc>>,
    work: Option<String>,
}

impl Work {
    /// In parts.
    pub fn save(drafts: &[Draft]) -> Result<Vec<String>, Error> {
        parts(drafts, Self::Save)
    }

    /// In parts.
    pub fn clean(changes: &[Change]) -> Result<Vec<String>, Error> {
        parts(changes, Self::Clean)
    }
}

/// As many elements to a part as it holds.
fn parts<T: Clone + Serialize>(elements: &[T], work: fn(Vec<T>) -> Work) -> Result<Vec<String>, Error> {
    let (mut parts, mut part, mut size) = (Vec::new(), Vec::new(), 0);
    for element in elements {
        let length = serde_json::to_string(element).map_err(unreadable)?.len();
        if size + length > PART && !part.is_empty() {
            parts.push(work(std::mem::take(&mut part)));
            size = 0;
        }
        part.push(element.clone());
        size += length;
    }
    parts.push(work(part));
    parts.iter().map(|part| serde_json::to_string(part).map_err(unreadable)).collect()
}

impl Note {
    fn key(&self) -> Key {
        key::work(self.user, &self.id)
    }

    /// What makes it count, to be written with what begins it.
    pub fn begin(&self, store: &Store) -> Result<Vec<Write>, Error> {
        let head = self.key().with(Head { begun_at: self.begun_at });
        let head = Write::put(&store.table, head, None, OnCondition::Retry)?;
        let mut plan = HeadPlan::default();
        plan.schedule(store, Due::Unfinished, self.user, self.begun_at + PATIENCE)?;
        Ok(std::iter::once(head).chain(plan.also).collect())
    }
}

impl Store {
    /// Writes down the parts of what is to be done. It does not count yet.
    pub(crate) async fn note(
        &self,
        user: UserId,
        parts: Vec<String>,
        now: DateTime<Utc>,
    ) -> Result<Note, Error> {
        let note = Note { user, id: Uuid::new_v4().simple().to_string(), begun_at: now };
        let expires_at = (now + KEPT).timestamp();
        for (number, work) in parts.into_iter().enumerate() {
            let part = key::work_part(user, &note.id, number).with(Part { work, expires_at });
            self.table.put(part, Expression::default(), "part").await?;
        }
        Ok(note)
    }

    /// It has come to its end.
    pub(crate) async fn forget(&self, note: &Note) -> Result<(), Error> {
        self.table.delete(&note.key()).await
    }

    /// Ends what functions that were killed have left unfinished of one user, who has a row of [`Due::Unfinished`]. `false` when there was nothing, or
    /// somebody else does it.
    ///
    /// # Errors
    /// Any error of the store. What is not done is due again.
    pub async fn finish(&self, row: &DueRow, now: DateTime<Utc>) -> Result<bool, Error> {
        let (user, next) = (row.user, now + AGAIN);
        if !self.claim(Due::Unfinished, row, next).await? {
            return Ok(false);
        }
        let (first, last) = key::works();
        let condition = Expression::new("pk = :pk AND sk BETWEEN :first AND :last")
            .value(":pk", key::user(user))?
            .value(":first", first)?
            .value(":last", last)?;
        let noted: Vec<Noted> = self.table.query(Query { index: None, condition, limit: None }).await?;
        let (mut is_left, mut has_ended) = (false, false);
        let mut parts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for Noted { sk, work, .. } in &noted {
            if let (Some(id), Some(work)) = (key::work_of(sk), work) {
                parts.entry(id.to_owned()).or_default().push(work.clone());
            }
        }
        for Noted { sk, begun_at, .. } in noted {
            let (Some(begun_at), Some(id)) = (begun_at, key::work_of(&sk)) else { continue };
            if now < begun_at + PATIENCE {
                is_left = true;
                continue;
            }
            let note = Note { user, id: id.to_owned(), begun_at };
            self.carry_out(&note, parts.remove(id).unwrap_or_default(), now).await?;
            self.forget(&note).await?;
            has_ended = true;
        }
        if !is_left {
            self.release(Due::Unfinished, user, next).await?;
        }
        Ok(has_ended)
    }

    async fn carry_out(&self, note: &Note, parts: Vec<String>, now: DateTime<Utc>) -> Result<(), Error> {
        tracing::warn!(user = %note.user, work = note.id, parts = parts.len(), "ends what was left unfinished");
        for part in parts {
            match serde_json::from_str(&part).map_err(unreadable)? {
                Work::Save(drafts) => self.save_left(note, &drafts, now).await?,
                Work::Clean(changes) => {
                    for part in Plan::parts(changes) {
                        self.clean(note.user, &part, now).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Saves what was not saved when the work was begun, and was not touched by anybody since.
    async fn save_left(&self, note: &Note, drafts: &[Draft], now: DateTime<Utc>) -> Result<(), Error> {
        let plan = |records: &Records, draft: &Draft, context: &Context| {
            if is_touched(&records.stored(draft.id()), note.begun_at) {
                return Ok(Steps::none());
            }
            match domain::save(records, draft, Scope::This, context) {
                Ok(steps) => Ok(steps),
                Err(refusal) => {
                    // Checked when it was noted; what is stored since makes it impossible.
                    tracing::error!(user = %note.user, event = %draft.id(), %refusal, "what was begun cannot be ended");
                    Ok::<_, Error>(Steps::none())
                }
            }
        };
        self.apply(note.user, drafts, Scope::This, now, plan).await.map(drop)
    }
}

/// Whether what an id leads to was written at a time or since.
fn is_touched(stored: &Stored, since: DateTime<Utc>) -> bool {
    let record = match stored {
        Stored::Single(record) | Stored::Nothing(Some(record)) => Some(record),
        Stored::Series(family) => Some(&family.base),
        Stored::Occurrence(family, slot) => family.exceptions.get(slot),
        Stored::Former(..) | Stored::Nothing(None) => None,
    };
    record.is_some_and(|record| record.event.updated_at >= since)
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::Shape(serde::de::Error::custom(error))
}
