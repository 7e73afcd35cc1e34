//! The real `socket` function behind the local cloud's WebSocket API: that it hears of every end, however a connection ends.

use std::time::Duration;

use scenarios::{Socket, TestApp, eventually};

/// How often `$disconnect` has been dealt with.
fn told(app: &TestApp) -> usize {
    let journal = app.cloud().journal();
    journal.iter().filter(|entry| entry.trigger == "socket $disconnect" && entry.status == Some(200)).count()
}

#[tokio::test]
async fn the_function_hears_of_every_end() {
    let app = TestApp::start().await;
    let ada = app.person().await;
    Socket::open(&ada, None).await.0.close().await;
    drop(Socket::open(&ada, None).await);
    eventually("two ends are told", || async { (told(&app) == 2).then_some(()) }).await;

    let (mut silent, _) = Socket::open(&ada, None).await;
    app.advance(Duration::from_secs(10 * 60));
    assert_eq!(silent.ending().await, Some(1001));
    eventually("the third end is told", || async { (told(&app) == 3).then_some(()) }).await;
    assert_eq!(app.cloud().sockets(), []);
}
