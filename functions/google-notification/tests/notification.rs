//! The function in process, on a table made from the bundle's own template and a queue that speaks SQS.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail by panicking, like the tests")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::QueueAttributeName;
use axum::Router;
use axum::body::Body;
use chrono::{DateTime, Utc};
use domain::{Job, UserId};
use google_notification_function::{Notifications, router};
use http::{HeaderName, Request, StatusCode, Version};
use http_body_util::BodyExt;
use local::table::TestTable;
use runtime::http::{SameSite, Web, service};
use seam::{Clock, Fault, Kind, Script, Seam};
use store::{Channel, Store};
use sync::{Queue, hash_of_token};
use tokio::task::JoinSet;
use tower::ServiceExt;

const ANA: UserId = UserId::new([1; 12]);
const BEN: UserId = UserId::new([2; 12]);
const URL: &str = "/api/sync/gcal/notifications";

/// What a notification may cost: a read of its channel, and a message.
const LOOK_UP: (Kind, &str) = (Kind::Store, "GetItem");
const SEND: (Kind, &str) = (Kind::Queue, "SendMessage");

/// Writes down what leaves the process. While it is out of order, nothing reaches the queue.
#[derive(Default)]
struct Wire {
    calls: Mutex<Vec<(Kind, &'static str)>>,
    is_down: AtomicBool,
}

impl Script for Wire {
    fn next(&self, kind: Kind, operation: &'static str) -> Option<Fault> {
        self.calls.lock().unwrap().push((kind, operation));
        (kind == Kind::Queue && self.is_down.load(Ordering::SeqCst)).then_some(Fault::FailBefore)
    }
}

impl Wire {
    /// What has left since this was last asked.
    fn taken(&self) -> Vec<(Kind, &'static str)> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

struct World {
    _table: TestTable,
    store: Store,
    router: Router,
    client: aws_sdk_sqs::Client,
    queue_url: String,
    wire: Arc<Wire>,
}

fn now() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

impl World {
    /// A channel `known` with the token `secret` for the resource `calendar`, one that has been replaced, one whose opening Google has not answered yet,
    /// one that has ended, one of the list of calendars, and one of somebody else.
    async fn start() -> Self {
        let table = TestTable::start().await.unwrap();
        let wire = Arc::new(Wire::default());
        let seam = |kind| Seam::new(kind, Duration::from_secs(5)).with_script(wire.clone());
        let store = Store::new(table.client.clone(), &table.table_name, seam(Kind::Store));
        let (client, queue_url) = sqs().await;
        let queue = Queue::new(client.clone(), &queue_url, seam(Kind::Queue));
        let web = Web::new("http://localhost:9080".parse().unwrap(), [], SameSite::Lax);
        let clock = Clock::fixed(now());
        let router = service(router(Notifications { store: store.clone(), queue, clock }), &web);
        let world = Self { _table: table, store, router, client, queue_url, wire };
        let anas = |name| channel(ANA, name, "secret");
        for channel in [
            anas("known"),
            Channel { is_replaced: true, ..anas("replaced") },
            Channel { resource_id: None, ..anas("unanswered") },
            Channel { expires_at: now().timestamp() - 1, ..anas("ended") },
            Channel { calendar: None, ..anas("list") },
            channel(BEN, "bens", "another secret"),
        ] {
            world.store.announce_channel(&channel).await.unwrap();
        }
        world.wire.taken();
        world
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

    /// The same, of a notification of a change in the user's calendar, with what it cost.
    async fn told(&self, channel: &str, token: &str) -> ((StatusCode, String), Vec<(Kind, &'static str)>) {
        self.wire.taken();
        let answer = self.notify(URL, channel, token, "exists", 3).await;
        (answer, self.wire.taken())
    }

    /// What waits in the queue.
    async fn jobs(&self) -> Vec<Job> {
        let received = self.client.receive_message().queue_url(&self.queue_url).max_number_of_messages(10);
        let messages = received.send().await.unwrap().messages.unwrap_or_default();
        messages.iter().map(|message| serde_json::from_str(message.body().unwrap()).unwrap()).collect()
    }
}

fn channel(user: UserId, name: &str, secret: &str) -> Channel {
    Channel {
        channel: name.into(),
        user,
        calendar: Some("ana@example.com".into()),
        token_hash: hash_of_token(secret),
        resource_id: Some("calendar".into()),
        is_replaced: false,
        expires_at: now().timestamp() + 3_600,
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

/// 11, and what the door may cost.
#[tokio::test]
async fn a_change_is_enqueued_under_either_address_and_a_repeated_delivery_is_not() {
    let world = World::start().await;
    assert_eq!(world.notify(URL, "known", "secret", "exists", 7).await, ok("PROCESSED"));
    assert_eq!(world.wire.taken(), [LOOK_UP, SEND]);
    assert_eq!(world.notify(URL, "known", "secret", "exists", 7).await, ok("PROCESSED"));
    assert_eq!(world.wire.taken(), [LOOK_UP, SEND]);
    assert_eq!(world.notify("/", "known", "secret", "not_exists", 9).await, ok("PROCESSED"));
    assert_eq!(world.wire.taken(), [LOOK_UP, SEND], "the list of calendars is the worker's to read");
    assert_eq!(world.jobs().await, [Job::Pull { user: ANA }, Job::Poll { user: ANA }]);
}

#[tokio::test]
async fn a_change_of_the_list_of_calendars_has_the_list_read() {
    let world = World::start().await;
    assert_eq!(world.told("list", "secret").await, (ok("PROCESSED"), vec![LOOK_UP, SEND]));
    assert_eq!(world.jobs().await, [Job::Poll { user: ANA }]);
}

/// 10.
#[tokio::test]
async fn a_notification_may_come_before_the_answer_that_opened_its_channel() {
    let world = World::start().await;
    assert_eq!(world.notify(URL, "unanswered", "secret", "exists", 2).await, ok("PROCESSED"));
    assert_eq!(world.wire.taken(), [LOOK_UP, SEND]);
    assert_eq!(world.jobs().await, [stray("unanswered")], "which does nothing else if it is in use by then");
}

/// 4: the channel that took its place speaks for itself.
#[tokio::test]
async fn a_channel_that_was_replaced_and_still_speaks_is_to_be_stopped() {
    let world = World::start().await;
    assert_eq!(world.told("replaced", "secret").await, (ok("PROCESSED"), vec![LOOK_UP, SEND]));
    assert_eq!(world.jobs().await, [stray("replaced")]);
    assert_eq!(world.told("replaced", "guess").await, (ok("IGNORED"), vec![LOOK_UP]));
    assert_eq!(world.told("nobody's", "secret").await, (ok("IGNORED"), vec![LOOK_UP]));
    assert_eq!(world.jobs().await, []);
}

/// 3.
#[tokio::test]
async fn the_first_message_of_a_channel_is_answered_without_a_look_up() {
    let world = World::start().await;
    assert_eq!(world.notify(URL, "whatever", "whatever", "sync", 1).await, ok("INITIALIZED"));
    assert_eq!(world.wire.taken(), []);
    assert!(world.jobs().await.is_empty());
}

/// 5, 6: whatever is wrong with it, it costs the same and is answered alike.
#[tokio::test]
async fn what_cannot_be_believed_is_dropped_without_a_word() {
    let world = World::start().await;
    for (channel, token) in [("foreign", "secret"), ("known", "guess"), ("ended", "secret")] {
        assert_eq!(world.told(channel, token).await, (ok("IGNORED"), vec![LOOK_UP]), "{channel} {token}");
    }
    let (answer, calls) = world.told("foreign", "").await;
    assert_eq!((answer.0, calls), (StatusCode::FORBIDDEN, vec![]));
    let other_resource = Request::post(URL)
        .header("x-goog-channel-id", "known")
        .header("x-goog-channel-token", "secret")
        .header("x-goog-resource-id", "other")
        .header("x-goog-resource-state", "exists");
    assert_eq!(world.send(other_resource.body(Body::empty()).unwrap()).await, ok("IGNORED"));
    assert_eq!(world.wire.taken(), [LOOK_UP]);
    assert!(world.jobs().await.is_empty());
}

/// 7: a token opens the channel that it was made for.
#[tokio::test]
async fn a_token_of_one_user_says_nothing_on_the_channel_of_another() {
    let world = World::start().await;
    for (channel, token) in [("bens", "secret"), ("known", "another secret")] {
        assert_eq!(
            world.told(channel, token).await,
            (ok("IGNORED"), vec![LOOK_UP]),
            "nothing of either user is read"
        );
    }
    assert!(world.jobs().await.is_empty());
    assert_eq!(world.told("bens", "another secret").await, (ok("PROCESSED"), vec![LOOK_UP, SEND]));
    assert_eq!(world.jobs().await, [Job::Pull { user: BEN }]);
}

/// 12: what comes between Google and us may write the headers in another way.
#[tokio::test]
async fn headers_in_either_case_no_body_and_any_version_of_http_are_taken() {
    let world = World::start().await;
    let names = ["Channel-ID", "Channel-Token", "Resource-ID", "Resource-State", "Message-Number"];
    let values = ["known", "secret", "calendar", "exists"];
    let versions = [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2];
    for (number, version) in versions.into_iter().enumerate() {
        for (number, is_lower) in [(2 * number, true), (2 * number + 1, false)] {
            let name = |name: &str| match is_lower {
                true => format!("x-goog-{}", name.to_lowercase()),
                false => format!("X-Goog-{name}"),
            };
            let number = number.to_string();
            let values = values.into_iter().chain([number.as_str()]);
            let mut request = Request::post(URL).version(version).header("Content-Length", "0");
            for (written, value) in names.iter().zip(values) {
                request = request.header(HeaderName::from_bytes(name(written).as_bytes()).unwrap(), value);
            }
            let answer = world.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!((answer, world.wire.taken()), (ok("PROCESSED"), vec![LOOK_UP, SEND]), "{version:?}");
        }
    }
    assert_eq!(world.jobs().await, vec![Job::Pull { user: ANA }; 6]);
}

#[tokio::test]
async fn what_is_no_notification_is_refused() {
    let world = World::start().await;
    assert_eq!(world.notify(URL, "known", "secret", "trash", 3).await.0, StatusCode::FORBIDDEN);
    let endless = "c".repeat(4_000);
    assert_eq!(world.notify(URL, &endless, "secret", "exists", 3).await.0, StatusCode::FORBIDDEN);
    let bare = Request::post(URL).body(Body::empty()).unwrap();
    assert_eq!(world.send(bare).await.0, StatusCode::FORBIDDEN);
    assert_eq!(world.wire.taken(), [], "and costs nothing");
}

/// 8.
#[tokio::test]
async fn google_is_asked_to_try_again_only_when_the_hint_could_not_be_kept() {
    let world = World::start().await;
    world.wire.is_down.store(true, Ordering::SeqCst);
    assert_eq!(world.notify(URL, "known", "secret", "exists", 4).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert!(world.jobs().await.is_empty());
    world.wire.is_down.store(false, Ordering::SeqCst);
    assert_eq!(world.notify(URL, "known", "secret", "exists", 4).await, ok("PROCESSED"));
    assert_eq!(world.jobs().await.len(), 1);
}

/// 13: five thousand calendars, a tenth of them one busy user's, speak at once. Each costs what one costs, and the busy user's messages, which come
/// first, keep nobody else waiting: each user has a group of its own in the queue.
#[tokio::test]
async fn in_a_storm_of_notifications_each_costs_the_same_and_nobody_waits_for_another() {
    const CALENDARS: u16 = 5_000;
    const BUSY: u16 = 500;
    const AT_ONCE: usize = 50;
    let world = Arc::new(World::start().await);
    let user = |n: u16| {
        let [high, low] = n.saturating_sub(BUSY - 1).to_be_bytes();
        UserId::new([3, high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    };
    for n in 0..CALENDARS {
        world.store.announce_channel(&channel(user(n), &format!("storm-{n}"), "secret")).await.unwrap();
    }
    world.wire.taken();
    for wave in (0..CALENDARS).collect::<Vec<_>>().chunks(AT_ONCE) {
        let told = wave.iter().map(|n| {
            let (world, channel) = (world.clone(), format!("storm-{n}"));
            async move { world.notify(URL, &channel, "secret", "exists", 2).await }
        });
        let answers = told.collect::<JoinSet<_>>().join_all().await;
        assert_eq!(answers, vec![ok("PROCESSED"); wave.len()]);
    }
    let calls = world.wire.taken();
    let count = |wanted| calls.iter().filter(|call| **call == wanted).count();
    assert_eq!((count(LOOK_UP), count(SEND), calls.len()), (5_000, 5_000, 10_000));

    // Nothing of what is received is done with: the busy user's group is held, and everybody else is served all the same.
    let mut served = BTreeSet::new();
    loop {
        let jobs = world.jobs().await;
        if jobs.is_empty() {
            break;
        }
        served.extend(jobs.iter().map(Job::user));
    }
    assert_eq!(served.len(), usize::from(CALENDARS - BUSY + 1));
}
