//! The door of `health`.

use health_function::{Health, router};
use runtime::Env;
use runtime::http::{Web, run};
use seam::Clock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    let mut env = Env::from_process();
    runtime::trace(&mut env);
    let web = Web::from_env(&mut env);
    let store = runtime::aws::store(&mut env).await;
    let web = env.finish_with(web)?;
    run(router(Health { store, clock: Clock::system() }), &web).await
}
