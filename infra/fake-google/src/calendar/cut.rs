//! The lines of a series that is cut in two: how the first part ends, how the second goes on.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use super::recurrence::{Pattern, Written, last_second};

impl Pattern {
    /// The first occurrence of a rule at or after `slot`; there may be none, and only single dates be left.
    pub(super) fn rule_from(&self, slot: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let within = |years: i64| {
            let to = slot + TimeDelta::days(366 * years);
            self.rules.iter().filter_map(|rule| rule.slots(to).find(|at| *at >= slot)).min()
        };
        [1, 10, 100].into_iter().find_map(within)
    }

    /// How many occurrences its rules count before `slot`, those that are left out included.
    fn counted_before(&self, slot: DateTime<Utc>) -> usize {
        self.rules.iter().flat_map(|rule| rule.slots(slot)).filter(|at| *at < slot).count()
    }

    /// `lines` with their end before `slot`: on the day before, at its last second, as Google's app writes it. What comes earlier on the same
    /// day stays.
    pub(super) fn ended(&self, lines: &[String], slot: DateTime<Utc>) -> Vec<String> {
        let end = |rule: &str| {
            if self.rule_from(slot).is_none() {
                return Some(rule.to_owned());
            }
            let kept =
                rule.split(';').filter(|part| !part.starts_with("UNTIL=") && !part.starts_with("COUNT="));
            Some(format!("{};UNTIL={}", kept.collect::<Vec<_>>().join(";"), self.until(slot)))
        };
        self.rewritten(lines, end, |at| at < slot)
    }

    fn until(&self, slot: DateTime<Utc>) -> String {
        let day_before = |day: NaiveDate| day.pred_opt().unwrap_or(day);
        if self.is_all_day {
            return day_before(slot.date_naive()).format("%Y%m%d").to_string();
        }
        let until = last_second(day_before(slot.with_timezone(&self.zone).date_naive()), self.zone);
        let second_before = slot - TimeDelta::seconds(1);
        let is_between = self.rules.iter().any(|rule| rule.slots(second_before).any(|at| at > until));
        let until = if is_between { second_before } else { until };
        until.format("%Y%m%dT%H%M%SZ").to_string()
    }

    /// `lines` as they go on from `slot`: a `COUNT` counts what is left, and a rule of which nothing is left is gone.
    pub(super) fn continued(&self, lines: &[String], slot: DateTime<Utc>) -> Vec<String> {
        let (done, is_over) = (self.counted_before(slot), self.rule_from(slot).is_none());
        let left =
            |part: &str| match part.strip_prefix("COUNT=").and_then(|count| count.parse::<usize>().ok()) {
                Some(count) => format!("COUNT={}", count.saturating_sub(done).max(1)),
                None => part.to_owned(),
            };
        let go_on = |rule: &str| (!is_over).then(|| rule.split(';').map(left).collect::<Vec<_>>().join(";"));
        self.rewritten(lines, go_on, |at| at >= slot)
    }

    fn rewritten(
        &self,
        lines: &[String],
        rule: impl Fn(&str) -> Option<String>,
        is_kept: impl Fn(DateTime<Utc>) -> bool,
    ) -> Vec<String> {
        let dated = |head: &str, value: &str| {
            let zone = head.split(';').find_map(|parameter| parameter.strip_prefix("TZID="));
            let zone = zone.and_then(|name| name.parse::<Tz>().ok()).unwrap_or(self.zone);
            let at =
                |text: &&str| Written::parse(text).is_none_or(|written| is_kept(self.instant(written, zone)));
            let kept: Vec<&str> = value.split(',').filter(at).collect();
            (!kept.is_empty()).then(|| format!("{head}:{}", kept.join(",")))
        };
        let rewrite = |line: &String| match line.split_once(':') {
            Some(("RRULE", value)) => rule(value).map(|rule| format!("RRULE:{rule}")),
            Some((head, value)) if head.starts_with("RDATE") || head.starts_with("EXDATE") => {
                dated(head, value)
            }
            _ => Some(line.clone()),
        };
        lines.iter().filter_map(rewrite).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn timed(at: &str, zone: &str, lines: &[&str]) -> Pattern {
        let fields = json!({"start": {"dateTime": at, "timeZone": zone}, "recurrence": lines});
        Pattern::of(fields.as_object().unwrap(), Tz::UTC).unwrap()
    }

    #[test]
    fn a_series_is_cut_as_the_app_cuts_it() {
        let lines =
            ["RRULE:FREQ=DAILY;COUNT=10".to_owned(), "EXDATE:20250325T123000Z,20250327T123000Z".to_owned()];
        let series = timed("2025-03-24T07:30:00", "America/Chicago", &[&lines[0], &lines[1]]);
        let slot = "2025-03-26T12:30:00Z".parse().unwrap();
        assert_eq!(
            series.ended(&lines, slot),
            ["RRULE:FREQ=DAILY;UNTIL=20250326T045959Z", "EXDATE:20250325T123000Z"]
        );
        assert_eq!(series.continued(&lines, slot), ["RRULE:FREQ=DAILY;COUNT=8", "EXDATE:20250327T123000Z"]);
    }

    #[test]
    fn a_rule_that_is_over_is_not_begun_again() {
        let lines = ["RRULE:FREQ=DAILY;COUNT=2".to_owned(), "RDATE:20250401T123000Z".to_owned()];
        let series = timed("2025-03-24T07:30:00", "America/Chicago", &[&lines[0], &lines[1]]);
        let slot = "2025-04-01T12:30:00Z".parse().unwrap();
        assert_eq!(series.ended(&lines, slot), ["RRULE:FREQ=DAILY;COUNT=2"]);
        assert_eq!(series.continued(&lines, slot), ["RDATE:20250401T123000Z"]);
    }
}
