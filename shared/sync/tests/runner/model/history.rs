//! Carrying out a history, and cutting down one that fails.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::TimeDelta;

use super::invariants::{self, Verdict};
use super::lab::Lab;
use super::ledger::{Side, Write};
use super::sight::{self, Row, Sight};
use super::step::{Change, Span, Step, What};
use super::{here, record, there};
use crate::world::EMAIL;

/// How many histories are tried to make one shorter.
const TRIES: usize = 400;

/// Carries a history out, in a process of its own as far as it can tell.
pub fn run(steps: &[Step]) -> Verdict {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(carried_out(steps))));
    outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panicked: {}", text.unwrap_or_default()))
    })
}

/// The steps that it takes to fail, and how that fails.
pub fn shrunk(mut steps: Vec<Step>) -> (Vec<Step>, String) {
    let mut why = run(&steps).err().unwrap_or_else(|| "it does not fail again".into());
    let (mut tries, mut part) = (0, steps.len().div_ceil(2));
    while part > 0 {
        let mut from = 0;
        while from < steps.len() && tries < TRIES {
            let mut fewer = steps.clone();
            fewer.drain(from..(from + part).min(steps.len()));
            tries += 1;
            match run(&fewer) {
                Err(still) => (steps, why) = (fewer, still),
                Ok(()) => from += part,
            }
        }
        part /= 2;
    }
    (steps, why)
}

async fn carried_out(steps: &[Step]) -> Verdict {
    let mut lab = Lab::new().await;
    let mut writes: Vec<Write> = Vec::new();
    for step in steps {
        lab.world.pass(TimeDelta::seconds(2));
        if let Some(write) = carry_out(&mut lab, step).await {
            writes.push(write);
        }
        lab.settle().await;
        if matches!(step.what, What::Work(_) | What::Account(_)) {
            lab.look_around().await;
        }
    }
    quiesce(&mut lab).await;
    let sight = Sight::of(&lab.world).await;
    of_the_log(&mut lab, &sight).await?;
    invariants::i1_both_sides_are_the_same(&sight)?;
    invariants::i2_each_event_is_one_event_there(&sight)?;
    invariants::i3_i4_nothing_that_was_written_is_lost(&sight, &writes)?;
    invariants::i5_what_was_deleted_stays_deleted(&sight, &writes)?;
    invariants::i11_what_we_do_not_know_survives(&sight, &writes)?;
    invariants::i12_an_all_day_event_stays_one(&sight, &writes)?;
    i6_two_polls_do_nothing(&mut lab, &sight).await?;
    lab.repeat_all();
    lab.ask_for_repair().await;
    i7_i8_nothing_was_missed(&mut lab, &sight).await
}

/// The invariants about what was noted on the way.
async fn of_the_log(lab: &mut Lab, sight: &Sight) -> Verdict {
    lab.look_around().await;
    let google = &lab.world.google;
    let (journal, now) = (google.journal(), lab.world.clock.now());
    record::i9_a_token_is_used_for_its_own_calendars(&journal, EMAIL, std::slice::from_ref(&lab.elsewhere))?;
    record::i10_work_is_bounded(&lab.log, google.quota_breaches().len())?;
    record::i13_nobody_is_mailed(&journal)?;
    let notices = format!("{:?}", lab.world.notices().await);
    record::i14_no_secret_is_told(&lab.log, &journal, &sight.issues, &notices)?;
    record::i15_rest_comes_soon(&lab.log)?;
    record::i16_who_has_left_is_left_alone(&lab.log)?;
    let open: Vec<String> = google.channels().into_iter().map(|channel| channel.id).collect();
    let items = lab.world.store.google(lab.world.user).await.unwrap().unwrap();
    let watches = items.calendars.into_iter().map(|state| state.watch).chain([items.list.watch]);
    let known = watches.flatten().filter(|watch| now < watch.expires_at);
    let known: Vec<String> = known.map(|watch| watch.channel).collect();
    record::i17_every_calendar_is_covered(&lab.log, (&open, &known, lab.is_polled().await), now)?;
    record::i20_no_event_keeps_changing(&lab.log)
}

async fn carry_out(lab: &mut Lab, step: &Step) -> Option<Write> {
    let number = step.number;
    match &step.what {
        What::Here(act) => {
            let before = before_the_end(lab, act.change).await;
            let write = here::act(&lab.world, number, act).await?;
            return Some(ending(lab, write, before).await);
        }
        What::There(act) => {
            let before = before_the_end(lab, act.change).await;
            let write = there::act(&lab.world, number, act, &lab.elsewhere)?;
            return Some(ending(lab, write, before).await);
        }
        What::Work(luck) => lab.work(*luck).await,
        What::Push(luck) => lab.push_luck(*luck),
        What::Google(trouble) => lab.trouble(*trouble, number),
        What::Wait(span) => {
            lab.world.pass(match span {
                Span::Minutes(minutes) => TimeDelta::minutes((*minutes).into()),
                Span::Hours(hours) => TimeDelta::hours((*hours).into()),
                Span::Days(days) => TimeDelta::days((*days).into()),
            });
            lab.tick().await;
        }
        What::Account(turn) => lab.turn(*turn).await,
    }
    None
}

/// Both sides before something is deleted.
async fn before_the_end(lab: &Lab, change: Change) -> Option<(Vec<Row>, Vec<Row>)> {
    if !matches!(change, Change::Delete) {
        return None;
    }
    Some((sight::here(&lab.world).await, sight::there(&lab.world)))
}

/// Notes whether a deletion left nothing of what both sides knew.
async fn ending(lab: &Lab, write: Write, before: Option<(Vec<Row>, Vec<Row>)>) -> Write {
    let Some((here, there)) = before else { return write };
    let of_root = |rows: Vec<Row>| -> Vec<Row> {
        rows.into_iter().filter(|row| row.root() == Some(write.root.as_str())).collect()
    };
    let was_known = of_root(here) == of_root(there);
    let left = match write.side {
        Side::Here => of_root(sight::here(&lab.world).await),
        Side::There => of_root(sight::there(&lab.world)),
    };
    Write { ends_all: was_known && left.is_empty(), ..write }
}

/// No more trouble, everything delivered, one poll.
async fn quiesce(lab: &mut Lab) {
    let begun = lab.world.clock.now();
    lab.world.google.clear_faults();
    lab.world.google.release_pushes();
    lab.drain().await;
    let status = lab.world.status().await;
    if status.is_revoked {
        lab.reconnect().await;
        lab.drain().await;
    }
    if lab.world.status().await.import == domain::ImportFlag::Errored {
        // Google refused an import as often as it is tried: the web app shows that, and a button.
        lab.ask_for_repair().await;
        lab.drain().await;
    }
    poll(lab).await;
    lab.log.rest = lab.world.clock.now() - begun;
}

/// What the last jobs did to what was at rest.
async fn i7_i8_nothing_was_missed(lab: &mut Lab, before: &Sight) -> Verdict {
    lab.world.google.clear_journal();
    lab.drain().await;
    let after = Sight::of(&lab.world).await;
    invariants::i7_i8_nothing_was_missed(before, &after, lab.world.writes())
}

async fn poll(lab: &mut Lab) {
    lab.world.pass(sync::due::SILENCE + TimeDelta::minutes(1));
    lab.tick().await;
    lab.drain().await;
}

/// Echo bound: after all is quiet, two more polls write nothing on either side.
async fn i6_two_polls_do_nothing(lab: &mut Lab, sight: &Sight) -> Verdict {
    lab.world.google.clear_journal();
    poll(lab).await;
    poll(lab).await;
    let (writes, seq) = (lab.world.writes(), lab.world.seq().await);
    match (writes, seq == sight.seq) {
        (0, true) => Ok(()),
        _ => Err(format!("I6: in two polls {writes} writes to Google, revs from {} to {seq}", sight.seq)),
    }
}
