//! The door of `fanout`.

use std::time::Duration;

use fanout_function::handle;
use runtime::Env;
use seam::{Kind, Seam};
use sync::Queue;

/// How long a message may take with its retries: less than the function's time-out by far, so that a batch survives a slow one.
const DEADLINE: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    let mut env = Env::from_process();
    runtime::trace(&mut env);
    let url = env.required("SYNC_QUEUE_URL");
    env.finish()?;
    let queue = &Queue::new(runtime::aws::sqs().await, url, Seam::new(Kind::Queue, DEADLINE));
    runtime::stream::run(|records| handle(queue, records)).await
}
