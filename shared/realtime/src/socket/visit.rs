//! A message of a client, and what it is answered.

use chrono::{DateTime, Utc};
use contract::socket::{ClientMessage, MESSAGE_LIMIT, SocketFrame, SocketName};
use domain::Rev;
use store::{Changes, Cursor, Head, Seal, Session};

use super::chained;
use crate::asked::Asked;
use crate::fold;

/// A message that was understood.
#[derive(Clone, Debug)]
pub struct Visit {
    seal: Seal,
    /// The cursor as the client sent it.
    presented: Option<String>,
    asked: Asked,
    /// With what the answer ends.
    last: SocketName,
}

/// A message that was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message is {{\"type\":\"hello\"|\"ping\",\"cursor\":\"…\"}}, at most {MESSAGE_LIMIT} bytes long")]
pub struct Malformed;

/// What is sent in answer to a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// In this order.
    pub frames: Vec<SocketFrame>,
    /// Whether the connection is to be closed then.
    pub is_last: bool,
}

impl Malformed {
    /// What the client is told.
    pub fn frame(self) -> SocketFrame {
        let message = "a message is {\"type\":\"hello\"|\"ping\",\"cursor\":\"…\"}";
        SocketFrame { message: Some(message), ..SocketFrame::new(SocketName::Error) }
    }
}

impl Visit {
    /// Reads a message of the user of `seal`.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn read(text: &str, seal: Seal) -> Result<Self, Malformed> {
        let message = Some(text).filter(|text| text.len() <= MESSAGE_LIMIT).ok_or(Malformed)?;
        let (last, presented) = match serde_json::from_str(message).map_err(|_| Malformed)? {
            ClientMessage::Hello { cursor } => (SocketName::Ready, cursor),
            ClientMessage::Ping { cursor } => (SocketName::Pong, cursor),
        };
        let asked = Asked::of(presented.as_deref(), &seal);
        Ok(Self { seal, presented, asked, last })
    }

    /// Whether the log is needed to answer. A ping without a cursor asks for nothing but a sign of life.
    pub fn needs_log(&self) -> bool {
        self.last != SocketName::Pong || self.asked != Asked::Fresh
    }

    /// The rev after which the log has to be read beside the head, if at all.
    pub fn backlog_after(&self) -> Option<Rev> {
        self.asked.backlog_after()
    }

    /// The answer, from the session, the head and the changes after [`Visit::backlog_after`]. Whichever of the two was read first knows less;
    /// what only the other knew is told again.
    pub fn answer(
        self,
        session: Option<&Session>,
        log: Option<(&Head, Option<Changes>)>,
        now: DateTime<Utc>,
    ) -> Answer {
        if !session.is_some_and(|session| session.is_alive(now)) {
            return Answer { frames: vec![SocketFrame::new(SocketName::Bye)], is_last: true };
        }
        let frames = match log {
            None => vec![SocketFrame::new(self.last)],
            Some((head, backlog)) => self.told(head, backlog, now),
        };
        Answer { frames, is_last: false }
    }

    fn told(self, head: &Head, backlog: Option<Changes>, now: DateTime<Utc>) -> Vec<SocketFrame> {
        let here = Cursor::new(head.epoch.clone(), head.seq);
        let (mut frames, at) = match (self.asked, self.presented, backlog) {
            (Asked::Resume(cursor), Some(presented), Some(changes)) if cursor.is_known(head, now) => {
                let upto = Cursor { rev: here.rev.min(changes.upto).max(cursor.rev), ..here };
                let mut answer = fold::Answer::default();
                answer.stale(&changes);
                answer.notices(&changes.notices, head, now);
                let mut at = presented;
                let frames = chained(answer.frames(&cursor, &upto), &changes, &self.seal, &mut at);
                (frames, (Some(at), upto))
            }
            _ => {
                let id = Some(self.seal.seal(&here));
                (vec![SocketFrame { id, ..SocketFrame::new(SocketName::Reset) }], (None, here))
            }
        };
        let (after, upto) = at;
        let id = Some(self.seal.seal(&upto));
        frames.push(SocketFrame { after: after.or_else(|| id.clone()), id, ..SocketFrame::new(self.last) });
        frames
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use contract::stream::StreamEvent::{self, EventChanged, SomedayEventChanged, UserMetadata};
    use domain::{EventId, Notice, UserId, Views};
    use store::{CursorKey, Profile, Touched};

    use super::*;

    const NOW: DateTime<Utc> = DateTime::from_timestamp_millis(1_763_600_000_000).unwrap();
    const BOTH: Views = Views { is_grid: true, is_someday: true };

    fn seal() -> Seal {
        let key = CursorKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
        key.of(UserId::new([1; 12]))
    }

    fn head() -> Head {
        Head { seq: 40, ..Head::new("ab".into(), Profile::default(), NOW) }
    }

    fn session() -> Session {
        Session::begin(NOW, NOW + TimeDelta::days(1))
    }

    fn message(kind: &str, cursor: Option<&str>) -> String {
        let cursor = cursor.map(|text| text.parse().map_or(text.to_owned(), |cursor| seal().seal(&cursor)));
        serde_json::json!({ "type": kind, "cursor": cursor }).to_string()
    }

    fn answer(kind: &str, cursor: Option<&str>, changes: Changes) -> Vec<SocketFrame> {
        let visit = Visit::read(&message(kind, cursor), seal()).unwrap();
        let backlog = visit.backlog_after().map(|_| changes);
        let answer = visit.answer(Some(&session()), Some((&head(), backlog)), NOW);
        assert!(!answer.is_last);
        answer.frames
    }

    /// Names, and cursors with their seal broken off.
    fn told(frames: &[SocketFrame]) -> Vec<(SocketName, String, String)> {
        for frame in frames {
            let at = |text: &Option<String>| text.as_ref().map(|text| seal().open(text).unwrap());
            let moved =
                at(&frame.cursor).is_none_or(|cursor| Some(cursor.rev) == at(&frame.id).map(|id| id.rev));
            assert!(moved, "{frame:?}");
        }
        let plain = |text: &Option<String>| match text {
            Some(text) => seal().open(text).unwrap().to_string(),
            None => "-".to_owned(),
        };
        frames.iter().map(|frame| (frame.name, plain(&frame.after), plain(&frame.id))).collect()
    }

    fn line(name: SocketName, after: &str, id: &str) -> (SocketName, String, String) {
        (name, after.into(), id.into())
    }

    fn event(name: StreamEvent, after: &str, id: &str) -> (SocketName, String, String) {
        line(SocketName::Event(name), after, id)
    }

    fn fifty() -> Changes {
        let ids = (0..50).map(|number| Touched { id: Some(EventId::new([number; 12])), views: BOTH });
        let touched = ids.collect();
        Changes { upto: 40, views: BOTH, touched, notices: vec![Notice::Metadata, Notice::Metadata] }
    }

    #[test]
    fn a_catch_up_has_each_name_once_and_every_frame_leads_on_from_the_one_before() {
        let frames = answer("hello", Some("ab.30"), fifty());
        assert_eq!(
            told(&frames),
            [
                event(UserMetadata, "ab.30", "ab.30~40~1"),
                event(EventChanged, "ab.30~40~1", "ab.30~40~3"),
                event(SomedayEventChanged, "ab.30~40~3", "ab.40-30-7"),
                line(SocketName::Ready, "ab.40", "ab.40"),
            ]
        );
        assert_eq!(frames[1].ids.as_ref().map(Vec::len), Some(50));
        assert_eq!(frames[0].ids, None);
    }

    #[test]
    fn a_client_that_missed_nothing_is_told_so() {
        let nothing = Changes { upto: 40, ..Changes::default() };
        assert_eq!(
            told(&answer("hello", Some("ab.40"), nothing.clone())),
            [line(SocketName::Ready, "ab.40", "ab.40")]
        );
        assert_eq!(told(&answer("ping", Some("ab.40"), nothing)), [line(SocketName::Pong, "ab.40", "ab.40")]);
    }

    #[test]
    fn what_only_the_log_knows_of_moves_the_client_on_silently() {
        let wanted = Changes { upto: 40, ..Changes::default() };
        assert_eq!(
            told(&answer("hello", Some("ab.38"), wanted)),
            [line(SocketName::Ready, "ab.38", "ab.40")]
        );
    }

    #[test]
    fn a_client_that_was_cut_off_within_an_answer_is_told_all_of_it_again_from_where_it_is() {
        let frames = answer("ping", Some("ab.30~40~1"), fifty());
        assert_eq!(told(&frames)[0], event(UserMetadata, "ab.30~40~1", "ab.30~40~1"));
        assert_eq!(told(&frames)[3], line(SocketName::Pong, "ab.40", "ab.40"));
    }

    #[test]
    fn head_and_log_may_be_read_in_either_order_and_no_cursor_moves_back() {
        let newer = Changes { upto: 45, views: BOTH, ..Changes::default() };
        assert_eq!(told(&answer("hello", Some("ab.30"), newer)).last().unwrap().2, "ab.40");
        let older = Changes { upto: 35, views: BOTH, ..Changes::default() };
        assert_eq!(told(&answer("hello", Some("ab.30"), older)).last().unwrap().2, "ab.35");
    }

    #[test]
    fn a_cursor_that_the_log_does_not_know_or_none_is_a_reset_and_never_data() {
        for cursor in [None, Some("xy.30"), Some("ab.41"), Some("none.0"), Some("ab.30.forged"), Some("")] {
            for (kind, last) in [("hello", SocketName::Ready), ("ping", SocketName::Pong)] {
                let frames = answer(kind, cursor, fifty());
                let reset = [line(SocketName::Reset, "-", "ab.40"), line(last, "ab.40", "ab.40")];
                assert_eq!(told(&frames), reset, "{kind} {cursor:?}");
                assert!(frames.iter().all(|frame| frame.ids.is_none()));
            }
        }
    }

    #[test]
    fn an_event_whose_id_the_log_does_not_say_may_be_any() {
        let grid = Views { is_grid: true, is_someday: false };
        let mut changes = fifty();
        changes.touched.push(Touched { id: None, views: grid });
        let frames = answer("hello", Some("ab.30"), changes);
        assert_eq!((frames[1].ids.as_ref(), frames[2].ids.as_ref().map(Vec::len)), (None, Some(50)));
    }

    #[test]
    fn a_ping_without_a_cursor_reads_no_log() {
        let visit = Visit::read(r#"{"type":"ping"}"#, seal()).unwrap();
        assert!(!visit.needs_log());
        let answer = visit.answer(Some(&session()), None, NOW);
        assert_eq!(answer.frames, [SocketFrame::new(SocketName::Pong)]);
        assert!(Visit::read(r#"{"type":"hello"}"#, seal()).unwrap().needs_log());
    }

    #[test]
    fn whoever_is_signed_out_is_told_so_and_nothing_else() {
        let over = Session { expires_at: NOW, ..session() };
        for session in [None, Some(&over)] {
            let visit = Visit::read(&message("hello", Some("ab.30")), seal()).unwrap();
            let answer = visit.answer(session, Some((&head(), Some(fifty()))), NOW);
            assert_eq!(answer, Answer { frames: vec![SocketFrame::new(SocketName::Bye)], is_last: true });
        }
    }

    #[test]
    fn what_is_no_message_is_malformed() {
        let long = format!(r#"{{"type":"ping","x":"{}"}}"#, "x".repeat(MESSAGE_LIMIT));
        for text in ["", "ping", "{}", r#"{"type":"subscribe","to":"everything"}"#, &long] {
            assert_eq!(Visit::read(text, seal()).unwrap_err(), Malformed);
        }
        assert_eq!(Malformed.frame().name, SocketName::Error);
    }
}
