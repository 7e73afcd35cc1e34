//! Bad input: a clear refusal in JSON, and nothing hangs.

use reqwest::Method;
use scenarios::{Answer, TestApp, id, timed};
use serde_json::{Value, json};

/// `{result, message}`, both of them words.
fn assert_clear(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}: {}", answer.request, answer.text);
    assert!(answer.header("content-type").starts_with("application/json"), "{}", answer.request);
    let body = answer.json();
    for key in ["result", "message"] {
        assert!(body[key].as_str().is_some_and(|text| !text.is_empty()), "{}: {body}", answer.request);
    }
}

fn with(field: &str, value: Value) -> String {
    let mut event = timed(1, "Lunch", "2026-11-20T12:00:00Z");
    event[field] = value;
    event.to_string()
}

fn without(field: &str) -> String {
    let mut event = timed(1, "Lunch", "2026-11-20T12:00:00Z");
    event.as_object_mut().unwrap().remove(field);
    event.to_string()
}

#[tokio::test]
async fn a_bad_event_is_refused_with_words_and_nothing_is_written() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let good = timed(2, "Good", "2026-11-20T12:00:00Z");
    let bodies = [
        String::new(),
        "{".to_owned(),
        "null".to_owned(),
        "7".to_owned(),
        r#""text""#.to_owned(),
        "{}".to_owned(),
        "\u{0}".to_owned(),
        "[".repeat(5_000),
        format!("{}{}", r#"{"position":"#.repeat(500), "}".repeat(500)),
        without("startDate"),
        without("endDate"),
        without("priority"),
        without("origin"),
        with("startDate", json!(null)),
        with("startDate", json!("yesterday")),
        with("startDate", json!("2026-11-20T12:00:00")),
        with("startDate", json!("2026-02-30")),
        with("startDate", json!(1_795_168_800)),
        with("endDate", json!("2026-11-20T11:59:59Z")),
        with("endDate", json!("2026-11-21")),
        with("priority", json!("urgent")),
        with("origin", json!("outlook")),
        with("title", json!(7)),
        with("isAllDay", json!("yes")),
        with("order", json!("first")),
        json!([good, { "title": "Bad" }]).to_string(),
        json!([good, null]).to_string(),
    ];
    for body in bodies {
        let answer = browser.call_raw(Method::POST, "/api/event", body.clone()).await;
        assert_clear(&answer, 400);
        let answer = browser.call_raw(Method::PUT, &format!("/api/event/{}", id(1)), body).await;
        assert_clear(&answer, 400);
    }
    // Of an edit the path says the id, whatever the body says.
    for wrong in ["1", "zz0002000000000000000001", ""] {
        let answer = browser.call_raw(Method::POST, "/api/event", with("_id", json!(wrong))).await;
        assert_clear(&answer, 400);
    }
    assert!(browser.grid().await.is_empty());
}

/// A rule that takes much work to be understood, or none at all: what the former backend expanded for seconds.
#[tokio::test]
async fn a_bad_rule_is_refused_with_words_and_none_is_slow() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let long = vec!["RRULE:FREQ=DAILY"; 50];
    let many_dates = format!("RDATE:{}", vec!["20261120T090000Z"; 5_000].join(","));
    let good_path = format!("/api/event/{}", id(1));
    for rule in [
        json!(["RRULE:FREQ=SECONDLY"]),
        json!(["RRULE:FREQ=MINUTELY;INTERVAL=7"]),
        json!(["RRULE:FREQ=HOURLY"]),
        json!(long),
        json!([many_dates]),
        json!([""]),
        json!(["\u{0}"]),
        json!(["RRULE:"]),
        json!(["RRULE:FREQ="]),
        json!(["RRULE:FREQ=DAILY;COUNT=-1"]),
        json!(["RRULE:FREQ=DAILY;COUNT=0"]),
        json!(["RRULE:FREQ=DAILY;COUNT=1e9"]),
        json!(["RRULE:FREQ=DAILY;INTERVAL=0"]),
        json!(["RRULE:FREQ=DAILY;UNTIL=tomorrow"]),
        json!(["RRULE:FREQ=DAILY;COUNT=2;UNTIL=20261120T000000Z"]),
        json!(["RRULE:FREQ=WEEKLY;BYDAY=XX"]),
        json!(["RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"]),
        json!(["RRULE:FREQ=WEEKLY;UNTIL=19990101T000000Z"]),
        json!(["RRULE:FREQ=DAILY", "RRULE:FREQ=DAILY;FREQ=WEEKLY"]),
        json!(["EXDATE:20261120T090000Z"]),
        json!(["X-NOTHING:1"]),
        json!(["every day"]),
        json!([format!("RRULE:FREQ=DAILY;BYMONTHDAY={}", "1,".repeat(100_000))]),
        json!([7]),
        json!("RRULE:FREQ=DAILY"),
        json!({ "freq": "daily" }),
    ] {
        let body = with("recurrence", json!({ "rule": rule }));
        let named: String = rule.to_string().chars().take(80).collect();
        for (method, path) in [(Method::POST, "/api/event"), (Method::PUT, good_path.as_str())] {
            let answer = browser.call_raw(method, path, body.clone()).await;
            // Fifty times the same is daily; what is not refused must be shown right.
            assert!([204, 400].contains(&answer.status), "{named}: {} {}", answer.status, answer.text);
            if answer.status == 400 {
                assert_clear(&answer, 400);
                continue;
            }
            let listed = browser.list("2026-11-15T00:00:00Z", "2026-11-21T23:59:59Z").await;
            assert!((1..=2).contains(&listed.len()), "{named}: {listed:?}");
            println!("taken: {named}");
            browser.call(Method::DELETE, &format!("{good_path}?applyTo=All%20Events"), None).await.is(204);
        }
    }
    assert!(browser.grid().await.is_empty());
}

#[tokio::test]
async fn rules_that_are_hard_to_expand_are_answered_like_any_other() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let path = format!("/api/event/{}", id(1));
    for rule in [
        "RRULE:FREQ=DAILY;INTERVAL=65535",
        "RRULE:FREQ=YEARLY;INTERVAL=65535",
        "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO;INTERVAL=7",
        "RRULE:FREQ=DAILY;COUNT=4000000000",
        "RRULE:FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=0,6,12,18;BYSETPOS=1,-1,366,-366",
        "RRULE:FREQ=DAILY;BYDAY=MO;INTERVAL=7;UNTIL=99991231T000000Z",
        "RRULE:FREQ=MONTHLY;BYMONTHDAY=31;BYDAY=MO",
    ] {
        let body = with("recurrence", json!({ "rule": [rule] }));
        let started = std::time::Instant::now();
        let answer = browser.call_raw(Method::POST, "/api/event", body).await;
        assert!([204, 400].contains(&answer.status), "{rule}: {} {}", answer.status, answer.text);
        for window in
            ["start=2026-11-15T00:00:00Z&end=2026-11-21T23:59:59Z", "start=9998-01-01&end=9998-12-31", ""]
        {
            browser.call(Method::GET, &format!("/api/event?{window}"), None).await.ok();
        }
        for scope in ["This%20Event", "This%20and%20Following%20Events", "All%20Events"] {
            browser.call(Method::DELETE, &format!("{path}?applyTo={scope}"), None).await.is(204);
        }
        // No bound on CPU, which the benchmark counts, but one that a loop would break.
        assert!(started.elapsed() < std::time::Duration::from_secs(10), "{rule}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn the_ends_of_time_are_dates_like_others_or_refused() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    for (number, (start, end, rule)) in [
        ("0001-01-01T00:00:00Z", "0001-01-01T01:00:00Z", None),
        ("2026-11-20T12:00:00Z", "2026-11-20T12:00:00Z", None),
        ("1969-12-31T23:00:00Z", "1970-01-01T01:00:00Z", None),
        ("1969-07-20", "1969-07-21", Some("RRULE:FREQ=YEARLY")),
        ("2100-02-28T12:00:00Z", "2100-03-01T12:00:00Z", Some("RRULE:FREQ=YEARLY")),
        ("0001-01-01", "0001-01-02", None),
        ("9999-12-31T22:00:00Z", "9999-12-31T23:59:59Z", None),
        ("9999-12-30", "9999-12-31", None),
        ("9999-12-31T23:00:00-12:00", "9999-12-31T23:59:59-12:00", None),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T01:00:00+14:00", None),
        ("0001-01-01T00:00:00Z", "0001-01-01T01:00:00Z", Some("RRULE:FREQ=DAILY")),
        ("1899-12-31", "1900-01-01", Some("RRULE:FREQ=YEARLY")),
        ("9999-12-30T22:00:00Z", "9999-12-30T23:00:00Z", Some("RRULE:FREQ=DAILY")),
        ("9999-12-30", "9999-12-31", Some("RRULE:FREQ=DAILY")),
        ("0001-01-01", "9999-12-31", Some("RRULE:FREQ=DAILY")),
        ("2026-11-20", "9999-12-31", Some("RRULE:FREQ=WEEKLY")),
    ]
    .into_iter()
    .enumerate()
    {
        let event_id = id(u32::try_from(number).unwrap());
        let mut event = timed(0, "Edge", "2026-11-20T12:00:00Z");
        event["_id"] = json!(event_id);
        (event["startDate"], event["endDate"]) = (json!(start), json!(end));
        if let Some(rule) = rule {
            event["recurrence"] = json!({ "rule": [rule] });
        }
        let answer = browser.create(&event).await;
        if answer.status == 400 {
            assert_clear(&answer, 400);
            println!("refused: {start} {rule:?}: {}", answer.text);
            continue;
        }
        assert_eq!(answer.status, 204, "{start}: {}", answer.text);
        let read = browser.read(&event_id).await.ok();
        assert_eq!((&read["startDate"], &read["endDate"]), (&json!(start), &json!(end)));
        for window in
            ["0001-01-01T00:00:00Z&end=0001-01-03T00:00:00Z", "9999-12-30T00:00:00Z&end=9999-12-31T23:59:59Z"]
        {
            browser.call(Method::GET, &format!("/api/event?start={window}"), None).await.ok();
        }
        browser
            .call(Method::DELETE, &format!("/api/event/{event_id}?applyTo=All%20Events"), None)
            .await
            .is(204);
    }
    assert!(browser.grid().await.is_empty());
}

#[tokio::test]
async fn a_title_of_a_megabyte_and_a_zone_that_is_none_are_refused_with_words() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    for (field, value) in [
        ("title", json!("x".repeat(1 << 20))),
        ("description", json!("x".repeat(1 << 20))),
        ("timeZone", json!("Mars/Olympus")),
        ("timeZone", json!("../../etc/passwd")),
        ("timeZone", json!("x".repeat(100_000))),
        ("timeZone", json!(7)),
    ] {
        let answer = browser.call_raw(Method::POST, "/api/event", with(field, value)).await;
        assert_clear(&answer, 400);
        assert!(answer.text.len() < 4_096, "{field}: an answer of {} bytes", answer.text.len());
    }
}

#[tokio::test]
async fn what_the_web_app_may_send_is_taken_in_its_obvious_sense() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let bodies = [
        without("isSomeday"),
        without("_id"),
        without("title"),
        without("user"),
        with("description", json!(null)),
        with("recurrence", json!({ "rule": null })),
        with("recurrence", json!({ "rule": [] })),
        with("somethingNew", json!({ "deep": [1, 2, 3] })),
        with("updatedAt", json!("2026-11-20T12:00:00.000+00:00")),
        with("_id", json!(format!("optimistic-{}", id(1)))),
    ];
    for body in bodies {
        let answer = browser.call_raw(Method::POST, "/api/event", body).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
    }
    for scope in [
        "",
        "?applyTo=",
        "?applyTo=undefined",
        "?applyTo=All%20Events",
        "?applyTo=This%20and%20Following%20Events",
    ] {
        let path = format!("/api/event/{}{scope}", id(1));
        let event = timed(1, "Lunch", "2026-11-20T12:00:00Z");
        assert_eq!(browser.call(Method::PUT, &path, Some(&event)).await.status, 204, "{scope}");
        assert_eq!(browser.call(Method::DELETE, &path, None).await.status, 204, "{scope}");
    }
}

#[tokio::test]
async fn a_bad_address_or_query_is_refused_with_words() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let event = timed(1, "Lunch", "2026-11-20T12:00:00Z");
    let good = format!("/api/event/{}", id(1));
    for (method, path, body) in [
        (Method::GET, "/api/event/1", None),
        (Method::GET, "/api/event/%00", None),
        (Method::GET, "/api/event/%ff%fe", None),
        (Method::PUT, "/api/event/1", Some(&event)),
        (Method::DELETE, "/api/event/1", None),
        (Method::PUT, &*format!("{good}?applyTo=Some%20Events"), Some(&event)),
        (Method::DELETE, &*format!("{good}?applyTo=null"), None),
    ] {
        assert_clear(&browser.call(method, path, body).await, 400);
    }
    for (method, path, body) in [
        (Method::PUT, "/api/event/reorder", "[]"),
        (Method::PUT, "/api/event/reorder", "{}"),
        (Method::PUT, "/api/event/reorder", r#"[{"_id":"1","order":1}]"#),
        (Method::PUT, "/api/event/reorder", r#"[{"_id":"6b0002000000000000000001"}]"#),
        (Method::DELETE, "/api/event/deleteMany", "{}"),
        (Method::DELETE, "/api/event/deleteMany", r#"{"key":"_id","ids":"all"}"#),
        (Method::DELETE, "/api/event/deleteMany", r#"{"key":"user","ids":["6b0002000000000000000001"]}"#),
        (Method::POST, "/api/user/metadata", "[]"),
        (Method::POST, "/api/user/metadata", r#"{"isAdmin":true}"#),
        (Method::POST, "/api/user/metadata", r#"{"timezone":"Mars/Olympus"}"#),
        (Method::POST, "/api/auth/google/connect", "{}"),
        (Method::POST, "/api/auth/google/connect", r#"{"thirdPartyId":"github"}"#),
        (Method::POST, "/api/sync/import-gcal", r#"{"force":"yes"}"#),
        (Method::POST, "/api/sync/import-gcal", "[]"),
    ] {
        assert_clear(&browser.call_raw(method, path, body).await, 400);
    }
}

#[tokio::test]
async fn a_window_the_web_app_sends_is_never_refused() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    for query in [
        "",
        "?",
        "?start=&end=",
        "?someday=true",
        "?someday=undefined",
        "?start=2026-11-14T00:00:00+05:30&end=2026-11-21T23:59:59+05:30",
        "?start=2026-11-14T00:00:00%2B05:30&end=2026-11-21T23:59:59%2B05:30",
        "?start=2026-11-14T00:00:00-08:00&end=2026-11-21T23:59:59-08:00",
        "?start=2026-11-14&end=2026-11-21",
        "?start=2026-11-14T00:00:00Z&end=2026-11-14T00:00:00Z",
        "?start=2026-11-14T00:00:00Z",
        "?priorities=work,self&start=2026-11-14T00:00:00Z&end=2026-11-21T00:00:00Z",
        "?unknown=1",
    ] {
        let answer = browser.call(Method::GET, &format!("/api/event{query}"), None).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "[]"), "{query}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    // Above the functions' own limit, and above that of the API before them.
    for size in [5 * 1024 * 1024, 10 * 1024 * 1024 + 1] {
        let body = format!(r#"{{"title":"{}"}}"#, "x".repeat(size - r#"{"title":""}"#.len()));
        for (method, path) in [(Method::POST, "/api/event"), (Method::POST, "/api/signin")] {
            let answer = browser.call_raw(method, path, body.clone()).await;
            assert_eq!(answer.status, 413, "{path}, {size} bytes: {}", answer.text);
            assert!(answer.json()["message"].is_string());
        }
    }
    browser.create(&timed(1, "Lunch", "2026-11-20T12:00:00Z")).await.is(204);
}

#[tokio::test]
async fn an_unknown_route_or_method_is_404_in_json() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/api"),
        (Method::GET, "/api/"),
        (Method::GET, "/api/nowhere"),
        (Method::POST, "/api/event/delete-all/6b0002000000000000000001"),
        (Method::POST, "/api/auth/session"),
        (Method::PATCH, "/api/event"),
        (Method::POST, "/api/health"),
        (Method::DELETE, "/api/user/profile"),
        (Method::GET, "/api/signup"),
        (Method::GET, "/api/event/6b0002000000000000000001/more"),
        (Method::GET, "/api/event/reorder"),
        (Method::GET, "/favicon.ico"),
    ] {
        assert_clear(&browser.call(method, path, None).await, 404);
    }
}

#[tokio::test]
async fn a_bad_form_is_answered_in_the_words_of_the_session_library() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let field = |id: &str, value: Value| json!({ "id": id, "value": value });
    let invalid = "API input error: Please make sure to pass a valid JSON input in the request body";
    for (path, body, message) in [
        ("/api/signin", "{".to_owned(), invalid),
        ("/api/signin", "{}".to_owned(), "Missing input param: formFields"),
        ("/api/signin", r#"{"formFields":{}}"#.to_owned(), "formFields must be an array"),
        ("/api/signin", r#"{"formFields":[1]}"#.to_owned(), "All elements of formFields must be an object"),
        (
            "/api/signin",
            r#"{"formFields":[{"id":"email"}]}"#.to_owned(),
            "All elements of formFields must contain an 'id' and 'value' field",
        ),
        (
            "/api/signin",
            json!({ "formFields": [field("email", json!(7)), field("password", json!("x"))] }).to_string(),
            "email value must be a string",
        ),
        (
            "/api/signin",
            json!({ "formFields": (0..4).map(|n| field(&n.to_string(), json!("x"))).collect::<Vec<_>>() }).to_string(),
            "Are you sending too many formFields?",
        ),
        (
            "/api/user/password/reset",
            json!({ "formFields": [field("password", json!("correct horse 1"))], "method": "token" }).to_string(),
            "Please provide the password reset token",
        ),
        (
            "/api/user/password/reset",
            json!({ "formFields": [field("password", json!("correct horse 1"))], "method": "token", "token": 7 }).to_string(),
            "The password reset token must be a string",
        ),
    ] {
        let answer = browser.call_raw(Method::POST, path, body.clone()).await;
        assert_eq!((answer.status, &answer.json()["message"]), (400, &json!(message)), "{path} {body}");
    }
}

#[tokio::test]
async fn no_header_makes_a_function_fail() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    for (name, value) in [
        ("cookie", "sAccessToken"),
        ("cookie", ";;;=;"),
        ("authorization", "Bearer"),
        ("authorization", "Bearer a.b.c"),
        ("authorization", "Basic eDp5"),
        ("content-type", "text/plain"),
        ("content-type", "application/json; charset=latin1"),
        ("content-type", "nonsense"),
        ("origin", "null"),
        ("x-forwarded-proto", "gopher"),
        ("x-forwarded-for", "not an address"),
        ("accept-language", "\u{e9}"),
    ] {
        let request = app.browser().bare(Method::POST, "/api/event").header(name, value).body("{}");
        let answer = browser.send(request).await;
        assert!(answer.status < 500, "{name}: {value}: {} {}", answer.status, answer.text);
        assert!(answer.json().is_object());
    }
}
