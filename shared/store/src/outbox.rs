//! The DynamoDB stream as outbox: what a committed write means to the rest of the bundle.

use contract::auth::SessionHandle;
use domain::{EventId, Job, Notice, Rev, UserId, Views};
use serde::Deserialize;

use crate::{Error, Touched, key};

/// A new entry of a user's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Whose log.
    pub user: UserId,
    /// Its position.
    pub rev: Rev,
    /// What has to be done because of it.
    pub job: Option<Job>,
    /// The event that changed, if that is what it is and clients see it.
    pub touched: Option<Touched>,
    /// What clients are told beside that.
    pub notice: Option<Notice>,
}

/// What a committed write means to the rest of the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// A user's log has a new entry.
    Entry(LogEntry),
    /// A session has ended: by its user, by us, or because its time was over.
    SessionEnded {
        /// Whose.
        user: UserId,
        /// Which one.
        session: SessionHandle,
    },
}

#[derive(Deserialize)]
struct Image {
    pk: String,
    rev: Option<Rev>,
    #[serde(default)]
    grid_rev: Rev,
    #[serde(default)]
    someday_rev: Rev,
    dirty: Option<String>,
    notice: Option<Notice>,
    event: Option<Known>,
}

/// What is read of an event.
#[derive(Deserialize)]
struct Known {
    id: EventId,
}

impl Image {
    fn touched(&self, rev: Rev) -> Option<Touched> {
        let views = Views { is_grid: self.grid_rev == rev, is_someday: self.someday_rev == rev };
        let id = self.event.as_ref().map(|event| event.id);
        (views != Views::default()).then_some(Touched { id, views })
    }
}

impl Committed {
    /// Reads the images of a stream record. `None` when it means nothing: an item without a rev, a purge, or a write that moved no rev.
    ///
    /// # Errors
    /// [`Error::Shape`] for an image that this version does not write.
    pub fn from_images(old: serde_dynamo::Item, new: serde_dynamo::Item) -> Result<Option<Self>, Error> {
        if new.is_empty() {
            return Ok(ended(&old).map(|(user, session)| Self::SessionEnded { user, session }));
        }
        Ok(LogEntry::from_images(old, new)?.map(Self::Entry))
    }
}

/// Whose session it was, if the item that is gone was one.
fn ended(old: &serde_dynamo::Item) -> Option<(UserId, SessionHandle)> {
    let text = |name: &str| match old.get(name) {
        Some(serde_dynamo::AttributeValue::S(text)) => Some(text.as_str()),
        _ => None,
    };
    Some((key::user_of(text("pk")?)?, crate::sessions::handle_of(text("sk")?)?))
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
        let touched = new.touched(rev);
        let job = match (&new.notice, &new.dirty) {
            (Some(Notice::Wanted(job)), _) => Some(job.clone()),
            (_, Some(_)) => Some(Job::Push { user }),
            _ => None,
        };
        Ok(Some(Self { user, rev, job, touched, notice: new.notice }))
    }
}
