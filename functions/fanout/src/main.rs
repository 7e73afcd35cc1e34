//! The door of `fanout`.

use fanout_function::handle;
use runtime::Env;
use sync::Queue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    let mut env = Env::from_process();
    runtime::trace(&mut env);
    let url = env.required("SYNC_QUEUE_URL");
    env.finish()?;
    let queue = &Queue::at(runtime::aws::sqs().await, url);
    runtime::stream::run(|records| handle(queue, records)).await
}
