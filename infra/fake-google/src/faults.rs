//! Faults to order: which call fails how, how often, and whether before or after its effect.

use std::time::Duration;

use http::StatusCode;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// A fault of the calls it matches. It counts down and is gone when it is used up.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// The method by Google's name, such as `calendar.events.insert` or `oauth.token`; a `*` at the end stands for any rest.
    pub operation: String,
    /// Only calls of this account.
    #[serde(default)]
    pub account: Option<String>,
    /// Only calls whose path has this in it, such as a calendar's id.
    #[serde(default)]
    pub path: Option<String>,
    /// How many matching calls pass before it strikes.
    #[serde(default)]
    pub skip: u32,
    /// How many calls it strikes.
    #[serde(default = "once")]
    pub count: u32,
    /// How likely it strikes a call that it could; always if not said.
    #[serde(default)]
    pub probability: Option<f64>,
    /// Milliseconds that each struck call is held up first.
    #[serde(default)]
    pub delay_ms: u64,
    /// What happens to a struck call.
    pub effect: Effect,
}

fn once() -> u32 {
    1
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum Effect {
    /// Nothing but the delay.
    Delay,
    /// An error is answered.
    Refuse {
        /// HTTP status.
        status: u16,
        /// `reason` of a Calendar error, `error` of an OAuth one.
        reason: String,
        /// Has the call had its effect all the same?
        #[serde(default)]
        is_done: bool,
        /// The text for people; Google's own for the reason if not said.
        #[serde(default)]
        message: Option<String>,
        /// Seconds of a `Retry-After` header.
        #[serde(default)]
        retry_after: Option<u32>,
    },
    /// The call has its effect, and the answer breaks off in the middle.
    Cut,
    /// The connection is closed without an answer.
    Drop {
        /// Has the call had its effect all the same?
        #[serde(default)]
        is_done: bool,
    },
}

impl Fault {
    fn new(operation: &str, effect: Effect) -> Self {
        Self {
            operation: operation.to_owned(),
            account: None,
            path: None,
            skip: 0,
            count: 1,
            probability: None,
            delay_ms: 0,
            effect,
        }
    }

    /// The call is refused and has no effect.
    pub fn refuse(operation: &str, status: StatusCode, reason: &str) -> Self {
        let (status, reason) = (status.as_u16(), reason.to_owned());
        Self::new(
            operation,
            Effect::Refuse { status, reason, is_done: false, message: None, retry_after: None },
        )
    }

    /// The call has its effect, but the caller is told that it failed.
    pub fn refuse_after_commit(operation: &str, status: StatusCode, reason: &str) -> Self {
        let (status, reason) = (status.as_u16(), reason.to_owned());
        Self::new(
            operation,
            Effect::Refuse { status, reason, is_done: true, message: None, retry_after: None },
        )
    }

    /// A list is refused because its sync token cannot be read, which means the same as 410.
    pub fn invalid_sync_token() -> Self {
        Self::refuse("calendar.events.list", StatusCode::BAD_REQUEST, "invalid")
            .saying("Invalid sync token value.")
    }

    /// A write is refused because of its `sequence`.
    pub fn invalid_sequence(operation: &str) -> Self {
        let message = "Invalid sequence value. The specified sequence number is below the current sequence number of \
                       the resource. Re-fetch the resource and use its sequence number on the following request.";
        Self::refuse(operation, StatusCode::BAD_REQUEST, "invalid").saying(message)
    }

    /// The answer breaks off in the middle.
    pub fn cut(operation: &str) -> Self {
        Self::new(operation, Effect::Cut)
    }

    /// The connection closes before the call has had an effect.
    pub fn drop(operation: &str) -> Self {
        Self::new(operation, Effect::Drop { is_done: false })
    }

    /// The call has its effect, then the connection closes without an answer.
    pub fn drop_after_commit(operation: &str) -> Self {
        Self::new(operation, Effect::Drop { is_done: true })
    }

    /// The call is held up (to the millisecond).
    pub fn delay(operation: &str, by: Duration) -> Self {
        let delay_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        Self { delay_ms, ..Self::new(operation, Effect::Delay) }
    }

    /// Strikes `count` calls instead of one.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self { count, ..self }
    }

    /// Strikes every call until the faults are cleared.
    #[must_use]
    pub fn forever(self) -> Self {
        self.times(u32::MAX)
    }

    /// Strikes each call with this probability.
    #[must_use]
    pub fn with_probability(self, probability: f64) -> Self {
        Self { probability: Some(probability), ..self }
    }

    /// Strikes only calls whose path has `part` in it.
    #[must_use]
    pub fn at(self, part: &str) -> Self {
        Self { path: Some(part.to_owned()), ..self }
    }

    /// Refuses with this text.
    #[must_use]
    pub fn saying(mut self, text: &str) -> Self {
        if let Effect::Refuse { message, .. } = &mut self.effect {
            *message = Some(text.to_owned());
        }
        self
    }

    /// Refuses with a `Retry-After` header.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        if let Effect::Refuse { retry_after, .. } = &mut self.effect {
            *retry_after = Some(seconds);
        }
        self
    }

    /// Lets `skip` matching calls pass first: `after(1)` strikes the second page.
    #[must_use]
    pub fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    /// Strikes this account only.
    #[must_use]
    pub fn of(self, account: &str) -> Self {
        Self { account: Some(account.to_owned()), ..self }
    }

    fn is_about(&self, call: &Call<'_>) -> bool {
        let Call { operation, account, path } = *call;
        names(&self.operation, operation)
            && self.path.as_deref().is_none_or(|part| path.contains(part))
            && self.account.as_deref().is_none_or(|wanted| Some(wanted) == account)
    }
}

/// Does `pattern`, perhaps with a `*` at its end, name `operation`?
pub(crate) fn names(pattern: &str, operation: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => operation.starts_with(start),
        None => operation == pattern,
    }
}

/// A call that faults may strike.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    /// The method by Google's name.
    pub operation: &'a str,
    pub account: Option<&'a str>,
    /// As sent, percent-decoded.
    pub path: &'a str,
}

/// A fault of notifications.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PushFault {
    /// Only notifications on this channel.
    #[serde(default)]
    pub channel: Option<String>,
    /// How many notifications it strikes.
    #[serde(default = "once")]
    pub count: u32,
    /// What happens to them.
    pub effect: PushEffect,
}

/// What a push fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum PushEffect {
    /// It is never sent.
    Drop,
    /// It is sent twice.
    Duplicate,
    /// It is sent after the next one on its channel.
    Reorder,
    /// It is sent when the test says so.
    Hold,
    /// It is sent late, and so perhaps after later ones.
    Delay {
        /// How late, in milliseconds.
        by_ms: u64,
    },
}

/// How often and how late a notification is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PushFate {
    pub copies: u32,
    pub delay: Duration,
    /// Wait for the next on the channel (`true`), or for the test.
    pub held: Option<bool>,
}

impl PushFate {
    pub(crate) const PLAIN: Self = Self { copies: 1, delay: Duration::ZERO, held: None };
}

/// All faults that are waiting for their call.
#[derive(Default)]
pub(crate) struct Faults {
    calls: Vec<Fault>,
    pushes: Vec<PushFault>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.calls.push(fault);
    }

    pub(crate) fn add_push(&mut self, fault: PushFault) {
        self.pushes.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn waiting(&self) -> &[Fault] {
        &self.calls
    }

    /// The oldest fault that strikes this call. Every fault it passes by has one less to let pass.
    pub(crate) fn take(&mut self, call: &Call<'_>, random: &mut impl Rng) -> Option<Fault> {
        let mut struck = None;
        for fault in self.calls.iter_mut().filter(|fault| fault.is_about(call)) {
            let mut is_unlucky =
                || fault.probability.is_none_or(|chance| random.random_bool(chance.clamp(0.0, 1.0)));
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if fault.count > 0 && is_unlucky() {
                if fault.count < u32::MAX {
                    fault.count -= 1;
                }
                struck = Some(fault.clone());
                break;
            }
        }
        self.calls.retain(|fault| fault.count > 0);
        struck
    }

    /// What becomes of a notification on `channel`.
    pub(crate) fn take_push(&mut self, channel: &str) -> PushFate {
        let is_about =
            |fault: &&mut PushFault| fault.channel.as_deref().is_none_or(|wanted| wanted == channel);
        let effect = self.pushes.iter_mut().find(is_about).map(|fault| {
            fault.count = fault.count.saturating_sub(1);
            fault.effect
        });
        self.pushes.retain(|fault| fault.count > 0);
        match effect {
            None => PushFate::PLAIN,
            Some(PushEffect::Drop) => PushFate { copies: 0, ..PushFate::PLAIN },
            Some(PushEffect::Duplicate) => PushFate { copies: 2, ..PushFate::PLAIN },
            Some(PushEffect::Reorder) => PushFate { held: Some(true), ..PushFate::PLAIN },
            Some(PushEffect::Hold) => PushFate { held: Some(false), ..PushFate::PLAIN },
            Some(PushEffect::Delay { by_ms }) => {
                PushFate { delay: Duration::from_millis(by_ms), ..PushFate::PLAIN }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn take(faults: &mut Faults, operation: &str, account: Option<&str>) -> bool {
        let call = Call { operation, account, path: "/calendars/c1@example.com/events" };
        faults.take(&call, &mut StdRng::seed_from_u64(1)).is_some()
    }

    #[test]
    fn a_fault_lets_calls_pass_strikes_and_is_gone() {
        let mut faults = Faults::default();
        faults.add(Fault::drop("calendar.events.*").after(1).times(2));
        let struck: Vec<bool> = (0..4).map(|_| take(&mut faults, "calendar.events.list", None)).collect();
        assert_eq!(struck, [false, true, true, false]);
        assert!(faults.waiting().is_empty());
    }

    #[test]
    fn a_fault_strikes_only_its_operation_and_account() {
        let mut faults = Faults::default();
        faults.add(Fault::drop("oauth.token").of("ada@example.com"));
        assert!(!take(&mut faults, "oauth.revoke", Some("ada@example.com")));
        assert!(!take(&mut faults, "oauth.token", Some("bob@example.com")));
        assert!(take(&mut faults, "oauth.token", Some("ada@example.com")));
        faults.add(Fault::drop("calendar.*").at("c2@example.com"));
        assert!(!take(&mut faults, "calendar.events.list", None));
        faults.add(Fault::drop("calendar.*").at("c1@example.com").forever());
        assert!((0..5).all(|_| take(&mut faults, "calendar.events.list", None)));
    }

    #[test]
    fn a_fault_reads_from_the_json_a_shell_would_send() {
        let text = r#"{"operation":"calendar.events.list","effect":{"kind":"refuse","status":410,"reason":"fullSyncRequired"}}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        assert_eq!((fault.count, fault.skip), (1, 0));
        let push: PushFault = serde_json::from_str(r#"{"effect":{"kind":"delay","byMs":5}}"#).unwrap();
        assert_eq!(push.effect, PushEffect::Delay { by_ms: 5 });
    }

    #[test]
    fn a_fault_strikes_as_often_as_its_probability_says() {
        let mut faults = Faults::default();
        faults.add(Fault::drop("calendar.*").with_probability(0.25).forever());
        let mut random = StdRng::seed_from_u64(1);
        let call = Call { operation: "calendar.events.get", account: None, path: "" };
        let struck = (0..1000).filter(|_| faults.take(&call, &mut random).is_some()).count();
        assert!((200..300).contains(&struck), "{struck}");
    }
}
