//! Many open streams in one process: how much memory they take, and how often the log is read.
//!
//! `cargo run -p stream-function --example many -- 1000 10` opens a thousand streams of ten users, which all hear of a change. The table is in the same
//! process; what it takes is told apart.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a measurement ends with the first thing that is not as it should be"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auth::access::{Signer, Verifier};
use auth::test_support::{PUBLIC, SEED};
use axum::body::{Body, BodyDataStream};
use chrono::TimeDelta;
use contract::auth::{AccessPayload, SessionHandle};
use domain::{Notice, UserId};
use futures_util::StreamExt;
use futures_util::future::join_all;
use http::{Request, StatusCode};
use local::table::TestTable;
use realtime::{Mode, Policy};
use runtime::http::{SameSite, Web, service};
use seam::{Clock, Fault, Kind, Script, Seam};
use store::{CursorKey, Error, NewUser, Plan, Profile, Snapshot, Store};
use stream_function::{Streams, router};
use tower::ServiceExt;

/// Counts calls to the store.
#[derive(Default)]
struct Counted(Mutex<BTreeMap<&'static str, usize>>);

impl Script for Counted {
    fn next(&self, _: Kind, operation: &'static str) -> Option<Fault> {
        *self.0.lock().unwrap().entry(operation).or_default() += 1;
        None
    }
}

impl Counted {
    fn take(&self, operation: &str) -> usize {
        self.0.lock().unwrap().remove(operation).unwrap_or_default()
    }
}

/// Resident memory of this process, in MB.
fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn token(user: UserId, clock: &Clock) -> String {
    let (now, issuer) = (clock.now(), "http://localhost/api".to_owned());
    let session = SessionHandle::new([9; 16]);
    let payload = AccessPayload::new(user, session, String::new(), issuer, now, now + TimeDelta::hours(1));
    Signer::from_base64(SEED).unwrap().sign(&payload).unwrap()
}

/// Reads until a frame of this name has come.
async fn until(body: &mut BodyDataStream, name: &str) {
    let wanted = format!("event: {name}\n");
    while let Some(chunk) = body.next().await {
        if std::str::from_utf8(&chunk.unwrap()).unwrap().contains(&wanted) {
            return;
        }
    }
    panic!("the stream has ended");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let numbers: Vec<u8> = std::env::args().skip(2).map(|number| number.parse().unwrap()).collect();
    let streams: usize = std::env::args().nth(1).map_or(1_000, |number| number.parse().unwrap());
    let users = numbers.first().copied().unwrap_or(10);
    let table = TestTable::start().await.unwrap();
    let (seam, counted) = (Seam::new(Kind::Store, Duration::from_secs(5)), Arc::new(Counted::default()));
    let store = Store::new(table.client.clone(), &table.table_name, seam.clone());
    let watched = Store::new(table.client.clone(), &table.table_name, seam.with_script(counted.clone()));
    let clock = Clock::system();
    let ids: Vec<UserId> = (0..users).map(|number| UserId::new([number; 12])).collect();
    for id in &ids {
        let email = format!("{id}@example.com").parse().unwrap();
        let (epoch, profile) = (id.to_string(), Profile::default());
        let new = NewUser {
            id: *id,
            epoch,
            email: &email,
            profile,
            password_hash: None,
            google_sub: None,
            session: None,
        };
        store.create_user(new, clock.now() - TimeDelta::days(1)).await.unwrap();
    }
    let cursors = CursorKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    let verifier = Verifier::from_base64(PUBLIC).unwrap();
    let all = Streams::new(watched, verifier, cursors, clock.clone(), Policy::new(Mode::Hold));
    let web = Web::new("http://localhost:9080".parse().unwrap(), [], SameSite::Lax);
    let service = service(router(all), &web);

    let before = memory();
    let mut open = Vec::new();
    for number in 0..streams {
        let cookie = format!("sAccessToken={}", token(ids[number % ids.len()], &clock));
        let request =
            Request::get("/api/events/stream").header("cookie", cookie).body(Body::empty()).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = response.into_body().into_data_stream();
        until(&mut body, "USER_METADATA").await;
        open.push(body);
    }
    let opened = memory();
    counted.take("Query");
    // Everybody waits for the next change, which comes after five looks at the log.
    let (begun, told) = (Instant::now(), join_all(open.iter_mut().map(|body| until(body, "USER_METADATA"))));
    let change = async {
        let mut ticks = tokio::time::interval(Duration::from_secs(5));
        ticks.tick().await;
        ticks.tick().await;
        for id in &ids {
            let plan = |_: &Snapshot| Ok::<_, Error>(Plan::default().notice(Notice::Metadata));
            store.mutate(*id, &[], clock.now(), plan).await.unwrap();
        }
        Instant::now()
    };
    let (_, changed) = futures_util::future::join(told, change).await;
    let (seconds, reads) = (begun.elapsed().as_secs_f64(), counted.take("Query"));
    println!(
        "| streams | users | MB before | MB with all open | KB a stream | reads a second | until all were told, ms |"
    );
    println!("|---|---|---|---|---|---|---|");
    println!(
        "| {streams} | {users} | {before:.1} | {opened:.1} | {:.1} | {:.1} | {} |",
        (opened - before) * 1024.0 / streams as f64,
        reads as f64 / seconds,
        changed.elapsed().as_millis(),
    );
}
