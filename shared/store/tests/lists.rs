//! Priorities and calendars against a table made from the bundle's own template: entries of the user's one log, whole lists at a time.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail by panicking, like the tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::calendar::{self, AccessRole, Calendar, ConferenceProperties, Listing, Provider};
use domain::priority::{self, Name, NamedPriority};
use domain::{PriorityId, UserId, Views};
use local::table::TestTable;
use seam::{Fault, Kind, Script, Seam};
use store::{Changes, Error, NewUser, Plan, Profile, Revision, Store};

const ADA: UserId = UserId::new([1; 12]);
const EVE: UserId = UserId::new([2; 12]);

fn now() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn seam() -> Seam {
    Seam::new(Kind::Store, Duration::from_secs(5))
}

fn name(text: &str) -> Name {
    text.to_owned().try_into().unwrap()
}

async fn create(store: &Store, user: UserId, email: &str) {
    let new = NewUser {
        id: user,
        epoch: "e".into(),
        email: &email.parse().unwrap(),
        profile: Profile::default(),
        password_hash: None,
        google_sub: None,
        session: None,
    };
    store.create_user(new, now()).await.unwrap();
}

/// One fault, at the first write.
struct First(Mutex<Option<Fault>>);

impl Script for First {
    fn next(&self, _: Kind, operation: &'static str) -> Option<Fault> {
        if operation == "TransactWriteItems" { self.0.lock().unwrap().take() } else { None }
    }
}

struct World {
    table: TestTable,
    store: Store,
}

impl World {
    async fn start() -> Self {
        let table = TestTable::start().await.unwrap();
        let store = Store::new(table.client.clone(), &table.table_name, seam());
        create(&store, ADA, "ada@example.com").await;
        create(&store, EVE, "eve@example.com").await;
        Self { table, store }
    }

    async fn names(&self, user: UserId) -> Vec<String> {
        let priorities = self.store.priorities(user).await.unwrap();
        priorities.iter().map(|entry| entry.name.to_string()).collect()
    }

    async fn seq(&self) -> u64 {
        self.store.head(ADA).await.unwrap().seq
    }
}

async fn upsert(store: &Store, text: &str) -> Result<NamedPriority, Error> {
    let plan = |known: &[NamedPriority]| {
        let entry = priority::upsert(ADA, known, None, name(text)).unwrap();
        let is_new = !known.contains(&entry);
        Ok((Revision::put(is_new.then(|| entry.clone())), entry))
    };
    store.revise(ADA, now(), plan).await
}

async fn remove(store: &Store, id: PriorityId) -> bool {
    let plan = |known: &[NamedPriority]| {
        let entry = known.iter().find(|entry| entry.id == id);
        Ok::<_, Error>((entry.cloned().map_or_else(Revision::none, Revision::removal), entry.is_some()))
    };
    store.revise(ADA, now(), plan).await.unwrap()
}

fn calendar(at_google: &str) -> Calendar {
    Calendar {
        id: calendar::id_of(ADA, Provider::Google, at_google),
        background_color: "#16a765".to_owned().try_into().unwrap(),
        color: "#000000".to_owned().try_into().unwrap(),
        is_selected: true,
        is_primary: false,
        is_confirmed: false,
        time_zone: Some(chrono_tz::Europe::Vienna),
        created_at: now(),
        updated_at: None,
        listing: Listing {
            id: at_google.into(),
            etag: "\"1\"".into(),
            summary: at_google.into(),
            provider: Provider::Google,
            summary_override: None,
            description: None,
            location: None,
            access_role: AccessRole::Owner,
            is_primary: false,
            conference_properties: ConferenceProperties::default(),
            default_reminders: Vec::new(),
            notification_settings: None,
        },
    }
}

#[tokio::test]
async fn a_new_user_has_four_priorities_and_that_is_no_change() {
    let world = World::start().await;
    assert_eq!(world.names(ADA).await, ["relationships", "self", "unassigned", "work"]);
    assert_eq!(world.seq().await, 0);
    assert_eq!(world.store.changes(ADA, 0).await.unwrap(), Changes::default());
    let work = world.store.priority(ADA, priority::defaults(ADA)[2].id).await.unwrap().unwrap();
    assert_eq!(work.name, name("work"));
    assert_eq!(world.store.priority(EVE, work.id).await.unwrap(), None, "each user has their own");
}

#[tokio::test]
async fn a_change_of_a_list_moves_the_log_and_what_is_gone_leaves_a_tombstone_in_it() {
    let world = World::start().await;
    let garden = upsert(&world.store, "garden").await.unwrap();
    assert_eq!((world.seq().await, world.names(ADA).await.len()), (1, 5));
    assert_eq!(upsert(&world.store, "garden").await.unwrap(), garden);
    assert_eq!(world.seq().await, 1, "what is there is not written again");
    assert!(remove(&world.store, garden.id).await);
    assert_eq!((world.seq().await, world.names(ADA).await.len()), (2, 4));
    let changes = world.store.changes(ADA, 1).await.unwrap();
    assert_eq!((changes.upto, changes.views), (2, Views::default()), "told of, and shown by no view");
    assert_eq!(world.store.priority(ADA, garden.id).await.unwrap(), None);
    assert!(!remove(&world.store, garden.id).await);
    assert_eq!(world.seq().await, 2);
    assert_eq!(upsert(&world.store, "garden").await.unwrap(), garden, "it comes back under its id");
    assert_eq!((world.seq().await, world.names(ADA).await.len()), (3, 5));
    assert_eq!(world.names(EVE).await.len(), 4);
}

#[tokio::test]
async fn the_same_name_at_the_same_time_is_there_once() {
    let world = World::start().await;
    let writes = (0..6).map(|_| upsert(&world.store, "garden"));
    let written: Vec<NamedPriority> =
        futures_util::future::join_all(writes).await.into_iter().map(Result::unwrap).collect();
    assert!(written.iter().all(|entry| *entry == written[0]), "{written:?}");
    assert_eq!((world.seq().await, world.names(ADA).await.len()), (1, 5));
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_one_write() {
    let world = World::start().await;
    for fault in [Fault::FailBefore, Fault::FailAfter, Fault::Repeat] {
        let script = Arc::new(First(Mutex::new(Some(fault))));
        let store =
            Store::new(world.table.client.clone(), &world.table.table_name, seam().with_script(script));
        upsert(&store, &format!("{fault:?}")).await.unwrap();
    }
    assert_eq!((world.seq().await, world.names(ADA).await.len()), (3, 7));
}

#[tokio::test]
async fn a_user_who_is_gone_has_no_list_to_be_changed() {
    let table = TestTable::start().await.unwrap();
    let store = Store::new(table.client.clone(), &table.table_name, seam());
    assert!(matches!(upsert(&store, "garden").await, Err(Error::NoUser)));
    assert!(matches!(
        store.put_calendars(ADA, &[calendar("a")], &BTreeSet::new(), now()).await,
        Err(Error::NoUser)
    ));
    assert_eq!(store.calendars(ADA).await.unwrap(), []);
}

#[tokio::test]
async fn what_google_lists_is_taken_in_once_whatever_its_length() {
    let world = World::start().await;
    let mut listed: Vec<Calendar> =
        (0..Plan::LIMIT + 20).map(|n| calendar(&format!("{n:03}@group"))).collect();
    listed.push(Calendar { is_primary: true, ..calendar("ada@example.com") });
    world.store.put_calendars(ADA, &listed, &BTreeSet::new(), now()).await.unwrap();
    let stored = world.store.calendars(ADA).await.unwrap();
    assert_eq!(stored.len(), listed.len());
    assert!(stored.iter().all(Calendar::is_synced));
    assert_eq!((stored[0].listing.id.as_str(), stored[0].is_primary), ("ada@example.com", true));
    let seq = world.seq().await;
    assert_eq!(seq, listed.len() as u64);
    world.store.put_calendars(ADA, &listed, &BTreeSet::new(), now()).await.unwrap();
    assert_eq!(world.seq().await, seq, "told twice, nothing is written");
    assert_eq!(world.store.calendars(EVE).await.unwrap(), []);
}

#[tokio::test]
async fn of_two_first_calendars_at_the_same_time_one_is_first() {
    let world = World::start().await;
    let add = |at_google: &'static str| {
        let first = Calendar { is_primary: true, ..calendar(at_google) };
        let plan = move |known: &[Calendar]| {
            let added = calendar::add(known, first.clone()).map_err(|_| Error::Condition("primary"))?;
            Ok::<_, Error>((Revision::put([added]), ()))
        };
        world.store.revise(ADA, now(), plan)
    };
    let (one, other) = tokio::join!(add("a"), add("b"));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    assert_eq!(world.store.calendars(ADA).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_choice_of_the_user_outlives_what_google_says() {
    let world = World::start().await;
    world.store.put_calendars(ADA, &[calendar("a"), calendar("b")], &BTreeSet::new(), now()).await.unwrap();
    let wanted = BTreeMap::from([(calendar("a").id, false)]);
    let plan =
        |known: &[Calendar]| Ok::<_, Error>((Revision::put(calendar::select(known, &wanted, now())), ()));
    world.store.revise(ADA, now(), plan).await.unwrap();
    let mut renamed = calendar("a");
    renamed.listing.summary = "Renamed".into();
    world.store.put_calendars(ADA, &[renamed], &BTreeSet::new(), now()).await.unwrap();
    let stored = world.store.calendars(ADA).await.unwrap();
    let of_a = stored.iter().find(|calendar| calendar.listing.id == "a").unwrap();
    assert_eq!(
        (of_a.listing.summary.as_str(), of_a.is_selected, of_a.is_synced()),
        ("Renamed", false, false)
    );
    assert_eq!(stored.len(), 2);
}

#[tokio::test]
async fn what_google_lists_no_more_leaves_the_list() {
    let world = World::start().await;
    let listed = [calendar("a"), calendar("b")];
    world.store.put_calendars(ADA, &listed, &BTreeSet::new(), now()).await.unwrap();
    let gone = BTreeSet::from(["b".to_owned()]);
    world.store.put_calendars(ADA, &[], &gone, now()).await.unwrap();
    let left = world.store.calendars(ADA).await.unwrap();
    assert_eq!(left.iter().map(|calendar| calendar.listing.id.as_str()).collect::<Vec<_>>(), ["a"]);
    let seq = world.seq().await;
    world.store.put_calendars(ADA, &[], &gone, now()).await.unwrap();
    assert_eq!(world.seq().await, seq, "told twice, nothing is written");
}
