//! One stream as a state machine: what was read goes in, blocks come out. No IO, no clock.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{GoogleStatus, Rev, Views};
use store::{Changes, Cursor, Head};

use crate::block::{Block, Frame};
use crate::fold::{self, Answer};
use crate::policy::{Mode, Policy};

/// A stream that a client asked for and that nothing was said on yet.
#[derive(Clone, Debug)]
pub struct Opening {
    policy: Policy,
    deadline: Option<DateTime<Utc>>,
    asked: Asked,
}

/// What the client said about where it is.
#[derive(Clone, Debug)]
enum Asked {
    /// Nothing: the page was just loaded, or opened its stream anew.
    Fresh,
    /// It wants to know what happened since.
    Resume(Cursor),
    /// Something that is no cursor of ours.
    Lost,
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
    /// A stream for a client that sent this `Last-Event-ID`, in an invocation that is killed at `deadline`.
    pub fn new(policy: Policy, last_event_id: Option<&str>, deadline: Option<DateTime<Utc>>) -> Self {
        let asked = match last_event_id.map(str::parse) {
            None => Asked::Fresh,
            Some(Ok(cursor)) => Asked::Resume(cursor),
            Some(Err(())) => Asked::Lost,
        };
        Self { policy, deadline, asked }
    }

    /// The times of the stream.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The rev after which the log has to be read beside the head, if at all. The cursor it comes from is not checked yet.
    pub fn backlog_after(&self) -> Option<Rev> {
        match &self.asked {
            Asked::Resume(cursor) => Some(cursor.rev),
            Asked::Fresh | Asked::Lost => None,
        }
    }

    /// The first answer, from the head and the changes after [`Opening::backlog_after`]. The two may be read side by side.
    pub fn answer(self, head: &Head, backlog: Option<Changes>, now: DateTime<Utc>) -> (Session, Vec<Block>) {
        let mut answer = Answer::default();
        answer.metadata(head, now);
        let is_recent = head.seq > 0 && now - head.changed_at <= delta(self.policy.active);
        let mut is_active = true;
        let mut upto = Cursor { epoch: head.epoch.clone(), rev: head.seq };
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
                nowhere()
            }
            (Asked::Resume(_) | Asked::Lost, _) => {
                answer.views(Views { is_grid: true, is_someday: true });
                nowhere()
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
        let upto = Cursor { rev: self.cursor.rev.max(changes.upto), ..self.cursor.clone() };
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

/// A cursor into no log: a client that comes back with it is reset. It stands in the frames of a reset that are not its last.
fn nowhere() -> Cursor {
    Cursor { epoch: "none".into(), rev: 0 }
}

fn blocks(frames: Vec<Frame>) -> Vec<Block> {
    frames.into_iter().map(Block::Frame).collect()
}

fn delta(duration: Duration) -> TimeDelta {
    // A time that chrono cannot hold is longer than any stream.
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use contract::stream::StreamEvent::{
        self, EventChanged, ImportGcalStart, SomedayEventChanged, UserMetadata,
    };
    use domain::Notice;
    use store::Profile;

    use super::*;

    const NOW: DateTime<Utc> = DateTime::from_timestamp_millis(1_763_600_000_000).unwrap();
    const GRID: Views = Views { is_grid: true, is_someday: false };

    fn after(seconds: i64) -> DateTime<Utc> {
        NOW + TimeDelta::seconds(seconds)
    }

    /// At rev 40, changed so many seconds ago.
    fn head(changed_ago: i64) -> Head {
        Head { seq: 40, ..Head::new("ab".into(), Profile::default(), after(-changed_ago)) }
    }

    fn importing(head: Head) -> Head {
        Head { google: Some(GoogleStatus::connected(after(600))), ..head }
    }

    fn changes(upto: Rev, views: Views) -> Changes {
        Changes { upto, views, notices: Vec::new() }
    }

    fn opening(mode: Mode, last_event_id: Option<&str>) -> Opening {
        Opening::new(Policy::new(mode), last_event_id, Some(after(900)))
    }

    fn opened(mode: Mode, last_event_id: Option<&str>, head: &Head) -> (Session, Vec<Block>) {
        let opening = opening(mode, last_event_id);
        let backlog = opening.backlog_after().map(|rev| changes(rev, Views::default()));
        opening.answer(head, backlog, NOW)
    }

    fn told(blocks: &[Block]) -> Vec<(StreamEvent, String)> {
        let frame = |block: &Block| match block {
            Block::Frame(frame) => Some((frame.event, frame.id.to_string())),
            _ => None,
        };
        blocks.iter().filter_map(frame).collect()
    }

    fn is_over(session: &Session, at: DateTime<Utc>) -> bool {
        matches!(session.next(at), Next::End(_))
    }

    #[test]
    fn a_first_connect_gets_the_metadata_and_the_cursor() {
        let (session, blocks) = opened(Mode::Burst, None, &head(3600));
        assert_eq!(told(&blocks), [(UserMetadata, "ab.40".into())]);
        assert_eq!(session.next(NOW), Next::Read(40));
    }

    #[test]
    fn a_first_connect_just_after_a_change_may_have_missed_it_between_two_streams() {
        let (_, blocks) = opened(Mode::Burst, None, &head(3));
        let reset = "none.0".to_owned();
        assert_eq!(
            told(&blocks),
            [(UserMetadata, reset.clone()), (EventChanged, reset), (SomedayEventChanged, "ab.40".into())]
        );
    }

    #[test]
    fn a_new_user_whom_nothing_has_happened_to_is_told_of_no_change() {
        let (_, blocks) = opened(Mode::Burst, None, &Head { seq: 0, ..head(0) });
        assert_eq!(told(&blocks), [(UserMetadata, "ab.0".into())]);
    }

    #[test]
    fn a_reconnect_is_told_what_changed_since() {
        let (session, blocks) =
            opening(Mode::Burst, Some("ab.30")).answer(&head(9), Some(changes(40, GRID)), NOW);
        assert_eq!(told(&blocks), [(UserMetadata, "ab.30".into()), (EventChanged, "ab.40".into())]);
        assert_eq!(session.next(NOW), Next::Read(40));
    }

    #[test]
    fn a_reconnect_that_missed_nothing_gets_the_metadata_only() {
        let (_, blocks) = opened(Mode::Burst, Some("ab.40"), &head(9));
        assert_eq!(told(&blocks), [(UserMetadata, "ab.40".into())]);
    }

    #[test]
    fn a_cursor_that_the_log_does_not_know_is_a_reset() {
        for unknown in ["xy.40", "ab.41", "none.0", "garbage", "", "ab."] {
            let (session, blocks) = opened(Mode::Burst, Some(unknown), &head(3600));
            let reset = "none.0".to_owned();
            let expected =
                [(UserMetadata, reset.clone()), (EventChanged, reset), (SomedayEventChanged, "ab.40".into())];
            assert_eq!(told(&blocks), expected, "{unknown}");
            assert_eq!(session.next(NOW), Next::Read(40), "{unknown}");
        }
    }

    #[test]
    fn head_and_backlog_may_be_read_in_either_order() {
        // The head is older than the backlog: what is beyond it comes up again.
        let (session, _) = opening(Mode::Burst, Some("ab.30")).answer(&head(0), Some(changes(45, GRID)), NOW);
        assert_eq!(session.next(NOW), Next::Read(40));
        // The backlog is older than the head: what is beyond it is still to be read.
        let (session, _) = opening(Mode::Burst, Some("ab.30")).answer(&head(0), Some(changes(35, GRID)), NOW);
        assert_eq!(session.next(NOW), Next::Read(35));
    }

    #[test]
    fn a_burst_lingers_after_the_last_change_and_ends() {
        let (mut session, _) = opened(Mode::Burst, None, &head(3600));
        assert!(!is_over(&session, after(19)) && is_over(&session, after(20)));
        let blocks = session.told(&changes(41, GRID), None, after(19));
        assert_eq!(told(&blocks), [(EventChanged, "ab.41".into())]);
        assert!(!is_over(&session, after(38)));
        let id = Some(Cursor { epoch: "ab".into(), rev: 41 });
        let end = Block::End { id, retry: Duration::from_secs(5) };
        assert_eq!(session.next(after(39)), Next::End(end));
    }

    #[test]
    fn a_burst_for_an_idle_user_ends_at_once_and_for_an_active_one_stays() {
        let (session, _) = opened(Mode::Burst, Some("ab.40"), &head(61));
        assert!(is_over(&session, NOW));
        let (session, _) = opened(Mode::Burst, Some("ab.40"), &head(59));
        assert!(!is_over(&session, after(19)) && is_over(&session, after(20)));
    }

    #[test]
    fn a_burst_stays_while_an_import_runs_and_no_longer_than_its_lease() {
        let (mut session, _) = opened(Mode::Burst, Some("ab.40"), &importing(head(61)));
        assert!(!is_over(&session, after(599)) && is_over(&session, after(600)));
        let done = Changes { notices: vec![Notice::Metadata], ..changes(41, Views::default()) };
        session.told(&done, Some(&head(0)), after(100));
        assert!(!is_over(&session, after(119)) && is_over(&session, after(120)));
    }

    #[test]
    fn a_stream_that_is_held_ends_before_its_invocation_is_killed() {
        let (session, _) = opened(Mode::Hold, Some("ab.40"), &head(3600));
        assert!(!is_over(&session, after(889)) && is_over(&session, after(890)));
        let (session, _) = opened(Mode::Burst, Some("ab.40"), &importing(head(3600)));
        assert!(is_over(&session, after(890)));
    }

    #[test]
    fn a_poll_ends_when_the_backlog_is_told() {
        let (session, blocks) = opened(Mode::Poll, None, &importing(head(0)));
        assert!(!blocks.is_empty() && is_over(&session, NOW));
    }

    #[test]
    fn silence_is_broken_in_time_and_only_then() {
        let (mut session, _) = opened(Mode::Hold, None, &head(3600));
        let nothing = changes(40, Views::default());
        assert_eq!(session.told(&nothing, None, after(24)), []);
        assert_eq!(session.told(&nothing, None, after(25)), [Block::Keepalive]);
        assert_eq!(session.told(&nothing, None, after(49)), []);
        assert_eq!(told(&session.told(&changes(41, GRID), None, after(50))).len(), 1);
        assert_eq!(session.told(&nothing, None, after(74)), []);
    }

    #[test]
    fn a_notice_is_not_told_without_the_head_that_says_what_is_true() {
        let (mut session, _) = opened(Mode::Hold, None, &head(3600));
        let started = Changes { notices: vec![Notice::Metadata, Notice::ImportStarted], ..changes(42, GRID) };
        assert_eq!(session.told(&started, None, NOW), []);
        assert_eq!(session.next(NOW), Next::Read(40));
        let blocks = session.told(&started, Some(&importing(head(0))), NOW);
        assert_eq!(
            told(&blocks),
            [
                (UserMetadata, "ab.40".into()),
                (EventChanged, "ab.40".into()),
                (ImportGcalStart, "ab.42".into())
            ]
        );
    }

    #[test]
    fn an_entry_that_clients_do_not_see_moves_the_cursor_silently() {
        let (mut session, _) = opened(Mode::Hold, None, &head(3600));
        assert_eq!(session.told(&changes(41, Views::default()), None, NOW), []);
        assert_eq!(session.next(NOW), Next::Read(41));
    }

    #[test]
    fn a_stream_that_cannot_be_read_asks_the_client_back() {
        let failed = opening(Mode::Hold, Some("ab.40")).failed();
        assert_eq!(failed, Block::End { id: None, retry: Duration::from_secs(5) });
        let (session, _) = opened(Mode::Hold, Some("ab.40"), &head(3600));
        let id = Some(Cursor { epoch: "ab".into(), rev: 40 });
        assert_eq!(session.failed(), Block::End { id, retry: Duration::from_secs(5) });
    }
}
