//! What the passing of time does: the real functions, on a clock that is moved.

use std::time::Duration;

use fake_google::{Account, Fault, Paging};
use scenarios::{Browser, TestApp};
use serde_json::json;

use crate::google::{connected, lunch, miss_next_notification};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

const LIST: &str = "calendar.events.list";
const WATCH: &str = "calendar.events.watch";
const LIST_WATCH: &str = "calendar.calendarList.watch";
const STOP: &str = "calendar.channels.stop";

/// Google's answers to calls of these methods, in order.
fn calls(app: &TestApp, methods: &[&str]) -> Vec<(String, Option<u16>)> {
    let journal = app.google().journal().into_iter();
    let entries = journal.filter(|entry| methods.contains(&entry.operation.as_str()));
    entries.map(|entry| (entry.operation, entry.status)).collect()
}

/// Ids of the channels that are open at Google: that of the calendar, and that of the list.
fn channels(app: &TestApp) -> Vec<String> {
    app.google().channels().into_iter().map(|channel| channel.id).collect()
}

#[tokio::test]
async fn an_access_token_lives_an_hour_and_a_session_a_hundred_days_from_its_last_refresh() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    app.advance(59 * MINUTE);
    browser.metadata().await.ok();
    app.advance(2 * MINUTE);
    assert_eq!(browser.metadata().await.is(401).json(), json!({ "message": "try refresh token" }));
    browser.refresh().await.is(200);
    browser.metadata().await.ok();
    app.advance(99 * DAY);
    browser.refresh().await.is(200);
    app.advance(99 * DAY);
    browser.refresh().await.is(200);
    app.advance(101 * DAY);
    assert_eq!(browser.refresh().await.is(401).json(), json!({ "message": "unauthorised" }));
}

#[tokio::test]
async fn a_spent_refresh_token_is_forgiven_for_half_a_minute_and_then_ends_the_session() {
    let app = TestApp::start().await;
    let owner = app.person().await;
    let (tab, thief) = (owner.copy(), owner.copy());
    owner.refresh().await.is(200);
    // Ten seconds are left for a slow machine.
    app.advance(20 * SECOND);
    tab.refresh().await.is(200);
    owner.metadata().await.ok();
    app.advance(11 * SECOND);
    assert_eq!(thief.refresh().await.is(401).json(), json!({ "message": "token theft detected" }));
    for browser in [owner, tab] {
        assert_eq!(browser.refresh().await.is(401).json(), json!({ "message": "unauthorised" }));
    }
}

#[tokio::test]
async fn a_mailed_link_is_good_for_an_hour() {
    let app = TestApp::start().await;
    let (person, mut browser) = (app.person().await, app.browser());
    let token = |number: usize| {
        let link = app.cloud().mails()[number].links[0].clone();
        link.split_once("token=").unwrap().1.to_owned()
    };
    let late = json!({ "status": "RESET_PASSWORD_INVALID_TOKEN_ERROR" });
    browser.ask_for_reset(person.email()).await.ok();
    app.advance(HOUR + MINUTE);
    assert_eq!(browser.reset(&token(0), "a new horse 2").await.ok(), late);
    // That the table has forgotten it changes nothing.
    assert!(app.cloud().expire_items().unwrap() > 0);
    assert_eq!(browser.reset(&token(0), "a new horse 2").await.ok(), late);

    browser.ask_for_reset(person.email()).await.ok();
    app.advance(59 * MINUTE);
    assert_eq!(browser.reset(&token(1), "a third horse 3").await.ok()["status"], "OK");
    assert_eq!(browser.sign_in(person.email(), "a third horse 3").await.ok()["status"], "OK");
}

#[tokio::test]
async fn a_calendar_that_has_been_silent_for_an_hour_is_asked_and_a_lost_notification_costs_no_more() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    miss_next_notification(app.google());
    app.google().create_event(browser.email(), "primary", lunch()).unwrap();
    app.google().clear_journal();
    app.advance(55 * MINUTE);
    app.tick("sweep").await;
    app.quiesce().await;
    assert_eq!(calls(&app, &[LIST]), [], "it is not due yet");
    assert!(browser.titles().await.is_empty());

    app.advance(6 * MINUTE);
    app.tick("sweep").await;
    app.quiesce().await;
    browser.refresh().await.is(200);
    assert_eq!(browser.titles().await, ["Lunch"]);
    let asked = calls(&app, &[LIST]).len();
    app.tick("sweep").await;
    app.quiesce().await;
    assert_eq!(calls(&app, &[LIST]).len(), asked, "the next run finds nothing that is due");
}

#[tokio::test]
async fn a_calendar_that_cannot_be_watched_is_asked_every_five_minutes() {
    let app = TestApp::start().await;
    let (browser, google) = (app.person().await, app.google());
    google.create_account(Account::new(browser.email()));
    google.set_pushing(browser.email(), false).unwrap();
    browser.connect_google(google).await.ok();
    app.quiesce().await;
    assert_eq!(browser.connection_state().await, "HEALTHY");
    google.create_event(browser.email(), "primary", lunch()).unwrap();
    app.advance(6 * MINUTE);
    app.tick("sweep").await;
    app.quiesce().await;
    assert_eq!(browser.titles().await, ["Lunch"]);
}

#[tokio::test]
async fn a_watch_near_its_end_is_replaced_before_it_is_stopped() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    let old = channels(&app);
    assert_eq!(old.len(), 2);
    app.google().clear_journal();
    app.advance(5 * DAY);
    app.tick("watch-renewal").await;
    app.quiesce().await;
    assert_eq!((channels(&app), calls(&app, &[WATCH, STOP])), (old.clone(), vec![]), "it is not due yet");

    app.advance(DAY);
    app.tick("watch-renewal").await;
    app.quiesce().await;
    let renewed = [(WATCH, 200), (STOP, 204), (LIST_WATCH, 200), (STOP, 204)];
    let renewed = renewed.map(|(call, status)| (call.to_owned(), Some(status)));
    assert_eq!(calls(&app, &[WATCH, LIST_WATCH, STOP]), renewed);
    let new = channels(&app);
    assert!(new.len() == 2 && new.iter().all(|channel| !old.contains(channel)));
    app.tick("watch-renewal").await;
    app.quiesce().await;
    assert_eq!(calls(&app, &[WATCH, LIST_WATCH, STOP]), renewed, "once");

    // Past the end of the first one changes are still told.
    app.advance(2 * DAY);
    browser.refresh().await.is(200);
    assert_eq!(browser.connection_state().await, "HEALTHY");
    app.google().create_event(browser.email(), "primary", lunch()).unwrap();
    app.quiesce().await;
    assert_eq!(browser.titles().await, ["Lunch"]);
}

#[tokio::test]
async fn a_watch_that_could_not_be_renewed_is_seen_and_the_calendar_is_polled_meanwhile() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    app.advance(8 * DAY);
    browser.refresh().await.is(200);
    assert_eq!(browser.connection_state().await, "ATTENTION");
    app.google().create_event(browser.email(), "primary", lunch()).unwrap();
    app.quiesce().await;
    assert!(browser.titles().await.is_empty(), "nobody was told");
    app.tick("sweep").await;
    app.quiesce().await;
    assert_eq!(browser.titles().await, ["Lunch"]);
    app.tick("watch-renewal").await;
    app.quiesce().await;
    assert_eq!(browser.connection_state().await, "HEALTHY");
}

/// Pages of the import that [`interrupted`] begins.
const PAGES: usize = 10;

/// A person whose import was cut: its worker was killed while it waited for the fourth of its ten pages. The message is with the dead
/// worker until the queue's visibility time-out, as on AWS.
async fn interrupted(app: &TestApp) -> (Browser, Vec<String>) {
    let (browser, google) = (app.person().await, app.google());
    google.create_account(Account::new(browser.email()));
    let titles: Vec<String> = (0..4 * PAGES).map(|number| format!("Event {number:02}")).collect();
    for title in &titles {
        let mut event = lunch();
        event["summary"] = json!(title);
        google.create_event(browser.email(), "primary", event).unwrap();
    }
    google.set_paging(Paging { at_most: Some(4), ..Paging::default() });
    google.inject(Fault::delay(LIST, MINUTE).after(3));
    browser.connect_google(google).await.ok();
    let is_waiting = || async { google.faults().is_empty().then_some(()) };
    scenarios::eventually("the fourth page is asked for", is_waiting).await;
    app.cloud().kill_environments("sync-worker").await.unwrap();
    // The queue has been told by then: the journal waits for the last lines of a process.
    let has_failed = || async {
        let journal = app.cloud().journal();
        journal.iter().any(|entry| entry.function == "sync-worker" && !entry.is_ok()).then_some(())
    };
    scenarios::eventually("the invocation has failed", has_failed).await;
    google.clear_journal();
    (browser, titles)
}

async fn app_with_real_redelivery() -> TestApp {
    TestApp::start_with(|options| options.redelivery = None).await
}

#[tokio::test]
async fn the_message_of_a_killed_worker_comes_back_and_the_import_goes_on_where_it_was() {
    let app = app_with_real_redelivery().await;
    let (browser, titles) = interrupted(&app).await;
    assert_eq!(browser.connection_state().await, "IMPORTING");
    assert_eq!(calls(&app, &[LIST]), []);
    app.advance(12 * MINUTE);
    app.quiesce().await;
    assert_eq!(browser.connection_state().await, "HEALTHY");
    assert_eq!(browser.titles().await, titles);
    assert_eq!(calls(&app, &[LIST, WATCH]).len(), PAGES - 3, "no page is read twice, and no watch opened");
}

#[tokio::test]
async fn the_lease_of_a_killed_worker_expires_and_a_repair_reads_everything_anew() {
    let app = app_with_real_redelivery().await;
    let (browser, titles) = interrupted(&app).await;
    // Nobody will ever deliver it again.
    app.cloud().queues().purge(app.sync_queue()).unwrap();
    app.quiesce().await;
    let stream = browser.stream().await;
    browser.repair_google().await.is(204);
    let end = stream.frame("IMPORT_GCAL_END").await.json();
    assert_eq!(end["status"], "IGNORED", "it may still be running");
    app.advance(14 * MINUTE);
    assert_eq!(browser.connection_state().await, "IMPORTING");

    app.advance(2 * MINUTE);
    assert_eq!(browser.connection_state().await, "ATTENTION");
    browser.repair_google().await.is(204);
    app.quiesce().await;
    assert_eq!(browser.connection_state().await, "HEALTHY");
    assert_eq!(browser.titles().await, titles);
    assert_eq!(
        calls(&app, &[LIST]).len(),
        PAGES,
        "an import that died may have read less than a repair is to read"
    );
}
