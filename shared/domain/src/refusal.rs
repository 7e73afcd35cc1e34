//! Why a rule says no. A closed list: each has one public sentence, and the edge turns all of them into a 400.

/// A request that the rules of the calendar refuse. It is the caller's to mend, so it says what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not 24 hex digits.
    #[error("The {what} must be 24 hexadecimal digits")]
    BadId {
        /// Which id.
        what: &'static str,
    },
    /// A required field is missing or of the wrong type.
    #[error("{field}: {problem}")]
    BadField {
        /// Its name on the wire.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The end lies before the start.
    #[error("endDate must not be before startDate")]
    EndsBeforeStart,
    /// One end is a date, the other a date with a time.
    #[error("startDate and endDate must both be dates or both be date-times")]
    MixedTimes,
    /// More text than an item may hold.
    #[error("{field} must not be longer than {limit} characters")]
    TooLong {
        /// Its name on the wire.
        field: &'static str,
        /// The most characters it may have.
        limit: usize,
    },
}

/// The most characters of a problem: it may quote what was sent, and that may be a megabyte.
const PROBLEM_LIMIT: usize = 400;

impl Refusal {
    /// A [`Refusal::BadField`].
    pub fn field(field: &'static str, problem: impl Into<String>) -> Self {
        let mut problem = problem.into();
        if let Some((end, _)) = problem.char_indices().nth(PROBLEM_LIMIT) {
            problem.truncate(end);
            problem.push('…');
        }
        Self::BadField { field, problem }
    }
}
