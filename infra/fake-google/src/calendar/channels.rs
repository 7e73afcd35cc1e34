//! Push channels: `watch` on events and on the calendar list, `channels.stop`, and who is told of a change.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use rand::RngExt;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::{Caller, Fields, object};
use crate::error::Refusal;
use crate::oauth::scopes::Access;
use crate::push::{Message, ResourceState};
use crate::state::{Google, World};

/// The longest a channel lives, and how long it does if nobody asks.
const LONGEST: TimeDelta = TimeDelta::days(7);

/// What a channel is told about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Watched {
    /// The events of a calendar.
    Events {
        /// Its id.
        calendar: String,
    },
    /// The calendar list of the channel's owner.
    CalendarList,
    /// Who may do what with a calendar.
    Acl {
        /// Its id.
        calendar: String,
    },
    /// The settings of the channel's owner; they never change here.
    Settings,
}

impl Watched {
    /// Is it about this calendar?
    pub(crate) fn is_of(&self, id: &str) -> bool {
        matches!(self, Self::Events { calendar } | Self::Acl { calendar } if calendar == id)
    }
}

/// An open channel.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// Chosen by the client.
    pub id: String,
    /// The account that opened it.
    pub owner: String,
    /// What it watches.
    pub watched: Watched,
    /// Same for all channels of the owner on this resource.
    pub resource_id: String,
    /// Address of the resource.
    pub resource_uri: String,
    /// Where notifications go.
    pub address: String,
    /// When it closes by itself.
    pub expires_at: DateTime<Utc>,
    /// The client's secret; not for eyes.
    #[serde(skip)]
    pub(crate) token: Option<String>,
    #[serde(skip)]
    number: u64,
    /// Stopped, but told once more.
    #[serde(skip)]
    is_stopping: bool,
}

impl Channel {
    /// The next message on this channel. Numbers grow, but not by one.
    fn next_message(&mut self, state: ResourceState, step: u64) -> Message {
        self.number += step;
        Message { channel: self.clone(), state, number: self.number }
    }
}

/// The open channels, by id: ids are unique within the client's project.
#[derive(Default)]
pub(crate) struct Channels(BTreeMap<String, Channel>);

impl Channels {
    /// Those that have not expired.
    pub(crate) fn open(&self, now: DateTime<Utc>) -> impl Iterator<Item = &Channel> {
        self.0.values().filter(move |channel| channel.expires_at > now && !channel.is_stopping)
    }
}

/// `POST /calendars/{calendar}/events/watch`.
pub(crate) async fn watch_events(
    State(google): State<Arc<Google>>,
    caller: Caller,
    Path(calendar): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    watch(&google, &caller, &body, |world| {
        let calendar = caller.open(world, &calendar, Access::ReadEvents)?;
        if !world.books.get(&calendar).is_some_and(|book| book.is_pushing) {
            let message = "Push notifications are not supported by this resource.";
            return Err(Refusal::bad("pushNotSupportedForRequestedResource", message));
        }
        let path: String = url::form_urlencoded::byte_serialize(calendar.as_bytes()).collect();
        Ok((Watched::Events { calendar }, format!("calendars/{path}/events")))
    })
}

/// `POST /users/me/calendarList/watch`.
pub(crate) async fn watch_calendar_list(
    State(google): State<Arc<Google>>,
    caller: Caller,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    watch(&google, &caller, &body, |_| {
        caller.require(Access::ReadCalendarList)?;
        Ok((Watched::CalendarList, "users/me/calendarList".to_owned()))
    })
}

/// `POST /calendars/{calendar}/acl/watch`.
pub(crate) async fn watch_acl(
    State(google): State<Arc<Google>>,
    caller: Caller,
    Path(calendar): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    watch(&google, &caller, &body, |world| {
        let calendar = caller.open(world, &calendar, Access::ReadCalendar)?;
        let path = format!("calendars/{calendar}/acl");
        Ok((Watched::Acl { calendar }, path))
    })
}

/// `POST /users/me/settings/watch`.
pub(crate) async fn watch_settings(
    State(google): State<Arc<Google>>,
    caller: Caller,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    watch(&google, &caller, &body, |_| {
        caller.require(Access::ReadCalendar)?;
        Ok((Watched::Settings, "users/me/settings".to_owned()))
    })
}

/// Opens a channel on what the caller may watch, with its path.
fn watch(
    google: &Google,
    caller: &Caller,
    body: &Bytes,
    allowed: impl FnOnce(&World) -> Result<(Watched, String), Refusal>,
) -> Result<Json<Value>, Refusal> {
    let wanted = Wanted::parse(&object(body)?, google.is_loopback_http_allowed, google.now())?;
    let mut world = google.world();
    let (watched, path) = allowed(&world)?;
    let uri = format!("{}/calendar/v3/{path}?alt=json", google.url);
    google.open_channel(&mut world, &caller.email, watched, uri, wanted).map(Json)
}

/// `POST /channels/stop`.
pub(crate) async fn stop(
    State(google): State<Arc<Google>>,
    caller: Caller,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    caller.require(Access::StopChannel)?;
    let given = object(&body)?;
    let (id, resource_id) = (required(&given, "id")?, required(&given, "resourceId")?);
    let mut world = google.world();
    let is_own = |channel: &&Channel| channel.owner == caller.email && channel.resource_id == resource_id;
    if world.channels.open(google.now()).find(|channel| channel.id == id).filter(is_own).is_none() {
        let message = format!("Channel '{id}' not found for project.");
        return Err(Refusal::new(StatusCode::NOT_FOUND, "notFound", message));
    }
    match world.quirks.stop_lags {
        true => drop(world.channels.0.get_mut(id).map(|channel| channel.is_stopping = true)),
        false => drop(world.channels.0.remove(id)),
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The body of a `watch`, checked.
struct Wanted {
    id: String,
    address: String,
    token: Option<String>,
    expires_at: DateTime<Utc>,
}

impl Wanted {
    fn parse(given: &Fields, is_loopback_http_allowed: bool, now: DateTime<Utc>) -> Result<Self, Refusal> {
        let id = required(given, "id")?;
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+/=".contains(&byte);
        if id.len() > 64 || !id.bytes().all(is_id) {
            return Err(Refusal::bad("invalid", "Invalid value for: id"));
        }
        if !matches!(required(given, "type")?, "web_hook" | "webhook") {
            return Err(Refusal::bad("invalid", "Invalid value for: type"));
        }
        let address = required(given, "address")?;
        if !is_acceptable(address, is_loopback_http_allowed) {
            return Err(Refusal::bad(
                "webhookUrlNotHttps",
                format!("WebHook callback must be HTTPS: {address}"),
            ));
        }
        let token = given.get("token").and_then(Value::as_str).map(str::to_owned);
        if token.as_ref().is_some_and(|token| token.len() > 256) {
            return Err(Refusal::bad("invalid", "Invalid value for: token"));
        }
        let expires_at = expiry(given, now)?;
        Ok(Self { id: id.to_owned(), address: address.to_owned(), token, expires_at })
    }
}

fn required<'a>(given: &'a Fields, name: &str) -> Result<&'a str, Refusal> {
    let text = given.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| Refusal::bad("required", format!("Required parameter: {name}")))
}

fn is_acceptable(address: &str, is_loopback_http_allowed: bool) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let is_loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback && is_loopback_http_allowed)
}

/// `expiration` (ms since the epoch) or `params.ttl` (s), each a number or a string; at most seven days away.
fn expiry(given: &Fields, now: DateTime<Utc>) -> Result<DateTime<Utc>, Refusal> {
    let number = |value: Option<&Value>| match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_i64()),
        Some(Value::String(text)) => text.parse().map(Some).map_err(|_| ()),
        Some(_) => Err(()),
    };
    let invalid = |name: &str| Refusal::bad("invalid", format!("Invalid value for: {name}"));
    let wanted = number(given.get("expiration")).map_err(|()| invalid("expiration"))?;
    let ttl =
        number(given.get("params").and_then(|params| params.get("ttl"))).map_err(|()| invalid("ttl"))?;
    let wanted = wanted.and_then(DateTime::from_timestamp_millis).or_else(|| {
        let ttl = TimeDelta::try_seconds(ttl?)?;
        now.checked_add_signed(ttl)
    });
    let expires_at = wanted.unwrap_or(now + LONGEST).min(now + LONGEST);
    if expires_at <= now {
        return Err(invalid("expiration"));
    }
    Ok(expires_at)
}

fn resource_id(owner: &str, uri: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(format!("{owner} {uri}").as_bytes())[..20])
}

impl Google {
    /// Registers a channel and sends its first message.
    fn open_channel(
        &self,
        world: &mut World,
        owner: &str,
        watched: Watched,
        resource_uri: String,
        wanted: Wanted,
    ) -> Result<Value, Refusal> {
        if world.channels.open(self.now()).any(|channel| channel.id == wanted.id) {
            let message = format!("Channel id {} not unique", wanted.id);
            return Err(Refusal::bad("channelIdNotUnique", message));
        }
        world.secrets.extend(wanted.token.clone());
        // Google answers with the stricter of what was asked for and its own limit of the day.
        let longest = world.quirks.channel_seconds.and_then(TimeDelta::try_seconds).unwrap_or(LONGEST);
        let mut channel = Channel {
            id: wanted.id,
            owner: owner.to_owned(),
            watched,
            resource_id: resource_id(owner, &resource_uri),
            resource_uri,
            address: wanted.address,
            expires_at: wanted.expires_at.min(self.now() + longest),
            token: wanted.token,
            number: 0,
            is_stopping: false,
        };
        self.deliver(world, channel.next_message(ResourceState::Sync, 1));
        let mut answer = json!({
            "kind": "api#channel",
            "id": channel.id,
            "resourceId": channel.resource_id,
            "resourceUri": channel.resource_uri,
            "expiration": channel.expires_at.timestamp_millis().to_string(),
        });
        if let Some(token) = &channel.token {
            answer["token"] = token.clone().into();
        }
        world.channels.0.insert(channel.id.clone(), channel);
        Ok(answer)
    }

    /// Tells every open channel that watches what `is_changed` names. The writer's own channels are told like any other.
    pub(crate) fn announce(&self, world: &mut World, is_changed: impl Fn(&Channel) -> bool) {
        self.tell(world, ResourceState::Exists, is_changed);
    }

    /// Sends a message on every open channel that `is_meant`.
    pub(crate) fn tell(&self, world: &mut World, state: ResourceState, is_meant: impl Fn(&Channel) -> bool) {
        let now = self.now();
        let World { channels, random, .. } = world;
        channels.0.retain(|_, channel| channel.expires_at > now);
        let told = channels.0.values_mut().filter(|channel| is_meant(channel));
        let messages: Vec<Message> =
            told.map(|channel| channel.next_message(state, random.random_range(1..=5))).collect();
        channels.0.retain(|_, channel| !(channel.is_stopping && is_meant(channel)));
        for message in messages {
            self.deliver(world, message);
        }
    }

    fn deliver(&self, world: &mut World, message: Message) {
        let fate = world.faults.take_push(&message.channel.id);
        if let Some(is_until_next) = fate.held {
            world.held.push((message, is_until_next));
            return;
        }
        if fate.copies == 0 {
            return;
        }
        let is_freed = |(held, is_until_next): &mut (Message, bool)| {
            *is_until_next && held.channel.id == message.channel.id
        };
        let freed: Vec<Message> = world.held.extract_if(.., is_freed).map(|(held, _)| held).collect();
        self.pushes.send(message, &fate, freed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: Value, is_loopback_http_allowed: bool) -> Result<Wanted, Refusal> {
        Wanted::parse(body.as_object().unwrap(), is_loopback_http_allowed, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn an_address_is_https_unless_loopback_is_allowed() {
        let body = |address: &str| json!({"id": "c", "type": "web_hook", "address": address});
        assert!(parse(body("https://hooks.example.com/x"), false).is_ok());
        assert!(parse(body("http://127.0.0.1:9/x"), true).is_ok());
        for (address, is_allowed) in
            [("http://127.0.0.1:9/x", false), ("http://hooks.example.com/x", true), ("x", true)]
        {
            let refusal = parse(body(address), is_allowed).err().unwrap();
            assert_eq!(refusal.reason, "webhookUrlNotHttps", "{address}");
        }
    }

    #[test]
    fn a_channel_lives_seven_days_at_most() {
        let lives = |extra: Value| {
            let mut body = json!({"id": "c", "type": "web_hook", "address": "https://a.example"});
            body.as_object_mut().unwrap().extend(extra.as_object().cloned().unwrap());
            parse(body, false).map(|wanted| wanted.expires_at.timestamp())
        };
        let week = 7 * 24 * 3600;
        assert_eq!(lives(json!({})).unwrap(), week);
        assert_eq!(lives(json!({"params": {"ttl": "2592000"}})).unwrap(), week);
        assert_eq!(lives(json!({"params": {"ttl": "60"}})).unwrap(), 60);
        assert_eq!(lives(json!({"expiration": "60000"})).unwrap(), 60);
        assert!(lives(json!({"expiration": -1})).is_err());
    }
}
