//! The door of `config`.

use config_function::{Config, router};
use runtime::Env;
use runtime::http::{Web, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::Error> {
    let mut env = Env::from_process();
    runtime::trace(&mut env);
    let web = Web::from_env(&mut env);
    let config = Config { is_google_configured: env.optional("GOOGLE_CLIENT_ID").is_some() };
    let web = env.finish_with(web)?;
    run(router(config), &web).await
}
