//! State on disk, for a local cloud that is to go on tomorrow where it stopped today.
//!
//! Kept are accounts, grants and calendars. Channels are not: the addresses they post to are of ports that do not outlive the
//! process. What changes over HTTP is written soon after, in the background; the rest when the server ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::calendar::book::{Book, Listed};
use crate::error::Error;
use crate::oauth::grants::Grants;
use crate::state::{Account, Google, World};

#[derive(Serialize)]
struct Written<'a> {
    newest: i64,
    accounts: &'a BTreeMap<String, Account>,
    grants: &'a Grants,
    books: &'a BTreeMap<String, Book>,
    lists: &'a BTreeMap<String, BTreeMap<String, Listed>>,
}

#[derive(Deserialize)]
struct Read {
    newest: i64,
    accounts: BTreeMap<String, Account>,
    grants: Grants,
    books: BTreeMap<String, Book>,
    lists: BTreeMap<String, BTreeMap<String, Listed>>,
}

/// The file, and the wish to have it written.
pub(crate) struct Snapshot {
    path: PathBuf,
    wish: Notify,
    /// One writer at a time, or an older state could replace a newer one.
    writing: Mutex<()>,
}

impl Snapshot {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, wish: Notify::new(), writing: Mutex::default() }
    }

    /// Puts what the file holds into `world`; without a file there is nothing to do.
    pub(crate) fn restore(&self, world: &mut World) -> Result<(), Error> {
        let bytes = match std::fs::read(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            read => read.map_err(|error| self.failed(error))?,
        };
        let read: Read = serde_json::from_slice(&bytes).map_err(|error| self.failed(error.into()))?;
        let Read { newest, accounts, grants, books, lists } = read;
        (world.newest, world.accounts, world.grants) = (newest, accounts, grants);
        (world.books, world.lists) = (books, lists);
        Ok(())
    }

    /// Something may have changed.
    pub(crate) fn wish(&self) {
        self.wish.notify_one();
    }

    fn write(&self, world: &World) -> Result<Vec<u8>, Error> {
        let World { newest, accounts, grants, books, lists, .. } = world;
        let written = Written { newest: *newest, accounts, grants, books, lists };
        serde_json::to_vec(&written).map_err(|error| self.failed(error.into()))
    }

    /// A new file takes the old one's place whole, so that a crash leaves one or the other.
    fn replace(&self, bytes: &[u8]) -> Result<(), Error> {
        let new = self.path.with_extension("new");
        let create = |path: &Path| path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let write = || create(&new).and_then(|()| std::fs::write(&new, bytes));
        write().and_then(|()| std::fs::rename(&new, &self.path)).map_err(|error| self.failed(error))
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::State { path: self.path.clone(), source }
    }
}

impl Google {
    /// Writes the state now, if it is to be kept.
    pub(crate) fn save(&self) {
        let Some(snapshot) = &self.snapshot else { return };
        let _alone = snapshot.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = snapshot.write(&self.world());
        if let Err(error) = bytes.and_then(|bytes| snapshot.replace(&bytes)) {
            tracing::error!(%error, "the state of the fake Google is not kept");
        }
    }
}

/// Writes whenever somebody wished it since the last time, until `stop`.
pub(crate) async fn keep(google: Arc<Google>, stop: CancellationToken) {
    let Some(snapshot) = &google.snapshot else { return };
    while stop.run_until_cancelled(snapshot.wish.notified()).await.is_some() {
        let saver = Arc::clone(&google);
        if let Err(error) = tokio::task::spawn_blocking(move || saver.save()).await {
            tracing::error!(%error, "the state of the fake Google is not kept");
        }
    }
}
