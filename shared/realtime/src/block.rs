//! The format of server-sent events (HTML Standard §9.2.5). Nothing else spells it.

use std::time::Duration;

use contract::stream::StreamEvent;
use contract::user::MetadataView;
use domain::{ImportOutcome, ImportProgress};
use store::{Cursor, Seal};

/// What is written to a stream at once. A client acts on whole blocks only: one that was cut half-way never happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// A named event.
    Frame(Frame),
    /// A comment, so that no proxy takes a quiet stream for a dead one.
    Keepalive,
    /// The last block of a stream: when to come back, and from where. It has no data, so the client dispatches nothing, but keeps both.
    End {
        /// Up to where the client was told everything, as far as that is known.
        id: Option<Cursor>,
        /// How long the client shall wait before it connects again.
        retry: Duration,
    },
}

/// A named event with its place in the user's log.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// From where a client that has received this frame has to be told.
    pub id: Cursor,
    /// Its name.
    pub event: StreamEvent,
    /// What it says.
    pub data: Data,
}

/// What a frame says.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Nothing beside its name: `{}`.
    Nothing,
    /// The user's metadata.
    Metadata(MetadataView),
    /// How an import ended.
    Import(ImportOutcome),
    /// How far an import is.
    Progress(ImportProgress),
}

impl Block {
    /// Appends the block to `text`, as it goes over the wire, its id under the seal of the stream's user.
    ///
    /// # Errors
    /// Data that has no JSON form; nothing is appended then.
    pub fn write(&self, seal: &Seal, text: &mut String) -> Result<(), serde_json::Error> {
        match self {
            Self::Frame(Frame { id, event, data }) => {
                // JSON as written here has no line break, so one `data:` line holds it.
                let data = data.json()?;
                let id = seal.seal(id);
                text.push_str(&format!("id: {id}\nevent: {}\ndata: {data}\n\n", event.as_str()));
            }
            Self::Keepalive => text.push_str(": keepalive\n\n"),
            Self::End { id, retry } => {
                if let Some(id) = id {
                    text.push_str(&format!("id: {}\n", seal.seal(id)));
                }
                text.push_str(&come_back_in(*retry));
            }
        }
        Ok(())
    }
}

/// The end of a stream, when that is all there is to say.
pub(crate) fn come_back_in(retry: Duration) -> String {
    format!("retry: {}\n\n", retry.as_millis())
}

impl Data {
    fn json(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Nothing => Ok("{}".into()),
            Self::Metadata(metadata) => serde_json::to_string(metadata),
            Self::Import(outcome) => serde_json::to_string(outcome),
            Self::Progress(progress) => serde_json::to_string(progress),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use contract::user::Settings;
    use domain::{ImportOperation, ImportStatus, UserId};
    use store::CursorKey;

    use super::*;

    fn seal() -> Seal {
        CursorKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
            .unwrap()
            .of(UserId::new([1; 12]))
    }

    /// What is written, its seal broken off.
    fn written(block: &Block) -> String {
        let mut text = String::new();
        block.write(&seal(), &mut text).unwrap();
        text.replace(&seal().seal(&cursor()), &cursor().to_string())
    }

    fn cursor() -> Cursor {
        Cursor::new("ab12", 42)
    }

    fn frame(event: StreamEvent, data: Data) -> Block {
        Block::Frame(Frame { id: cursor(), event, data })
    }

    #[test]
    fn a_change_is_a_name_and_an_empty_object() {
        assert_eq!(
            written(&frame(StreamEvent::EventChanged, Data::Nothing)),
            "id: ab12.42\nevent: EVENT_CHANGED\ndata: {}\n\n"
        );
    }

    #[test]
    fn metadata_and_outcomes_are_the_json_of_the_web_app() {
        let settings = Settings { skip_onboarding: Some(true), timezone: Some("Europe/Berlin".into()) };
        let metadata = MetadataView::new(settings, None, DateTime::UNIX_EPOCH);
        assert_eq!(
            written(&frame(StreamEvent::UserMetadata, Data::Metadata(metadata))),
            "id: ab12.42\nevent: USER_METADATA\ndata: {\"skipOnboarding\":true,\"timezone\":\"Europe/Berlin\",\
             \"google\":{\"connectionState\":\"NOT_CONNECTED\"}}\n\n"
        );
        let outcome = ImportOutcome {
            operation: ImportOperation::Repair,
            status: ImportStatus::Errored,
            message: Some("first line\nsecond line".into()),
            events_count: None,
            calendars_count: None,
        };
        assert_eq!(
            written(&frame(StreamEvent::ImportGcalEnd, Data::Import(outcome))),
            "id: ab12.42\nevent: IMPORT_GCAL_END\ndata: {\"operation\":\"REPAIR\",\"status\":\"ERRORED\",\
             \"message\":\"first line\\nsecond line\"}\n\n"
        );
        let progress = ImportProgress { done: 2_500, calendars: 2 };
        assert_eq!(
            written(&frame(StreamEvent::ImportGcalProgress, Data::Progress(progress))),
            "id: ab12.42\nevent: IMPORT_GCAL_PROGRESS\ndata: {\"done\":2500,\"calendars\":2}\n\n"
        );
    }

    #[test]
    fn a_keepalive_is_a_comment() {
        assert_eq!(written(&Block::Keepalive), ": keepalive\n\n");
    }

    #[test]
    fn an_end_moves_the_clients_cursor_and_says_when_to_come_back() {
        let retry = Duration::from_secs(5);
        assert_eq!(written(&Block::End { id: Some(cursor()), retry }), "id: ab12.42\nretry: 5000\n\n");
        assert_eq!(written(&Block::End { id: None, retry }), "retry: 5000\n\n");
    }
}
