//! One function for each route.

use std::collections::BTreeMap;
use std::sync::{PoisonError, Weak};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, body};
use domain::{Change, EventId, GoogleStatus, Job, Record, Rev};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{CalendarState, Plan, Snapshot, Watch};

use super::{Account, for_session, for_user, store};
use crate::cloud::Inner;
use crate::control::with;

/// Records that are read at a time.
const PAGE: usize = 500;

/// A channel, as clients name it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Channel {
    channel_id: String,
    resource_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Start {
    calendar_id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Maintain {
    dry: Option<String>,
}

/// Tells the tabs of one user that the grid has changed, by writing an event of theirs as it is.
pub(super) async fn demo(State(cloud): State<Weak<Inner>>) -> Response {
    with(&cloud, async |cloud| {
        let user = *cloud.demo_user.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(user) = user else { return Ok(undone()) };
        let store = store(&cloud)?;
        let records = store.records_after(user, None, PAGE).await?;
        let shown = records.into_iter().find(|record| record.live().is_some_and(|event| !event.is_someday));
        let Some(shown) = shown else { return Ok(undone()) };
        let address = shown.address();
        let plan = |snapshot: &Snapshot| -> Result<Plan, store::Error> {
            let stored = snapshot.records.get(address);
            Ok(Plan::of(stored.map(|record| Change::new(Some(record), record.clone()))))
        };
        store.mutate(user, store::Reads::at([address], []), cloud.clock.now(), plan).await?;
        Ok("OK".into_response())
    })
    .await
}

fn undone() -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, "An error occurred while processing your request.").into_response()
}

/// Reads what changed at Google, and counts what that came to.
pub(super) async fn import_incremental(
    State(cloud): State<Weak<Inner>>,
    Path(user): Path<String>,
) -> Response {
    for_user(&cloud, &user, async |account| {
        let before = states(account).await?;
        account.have_done([Job::Pull { user: account.user }], |_| Ok(())).await?;
        let after = states(account).await?;
        let was = |id: &EventId| before.get(id).copied();
        let count = |is_meant: &dyn Fn(&EventId, (Rev, bool)) -> bool| {
            after.iter().filter(|(id, state)| is_meant(id, **state)).count()
        };
        let created = count(&|id, (_, is_deleted)| !is_deleted && was(id).is_none_or(|(_, was)| was));
        let deleted = count(&|id, (_, is_deleted)| is_deleted && was(id).is_some_and(|(_, was)| !was));
        let moved = count(&|id, (rev, _)| was(id).is_some_and(|(was, _)| was != rev));
        let calendars = account.items().await?.calendars;
        let token = calendars.into_iter().find(|state| state.is_primary).and_then(|state| state.sync_token);
        let updated = moved.saturating_sub(deleted);
        Ok(json!([{ "updated": updated, "deleted": deleted, "created": created, "nextSyncToken": token }]))
    })
    .await
}

/// Each event's last change, and whether it is deleted.
async fn states(account: &Account) -> anyhow::Result<BTreeMap<EventId, (Rev, bool)>> {
    let mut states = BTreeMap::new();
    let mut after = None;
    loop {
        let records = account.store.records_after(account.user, after.as_ref(), PAGE).await?;
        let Some(last) = records.last() else { return Ok(states) };
        after = Some(store::Position::at(account.user, last));
        states
            .extend(records.iter().map(|record: &Record| (record.event.id, (record.rev, record.is_deleted))));
    }
}

/// Has a user's watches replaced and calendars read, or says of which it would be.
pub(super) async fn maintain(
    State(cloud): State<Weak<Inner>>,
    Path(user): Path<String>,
    Query(Maintain { dry }): Query<Maintain>,
) -> Response {
    for_user(&cloud, &user, async |account| {
        let now = account.cloud.clock.now();
        let (ended, live): (Vec<_>, Vec<_>) =
            watches(account).await?.into_iter().partition(|(_, watch)| watch.expires_at <= now);
        let is_dry = dry.as_deref() == Some("true");
        let count = |watches: &[_]| if is_dry { 0 } else { watches.len() };
        let bucket = |watches: &[(String, Watch)]| match watches {
            [] => json!([]),
            watches => {
                json!([{ "user": account.user, "payload": watches.iter().map(shown).collect::<Vec<_>>() }])
            }
        };
        let report = json!({
            "ignore": bucket(&live), "prune": [], "refresh": bucket(&ended),
            "user": account.store.head(account.user).await?.profile.email,
            "ignored": count(&live), "pruned": 0, "refreshed": count(&ended), "revoked": 0, "deleted": 0,
            "resynced": u8::from(!is_dry),
        });
        if !is_dry {
            let user = account.user;
            account.have_done([Job::RenewWatch { user }, Job::Poll { user }], |_| Ok(())).await?;
        }
        Ok(report)
    })
    .await
}

/// How far the sync of a user is.
pub(super) async fn refresh(State(cloud): State<Weak<Inner>>, Path(user): Path<String>) -> Response {
    for_user(&cloud, &user, async |account| {
        let items = account.items().await?;
        if items.calendars.is_empty() {
            return Ok(json!({ "error": format!("No sync for user: {}", account.user) }));
        }
        let shown = |state: &CalendarState| json!({ "gCalendarId": state.calendar, "nextSyncToken": state.sync_token });
        let events: Vec<Value> = items.calendars.iter().map(shown).collect();
        let list = json!([{ "gCalendarId": "calendarlist", "nextSyncToken": items.list.sync_token }]);
        Ok(json!({ "user": account.user, "google": { "calendarlist": list, "events": events } }))
    })
    .await
}

/// Has a calendar watched that is not.
pub(super) async fn start(
    State(cloud): State<Weak<Inner>>,
    headers: HeaderMap,
    Json(Start { calendar_id }): Json<Start>,
) -> Response {
    for_session(&cloud, &headers, async |account| {
        let now = account.cloud.clock.now();
        let watch = async || -> anyhow::Result<Option<Watch>> {
            let found = watches(account).await?.into_iter().find(|(calendar, _)| *calendar == calendar_id);
            Ok(found.map(|(_, watch)| watch).filter(|watch| now < watch.expires_at))
        };
        if watch().await?.is_none() {
            account.have_done([Job::RenewWatch { user: account.user }], |_| Ok(())).await?;
            if let Some(watch) = watch().await? {
                return Ok(Json(json!({ "acknowledged": true, "insertedId": watch.channel })).into_response());
            }
        }
        Ok(Json(json!({ "acknowledged": false })).into_response())
    })
    .await
}

/// Stops a channel; says nothing of one that is not known.
pub(super) async fn stop(
    State(cloud): State<Weak<Inner>>,
    headers: HeaderMap,
    Json(wanted): Json<Channel>,
) -> Response {
    for_session(&cloud, &headers, async |account| {
        let stopped = end(account, |watch| watch.channel == wanted.channel_id).await?;
        let stopped = stopped.into_iter().next();
        Ok(stopped
            .map_or_else(|| body::Body::empty().into_response(), |channel| Json(channel).into_response()))
    })
    .await
}

/// Stops all channels of a user.
pub(super) async fn stop_all(State(cloud): State<Weak<Inner>>, Path(user): Path<String>) -> Response {
    for_user(&cloud, &user, async |account| Ok(serde_json::to_value(end(account, |_| true).await?)?)).await
}

/// Takes watches out of use, so that their channels are strays, and has those stopped. The calendars are polled until they are watched again.
async fn end(account: &Account, is_meant: impl Fn(&Watch) -> bool) -> anyhow::Result<Vec<Channel>> {
    let items = account.items().await?;
    let is_meant = |watch: &Option<Watch>| watch.as_ref().is_some_and(&is_meant);
    let calendars: Vec<&CalendarState> =
        items.calendars.iter().filter(|state| is_meant(&state.watch)).collect();
    let list = Some(&items.list).filter(|list| is_meant(&list.watch));
    let watches = calendars.iter().map(|state| &state.watch).chain(list.map(|list| &list.watch)).flatten();
    let channels: Vec<Channel> = watches
        .map(|watch| Channel { channel_id: watch.channel.clone(), resource_id: watch.resource_id.clone() })
        .collect();
    if channels.is_empty() {
        return Ok(channels);
    }
    let user = account.user;
    let jobs = channels.iter().cloned().map(|Channel { channel_id: channel, resource_id: resource }| {
        Job::StopStray { user, channel, resource }
    });
    let unwatched = |plan: &mut Plan| -> Result<(), store::Error> {
        for state in &calendars {
            plan.put_calendar(&account.store, user, &CalendarState { watch: None, ..(*state).clone() })?;
        }
        if let Some(list) = list {
            plan.put_list(&account.store, user, &store::ListState { watch: None, ..list.clone() })?;
        }
        let status = account.status.clone();
        plan.google = Some(GoogleStatus { watched_until: None, is_polled: true, ..status });
        Ok(())
    };
    account.have_done(jobs, unwatched).await?;
    Ok(channels)
}

/// All watches of a user, each with what it watches.
async fn watches(account: &Account) -> anyhow::Result<Vec<(String, Watch)>> {
    let items = account.items().await?;
    let calendars = items.calendars.into_iter().filter_map(|state| Some((state.calendar, state.watch?)));
    let list = items.list.watch.map(|watch| ("calendarlist".to_owned(), watch));
    Ok(calendars.chain(list).collect())
}

fn shown((calendar, watch): &(String, Watch)) -> Value {
    let Watch { channel, resource_id, expires_at, .. } = watch;
    json!({ "_id": channel, "gCalendarId": calendar, "resourceId": resource_id, "expiration": expires_at })
}
