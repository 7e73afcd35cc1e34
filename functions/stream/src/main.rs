//! The door of `stream`.

use std::time::Duration;

use auth::access::Verifier;
use realtime::{Mode, Policy};
use runtime::Env;
use runtime::http::{Web, run_streaming};
use seam::Clock;
use store::CursorKey;
use stream_function::{Streams, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    let mut env = Env::from_process();
    runtime::trace(&mut env);
    let web = Web::from_env(&mut env);
    let verifier = env.parse_with("SESSION_VERIFY_KEY", Verifier::from_base64);
    let cursors = env.parse_with("CURSOR_KEY", CursorKey::from_base64);
    let poll = Duration::from_millis(env.parse_or("STREAM_POLL_MILLIS", 1000));
    let policy = Policy::new(env.parse_or("STREAM_MODE", Mode::default())).polling_every(poll);
    let store = runtime::aws::store(&mut env).await;
    let ((web, verifier), cursors) = env.finish_with(web.zip(verifier).zip(cursors))?;
    run_streaming(router(Streams::new(store, verifier, cursors, Clock::system(), policy)), &web).await
}
