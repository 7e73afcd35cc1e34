//! How an error of somebody else's is told.

/// What an error says, and what each of its causes does. Not its `Debug`: that of an SDK's error holds the request or the answer, and a
/// secret may be in either.
pub fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("not sent")]
    struct Outer {
        source: std::io::Error,
        body: &'static str,
    }

    #[test]
    fn every_cause_is_told_and_no_body_is() {
        let error = Outer { source: std::io::Error::other("connection refused"), body: "secret" };
        assert_eq!(causes(&error), "not sent: connection refused");
    }
}
