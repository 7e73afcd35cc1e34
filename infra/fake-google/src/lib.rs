//! A fake of the parts of Google that Meridian speaks to: OAuth 2.0 with OpenID Connect, and Calendar v3 with push channels.
//!
//! It is for the local cloud and for tests. It keeps what the real service keeps, refuses what it refuses, in its words, and
//! really posts notifications; and it can be told to fail. State is in memory (and in a file, if one is named), behind one lock, so that every answer
//! is of one moment; several servers live side by side in one process. It may listen on and post to loopback addresses, nothing else; it
//! never speaks to the real Google.
//!
//! Whatever a client sends is also held against Google's discovery document and Google's quotas; what is not right is noted
//! ([`Google::violations`], [`Google::quota_breaches`]), for a test to fail on.
//!
//! Known gaps: no batch requests, no free/busy and settings; access control lists exist only as roles on calendar lists; `maxAttendees` is
//! accepted and changes nothing. A rule that never has an occurrence takes seconds to be found out.
//!
//! # Administration over HTTP
//!
//! The methods of [`Google`], for a shell. Bodies and answers are JSON; `{calendar}` is an id, or `primary` below an account.
//!
//! | request | does |
//! |---|---|
//! | `POST /_fake/reset` | forgets everything |
//! | `POST /_fake/clock` `{"seconds"}` | moves this server's time forward |
//! | `GET /_fake/accounts`, `POST` `{"email", "name"?, "picture"?, "timeZone"?}` | lists, opens accounts |
//! | `POST /_fake/consent` `{"email", "scopes", "redirectUri", …}` | consents without a browser: `{"code"}` |
//! | `GET`, `POST /_fake/accounts/{email}/calendars/{calendar}/events` | lists (deleted ones too), adds events |
//! | `POST /_fake/accounts/{email}/calendars/{calendar}/plant` `[…]` | puts events there as they are given |
//! | `POST …/{calendar}/populate` `{"singles"?, "series"?}` | fills a calendar |
//! | `GET`, `PATCH`, `DELETE …/events/{event}` (`?scope=this`, `following` or `all`) | shows, edits, deletes as the user |
//! | `POST …/events/{event}/restore`, `…/move` `{"destination"}` | takes out of the bin, moves to another calendar |
//! | `GET /_fake/accounts/{email}/calendars/{calendar}/dump` | canonical form, for comparisons |
//! | `GET …/{calendar}/occurrences?from=…&to=…` | what a person sees |
//! | `POST /_fake/accounts/{email}/calendars` `{"summary"}` | adds a calendar |
//! | `POST`, `PATCH`, `DELETE /_fake/accounts/{email}/calendars/{calendar}` `{"role"}` | shares with, edits the entry of, takes from the account |
//! | `PATCH`, `DELETE /_fake/calendars/{calendar}` `{"summary"?, "timeZone"?}` | edits, deletes a calendar |
//! | `POST /_fake/accounts/{email}/expire-tokens`, `…/revoke` | ends access tokens, grants |
//! | `POST /_fake/calendars/{calendar}/invalidate-sync-tokens` | 410 for all sync tokens |
//! | `POST /_fake/calendars/{calendar}/pushing` `{"isPushing"}` | allows, refuses channels |
//! | `POST /_fake/keys/rotate` | signs with another key |
//! | `POST /_fake/quirks` | [`Quirks`]: habits |
//! | `GET`, `POST`, `DELETE /_fake/faults` | a [`Fault`]: `{"operation", "count"?, "skip"?, "path"?, "probability"?, "delayMs"?, "effect": {"kind": …}}` |
//! | `POST /_fake/push-faults` | a [`PushFault`]: `{"count"?, "channel"?, "effect": {"kind": "drop"}}` |
//! | `POST /_fake/push-faults/release` | sends what was held back |
//! | `POST /_fake/paging` `{"atMost"?, "startsEmpty"?, "repeatsBoundary"?}` | how lists are cut |
//! | `POST /_fake/page-tokens/expire` | 400 for all page tokens |
//! | `GET`, `DELETE /_fake/journal` | requests so far |
//! | `GET /_fake/violations` | requests that the discovery document does not allow |
//! | `GET`, `POST /_fake/quota` `{"perUser"?, "perProject"?, "isEnforced"?}` | breaches so far; what is allowed |
//! | `GET /_fake/channels`, `/_fake/deliveries` | open channels, notifications that are over |
//! | `GET /_fake/idle` | answers when no notification is pending |

mod admin;
mod calendar;
mod clock;
mod discovery;
mod dump;
mod error;
mod faults;
mod front;
mod journal;
mod oauth;
mod push;
mod quirks;
mod quota;
mod server;
mod snapshot;
mod state;

pub use admin::ConsentRequest;
pub use calendar::channels::{Channel, Watched};
pub use calendar::scope::Scope;
pub use clock::{Clock, ManualClock};
pub use error::{Error, Refusal};
pub use faults::{Effect, Fault, PushEffect, PushFault};
pub use journal::{CREDENTIAL_IN_ADDRESS, Entry};
pub use push::{Delivery, ResourceState};
pub use quirks::{Quirks, Rotation};
pub use quota::{Breach, Quota};
pub use server::{Options, Server};
pub use state::{Account, Google, Paging};
