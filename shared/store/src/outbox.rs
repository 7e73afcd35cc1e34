//! The DynamoDB stream as outbox: what a committed write means to the rest of the bundle.

use domain::{Job, Notice, Rev, UserId};
use serde::Deserialize;

use crate::{Error, key};

/// A new entry of a user's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Whose log.
    pub user: UserId,
    /// Its position.
    pub rev: Rev,
    /// What has to be done because of it.
    pub job: Option<Job>,
}

#[derive(Deserialize)]
struct Image {
    pk: String,
    rev: Option<Rev>,
    dirty: Option<String>,
    notice: Option<Notice>,
}

impl LogEntry {
    /// Reads the images of a stream record. `None` when the record is no new entry: an item without a rev, a purge, or a write that moved no rev.
    ///
    /// # Errors
    /// [`Error::Shape`] for an image that this version does not write.
    pub fn from_images(old: serde_dynamo::Item, new: serde_dynamo::Item) -> Result<Option<Self>, Error> {
        if new.is_empty() {
            return Ok(None);
        }
        let new: Image = serde_dynamo::from_item(new)?;
        let old: Option<Image> = if old.is_empty() { None } else { Some(serde_dynamo::from_item(old)?) };
        let (Some(user), Some(rev)) = (key::user_of(&new.pk), new.rev) else { return Ok(None) };
        if old.is_some_and(|old| old.rev == Some(rev)) {
            return Ok(None);
        }
        let job = match (new.notice, new.dirty) {
            (Some(Notice::Wanted(job)), _) => Some(job),
            (_, Some(_)) => Some(Job::Push { user }),
            _ => None,
        };
        Ok(Some(Self { user, rev, job }))
    }
}
