//! The door of `fanout`.

use fanout_function::Fanout;
use realtime::socket::Posts;
use runtime::Env;
use store::CursorKey;
use sync::Queue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    let mut env = Env::from_process();
    runtime::trace(&mut env);
    let url = env.required("SYNC_QUEUE_URL");
    let cursors = env.parse_with("CURSOR_KEY", CursorKey::from_base64);
    let registry = runtime::aws::store(&mut env).await;
    let cursors = env.finish_with(cursors)?;
    let outbox = Queue::at(runtime::aws::sqs().await, url);
    let posts = Posts::new(runtime::aws::sockets().await);
    let fanout = &Fanout { outbox, registry, posts, cursors };
    runtime::stream::run(|records| fanout.handle(records)).await
}
