//! Scenario tests: Meridian's real binaries in the local cloud, driven from outside as a browser and Google would.
//!
//! [`TestApp`] is one bundle with a world of its own: random ports, an empty table, a fake Google. [`Browser`] is one browser
//! with a cookie jar, [`EventStream`] one open stream, [`Socket`] one open socket. Tests wait for conditions ([`eventually`]) and never for time.
//!
//! It is a test harness, so what goes wrong here is a failed test: its functions panic and say what they saw.
#![expect(clippy::expect_used, clippy::panic, reason = "a failure of the harness is a failed test")]

mod answer;
mod app;
mod browser;
mod events;
mod google;
mod secrets;
mod socket;
mod stream;
mod wait;

pub use answer::Answer;
pub use app::{TestApp, WEB_URL};
pub use browser::Browser;
pub use events::{all_day, id, someday, timed};
pub use google::{REDIRECT_URI, SCOPES, consent};
pub use secrets::Leak;
pub use socket::{Socket, answer};
pub use stream::{EventStream, Frame, rev};
pub use wait::eventually;
