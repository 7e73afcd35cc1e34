//! `sweep`: has calendars read that have been silent for long (notifications can be lost, and some calendars send none), and ends what functions that
//! were killed have left unfinished.

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
    let of = |due| Schedule { due, store: store.clone(), queue: queue.clone(), clock: Clock::system() };
    let (unfinished, polls) = &(of(Due::Unfinished), of(Due::Poll));
    // The one is done also when the other fails.
    runtime::schedule::run(|| async { unfinished.run().await.and(polls.run().await) }).await
}
