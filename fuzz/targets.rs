//! What is fuzzed: whatever a stranger can send to the socket or put into a cursor. A target returns when all is well, and panics when not.
#![allow(clippy::unwrap_used, reason = "a target fails by panicking")]

use auth::ticket::SocketTicket;
use chrono::{DateTime, TimeDelta, Utc};
use contract::auth::SessionHandle;
use contract::socket::{FRAME_LIMIT, SocketName};
use domain::{EventId, Notice, UserId, Views};
use realtime::Delta;
use realtime::socket::{Admission, Visit};
use store::{Changes, CursorKey, Head, Page, Profile, Seal, Session, SocketId, Ticket, Touched};

const NOW: DateTime<Utc> = DateTime::from_timestamp_millis(1_763_600_000_000).unwrap();
const ANA: UserId = UserId::new([1; 12]);
const BEN: UserId = UserId::new([2; 12]);

/// What is tried with arbitrary bytes. It fails by panicking.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const ALL: [(&str, Target); 3] = [("message", message), ("cursor", cursor), ("ticket", ticket)];

fn seal(user: UserId) -> Seal {
    CursorKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap().of(user)
}

fn head() -> Head {
    Head { seq: 40, ..Head::new("ab12".into(), Profile::default(), NOW) }
}

fn secrets() -> Changes {
    let views = Views { is_grid: true, is_someday: true };
    let touched = (0..50).map(|number| Touched { id: Some(EventId::new([number; 12])), views }).collect();
    Changes { upto: 40, views, touched, notices: vec![Notice::Metadata, Notice::ImportStarted] }
}

/// A message on a socket: whatever it is, the answer is a few small frames, and tells nothing of the log unless the message holds a cursor of this
/// user.
pub fn message(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let Ok(visit) = Visit::read(&text, seal(ANA)) else { return };
    let is_known = visit.backlog_after().is_some();
    let session = Session::begin(NOW, NOW + TimeDelta::days(1));
    let backlog = is_known.then(secrets);
    let answer = visit.answer(Some(&session), Some((&head(), backlog)), NOW);
    assert!((1..=8).contains(&answer.frames.len()));
    for frame in answer.frames {
        let is_news = matches!(frame.name, SocketName::Event(_));
        assert!(is_known || (!is_news && frame.ids.is_none()), "{text:?} was told {frame:?}");
        assert!(frame.text().unwrap().len() < FRAME_LIMIT);
    }
}

/// A cursor: only what was sealed for this user opens, and only in the one spelling; anything else is a reset without data.
pub fn cursor(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let opened = seal(ANA).open(&text);
    if let Some(cursor) = &opened {
        assert_eq!(seal(ANA).seal(cursor), text);
        assert_eq!(seal(BEN).open(&text), None);
    }
    let delta = Delta::new(ANA, seal(ANA), Some(&text));
    let page =
        delta.wanted().map(|_| Page { items: Vec::new(), series: Vec::new(), upto: 0, has_more: false });
    assert_eq!(page.is_some(), opened.as_ref().is_some_and(|cursor| !cursor.is_nowhere()));
    let answer = delta.answer(&head(), page, NOW);
    assert!(opened.is_some() || (answer.reset && answer.changes.is_empty()));
    assert!(seal(ANA).open(&answer.cursor).is_some());
}

/// A ticket and an origin, with a line between: whatever they are, only our page with a ticket that is stored gets in.
pub fn ticket(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (ticket, origin) = text.split_once('\n').unwrap_or((&text, ""));
    let ours = "https://app.example";
    let is_let_in = Admission::of_origin(Some(origin), |origin| origin == ours).is_ok();
    assert_eq!(is_let_in, origin == ours);
    let hash = SocketTicket::from_wire(ticket).hash();
    assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
    // The one that is stored.
    let is_stored = hash == SocketTicket::from_wire("the only one").hash();
    assert_eq!(is_stored, ticket == "the only one");
    let session = SessionHandle::new([9; 16]);
    let stored = Ticket { user: ANA, session, epoch: "ab12".into(), expires_at: NOW + TimeDelta::minutes(1) };
    let alive = Session::begin(NOW, NOW + TimeDelta::days(1));
    let admitted = Admission::of_ticket(SocketId::new("c"), is_stored.then_some(stored), Some(&alive), NOW);
    assert_eq!(admitted.is_ok(), is_stored);
}
