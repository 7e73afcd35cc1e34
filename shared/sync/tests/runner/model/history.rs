//! Carrying out a history, and cutting down one that fails.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::TimeDelta;
use store::Due;
use sync::due::{POLL, SILENCE};

use super::census::Census;
use super::flaw::Flaw;
use super::invariants::{self, Verdict};
use super::lab::Lab;
use super::ledger::{Side, Write};
use super::person::Person;
use super::sight::{self, Row, Sight};
use super::step::{Act, Cast, Change, History, Span, Step, What};
use super::{here, record, there, trouble};

/// How many histories are tried to make one shorter.
const TRIES: usize = 400;

/// Carries a history out, in a process of its own as far as it can tell. What it came through is added to `census`.
pub fn run(history: &History, census: &mut Census) -> Verdict {
    run_in(Flaw::default(), history, census)
}

/// The same in a world of which something is wrong.
pub fn run_in(flaw: Flaw, history: &History, census: &mut Census) -> Verdict {
    let (verdict, counted) = alone(carried_out(flaw, history));
    census.add(counted);
    verdict
}

/// Carries something out on a runtime of its own. To panic is a verdict, too.
pub fn alone<T: Default>(work: impl Future<Output = (Verdict, T)>) -> (Verdict, T) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(Box::pin(work))));
    outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        (Err(format!("panicked: {}", text.unwrap_or_default())), T::default())
    })
}

/// What it takes of a history to fail, and how that fails.
pub fn shrunk(flaw: Flaw, mut history: History) -> (History, String) {
    let run = |history: &History| run_in(flaw, history, &mut Census::default());
    let mut why = run(&history).err().unwrap_or_else(|| "it does not fail again".into());
    for cast in [
        Cast::default(),
        Cast { are_two: false, ..history.cast },
        Cast { has_calendars: false, ..history.cast },
    ] {
        let smaller = History { cast, ..history.clone() };
        if cast != history.cast
            && let Err(still) = run(&smaller)
        {
            (history, why) = (smaller, still);
            break;
        }
    }
    if !history.cast.are_two {
        history.steps.iter_mut().for_each(|step| step.who = 0);
    }
    let (mut tries, mut part) = (0, history.steps.len().div_ceil(2));
    while part > 0 {
        let mut from = 0;
        while from < history.steps.len() && tries < TRIES {
            let mut fewer = history.clone();
            fewer.steps.drain(from..(from + part).min(history.steps.len()));
            tries += 1;
            match run(&fewer) {
                Err(still) => (history, why) = (fewer, still),
                Ok(()) => from += part,
            }
        }
        part /= 2;
    }
    (history, why)
}

async fn carried_out(flaw: Flaw, history: &History) -> (Verdict, Census) {
    let mut lab = Lab::flawed(history.cast, flaw).await;
    let lived = Box::pin(live(&mut lab, &history.steps)).await;
    let verdict = match lived {
        Ok(()) => Box::pin(judged(&mut lab)).await,
        Err(why) => Err(why),
    };
    if verdict.is_err() {
        lab.condemn();
    }
    (verdict, lab.census())
}

/// Does what the steps say, and looks at what must hold at each moment.
pub async fn live(lab: &mut Lab, steps: &[Step]) -> Verdict {
    for step in steps {
        lab.world().pass(TimeDelta::seconds(2));
        Box::pin(carry_out(lab, step)).await;
        lab.settle().await;
        if matches!(step.what, What::Work(_) | What::Account(_)) {
            lab.look_around().await?;
        }
    }
    Ok(())
}

/// Brings everything to rest, and looks at what must hold then.
pub async fn judged(lab: &mut Lab) -> Verdict {
    let rest = Box::pin(quiesce(lab)).await?;
    record::i15_rest_comes_soon(rest)?;
    lab.look_around().await?;
    let mut sights = Vec::new();
    for who in 0..lab.people.len() {
        sights.push(Box::pin(of_a_user(lab, who)).await?);
    }
    i6_two_polls_do_nothing(lab, &sights).await?;
    for person in &mut lab.people {
        person.repeat_all();
        person.ask_for_repair().await;
    }
    i7_i8_nothing_was_missed(lab, &sights).await
}

/// What must hold of a user's events and of what was noted about them.
async fn of_a_user(lab: &mut Lab, who: usize) -> Result<Sight, String> {
    let sight = Sight::of(&lab.people[who]).await;
    of_the_log(lab, who, &sight).await?;
    let person = &lab.people[who];
    let writes = &person.writes;
    invariants::i1_both_sides_are_the_same(&sight)?;
    invariants::i2_each_event_is_one_event_there(&sight)?;
    invariants::i3_i4_nothing_that_was_written_is_lost(&sight, writes)?;
    invariants::i5_what_was_deleted_stays_deleted(&sight, writes)?;
    invariants::i9_everything_is_ones_own(&sight, writes)?;
    invariants::what_may_only_be_read_stays_where_it_is(&sight, person)?;
    invariants::i11_what_we_do_not_know_survives(&sight, writes)?;
    invariants::i12_an_all_day_event_stays_one(&sight, writes)?;
    invariants::i2_nothing_is_there_twice(&sight, writes)?;
    Ok(sight)
}

/// The invariants about what was noted on the way.
async fn of_the_log(lab: &mut Lab, who: usize, sight: &Sight) -> Verdict {
    let (journal, now) = (lab.world().google.journal(), lab.now());
    let notices = lab.people[who].world.notices().await;
    lab.census.told(&sight.issues, &notices);
    if who == 0 {
        lab.census.answered(&journal);
    }
    let person = &lab.people[who];
    let (log, google) = (&person.log, &person.world.google);
    let calendars = person.places.iter().map(|place| place.calendar.clone());
    let own: Vec<String> = calendars.chain([person.elsewhere.clone()]).collect();
    record::i9_a_user_is_alone(log, &journal, person.world.email, &own)?;
    record::i10_work_is_bounded(log, google.quota_breaches().len())?;
    record::i13_nobody_is_mailed(&journal)?;
    let urls = journal.iter().map(|entry| format!("{} {:?} {:?}", entry.path, entry.query, entry.body));
    let told = [
        format!("jobs {:?}", log.jobs),
        format!("errors {:?}", log.errors),
        format!("issues {:?}", sight.issues),
        format!("notices {notices:?}"),
        format!("records {:?}", sight.records),
        format!("log {}", crate::world::Log::text()),
    ];
    let told: Vec<String> =
        told.into_iter().chain(urls).chain(person.world.table.values().unwrap()).collect();
    record::i14_no_secret_is_told(&google.secrets(), &told, &journal)?;
    record::i16_who_has_left_is_left_alone(log)?;
    let coverage = person.coverage(now).await;
    let is_watched = coverage.iter().all(|calendar| calendar.known.is_some());
    let within = if is_watched { SILENCE } else { POLL };
    let is_polled = lab.is_due(who, Due::Poll, within).await;
    record::i17_every_calendar_is_covered(log, &coverage, is_polled, &journal)?;
    record::i20_no_event_keeps_changing(log)
}

async fn carry_out(lab: &mut Lab, step: &Step) {
    let (number, who) = (step.number, usize::from(step.who) % lab.people.len());
    lab.census.stepped(&step.what);
    match &step.what {
        What::Here(act) => {
            let before = before_the_end(lab, who, act.change).await;
            if let Some(write) = here::act(&lab.people[who].world, number, act).await {
                noted(lab, who, (write, act), before).await;
            }
        }
        What::There(act) => {
            let before = before_the_end(lab, who, act.change).await;
            if let Some(write) = there::act(&lab.people[who], number, act) {
                noted(lab, who, (write, act), before).await;
            }
        }
        What::Work(luck) => lab.work(who, *luck).await,
        What::Push(luck) => trouble::push(lab.world(), *luck),
        What::Google(trouble) => lab.trouble(who, *trouble, number),
        What::Wait(span) => {
            lab.world().pass(match span {
                Span::Minutes(minutes) => TimeDelta::minutes((*minutes).into()),
                Span::Hours(hours) => TimeDelta::hours((*hours).into()),
                Span::Days(days) => TimeDelta::days((*days).into()),
            });
            lab.tick().await;
        }
        What::Account(turn) => lab.turn(who, *turn).await,
    }
}

/// Both sides before something is deleted.
async fn before_the_end(lab: &Lab, who: usize, change: Change) -> Option<(Vec<Row>, Vec<Row>)> {
    if !matches!(change, Change::Delete) {
        return None;
    }
    let person = &lab.people[who];
    Some((sight::here(person).await, sight::there(person)))
}

/// Notes what was written, and whether a deletion left nothing of what both sides knew.
async fn noted(lab: &mut Lab, who: usize, (write, act): (Write, &Act), before: Option<(Vec<Row>, Vec<Row>)>) {
    lab.census.wrote(write.side, act);
    let write = match before {
        Some(before) => ending(&lab.people[who], write, before).await,
        None => write,
    };
    lab.people[who].writes.push(write);
}

async fn ending(person: &Person, write: Write, (here, there): (Vec<Row>, Vec<Row>)) -> Write {
    let of_root = |rows: Vec<Row>| -> Vec<Row> {
        rows.into_iter().filter(|row| row.root() == Some(write.root.as_str())).collect()
    };
    let (here, there) = (of_root(here), of_root(there));
    // Where nothing may be written, a deletion is taken back.
    let is_own = |row: &Row| person.places.iter().any(|place| place.is_writable && row.is_in(place));
    let was_known = here == there && here.iter().all(|row| write.side == Side::There || is_own(row));
    let left = match write.side {
        Side::Here => of_root(sight::here(person).await),
        Side::There => of_root(sight::there(person)),
    };
    Write { ends_all: was_known && left.is_empty(), ..write }
}

/// Everything delivered, and no more trouble; one poll; and the user does what the web app asks for. Returns how long it took to come to rest.
async fn quiesce(lab: &mut Lab) -> Result<TimeDelta, String> {
    lab.exhaust().await;
    lab.look_around().await?;
    let begun = lab.now();
    lab.clear_faults();
    lab.world().google.release_pushes();
    lab.drain().await;
    heal(lab).await;
    poll(lab).await;
    if heal(lab).await {
        // That access was withdrawn was found by the poll.
        poll(lab).await;
    }
    Ok(lab.now() - begun)
}

/// Who is told to consent anew does so, and who is told that something failed or was put aside repairs. Whether anybody was.
async fn heal(lab: &mut Lab) -> bool {
    let mut was_told = false;
    for who in 0..lab.people.len() {
        if lab.people[who].world.status().await.is_revoked {
            lab.people[who].reconnect().await;
            lab.drain().await;
            was_told = true;
        }
        if lab.people[who].is_to_repair().await {
            lab.people[who].ask_for_repair().await;
            lab.drain().await;
            was_told = true;
        }
    }
    was_told
}

/// What the last jobs did to what was at rest.
async fn i7_i8_nothing_was_missed(lab: &mut Lab, before: &[Sight]) -> Verdict {
    lab.world().google.clear_journal();
    lab.drain().await;
    for (before, person) in before.iter().zip(&lab.people) {
        let after = Sight::of(person).await;
        invariants::i7_i8_nothing_was_missed(before, &after, lab.world().writes())?;
    }
    Ok(())
}

async fn poll(lab: &mut Lab) {
    lab.world().pass(SILENCE + TimeDelta::minutes(1));
    lab.tick().await;
    lab.drain().await;
}

/// Echo bound: after all is quiet, two more polls write nothing on either side.
async fn i6_two_polls_do_nothing(lab: &mut Lab, sights: &[Sight]) -> Verdict {
    lab.world().google.clear_journal();
    poll(lab).await;
    poll(lab).await;
    let writes = lab.world().writes();
    for (sight, person) in sights.iter().zip(&lab.people) {
        let seq = person.world.seq().await;
        invariants::must(writes == 0 && seq == sight.seq, || {
            format!("I6: in two polls {writes} writes to Google, revs from {} to {seq}", sight.seq)
        })?;
    }
    Ok(())
}
