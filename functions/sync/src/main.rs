//! The door of `sync`.

use auth::access::Verifier;
use runtime::Env;
use runtime::http::{Web, run};
use seam::Clock;
use sync::{Queue, hash_of_token};
use sync_function::{Imports, Maintenance, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    let mut env = Env::from_process();
    runtime::trace(&mut env);
    let web = Web::from_env(&mut env);
    let verifier = env.parse_with("SESSION_VERIFY_KEY", Verifier::from_base64);
    let (store, clock) = (runtime::aws::store(&mut env).await, Clock::system());
    let token_hash = env.optional("MAINTENANCE_TOKEN").map(|token| hash_of_token(&token));
    let queue = Queue::at(runtime::aws::sqs().await, env.required("SYNC_QUEUE_URL"));
    let (web, verifier) = env.finish_with(web.zip(verifier))?;
    let maintenance = Maintenance { store: store.clone(), queue, clock: clock.clone(), token_hash };
    run(router(Imports { store, verifier, clock }, maintenance), &web).await
}
