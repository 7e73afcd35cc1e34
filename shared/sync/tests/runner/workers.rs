//! Many workers: two at once, one that comes late, and ones that die in the middle.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use domain::{EventId, ImportFlag, ImportProgress, Job, Notice, Rev};
use fake_google::Paging;
use seam::{Clock, Fault, Kind, Script};
use serde_json::json;
use sync::{Effort, Error, Sync};
use tokio::sync::Notify;

use crate::deeds::{id, number};
use crate::model::luck::Stroke;
use crate::model::step::Luck;
use crate::world::{EMAIL, World};

const INSERT: &str = "calendar.events.insert";
const LIST: &str = "calendar.events.list";
const WATCH: &str = "calendar.events.watch";
const TRANSACT: &str = "TransactWriteItems";

/// Has what changed come in pages of two.
fn in_small_pages(world: &World) {
    world.google.set_paging(Paging { at_most: Some(2), ..Paging::default() });
}

async fn revs(world: &World) -> BTreeSet<(EventId, Rev)> {
    let records = world.store.records_after(world.user, None, 2_000).await.unwrap();
    records.into_iter().map(|record| (record.event.id, record.rev)).collect()
}

/// 20, 21: whatever was applied before the worker died is applied once more from the old token, and that is nothing.
#[tokio::test]
async fn a_pull_that_dies_before_or_after_any_of_its_calls_loses_nothing_and_shows_nothing_twice() {
    let mut applied = BTreeSet::new();
    for is_after in [false, true] {
        for call in 0.. {
            let stroke = Stroke::new();
            let world = World::start(None, stroke.clone()).await;
            world.import().await;
            for n in 0..5 {
                world.google_event(&format!("event {n}"));
            }
            in_small_pages(&world);
            stroke.arm(Luck::Crash(call, is_after));
            let job = Job::Pull { user: world.user };
            tokio::select! {
                biased;
                () = stroke.death() => {}
                result = world.run(&job) => drop(result),
            }
            let has_died = stroke.disarm();
            let before = revs(&world).await;
            applied.insert(before.len());
            // Where the dead one was is not known to Google any more.
            world.google.expire_page_tokens();
            world.pull().await;
            assert_eq!(world.titles().await.len(), 5, "call {call}");
            assert!(
                before.is_subset(&revs(&world).await),
                "call {call}: what was there is not written again"
            );
            let seq = world.seq().await;
            world.pull().await;
            assert_eq!((world.seq().await, world.writes()), (seq, 0), "call {call}");
            if !has_died {
                break;
            }
        }
    }
    assert_eq!(applied, BTreeSet::from([0, 2, 4, 5]), "it has died between all pages");
}

/// 9: the queue hands a message out twice at once.
#[tokio::test]
async fn a_message_that_two_workers_have_at_once_has_one_effect() {
    let world = World::watched().await;
    world.import().await;
    let user = world.user;
    let twice = async |job: Job| {
        let (one, other) = tokio::join!(world.run(&job), world.run(&job));
        for outcome in [one, other] {
            assert!(outcome.as_ref().err().is_none_or(Error::is_retryable), "{job:?} {outcome:?}");
        }
        // Which one failed comes again.
        world.run(&job).await.unwrap();
    };
    world.save(id(1), "Ours").await;
    twice(Job::Push { user }).await;
    assert_eq!(world.titles_at_google(), ["Ours"]);
    world.save(id(1), "Ours, edited").await;
    twice(Job::Push { user }).await;
    assert_eq!(world.titles_at_google(), ["Ours, edited"]);
    world.google_event("Theirs");
    let before = world.seq().await;
    twice(Job::Pull { user }).await;
    assert_eq!(world.seq().await, before + 1, "one event, one entry of the log");
    world.delete(id(1)).await;
    twice(Job::Push { user }).await;
    assert_eq!(
        (world.titles().await, world.titles_at_google()),
        (vec!["Theirs".into()], vec!["Theirs".into()])
    );
    assert!(world.store.issues(user).await.unwrap().is_empty(), "a worker is in no conflict with another");

    world.pass(TimeDelta::days(6));
    twice(Job::RenewWatch { user }).await;
    let items = world.store.google(user).await.unwrap().unwrap();
    let in_use = items.calendars.into_iter().map(|state| state.watch).chain([items.list.watch]);
    let in_use: BTreeSet<String> = in_use.flatten().map(|watch| watch.channel).collect();
    // The other one's channels are strays, and are stopped when they speak.
    for channel in world.google.channels() {
        let (channel, resource) = (channel.id, channel.resource_id);
        world.run(&Job::StopStray { user, channel, resource }).await.unwrap();
    }
    let left: BTreeSet<String> = world.google.channels().into_iter().map(|channel| channel.id).collect();
    assert_eq!((left.len(), left), (2, in_use));
    assert!(world.calls(WATCH) <= 3);
}

/// 30: of each page one commit counts.
#[tokio::test]
async fn of_two_workers_on_one_token_one_wins_and_nothing_is_lost_or_written_twice() {
    let world = World::connected().await;
    world.import().await;
    for n in 0..8 {
        world.google_event(&format!("event {n}"));
    }
    in_small_pages(&world);
    let generation = async || world.store.google(world.user).await.unwrap().unwrap().calendars[0].generation;
    let (before, pages) = (generation().await, world.seq().await);
    let job = Job::Pull { user: world.user };
    let (one, other) = tokio::join!(world.run(&job), world.run(&job));
    for outcome in [one, other] {
        assert!(outcome.is_ok() || outcome.unwrap_err().is_retryable());
    }
    world.pull().await;
    assert_eq!(world.titles().await.len(), 8);
    assert_eq!(world.titles().await, world.titles_at_google());
    assert_eq!(world.seq().await, pages + 8, "each event is one entry of the log");
    assert!(generation().await <= before + 8, "a page is committed at most by each of them");
    let seq = world.seq().await;
    world.pull().await;
    assert_eq!((world.seq().await, world.writes()), (seq, 0));
}

/// 115: its message was handed to another worker while it was at work.
#[tokio::test]
async fn a_worker_that_comes_late_is_refused_and_the_token_does_not_go_back() {
    let world = World::connected().await;
    let lunch = world.google_event("Lunch");
    world.import().await;
    world.edit_at_google(&lunch, json!({"summary": "as the late one has read it"}));
    world.fail(Kind::Store, TRANSACT, Fault::Delay(Duration::from_millis(700)));
    let pull = Job::Pull { user: world.user };
    let late = world.run(&pull);
    let token =
        async || world.store.google(world.user).await.unwrap().unwrap().calendars[0].sync_token.clone();
    let prompt = async {
        world.struck().await;
        world.pull().await;
        world.edit_at_google(&lunch, json!({"summary": "newest"}));
        world.google_event("Dinner");
        world.pull().await;
        (token().await, world.seq().await)
    };
    let lists = world.calls(LIST);
    let (outcome, (newest, seq)) = tokio::join!(late, prompt);
    assert!(outcome.is_ok() || outcome.unwrap_err().is_retryable());
    assert_eq!(world.titles().await, ["Dinner", "newest"]);
    assert_eq!((token().await, world.seq().await), (newest, seq), "it has written nothing");
    assert!(world.calls(LIST) > lists + 2, "it has begun anew, from where the other one was");
}

/// 117: while a worker decides, somebody else commits, and the store refuses its transaction.
#[tokio::test]
async fn a_transaction_that_the_store_refuses_is_planned_anew_as_a_whole_and_done_once() {
    let world = World::connected().await;
    world.import().await;
    for n in 0..3 {
        world.google_event(&format!("event {n}"));
    }
    let (before, left) = (world.seq().await, world.left(TRANSACT));
    world.fail(Kind::Store, TRANSACT, Fault::Delay(Duration::from_millis(300)));
    let save = async {
        world.struck().await;
        world.save(id(1), "Meanwhile").await;
    };
    tokio::join!(async { world.pull().await }, save);
    assert_eq!(world.titles().await, ["Meanwhile", "event 0", "event 1", "event 2"]);
    assert_eq!(world.left(TRANSACT), left + 3, "the pull's twice, and the one between");
    assert_eq!(world.seq().await, before + 4, "each event is one entry of the log");
    world.push().await;
    assert_eq!((world.titles_at_google(), world.writes()), (world.titles().await, 1));
}

/// 118: the clocks of two workers are ten minutes apart. Who is later is decided by when the edits were made, and not by when a worker looks at them.
#[tokio::test]
async fn workers_whose_clocks_differ_decide_alike() {
    for is_ours_later in [false, true] {
        let mut ends = BTreeSet::new();
        for skew in [-5, 0, 5].map(TimeDelta::minutes) {
            let world = World::connected().await;
            world.import().await;
            world.save(id(1), "Before").await;
            world.push().await;
            let theirs = || world.edit_at_google(&id(1).to_string(), json!({"summary": "Theirs"}));
            if is_ours_later {
                theirs();
            }
            world.save(id(1), "Ours").await;
            if !is_ours_later {
                theirs();
            }
            world.pass(TimeDelta::minutes(1));
            let worker = Sync { clock: Clock::fixed(world.clock.now() + skew), ..world.sync.clone() };
            let now = worker.clock.now();
            let (until, limit) = (now + TimeDelta::seconds(80), now + TimeDelta::seconds(105));
            let effort = Effort { until, limit, is_last_try: false };
            for job in [Job::Pull { user: world.user }, Job::Push { user: world.user }] {
                worker.run(&job, effort).await.unwrap();
            }
            world.pull().await;
            assert_eq!(world.titles().await, world.titles_at_google());
            let lost = world.store.issues(world.user).await.unwrap().len();
            ends.insert((world.titles().await, lost));
        }
        let winner = if is_ours_later { "Ours" } else { "Theirs" };
        assert_eq!(ends, BTreeSet::from([(vec![winner.to_owned()], 1)]));
    }
}

/// Dies before it can note the last of so many inserts.
struct Reaper {
    inserts: AtomicUsize,
    death: Notify,
}

impl Script for Reaper {
    fn next(&self, _: Kind, operation: &'static str) -> Option<Fault> {
        if operation == "events.insert" {
            self.inserts.fetch_sub(1, Ordering::SeqCst);
            return None;
        }
        (self.inserts.load(Ordering::SeqCst) == 0).then(|| {
            self.death.notify_one();
            // Longer than anybody waits: the worker is dropped in the middle of it.
            Fault::Delay(Duration::from_secs(3_600))
        })
    }
}

/// 111.
#[tokio::test]
async fn a_backfill_of_a_thousand_that_is_killed_at_the_five_hundredth_goes_on_and_sends_each_once() {
    const COUNT: u16 = 1_000;
    let reaper = Arc::new(Reaper { inserts: AtomicUsize::new(500), death: Notify::new() });
    let world = World::start(None, reaper.clone()).await;
    for n in 0..COUNT {
        let [high, low] = n.to_be_bytes();
        world.save(EventId::new([9, 9, 9, 9, 9, 9, 9, 9, 9, 9, high, low]), &format!("event {n:04}")).await;
    }
    world.import().await;
    tokio::select! {
        biased;
        () = reaper.death.notified() => {}
        result = world.try_push() => panic!("it is killed: {result:?}"),
    }
    assert_eq!(world.titles_at_google().len(), 500);
    reaper.inserts.store(usize::MAX, Ordering::SeqCst);
    let mut jobs = 0;
    while world.titles_at_google().len() < usize::from(COUNT) {
        match world.try_push().await {
            Ok(()) => {}
            Err(Error::Later { wait, .. }) => world.pass(TimeDelta::from_std(wait).unwrap()),
            Err(error) => panic!("{error}"),
        }
        jobs += 1;
        assert!(jobs < 20, "it gets on");
    }
    assert_eq!(world.titles_at_google(), world.titles().await);
    assert_eq!(world.calls(INSERT), usize::from(COUNT) + 1, "the one that was not answered is tried again");
    let (seq, writes) = (world.seq().await, world.writes());
    world.push().await;
    world.poll().await;
    assert_eq!((world.seq().await, world.writes()), (seq, writes));
}

/// 29: `IMPORT_COUNT=50000` is the scenario itself (`infra/docs/performance.md`). A worker does no more than a page, however many there are.
#[tokio::test]
async fn an_import_in_pages_of_any_size_takes_as_many_workers_as_it_needs_and_brings_each_event_once() {
    let count = usize::try_from(number("IMPORT_COUNT", 2_510)).unwrap();
    for page in [2_500, 7] {
        let world = World::connected().await;
        world.google.populate(EMAIL, "primary", count, 0).unwrap();
        world.google.set_paging(Paging { at_most: Some(page), ..Paging::default() });
        let job = Job::Import { user: world.user, is_repair: false };
        let (mut messages, mut lists) = (0, 0);
        while world.status().await.import != ImportFlag::Completed {
            // Its time is up when it begins, so that each message does one step; but for the walk at the end.
            let now = world.clock.now();
            let import = world.store.google(world.user).await.unwrap().unwrap().list.import;
            let is_reading = import.is_none_or(|import| !import.pending.is_empty());
            let until = if is_reading { now } else { now + TimeDelta::hours(1) };
            // However slow the machine is: it is steps that are counted.
            let effort = Effort { until, limit: now + TimeDelta::hours(1), is_last_try: false };
            world.google.clear_journal();
            match world.sync.run(&job, effort).await {
                Ok(()) => messages += 1,
                Err(Error::Later { wait, .. }) => world.pass(TimeDelta::from_std(wait).unwrap()),
                Err(error) => panic!("{error}"),
            }
            assert!(world.calls(LIST) <= 1, "a page at a time");
            lists += world.calls(LIST);
        }
        assert_eq!(lists, count.div_ceil(page), "each page once");
        assert_eq!(messages, lists + 1);
        let notices = world.notices().await;
        let done = notices.iter().filter_map(|notice| match notice {
            Notice::ImportProgress(ImportProgress { done, .. }) => Some(*done),
            _ => None,
        });
        let done: Vec<u32> = done.collect();
        assert!(done.is_sorted() && done.last() == Some(&u32::try_from(count).unwrap()), "{done:?}");
        assert_eq!(world.store.records_after(world.user, None, count + 1).await.unwrap().len(), count);
    }
}
