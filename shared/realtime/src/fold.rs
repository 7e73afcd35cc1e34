//! Which frames an answer has: at most one of each name, in an order that survives a cut between any two of them.

use chrono::{DateTime, Utc};
use contract::stream::StreamEvent;
use contract::user::MetadataView;
use domain::{GoogleStatus, Notice, Views};
use store::{Changes, Cursor, Head, Stage};

use crate::block::{Data, Frame};

/// Whether the changes can only be told together with a head that was read after them: a notice says that something happened, the head
/// what is true now.
pub(crate) fn needs_head(changes: &Changes) -> bool {
    changes.notices.iter().any(|notice| StreamEvent::of(notice).is_some())
}

/// What an answer has to say.
#[derive(Default)]
pub(crate) struct Answer {
    said: Vec<(StreamEvent, Data)>,
}

impl Answer {
    /// The user's metadata.
    pub fn metadata(&mut self, head: &Head, now: DateTime<Utc>) {
        let metadata = MetadataView::new(head.settings.clone(), head.google.as_ref(), now);
        self.say(StreamEvent::UserMetadata, Data::Metadata(metadata));
    }

    /// Views to be read again.
    pub fn views(&mut self, views: Views) {
        if views.is_grid {
            self.say(StreamEvent::EventChanged, Data::Nothing);
        }
        if views.is_someday {
            self.say(StreamEvent::SomedayEventChanged, Data::Nothing);
        }
    }

    /// Notices, the later of two of one name in place of the earlier, and only as far as they still hold.
    pub fn notices(&mut self, notices: &[Notice], head: &Head, now: DateTime<Utc>) {
        let google = head.google.as_ref();
        let is_revoked = google.is_some_and(|google| google.is_revoked && !google.is_disconnected);
        self.tell(notices, |later| !is_start_stale(later, google, now), is_revoked);
    }

    /// Changes as they happen: whatever they say is true just now, and the client asks for what it needs of it.
    pub fn news(&mut self, changes: &Changes) {
        self.stale(changes);
        self.tell(&changes.notices, |_| true, true);
    }

    /// What a client that asks for everything itself has to ask for again.
    pub fn stale(&mut self, changes: &Changes) {
        if changes.notices.contains(&Notice::Metadata) {
            self.say(StreamEvent::UserMetadata, Data::Nothing);
        }
        self.views(changes.views);
    }

    fn tell(&mut self, notices: &[Notice], is_running: impl Fn(&[Notice]) -> bool, is_revoked: bool) {
        for (position, notice) in notices.iter().enumerate() {
            let later = &notices[position + 1..];
            match notice {
                Notice::ImportStarted if !is_running(later) => {}
                Notice::ImportStarted if !later.contains(notice) => {
                    self.say(StreamEvent::ImportGcalStart, Data::Nothing);
                }
                Notice::ImportProgress(progress)
                    if is_running(later) && !later.iter().any(supersedes_progress) =>
                {
                    self.say(StreamEvent::ImportGcalProgress, Data::Progress(*progress));
                }
                Notice::ImportEnded(outcome) if !later.iter().any(is_end) => {
                    self.say(StreamEvent::ImportGcalEnd, Data::Import(outcome.clone()));
                }
                _ => {}
            }
        }
        // Last: the web app closes the stream when it hears this, and hears nothing that follows. Not at all once access was given
        // back: it would go offline until it is loaded again.
        if notices.contains(&Notice::GoogleRevoked) && is_revoked {
            self.say(StreamEvent::GoogleRevoked, Data::Nothing);
        }
    }

    /// The frames. Only the last one moves the client on to `upto`: a client that was cut off before it comes back with a part of the way from
    /// `from`, and is told all of it again. No two answers that differ have a frame with the same id.
    pub fn frames(self, from: &Cursor, upto: &Cursor) -> Vec<Frame> {
        let last = self.said.len().saturating_sub(1);
        let mut names = 0;
        let frame = |(position, (event, data)): (usize, (StreamEvent, Data))| {
            names |= event.bit();
            let id = if position == last {
                upto.clone().at(Stage::Via { after: from.rev, names })
            } else {
                from.clone().at(Stage::Part { upto: upto.rev, names })
            };
            Frame { id, event, data }
        };
        self.said.into_iter().enumerate().map(frame).collect()
    }

    fn say(&mut self, event: StreamEvent, data: Data) {
        self.said.push((event, data));
    }
}

/// Whether a start would show a spinner that no end takes away: the import was lost with its worker.
fn is_start_stale(later: &[Notice], google: Option<&GoogleStatus>, now: DateTime<Utc>) -> bool {
    !later.iter().any(is_end) && !google.is_some_and(|google| google.is_importing(now))
}

/// Whether a client that hears of this need not hear how far the import was before.
fn supersedes_progress(notice: &Notice) -> bool {
    matches!(notice, Notice::ImportProgress(_) | Notice::ImportEnded(_) | Notice::ImportStarted)
}

fn is_end(notice: &Notice) -> bool {
    matches!(notice, Notice::ImportEnded(_))
}

#[cfg(test)]
mod tests {
    use domain::{ImportOperation, ImportOutcome, ImportProgress, ImportStatus, Job, UserId};
    use store::Profile;

    use super::*;

    const NOW: DateTime<Utc> = DateTime::from_timestamp_millis(1_763_600_000_000).unwrap();

    fn head(google: Option<GoogleStatus>) -> Head {
        Head { google, ..Head::new("e".into(), Profile::default(), NOW) }
    }

    fn importing() -> Option<GoogleStatus> {
        Some(GoogleStatus::connected(NOW + chrono::TimeDelta::minutes(5)))
    }

    fn revoked() -> Option<GoogleStatus> {
        importing().map(|google| GoogleStatus { is_revoked: true, import_until: None, ..google })
    }

    fn ended(count: u32) -> Notice {
        Notice::ImportEnded(outcome(count))
    }

    fn outcome(count: u32) -> ImportOutcome {
        ImportOutcome {
            operation: ImportOperation::Incremental,
            status: ImportStatus::Completed,
            message: None,
            events_count: Some(count),
            calendars_count: None,
        }
    }

    fn names(notices: &[Notice], google: Option<GoogleStatus>) -> Vec<(StreamEvent, Data)> {
        let mut answer = Answer::default();
        answer.notices(notices, &head(google), NOW);
        answer.said
    }

    #[test]
    fn each_name_is_said_once_with_its_latest_data_and_in_the_order_of_the_log() {
        use Notice::ImportStarted as Started;
        use StreamEvent::{ImportGcalEnd as End, ImportGcalStart as Start};
        let start = (Start, Data::Nothing);
        let end = |count| (End, Data::Import(outcome(count)));
        for (notices, google, expected) in [
            (vec![Started], importing(), vec![start.clone()]),
            (vec![Started, Started], importing(), vec![start.clone()]),
            (vec![Started, ended(1)], None, vec![start.clone(), end(1)]),
            (vec![Started, ended(1), Started, ended(2)], None, vec![start.clone(), end(2)]),
            (vec![Started, ended(1), Started], importing(), vec![end(1), start]),
            (vec![ended(1), ended(2)], None, vec![end(2)]),
        ] {
            assert_eq!(names(&notices, google), expected, "{notices:?}");
        }
    }

    #[test]
    fn of_the_progress_the_latest_is_told_while_the_import_runs() {
        use Notice::ImportStarted as Started;
        let progress = |done| Notice::ImportProgress(ImportProgress { done, calendars: 1 });
        let told = |notices: &[Notice], google| {
            let said = names(notices, google).into_iter();
            said.filter_map(|(_, data)| match data {
                Data::Progress(progress) => Some(progress.done),
                _ => None,
            })
            .collect::<Vec<_>>()
        };
        assert_eq!(told(&[Started, progress(1), progress(2)], importing()), [2]);
        assert!(told(&[Started, progress(1), ended(1)], None).is_empty());
        assert!(told(&[progress(1), Started], importing()).is_empty(), "that was another import");
        assert!(told(&[progress(1)], None).is_empty(), "whose import died");
    }

    #[test]
    fn a_start_whose_import_died_is_not_told() {
        assert_eq!(names(&[Notice::ImportStarted], None), vec![]);
        let expired = GoogleStatus::connected(NOW);
        assert_eq!(names(&[Notice::ImportStarted], Some(expired)), vec![]);
    }

    #[test]
    fn a_revocation_is_told_last_and_only_while_it_holds() {
        let notices = [Notice::GoogleRevoked, ended(1)];
        let told = names(&notices, revoked());
        assert_eq!(told.last(), Some(&(StreamEvent::GoogleRevoked, Data::Nothing)));
        assert_eq!(told.len(), 2);
        assert_eq!(names(&notices, importing()).len(), 1);
    }

    #[test]
    fn work_that_is_wanted_is_no_business_of_clients() {
        let wanted = Notice::Wanted(Job::Pull { user: UserId::new([1; 12]) });
        let mut changes = Changes { notices: vec![wanted.clone()], ..Changes::default() };
        assert!(!needs_head(&changes));
        assert_eq!(names(&[wanted], None), vec![]);
        changes.notices.push(Notice::Metadata);
        assert!(needs_head(&changes));
    }

    #[test]
    fn only_the_last_frame_moves_the_client_on() {
        let cursor = |rev| Cursor::new("e", rev);
        let mut answer = Answer::default();
        answer.metadata(&head(None), NOW);
        answer.views(Views { is_grid: true, is_someday: true });
        let ids: Vec<String> =
            answer.frames(&cursor(3), &cursor(9)).into_iter().map(|frame| frame.id.to_string()).collect();
        assert_eq!(ids, ["e.3~9~1", "e.3~9~3", "e.9-3-7"]);
    }
}
