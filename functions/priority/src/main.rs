//! The door of `priority`.

use auth::access::Verifier;
use priority_function::{Priorities, router};
use runtime::Env;
use runtime::http::{Web, run};
use seam::Clock;
use store::CursorKey;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    let mut env = Env::from_process();
    runtime::trace(&mut env);
    let web = Web::from_env(&mut env);
    let verifier = env.parse_with("SESSION_VERIFY_KEY", Verifier::from_base64);
    let cursors = env.parse_with("CURSOR_KEY", CursorKey::from_base64);
    let store = runtime::aws::store(&mut env).await;
    let ((web, verifier), cursors) = env.finish_with(web.zip(verifier).zip(cursors))?;
    run(router(Priorities { store, verifier, cursors, clock: Clock::system() }), &web).await
}
