//! A user's `HEAD`: the newest rev, and what nearly every request needs of the user.

use chrono::{DateTime, TimeDelta, Utc};
use contract::user::Settings;
use domain::{Context, GoogleStatus, Rev};
use serde::{Deserialize, Serialize};

/// How long tombstones and notices are kept. A cursor older than that gets a reset.
pub(crate) const HISTORY: TimeDelta = TimeDelta::days(30);

/// The head of a user's partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The newest rev; 0 when nothing has happened yet.
    pub seq: Rev,
    /// Drawn with the user: a cursor of another life of this partition is recognised by it.
    pub epoch: String,
    /// When the newest rev was written.
    pub changed_at: DateTime<Utc>,
    /// For each day with changes within the history: its first moment and the newest rev before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
    /// Who the user is.
    pub profile: Profile,
    /// What the browser keeps with us.
    #[serde(default)]
    pub settings: Settings,
    /// The connection to Google, if there ever was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google: Option<GoogleStatus>,
}

/// The newest rev before a day began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When the first change of the day was written.
    pub at: DateTime<Utc>,
    /// The rev before it.
    pub before: Rev,
}

/// Who a user is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Lower-cased.
    pub email: String,
    /// The full name.
    pub name: String,
    /// Its first word.
    pub first_name: String,
    /// The rest.
    pub last_name: String,
    /// A BCP 47 tag, or `not provided`.
    pub locale: String,
    /// A URL; empty when there is none.
    #[serde(default)]
    pub picture: String,
}

impl Head {
    /// A new user's head.
    pub fn new(epoch: String, profile: Profile, now: DateTime<Utc>) -> Self {
        let settings = Settings::default();
        Self { seq: 0, epoch, changed_at: now, marks: Vec::new(), profile, settings, google: None }
    }

    /// Whether edits have to reach Google, now or once access is given back.
    pub fn is_connected(&self) -> bool {
        self.google.is_some()
    }

    /// What plans for this user depend on.
    pub fn context(&self, now: DateTime<Utc>) -> Context {
        // What was stored as a zone is one; should a zone ever leave the database, it is as good as none.
        let zone = self.settings.timezone.as_deref().and_then(|zone| zone.parse().ok());
        Context { is_connected: self.is_connected(), zone, now }
    }

    /// The oldest rev from which the log is complete at `now`: whatever a client with an older cursor missed may be purged.
    ///
    /// A mark stands for a whole day, so once its first moment is beyond the history, the floor is where the next day begins.
    pub fn floor(&self, now: DateTime<Utc>) -> Rev {
        let beyond = self.marks.iter().take_while(|mark| mark.at <= now - HISTORY).count();
        match self.marks.get(beyond) {
            _ if beyond == 0 => 0,
            Some(next) => next.before,
            None => self.seq,
        }
    }

    /// The marks after a change at `now`.
    pub(crate) fn marks_after(&self, now: DateTime<Utc>) -> Vec<Mark> {
        let mut marks = self.marks.clone();
        if marks.last().is_none_or(|mark| mark.at.date_naive() < now.date_naive()) {
            marks.push(Mark { at: now, before: self.seq });
        }
        // One mark beyond the history says that there is a floor; those before it say nothing more.
        let beyond = marks.iter().take_while(|mark| mark.at <= now - HISTORY).count();
        marks.drain(..beyond.saturating_sub(1));
        marks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_follows_the_history_and_marks_stay_few() {
        let start = DateTime::from_timestamp_millis(1_763_600_000_000).unwrap();
        let mut head = Head::new("e".into(), Profile::default(), start);
        for day in 0..100 {
            let now = start + TimeDelta::days(day);
            for _ in 0..3 {
                head.marks = head.marks_after(now);
                head.seq += 1;
            }
            assert!(head.marks.len() <= 32, "{}", head.marks.len());
            // Three changes a day: those of less than thirty days ago, and no others, are above the floor.
            let floor = if day < 30 { 0 } else { u64::try_from(3 * (day - 29)).unwrap() };
            assert_eq!(head.floor(now), floor, "day {day}");
        }
    }

    #[test]
    fn a_quiet_user_has_a_floor_too() {
        let start = DateTime::from_timestamp_millis(1_763_600_000_000).unwrap();
        let mut head = Head::new("e".into(), Profile::default(), start);
        head.marks = head.marks_after(start);
        head.seq = 5;
        assert_eq!(head.floor(start + HISTORY - TimeDelta::seconds(1)), 0);
        assert_eq!(head.floor(start + HISTORY), 5, "a tombstone among the five may be purged by now");
    }
}
