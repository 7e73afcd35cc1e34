//! What the cloud looks like at this moment: queues, their messages, open streams and sockets.

use chrono::{DateTime, Utc};
use fake_sqs::MessageState;
use serde::Serialize;

use crate::cloud::Inner;
use crate::socket::Socket;

/// Messages of one queue that are shown; a queue that holds more is not read on a page.
const MESSAGES: usize = 20;
/// Characters of a message that are shown.
const BODY: usize = 500;

/// The state that the page shows.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    now: DateTime<Utc>,
    queues: Vec<Queue>,
    streams: Vec<Stream>,
    sockets: Vec<Socket>,
    has_google: bool,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Queue {
    name: String,
    visible: usize,
    in_flight: usize,
    delayed: usize,
    /// Whether it takes what others could not do.
    is_dead_letter: bool,
    /// Whether its messages can be moved back. What a table's stream gave up is an address of records, not a message from a queue.
    can_redrive: bool,
    messages: Vec<Message>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Message {
    id: String,
    group: Option<String>,
    received: u32,
    state: &'static str,
    body: String,
}

#[derive(Debug, PartialEq, Serialize)]
struct Stream {
    function: String,
    open: usize,
}

impl Shown {
    pub(super) fn of(cloud: &Inner) -> Self {
        let mut streams: Vec<_> = cloud
            .pools
            .iter()
            .map(|(function, pool)| Stream { function: function.clone(), open: pool.streams() })
            .filter(|stream| stream.open > 0)
            .collect();
        streams.sort_by(|one, other| one.function.cmp(&other.function));
        Self {
            now: cloud.clock.now(),
            queues: cloud.queues.broker.queues().into_iter().map(|name| queue(cloud, name)).collect(),
            streams,
            sockets: cloud.socket.as_ref().map_or_else(Vec::new, |api| api.connections.sockets()),
            has_google: cloud.google.is_some(),
        }
    }
}

/// A queue is there as long as the cloud is; one that is not would show as empty.
fn queue(cloud: &Inner, name: String) -> Queue {
    let broker = &cloud.queues.broker;
    let depth = broker.depth(&name).ok();
    let messages = broker.peek(&name).unwrap_or_default().into_iter().take(MESSAGES).map(|message| Message {
        id: message.message_id,
        group: message.group_id,
        received: message.receive_count,
        state: match message.state {
            MessageState::Visible => "waiting",
            MessageState::InFlight => "in flight",
            MessageState::Delayed => "delayed",
        },
        body: message.body.chars().take(BODY).collect(),
    });
    Queue {
        visible: depth.as_ref().map_or(0, |depth| depth.visible),
        in_flight: depth.as_ref().map_or(0, |depth| depth.in_flight),
        delayed: depth.as_ref().map_or(0, |depth| depth.delayed),
        is_dead_letter: cloud.queues.dead_letter.contains(&name),
        can_redrive: cloud.queues.redrivable.contains(&name),
        messages: messages.collect(),
        name,
    }
}
