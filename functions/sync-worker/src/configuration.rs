//! What the function reads from its environment.

use std::time::Duration;

use google::{Config, Google, Vault};
use runtime::Env;
use seam::{Clock, Kind, Random, Seam};
use sync::{NotificationAddress, Queue, Sync};

use crate::Worker;

/// How long a call to Google may take: a page of 2,500 events is some megabytes.
const GOOGLE_DEADLINE: Duration = Duration::from_secs(25);

impl Worker {
    /// From `TABLE_NAME`, `SYNC_QUEUE_URL`, `TOKEN_ENCRYPTION_KEY`, `GOOGLE_*`. `None` when something is wrong, which `env` then knows.
    pub async fn from_env(env: &mut Env) -> Option<Self> {
        let vault = env.parse::<Vault>("TOKEN_ENCRYPTION_KEY");
        let config = Config::read(|name| env.optional(name)).map_err(|error| env.problem(error.to_string()));
        let notifications = notifications(env);
        let queue_url = env.required("SYNC_QUEUE_URL");
        let store = runtime::aws::store(env).await;
        let clock = Clock::system();
        let google = Google::new(config.ok()?, Seam::new(Kind::Google, GOOGLE_DEADLINE), clock.clone());
        let queue = Queue::at(runtime::aws::sqs().await, queue_url);
        let (vault, random) = (vault?, Random::system());
        Some(Self { sync: Sync { store, google, vault, queue, clock, random, notifications } })
    }
}

/// Where Google may send notifications. An address that it would refuse is as good as none: calendars are polled then.
fn notifications(env: &mut Env) -> Option<NotificationAddress> {
    let text = env.optional("GOOGLE_NOTIFICATION_URL")?;
    match sync::notification_address(&text) {
        Ok(address) => address,
        Err(error) => {
            env.problem(format!("GOOGLE_NOTIFICATION_URL: {error}"));
            None
        }
    }
}
