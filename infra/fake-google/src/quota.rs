//! Counts what each account costs. By default it only notes where a client went beyond what Google allows, for a test to look at; it
//! can be told to refuse as well.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

const MINUTE: TimeDelta = TimeDelta::minutes(1);
/// Breaches that are remembered.
const KEPT: usize = 1000;

/// What is allowed in any sixty seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Quota {
    /// Units of one account.
    pub per_user: u32,
    /// Units of all together.
    pub per_project: u32,
    /// Are calls beyond it refused, with 403 `rateLimitExceeded`, or only noted?
    pub is_enforced: bool,
}

impl Default for Quota {
    fn default() -> Self {
        Self { per_user: 600, per_project: 10_000, is_enforced: false }
    }
}

/// A call that was one too many.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Breach {
    /// When.
    pub at: DateTime<Utc>,
    /// Whose call; `None` if it was too many for the project.
    pub account: Option<String>,
    /// Units in the minute up to then.
    pub units: u32,
}

/// The calls of the last minute.
#[derive(Default)]
struct Window {
    calls: VecDeque<(DateTime<Utc>, u32)>,
    units: u32,
}

impl Window {
    fn add(&mut self, at: DateTime<Utc>, units: u32) -> u32 {
        while let Some((_, old)) = self.calls.front().filter(|(then, _)| at - *then >= MINUTE).copied() {
            self.calls.pop_front();
            self.units -= old;
        }
        self.calls.push_back((at, units));
        self.units += units;
        self.units
    }
}

/// All counters.
#[derive(Default)]
pub(crate) struct Meter {
    pub quota: Quota,
    project: Window,
    users: BTreeMap<String, Window>,
    pub breaches: VecDeque<Breach>,
    /// The most units of one account in one minute.
    pub busiest: u32,
}

impl Meter {
    /// Counts a call; `false` if it is to be refused.
    pub(crate) fn count(&mut self, operation: &str, account: &str, at: DateTime<Utc>) -> bool {
        let units = cost(operation);
        let user = self.users.entry(account.to_owned()).or_default().add(at, units);
        let project = self.project.add(at, units);
        self.busiest = self.busiest.max(user);
        let breaches = [
            (user > self.quota.per_user).then(|| Breach {
                at,
                account: Some(account.to_owned()),
                units: user,
            }),
            (project > self.quota.per_project).then_some(Breach { at, account: None, units: project }),
        ];
        let is_within = breaches.iter().all(Option::is_none);
        self.breaches.extend(breaches.into_iter().flatten());
        let surplus = self.breaches.len().saturating_sub(KEPT);
        self.breaches.drain(..surplus);
        is_within || !self.quota.is_enforced
    }
}

/// Units of a call.
fn cost(operation: &str) -> u32 {
    if operation.ends_with(".patch") { 3 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_hundred_units_a_minute_are_allowed_and_a_patch_costs_three() {
        let mut meter = Meter::default();
        let at = |second: i64| DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        for n in 0..200 {
            meter.count("calendar.events.patch", "a", at(n / 4));
        }
        assert_eq!((meter.breaches.len(), meter.busiest), (0, 600));
        assert!(meter.count("calendar.events.get", "b", at(59)));
        assert!(meter.count("calendar.events.get", "a", at(59)), "it is only noted");
        assert_eq!((meter.breaches[0].account.as_deref(), meter.breaches[0].units), (Some("a"), 601));
        meter.quota.is_enforced = true;
        assert!(!meter.count("calendar.events.get", "a", at(59)));
        assert!(meter.count("calendar.events.get", "a", at(61)), "the first seconds have left the window");
    }
}
