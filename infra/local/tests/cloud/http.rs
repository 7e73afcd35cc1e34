//! The ways in over HTTP.

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::{cloud, invoke, journal};

fn client() -> reqwest::Client {
    reqwest::Client::builder().build().unwrap()
}

#[tokio::test]
async fn a_route_leads_to_its_function_and_its_answer_back() {
    let cloud = cloud().await;
    let answer = json!({ "statusCode": 201, "headers": { "x-a": "1" }, "cookies": ["a=1; Path=/", "b=2"], "body": "hi" });
    let command = json!({ "do": "answer", "answer": answer });
    let sent = client().post(format!("{}/web/17", cloud.url())).json(&command).send().await.unwrap();
    assert_eq!(sent.status(), 201);
    assert_eq!(sent.headers()["x-a"], "1");
    assert_eq!(sent.headers().get_all("set-cookie").iter().count(), 2);
    assert_eq!(sent.text().await.unwrap(), "hi");
    let entry = &journal(&cloud).await[0];
    assert_eq!((entry.trigger.as_str(), entry.status), ("POST /web/17", Some(201)));
}

#[tokio::test]
async fn the_event_is_of_payload_format_two() {
    let cloud = cloud().await;
    let request = client()
        .post(format!("{}/web/17?a=1&a=2", cloud.url()))
        .header("cookie", "x=1; y=2")
        .json(&json!({}));
    let echo: Value = request.send().await.unwrap().json().await.unwrap();
    let event = &echo["event"];
    assert_eq!(event["version"], "2.0");
    assert_eq!(event["routeKey"], "POST /web/{id}");
    assert_eq!(event["pathParameters"], json!({ "id": "17" }));
    assert_eq!(event["queryStringParameters"], json!({ "a": "1,2" }));
    assert_eq!(event["cookies"], json!(["x=1", "y=2"]));
    assert_eq!(event["requestContext"]["http"]["method"], "POST");
    assert_eq!(event["headers"]["x-forwarded-proto"], "http");
}

#[tokio::test]
async fn what_goes_wrong_is_said_in_the_words_of_aws() {
    let cloud = cloud().await;
    let unknown = client().get(format!("{}/nowhere", cloud.url())).send().await.unwrap();
    assert_eq!(
        (unknown.status().as_u16(), unknown.text().await.unwrap().as_str()),
        (404, r#"{"message":"Not Found"}"#)
    );

    let post = |command: Value| client().post(format!("{}/web/1", cloud.url())).json(&command).send();
    for command in [json!({ "do": "fail" }), json!({ "do": "exit" }), json!({ "do": "hang" })] {
        let failed = post(command).await.unwrap();
        assert_eq!(failed.status(), 500);
        assert_eq!(failed.text().await.unwrap(), r#"{"message":"Internal Server Error"}"#);
    }

    let large = client().post(format!("{}/web/1", cloud.url())).body(vec![b'x'; 10 * 1024 * 1024 + 1]);
    let large = large.send().await.unwrap();
    assert_eq!(
        (large.status().as_u16(), large.text().await.unwrap().as_str()),
        (413, r#"{"message":"Request Entity Too Large"}"#)
    );
}

#[tokio::test]
async fn a_host_that_is_none_is_refused_and_the_function_lives() {
    let cloud = cloud().await;
    let address = cloud.url().replace("http://localhost", "127.0.0.1");
    let answer = tokio::task::spawn_blocking(move || {
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        socket
            .write_all(
                b"POST /web/1 HTTP/1.1\r\nHost: a b\\c\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            )
            .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    });
    assert!(answer.await.unwrap().starts_with("HTTP/1.1 400"));
    assert!(journal(&cloud).await.is_empty());
}

#[tokio::test]
async fn reserved_concurrency_bounds_the_callers() {
    let cloud = cloud().await;
    let url = cloud.function_url("single").unwrap().to_owned();
    let busy = tokio::spawn(client().post(&url).json(&json!({ "do": "wait", "ms": 1500 })).send());
    while cloud.processes("single").unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let by_url = client().post(&url).json(&json!({})).send().await.unwrap();
    assert_eq!(by_url.status(), 429);
    let by_api = client().post(format!("{}/single", cloud.url())).json(&json!({})).send().await.unwrap();
    assert_eq!(by_api.status(), 503);
    assert_eq!(busy.await.unwrap().unwrap().status(), 200);
    assert_eq!(client().post(&url).json(&json!({})).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_distribution_leads_to_the_stream_and_chunks_arrive_as_they_are_written() {
    let cloud = cloud().await;
    let command = json!({ "chunks": 3, "ms": 200 });
    let begun = std::time::Instant::now();
    let mut sent = client().post(format!("{}/live", cloud.url())).json(&command).send().await.unwrap();
    assert_eq!((sent.status().as_u16(), &sent.headers()["x-probe"]), (200, &"yes".parse().unwrap()));
    assert_eq!(sent.headers().get_all("set-cookie").iter().count(), 2);
    assert_eq!(sent.chunk().await.unwrap().unwrap(), "chunk 0\n");
    assert!(begun.elapsed().as_millis() < 550, "the first chunk waited for the last");
    assert_eq!(sent.chunk().await.unwrap().unwrap(), "chunk 1\n");
    assert_eq!(sent.chunk().await.unwrap().unwrap(), "chunk 2\n");
    assert_eq!(sent.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn a_stream_that_breaks_is_seen_to_break() {
    let cloud = cloud().await;
    let command = json!({ "chunks": 1, "ms": 100, "do": "exit" });
    let sent = client().post(format!("{}/live", cloud.url())).json(&command).send().await.unwrap();
    assert!(sent.text().await.is_err());
}

#[tokio::test]
async fn a_stream_goes_on_when_its_client_has_left() {
    let cloud = cloud().await;
    let command = json!({ "chunks": 8, "ms": 100 });
    let sent = client().post(format!("{}/live", cloud.url())).json(&command).send().await.unwrap();
    drop(sent);
    assert_eq!(cloud.open_streams("stream").unwrap(), 1);
    while cloud.open_streams("stream").unwrap() > 0 {
        tokio::task::yield_now().await;
    }
    let entry = &journal(&cloud).await[0];
    assert!(entry.is_ok() && entry.duration.as_millis() >= 700, "{entry:?}");
}

#[tokio::test]
async fn a_signed_url_refuses_the_unsigned() {
    let cloud = cloud().await;
    let refused = client().get(cloud.function_url("stream").unwrap()).send().await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), refused.text().await.unwrap().as_str()),
        (403, r#"{"Message":"Forbidden"}"#)
    );
}

#[tokio::test]
async fn the_cloud_s_own_endpoints_tick_reset_and_show_mails() {
    let cloud = cloud().await;
    let own = |path: &str| format!("{}/_local/{path}", cloud.url());
    assert_eq!(client().post(own("tick/timer")).send().await.unwrap().status(), 204);
    let unknown = client().post(own("tick/nobody")).send().await.unwrap();
    assert_eq!((unknown.status().as_u16(), unknown.text().await.unwrap().contains("nobody")), (400, true));

    let variables = invoke(&cloud, "web", json!({ "do": "environment" })).await.unwrap();
    let service = variables["AWS_ENDPOINT_URL_SESV2"].as_str().unwrap().to_owned();
    let mail = json!({
        "FromEmailAddress": "from@example.com",
        "Destination": { "ToAddresses": ["to@example.com"] },
        "Content": { "Simple": {
            "Subject": { "Data": "Reset" }, "Body": { "Text": { "Data": "Go to http://localhost/r?t=1." } },
        } },
    });
    let sent = client().post(format!("{service}/v2/email/outbound-emails")).json(&mail).send().await.unwrap();
    assert!(sent.json::<Value>().await.unwrap()["MessageId"].is_string());
    let mails: Value = client().get(own("mails")).send().await.unwrap().json().await.unwrap();
    assert_eq!(mails[0]["links"], json!(["http://localhost/r?t=1"]));
    assert_eq!(cloud.mails()[0].to, ["to@example.com"]);

    assert_eq!(client().post(own("reset")).send().await.unwrap().status(), 204);
    assert!(cloud.mails().is_empty());
}
