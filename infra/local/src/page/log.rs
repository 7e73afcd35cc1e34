//! A user's change log: what streams, sockets and sync follow, newest first.
//!
//! Read through the store, which alone knows how the log lies in the table.

use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context;
use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use contract::auth::Email;
use domain::Record;
use seam::{Kind, Seam};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{ListItem, LogItem, PageAt, Store};

use crate::cloud::Inner;
use crate::control::with;
use crate::table;

/// Revs that are looked back on.
const REVS: usize = 100;
/// The table is in the same process.
const DEADLINE: Duration = Duration::from_secs(5);

/// Whose log.
#[derive(Deserialize)]
pub(super) struct Whose {
    email: Email,
}

/// The last change of something.
#[derive(Serialize)]
struct Entry {
    rev: u64,
    key: String,
    content: String,
    state: &'static str,
}

pub(super) async fn log(State(cloud): State<Weak<Inner>>, Query(whose): Query<Whose>) -> Response {
    with(&cloud, async |cloud: Arc<Inner>| {
        let table = cloud.tables.first().context("the template has no table")?;
        let client = table::client(&cloud.dynamo.endpoint);
        let store = Store::new(client, &table.name, Seam::new(Kind::Store, DEADLINE));
        let login = store.login(&whose.email).await?.context("nobody has signed up with this address")?;
        let head = store.head(login.user).await?;
        let from = head.seq.saturating_sub(REVS as u64);
        let page = store.page(login.user, PageAt::After(from), REVS).await?;
        let entries: Vec<Entry> = page.items.into_iter().rev().map(Entry::from).collect();
        Ok(Json(json!({ "user": login.user, "seq": head.seq, "entries": entries })).into_response())
    })
    .await
}

impl From<LogItem> for Entry {
    fn from(item: LogItem) -> Self {
        match item {
            LogItem::Event(record) => (*record).into(),
            LogItem::Priority(ListItem { rev, entry, is_deleted }) => {
                Self::of_list(rev, entry.id.to_string(), entry.name.to_string(), is_deleted)
            }
            LogItem::Calendar(item) => {
                let ListItem { rev, entry, is_deleted } = *item;
                Self::of_list(rev, entry.id.to_string(), entry.listing.summary, is_deleted)
            }
            LogItem::Notice(rev, notice) => {
                Self { rev, key: "notice".to_owned(), content: format!("{notice:?}"), state: "" }
            }
        }
    }
}

impl Entry {
    fn of_list(rev: u64, key: String, content: String, is_deleted: bool) -> Self {
        Self { rev, key, content, state: if is_deleted { "deleted" } else { "" } }
    }
}

impl From<Record> for Entry {
    fn from(record: Record) -> Self {
        let state = match (record.is_deleted, record.is_dirty) {
            (true, _) => "deleted",
            (false, true) => "to be pushed to Google",
            (false, false) => "",
        };
        Self {
            rev: record.rev,
            key: record.event.id.to_string(),
            content: record.event.title.unwrap_or_default(),
            state,
        }
    }
}
