//! One bundle for one test.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use auth::access::Signer;
use contract::auth::AccessPayload;
use fake_sqs::NewMessage;
use local::keys::Keys;
use local::{Cloud, Options, Transcript};
use serde_json::json;

use crate::browser::Browser;
use crate::secrets::{self, Leak, Secrets};
use crate::wait::PATIENCE;

/// The web app's origin. Nothing listens there.
pub const WEB_URL: &str = "http://localhost:9080";
/// Satisfies every rule for passwords.
pub(crate) const PASSWORD: &str = "correct horse 1";

/// A bundle of its own: nothing in it is shared with another test, so that all run side by side.
pub struct TestApp {
    cloud: Cloud,
    signer: Signer,
    http: reqwest::Client,
    people: AtomicU32,
    polls: AtomicU32,
    /// What functions wrote and queues handed out.
    transcript: Transcript,
    /// What browsers were answered and told.
    answers: Transcript,
    /// The keys of the bundle.
    keys: Vec<String>,
    secrets: Secrets,
    is_judged: bool,
}

impl TestApp {
    /// Starts one, whose streams are held and read the log often: a test is not to wait for either.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts one with other options.
    pub async fn start_with(adjust: impl FnOnce(&mut Options)) -> Self {
        // Fails only if the process has a provider already, which will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let built = tokio::task::spawn_blocking(|| local::builder::functions(false)).await;
        let functions = built.expect("the builder does not panic").expect("the functions build");
        let keys = Keys::generate().expect("keys");
        let signer = Signer::from_base64(&keys.parameters()["SessionSigningKey"]).expect("a signing key");

        let mut options = Options::new(functions);
        options.web_url = WEB_URL.to_owned();
        options.parameters = keys.parameters().clone();
        options.parameters.insert("StreamMode".to_owned(), "hold".to_owned());
        options.variables.insert("STREAM_POLL_MILLIS".to_owned(), "25".to_owned());
        adjust(&mut options);
        let transcript = Transcript::default();
        options.transcript = Some(transcript.clone());
        let cloud = Cloud::start(options).await.expect("the cloud starts");
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
        Self {
            cloud,
            signer,
            http: http.expect("a client"),
            people: AtomicU32::new(0),
            polls: AtomicU32::new(0),
            transcript,
            answers: Transcript::default(),
            keys: secret_keys(&keys),
            secrets: Secrets::default(),
            is_judged: false,
        }
    }

    /// The cloud it runs in.
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// The fake Google, to act there as its users and to order faults.
    pub fn google(&self) -> &fake_google::Server {
        self.cloud.google().expect("there is a fake Google")
    }

    /// Whether this was in a function's log, in a message, in an answer or in a frame.
    pub fn has_said(&self, part: &str) -> bool {
        !(self.transcript.with(part).is_empty() && self.answers.with(part).is_empty())
    }

    /// Name of the queue of all work against Google.
    pub fn sync_queue(&self) -> &'static str {
        "SyncQueue.fifo"
    }

    /// A browser that has never been here, at the web app's origin.
    pub fn browser(&self) -> Browser {
        Browser::new(self.cloud.url(), self.http.clone(), self.answers.clone(), self.secrets.clone())
    }

    /// A browser with a person who has just signed up, under an address of their own.
    pub async fn person(&self) -> Browser {
        let number = self.people.fetch_add(1, Ordering::Relaxed);
        let mut browser = self.browser();
        browser.sign_up("Ada Lovelace", &format!("ada{number}@example.com"), PASSWORD).await.ok();
        browser
    }

    /// Waits until nothing is under way: queues, outbox, notifications, invocations. Open streams don't count.
    pub async fn quiesce(&self) {
        self.cloud.quiesce(PATIENCE).await.expect("the cloud comes to rest");
    }

    /// Runs what a schedule runs, to its end.
    pub async fn tick(&self, name: &str) {
        self.cloud.tick(name).await.expect("the schedule's function succeeds");
    }

    /// Moves the time on, of everything in the cloud. What is under way should have ended ([`TestApp::quiesce`]).
    pub fn advance(&self, by: Duration) {
        self.cloud.advance(by).expect("the clock moves");
    }

    /// Has the worker ask Google what changed, as a notification or the sweep does.
    pub fn poll_google(&self, browser: &Browser) {
        let number = self.polls.fetch_add(1, Ordering::Relaxed);
        let job = json!({ "job": "pull", "user": browser.user() });
        let message = NewMessage::new(job.to_string()).in_group(browser.user());
        let message = message.with_deduplication_id(format!("poll-{number}"));
        self.cloud.queues().send(self.sync_queue(), message).expect("the queue takes a job");
    }

    /// The access token that the browser would hold an hour later: true in all but its time.
    pub fn expired(&self, access_token: &str) -> String {
        let payload = crate::browser::payload_of(access_token);
        let mut payload: AccessPayload = serde_json::from_value(payload).expect("a payload");
        payload.iat -= 7_200;
        payload.exp -= 7_200;
        self.signer.sign(&payload).expect("a token")
    }
}

/// What is kept from others.
impl TestApp {
    /// Where a secret is that should not be there: one of Google's, of its tokens, codes and channels, or a key of ours, anywhere; one that its browser has or its user
    /// knows, anywhere but in what browsers are answered.
    ///
    /// # Panics
    /// If the table or a queue cannot be read.
    pub fn leaks(&self) -> Vec<Leak> {
        let google = self.cloud.google().map(|google| google.secrets()).unwrap_or_default();
        let mut secrets: Vec<String> = google.into_iter().chain(self.keys.clone()).collect();
        let answers = secrets::leaks(&secrets, "an answer or a frame", &self.answers.with(""));
        secrets.extend(self.secrets.all());
        let places = [
            ("a log or a message", self.transcript.with("")),
            ("a queue", self.cloud.queued_bodies().expect("the queues can be read")),
            ("the table", self.cloud.stored_values().expect("the table can be read")),
        ];
        let others = places.iter().flat_map(|(place, texts)| secrets::leaks(&secrets, place, texts));
        answers.into_iter().chain(others).collect()
    }

    /// The end of a test that has planted leaks: which of them are found. What else holds of every test is not asked.
    pub fn into_leaks(mut self) -> Vec<Leak> {
        self.is_judged = true;
        self.leaks()
    }

    /// Something that a function writes, as far as the search for secrets can tell.
    pub fn note(&self, text: &str) {
        self.transcript.add(text);
    }
}

/// Those that no function gives out.
fn secret_keys(keys: &Keys) -> Vec<String> {
    let is_secret = |(name, _): &(&String, &String)| *name != "SessionVerifyKey";
    keys.parameters().iter().filter(is_secret).map(|(_, key)| key.clone()).collect()
}

/// What holds of every test, whatever it is about. A test that has failed already is not asked.
impl Drop for TestApp {
    fn drop(&mut self) {
        if std::thread::panicking() || self.is_judged {
            return;
        }
        let leaks = self.leaks();
        assert!(leaks.is_empty(), "a secret is where it should not be: {leaks:#?}");
        let Some(google) = self.cloud.google() else { return };
        let violations = google.violations();
        assert!(violations.is_empty(), "Google's discovery document does not allow: {violations:#?}");
        let breaches = google.quota_breaches();
        assert!(breaches.is_empty(), "beyond what Google grants in a minute: {breaches:#?}");
    }
}
