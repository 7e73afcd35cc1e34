//! One stream as a state machine: what was read goes in, blocks come out. No IO, no clock.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{GoogleStatus, Rev, Views};
use store::{Changes, Cursor, Head, Seal};

use crate::asked::Asked;
use crate::block::{Block, Frame};
use crate::fold::{self, Answer};
use crate::policy::{Mode, Policy};

/// A stream that a client asked for and that nothing was said on yet.
#[derive(Clone, Debug)]
pub struct Opening {
    policy: Policy,
    deadline: Option<DateTime<Utc>>,
    asked: Asked,
    seal: Seal,
}

/// A stream that is being followed.
#[derive(Clone, Debug)]
pub struct Session {
    policy: Policy,
    deadline: Option<DateTime<Utc>>,
    /// Up to where the client was told everything.
    cursor: Cursor,
    /// The connection to Google as last read, for whether an import runs.
    google: Option<GoogleStatus>,
    /// When the user last did something, or what counts as such.
    active_at: Option<DateTime<Utc>>,
    /// When something was last written to the stream.
    written_at: DateTime<Utc>,
}

/// What a stream has to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Wait for [`Policy::poll`], then read the log after this rev.
    Read(Rev),
    /// Write this, then end.
    End(Block),
}

impl Opening {
    /// A stream for the user of `seal`, whose client sent this `Last-Event-ID`, in an invocation that is killed at `deadline`.
    pub fn new(
        policy: Policy,
        seal: Seal,
        last_event_id: Option<&str>,
        deadline: Option<DateTime<Utc>>,
    ) -> Self {
        Self { policy, deadline, asked: Asked::of(last_event_id, &seal), seal }
    }

    /// Under which the ids of the stream go.
    pub fn seal(&self) -> &Seal {
        &self.seal
    }

    /// The times of the stream.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The rev after which the log has to be read beside the head, if at all: only a cursor of ours makes it worth while.
    pub fn backlog_after(&self) -> Option<Rev> {
        self.asked.backlog_after()
    }

    /// The first answer, from the head and the changes after [`Opening::backlog_after`]. The two may be read side by side.
    pub fn answer(self, head: &Head, backlog: Option<Changes>, now: DateTime<Utc>) -> (Session, Vec<Block>) {
        let mut answer = Answer::default();
        answer.metadata(head, now);
        let is_recent = head.seq > 0 && now - head.changed_at <= delta(self.policy.active);
        let mut is_active = true;
        let mut upto = Cursor::new(head.epoch.clone(), head.seq);
        let from = match (self.asked, backlog) {
            (Asked::Resume(cursor), Some(changes)) if cursor.is_known(head, now) => {
                answer.views(changes.views);
                answer.notices(&changes.notices, head, now);
                // Whichever was read first knows less; what only the other knew is told again.
                upto.rev = upto.rev.min(changes.upto);
                is_active = is_recent;
                cursor
            }
            (Asked::Fresh, _) => {
                answer.views(Views { is_grid: is_recent, is_someday: is_recent });
                Cursor::nowhere()
            }
            (Asked::Resume(_) | Asked::Lost, _) => {
                answer.views(Views { is_grid: true, is_someday: true });
                Cursor::nowhere()
            }
        };
        let frames = answer.frames(&from, &upto);
        let session = Session {
            policy: self.policy,
            deadline: self.deadline,
            cursor: upto,
            google: head.google.clone(),
            active_at: is_active.then_some(now),
            written_at: now,
        };
        (session, blocks(frames))
    }

    /// What ends the stream when the first answer cannot be read. The client keeps the cursor it has.
    pub fn failed(&self) -> Block {
        Block::End { id: None, retry: self.policy.retry_after_failure }
    }
}

impl Session {
    /// What to do at `now`.
    pub fn next(&self, now: DateTime<Utc>) -> Next {
        if self.is_over(now) { Next::End(self.end(self.policy.retry)) } else { Next::Read(self.cursor.rev) }
    }

    /// Whether `changes` can only be told with a head that was read after them.
    pub fn needs_head(&self, changes: &Changes) -> bool {
        fold::needs_head(changes)
    }

    /// What is to be written after the changes that [`Next::Read`] asked for, and the head if they need one. Without it nothing is told,
    /// and the same changes come up again with the next read.
    pub fn told(&mut self, changes: &Changes, head: Option<&Head>, now: DateTime<Utc>) -> Vec<Block> {
        let answer = match head {
            Some(head) => self.answer(changes, head, now),
            None if self.needs_head(changes) => return self.keepalive(now),
            None => {
                let mut answer = Answer::default();
                answer.views(changes.views);
                answer
            }
        };
        let upto = Cursor::new(self.cursor.epoch.clone(), self.cursor.rev.max(changes.upto));
        if upto != self.cursor {
            self.active_at = Some(now);
        }
        let from = std::mem::replace(&mut self.cursor, upto);
        let frames = answer.frames(&from, &self.cursor);
        if frames.is_empty() {
            return self.keepalive(now);
        }
        self.written_at = now;
        blocks(frames)
    }

    /// What ends the stream when the log cannot be read.
    pub fn failed(&self) -> Block {
        self.end(self.policy.retry_after_failure)
    }

    fn answer(&mut self, changes: &Changes, head: &Head, now: DateTime<Utc>) -> Answer {
        self.google = head.google.clone();
        let mut answer = Answer::default();
        if changes.notices.contains(&domain::Notice::Metadata) {
            answer.metadata(head, now);
        }
        answer.views(changes.views);
        answer.notices(&changes.notices, head, now);
        answer
    }

    fn keepalive(&mut self, now: DateTime<Utc>) -> Vec<Block> {
        if now - self.written_at < delta(self.policy.keepalive) {
            return Vec::new();
        }
        self.written_at = now;
        vec![Block::Keepalive]
    }

    fn is_over(&self, now: DateTime<Utc>) -> bool {
        let is_out_of_time =
            self.deadline.is_some_and(|deadline| deadline - now <= delta(self.policy.margin));
        is_out_of_time
            || match self.policy.mode {
                Mode::Poll => true,
                Mode::Hold => false,
                Mode::Burst => !self.is_lingering(now) && !self.is_importing(now),
            }
    }

    fn is_lingering(&self, now: DateTime<Utc>) -> bool {
        self.active_at.is_some_and(|at| now - at < delta(self.policy.linger))
    }

    fn is_importing(&self, now: DateTime<Utc>) -> bool {
        self.google.as_ref().is_some_and(|google| google.is_importing(now))
    }

    fn end(&self, retry: Duration) -> Block {
        Block::End { id: Some(self.cursor.clone()), retry }
    }
}

fn blocks(frames: Vec<Frame>) -> Vec<Block> {
    frames.into_iter().map(Block::Frame).collect()
}

fn delta(duration: Duration) -> TimeDelta {
    // A time that chrono cannot hold is longer than any stream.
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests;
