//! Event sources: what invokes functions without anybody asking over HTTP.
//!
//! Each mapping is a task of its own that waits for work on a condition, hands it over in batches, and deals with
//! failures as AWS does.

pub(crate) mod filter;
pub(crate) mod schedule;
pub(crate) mod sqs;
pub(crate) mod stream;

use serde_json::Value;

/// What a batch's answer says about its items.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BatchOutcome {
    /// All were processed.
    Complete,
    /// All failed, or the answer makes no sense.
    Failed,
    /// Those with these identifiers failed.
    Partial(Vec<String>),
}

/// Reads `batchItemFailures`. As on AWS, an identifier that is empty or that nobody knows fails the whole batch.
pub(crate) fn batch_outcome(answer: &[u8], is_known: impl Fn(&str) -> bool) -> BatchOutcome {
    let Ok(answer) = serde_json::from_slice::<Value>(answer) else {
        return if answer.is_empty() { BatchOutcome::Complete } else { BatchOutcome::Failed };
    };
    let failures = match &answer["batchItemFailures"] {
        Value::Null => return BatchOutcome::Complete,
        Value::Array(failures) => failures,
        _ => return BatchOutcome::Failed,
    };
    let mut failed = Vec::new();
    for failure in failures {
        match failure["itemIdentifier"].as_str().filter(|id| is_known(id)) {
            Some(id) => failed.push(id.to_owned()),
            None => return BatchOutcome::Failed,
        }
    }
    if failed.is_empty() { BatchOutcome::Complete } else { BatchOutcome::Partial(failed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(answer: &str) -> BatchOutcome {
        batch_outcome(answer.as_bytes(), |id| id == "a")
    }

    #[test]
    fn failures_are_read_as_aws_reads_them() {
        assert_eq!(outcome("null"), BatchOutcome::Complete);
        assert_eq!(outcome(r#"{"batchItemFailures":[]}"#), BatchOutcome::Complete);
        assert_eq!(outcome(r#"{"batchItemFailures":null}"#), BatchOutcome::Complete);
        let partial = outcome(r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#);
        assert_eq!(partial, BatchOutcome::Partial(vec!["a".to_owned()]));
        for nonsense in
            [r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#, r#"{"batchItemFailures":[{}]}"#, "{"]
        {
            assert_eq!(outcome(nonsense), BatchOutcome::Failed, "{nonsense}");
        }
    }
}
