//! The door of `watch-renewal`.

use std::time::Duration;

use runtime::Env;
use seam::{Clock, Kind, Seam};
use sync::Queue;
use watch_renewal_function::Renewals;

const QUEUE_DEADLINE: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    let mut env = Env::from_process();
    runtime::trace(&mut env);
    let url = env.required("SYNC_QUEUE_URL");
    let store = runtime::aws::store(&mut env).await;
    env.finish()?;
    let queue = Queue::new(runtime::aws::sqs().await, url, Seam::new(Kind::Queue, QUEUE_DEADLINE));
    let function = &Renewals { store, queue, clock: Clock::system() };
    runtime::schedule::run(|| function.run()).await
}
