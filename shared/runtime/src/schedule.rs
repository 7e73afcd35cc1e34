//! Running a function on a schedule.

use lambda_runtime::{LambdaEvent, service_fn};
use seam::Meter;
use serde::de::IgnoredAny;

use crate::{Error, invocation};

/// Calls `handler` each time the schedule fires. An error fails the invocation, which is logged and counted.
///
/// # Errors
/// Only when the Lambda runtime itself fails.
pub async fn run<F, E>(handler: impl Fn() -> F) -> Result<(), Error>
where
    F: Future<Output = Result<(), E>>,
    E: std::error::Error + Send + Sync + 'static,
{
    let handler = &handler;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<IgnoredAny>| async move {
        let meter = Meter::default();
        let result = meter.scope(handler()).await;
        let outcome = if result.is_ok() { "ok" } else { "error" };
        invocation::log(&event.context.request_id, outcome, &meter.ledger());
        result.map_err(|error| Error::from(Box::new(error) as Box<dyn std::error::Error + Send + Sync>))
    }))
    .await
}
