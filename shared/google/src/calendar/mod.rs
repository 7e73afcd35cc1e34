//! Calendar v3: the methods that the sync needs. One call each; retries, paging and meaning are the caller's.

mod resource;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, RequestBuilder};
use serde::{Deserialize, Serialize};
use url::Url;

pub use resource::{CalendarPage, Event, EventPage, ExtendedProperties, Extra, Listed, When};

use crate::http::Http;
use crate::{Error, Secret};

/// The most events of one page that Google allows.
pub const PAGE_SIZE: u32 = 2_500;

/// Which part of a calendar to list. All pages of one traversal must ask for the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traversal {
    /// What changed since; all there is without one.
    pub sync_token: Option<String>,
    /// Where the page before left off.
    pub page_token: Option<String>,
}

/// A notification channel to be opened.
pub struct NewChannel<'a> {
    /// At most 64 characters, never used before.
    pub id: &'a str,
    /// Google repeats it with every notification; at most 256 characters.
    pub token: &'a Secret,
    /// Where notifications go: HTTPS, or a stand-in's loopback address.
    pub address: &'a Url,
    /// How long it should live.
    pub life: TimeDelta,
}

/// An open notification channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// What it watches; needed to stop it.
    pub resource_id: String,
    /// When it ends, which may be sooner than asked for.
    pub expires_at: DateTime<Utc>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChannelRequest<'a> {
    id: &'a str,
    r#type: &'static str,
    address: &'a str,
    token: &'a str,
    params: ChannelParams,
}

#[derive(Serialize)]
struct ChannelParams {
    ttl: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChannelAnswer {
    resource_id: String,
    /// Milliseconds since the epoch, as text.
    expiration: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StopRequest<'a> {
    id: &'a str,
    resource_id: &'a str,
}

/// The Calendar API. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    base: Url,
    http: Http,
}

impl Client {
    pub(crate) fn new(base: Url, http: Http) -> Self {
        Self { base, http }
    }

    /// `calendarList.get`; `primary` is an alias.
    ///
    /// # Errors
    /// [`Error`], by reason.
    pub async fn calendar(&self, access: &Secret, id: &str) -> Result<Listed, Error> {
        let url = self.url(&["users", "me", "calendarList", id]);
        self.call("calendarList.get", Method::GET, url, access, |request| request)
            .await?
            .read("calendarList.get")
    }

    /// `calendarList.list`, one page.
    ///
    /// # Errors
    /// [`Error`], by reason.
    pub async fn calendars(&self, access: &Secret, traversal: &Traversal) -> Result<CalendarPage, Error> {
        let url = self.url(&["users", "me", "calendarList"]);
        self.call("calendarList.list", Method::GET, url, access, |request| {
            tokens(request.query(&[("maxResults", "250")]), traversal)
        })
        .await?
        .read("calendarList.list")
    }

    /// `events.list`, one page: series as such, deleted events whenever a sync token is given.
    ///
    /// # Errors
    /// [`crate::Reason::SyncTokenGone`] and [`crate::Reason::PageTokenGone`] beside the rest.
    pub async fn events(
        &self,
        access: &Secret,
        calendar: &str,
        traversal: &Traversal,
    ) -> Result<EventPage, Error> {
        let url = self.url(&["calendars", calendar, "events"]);
        self.call("events.list", Method::GET, url, access, |request| {
            let request = request.query(&[("singleEvents", "false"), ("maxResults", &PAGE_SIZE.to_string())]);
            tokens(request, traversal)
        })
        .await?
        .read("events.list")
    }

    /// `events.get`; a deleted event is returned as such.
    ///
    /// # Errors
    /// [`Error`], by reason.
    pub async fn event(&self, access: &Secret, calendar: &str, id: &str) -> Result<Event, Error> {
        let url = self.url(&["calendars", calendar, "events", id]);
        self.call("events.get", Method::GET, url, access, |request| request).await?.read("events.get")
    }

    /// `events.insert`, under the id that the event names. Guests get no mail.
    ///
    /// # Errors
    /// [`crate::Reason::Duplicate`] when the id is taken, be it by a deleted event, beside the rest.
    pub async fn insert(&self, access: &Secret, calendar: &str, event: &Event) -> Result<Event, Error> {
        let url = self.url(&["calendars", calendar, "events"]);
        self.call("events.insert", Method::POST, url, access, |request| quiet(request).json(event))
            .await?
            .read("events.insert")
    }

    /// `events.update`: replaces the event if its version is still `etag`. Guests get no mail.
    ///
    /// # Errors
    /// [`crate::Reason::Stale`] when it is not, beside the rest.
    pub async fn update(
        &self,
        access: &Secret,
        calendar: &str,
        event: &Event,
        etag: &str,
    ) -> Result<Event, Error> {
        let url = self.url(&["calendars", calendar, "events", &event.id]);
        self.call("events.update", Method::PUT, url, access, |request| {
            quiet(request).header(reqwest::header::IF_MATCH, etag).json(event)
        })
        .await?
        .read("events.update")
    }

    /// `events.delete`, if the version is still `etag` where one is given. Guests get no mail.
    ///
    /// # Errors
    /// [`crate::Reason::AlreadyDeleted`], [`crate::Reason::NotFound`] and [`crate::Reason::Stale`] beside the rest.
    pub async fn delete(
        &self,
        access: &Secret,
        calendar: &str,
        id: &str,
        etag: Option<&str>,
    ) -> Result<(), Error> {
        let url = self.url(&["calendars", calendar, "events", id]);
        self.call("events.delete", Method::DELETE, url, access, |request| match etag {
            Some(etag) => quiet(request).header(reqwest::header::IF_MATCH, etag),
            None => quiet(request),
        })
        .await
        .map(drop)
    }

    /// `events.watch`, or, of no calendar, `calendarList.watch`.
    ///
    /// # Errors
    /// [`crate::Reason::PushNotSupported`], [`crate::Reason::ChannelTaken`] and [`crate::Reason::BadAddress`] beside the rest.
    pub async fn watch(
        &self,
        access: &Secret,
        calendar: Option<&str>,
        channel: &NewChannel<'_>,
        now: DateTime<Utc>,
    ) -> Result<Channel, Error> {
        let (operation, url) = match calendar {
            Some(calendar) => ("events.watch", self.url(&["calendars", calendar, "events", "watch"])),
            None => ("calendarList.watch", self.url(&["users", "me", "calendarList", "watch"])),
        };
        let body = ChannelRequest {
            id: channel.id,
            r#type: "web_hook",
            address: channel.address.as_str(),
            token: channel.token.expose(),
            params: ChannelParams { ttl: channel.life.num_seconds().to_string() },
        };
        let answer: ChannelAnswer = self
            .call(operation, Method::POST, url, access, |request| request.json(&body))
            .await?
            .read(operation)?;
        let expires_at = answer
            .expiration
            .and_then(|text| text.parse().ok())
            .and_then(DateTime::from_timestamp_millis)
            .unwrap_or(now + channel.life);
        Ok(Channel { resource_id: answer.resource_id, expires_at })
    }

    /// `channels.stop`. One that has ended already is stopped.
    ///
    /// # Errors
    /// [`Error`], by reason.
    pub async fn stop(&self, access: &Secret, id: &str, resource_id: &str) -> Result<(), Error> {
        let url = self.url(&["channels", "stop"]);
        let body = StopRequest { id, resource_id };
        match self.call("channels.stop", Method::POST, url, access, |request| request.json(&body)).await {
            Err(error) if error.is(crate::Reason::NotFound) => Ok(()),
            other => other.map(drop),
        }
    }

    async fn call(
        &self,
        operation: &'static str,
        method: Method,
        url: Url,
        access: &Secret,
        shape: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<crate::http::Answer, Error> {
        self.http
            .send(operation, |client| {
                shape(client.request(method.clone(), url.clone()).bearer_auth(access.expose()))
            })
            .await?
            .succeeded(operation)
    }

    /// The address of a resource; what needs it is escaped.
    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        // Only an address like `mailto:` has no path to extend, and that is no HTTP client's.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}

fn tokens(request: RequestBuilder, traversal: &Traversal) -> RequestBuilder {
    let tokens = [("syncToken", &traversal.sync_token), ("pageToken", &traversal.page_token)];
    let given: Vec<_> =
        tokens.into_iter().filter_map(|(name, token)| Some((name, token.as_ref()?))).collect();
    request.query(&given)
}

/// A sync must not send mail in the user's name.
fn quiet(request: RequestBuilder) -> RequestBuilder {
    request.query(&[("sendUpdates", "none")])
}
