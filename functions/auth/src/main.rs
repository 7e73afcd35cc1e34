//! The door of `auth`.

use auth_function::{Auth, router};
use runtime::Env;
use runtime::http::run;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    let mut env = Env::from_process();
    runtime::trace(&mut env);
    let auth = Auth::from_env(&mut env).await;
    let auth = env.finish_with(auth)?;
    let web = auth.web.clone();
    run(router(auth), &web).await
}
