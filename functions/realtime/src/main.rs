//! The door of `realtime`.

use auth::access::Verifier;
use realtime_function::{Realtime, router};
use runtime::Env;
use runtime::http::{Web, run};
use seam::{Clock, Random};
use store::CursorKey;
use url::Url;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    let mut env = Env::from_process();
    runtime::trace(&mut env);
    let web = Web::from_env(&mut env);
    let verifier = env.parse_with("SESSION_VERIFY_KEY", Verifier::from_base64);
    let cursors = env.parse_with("CURSOR_KEY", CursorKey::from_base64);
    let socket = env.parse::<Url>("SOCKET_URL");
    let store = runtime::aws::store(&mut env).await;
    let read = web.zip(verifier).zip(cursors).zip(socket);
    let (((web, verifier), cursors), socket) = env.finish_with(read)?;
    let (clock, random) = (Clock::system(), Random::system());
    run(router(Realtime { store, verifier, cursors, clock, random, socket }), &web).await
}
