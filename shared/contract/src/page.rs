//! How much of something long one answer gives.

use domain::Refusal;

/// The number that the query's `limit` asks for: `usual` where it asks for none, and never more than `most`.
///
/// # Errors
/// [`Refusal::BadField`] for what is no positive number.
pub(crate) fn limit(asked: Option<&str>, usual: usize, most: usize) -> Result<usize, Refusal> {
    let Some(text) = asked else { return Ok(usual) };
    match text.parse::<usize>() {
        Ok(limit) if limit > 0 => Ok(limit.min(most)),
        _ => Err(Refusal::field("limit", "must be a positive number")),
    }
}
