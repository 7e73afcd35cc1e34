//! What one side does arrives on the other.

use std::time::Duration;

use fake_google::{Account, Fault, Paging};
use scenarios::{TestApp, all_day, id, someday, timed};
use serde_json::{Value, json};

use super::{DELETE, INSERT, UPDATE, assert_at_rest, at_google, connected, lunch, titles_at_google, writes};

#[tokio::test]
async fn connecting_imports_what_is_in_google_and_tells_how_it_goes() {
    let app = TestApp::start().await;
    let (browser, google) = (app.person().await, app.google());
    let time_zone = "America/Chicago".parse().unwrap();
    google.create_account(Account { time_zone, ..Account::new(browser.email()) });
    google.create_event(browser.email(), "primary", lunch()).unwrap();
    let trip =
        json!({ "summary": "Trip", "start": { "date": "2026-11-20" }, "end": { "date": "2026-11-23" } });
    google.create_event(browser.email(), "primary", trip).unwrap();
    google.set_paging(Paging { at_most: Some(1), ..Paging::default() });
    // An end takes the place of the progress before it: the stream, which looks once a second, is to find some.
    google.inject(Fault::delay("calendar.events.list", Duration::from_secs(3)).after(1));
    browser.create(&timed(1, "Made before", "2026-11-19T09:00:00Z")).await.is(204);
    assert_eq!(browser.connection_state().await, "NOT_CONNECTED");
    let stream = browser.stream().await;

    let answer = browser.connect_google(google).await.ok();
    assert_eq!(answer, json!({ "status": "OK" }));
    stream.frame("IMPORT_GCAL_START").await;
    let end = stream.frame("IMPORT_GCAL_END").await.json();
    assert_eq!((&end["operation"], &end["status"]), (&json!("INCREMENTAL"), &json!("COMPLETED")), "{end}");
    let progress = stream.frame("IMPORT_GCAL_PROGRESS").await.json();
    assert!(progress["done"].as_u64() >= Some(1) && progress["calendars"] == 1, "{progress}");
    app.quiesce().await;
    assert_eq!(browser.connection_state().await, "HEALTHY");
    let states: Vec<Value> = stream
        .frames()
        .iter()
        .filter(|frame| frame.event.as_deref() == Some("USER_METADATA"))
        .map(|frame| frame.json()["google"]["connectionState"].clone())
        .collect();
    assert_eq!(states.first(), Some(&json!("NOT_CONNECTED")));
    assert!(states.contains(&json!("IMPORTING")), "{states:?}");

    let events = browser.grid().await;
    assert_eq!(browser.titles().await, ["Lunch", "Made before", "Trip"]);
    let lunch = events.iter().find(|event| event["title"] == "Lunch").unwrap();
    assert_eq!(
        (&lunch["startDate"], &lunch["isAllDay"]),
        (&json!("2026-11-20T12:00:00-06:00"), &json!(false))
    );
    assert!(lunch["gEventId"].is_string());
    let trip = events.iter().find(|event| event["title"] == "Trip").unwrap();
    assert_eq!(
        (&trip["startDate"], &trip["endDate"], &trip["isAllDay"]),
        (&json!("2026-11-20"), &json!("2026-11-23"), &json!(true))
    );
    // What was there before the connection goes to Google.
    assert_eq!(titles_at_google(&app, &browser), ["Lunch", "Made before", "Trip"]);
    assert_at_rest(&app, &browser).await;
}

#[tokio::test]
async fn a_change_in_google_appears_here_without_any_call_by_the_client() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    let (google, email) = (app.google(), browser.email());
    let stream = browser.stream().await;
    stream.frame("USER_METADATA").await;
    let before = stream.count("EVENT_CHANGED");

    let created = google.create_event(email, "primary", lunch()).unwrap();
    stream.nth("EVENT_CHANGED", before + 1).await;
    assert_eq!(browser.titles().await, ["Lunch"]);

    let event = created["id"].as_str().unwrap();
    google.edit_event(email, "primary", event, json!({ "summary": "Late lunch" })).unwrap();
    stream.nth("EVENT_CHANGED", before + 2).await;
    assert_eq!(browser.titles().await, ["Late lunch"]);

    google.delete_event(email, "primary", event).unwrap();
    stream.nth("EVENT_CHANGED", before + 3).await;
    assert!(browser.grid().await.is_empty());
    assert_at_rest(&app, &browser).await;
}

#[tokio::test]
async fn a_change_here_arrives_in_google_once() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    app.google().clear_journal();
    let mut event = timed(1, "Lunch", "2026-11-20T12:00:00-06:00");
    event["description"] = json!("with Grace");
    browser.create(&event).await.is(204);
    browser.create(&all_day(2, "Trip", "2026-11-20", "2026-11-23")).await.is(204);
    app.quiesce().await;
    let there = at_google(&app, &browser);
    assert_eq!(there.len(), 2, "{there:#?}");
    let lunch = there.iter().find(|event| event["summary"] == "Lunch").unwrap();
    assert_eq!(lunch["description"], "with Grace");
    let start = lunch["start"]["dateTime"].as_str().unwrap();
    let start = chrono::DateTime::parse_from_rfc3339(start).unwrap();
    assert_eq!(start, chrono::DateTime::parse_from_rfc3339("2026-11-20T12:00:00-06:00").unwrap());
    let trip = there.iter().find(|event| event["summary"] == "Trip").unwrap();
    assert_eq!((&trip["start"]["date"], &trip["end"]["date"]), (&json!("2026-11-20"), &json!("2026-11-23")));
    assert_eq!(writes(&app), [INSERT, INSERT]);
    assert_eq!(browser.read(&id(1)).await.ok()["gEventId"], lunch["id"]);

    event["title"] = json!("Late lunch");
    browser.put(&event).await.is(204);
    app.quiesce().await;
    assert_eq!(titles_at_google(&app, &browser), ["Late lunch", "Trip"]);
    browser.delete(&id(1)).await.is(204);
    app.quiesce().await;
    assert_eq!(titles_at_google(&app, &browser), ["Trip"]);
    assert_eq!(writes(&app), [INSERT, INSERT, UPDATE, DELETE]);
    let journal = app.google().journal();
    let mails = journal.iter().filter(|entry| entry.operation == INSERT || entry.operation == UPDATE);
    assert!(mails.map(|entry| entry.send_updates.as_deref()).all(|updates| updates == Some("none")));
    assert_at_rest(&app, &browser).await;
}

#[tokio::test]
async fn what_google_keeps_in_an_event_and_we_do_not_know_survives_our_edit() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    let (google, email) = (app.google(), browser.email());
    let mut given = lunch();
    given["location"] = json!("The canteen");
    given["xFuture"] = json!({ "kept": [1, 2, 3] });
    given["attendees"] = json!([{ "email": "grace@example.com", "responseStatus": "accepted" }]);
    given["extendedProperties"] = json!({ "private": { "somebody": "else" }, "shared": { "a": "b" } });
    given["reminders"] = json!({ "useDefault": false, "overrides": [{ "method": "popup", "minutes": 5 }] });
    let created = google.create_event(email, "primary", given.clone()).unwrap();
    app.quiesce().await;

    let mut event = browser.grid().await.remove(0);
    event["title"] = json!("Late lunch");
    browser.put(&event).await.is(204);
    app.quiesce().await;
    let edited = google.event(email, "primary", created["id"].as_str().unwrap()).unwrap();
    assert_eq!(edited["summary"], "Late lunch");
    for field in ["location", "xFuture", "attendees", "reminders"] {
        assert_eq!(edited[field], given[field], "{field}");
    }
    assert_eq!(edited["extendedProperties"]["private"]["somebody"], "else");
    assert_eq!(edited["extendedProperties"]["shared"], json!({ "a": "b" }));
    assert_eq!(edited["start"]["timeZone"], "America/Chicago");
    assert_at_rest(&app, &browser).await;
}

#[tokio::test]
async fn someday_is_ours_alone() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    browser.create(&someday(1, "Paint", "2026-11-15", "2026-11-21", 0)).await.is(204);
    app.quiesce().await;
    assert!(at_google(&app, &browser).is_empty());
    browser.put(&timed(1, "Paint", "2026-11-20T12:00:00Z")).await.is(204);
    app.quiesce().await;
    assert_eq!(titles_at_google(&app, &browser), ["Paint"]);
    browser.put(&someday(1, "Paint", "2026-11-15", "2026-11-21", 0)).await.is(204);
    app.quiesce().await;
    assert!(at_google(&app, &browser).is_empty());
    let month = ("2026-10-31T23:59:59Z", "2026-11-30T23:59:59Z");
    assert_eq!(browser.someday(month.0, month.1).await.len(), 1);
    // And back again: an id that Google has seen deleted is no obstacle.
    browser.put(&timed(1, "Paint", "2026-11-20T12:00:00Z")).await.is(204);
    app.quiesce().await;
    assert_eq!(titles_at_google(&app, &browser), ["Paint"]);
    assert_at_rest(&app, &browser).await;
}

#[tokio::test]
async fn a_withdrawn_consent_is_a_state_and_costs_no_data() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    let (google, email) = (app.google(), browser.email().to_owned());
    google.create_event(&email, "primary", lunch()).unwrap();
    app.quiesce().await;
    let stream = browser.stream().await;
    stream.frame("USER_METADATA").await;

    assert!(google.revoke_grants(&email));
    browser.create(&timed(1, "Ours", "2026-11-20T15:00:00Z")).await.is(204);
    stream.frame("GOOGLE_REVOKED").await;
    app.quiesce().await;
    assert_eq!(browser.connection_state().await, "RECONNECT_REQUIRED");
    assert_eq!(browser.titles().await, ["Lunch", "Ours"]);
    // The next edits are kept, too, and nobody knocks at Google's door with a key that does not fit.
    google.clear_journal();
    browser.create(&timed(2, "Later", "2026-11-20T16:00:00Z")).await.is(204);
    app.quiesce().await;
    assert_eq!(google.journal().len(), 0);
    assert_eq!(stream.count("GOOGLE_REVOKED"), 1);

    browser.connect_google(google).await.ok();
    app.quiesce().await;
    assert_eq!(browser.connection_state().await, "HEALTHY");
    assert_eq!(browser.titles().await, ["Later", "Lunch", "Ours"]);
    assert_eq!(titles_at_google(&app, &browser), ["Later", "Lunch", "Ours"]);
    assert_at_rest(&app, &browser).await;
}

#[tokio::test]
async fn a_repair_loses_nothing_and_says_when_it_is_over() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    let google = app.google();
    google.create_event(browser.email(), "primary", lunch()).unwrap();
    browser.create(&timed(1, "Ours", "2026-11-20T15:00:00Z")).await.is(204);
    app.quiesce().await;
    let stream = browser.stream().await;
    stream.frame("USER_METADATA").await;
    // Of a repair that is over before the stream has looked, it tells the end only.
    google.inject(Fault::delay("calendar.events.list", Duration::from_secs(3)));
    assert_eq!(browser.repair_google().await.is(204).text, "");
    stream.frame("IMPORT_GCAL_START").await;
    let end = stream.frame("IMPORT_GCAL_END").await.json();
    assert_eq!((&end["operation"], &end["status"]), (&json!("REPAIR"), &json!("COMPLETED")), "{end}");
    app.quiesce().await;
    assert_eq!(browser.connection_state().await, "HEALTHY");
    assert_eq!(browser.titles().await, ["Lunch", "Ours"]);
    assert_eq!(titles_at_google(&app, &browser), ["Lunch", "Ours"]);
    assert_at_rest(&app, &browser).await;
}

#[tokio::test]
async fn an_access_token_that_has_expired_is_renewed_on_the_way() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    app.google().expire_access_tokens(browser.email());
    browser.create(&timed(1, "Lunch", "2026-11-20T12:00:00Z")).await.is(204);
    app.quiesce().await;
    assert_eq!(titles_at_google(&app, &browser), ["Lunch"]);
    assert_eq!(browser.connection_state().await, "HEALTHY");
    assert_at_rest(&app, &browser).await;
}

#[tokio::test]
async fn a_series_in_google_does_not_stand_in_the_way_of_the_rest() {
    let app = TestApp::start().await;
    let (browser, google) = (app.person().await, app.google());
    google.create_account(Account::new(browser.email()));
    let mut series = lunch();
    series["summary"] = json!("Every day");
    series["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=3"]);
    google.create_event(browser.email(), "primary", series.clone()).unwrap();
    google.create_event(browser.email(), "primary", lunch()).unwrap();
    browser.connect_google(google).await.ok();
    app.quiesce().await;
    assert_eq!(browser.connection_state().await, "HEALTHY");
    assert!(browser.titles().await.contains(&"Lunch".to_owned()));
    google.clear_journal();
    let mut tea = lunch();
    tea["summary"] = json!("Tea");
    google.create_event(browser.email(), "primary", tea).unwrap();
    app.quiesce().await;
    assert!(browser.titles().await.contains(&"Tea".to_owned()));
    // We keep our hands off what we do not understand.
    assert_eq!(writes(&app), Vec::<String>::new());
    let kept = at_google(&app, &browser).into_iter().find(|event| event["summary"] == "Every day").unwrap();
    assert_eq!(kept["recurrence"], series["recurrence"]);
}

#[tokio::test]
async fn no_secret_of_google_is_ever_in_a_queue_a_frame_or_an_answer() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let stream = browser.stream().await;
    browser.connect_google(app.google()).await.ok();
    let end = stream.frame("IMPORT_GCAL_END").await;
    app.quiesce().await;
    browser.profile().await.ok();
    let texts = [end.data, format!("{:?}", app.cloud().journal())];
    for secret in app.google().secrets() {
        assert!(texts.iter().all(|text| !text.contains(&secret)), "{secret} in {texts:?}");
    }
    // What was drawn is what is looked for when the app is dropped, as at the end of every test: in each function's log, each message, each
    // answer and each frame.
    assert!(app.google().secrets().len() > 4);
    assert!(
        app.has_said("IMPORT_GCAL_END")
            && app.has_said("\\\"job\\\":\\\"import\\\"")
            && app.has_said("invocation")
    );
}
