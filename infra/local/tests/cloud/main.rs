//! The local cloud with real processes: the probe under every name of the fixture.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails in a helper fails the test")]

mod http;
mod lambda;
mod socket;
mod sources;

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use local::{Cloud, Entry, Options, builder};
use serde_json::Value;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Directory that holds the probe under the name of every function of the fixture.
static FUNCTIONS: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    struct Quiet;
    impl builder::Progress for Quiet {
        fn unit(&mut self, _name: &str) {}
        fn message(&mut self, _text: &str) {}
    }
    let built = builder::run(builder::Target::Example("probe"), false, &mut Quiet).expect("the probe builds");
    let directory = tempfile::tempdir().expect("a temporary directory");
    for name in ["web", "single", "stream", "worker", "fanout", "timer", "talk"] {
        std::os::unix::fs::symlink(built.join("probe"), directory.path().join(name)).expect("a link");
    }
    directory
});

fn options() -> Options {
    let mut options = Options::new(FUNCTIONS.path().to_owned());
    options.template = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/probe.yaml");
    options
}

async fn cloud() -> Cloud {
    Cloud::start(options()).await.expect("the cloud starts")
}

/// The invocations once all have ended: an answer is given before its invocation is in the journal.
async fn journal(cloud: &Cloud) -> Vec<Entry> {
    cloud.quiesce(PATIENCE).await.unwrap();
    cloud.journal()
}

/// Invokes and parses the answer.
async fn invoke(cloud: &Cloud, function: &str, event: Value) -> anyhow::Result<Value> {
    let answer = cloud.invoke(function, &event).await?;
    Ok(serde_json::from_slice(&answer)?)
}
