//! What an open tab hears.

use scenarios::{Browser, EventStream, Frame, TestApp, id, rev, someday, timed};
use serde_json::json;

const GRID: &str = "EVENT_CHANGED";
const SOMEDAY: &str = "SOMEDAY_EVENT_CHANGED";
const METADATA: &str = "USER_METADATA";

/// Every named frame says where the client then is, and no cursor is before an earlier one.
fn assert_cursors_only_move_forward(stream: &EventStream) {
    let mut newest = 0;
    for frame in stream.frames() {
        let id = frame.id.clone().unwrap_or_else(|| panic!("{frame:?} has no id"));
        let rev = rev(&id);
        assert!(rev >= newest, "{id} comes after {newest}");
        newest = rev;
    }
}

/// Where the log ends now: a stream that is opened anew begins there.
async fn newest_cursor(browser: &Browser) -> String {
    let stream = browser.stream().await;
    stream.frame(METADATA).await;
    stream.cursor()
}

#[tokio::test]
async fn a_stream_begins_with_the_metadata() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let stream = browser.stream().await;
    let frame = stream.frame(METADATA).await;
    assert_eq!(frame.json(), browser.metadata().await.ok());
    let header = |name: &str| stream.headers[name].to_str().unwrap().to_owned();
    assert!(header("content-type").starts_with("text/event-stream"));
    assert_eq!(header("cache-control"), "no-cache");
    assert_eq!(header("x-accel-buffering"), "no");
    assert_eq!(header("access-control-allow-origin"), scenarios::WEB_URL);
    assert_eq!(header("access-control-allow-credentials"), "true");
    assert_eq!(app.browser().stream().await.status, 401);
}

#[tokio::test]
async fn every_tab_of_the_user_hears_of_a_change_and_nobody_else() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.person().await, app.person().await);
    let (one, two, other) = (ada.stream().await, ada.stream().await, bob.stream().await);
    for stream in [&one, &two, &other] {
        stream.frame(METADATA).await;
    }
    // Each is held by a process of its own, and a third one writes.
    assert_eq!(app.cloud().processes("stream").unwrap().len(), 3);
    ada.create(&timed(1, "Lunch", "2026-11-20T12:00:00Z")).await.is(204);
    for stream in [&one, &two] {
        assert_eq!(stream.frame(GRID).await.data, "{}");
    }
    // Bob's stream is alive and reads on: it hears of his own change, and that is all it hears.
    bob.create(&someday(1, "Paint", "2026-11-15", "2026-11-21", 0)).await.is(204);
    other.frame(SOMEDAY).await;
    assert_eq!(other.names(), [METADATA, SOMEDAY]);
    for stream in [&one, &two, &other] {
        assert_cursors_only_move_forward(stream);
    }
    assert_eq!((one.count(SOMEDAY), two.count(SOMEDAY)), (0, 0));
}

#[tokio::test]
async fn a_move_between_grid_and_someday_is_told_to_both_views() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.create(&timed(1, "Paint", "2026-11-20T12:00:00Z")).await.is(204);
    let before = browser.stream().await;
    before.frame(METADATA).await;
    let stream = browser.resume(&before.cursor()).await;
    stream.frame(METADATA).await;

    browser.put(&someday(1, "Paint", "2026-11-15", "2026-11-21", 0)).await.is(204);
    stream.frame(GRID).await;
    stream.frame(SOMEDAY).await;
    browser.put(&timed(1, "Paint", "2026-11-20T12:00:00Z")).await.is(204);
    stream.nth(GRID, 2).await;
    stream.nth(SOMEDAY, 2).await;
    // Within a view, the other one hears nothing.
    browser.delete(&id(1)).await.is(204);
    stream.nth(GRID, 3).await;
    assert_eq!(stream.count(SOMEDAY), 2);
}

#[tokio::test]
async fn a_stream_that_was_cut_while_much_happened_ends_where_the_open_one_does() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let (open, cut) = (browser.stream().await, browser.stream().await);
    open.frame(METADATA).await;
    cut.frame(METADATA).await;
    let cursor = cut.cursor();
    drop(cut);

    for number in 0..50 {
        let answer = match number % 5 {
            0 | 1 => browser.create(&timed(number, &format!("Event {number}"), "2026-11-20T12:00:00Z")).await,
            2 => {
                browser
                    .create(&someday(number, &format!("Someday {number}"), "2026-11-15", "2026-11-21", 0))
                    .await
            }
            3 => browser.put(&timed(number - 3, &format!("Edited {number}"), "2026-11-20T15:00:00Z")).await,
            _ => browser.delete(&id(number - 3)).await,
        };
        answer.is(204);
    }

    let reopened = browser.resume(&cursor).await;
    // One more change, so that both have something to arrive at.
    browser.create(&timed(99, "The end", "2026-11-20T18:00:00Z")).await.is(204);
    let newest = newest_cursor(&browser).await;
    open.until_cursor(&newest).await;
    reopened.until_cursor(&newest).await;
    assert_eq!(open.rev(), reopened.rev());
    for view in [GRID, SOMEDAY] {
        assert!(open.count(view) > 0 && reopened.count(view) > 0, "{view}");
    }
    // The backlog is folded: one refetch of a view shows all that was missed.
    // A frame's id says from where it leads, too, so the places are compared and not the ids.
    let is_missed = |frame: &Frame| frame.id.as_deref().is_none_or(|id| rev(id) < rev(&newest));
    let backlog = reopened.frames().into_iter().take_while(is_missed);
    let names: Vec<_> = backlog.filter_map(|frame| frame.event).collect();
    for view in [GRID, SOMEDAY] {
        assert!(names.iter().filter(|name| *name == view).count() <= 1, "{names:?}");
    }
    for stream in [&open, &reopened] {
        assert_cursors_only_move_forward(stream);
    }
}

#[tokio::test]
async fn a_stream_cut_again_and_again_misses_nothing() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let first = browser.stream().await;
    first.frame(METADATA).await;
    let mut cursor = first.cursor();
    drop(first);
    for number in 0..10 {
        browser.create(&timed(number, "Event", "2026-11-20T12:00:00Z")).await.is(204);
        let stream = browser.resume(&cursor).await;
        stream.frame(GRID).await;
        assert_ne!(stream.cursor(), cursor);
        cursor = stream.cursor();
    }
    // And what was told once is not told again.
    let quiet = browser.resume(&cursor).await;
    quiet.frame(METADATA).await;
    browser.create(&someday(99, "Paint", "2026-11-15", "2026-11-21", 0)).await.is(204);
    quiet.frame(SOMEDAY).await;
    assert_eq!(quiet.count(GRID), 0);
}

#[tokio::test]
async fn a_cursor_of_another_life_gets_a_reset_and_never_a_hole() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.create(&timed(1, "Lunch", "2026-11-20T12:00:00Z")).await.is(204);
    let stranger = app.person().await.stream().await;
    stranger.frame(METADATA).await;
    for cursor in [stranger.cursor().as_str(), "deadbeef.7", "nonsense", ""] {
        let stream = browser.resume(cursor).await;
        assert_eq!(stream.status, 200);
        for name in [METADATA, GRID, SOMEDAY] {
            stream.frame(name).await;
        }
        assert_cursors_only_move_forward(&stream);
    }
}

#[tokio::test]
async fn a_silent_stream_is_kept_alive_by_comments() {
    let app = TestApp::start().await;
    let stream = app.person().await.stream().await;
    let is_keepalive = |frame: &Frame| frame.comment.as_deref() == Some("keepalive");
    stream.until("a keepalive", |frames| frames.iter().any(is_keepalive).then_some(())).await;
}

#[tokio::test]
async fn a_burst_ends_cleanly_and_says_when_to_come_back() {
    let app = TestApp::start_with(|options| {
        options.parameters.insert("StreamMode".to_owned(), "poll".to_owned());
    })
    .await;
    let browser = app.person().await;
    let stream = browser.stream().await;
    stream.end().await;
    let last = stream.blocks().pop().unwrap();
    assert_eq!((last.retry, last.event), (Some(5000), None));

    browser.create(&timed(1, "Lunch", "2026-11-20T12:00:00Z")).await.is(204);
    let next = browser.resume(&stream.cursor()).await;
    next.end().await;
    assert_eq!(next.count(GRID), 1);
}

#[tokio::test]
async fn metadata_that_was_set_is_told_to_the_open_tabs() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let stream = browser.stream().await;
    stream.frame(METADATA).await;
    let path = "/api/user/metadata";
    let body = json!({ "timezone": "Europe/Berlin" });
    browser.call(reqwest::Method::POST, path, Some(&body)).await.is(200);
    let told = stream.nth(METADATA, 2).await.json();
    assert_eq!(told["timezone"], "Europe/Berlin");
    assert_eq!(told, browser.metadata().await.ok());
}
