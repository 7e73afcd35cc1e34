//! Faults to order: which call fails how, how often, and whether before or after its effect.

use std::time::Duration;

use http::StatusCode;
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
    /// How many matching calls pass before it strikes.
    #[serde(default)]
    pub skip: u32,
    /// How many calls it strikes.
    #[serde(default = "once")]
    pub count: u32,
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
        /// Seconds of a `Retry-After` header.
        #[serde(default)]
        retry_after: Option<u32>,
    },
    /// The connection is closed without an answer.
    Drop {
        /// Has the call had its effect all the same?
        #[serde(default)]
        is_done: bool,
    },
}

impl Fault {
    fn new(operation: &str, effect: Effect) -> Self {
        Self { operation: operation.to_owned(), account: None, skip: 0, count: 1, delay_ms: 0, effect }
    }

    /// The call is refused and has no effect.
    pub fn refuse(operation: &str, status: StatusCode, reason: &str) -> Self {
        let (status, reason) = (status.as_u16(), reason.to_owned());
        Self::new(operation, Effect::Refuse { status, reason, is_done: false, retry_after: None })
    }

    /// The call has its effect, but the caller is told that it failed.
    pub fn refuse_after_commit(operation: &str, status: StatusCode, reason: &str) -> Self {
        let (status, reason) = (status.as_u16(), reason.to_owned());
        Self::new(operation, Effect::Refuse { status, reason, is_done: true, retry_after: None })
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

    fn is_about(&self, operation: &str, account: Option<&str>) -> bool {
        let is_named = match self.operation.strip_suffix('*') {
            Some(start) => operation.starts_with(start),
            None => operation == self.operation,
        };
        is_named && self.account.as_deref().is_none_or(|wanted| Some(wanted) == account)
    }
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
    pub(crate) fn take(&mut self, operation: &str, account: Option<&str>) -> Option<Fault> {
        let mut struck = None;
        for fault in self.calls.iter_mut().filter(|fault| fault.is_about(operation, account)) {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if fault.count > 0 {
                fault.count -= 1;
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
            None => PushFate { copies: 1, delay: Duration::ZERO },
            Some(PushEffect::Drop) => PushFate { copies: 0, delay: Duration::ZERO },
            Some(PushEffect::Duplicate) => PushFate { copies: 2, delay: Duration::ZERO },
            Some(PushEffect::Delay { by_ms }) => PushFate { copies: 1, delay: Duration::from_millis(by_ms) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_lets_calls_pass_strikes_and_is_gone() {
        let mut faults = Faults::default();
        faults.add(Fault::drop("calendar.events.*").after(1).times(2));
        let struck: Vec<bool> = (0..4).map(|_| faults.take("calendar.events.list", None).is_some()).collect();
        assert_eq!(struck, [false, true, true, false]);
        assert!(faults.waiting().is_empty());
    }

    #[test]
    fn a_fault_strikes_only_its_operation_and_account() {
        let mut faults = Faults::default();
        faults.add(Fault::drop("oauth.token").of("ada@example.com"));
        assert!(faults.take("oauth.revoke", Some("ada@example.com")).is_none());
        assert!(faults.take("oauth.token", Some("bob@example.com")).is_none());
        assert!(faults.take("oauth.token", Some("ada@example.com")).is_some());
    }

    #[test]
    fn a_fault_reads_from_the_json_a_shell_would_send() {
        let text = r#"{"operation":"calendar.events.list","effect":{"kind":"refuse","status":410,"reason":"fullSyncRequired"}}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        assert_eq!((fault.count, fault.skip), (1, 0));
        let push: PushFault = serde_json::from_str(r#"{"effect":{"kind":"delay","byMs":5}}"#).unwrap();
        assert_eq!(push.effect, PushEffect::Delay { by_ms: 5 });
    }
}
