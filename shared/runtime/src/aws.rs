//! The AWS clients. Made once at start; region, credentials and endpoints come from the SDK's own environment variables, where Lambda puts
//! them, and from nowhere else.
//!
//! The SDK's default chain would look for them in more places: profiles, container and instance metadata, web identities. None of these
//! is there under Lambda, and the code that reads them is half a megabyte of every function's memory.

use std::time::Duration;

use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::meta::region::ProvideRegion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use seam::{Kind, Seam};
use store::Store;
use tokio::sync::OnceCell;

use crate::Env;
use crate::env::read_process;

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
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(timeouts)
        .region(EnvironmentVariableRegionProvider::new().region().await)
        .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
        .service_config(Variables)
        .build()
}

/// What the environment says about one service: only its endpoint, `AWS_ENDPOINT_URL_<SERVICE>`, which the local cloud sets.
#[derive(Debug)]
struct Variables;

impl LoadServiceConfig for Variables {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        read_process(&variable(key.env(), key.service_id()))
    }
}

/// The variable's name: the service's id in capitals, its blanks as underscores.
fn variable(setting: &str, service: &str) -> String {
    format!("{setting}_{}", service.replace([' ', '-'], "_").to_uppercase())
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

/// A client of the connections of a WebSocket API. Where they are, no service can know by itself: `AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI`
/// says it.
pub async fn sockets() -> aws_sdk_apigatewaymanagement::Client {
    aws_sdk_apigatewaymanagement::Client::new(&config().await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_found_under_the_name_that_every_sdk_knows() {
        for (service, name) in [
            ("DynamoDB", "AWS_ENDPOINT_URL_DYNAMODB"),
            ("SESv2", "AWS_ENDPOINT_URL_SESV2"),
            ("ApiGatewayManagementApi", "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"),
            ("Cognito Identity", "AWS_ENDPOINT_URL_COGNITO_IDENTITY"),
        ] {
            assert_eq!(variable("AWS_ENDPOINT_URL", service), name);
        }
    }
}
