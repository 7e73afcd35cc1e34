//! Messages of a WebSocket, one JSON object each.
//!
//! A client says `hello` with its cursor, is told what it missed, then `READY`, then what happens. A frame holds ids and no data, so that it is the same
//! for everybody and stays small; the client asks for what it needs.
//!
//! A frame leads the client from the cursor `after` to `cursor` (or to `id`, which is one, too, where there is no `cursor`). A client that is at neither of
//! them has missed a frame, or met two in the wrong order; it says `hello` again with the cursor it has. So nothing depends on each frame's arriving, or on
//! their order. A frame that comes twice is known by its `id`: no two frames that say different things have the same.

use domain::{EventId, ImportOutcome, ImportProgress};
use serde::{Deserialize, Serialize};

use crate::stream::StreamEvent;

/// The largest frame, in bytes: API Gateway counts each 32 KB of a message as one.
pub const FRAME_LIMIT: usize = 32 * 1024;

/// The longest message of a client that is looked at, in bytes.
pub const MESSAGE_LIMIT: usize = 4 * 1024;

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ClientMessage {
    /// It is there, and has seen everything up to its cursor; without one it has just begun.
    Hello {
        /// Where it is.
        cursor: Option<String>,
    },
    /// It is still there. With its cursor it also finds out whether it has missed anything.
    Ping {
        /// Where it is.
        cursor: Option<String>,
    },
}

/// What the server says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SocketFrame {
    /// What it is about.
    #[serde(rename = "type")]
    pub name: SocketName,
    /// By which it is known when it comes again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where the client is once it has this frame, if that is not its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Where it must have been before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Events that changed. Absent: any of them may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<EventId>>,
    /// How an import ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<SocketData>,
    /// What was wrong with a message, for a person who writes a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'static str>,
}

/// What a frame says of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SocketData {
    /// How it ended.
    Outcome(ImportOutcome),
    /// How far it is.
    Progress(ImportProgress),
}

/// Names of frames: those of the event stream, and a few that only a socket has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SocketName {
    /// The answer to a hello is complete: from here on the client is told what happens.
    Ready,
    /// What the client has may be wrong: it shall forget it and load anew, and is then at the frame's id.
    Reset,
    /// The answer to a ping is complete.
    Pong,
    /// The session has ended, and with it the connection.
    Bye,
    /// A message could not be understood.
    Error,
    /// One of the event stream's.
    #[serde(untagged)]
    Event(StreamEvent),
}

impl SocketFrame {
    /// A frame with nothing beside its name.
    pub fn new(name: SocketName) -> Self {
        Self { name, id: None, cursor: None, after: None, ids: None, data: None, message: None }
    }

    /// As it goes over the wire, below [`FRAME_LIMIT`]: what would make it larger is left out, and the client asks for all instead.
    ///
    /// # Errors
    /// None that could happen: a frame has a JSON form.
    pub fn text(mut self) -> Result<String, serde_json::Error> {
        let text = serde_json::to_string(&self)?;
        if text.len() < FRAME_LIMIT {
            return Ok(text);
        }
        self.ids = None;
        if let Some(SocketData::Outcome(outcome)) = &mut self.data {
            outcome.message = None;
        }
        serde_json::to_string(&self)
    }
}

/// `POST /api/realtime/ticket`: what it takes to connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketView {
    /// To be shown once, in the query of the socket's address.
    pub ticket: String,
    /// Where to connect to, with the ticket.
    pub url: String,
    /// For how many seconds it is good.
    pub expires_in: u32,
}

#[cfg(test)]
mod tests {
    use domain::{ImportOperation, ImportStatus};

    use super::*;

    #[test]
    fn a_frame_is_what_it_says_and_no_nulls() {
        let changed = SocketFrame {
            id: Some("a.2".into()),
            after: Some("a.1".into()),
            ids: Some(vec![EventId::new([1; 12])]),
            ..SocketFrame::new(SocketName::Event(StreamEvent::EventChanged))
        };
        let expected =
            r#"{"type":"EVENT_CHANGED","id":"a.2","after":"a.1","ids":["010101010101010101010101"]}"#;
        assert_eq!(changed.text().unwrap(), expected);
        assert_eq!(SocketFrame::new(SocketName::Pong).text().unwrap(), r#"{"type":"PONG"}"#);
    }

    #[test]
    fn what_is_too_large_for_a_frame_is_left_out() {
        let many = SocketFrame {
            ids: Some(vec![EventId::new([1; 12]); 2_000]),
            ..SocketFrame::new(SocketName::Event(StreamEvent::EventChanged))
        };
        assert_eq!(many.text().unwrap(), r#"{"type":"EVENT_CHANGED"}"#);
        let outcome = ImportOutcome {
            operation: ImportOperation::Repair,
            status: ImportStatus::Errored,
            message: Some("x".repeat(FRAME_LIMIT)),
            events_count: None,
            calendars_count: None,
        };
        let wordy = SocketFrame {
            data: Some(SocketData::Outcome(outcome)),
            ..SocketFrame::new(SocketName::Event(StreamEvent::ImportGcalEnd))
        };
        let expected = r#"{"type":"IMPORT_GCAL_END","data":{"operation":"REPAIR","status":"ERRORED"}}"#;
        assert_eq!(wordy.text().unwrap(), expected);
    }

    #[test]
    fn a_message_is_read_by_its_type_and_fields_it_does_not_know_are_ignored() {
        let read = |text| serde_json::from_str::<ClientMessage>(text).ok();
        let hello = |cursor: Option<&str>| Some(ClientMessage::Hello { cursor: cursor.map(str::to_owned) });
        assert_eq!(read(r#"{"type":"hello","cursor":"a.1"}"#), hello(Some("a.1")));
        assert_eq!(read(r#"{"type":"hello"}"#), hello(None));
        assert_eq!(read(r#"{"type":"hello","cursor":null,"v":1}"#), hello(None));
        for wrong in
            ["", "{}", "[]", r#"{"type":"HELLO"}"#, r#"{"type":"hello","cursor":7}"#, r#"{"type":"x"}"#]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
