//! Sockets: what is said on them, as pure functions of what was read, and the way to send it.
//!
//! No process holds a connection: API Gateway does, and calls a function for each message. So the state of a socket is what its client brings
//! along (a cursor) and what lies in the store (whose it is, in which session). [`Admission`] judges a connect, [`Visit`] answers a message,
//! [`live`] tells what happens, and [`Posts`] sends it.

mod admission;
pub mod live;
mod posts;
mod visit;

pub use admission::{Admission, LIFETIME, LIMIT, Refused, TICKET_LIFETIME, surplus};
pub use posts::{Post, PostError, Posts};
pub use visit::{Answer, Malformed, Visit};

use contract::socket::{SocketData, SocketFrame, SocketName};
use contract::stream::StreamEvent;
use domain::EventId;
use store::{Changes, Seal, Stage};

use crate::block::{Data, Frame};

/// Frames as a socket carries them: each says from where it leads, beginning at `after`, so that a client notices when one is missing.
fn chained(frames: Vec<Frame>, changes: &Changes, seal: &Seal, after: &mut String) -> Vec<SocketFrame> {
    let link = |frame: Frame| {
        let id = seal.seal(&frame.id);
        let cursor = match frame.id.stage {
            Stage::Via { .. } => Some(seal.seal(&frame.id.at(Stage::Whole))),
            _ => None,
        };
        let data = match frame.data {
            Data::Import(outcome) => Some(SocketData::Outcome(outcome)),
            Data::Progress(progress) => Some(SocketData::Progress(progress)),
            Data::Nothing | Data::Metadata(_) => None,
        };
        SocketFrame {
            after: Some(std::mem::replace(after, cursor.clone().unwrap_or_else(|| id.clone()))),
            id: Some(id),
            cursor,
            ids: ids(frame.event, changes),
            data,
            ..SocketFrame::new(SocketName::Event(frame.event))
        }
    };
    frames.into_iter().map(link).collect()
}

/// The events that a frame is about, if all of them are known.
fn ids(event: StreamEvent, changes: &Changes) -> Option<Vec<EventId>> {
    let is_about = match event {
        StreamEvent::EventChanged => |views: domain::Views| views.is_grid,
        StreamEvent::SomedayEventChanged => |views: domain::Views| views.is_someday,
        _ => return None,
    };
    let touched = changes.touched.iter().filter(|touched| is_about(touched.views));
    let ids: Option<std::collections::BTreeSet<EventId>> = touched.map(|touched| touched.id).collect();
    ids.map(|ids| ids.into_iter().collect())
}
