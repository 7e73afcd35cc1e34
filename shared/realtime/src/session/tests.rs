use chrono::DateTime;
use contract::stream::StreamEvent::{self, EventChanged, ImportGcalStart, SomedayEventChanged, UserMetadata};
use domain::{Notice, UserId};
use store::{CursorKey, Profile};

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
    Changes { upto, views, ..Changes::default() }
}

fn opening(mode: Mode, last_event_id: Option<&str>) -> Opening {
    let last_event_id = last_event_id.map(|id| id.parse().map_or(id.to_owned(), |id| seal().seal(&id)));
    Opening::new(Policy::new(mode), seal(), last_event_id.as_deref(), Some(after(900)))
}

fn seal() -> Seal {
    CursorKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap().of(UserId::new([1; 12]))
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
    assert_eq!(told(&blocks), [(UserMetadata, "ab.40-0-1".into())]);
    assert_eq!(session.next(NOW), Next::Read(40));
}

#[test]
fn a_first_connect_just_after_a_change_may_have_missed_it_between_two_streams() {
    let (_, blocks) = opened(Mode::Burst, None, &head(3));
    assert_eq!(
        told(&blocks),
        [
            (UserMetadata, "none.0~40~1".into()),
            (EventChanged, "none.0~40~3".into()),
            (SomedayEventChanged, "ab.40-0-7".into())
        ]
    );
}

#[test]
fn a_new_user_whom_nothing_has_happened_to_is_told_of_no_change() {
    let (_, blocks) = opened(Mode::Burst, None, &Head { seq: 0, ..head(0) });
    assert_eq!(told(&blocks), [(UserMetadata, "ab.0-0-1".into())]);
}

#[test]
fn a_reconnect_is_told_what_changed_since() {
    let (session, blocks) =
        opening(Mode::Burst, Some("ab.30")).answer(&head(9), Some(changes(40, GRID)), NOW);
    assert_eq!(told(&blocks), [(UserMetadata, "ab.30~40~1".into()), (EventChanged, "ab.40-30-3".into())]);
    assert_eq!(session.next(NOW), Next::Read(40));
}

#[test]
fn a_reconnect_that_missed_nothing_gets_the_metadata_only() {
    let (_, blocks) = opened(Mode::Burst, Some("ab.40"), &head(9));
    assert_eq!(told(&blocks), [(UserMetadata, "ab.40-40-1".into())]);
}

#[test]
fn a_cursor_that_the_log_does_not_know_is_a_reset() {
    for unknown in ["xy.40", "ab.41", "none.0", "garbage", "", "ab."] {
        let (session, blocks) = opened(Mode::Burst, Some(unknown), &head(3600));
        let expected = [
            (UserMetadata, "none.0~40~1".into()),
            (EventChanged, "none.0~40~3".into()),
            (SomedayEventChanged, "ab.40-0-7".into()),
        ];
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
    assert_eq!(told(&blocks), [(EventChanged, "ab.41-40-2".into())]);
    assert!(!is_over(&session, after(38)));
    let id = Some(Cursor::new("ab", 41));
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
            (UserMetadata, "ab.40~42~1".into()),
            (EventChanged, "ab.40~42~3".into()),
            (ImportGcalStart, "ab.42-40-11".into())
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
    let id = Some(Cursor::new("ab", 40));
    assert_eq!(session.failed(), Block::End { id, retry: Duration::from_secs(5) });
}
