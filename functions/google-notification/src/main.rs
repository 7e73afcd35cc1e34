//! The door of `google-notification`.

use google_notification_function::{Notifications, router};
use runtime::Env;
use runtime::http::{Web, run};
use seam::Clock;
use sync::Queue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    let mut env = Env::from_process();
    runtime::trace(&mut env);
    let web = Web::from_env(&mut env);
    let url = env.required("SYNC_QUEUE_URL");
    let store = runtime::aws::store(&mut env).await;
    let web = env.finish_with(web)?;
    let queue = Queue::at(runtime::aws::sqs().await, url);
    run(router(Notifications { store, queue, clock: Clock::system() }), &web).await
}
