//! Waiting for a condition, with a bound.

use std::time::Duration;

/// Longer than anything takes on a busy machine; only a failing test waits that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(10);

/// Looks until `condition` has a result, and gives it.
///
/// # Panics
/// If it has none within a minute.
pub async fn eventually<T, F>(what: &str, mut condition: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let looking = async {
        let mut ticks = tokio::time::interval(INTERVAL);
        loop {
            ticks.tick().await;
            if let Some(result) = condition().await {
                return result;
            }
        }
    };
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(result) => result,
        Err(_) => panic!("waited {} s in vain: {what}", PATIENCE.as_secs()),
    }
}
