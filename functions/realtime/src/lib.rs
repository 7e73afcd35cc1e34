//! `realtime`: how a client comes to a socket, and how it catches up.
//!
//! The socket itself is another function's: this one is asked by cookie session, over HTTP, by the page that wants to connect.

#[cfg(test)]
mod tests;

use auth::access::Verifier;
use auth::ticket::SocketTicket;
use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use contract::changes::{ChangesQuery, ChangesView};
use contract::socket::TicketView;
use domain::UserId;
use futures_util::future::try_join;
use http::header;
use realtime::Delta;
use realtime::socket::TICKET_LIFETIME;
use runtime::http::{ApiError, Query, Session};
use seam::{Clock, Random};
use store::{CursorKey, Store, Ticket};
use url::Url;

/// What the handlers need.
#[derive(Clone, FromRef)]
pub struct Realtime {
    /// Where the logs and the tickets are.
    pub store: Store,
    /// Knows a valid session.
    pub verifier: Verifier,
    /// Seals cursors.
    pub cursors: CursorKey,
    /// For how long a ticket is good, and a cursor.
    pub clock: Clock,
    /// Draws tickets.
    pub random: Random,
    /// Where the socket is.
    pub socket: Url,
}

/// The routes.
pub fn router(realtime: Realtime) -> Router {
    Router::new()
        .route("/api/realtime/ticket", post(ticket))
        .route("/api/changes", get(changes))
        .with_state(realtime)
}

/// `POST /api/realtime/ticket`: a ticket for one connect within a minute.
async fn ticket(State(realtime): State<Realtime>, session: Session) -> Result<Response, ApiError> {
    let epoch = realtime.store.head(session.user).await?.epoch;
    let ticket = SocketTicket::draw(&realtime.random);
    let expires_at = realtime.clock.now() + TICKET_LIFETIME;
    let permission = Ticket { user: session.user, session: session.handle, epoch, expires_at };
    realtime.store.allow_socket(&ticket.hash(), &permission).await?;
    let view = TicketView {
        ticket: ticket.as_str().to_owned(),
        url: realtime.socket.to_string(),
        expires_in: u32::try_from(TICKET_LIFETIME.num_seconds()).unwrap_or_default(),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

/// `GET /api/changes`: what changed after a cursor.
async fn changes(
    State(realtime): State<Realtime>,
    Session { user, .. }: Session,
    Query(query): Query<ChangesQuery>,
) -> Result<Response, ApiError> {
    let limit = query.limit()?;
    let delta = Delta::new(user, realtime.cursors.of(user), query.cursor.as_deref());
    let view = realtime.page(user, delta, limit).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

impl Realtime {
    async fn page(&self, user: UserId, delta: Delta, limit: usize) -> Result<ChangesView, ApiError> {
        let page = async {
            match delta.wanted() {
                Some(at) => self.store.page(user, at, limit).await.map(Some),
                None => Ok(None),
            }
        };
        let (head, page) = if delta.is_head_first() {
            (self.store.head(user).await?, page.await?)
        } else {
            try_join(self.store.head(user), page).await?
        };
        Ok(delta.answer(&head, page, self.clock.now()))
    }
}
