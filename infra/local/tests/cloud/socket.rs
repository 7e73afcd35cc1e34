//! The WebSocket API.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use local::{Cloud, Entry};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::{
    Frame,
    coding::{CloseCode, Data, OpCode},
};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::{PATIENCE, cloud, journal, options};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connected(cloud: &Cloud) -> Socket {
    connect(cloud, "").await.unwrap()
}

async fn connect(cloud: &Cloud, query: &str) -> Result<Socket, Error> {
    let mut request = format!("{}{query}", cloud.socket_url().unwrap()).into_client_request()?;
    request.headers_mut().insert("origin", "http://localhost:9080".parse().unwrap());
    request.headers_mut().insert("user-agent", "probe".parse().unwrap());
    connect_async(request).await.map(|(socket, _)| socket)
}

/// What comes next, as JSON.
async fn received(socket: &mut Socket) -> Value {
    match tokio::time::timeout(PATIENCE, socket.next()).await.unwrap() {
        Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
        other => unreachable!("{other:?}"),
    }
}

/// How the other side ends the connection.
async fn closed(socket: &mut Socket) -> (u16, String) {
    match tokio::time::timeout(PATIENCE, socket.next()).await.unwrap() {
        Some(Ok(Message::Close(Some(frame)))) => (frame.code.into(), frame.reason.to_string()),
        other => unreachable!("{other:?}"),
    }
}

async fn say(socket: &mut Socket, message: Value) {
    socket.send(Message::text(message.to_string())).await.unwrap();
}

/// The invocation of a route, once there has been one; and the event it was invoked with.
async fn invoked(cloud: &Cloud, route: &str) -> Value {
    let find = || cloud.journal().into_iter().find(|entry| entry.trigger == format!("socket {route}"));
    let awaited = async {
        loop {
            if let Some(Entry { fields, .. }) = find() {
                return fields["event"].clone();
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, awaited).await.unwrap()
}

/// The id of the only connection, once it can be posted to: a client hears of its admission a moment before.
async fn only_id(cloud: &Cloud) -> String {
    let awaited = async {
        loop {
            if let [socket] = &cloud.sockets()[..] {
                return socket.id.clone();
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, awaited).await.unwrap()
}

/// A request to `@connections`, with the id as an SDK writes it.
async fn manage(
    cloud: &Cloud,
    method: reqwest::Method,
    id: &str,
    body: impl Into<reqwest::Body>,
) -> reqwest::Response {
    let endpoint = cloud.socket_url().unwrap().replace("ws://localhost", "http://127.0.0.1");
    let url = format!("{endpoint}/@connections/{}", id.replace('=', "%3D"));
    reqwest::Client::new().request(method, url).body(body).send().await.unwrap()
}

#[tokio::test]
async fn a_client_is_admitted_by_connect_and_its_end_is_told() {
    let cloud = cloud().await;
    let mut socket = connect(&cloud, "?ticket=a%20b").await.unwrap();
    let asked = invoked(&cloud, "$connect").await;
    assert_eq!(asked["queryStringParameters"], json!({ "ticket": "a b" }));
    assert_eq!(asked["headers"]["Origin"], "http://localhost:9080");
    let context = &asked["requestContext"];
    assert_eq!((&context["eventType"], &context["stage"]), (&json!("CONNECT"), &json!("live")));
    let id = only_id(&cloud).await;
    assert_eq!(context["connectionId"], *id);

    let frame = CloseFrame { code: CloseCode::Normal, reason: "done".into() };
    socket.close(Some(frame)).await.unwrap();
    let told = invoked(&cloud, "$disconnect").await;
    assert_eq!(told["requestContext"]["connectionId"], *id);
    assert_eq!(told["requestContext"]["disconnectStatusCode"], 1000);
    assert_eq!(told["requestContext"]["disconnectReason"], "done");
    assert_eq!(cloud.sockets(), []);
}

#[tokio::test]
async fn what_connect_refuses_is_refused_with_its_status() {
    let cloud = cloud().await;
    for (query, expected) in [("?status=401", 401), ("?status=403", 403), ("?do=fail", 502)] {
        let Err(Error::Http(answer)) = connect(&cloud, query).await else {
            unreachable!("{query} is admitted")
        };
        assert_eq!(answer.status(), expected);
        let body: Value = serde_json::from_slice(answer.body().as_ref().unwrap()).unwrap();
        assert!(body["connectionId"].is_string(), "{body}");
    }
    assert_eq!(cloud.sockets(), []);
    assert!(journal(&cloud).await.iter().all(|entry| entry.trigger == "socket $connect"));
}

#[tokio::test]
async fn a_message_takes_the_route_that_it_names() {
    let cloud = cloud().await;
    let mut socket = connected(&cloud).await;
    say(&mut socket, json!({ "type": "ask" })).await;
    let event = received(&mut socket).await;
    assert_eq!(event["requestContext"]["routeKey"], "ask");
    assert_eq!(event["requestContext"]["eventType"], "MESSAGE");
    assert_eq!(event["body"], r#"{"type":"ask"}"#);

    // One that names none, or one that is not for clients, meets the absence of `$default`.
    for stray in [json!({ "type": "nothing" }), json!({ "type": "$connect" }), json!("ask")] {
        say(&mut socket, stray).await;
        assert_eq!(received(&mut socket).await["message"], "Forbidden");
    }
    say(&mut socket, json!({ "type": "tell", "do": "fail" })).await;
    assert_eq!(received(&mut socket).await["message"], "Internal server error");
    // A route without answers has none: what comes next answers the question.
    say(&mut socket, json!({ "type": "tell" })).await;
    invoked(&cloud, "tell").await;
    say(&mut socket, json!({ "type": "ask" })).await;
    assert_eq!(received(&mut socket).await["requestContext"]["routeKey"], "ask");
}

#[tokio::test]
async fn functions_post_to_a_connection_look_at_it_and_end_it() {
    use reqwest::Method;
    let cloud = cloud().await;
    let mut socket = connected(&cloud).await;
    let id = only_id(&cloud).await;
    assert_eq!(manage(&cloud, Method::POST, &id, r#"{"type":"EVENT_CHANGED"}"#).await.status(), 200);
    assert_eq!(received(&mut socket).await, json!({ "type": "EVENT_CHANGED" }));

    let known: Value = manage(&cloud, Method::GET, &id, "").await.json().await.unwrap();
    assert_eq!(known["identity"], json!({ "sourceIp": "127.0.0.1", "userAgent": "probe" }));
    assert!(known["lastActiveAt"].as_str() >= known["connectedAt"].as_str(), "{known}");

    let most = "x".repeat(128 * 1024);
    assert_eq!(manage(&cloud, Method::POST, &id, most.clone()).await.status(), 200);
    assert_eq!(socket.next().await.unwrap().unwrap().into_text().unwrap(), most);
    let more = manage(&cloud, Method::POST, &id, most + "x").await;
    assert_eq!(more.status(), 413);
    assert_eq!(more.headers()["x-amzn-errortype"], "PayloadTooLargeException");

    assert_eq!(manage(&cloud, Method::DELETE, &id, "").await.status(), 204);
    assert_eq!(closed(&mut socket).await, (1000, "Connection Closed Normally".to_owned()));
    invoked(&cloud, "$disconnect").await;
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let gone = manage(&cloud, method, &id, "").await;
        assert_eq!(gone.status(), 410);
        assert_eq!(gone.headers()["x-amzn-errortype"], "GoneException");
        assert_eq!(gone.json::<Value>().await.unwrap()["message"], "Gone");
    }
}

#[tokio::test]
async fn what_is_too_large_ends_the_connection() {
    let cloud = cloud().await;
    let half = |is_last| Frame::message(vec![b'x'; 16 * 1024], OpCode::Data(Data::Continue), is_last);
    let first = || Frame::message(vec![b'x'; 16 * 1024], OpCode::Data(Data::Text), false);
    let mut socket = connected(&cloud).await;
    // Of the largest size, in frames that are small enough.
    socket.send(Message::Frame(first())).await.unwrap();
    for count in 2..=8 {
        socket.send(Message::Frame(half(count == 8))).await.unwrap();
    }
    assert_eq!(received(&mut socket).await["message"], "Forbidden");
    // One more than that.
    socket.send(Message::Frame(first())).await.unwrap();
    for _ in 0..8 {
        socket.send(Message::Frame(half(false))).await.unwrap();
    }
    assert_eq!(closed(&mut socket).await.0, 1009);
    assert_eq!(invoked(&cloud, "$disconnect").await["requestContext"]["disconnectStatusCode"], 1009);

    let mut socket = connected(&cloud).await;
    socket.send(Message::text("x".repeat(32 * 1024 + 1))).await.unwrap();
    assert_eq!(closed(&mut socket).await.0, 1009);
}

#[tokio::test]
async fn a_connection_ends_after_ten_minutes_of_silence_and_after_two_hours() {
    const MINUTE: Duration = Duration::from_secs(60);
    let cloud = cloud().await;
    let mut silent = connected(&cloud).await;
    only_id(&cloud).await;
    cloud.advance(9 * MINUTE).unwrap();
    say(&mut silent, json!({ "type": "ask" })).await;
    received(&mut silent).await;
    cloud.advance(9 * MINUTE).unwrap();
    assert_eq!(cloud.sockets().len(), 1);
    cloud.advance(MINUTE).unwrap();
    assert_eq!(closed(&mut silent).await, (1001, "Going away".to_owned()));
    assert_eq!(invoked(&cloud, "$disconnect").await["requestContext"]["disconnectStatusCode"], 1001);

    let mut busy = connected(&cloud).await;
    for _ in 0..13 {
        say(&mut busy, json!({ "type": "ask" })).await;
        received(&mut busy).await;
        cloud.advance(9 * MINUTE).unwrap();
    }
    say(&mut busy, json!({ "type": "ask" })).await;
    received(&mut busy).await;
    cloud.advance(3 * MINUTE).unwrap();
    assert_eq!(closed(&mut busy).await.0, 1001);
}

#[tokio::test]
async fn the_limits_on_time_can_be_divided() {
    let mut options = options();
    options.socket_limits_divided_by = 6_000;
    let cloud = Cloud::start(options).await.unwrap();
    let mut socket = connected(&cloud).await;
    assert_eq!(closed(&mut socket).await.0, 1001);
}

#[tokio::test]
async fn a_client_that_is_gone_without_a_word_is_told_of_too() {
    let cloud = cloud().await;
    drop(connected(&cloud).await);
    assert_eq!(invoked(&cloud, "$disconnect").await["requestContext"]["disconnectStatusCode"], 1006);
    assert_eq!(cloud.sockets(), []);
}

#[tokio::test]
async fn a_client_that_leaves_before_it_is_admitted_is_told_of_too() {
    let cloud = cloud().await;
    let handshake = connect(&cloud, "?ms=200");
    assert!(tokio::time::timeout(Duration::from_millis(100), handshake).await.is_err());
    let asked = invoked(&cloud, "$connect").await;
    let told = invoked(&cloud, "$disconnect").await;
    assert_eq!(told["requestContext"]["connectionId"], asked["requestContext"]["connectionId"]);
}

#[tokio::test]
async fn a_reset_ends_connections_and_tells_of_them_first() {
    let cloud = cloud().await;
    let mut socket = connected(&cloud).await;
    only_id(&cloud).await;
    let (reset, end) = tokio::join!(cloud.reset(), closed(&mut socket));
    reset.unwrap();
    assert_eq!(end.0, 1001);
    assert_eq!(cloud.sockets(), []);
}

#[tokio::test]
async fn functions_know_where_to_post_and_browsers_where_to_connect() {
    let cloud = cloud().await;
    let variables = crate::invoke(&cloud, "web", json!({ "do": "environment" })).await.unwrap();
    let url = cloud.socket_url().unwrap();
    assert_eq!(variables["SOCKET_URL"], *url);
    let posts = url.replace("ws://localhost", "http://127.0.0.1").replace("/live", "");
    assert_eq!(variables["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"], *posts);
}

#[tokio::test]
async fn another_path_is_no_socket() {
    let cloud = cloud().await;
    let elsewhere = format!("{}/elsewhere", cloud.socket_url().unwrap());
    let Err(Error::Http(answer)) = connect_async(elsewhere).await else { unreachable!("it is admitted") };
    assert_eq!(answer.status(), 403);
    assert!(cloud.journal().is_empty());
}
