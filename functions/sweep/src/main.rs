//! The door of `sweep`.

use runtime::Env;
use seam::Clock;
use sweep_function::Sweep;
use sync::Queue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    let mut env = Env::from_process();
    runtime::trace(&mut env);
    let url = env.required("SYNC_QUEUE_URL");
    let store = runtime::aws::store(&mut env).await;
    env.finish()?;
    let queue = Queue::at(runtime::aws::sqs().await, url);
    let function = &Sweep { store, queue, clock: Clock::system() };
    runtime::schedule::run(|| function.run()).await
}
