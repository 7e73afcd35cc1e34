//! EventBridge schedules: `rate(…)` and `cron(…)`, in UTC.
//!
//! A run that fails is not repeated here: the next one does the same work, and whoever fires one by hand sees it fail.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use serde_json::json;

use crate::lambda::answer::Failure;
use crate::lambda::pool::{Patience, Pool};
use crate::template::intrinsics::{ACCOUNT, REGION};
use crate::template::resources::ScheduleSpec;

/// When a schedule fires.
#[derive(Debug, Clone)]
pub(crate) enum Timing {
    Rate(Duration),
    Cron(Box<Cron>),
}

/// One schedule and its function.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    /// Name of the function, e.g. `sweep`.
    pub(crate) function: String,
    pub(crate) spec: ScheduleSpec,
    pub(crate) timing: Timing,
    pub(crate) pool: Arc<Pool>,
}

impl Timing {
    /// Reads a schedule expression.
    pub(crate) fn parse(expression: &str) -> anyhow::Result<Self> {
        let inside = |kind: &str| expression.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(rate) = inside("rate") {
            return Self::rate(rate).with_context(|| format!("`{expression}` is no rate"));
        }
        if let Some(cron) = inside("cron") {
            // Six fields from the minutes to the year; croner wants the seconds before them.
            let parser = CronParser::builder()
                .seconds(Seconds::Required)
                .year(Year::Required)
                .alternative_weekdays(true)
                .build();
            let cron = parser
                .parse(&format!("0 {}", with_ranges(cron)))
                .map_err(|error| anyhow!("`{expression}`: {error}"))?;
            return Ok(Self::Cron(Box::new(cron)));
        }
        bail!("the local cloud does not know the schedule `{expression}`")
    }

    fn rate(rate: &str) -> Option<Self> {
        let (value, unit) = rate.trim().split_once(' ')?;
        let seconds = match unit.trim_end_matches('s') {
            "minute" => 60,
            "hour" => 3_600,
            "day" => 86_400,
            _ => return None,
        };
        let value: u64 = value.parse().ok().filter(|value| *value > 0)?;
        Some(Self::Rate(Duration::from_secs(value.checked_mul(seconds)?)))
    }

    /// The time left until it fires next; `None` if it never does again.
    fn wait(&self, now: DateTime<Utc>) -> Option<Duration> {
        match self {
            Self::Rate(period) => Some(*period),
            Self::Cron(cron) => {
                let next = cron.find_next_occurrence(&now, false).ok()?;
                (next - now).to_std().ok()
            }
        }
    }
}

/// Writes a step without a range (`5/15`, from 5 to the end) with one (`5-59/15`): croner takes only that.
fn with_ranges(cron: &str) -> String {
    let fields = cron.split_whitespace().zip(["59", "23", "31", "12", "7", "2199"]);
    let fields = fields.map(|(field, last)| {
        let parts = field.split(',').map(|part| match part.split_once('/') {
            Some((from, step)) if from.parse::<u32>().is_ok() => format!("{from}-{last}/{step}"),
            _ => part.to_owned(),
        });
        parts.collect::<Vec<_>>().join(",")
    });
    fields.collect::<Vec<_>>().join(" ")
}

impl Schedule {
    /// Fires by time until the runtime ends. A rate counts from this call.
    pub(crate) fn run(self) -> impl Future<Output = ()> + Send {
        let mut since = self.pool.clock().now();
        async move {
            while let Some(wait) = self.timing.wait(since) {
                self.pool.clock().reaches(since + wait).await;
                // The journal has the failure.
                drop(self.fire().await);
                since = self.pool.clock().now();
            }
        }
    }

    /// Whether a name given by hand means this one: the function's, or the event's in the template.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.function == name || self.spec.name == name
    }

    /// Invokes the function once, and waits for its end.
    pub(crate) async fn fire(&self) -> Result<(), Failure> {
        let payload = self.spec.input.clone().unwrap_or_else(|| self.event());
        let trigger = format!("schedule {}", self.spec.name);
        let answer = self.pool.invoke(Bytes::from(payload), trigger, Patience::Waits).await?;
        answer.collect().await;
        Ok(())
    }

    fn event(&self) -> String {
        let event = json!({
            "version": "0",
            "id": uuid::Uuid::new_v4().to_string(),
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": ACCOUNT,
            "time": self.pool.clock().now().format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": REGION,
            "resources": [format!("arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{}", self.spec.name)],
            "detail": "{}",
        });
        event.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(expression: &str, now: &str) -> Option<u64> {
        Timing::parse(expression).unwrap().wait(now.parse().unwrap()).map(|wait| wait.as_secs())
    }

    #[test]
    fn rates_are_periods() {
        assert_eq!(wait("rate(5 minutes)", "2030-01-01T00:00:00Z"), Some(300));
        assert_eq!(wait("rate(1 day)", "2030-01-01T00:00:00Z"), Some(86_400));
        assert!(Timing::parse("rate(0 minutes)").is_err());
    }

    #[test]
    fn cron_has_six_fields_question_marks_and_sunday_is_one() {
        assert_eq!(wait("cron(0 12 * * ? *)", "2030-01-01T11:00:00Z"), Some(3_600));
        // 2030-01-01 is a Tuesday, 3 in this notation.
        assert_eq!(wait("cron(0 0 ? * 4 *)", "2030-01-01T23:00:00Z"), Some(3_600));
        assert_eq!(wait("cron(0/15 * * * ? 2030)", "2030-01-01T00:01:00Z"), Some(840));
    }

    #[test]
    fn another_expression_is_an_error() {
        assert!(Timing::parse("at(2030-01-01T00:00:00)").is_err());
    }
}
