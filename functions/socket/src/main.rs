//! The door of `socket`.

use realtime::socket::Posts;
use runtime::Env;
use runtime::http::Web;
use seam::Clock;
use socket_function::Sockets;
use store::CursorKey;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    let mut env = Env::from_process();
    runtime::trace(&mut env);
    let web = Web::from_env(&mut env);
    let cursors = env.parse_with("CURSOR_KEY", CursorKey::from_base64);
    let store = runtime::aws::store(&mut env).await;
    let (web, cursors) = env.finish_with(web.zip(cursors))?;
    let posts = Posts::new(runtime::aws::sockets().await);
    let sockets = &Sockets { store, cursors, web, posts, clock: Clock::system() };
    runtime::socket::run(|event| sockets.handle(event)).await
}
