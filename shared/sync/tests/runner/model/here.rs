//! What the user of the web app does: through the rules and the store, as the `event` function does it.

use domain::{
    Draft, EventId, Origin, Priority, Recurrence, Recurs, Refusal, Repeat, Scope, Shelf, Shown, Window,
};
use store::{Plan, Reads, Snapshot};

use super::ledger::{Cover, Side, Write};
use super::shape::{self, Time, WINDOW};
use super::step::{Act, Change, Kind};
use crate::world::World;

/// Why a request changed nothing.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// What is shown, in both views, in the order of times.
pub async fn shown(world: &World) -> Vec<Shown> {
    let window = Window::from_query(WINDOW.0, WINDOW.1).unwrap();
    let mut shown = Vec::new();
    for shelf in [Shelf::Grid, Shelf::Someday] {
        shown.extend(world.store.list(world.user, shelf, Some(&window)).await.unwrap());
    }
    shown
}

/// Does it. Returns what was acknowledged.
pub async fn act(world: &World, number: u16, act: &Act) -> Option<Write> {
    if let Change::Create(kind) = act.change {
        let draft = created(number, kind);
        save(world, &draft, Scope::This).await.then_some(())?;
        let root = shape::root(number);
        return Some(Write::new(Side::Here, number, root, Cover::All, act.change));
    }
    let all = shown(world).await;
    let shown = all.get(usize::from(act.which).checked_rem(all.len())?)?;
    let root = shape::root_in(shown.event.description.as_deref())?.to_owned();
    let cover = cover(&all, shown, act.scope);
    let is_done = match act.change {
        Change::Delete => delete(world, shown.event.id, act.scope).await,
        _ => save(world, &edited(shown, number, act.change, &root)?, act.scope).await,
    };
    let texts = |shown: &Shown| [shown.event.title.clone(), shown.event.description.clone()];
    let saw = all.iter().flat_map(texts).flatten().collect();
    is_done.then(|| Write { saw, ..Write::new(Side::Here, number, root, cover, act.change) })
}

/// What of its root an act is about. From the first occurrence on, it is all of the series.
fn cover(all: &[Shown], shown: &Shown, scope: Scope) -> Cover {
    let Recurs::Occurrence { series, .. } = shown.recurs else { return Cover::All };
    let slot = |shown: &Shown| shown.event.id.as_occurrence().1;
    let is_earlier = |other: &Shown| {
        matches!(other.recurs, Recurs::Occurrence { series: of, .. } if of == series)
            && slot(other) < slot(shown)
    };
    match scope {
        Scope::All => Cover::All,
        Scope::Following if !all.iter().any(is_earlier) => Cover::All,
        Scope::Following => Cover::Following,
        Scope::This => Cover::One(Some(slot(shown))),
    }
}

fn created(number: u16, kind: Kind) -> Draft {
    let is_all_day = matches!(kind, Kind::AllDay | Kind::AllDaySeries(_));
    let is_someday = matches!(kind, Kind::Someday);
    let mut id = [0; 12];
    id[..2].copy_from_slice(&(number + 1).to_be_bytes());
    let repeat = match kind {
        Kind::Series(rule) | Kind::AllDaySeries(rule) => Repeat::Series(shape::recurrence(rule)),
        Kind::Timed | Kind::AllDay | Kind::Someday => Repeat::Unsaid,
    };
    Draft::new(
        EventId::new(id),
        Some(shape::title(number)),
        Some(shape::root(number)),
        Time::first(number, is_all_day).span(),
        is_all_day,
        is_someday,
        Priority::Unassigned,
        Origin::Compass,
        None,
    )
    .unwrap()
    .repeating(repeat, Some(shape::zone()))
}

/// The draft that the web app makes of what it shows and what its user changes.
fn edited(shown: &Shown, number: u16, change: Change, root: &str) -> Option<Draft> {
    let Shown { mut event, recurs } = shown.clone();
    let parse = |lines: &[String]| Recurrence::parse(lines).unwrap();
    let mut repeat = match &recurs {
        Recurs::No => Repeat::Unsaid,
        Recurs::Base(lines) => Repeat::Series(parse(lines)),
        Recurs::Occurrence { series, rule, .. } => {
            Repeat::Occurrence { series: Some(*series), rule: Some(parse(rule)) }
        }
    };
    let time = Time::of(&event.span);
    match change {
        Change::Title => event.title = Some(shape::title(number)),
        Change::Description => event.description = Some(shape::description(root, number)),
        Change::Shift(days, hours) => event.span = time.shifted(days, hours).span(),
        Change::Length(length) => event.span = time.lasting(length).span(),
        Change::TurnAllDay => {
            (event.span, event.is_all_day) = (time.turned().span(), !event.is_all_day);
        }
        Change::Rule(rule) => {
            repeat = match recurs {
                Recurs::Occurrence { series, .. } => {
                    Repeat::Occurrence { series: Some(series), rule: Some(shape::recurrence(rule)) }
                }
                Recurs::No | Recurs::Base(_) => Repeat::Series(shape::recurrence(rule)),
            }
        }
        Change::Never => repeat = Repeat::Never,
        Change::Other(which) => {
            event.priority = [Priority::Work, Priority::Own, Priority::Relationships][usize::from(which) % 3];
        }
        Change::Return => event.is_someday = !event.is_someday,
        Change::Create(_) | Change::Delete | Change::Move(_) => return None,
    }
    let draft = Draft::new(
        event.id,
        event.title,
        event.description,
        event.span,
        event.is_all_day,
        event.is_someday,
        event.priority,
        event.origin,
        event.order,
    );
    Some(draft.unwrap().repeating(repeat, Some(shape::zone())))
}

/// Whether it was acknowledged.
async fn save(world: &World, draft: &Draft, scope: Scope) -> bool {
    request(world, draft.id(), scope, |snapshot| {
        domain::save(&snapshot.records, draft, scope, &snapshot.head.context(world.clock.now()))
    })
    .await
}

async fn delete(world: &World, id: EventId, scope: Scope) -> bool {
    request(world, id, scope, |snapshot| {
        domain::delete(&snapshot.records, id, scope, &snapshot.head.context(world.clock.now()))
    })
    .await
}

async fn request(
    world: &World,
    id: EventId,
    scope: Scope,
    plan: impl Fn(&Snapshot) -> Result<domain::Steps, Refusal>,
) -> bool {
    let plan = |snapshot: &Snapshot| Ok::<_, Failed>(Plan::steps(plan(snapshot)?));
    let reads = Reads::leading([id], scope);
    match world.store.mutate(world.user, reads, world.clock.now(), plan).await {
        // The web app shows what was wrong with it; nothing is acknowledged.
        Err(Failed::Refused(_)) => false,
        other => {
            other.unwrap();
            true
        }
    }
}
