//! Frames to whoever is connected.
//!
//! A connection gets its frames one after the other, connections get theirs side by side. One that is gone is forgotten in the same pass. When API Gateway
//! is in trouble the record comes again and with it the frame, which a client knows by its id; when it refuses a frame for good, the client
//! learns from the next one, or from its ping, that one is missing.

use std::collections::BTreeMap;

use contract::socket::{SocketFrame, SocketName};
use domain::UserId;
use futures_util::{StreamExt, stream};
use realtime::socket::live::Run;
use realtime::socket::{Post, PostError};
use store::{Socket, SocketId, Store};
use tokio::sync::Semaphore;

use crate::batch::News;
use crate::{Fanout, Outbox};

/// How many users' connections are looked up at the same time.
const USERS: usize = 16;
/// How many frames are under way at the same time.
const POSTS: usize = 64;

/// Who is connected.
pub trait Registry: Sync {
    /// The connections of a user.
    fn sockets(&self, user: UserId) -> impl Future<Output = Result<Vec<Socket>, store::Error>> + Send;

    /// Forgets a connection.
    fn disconnect(
        &self,
        user: UserId,
        id: &SocketId,
    ) -> impl Future<Output = Result<(), store::Error>> + Send;
}

impl Registry for Store {
    async fn sockets(&self, user: UserId) -> Result<Vec<Socket>, store::Error> {
        Store::sockets(self, user).await
    }

    async fn disconnect(&self, user: UserId, id: &SocketId) -> Result<(), store::Error> {
        Store::disconnect(self, user, id).await
    }
}

/// Why a connection did not get what it should.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Post(#[from] PostError),
    #[error("a frame could not be written: {0}")]
    Frame(#[from] serde_json::Error),
}

impl Failure {
    /// Whether another delivery may succeed.
    fn is_passing(&self) -> bool {
        match self {
            Self::Store(error) => error.class().is_retryable(),
            Self::Post(error) => error.class().is_retryable(),
            Self::Frame(_) => false,
        }
    }
}

impl<O: Outbox, R: Registry, P: Post> Fanout<O, R, P> {
    /// Tells connections what their users have to hear of. Returns the first record of each user for whom that has to be tried again.
    pub(crate) async fn push(&self, news: BTreeMap<UserId, News>) -> Vec<usize> {
        let permits = &Semaphore::new(POSTS);
        stream::iter(news)
            .map(|(user, news)| async move {
                let first = news.first;
                self.tell(user, news, permits).await.then_some(first)
            })
            .buffer_unordered(USERS)
            .filter_map(std::future::ready)
            .collect()
            .await
    }

    /// Tells the connections of one user. Returns whether that has to be tried again.
    async fn tell(&self, user: UserId, news: News, permits: &Semaphore) -> bool {
        let runs = Run::of(&news.entries);
        if news.ended.is_empty() && runs.iter().all(Run::is_silent) {
            return false;
        }
        let sockets = match self.registry.sockets(user).await {
            Ok(sockets) => sockets,
            Err(error) => return is_to_be_tried_again(user, &error.into()),
        };
        let (news, runs) = (&news, runs.as_slice());
        let outcomes = stream::iter(sockets).map(|socket| async move {
            let told = if news.ended.contains(&socket.session) {
                self.end(&socket, permits).await
            } else {
                self.send(&socket, runs, permits).await
            };
            told.is_err_and(|failure| is_to_be_tried_again(user, &failure))
        });
        let failed = outcomes.buffer_unordered(POSTS).filter(|failed| std::future::ready(*failed));
        failed.count().await > 0
    }

    async fn send(&self, socket: &Socket, runs: &[Run], permits: &Semaphore) -> Result<(), Failure> {
        let seal = self.cursors.of(socket.user);
        for frame in runs.iter().flat_map(|run| run.frames(&socket.epoch, &seal)) {
            let text = frame.text()?;
            let sent = {
                let _permit = permits.acquire().await;
                self.posts.post(&socket.id, &text).await
            };
            match sent {
                Err(PostError::Gone) => return Ok(self.registry.disconnect(socket.user, &socket.id).await?),
                sent => sent?,
            }
        }
        Ok(())
    }

    /// Ends a connection whose session is over.
    async fn end(&self, socket: &Socket, permits: &Semaphore) -> Result<(), Failure> {
        let bye = SocketFrame::new(SocketName::Bye).text()?;
        let closed = {
            let _permit = permits.acquire().await;
            if let Err(error) = self.posts.post(&socket.id, &bye).await {
                // A farewell is a courtesy: it is closed all the same.
                tracing::info!(id = %socket.id, %error, "a socket was not told that its session has ended");
            }
            self.posts.close(&socket.id).await
        };
        match closed {
            Ok(()) | Err(PostError::Gone) => Ok(self.registry.disconnect(socket.user, &socket.id).await?),
            Err(error) => Err(error.into()),
        }
    }
}

fn is_to_be_tried_again(user: UserId, failure: &Failure) -> bool {
    let is_passing = failure.is_passing();
    if is_passing {
        tracing::warn!(%user, error = %failure, "a change was not told; it comes again");
    } else {
        tracing::error!(%user, error = %failure, "a change was not told; the client will notice");
    }
    is_passing
}
