//! The AWS clients. Made once at start; endpoints and credentials come from the SDK's own environment variables.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use seam::{Kind, Seam};
use store::Store;
use tokio::sync::OnceCell;

use crate::Env;

/// How long one try of a call may take; the SDK makes up to three.
const ATTEMPT: Duration = Duration::from_secs(2);
/// How long a call to the store may take with its retries. Every function's own time-out is longer.
const STORE_DEADLINE: Duration = Duration::from_secs(5);

/// The configuration that all clients share, with its connections; made by the first that asks.
pub async fn config() -> SdkConfig {
    static CONFIG: OnceCell<SdkConfig> = OnceCell::const_new();
    CONFIG.get_or_init(load).await.clone()
}

async fn load() -> SdkConfig {
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(timeouts)
        .load()
        .await
}

/// The store on the table in `TABLE_NAME`.
///
/// Its first call is made here: the handshake it costs falls into the start-up of the function, where Lambda gives a whole core, and
/// not into the first request.
pub async fn store(env: &mut Env) -> Store {
    let client = aws_sdk_dynamodb::Client::new(&config().await);
    let store = Store::new(client, env.required("TABLE_NAME"), Seam::new(Kind::Store, STORE_DEADLINE));
    if let Err(error) = store.ping().await {
        tracing::warn!(%error, "the store does not answer yet");
    }
    store
}

/// A client of the queue service.
pub async fn sqs() -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::new(&config().await)
}
