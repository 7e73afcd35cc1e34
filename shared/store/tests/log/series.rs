//! Series in the table: what they cost, where their exceptions are found, and what is left of an edit that was cut off.

use domain::{Record, Records, Recurrence, Recurs, Repeat, Steps};

use super::*;

fn series_of(n: u8, start: &str, end: &str, rule: &str) -> Draft {
    let recurrence = Recurrence::parse(&[rule.to_owned()]).unwrap();
    draft(n, start, end, false).repeating(Repeat::Series(recurrence), Some("Europe/Berlin".parse().unwrap()))
}

fn daily(n: u8, rule: &str) -> Draft {
    series_of(n, "2026-11-16T09:00:00+01:00", "2026-11-16T10:00:00+01:00", rule)
}

fn window(start: &str, end: &str) -> Window {
    Window::from_query(start, end).unwrap()
}

fn week() -> Window {
    window("2026-11-16T00:00:00Z", "2026-11-22T23:59:59Z")
}

/// The same as shown, with another title and at another time.
fn edited(shown: &Shown, title: &str, start: &str, end: &str) -> Draft {
    let Event { id, is_someday, order, .. } = shown.event;
    let span = Span::new(start.parse().unwrap(), end.parse().unwrap()).unwrap();
    let is_all_day = span.is_all_day();
    let (title, priority, origin) = (Some(title.to_owned()), Priority::Work, Origin::Compass);
    let draft = Draft::new(id, title, None, span, is_all_day, is_someday, priority, origin, order).unwrap();
    let Recurs::Occurrence { series, rule, .. } = &shown.recurs else { panic!("no occurrence") };
    let rule = Some(Recurrence::parse(rule).unwrap());
    draft.repeating(Repeat::Occurrence { series: Some(*series), rule }, None)
}

fn renamed(shown: &Shown, title: &str) -> Draft {
    let span = &shown.event.span;
    edited(shown, title, span.start().as_str(), span.end().as_str())
}

/// Start and title of each.
fn lines(shown: &[Shown]) -> Vec<String> {
    let line = |shown: &Shown| {
        format!("{} {}", shown.event.span.start(), shown.event.title.as_deref().unwrap_or_default())
    };
    shown.iter().map(line).collect()
}

async fn grid(store: &Store, user: UserId, window: &Window) -> Vec<Shown> {
    store.list(user, Shelf::Grid, Some(window)).await.unwrap()
}

/// Sort keys of all that is stored.
async fn stored(table: &TestTable) -> Vec<String> {
    let scanned = table.client.scan().table_name(&table.table_name).send().await.unwrap();
    let sort_key =
        |item: &std::collections::HashMap<String, AttributeValue>| item["sk"].as_s().unwrap().clone();
    let mut keys: Vec<String> = scanned.items().iter().map(sort_key).collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn an_endless_series_is_one_item_beside_head_and_costs_what_an_event_costs() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table, seam());
    let user = user_in(&table).await;
    let (rev, bill) = seam::measured(save(&store, user, &daily(1, "RRULE:FREQ=DAILY"))).await;
    assert_eq!((rev, bill.store_rounds), (1, 2));
    let keys = stored(&table).await;
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert!(keys[0] == "HEAD" && keys[1].starts_with("R#"), "{keys:?}");
    for (start, end) in [
        ("2026-11-16T00:00:00Z", "2026-11-22T23:59:59Z"),
        ("2526-11-16T00:00:00Z", "2526-11-22T23:59:59Z"),
        ("9998-11-16T00:00:00Z", "9998-11-22T23:59:59Z"),
    ] {
        let window = window(start, end);
        let (shown, other) = seam::measured(grid(&store, user, &window)).await;
        assert_eq!((shown.len(), other.store_rounds), (7, 1), "{start}");
        // A unit for each of the three queries, the least there is.
        assert!(other.read_units <= 3.0, "{start}: {}", other.read_units);
    }
}

#[tokio::test]
async fn a_week_with_changed_occurrences_is_still_one_round() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table, seam());
    let user = user_in(&table).await;
    save(&store, user, &daily(1, "RRULE:FREQ=DAILY")).await;
    let shown = grid(&store, user, &week()).await;
    let moved = edited(&shown[2], "moved", "2026-11-18T15:00:00+01:00", "2026-11-18T16:00:00+01:00");
    let (_, bill) = seam::measured(save(&store, user, &moved)).await;
    assert_eq!(bill.store_rounds, 2, "one read of all that an id can mean, and one transaction");
    delete(&store, user, shown[4].event.id).await;
    let (shown, bill) = seam::measured(grid(&store, user, &week())).await;
    assert_eq!(bill.store_rounds, 1);
    assert_eq!(
        lines(&shown),
        [
            "2026-11-16T09:00:00+01:00 event 1",
            "2026-11-17T09:00:00+01:00 event 1",
            "2026-11-18T15:00:00+01:00 moved",
            "2026-11-19T09:00:00+01:00 event 1",
            "2026-11-21T09:00:00+01:00 event 1",
            "2026-11-22T09:00:00+01:00 event 1",
        ]
    );
}

#[tokio::test]
async fn an_occurrence_is_found_beyond_the_end_of_its_series_and_on_the_other_shelf() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table, seam());
    let user = user_in(&table).await;
    save(&store, user, &daily(1, "RRULE:FREQ=DAILY;COUNT=5")).await;
    let shown = grid(&store, user, &week()).await;
    let moved = edited(&shown[1], "later", "2027-03-01T09:00:00+01:00", "2027-03-01T10:00:00+01:00");
    save(&store, user, &moved).await;
    let aside = Event { is_someday: true, ..shown[2].event.clone() };
    save(&store, user, &renamed(&Shown { event: aside, recurs: shown[2].recurs.clone() }, "someday")).await;

    let spring = window("2027-02-28T00:00:00Z", "2027-03-02T00:00:00Z");
    let (later, bill) = seam::measured(grid(&store, user, &spring)).await;
    assert_eq!(lines(&later), ["2027-03-01T09:00:00+01:00 later"]);
    assert!(matches!(&later[0].recurs, Recurs::Occurrence { series, .. } if *series == id(1)));
    assert_eq!(bill.store_rounds, 2, "its series is not in the window and has to be fetched");
    let someday = store.list(user, Shelf::Someday, Some(&week())).await.unwrap();
    assert_eq!(lines(&someday), ["2026-11-18T09:00:00+01:00 someday"]);
    assert_eq!(grid(&store, user, &week()).await.len(), 3);

    delete_in(&store, user, later[0].event.id, Scope::All).await;
    assert_eq!(grid(&store, user, &spring).await, []);
    assert_eq!(store.list(user, Shelf::Someday, None).await.unwrap(), []);
}

/// More exceptions than a transaction holds.
const MANY: usize = 110;

fn months() -> Window {
    window("2026-11-01T00:00:00Z", "2027-06-30T23:59:59Z")
}

/// A daily series with `MANY` occurrences renamed, each edit planned on top of the one before.
async fn much_edited(store: &Store, user: UserId, n: u8) -> Vec<Shown> {
    save(store, user, &daily(n, "RRULE:FREQ=DAILY;COUNT=150")).await;
    let shown = grid(store, user, &months()).await;
    for part in shown[20..20 + MANY].chunks(40) {
        let plan = |snapshot: &Snapshot| {
            let mut records: Records = snapshot.records.clone();
            let mut steps = Steps::none();
            for shown in part {
                let next = domain::save(&records, &renamed(shown, "own"), Scope::This, &context()).unwrap();
                records.apply(&next);
                steps = steps.then(next);
            }
            Ok::<_, Error>(Plan::steps(steps))
        };
        let reads = Reads::leading(part.iter().map(|shown| shown.event.id), Scope::This);
        store.mutate(user, reads, now(), plan).await.unwrap();
    }
    grid(store, user, &months()).await
}

/// Lets so many transactions through, and no other.
struct Only(AtomicUsize);

impl Script for Only {
    fn next(&self, _: Kind, operation: &'static str) -> Option<Fault> {
        if operation != "TransactWriteItems" {
            return None;
        }
        let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.is_err().then_some(Fault::FailBefore)
    }
}

fn failing_after(table: &TestTable, transactions: usize) -> Store {
    store_on(table, seam().with_script(Arc::new(Only(AtomicUsize::new(transactions)))))
}

async fn try_save(store: &Store, user: UserId, draft: &Draft, scope: Scope) -> Result<u64, Error> {
    let plan = |snapshot: &Snapshot| {
        Ok::<_, Error>(Plan::steps(domain::save(&snapshot.records, draft, scope, &context()).unwrap()))
    };
    store.mutate(user, Reads::leading([draft.id()], scope), now(), plan).await
}

#[tokio::test]
async fn a_split_too_large_for_one_transaction_is_right_wherever_it_is_cut_off() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table, seam());
    let user = user_in(&table).await;
    let before = much_edited(&store, user, 1).await;
    let split = edited(
        &before[10],
        "tail",
        before[10].event.span.start().as_str(),
        before[10].event.span.end().as_str(),
    );
    let mut after: Vec<String> = lines(&before);
    for (place, line) in after.iter_mut().enumerate().skip(10) {
        // What the user had changed on its own is changed along.
        *line = line.replace("event 1", "tail").replace("own", "tail");
        assert!(line.ends_with("tail"), "{place}");
    }
    // The browser asks again and again, and each time one more transaction gets through.
    let mut attempts = 1;
    while try_save(&failing_after(&table, 1), user, &split, Scope::Following).await.is_err() {
        let shown = lines(&grid(&store, user, &months()).await);
        assert!(shown == lines(&before) || shown == after, "after {attempts} transactions: {shown:#?}");
        attempts += 1;
        assert!(attempts < 10);
    }
    assert_eq!(lines(&grid(&store, user, &months()).await), after);
    assert!(attempts > 3, "{attempts} attempts show only as many transactions");
}

#[tokio::test]
async fn the_deletion_of_a_much_edited_series_shows_nothing_of_it_wherever_it_is_cut_off() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table, seam());
    let user = user_in(&table).await;
    let before = much_edited(&store, user, 1).await;
    for transactions in 0..3 {
        let flaky = failing_after(&table, transactions);
        let plan = |snapshot: &Snapshot| {
            let steps = domain::delete(&snapshot.records, before[0].event.id, Scope::All, &context());
            Ok::<_, Error>(Plan::steps(steps.unwrap()))
        };
        let reads = Reads::leading([before[0].event.id], Scope::All);
        let done = flaky.mutate(user, reads, now(), plan).await;
        let left = grid(&store, user, &months()).await;
        match transactions {
            0 => assert!(done.is_err() && left == before),
            _ => assert_eq!(left, [], "after {transactions} transactions"),
        }
    }
}

/// Ends what was left unfinished, as the sweep does an hour later.
async fn sweep(store: &Store) {
    let later = now() + chrono::TimeDelta::hours(1);
    for row in store.due(Due::Unfinished, 0, later, 10).await.unwrap() {
        store.finish(&row, later).await.unwrap();
    }
}

#[tokio::test]
async fn an_edit_of_all_that_was_cut_off_while_it_cleaned_up_is_ended_by_the_sweep() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table, seam());
    let user = user_in(&table).await;
    let before = much_edited(&store, user, 1).await;
    let all = renamed(&before[5], "all");
    // The commit gets through, and nothing after it.
    assert!(try_save(&failing_after(&table, 1), user, &all, Scope::All).await.is_err());
    let old = |shown: &[Shown]| lines(shown).iter().filter(|line| line.ends_with("own")).count();
    assert_eq!(old(&grid(&store, user, &months()).await), MANY, "exceptions are yet to follow");
    // Meanwhile somebody edits one of them.
    let mine = grid(&store, user, &months()).await;
    save(&store, user, &renamed(&mine[30], "mine")).await;
    sweep(&store).await;
    let after = grid(&store, user, &months()).await;
    let titles: Vec<_> = after.iter().map(|shown| shown.event.title.as_deref().unwrap()).collect();
    assert_eq!(titles.iter().filter(|title| **title == "all").count(), 149);
    assert_eq!(titles[30], "mine");
    let rev = store.head(user).await.unwrap().seq;
    sweep(&store).await;
    assert_eq!(store.head(user).await.unwrap().seq, rev, "it is ended once");
    assert!(!stored(&table).await.iter().any(|key| key.starts_with("J#") && !key[2..].contains('#')));
}

#[tokio::test]
async fn scoped_edits_at_the_same_time_all_come_to_pass() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table, seam());
    let user = user_in(&table).await;
    save(&store, user, &daily(1, "RRULE:FREQ=DAILY;COUNT=7")).await;
    let shown = grid(&store, user, &week()).await;
    let script = held_up("TransactWriteItems");
    let slow = store_on(&table, seam().with_script(script.clone()));
    let own = edited(&shown[1], "own", "2026-11-17T15:00:00+01:00", "2026-11-17T16:00:00+01:00");
    let all = edited(&shown[3], "all", "2026-11-19T11:00:00+01:00", "2026-11-19T12:00:00+01:00");
    // The edit of all was planned without the exception; when it comes to be written, it is planned anew.
    let (_, _) =
        tokio::join!(save_in(&slow, user, &all, Scope::All), meanwhile(&script, 1, save(&store, user, &own)));
    let lines = lines(&grid(&store, user, &week()).await);
    assert_eq!(lines[0], "2026-11-16T11:00:00+01:00 all");
    assert_eq!(lines[1], "2026-11-17T15:00:00+01:00 all");
    assert_eq!(lines.len(), 7);
}

#[tokio::test]
async fn a_move_of_all_whose_answer_was_lost_moves_them_once() {
    for fault in [Fault::FailBefore, Fault::FailAfter, Fault::Repeat] {
        let table = TestTable::start().await.unwrap();
        let user = user_in(&table).await;
        let sure = store_on(&table, seam());
        save(&sure, user, &daily(1, "RRULE:FREQ=DAILY;COUNT=3")).await;
        let shown = grid(&sure, user, &week()).await;
        let script = Nth {
            operation: "TransactWriteItems",
            fault: Mutex::new(Some(fault)),
            calls: AtomicUsize::new(0),
        };
        let store = store_on(&table, seam().with_script(Arc::new(script)));
        let moved = edited(&shown[1], "event 1", "2026-11-18T10:00:00+01:00", "2026-11-18T11:00:00+01:00");
        let rev = save_in(&store, user, &moved, Scope::All).await;
        let once = [
            "2026-11-17T10:00:00+01:00 event 1",
            "2026-11-18T10:00:00+01:00 event 1",
            "2026-11-19T10:00:00+01:00 event 1",
        ];
        assert_eq!(lines(&grid(&sure, user, &week()).await), once, "{fault:?}");
        assert_eq!(rev, 2, "{fault:?}");
        // And when the browser repeats the request: the id it names is of a slot that is gone.
        save_in(&sure, user, &moved, Scope::All).await;
        assert_eq!(lines(&grid(&sure, user, &week()).await), once, "{fault:?}");
    }
}

#[tokio::test]
async fn each_part_of_a_series_is_in_the_log() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table, seam());
    let user = user_in(&table).await;
    save(&store, user, &daily(1, "RRULE:FREQ=DAILY;COUNT=7")).await;
    let shown = grid(&store, user, &week()).await;
    let rev = save(&store, user, &renamed(&shown[2], "own")).await;
    let split = renamed(&shown[4], "tail");
    let last = save_in(&store, user, &split, Scope::Following).await;
    let changes = store.changes(user, rev).await.unwrap();
    assert_eq!((changes.upto, changes.views), (last, Views { is_grid: true, is_someday: false }));
    let dirty: Vec<Record> = store.dirty(user, 10).await.unwrap();
    assert_eq!(dirty.len(), 3, "the series, its exception and the tail are to be told to Google");
}
