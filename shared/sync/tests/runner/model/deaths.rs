//! Death at every boundary: a job of each kind dies once before and once after each of its effects, is delivered again, and all that must hold of a history
//! must hold then.
//!
//! Random histories die somewhere; these die everywhere. Only calls that change something count (`luck::EFFECTS`): what is outside the process is the same
//! before a call that reads, after it, and after the effect that came before it.

use std::collections::BTreeSet;

use domain::Scope;

use super::history;
use super::invariants::{Verdict, must};
use super::lab::Lab;
use super::luck::Death;
use super::step::{Act, Cast, Change, Kind, Luck, PushLuck, Span, Step, Trouble, Turn, What};

/// A job, and how it comes to be.
#[derive(Default)]
struct Scene {
    cast: Cast,
    /// What happens at first; then everything comes to rest. With nothing, not even the first import has run.
    first: Vec<What>,
    /// What asks for the job, or is in its way.
    then: Vec<What>,
    /// Its name, as logs have it.
    job: &'static str,
    /// Whether its time is up after each of its steps.
    is_short: bool,
    /// What it must have come to, among other effects, for it to be the one that is meant.
    effects: &'static [&'static str],
}

/// The effect of which the process died.
type Cause = (&'static str, Death);

/// Has the job die at each of its boundaries.
fn dies_everywhere(scene: &Scene) {
    let mut survived = Vec::new();
    for is_after in [false, true] {
        let mut deaths = Vec::new();
        for effect in 0.. {
            let fate =
                if scene.is_short { Luck::Cut(effect, is_after) } else { Luck::Crash(effect, is_after) };
            let (verdict, died) = history::alone(carried_out(scene, fate));
            assert_eq!(verdict, Ok(()), "it has survived {deaths:?}, and then died of {died:?}");
            let Some((operation, _)) = died else { break };
            deaths.push(operation);
        }
        survived.push(deaths);
    }
    assert_eq!(survived[0], survived[1], "it is the same job each time");
    let met: BTreeSet<&str> = survived[0].iter().copied().collect();
    let missing = scene.effects.iter().find(|effect| !met.contains(*effect));
    assert_eq!(missing, None, "of {met:?}");
}

async fn carried_out(scene: &Scene, fate: Luck) -> (Verdict, Option<Cause>) {
    let mut lab = Lab::new(scene.cast).await;
    let mut died = None;
    let verdict = Box::pin(judged(&mut lab, scene, fate, &mut died)).await;
    (verdict, died)
}

async fn judged(lab: &mut Lab, scene: &Scene, fate: Luck, died: &mut Option<Cause>) -> Verdict {
    let whats = scene.first.iter().chain(&scene.then).cloned().zip(1..);
    let steps: Vec<Step> = whats.map(|(what, number)| Step { number, who: 0, what }).collect();
    let (first, then) = steps.split_at(scene.first.len());
    if !first.is_empty() {
        lab.drain().await;
        history::live(lab, first).await?;
        lab.drain().await;
    }
    history::live(lab, then).await?;
    let has_come = lab.come_to(0, scene.job).await;
    must(has_come, || format!("there is no job {:?}", scene.job))?;
    let before = lab.deaths();
    lab.work(0, fate).await;
    *died = lab
        .deaths()
        .into_iter()
        .find(|(cause, count)| before.get(cause) != Some(count))
        .map(|(cause, _)| cause);
    lab.settle().await;
    lab.look_around().await?;
    history::judged(lab).await
}

const WITH_CALENDARS: Cast = Cast { are_two: false, has_calendars: true };

fn here(which: u8, scope: Scope, change: Change) -> What {
    What::Here(Act { which, scope, change })
}

fn there(which: u8, scope: Scope, change: Change) -> What {
    What::There(Act { which, scope, change })
}

fn new_here(kind: Kind) -> What {
    here(0, Scope::This, Change::Create(kind))
}

fn new_there(place: u8, kind: Kind) -> What {
    there(place, Scope::This, Change::Create(kind))
}

/// Google tells nobody of what it does.
fn untold(what: What) -> [What; 2] {
    [What::Push(PushLuck::Dropped), what]
}

/// A push of what a single event or a series has become.
fn push(first: Vec<What>, then: What, effects: &'static [&'static str]) {
    dies_everywhere(&Scene { first, then: vec![then], job: "push", effects, ..Scene::default() });
}

/// A series of every other day, with six occurrences.
const SERIES: Kind = Kind::Series(2);
const INSERT: &[&str] = &["events.insert", "UpdateItem"];
const UPDATE: &[&str] = &["events.update", "UpdateItem"];
const DELETE: &[&str] = &["events.delete", "UpdateItem"];

#[test]
fn a_push_of_a_new_event() {
    // Something must come first, for the import not to send it.
    push(vec![new_here(Kind::AllDay)], new_here(Kind::Timed), INSERT);
}

#[test]
fn a_push_of_an_edit() {
    push(vec![new_here(Kind::Timed)], here(0, Scope::This, Change::Title), UPDATE);
}

#[test]
fn a_push_of_a_deletion() {
    push(vec![new_here(Kind::Timed)], here(0, Scope::This, Change::Delete), DELETE);
}

#[test]
fn a_push_of_a_series_that_is_split() {
    push(
        vec![new_here(SERIES)],
        here(2, Scope::Following, Change::Title),
        &["events.insert", "events.update", "UpdateItem"],
    );
}

#[test]
fn a_push_of_a_series_that_is_split_behind_an_exception() {
    let first = vec![
        new_there(0, SERIES),
        here(1, Scope::This, Change::Title),
        there(4, Scope::This, Change::Delete),
    ];
    push(first, here(2, Scope::Following, Change::Shift(0, 3)), &["events.insert", "events.update"]);
}

#[test]
fn a_push_of_a_series_that_is_moved() {
    let first = vec![new_here(SERIES), here(1, Scope::This, Change::Title)];
    push(first, here(0, Scope::All, Change::Shift(1, 0)), UPDATE);
}

#[test]
fn a_push_of_an_edited_occurrence() {
    push(vec![new_here(SERIES)], here(2, Scope::This, Change::Shift(0, 3)), UPDATE);
}

#[test]
fn a_push_of_a_cancelled_occurrence() {
    push(vec![new_here(SERIES)], here(2, Scope::This, Change::Delete), DELETE);
}

#[test]
fn a_push_of_an_occurrence_that_becomes_an_event_of_its_own() {
    push(vec![new_here(SERIES)], here(2, Scope::This, Change::Never), INSERT);
}

#[test]
fn a_push_of_what_is_put_aside() {
    push(vec![new_here(Kind::Timed)], here(0, Scope::This, Change::Return), DELETE);
}

#[test]
fn a_push_of_what_was_put_aside_and_comes_back() {
    let first = vec![new_here(Kind::Timed), here(0, Scope::This, Change::Return), What::Work(Luck::Good)];
    push(first, here(0, Scope::This, Change::Return), INSERT);
}

/// It goes after an event that Google has moved to another calendar.
#[test]
fn a_push_of_an_edit_of_what_was_moved_to_another_calendar() {
    // It is told of in either calendar.
    let lost = || What::Push(PushLuck::Dropped);
    let moved = there(0, Scope::This, Change::Move(0));
    dies_everywhere(&Scene {
        cast: WITH_CALENDARS,
        first: vec![new_there(0, Kind::Timed)],
        then: vec![lost(), lost(), moved, here(0, Scope::This, Change::Title)],
        job: "push",
        effects: UPDATE,
        ..Scene::default()
    });
}

#[test]
fn a_push_that_meets_another_edit() {
    let theirs = untold(there(0, Scope::This, Change::Title));
    dies_everywhere(&Scene {
        first: vec![new_there(0, Kind::Timed)],
        then: theirs.into_iter().chain([here(0, Scope::This, Change::Title)]).collect(),
        job: "push",
        effects: UPDATE,
        ..Scene::default()
    });
}

#[test]
fn a_push_of_an_edit_that_is_taken_back() {
    dies_everywhere(&Scene {
        cast: WITH_CALENDARS,
        first: vec![new_there(2, Kind::Timed)],
        then: vec![here(0, Scope::This, Change::Title)],
        job: "push",
        effects: &["TransactWriteItems"],
        ..Scene::default()
    });
}

#[test]
fn a_push_of_an_edit_that_google_refuses() {
    // The second step of all: what is refused is an update.
    dies_everywhere(&Scene {
        first: vec![new_here(Kind::Timed), What::Work(Luck::Good), What::Work(Luck::Good)],
        then: vec![What::Google(Trouble::Forbidden), here(0, Scope::This, Change::Title)],
        job: "push",
        effects: &["events.update", "UpdateItem"],
        ..Scene::default()
    });
}

#[test]
fn a_pull_of_all_kinds_of_entries_in_several_pages() {
    dies_everywhere(&Scene {
        first: vec![new_there(0, Kind::Timed), new_there(0, Kind::AllDay), new_there(0, SERIES)],
        then: vec![
            What::Google(Trouble::Pages(3)),
            new_there(0, Kind::AllDaySeries(0)),
            there(0, Scope::This, Change::Title),
            there(1, Scope::This, Change::Delete),
            there(2, Scope::This, Change::Shift(0, 3)),
            there(4, Scope::Following, Change::Title),
            here(1, Scope::This, Change::Description),
        ],
        job: "pull",
        effects: &["TransactWriteItems", "UpdateItem"],
        ..Scene::default()
    });
}

/// What is left is handed to a further message.
#[test]
fn a_pull_whose_time_is_up_after_its_first_page() {
    let made = (0..3).map(|_| new_there(0, Kind::Timed));
    dies_everywhere(&Scene {
        first: vec![new_there(0, Kind::AllDay)],
        then: [What::Google(Trouble::Pages(1))].into_iter().chain(made).collect(),
        job: "pull",
        is_short: true,
        effects: &["TransactWriteItems", "SendMessage"],
        ..Scene::default()
    });
}

#[test]
fn a_pull_of_what_was_moved_to_another_calendar() {
    dies_everywhere(&Scene {
        cast: WITH_CALENDARS,
        first: vec![new_there(0, Kind::Timed), new_there(0, Kind::AllDay)],
        then: vec![there(0, Scope::This, Change::Move(0))],
        job: "pull",
        effects: &["TransactWriteItems"],
        ..Scene::default()
    });
}

#[test]
fn a_pull_whose_access_token_has_expired() {
    dies_everywhere(&Scene {
        first: vec![new_there(0, Kind::Timed)],
        then: vec![What::Account(Turn::AccessExpires), there(0, Scope::This, Change::Title)],
        job: "pull",
        effects: &["oauth.refresh", "TransactWriteItems"],
        ..Scene::default()
    });
}

#[test]
fn a_pull_whose_sync_token_is_spent() {
    let gone = untold(there(1, Scope::This, Change::Delete));
    dies_everywhere(&Scene {
        first: vec![new_there(0, Kind::Timed), new_there(0, Kind::AllDay), new_here(SERIES)],
        then: gone
            .into_iter()
            .chain([What::Google(Trouble::TokenSpent), there(0, Scope::This, Change::Title)])
            .collect(),
        job: "pull",
        effects: &["TransactWriteItems"],
        ..Scene::default()
    });
}

#[test]
fn a_poll() {
    let theirs = untold(there(0, Scope::This, Change::Title));
    dies_everywhere(&Scene {
        first: vec![new_there(0, Kind::Timed)],
        then: theirs.into_iter().chain([What::Wait(Span::Days(1))]).collect(),
        job: "poll",
        effects: &["TransactWriteItems", "oauth.refresh"],
        ..Scene::default()
    });
}

#[test]
fn an_import_of_three_calendars_in_several_pages() {
    dies_everywhere(&Scene {
        cast: WITH_CALENDARS,
        first: Vec::new(),
        then: vec![
            What::Google(Trouble::Pages(2)),
            new_there(0, Kind::Timed),
            new_there(0, SERIES),
            there(1, Scope::This, Change::Title),
            new_there(1, Kind::AllDay),
            new_there(2, Kind::AllDaySeries(0)),
        ],
        job: "import",
        effects: &["events.watch", "calendarList.watch", "TransactWriteItems"],
        ..Scene::default()
    });
}

#[test]
fn a_repair_with_mark_and_sweep() {
    let first = vec![
        new_there(0, Kind::Timed),
        new_there(0, Kind::AllDay),
        new_there(0, SERIES),
        new_here(Kind::Timed),
        there(3, Scope::This, Change::Title),
    ];
    let gone = untold(there(0, Scope::This, Change::Delete));
    let edited = untold(there(0, Scope::This, Change::Title));
    let more = [What::Google(Trouble::Pages(2)), What::Account(Turn::Repair)];
    dies_everywhere(&Scene {
        first,
        then: gone.into_iter().chain(edited).chain(more).collect(),
        job: "import",
        effects: &["TransactWriteItems"],
        ..Scene::default()
    });
}

#[test]
fn a_renewal_of_watches() {
    dies_everywhere(&Scene {
        first: vec![new_there(0, Kind::Timed)],
        then: vec![What::Wait(Span::Days(6))],
        job: "renew-watch",
        effects: &["events.watch", "calendarList.watch", "channels.stop", "TransactWriteItems"],
        ..Scene::default()
    });
}

/// A worker died when Google had opened a channel and nobody knew it yet. Now it speaks.
#[test]
fn a_stop_of_a_stray_channel() {
    const AFTER_WATCH: Luck = Luck::Doomed(3, true);
    dies_everywhere(&Scene {
        first: vec![new_there(0, Kind::Timed)],
        then: vec![
            What::Wait(Span::Days(6)),
            What::Work(AFTER_WATCH),
            What::Wait(Span::Minutes(13)),
            What::Work(Luck::Good),
            there(0, Scope::This, Change::Title),
        ],
        job: "stop-stray",
        effects: &["channels.stop"],
        ..Scene::default()
    });
}

#[test]
fn a_push_that_finds_that_access_was_withdrawn() {
    dies_everywhere(&Scene {
        first: vec![new_there(0, Kind::Timed)],
        then: vec![What::Account(Turn::Revoke), here(0, Scope::This, Change::Title)],
        job: "push",
        effects: &["oauth.refresh", "TransactWriteItems"],
        ..Scene::default()
    });
}

#[test]
fn an_import_after_access_was_given_anew() {
    dies_everywhere(&Scene {
        first: vec![
            new_there(0, Kind::Timed),
            new_there(0, SERIES),
            What::Work(Luck::Good),
            What::Account(Turn::Revoke),
            here(0, Scope::This, Change::Title),
        ],
        then: vec![there(1, Scope::This, Change::Title), What::Account(Turn::Reconnect)],
        job: "import",
        effects: &["events.watch", "channels.stop", "TransactWriteItems"],
        ..Scene::default()
    });
}
