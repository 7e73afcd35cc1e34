//! `sweep`: has calendars read that have been silent for long. Notifications can be lost, and some calendars send none.

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
    let schedule = &Schedule { due: Due::Poll, store, queue, clock: Clock::system() };
    runtime::schedule::run(|| schedule.run()).await
}
