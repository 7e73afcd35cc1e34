//! Scopes: how Google renames the short ones, and which Calendar operation asks for which.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

const PREFIX: &str = "https://www.googleapis.com/auth/";

/// A set of granted or requested scopes, in Google's long spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scopes(BTreeSet<String>);

impl Scopes {
    /// Reads a space-separated list; `email` and `profile` become their long forms, as in Google's answers.
    pub fn parse(list: &str) -> Self {
        list.split_whitespace().map(canonical).collect()
    }

    /// What a consent page grants of `requested`: the ticked ones. Sign-in scopes cannot be unticked, and bring `openid` with them.
    pub(crate) fn consented(requested: &Self, ticked: &Self) -> Self {
        let mut granted: Self = requested
            .0
            .iter()
            .filter(|scope| is_sign_in(scope) || ticked.0.contains(*scope))
            .cloned()
            .collect();
        if granted.0.iter().any(|scope| is_sign_in(scope)) {
            granted.0.insert("openid".to_owned());
        }
        granted
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        self.0.union(&other.0).cloned().collect()
    }

    pub(crate) fn is_superset(&self, other: &Self) -> bool {
        self.0.is_superset(&other.0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub(crate) fn has_openid(&self) -> bool {
        self.0.contains("openid")
    }

    pub(crate) fn has_email(&self) -> bool {
        self.has("userinfo.email")
    }

    pub(crate) fn has_profile(&self) -> bool {
        self.has("userinfo.profile")
    }

    /// Does one of the scopes allow `access`?
    pub(crate) fn allow(&self, access: Access) -> bool {
        access.scopes().iter().any(|name| self.has(name))
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|scope| scope.strip_prefix(PREFIX) == Some(name))
    }
}

impl FromIterator<String> for Scopes {
    fn from_iter<I: IntoIterator<Item = String>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0.iter().map(String::as_str).collect::<Vec<_>>().join(" "))
    }
}

/// Sign-in scopes are granted with the account; the page offers no box for them.
pub(crate) fn is_sign_in(scope: &str) -> bool {
    scope == "openid" || scope.strip_prefix(PREFIX).is_some_and(|name| name.starts_with("userinfo."))
}

fn canonical(scope: &str) -> String {
    match scope {
        "email" => format!("{PREFIX}userinfo.email"),
        "profile" => format!("{PREFIX}userinfo.profile"),
        other => other.to_owned(),
    }
}

/// What an operation wants to do; Google lists the scopes that allow it with each method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadEvents,
    WriteEvents,
    ReadCalendarList,
    ReadCalendar,
    /// Stopping a channel needs any scope that could have opened one.
    StopChannel,
}

impl Access {
    fn scopes(self) -> &'static [&'static str] {
        const READ_EVENTS: &[&str] = &[
            "calendar",
            "calendar.readonly",
            "calendar.events",
            "calendar.events.readonly",
            "calendar.events.owned",
            "calendar.events.owned.readonly",
        ];
        const WRITE_EVENTS: &[&str] = &["calendar", "calendar.events", "calendar.events.owned"];
        const READ_LIST: &[&str] =
            &["calendar", "calendar.readonly", "calendar.calendarlist", "calendar.calendarlist.readonly"];
        const READ_CALENDAR: &[&str] =
            &["calendar", "calendar.readonly", "calendar.calendars", "calendar.calendars.readonly"];
        const ANY: &[&str] = &[
            "calendar",
            "calendar.readonly",
            "calendar.events",
            "calendar.events.readonly",
            "calendar.events.owned",
            "calendar.events.owned.readonly",
            "calendar.calendarlist",
            "calendar.calendarlist.readonly",
        ];
        match self {
            Self::ReadEvents => READ_EVENTS,
            Self::WriteEvents => WRITE_EVENTS,
            Self::ReadCalendarList => READ_LIST,
            Self::ReadCalendar => READ_CALENDAR,
            Self::StopChannel => ANY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unticked_calendar_scope_is_left_out_but_the_email_stays() {
        let requested = Scopes::parse("email https://www.googleapis.com/auth/calendar.events");
        let granted = Scopes::consented(&requested, &Scopes::default());
        assert_eq!(granted.to_string(), "https://www.googleapis.com/auth/userinfo.email openid");
    }

    #[test]
    fn reading_scopes_do_not_allow_writing() {
        let scopes = Scopes::parse("https://www.googleapis.com/auth/calendar.readonly");
        assert!(scopes.allow(Access::ReadEvents) && scopes.allow(Access::ReadCalendarList));
        assert!(!scopes.allow(Access::WriteEvents));
    }
}
