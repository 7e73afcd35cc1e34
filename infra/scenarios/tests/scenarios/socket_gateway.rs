//! The real `socket` function behind the local cloud's WebSocket API: that it hears of every end, however a connection ends.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use scenarios::{Browser, TestApp, WEB_URL, eventually};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Longer than a frame takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A socket that is told what happens from now on.
async fn ready(browser: &Browser) -> Socket {
    let ticket = browser.call(Method::POST, "/api/realtime/ticket", None).await.ok();
    let text = |name: &str| ticket[name].as_str().unwrap().to_owned();
    let url = format!("{}?ticket={}", text("url"), text("ticket"));
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("origin", WEB_URL.parse().unwrap());
    let (mut socket, _) = connect_async(request).await.unwrap();
    socket.send(Message::text(json!({ "type": "hello" }).to_string())).await.unwrap();
    frame(&mut socket, "READY").await;
    socket
}

/// Reads on until a frame of this name.
async fn frame(socket: &mut Socket, name: &str) -> Value {
    let awaited = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if frame["type"] == name {
                        return frame;
                    }
                }
                other => panic!("{other:?} instead of {name}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, awaited).await.unwrap()
}

/// How often `$disconnect` has been dealt with.
fn told(app: &TestApp) -> usize {
    let journal = app.cloud().journal();
    journal.iter().filter(|entry| entry.trigger == "socket $disconnect" && entry.status == Some(200)).count()
}

#[tokio::test]
async fn the_function_hears_of_every_end() {
    let app = TestApp::start().await;
    let ada = app.person().await;
    let mut closed = ready(&ada).await;
    closed.close(None).await.unwrap();
    drop(ready(&ada).await);
    eventually("two ends are told", || async { (told(&app) == 2).then_some(()) }).await;

    let mut silent = ready(&ada).await;
    app.advance(Duration::from_secs(10 * 60));
    match tokio::time::timeout(PATIENCE, silent.next()).await.unwrap() {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(u16::from(frame.code), 1001),
        other => panic!("{other:?}"),
    }
    eventually("the third end is told", || async { (told(&app) == 3).then_some(()) }).await;
    assert_eq!(app.cloud().sockets(), []);
}
