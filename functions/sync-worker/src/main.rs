//! The door of `sync-worker`.

use runtime::Env;
use sync_worker_function::{Worker, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    let mut env = Env::from_process();
    runtime::trace(&mut env);
    let worker = Worker::from_env(&mut env).await;
    let worker = &env.finish_with(worker)?;
    runtime::sqs::run(|messages| handle(worker, messages)).await
}
