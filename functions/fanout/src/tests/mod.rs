use std::collections::BTreeSet;
use std::sync::Mutex;

use domain::{Notice, Rev, UserId};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::tests::sockets::{Connected, Gateway, cursors};

mod sockets;

const ANA: UserId = UserId::new([1; 12]);
const BEN: UserId = UserId::new([2; 12]);

/// A FIFO queue: what it accepted, each with its id, and what it is told to refuse.
#[derive(Default)]
struct FakeQueue {
    accepted: Mutex<Vec<(Job, String)>>,
    seen: Mutex<BTreeSet<String>>,
    refused: Option<UserId>,
}

fn fanout(queue: FakeQueue) -> Fanout<FakeQueue, Connected, Gateway> {
    Fanout { outbox: queue, registry: Connected::default(), posts: Gateway::default(), cursors: cursors() }
}

#[derive(Debug, thiserror::Error)]
#[error("the queue is away")]
struct Away;

impl Outbox for FakeQueue {
    type Error = Away;

    async fn send(&self, job: &Job, deduplication_id: &str) -> Result<(), Away> {
        if self.refused == Some(job.user()) {
            return Err(Away);
        }
        if self.seen.lock().unwrap().insert(deduplication_id.to_owned()) {
            self.accepted.lock().unwrap().push((job.clone(), deduplication_id.to_owned()));
        }
        Ok(())
    }
}

impl FakeQueue {
    fn accepted(&self) -> Vec<(Job, String)> {
        self.accepted.lock().unwrap().clone()
    }
}

fn record(number: usize, old: Value, new: Value) -> Record {
    let item = |value: Value| serde_dynamo::to_item(value).unwrap();
    Record { sequence_number: number.to_string(), old: item(old), new: item(new) }
}

/// An edit that Google has to learn of, as record `number` of the stream.
fn edit(number: usize, user: UserId, rev: Rev) -> Record {
    let image = json!({ "pk": format!("U#{user}"), "sk": "E#0", "rev": rev, "dirty": format!("{rev:020}") });
    record(number, json!({}), image)
}

fn wanted(number: usize, user: UserId, rev: Rev, job: Job) -> Record {
    let notice = Notice::Wanted(job);
    record(number, json!({}), json!({ "pk": format!("U#{user}"), "rev": rev, "notice": notice }))
}

fn poison(number: usize) -> Record {
    record(number, json!({}), json!({ "pk": format!("U#{ANA}"), "rev": "seven" }))
}

fn push(user: UserId, rev: Rev) -> (Job, String) {
    (Job::Push { user }, format!("log.{user}.{rev}"))
}

#[tokio::test]
async fn a_burst_of_edits_is_one_job_per_user() {
    let fanout = fanout(FakeQueue::default());
    let records = vec![edit(1, ANA, 7), edit(2, BEN, 3), edit(3, ANA, 8), edit(4, ANA, 9)];
    assert_eq!(fanout.handle(records).await, None);
    let mut accepted = fanout.outbox.accepted();
    accepted.sort_by_key(|(job, _)| job.user());
    assert_eq!(accepted, [push(ANA, 9), push(BEN, 3)]);
}

#[tokio::test]
async fn a_record_that_is_no_new_entry_of_a_log_asks_for_nothing() {
    let fanout = fanout(FakeQueue::default());
    let image = json!({ "pk": format!("U#{ANA}"), "rev": 7, "dirty": "7" });
    let records = vec![
        record(1, image.clone(), image.clone()),
        record(2, image, json!({})),
        record(3, json!({}), json!({ "pk": "EMAIL#a@b.c" })),
        record(4, json!({}), json!({ "pk": format!("U#{ANA}"), "rev": 8, "notice": Notice::Metadata })),
        record(5, json!({}), json!({ "pk": format!("U#{ANA}"), "rev": 9 })),
    ];
    assert_eq!(fanout.handle(records).await, None);
    assert_eq!(fanout.outbox.accepted(), []);
}

#[tokio::test]
async fn a_second_delivery_of_a_batch_or_of_its_tail_enqueues_nothing() {
    let fanout = fanout(FakeQueue::default());
    let records = vec![edit(1, ANA, 7), wanted(2, ANA, 8, Job::Pull { user: ANA }), edit(3, ANA, 9)];
    fanout.handle(records.clone()).await;
    let once = fanout.outbox.accepted();
    assert_eq!(once, [push(ANA, 9), (Job::Pull { user: ANA }, format!("log.{ANA}.8"))]);
    fanout.handle(records.clone()).await;
    fanout.handle(records[1..].to_vec()).await;
    assert_eq!(fanout.outbox.accepted(), once);
}

#[tokio::test]
async fn a_batch_that_grew_before_it_came_again_is_answered_to_its_end() {
    let fanout = fanout(FakeQueue::default());
    fanout.handle(vec![edit(1, ANA, 7)]).await;
    fanout.handle(vec![edit(1, ANA, 7), edit(2, ANA, 8)]).await;
    assert_eq!(fanout.outbox.accepted(), [push(ANA, 7), push(ANA, 8)]);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_reported_and_holds_up_no_other() {
    let fanout = fanout(FakeQueue::default());
    let records = vec![edit(1, ANA, 7), poison(2), edit(3, BEN, 3)];
    assert_eq!(fanout.handle(records).await, Some("2".into()));
    let mut accepted = fanout.outbox.accepted();
    accepted.sort_by_key(|(job, _)| job.user());
    assert_eq!(accepted, [push(ANA, 7), push(BEN, 3)]);
}

#[tokio::test]
async fn the_stream_goes_on_from_the_first_record_whose_job_could_not_be_sent() {
    let fanout = fanout(FakeQueue { refused: Some(BEN), ..FakeQueue::default() });
    let records = vec![edit(1, ANA, 7), edit(2, BEN, 3), edit(3, BEN, 4), edit(4, ANA, 8), poison(5)];
    assert_eq!(fanout.handle(records).await, Some("2".into()));
    // One user's trouble is not another's.
    assert_eq!(fanout.outbox.accepted(), [push(ANA, 8)]);
}

#[tokio::test]
async fn the_sample_of_a_batch_is_understood() {
    let sample = include_str!("../../../../events/fanout.changes.json");
    let event: aws_lambda_events::dynamodb::Event = serde_json::from_str(sample).unwrap();
    let records = event.records.into_iter().map(|record| Record {
        sequence_number: record.change.sequence_number.unwrap_or_default(),
        old: record.change.old_image,
        new: record.change.new_image,
    });
    let fanout = fanout(FakeQueue::default());
    assert_eq!(fanout.handle(records.collect()).await, None);
    assert!(!fanout.outbox.accepted().is_empty());
}

proptest! {
    /// Whatever batches the stream is cut into, and however often a batch comes again, the last edit of each user is followed by a
    /// job that was accepted after it, and none is accepted twice.
    #[test]
    fn every_edit_is_followed_by_a_job(
        users in prop::collection::vec(any::<bool>(), 1..30),
        batches in prop::collection::vec((0_usize..8, 1_usize..8), 0..12),
    ) {
        let mut revs = [0; 2];
        let log: Vec<Record> = users.iter().enumerate().map(|(number, is_ana)| {
            let rev = &mut revs[usize::from(*is_ana)];
            *rev += 1;
            edit(number, if *is_ana { ANA } else { BEN }, *rev)
        }).collect();
        let fanout = fanout(FakeQueue::default());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut done = 0;
        for (back, length) in batches.into_iter().chain([(8, log.len() + 8)]) {
            let from = done.min(log.len()).saturating_sub(back);
            let to = (from + length).min(log.len());
            prop_assert_eq!(runtime.block_on(fanout.handle(log[from..to].to_vec())), None);
            done = done.max(to);
        }
        let accepted = fanout.outbox.accepted();
        for (user, rev) in [(BEN, revs[0]), (ANA, revs[1])] {
            prop_assert!(rev == 0 || accepted.contains(&push(user, rev)));
        }
        let ids: BTreeSet<&String> = accepted.iter().map(|(_, id)| id).collect();
        prop_assert_eq!(ids.len(), accepted.len());
    }
}
