//! The function in process, on a table made from the bundle's own template and a queue that speaks SQS.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail by panicking, like the tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::QueueAttributeName;
use axum::Router;
use axum::body::Body;
use chrono::{DateTime, Utc};
use domain::{Job, UserId};
use google_notification_function::{Notifications, router};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use local::table::TestTable;
use runtime::http::{SameSite, Web, service};
use seam::{Clock, Fault, Kind, Script, Seam};
use store::{Channel, Store};
use sync::{Queue, hash_of_token};
use tower::ServiceExt;

const ANA: UserId = UserId::new([1; 12]);
const URL: &str = "/api/sync/gcal/notifications";

/// While it is set, nothing reaches the queue.
#[derive(Default)]
struct Outage(AtomicBool);

impl Script for Outage {
    fn next(&self, kind: Kind, _: &'static str) -> Option<Fault> {
        (kind == Kind::Queue && self.0.load(Ordering::SeqCst)).then_some(Fault::FailBefore)
    }
}

struct World {
    _table: TestTable,
    router: Router,
    client: aws_sdk_sqs::Client,
    queue_url: String,
    outage: Arc<Outage>,
}

fn now() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

impl World {
    /// A channel `known` with the token `secret` for the resource `calendar`, one that has been replaced, one whose opening Google has not answered yet,
    /// and one that has ended.
    async fn start() -> Self {
        let table = TestTable::start().await.unwrap();
        let store = Store::new(
            table.client.clone(),
            &table.table_name,
            Seam::new(Kind::Store, Duration::from_secs(5)),
        );
        for (channel, resource_id, life) in [
            ("known", Some("calendar"), 3_600),
            ("replaced", Some("calendar"), 3_600),
            ("unanswered", None, 3_600),
            ("ended", Some("calendar"), -1),
        ] {
            let channel = Channel {
                channel: channel.into(),
                user: ANA,
                calendar: "ana@example.com".into(),
                token_hash: hash_of_token("secret"),
                resource_id: resource_id.map(str::to_owned),
                is_replaced: channel == "replaced",
                expires_at: now().timestamp() + life,
            };
            store.announce_channel(&channel).await.unwrap();
        }
        let (client, queue_url) = sqs().await;
        let outage = Arc::new(Outage::default());
        let seam = Seam::new(Kind::Queue, Duration::from_secs(5)).with_script(outage.clone());
        let queue = Queue::new(client.clone(), &queue_url, seam);
        let web = Web::new("http://localhost:9080".parse().unwrap(), [], SameSite::Lax);
        let router = service(router(Notifications { store, queue, clock: Clock::fixed(now()) }), &web);
        Self { _table: table, router, client, queue_url, outage }
    }

    async fn notify(
        &self,
        path: &str,
        channel: &str,
        token: &str,
        state: &str,
        number: u32,
    ) -> (StatusCode, String) {
        let request = Request::post(path)
            .header("x-goog-channel-id", channel)
            .header("x-goog-channel-token", token)
            .header("x-goog-resource-id", "calendar")
            .header("x-goog-resource-state", state)
            .header("x-goog-message-number", number.to_string());
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, String) {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (parts.status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// What waits in the queue.
    async fn jobs(&self) -> Vec<Job> {
        let received = self.client.receive_message().queue_url(&self.queue_url).max_number_of_messages(10);
        let messages = received.send().await.unwrap().messages.unwrap_or_default();
        messages.iter().map(|message| serde_json::from_str(message.body().unwrap()).unwrap()).collect()
    }
}

async fn sqs() -> (aws_sdk_sqs::Client, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(fake_sqs::serve(listener, fake_sqs::Broker::new(fake_sqs::SystemClock::default())));
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .endpoint_url(&endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let client = aws_sdk_sqs::Client::from_conf(config);
    let create =
        client.create_queue().queue_name("sync.fifo").attributes(QueueAttributeName::FifoQueue, "true");
    let url = create.send().await.unwrap().queue_url.unwrap();
    (client, url)
}

fn ok(text: &str) -> (StatusCode, String) {
    (StatusCode::OK, text.to_owned())
}

fn stray(channel: &str) -> Job {
    Job::StopStray { user: ANA, channel: channel.into(), resource: "calendar".into() }
}

#[tokio::test]
async fn a_change_is_enqueued_under_either_address_and_a_repeated_delivery_is_not() {
    let world = World::start().await;
    assert_eq!(world.notify(URL, "known", "secret", "exists", 7).await, ok("PROCESSED"));
    assert_eq!(world.notify(URL, "known", "secret", "exists", 7).await, ok("PROCESSED"));
    assert_eq!(world.notify("/", "known", "secret", "not_exists", 9).await, ok("PROCESSED"));
    assert_eq!(world.jobs().await, [Job::Pull { user: ANA }, Job::Poll { user: ANA }]);
}

#[tokio::test]
async fn a_notification_may_come_before_the_answer_that_opened_its_channel() {
    let world = World::start().await;
    assert_eq!(world.notify(URL, "unanswered", "secret", "exists", 2).await, ok("PROCESSED"));
    assert_eq!(world.jobs().await, [stray("unanswered")], "which does nothing else if it is in use by then");
}

#[tokio::test]
async fn a_channel_that_was_replaced_and_still_speaks_is_to_be_stopped() {
    let world = World::start().await;
    assert_eq!(world.notify(URL, "replaced", "secret", "exists", 2).await, ok("PROCESSED"));
    assert_eq!(world.jobs().await, [stray("replaced")]);
    assert_eq!(world.notify(URL, "replaced", "guess", "exists", 3).await, ok("IGNORED"));
    assert_eq!(world.jobs().await, []);
}

#[tokio::test]
async fn the_first_message_of_a_channel_is_answered_without_a_look_up() {
    let world = World::start().await;
    assert_eq!(world.notify(URL, "whatever", "whatever", "sync", 1).await, ok("INITIALIZED"));
    assert!(world.jobs().await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_believed_is_dropped_without_a_word() {
    let world = World::start().await;
    for (channel, token) in [("foreign", "secret"), ("known", "guess"), ("ended", "secret"), ("foreign", "")]
    {
        let answer = world.notify(URL, channel, token, "exists", 3).await;
        let expected = if token.is_empty() { StatusCode::FORBIDDEN } else { StatusCode::OK };
        assert_eq!(answer.0, expected, "{channel} {token}");
        assert!(token.is_empty() || answer.1 == "IGNORED");
    }
    let other_resource = Request::post(URL)
        .header("x-goog-channel-id", "known")
        .header("x-goog-channel-token", "secret")
        .header("x-goog-resource-id", "other")
        .header("x-goog-resource-state", "exists");
    assert_eq!(world.send(other_resource.body(Body::empty()).unwrap()).await, ok("IGNORED"));
    assert!(world.jobs().await.is_empty());
}

#[tokio::test]
async fn what_is_no_notification_is_refused() {
    let world = World::start().await;
    assert_eq!(world.notify(URL, "known", "secret", "trash", 3).await.0, StatusCode::FORBIDDEN);
    let endless = "c".repeat(4_000);
    assert_eq!(world.notify(URL, &endless, "secret", "exists", 3).await.0, StatusCode::FORBIDDEN);
    let bare = Request::post(URL).body(Body::empty()).unwrap();
    assert_eq!(world.send(bare).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn google_is_asked_to_try_again_only_when_the_hint_could_not_be_kept() {
    let world = World::start().await;
    world.outage.0.store(true, Ordering::SeqCst);
    assert_eq!(world.notify(URL, "known", "secret", "exists", 4).await.0, StatusCode::SERVICE_UNAVAILABLE);
    world.outage.0.store(false, Ordering::SeqCst);
    assert_eq!(world.notify(URL, "known", "secret", "exists", 4).await, ok("PROCESSED"));
    assert_eq!(world.jobs().await.len(), 1);
}
