//! `watch-renewal`: has watches replaced that near their end. A channel of Google's cannot be prolonged.

use runtime::Env;
use seam::Clock;
use store::Due;
use sync::Queue;
use sync::due::Schedule;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    let mut env = Env::from_process();
    runtime::trace(&mut env);
    let url = env.required("SYNC_QUEUE_URL");
    let store = runtime::aws::store(&mut env).await;
    env.finish()?;
    let queue = Queue::at(runtime::aws::sqs().await, url);
    let schedule = &Schedule { due: Due::Renewal, store, queue, clock: Clock::system() };
    runtime::schedule::run(|| schedule.run()).await
}
