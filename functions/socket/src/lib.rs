//! `socket`: what happens on the connections of the WebSocket API.
//!
//! API Gateway holds the connections; this function is called for each connect, message and disconnect. A client that says where it is gets what it missed
//! from the log. What happens from then on `fanout` sends: the connection is noted before anything is read for it, so whatever is committed later finds
//! it, and whatever was committed before is read.

use auth::ticket::SocketTicket;
use contract::socket::SocketFrame;
use futures_util::future::{try_join, try_join_all, try_join3};
use realtime::socket::{Admission, Answer, Post, PostError, Refused, Visit, surplus};
use runtime::http::Web;
use runtime::socket::{Event, Kind};
use seam::{Class, Clock};
use store::{CursorKey, Socket, SocketId, Store, TICKET};

const OK: u16 = 200;
const UNAVAILABLE: u16 = 503;

/// What the function needs.
#[derive(Clone)]
pub struct Sockets<P> {
    /// Where tickets, connections and logs are.
    pub store: Store,
    /// Seals cursors.
    pub cursors: CursorKey,
    /// Whose pages may connect.
    pub web: Web,
    /// Sends to connections.
    pub posts: P,
    /// For how long a ticket is good.
    pub clock: Clock,
}

/// Why an event was not dealt with.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Post(#[from] PostError),
    #[error("a frame could not be written")]
    Frame,
}

impl Failure {
    fn status(&self) -> u16 {
        match self {
            Self::Refused(refused) => refused.status(),
            Self::Store(store::Error::Condition(TICKET)) => Refused::Ticket.status(),
            _ => UNAVAILABLE,
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Refused(_) | Self::Store(store::Error::Condition(TICKET)) => Class::Caller,
            Self::Store(error) => error.class(),
            Self::Post(error) => error.class(),
            Self::Frame => Class::Bug,
        }
    }

    fn log(&self, id: &SocketId) {
        match self.class() {
            Class::Bug => tracing::error!(%id, error = %self, "an event of a socket failed"),
            Class::Caller | Class::Gone => tracing::info!(%id, error = %self, "a socket was refused"),
            _ => tracing::warn!(%id, error = %self, "an event of a socket failed"),
        }
    }
}

impl<P: Post> Sockets<P> {
    /// Deals with an event. Returns the status of the answer: a connect is refused by any but 200, and nobody sees that of the others.
    pub async fn handle(&self, Event { id, kind }: Event) -> u16 {
        let done = match kind {
            Kind::Connect { origin, ticket } => self.connect(id.clone(), origin, ticket).await,
            Kind::Message(text) => self.message(&id, &text).await,
            Kind::Disconnect => self.forget(&id).await,
        };
        match done {
            Ok(()) => OK,
            Err(failure) => {
                failure.log(&id);
                failure.status()
            }
        }
    }

    async fn connect(
        &self,
        id: SocketId,
        origin: Option<String>,
        ticket: Option<String>,
    ) -> Result<(), Failure> {
        Admission::of_origin(origin.as_deref(), |origin| self.web.allows(origin))?;
        let hash = SocketTicket::from_wire(&ticket.ok_or(Refused::Ticket)?).hash();
        let now = self.clock.now();
        let ticket = self.store.ticket(&hash, now).await?.ok_or(Refused::Ticket)?;
        let session = self.store.session(ticket.user, ticket.session).await?;
        let admission = Admission::of_ticket(id, Some(ticket), session.as_ref(), now)?;
        self.store.connect(&hash, &admission.socket).await?;
        self.make_room(&admission.socket).await;
        Ok(())
    }

    /// Closes the oldest connections of a user who has too many. Looked at after the new one is noted, so that of connects at the same time the
    /// last one sees them all. It is no reason to refuse the new one that this fails: the next connect tries again.
    async fn make_room(&self, newest: &Socket) {
        let user = newest.user;
        let made = async {
            let surplus = surplus(self.store.sockets(user).await?, &newest.id);
            try_join_all(surplus.iter().map(|socket| self.end(socket))).await
        };
        if let Err(failure) = made.await {
            tracing::warn!(%user, error = %failure, "the oldest sockets of a user could not be closed");
        }
    }

    async fn message(&self, id: &SocketId, text: &str) -> Result<(), Failure> {
        let Some(socket) = self.store.socket(id).await? else {
            // Somebody has forgotten it, as one forgets what is gone. Its client comes back.
            return self.close(id).await;
        };
        let answer = match Visit::read(text, self.cursors.of(socket.user)) {
            Ok(visit) => self.answer(&socket, visit).await?,
            Err(malformed) => Answer { frames: vec![malformed.frame()], is_last: false },
        };
        self.send(&socket, answer).await
    }

    async fn answer(&self, socket: &Socket, visit: Visit) -> Result<Answer, Failure> {
        let user = socket.user;
        let session = self.store.session(user, socket.session);
        if !visit.needs_log() {
            return Ok(visit.answer(session.await?.as_ref(), None, self.clock.now()));
        }
        let backlog = async {
            match visit.backlog_after() {
                Some(rev) => self.store.changes(user, rev).await.map(Some),
                None => Ok(None),
            }
        };
        let (session, head, backlog) = try_join3(session, self.store.head(user), backlog).await?;
        Ok(visit.answer(session.as_ref(), Some((&head, backlog)), self.clock.now()))
    }

    /// Sends frames one after the other. When one is not delivered, those after it show the client that something is missing.
    async fn send(&self, socket: &Socket, answer: Answer) -> Result<(), Failure> {
        for frame in answer.frames {
            let text = SocketFrame::text(frame).map_err(|_| Failure::Frame)?;
            match self.posts.post(&socket.id, &text).await {
                Err(PostError::Gone) => return Ok(self.store.disconnect(socket.user, &socket.id).await?),
                sent => sent?,
            }
        }
        if answer.is_last { self.end(socket).await } else { Ok(()) }
    }

    async fn end(&self, socket: &Socket) -> Result<(), Failure> {
        let forgotten = async { Ok(self.store.disconnect(socket.user, &socket.id).await?) };
        try_join(forgotten, self.close(&socket.id)).await?;
        Ok(())
    }

    async fn close(&self, id: &SocketId) -> Result<(), Failure> {
        match self.posts.close(id).await {
            Ok(()) | Err(PostError::Gone) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn forget(&self, id: &SocketId) -> Result<(), Failure> {
        match self.store.socket(id).await? {
            Some(socket) => Ok(self.store.disconnect(socket.user, id).await?),
            None => Ok(()),
        }
    }
}
