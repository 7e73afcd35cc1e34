//! That a secret is found wherever it should not be: the search at the end of every scenario, on leaks that are planted.

use aws_sdk_dynamodb::types::AttributeValue;
use fake_sqs::NewMessage;
use scenarios::{Leak, TestApp};

/// Where the leaks are whose texts have this mark.
fn places<'a>(leaks: &'a [Leak], mark: &str) -> Vec<&'a str> {
    leaks.iter().filter(|leak| leak.text.contains(mark)).map(|leak| leak.place).collect()
}

#[tokio::test]
async fn each_kind_of_secret_is_found_in_each_place() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.connect_google(app.google()).await.ok();
    app.quiesce().await;
    assert_eq!(app.leaks(), []);

    let of_google = app.google().secrets();
    let (first, last) = (of_google[0].clone(), of_google[of_google.len() - 2].clone());
    let (access, refresh) = (browser.access_token().unwrap(), browser.refresh_token().unwrap());
    let secrets = [&first, &last, &access, &refresh, "correct horse 1"];
    let table = app.cloud().dynamo().put_item().table_name(app.cloud().table_name());
    let text = |text: String| AttributeValue::S(text);
    let queues = app.cloud().queues();
    let dead_letters = queues.queues().into_iter().find(|queue| queue != app.sync_queue()).unwrap();
    for (number, secret) in secrets.into_iter().enumerate() {
        let put = table.clone().item("pk", text(format!("U#row-{number}-"))).item("sk", text("E#1".into()));
        put.item("why", text(format!("{secret}: row-{number}-"))).send().await.unwrap();
        let message = NewMessage::new(format!("message-{number}- {secret}"));
        let is_ordered = dead_letters.ends_with(".fifo");
        let group = |message: NewMessage| message.in_group("g").with_deduplication_id(number.to_string());
        queues.send(&dead_letters, if is_ordered { group(message) } else { message }).unwrap();
        app.note(&format!("a call with {secret} was refused: log-{number}-"));
    }

    let leaks = app.into_leaks();
    for number in 0..secrets.len() {
        assert!(places(&leaks, &format!("row-{number}-")).contains(&"the table"), "{leaks:#?}");
        assert_eq!(places(&leaks, &format!("message-{number}-")), ["a queue"], "{leaks:#?}");
        assert_eq!(places(&leaks, &format!("log-{number}-")), ["a log or a message"], "{leaks:#?}");
    }
}

/// What a function answers and writes is what is looked at: here a client says a secret of Google's itself, and is told what was wrong with it.
#[tokio::test]
async fn a_secret_in_an_error_or_a_frame_is_found() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.connect_google(app.google()).await.ok();
    app.quiesce().await;
    let secret = app.google().secrets().swap_remove(0);
    let answer = browser.call(reqwest::Method::GET, &format!("/api/event/{secret}"), None).await;
    assert!(answer.status >= 400, "{answer:?}");
    let leaks = app.into_leaks();
    assert!(leaks.iter().any(|leak| leak.place == "an answer or a frame"), "{leaks:#?}");
}
