//! The door of `watch-renewal`.

use runtime::Env;
use seam::Clock;
use sync::Queue;
use watch_renewal_function::Renewals;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    let mut env = Env::from_process();
    runtime::trace(&mut env);
    let url = env.required("SYNC_QUEUE_URL");
    let store = runtime::aws::store(&mut env).await;
    env.finish()?;
    let queue = Queue::at(runtime::aws::sqs().await, url);
    let function = &Renewals { store, queue, clock: Clock::system() };
    runtime::schedule::run(|| function.run()).await
}
