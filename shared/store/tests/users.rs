//! Users, sessions and resets against a table made from the bundle's own template: every claim is won by one.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends with the first thing that is not as it should be"
)]

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contract::auth::{Email, SessionHandle};
use domain::{Notice, UserId};
use local::table::TestTable;
use seam::{Kind, Seam};
use store::{EMAIL, Error, GOOGLE, NewUser, Plan, Profile, RESET, Reset, Rotation, Session, Store};

fn now() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn store_on(table: &TestTable) -> Store {
    Store::new(table.client.clone(), &table.table_name, Seam::new(Kind::Store, Duration::from_secs(5)))
}

fn email(text: &str) -> Email {
    text.parse().unwrap()
}

fn id(n: u8) -> UserId {
    UserId::new([n; 12])
}

fn handle(n: u8) -> SessionHandle {
    SessionHandle::new([n; 16])
}

fn session() -> Session {
    Session::begin(now(), now() + TimeDelta::days(100))
}

async fn create(store: &Store, n: u8, address: &str, sub: Option<&str>) -> Result<(), Error> {
    let new = NewUser {
        id: id(n),
        epoch: format!("epoch{n}"),
        email: &email(address),
        profile: Profile { email: address.into(), ..Profile::default() },
        password_hash: sub.is_none().then(|| format!("hash{n}")),
        google_sub: sub,
        session: Some((handle(n), session())),
    };
    store.create_user(new, now()).await
}

fn refused(result: Result<(), Error>) -> Option<&'static str> {
    match result {
        Err(Error::Condition(name)) => Some(name),
        Ok(()) => None,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_user_is_created_with_everything_that_leads_to_it() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table);
    create(&store, 1, "ada@example.com", Some("108")).await.unwrap();
    let head = store.head(id(1)).await.unwrap();
    assert_eq!(
        (head.seq, head.epoch.as_str(), head.profile.email.as_str()),
        (0, "epoch1", "ada@example.com")
    );
    assert_eq!(store.session(id(1), handle(1)).await.unwrap(), Some(session()));
    let (owner, login) = store.owners("108", &email("ada@example.com")).await.unwrap();
    assert_eq!(owner, Some(id(1)));
    assert!(login.is_some_and(|login| login.user == id(1)
        && login.password_hash.is_none()
        && login.joined_at == now()));
    let (owner, login) = store.owners("109", &email("eve@example.com")).await.unwrap();
    assert!(owner.is_none() && login.is_none());
}

#[tokio::test]
async fn an_address_and_a_google_account_have_one_user_each_and_the_loser_leaves_nothing_behind() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table);
    create(&store, 1, "ada@example.com", Some("108")).await.unwrap();
    assert_eq!(refused(create(&store, 2, "ada@example.com", None).await), Some(EMAIL));
    assert_eq!(refused(create(&store, 2, "eve@example.com", Some("108")).await), Some(GOOGLE));
    assert!(matches!(store.head(id(2)).await, Err(Error::NoUser)));
    assert!(store.login(&email("eve@example.com")).await.unwrap().is_none());
    assert_eq!(store.session(id(2), handle(2)).await.unwrap(), None);
}

#[tokio::test]
async fn of_two_sign_ups_at_once_one_wins() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table);
    let both =
        tokio::join!(create(&store, 1, "ada@example.com", None), create(&store, 2, "ada@example.com", None));
    assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
    let login = store.login(&email("ada@example.com")).await.unwrap().unwrap();
    assert!(store.head(login.user).await.is_ok());
}

#[tokio::test]
async fn a_google_account_can_be_claimed_again_by_its_user_and_by_nobody_else() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table);
    create(&store, 1, "ada@example.com", None).await.unwrap();
    create(&store, 2, "eve@example.com", None).await.unwrap();
    let claim = async |n: u8| {
        store
            .mutate(id(n), &[], now(), |_| {
                let mut plan = Plan::default();
                plan.notices.push(Notice::Metadata);
                plan.claim_google(&store, id(n), "108")?;
                plan.begin_session(&store, id(n), handle(9), &session())?;
                Ok::<_, Error>(plan)
            })
            .await
    };
    assert_eq!(claim(1).await.unwrap(), 1);
    assert_eq!(claim(1).await.unwrap(), 2);
    assert_eq!(refused(claim(2).await.map(drop)), Some(GOOGLE));
    assert_eq!(store.head(id(2)).await.unwrap().seq, 0);
    assert_eq!(store.session(id(2), handle(9)).await.unwrap(), None);
    assert_eq!(store.google_owner("108").await.unwrap(), Some(id(1)));
}

#[tokio::test]
async fn a_session_rotates_from_its_current_generation_only() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table);
    store.begin_session(id(1), handle(1), &session()).await.unwrap();
    let later = now() + TimeDelta::hours(1);
    let until = later + TimeDelta::days(100);
    let rotate = |generation, at| store.rotate_session(id(1), handle(1), generation, at, until);
    assert_eq!(rotate(0, later).await.unwrap(), Rotation::Done);
    let expected = Session { generation: 1, created_at: now(), rotated_at: later, expires_at: until };
    assert_eq!(rotate(0, later).await.unwrap(), Rotation::Refused(Some(expected.clone())));
    assert_eq!(rotate(2, later).await.unwrap(), Rotation::Refused(Some(expected.clone())));
    assert_eq!(rotate(1, until).await.unwrap(), Rotation::Refused(Some(expected.clone())));
    assert!(expected.is_alive(until - TimeDelta::seconds(1)) && !expected.is_alive(until));
    store.end_session(id(1), handle(1)).await.unwrap();
    assert_eq!(rotate(1, later).await.unwrap(), Rotation::Refused(None));
    store.end_session(id(1), handle(1)).await.unwrap();
}

#[tokio::test]
async fn of_two_rotations_at_once_one_is_done_and_the_other_sees_it() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table);
    store.begin_session(id(1), handle(1), &session()).await.unwrap();
    let until = now() + TimeDelta::days(100);
    let rotate = || store.rotate_session(id(1), handle(1), 0, now(), until);
    let (first, second) = tokio::join!(rotate(), rotate());
    let (first, second) = (first.unwrap(), second.unwrap());
    let refused = if first == Rotation::Done { second } else { first };
    assert!(matches!(refused, Rotation::Refused(Some(session)) if session.generation == 1));
}

#[tokio::test]
async fn a_reset_is_mailed_by_one_of_many_who_are_asked_to() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table);
    let email = email("ada@example.com");
    let minute = TimeDelta::minutes(1);
    let until = now() + minute;
    let claims = (0..5).map(|_| store.claim_reset_mail(&email, now(), until));
    let won = futures_util::future::try_join_all(claims).await.unwrap();
    assert_eq!(won.into_iter().filter(|is_mine| *is_mine).count(), 1);
    assert!(!store.claim_reset_mail(&email, until - TimeDelta::seconds(1), until).await.unwrap());
    assert!(store.claim_reset_mail(&email, until, until + minute).await.unwrap());
}

#[tokio::test]
async fn a_reset_works_once_and_ends_every_other() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table);
    create(&store, 1, "ada@example.com", Some("108")).await.unwrap();
    let reset = Reset {
        user: id(1),
        email: email("ada@example.com"),
        password_version: 0,
        expires_at: now() + TimeDelta::hours(1),
    };
    store.allow_reset("one", &reset).await.unwrap();
    store.allow_reset("two", &reset).await.unwrap();
    assert_eq!(store.reset("one", now()).await.unwrap(), Some(reset.clone()));
    assert_eq!(store.reset("one", reset.expires_at).await.unwrap(), None);
    assert_eq!(store.reset("three", now()).await.unwrap(), None);
    store.change_password("one", &reset, "first").await.unwrap();
    assert_eq!(store.reset("one", now()).await.unwrap(), None);
    assert_eq!(refused(store.change_password("one", &reset, "again").await), Some(RESET));
    assert_eq!(refused(store.change_password("two", &reset, "other").await), Some(RESET));
    let login = store.login(&email("ada@example.com")).await.unwrap().unwrap();
    assert_eq!((login.password_hash.as_deref(), login.password_version), (Some("first"), 1));
}
