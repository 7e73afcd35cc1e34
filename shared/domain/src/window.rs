//! The window of time a view asks for.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use crate::{EventTime, Refusal, Slot, Span};

/// The largest distance of a zone from UTC (Kiribati). A window of instants is widened by it to cover every wall clock.
const LARGEST_OFFSET: TimeDelta = TimeDelta::hours(14);

/// A window, both as instants and as times on the wall.
///
/// The web app asks for its local day labelled `Z` and filters again itself: it needs every event that overlaps by instant *or* by
/// wall clock. Both ends are inclusive, as it expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    start: EventTime,
    end: EventTime,
}

impl Window {
    /// From two texts of a query string. A `+` that was not escaped arrives as a space and is put back.
    ///
    /// # Errors
    /// [`Refusal::BadField`] when either is no date or date-time.
    pub fn from_query(start: &str, end: &str) -> Result<Self, Refusal> {
        let parse = |field, text: &str| {
            let text = text.trim().replace(' ', "+");
            text.parse::<EventTime>()
                .map_err(|_| Refusal::field(field, "must be a date or a date-time with an offset"))
        };
        Ok(Self { start: parse("start", start)?, end: parse("end", end)? })
    }

    /// The first instant that can matter.
    pub fn earliest(&self) -> DateTime<Utc> {
        widen(self.start.instant(), -LARGEST_OFFSET)
    }

    /// The last instant that can matter. An end that is a date includes that day.
    pub fn latest(&self) -> DateTime<Utc> {
        let day = if self.end.is_date() { TimeDelta::days(1) } else { TimeDelta::zero() };
        widen(self.end.instant(), LARGEST_OFFSET + day)
    }

    /// The slots, first and last, in which an occurrence of this length can overlap the window.
    pub fn slots(&self, is_date: bool, length: TimeDelta) -> (Slot, Slot) {
        let slot = |at: DateTime<Utc>| if is_date { Slot::on(at.date_naive()) } else { Slot::at(at) };
        let (first, _) = Slot::ends(is_date);
        let from = slot(widen(self.earliest(), -length)).unwrap_or(first);
        (from, slot(self.latest()).unwrap_or(first))
    }

    /// Whether an event overlaps the window by instant or by wall clock.
    pub fn overlaps(&self, span: &Span) -> bool {
        let (start, end) = (span.start(), span.end());
        let by_instant = start.instant() <= self.end_instant() && end.instant() >= self.start.instant();
        let by_wall_clock =
            start.wall_clock() <= self.end_wall_clock() && end.wall_clock() >= self.start.wall_clock();
        by_instant || by_wall_clock
    }

    fn end_instant(&self) -> DateTime<Utc> {
        if self.end.is_date() { widen(self.end.instant(), TimeDelta::days(1)) } else { self.end.instant() }
    }

    fn end_wall_clock(&self) -> NaiveDateTime {
        let day = if self.end.is_date() { TimeDelta::days(1) } else { TimeDelta::zero() };
        self.end.wall_clock().checked_add_signed(day).unwrap_or(NaiveDateTime::MAX)
    }
}

fn widen(at: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    at.checked_add_signed(by).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shows(window: (&str, &str), event: (&str, &str)) -> bool {
        let span = Span::new(event.0.parse().unwrap(), event.1.parse().unwrap()).unwrap();
        Window::from_query(window.0, window.1).unwrap().overlaps(&span)
    }

    const DAY: (&str, &str) = ("2026-11-20T00:00:00Z", "2026-11-20T23:59:59Z");

    #[test]
    fn a_local_day_labelled_z_finds_an_evening_west_of_greenwich() {
        // 21:00 on the 20th in California is 05:00Z on the 21st.
        assert!(shows(DAY, ("2026-11-20T21:00:00-08:00", "2026-11-20T22:00:00-08:00")));
    }

    #[test]
    fn an_overlap_by_instant_is_found_whatever_the_wall_clock_says() {
        assert!(shows(DAY, ("2026-11-21T02:00:00+05:30", "2026-11-21T03:00:00+05:30")));
    }

    #[test]
    fn what_lies_outside_by_both_measures_is_not_shown() {
        assert!(!shows(DAY, ("2026-11-22T09:00:00Z", "2026-11-22T10:00:00Z")));
        assert!(!shows(DAY, ("2026-11-18", "2026-11-19")));
    }

    #[test]
    fn a_plus_that_became_a_space_is_read() {
        let week = ("2026-11-14T00:00:00 05:30", "2026-11-21T23:59:59 05:30");
        assert!(shows(week, ("2026-11-16T09:00:00+05:30", "2026-11-16T10:00:00+05:30")));
        assert!(Window::from_query("yesterday", "2026-11-20").is_err());
    }

    #[test]
    fn an_event_that_spans_the_window_is_shown_and_an_all_day_event_on_its_day() {
        assert!(shows(DAY, ("2026-11-01", "2026-12-01")));
        assert!(shows(DAY, ("2026-11-20", "2026-11-21")));
        assert!(shows(("2026-11-01", "2026-11-20"), ("2026-11-20T15:00:00Z", "2026-11-20T16:00:00Z")));
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let window = Window::from_query("0001-01-01", "9999-12-31").unwrap();
        assert!(window.earliest() < window.latest());
    }
}
