//! A client whose streams are cut anywhere ends in the same state as one that stayed connected.
//!
//! A model of a user's log, of the browser's EventSource and of what the web app does with each event; between them the real machine
//! and the real bytes. Commits happen at any moment, also between the two reads of an answer; an answer may be cut at any byte.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests fail by panicking, like the tests"
)]

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use contract::user::MetadataView;
use domain::{
    GoogleStatus, ImportFlag, ImportOperation, ImportOutcome, ImportStatus, Job, Notice, Rev, UserId, Views,
};
use proptest::prelude::*;
use realtime::{Block, Mode, Next, Opening, Policy, Session};
use serde_json::{Value, json};
use store::{Changes, CursorKey, Head, Profile, Seal, Stage};

const START: DateTime<Utc> = DateTime::from_timestamp_millis(1_763_600_000_000).unwrap();

/// What a commit does to an event: where it shows afterwards, or that it is gone.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Grid,
    Someday,
    Gone,
}

#[derive(Clone, Debug)]
enum Commit {
    Events(Vec<(u8, Place)>),
    Settings(bool),
    ImportStarted,
    ImportEnded,
    Revoked,
    Wanted,
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Commit),
    /// The open stream reads the log; if there is none, one is opened.
    Read(Race, Cut),
    /// Nothing happens for so many days; whatever the store does not promise to keep is purged.
    Sleep(u8),
}

/// A commit between the two reads of an answer, and whether the head is the first of them.
#[derive(Clone, Debug)]
struct Race {
    commit: Option<Commit>,
    is_head_first: bool,
}

/// After how many bytes of the answer the connection breaks, if at all.
type Cut = Option<prop::sample::Index>;

struct Item {
    place: Place,
    rev: Rev,
    grid: Rev,
    someday: Rev,
}

/// The log of a user and what is true of it.
struct World {
    now: DateTime<Utc>,
    head: Head,
    items: BTreeMap<u8, Item>,
    notices: Vec<(Rev, Notice)>,
    /// When each view last changed: grid, someday.
    changed: [Rev; 2],
}

impl World {
    fn new() -> Self {
        let head = Head::new("ab12".into(), Profile::default(), START);
        Self { now: START, head, items: BTreeMap::new(), notices: Vec::new(), changed: [0; 2] }
    }

    fn commit(&mut self, commit: &Commit) {
        self.now += TimeDelta::milliseconds(300);
        let before = self.head.seq;
        let import = |import, until| Some(GoogleStatus { import, import_until: until, ..connected() });
        match commit {
            Commit::Events(events) => {
                let mut seen = BTreeSet::new();
                for (id, place) in events {
                    if seen.insert(*id) {
                        self.put(*id, *place);
                    }
                }
            }
            Commit::Settings(skip) => {
                self.head.settings.skip_onboarding = Some(*skip);
                self.notice([Notice::Metadata]);
            }
            Commit::ImportStarted => {
                // A lease that no test outlives: its end is not in the log.
                self.head.google = import(ImportFlag::Importing, Some(START + TimeDelta::days(10_000)));
                self.notice([Notice::Metadata, Notice::ImportStarted]);
            }
            Commit::ImportEnded => {
                self.head.google = import(ImportFlag::Completed, None);
                let outcome = ImportOutcome {
                    operation: ImportOperation::Incremental,
                    status: ImportStatus::Completed,
                    message: None,
                    events_count: Some(3),
                    calendars_count: Some(1),
                };
                self.notice([Notice::ImportEnded(outcome), Notice::Metadata]);
            }
            Commit::Revoked => {
                self.head.google = Some(GoogleStatus { is_revoked: true, ..connected() });
                self.notice([Notice::GoogleRevoked, Notice::Metadata]);
            }
            Commit::Wanted => self.notice([Notice::Wanted(Job::Pull { user: UserId::new([1; 12]) })]),
        }
        if self.head.seq > before {
            self.head.changed_at = self.now;
            self.mark(before);
        }
    }

    fn put(&mut self, id: u8, place: Place) {
        self.head.seq += 1;
        let rev = self.head.seq;
        let old = self.items.remove(&id);
        let before = old.as_ref().map_or(Place::Gone, |item| item.place);
        let (mut grid, mut someday) = old.map_or((0, 0), |item| (item.grid, item.someday));
        if [before, place].contains(&Place::Grid) {
            (grid, self.changed[0]) = (rev, rev);
        }
        if [before, place].contains(&Place::Someday) {
            (someday, self.changed[1]) = (rev, rev);
        }
        self.items.insert(id, Item { place, rev, grid, someday });
    }

    fn notice(&mut self, notices: impl IntoIterator<Item = Notice>) {
        for notice in notices {
            self.head.seq += 1;
            self.notices.push((self.head.seq, notice));
        }
    }

    /// As the store keeps them: the newest rev before each day.
    fn mark(&mut self, before: Rev) {
        let mut marks = serde_json::to_value(&self.head.marks).unwrap();
        let marks = marks.as_array_mut().unwrap();
        marks.push(json!({ "at": self.now, "before": before }));
        self.head.marks = serde_json::from_value(Value::from(marks.clone())).unwrap();
    }

    fn sleep(&mut self, days: u8) {
        self.now += TimeDelta::days(days.into());
        let floor = self.head.floor(self.now);
        self.items.retain(|_, item| item.place != Place::Gone || item.rev > floor);
        self.notices.retain(|(rev, _)| *rev > floor);
    }

    fn changes(&self, after: Rev) -> Changes {
        let mut changes = Changes { upto: after, ..Changes::default() };
        for item in self.items.values().filter(|item| item.rev > after) {
            changes.upto = changes.upto.max(item.rev);
            let views = Views { is_grid: item.grid > after, is_someday: item.someday > after };
            changes.views = changes.views.union(views);
        }
        for (rev, notice) in self.notices.iter().filter(|(rev, _)| *rev > after) {
            changes.upto = changes.upto.max(*rev);
            changes.notices.push(notice.clone());
        }
        changes
    }

    fn is_revoked(&self) -> bool {
        self.head.google.as_ref().is_some_and(|google| google.is_revoked)
    }

    fn metadata(&self) -> Value {
        let head = &self.head;
        serde_json::to_value(MetadataView::new(head.settings.clone(), head.google.as_ref(), self.now))
            .unwrap()
    }
}

fn seal() -> Seal {
    let key = CursorKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    key.of(UserId::new([1; 12]))
}

fn connected() -> GoogleStatus {
    GoogleStatus { import_until: None, import: ImportFlag::Completed, ..GoogleStatus::connected(START) }
}

/// A browser tab.
struct Tab {
    last_event_id: Option<String>,
    /// The rev at which each view was last fetched: grid, someday.
    fetched: [Rev; 2],
    metadata: Value,
    is_spinning: bool,
    /// Whether access was revoked at any moment since the last answer: only then may a revocation be told.
    may_be_revoked: bool,
}

impl Tab {
    /// The page is loaded; its lists and its metadata are fetched before the stream is open.
    fn load(world: &World) -> Self {
        let fetched = [world.head.seq; 2];
        let metadata = world.metadata();
        Self { last_event_id: None, fetched, metadata, is_spinning: false, may_be_revoked: false }
    }

    /// What EventSource does with what arrived before the connection broke: a block counts once its empty line is there.
    fn receive(&mut self, text: &str, world: &World) {
        let mut names = BTreeSet::new();
        let mut rest = text;
        while let Some((block, tail)) = rest.split_once("\n\n") {
            rest = tail;
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            if let Some(id) = field("id: ") {
                self.move_to(id);
            }
            if let Some(name) = field("event: ") {
                assert!(names.insert(name.to_owned()), "{name} is said twice in one answer");
                self.dispatch(name, field("data: ").unwrap(), world);
            }
        }
    }

    fn move_to(&mut self, id: &str) {
        let rev = |id: &str| Some(seal().open(id).unwrap()).filter(|at| !at.is_nowhere()).map(|at| at.rev);
        if let (Some(old), Some(new)) = (self.last_event_id.as_deref().and_then(rev), rev(id)) {
            assert!(old <= new, "the cursor went back from {old} to {new}");
        }
        self.last_event_id = Some(id.to_owned());
    }

    fn dispatch(&mut self, name: &str, data: &str, world: &World) {
        let data: Value = serde_json::from_str(data).unwrap();
        match name {
            "EVENT_CHANGED" => self.fetched[0] = world.head.seq,
            "SOMEDAY_EVENT_CHANGED" => self.fetched[1] = world.head.seq,
            "USER_METADATA" => {
                self.is_spinning = data["google"]["connectionState"] == "IMPORTING";
                self.metadata = data;
            }
            "IMPORT_GCAL_START" => self.is_spinning = true,
            "IMPORT_GCAL_END" => self.is_spinning = false,
            "GOOGLE_REVOKED" => assert!(self.may_be_revoked, "told of a revocation that no longer holds"),
            other => panic!("unknown event {other}"),
        }
    }
}

/// The tab, the world, and the stream between them.
struct Play {
    world: World,
    tab: Tab,
    mode: Mode,
    stream: Option<Session>,
}

impl Play {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Commit(commit) => self.world.commit(commit),
            Step::Read(race, cut) => self.read(race, *cut),
            // A tab without a cursor has just been loaded: it does not sleep before its first answer.
            Step::Sleep(_) if self.tab.last_event_id.is_none() => {}
            Step::Sleep(days) => {
                self.world.sleep(*days);
                self.stream = None;
            }
        }
    }

    fn read(&mut self, race: &Race, cut: Cut) {
        self.tab.may_be_revoked = self.world.is_revoked();
        let blocks = match self.stream.take() {
            None => self.open(race),
            Some(session) => self.follow(session, race),
        };
        let mut text = String::new();
        blocks.iter().for_each(|block| block.write(&seal(), &mut text).unwrap());
        if let Some(cut) = cut {
            text.truncate(cut.index(text.len() + 1));
            self.stream = None;
        }
        self.tab.may_be_revoked |= self.world.is_revoked();
        self.tab.receive(&text, &self.world);
    }

    fn open(&mut self, race: &Race) -> Vec<Block> {
        let opening = Opening::new(Policy::new(self.mode), seal(), self.tab.last_event_id.as_deref(), None);
        let first = (self.world.head.clone(), opening.backlog_after().map(|rev| self.world.changes(rev)));
        race.commit.iter().for_each(|commit| self.world.commit(commit));
        let second = (self.world.head.clone(), opening.backlog_after().map(|rev| self.world.changes(rev)));
        let (head, backlog) = if race.is_head_first { (first.0, second.1) } else { (second.0, first.1) };
        let (session, blocks) = opening.answer(&head, backlog, self.world.now);
        self.stream = Some(session);
        blocks
    }

    fn follow(&mut self, mut session: Session, race: &Race) -> Vec<Block> {
        match session.next(self.world.now) {
            Next::End(block) => vec![block],
            Next::Read(after) => {
                let changes = self.world.changes(after);
                race.commit.iter().for_each(|commit| self.world.commit(commit));
                let head = session.needs_head(&changes).then_some(&self.world.head);
                let blocks = session.told(&changes, head, self.world.now);
                self.stream = Some(session);
                blocks
            }
        }
    }

    fn assert_up_to_date(&self) {
        for (view, (fetched, changed)) in self.tab.fetched.iter().zip(self.world.changed).enumerate() {
            assert!(*fetched >= changed, "view {view} was fetched at {fetched} and changed at {changed}");
        }
        assert_eq!(self.tab.metadata, self.world.metadata());
        let is_importing = self.world.metadata()["google"]["connectionState"] == "IMPORTING";
        assert!(!self.tab.is_spinning || is_importing, "a spinner that nothing takes away");
    }
}

fn commit() -> impl Strategy<Value = Commit> {
    let place = prop_oneof![Just(Place::Grid), Just(Place::Someday), Just(Place::Gone)];
    let events = prop::collection::vec((0_u8..4, place), 1..4).prop_map(Commit::Events);
    prop_oneof![
        6 => events,
        1 => any::<bool>().prop_map(Commit::Settings),
        1 => Just(Commit::ImportStarted),
        1 => Just(Commit::ImportEnded),
        1 => Just(Commit::Revoked),
        1 => Just(Commit::Wanted),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let race = (prop::option::weighted(0.3, commit()), any::<bool>())
        .prop_map(|(commit, is_head_first)| Race { commit, is_head_first });
    let cut = prop::option::weighted(0.5, any::<prop::sample::Index>());
    prop_oneof![
        4 => commit().prop_map(Step::Commit),
        6 => (race, cut).prop_map(|(race, cut)| Step::Read(race, cut)),
        1 => (0_u8..40).prop_map(Step::Sleep),
    ]
}

const QUIET: Race = Race { commit: None, is_head_first: true };

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn however_a_stream_is_cut_the_client_ends_up_to_date(
        mode in prop_oneof![Just(Mode::Burst), Just(Mode::Hold), Just(Mode::Poll)],
        history in prop::collection::vec(commit(), 0..4),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut world = World::new();
        history.iter().for_each(|commit| world.commit(commit));
        let tab = Tab::load(&world);
        let mut play = Play { world, tab, mode, stream: None };
        steps.iter().for_each(|step| play.step(step));
        // The network holds: the stream that is open (or the next one) is read to where nothing is left.
        for _ in 0..4 {
            play.read(&QUIET, None);
        }
        play.assert_up_to_date();
    }

    #[test]
    fn once_nothing_happens_an_open_stream_says_nothing(history in prop::collection::vec(commit(), 0..6)) {
        let mut world = World::new();
        let tab = Tab::load(&world);
        history.iter().for_each(|commit| world.commit(commit));
        let mut play = Play { world, tab, mode: Mode::Hold, stream: None };
        play.read(&QUIET, None);
        let mut session = play.stream.take().unwrap();
        for _ in 0..2 {
            let Next::Read(after) = session.next(play.world.now) else { panic!("ended") };
            let changes = play.world.changes(after);
            let head = session.needs_head(&changes).then_some(&play.world.head);
            prop_assert_eq!(session.told(&changes, head, play.world.now), vec![]);
        }
    }
}

#[test]
fn a_stream_cut_during_fifty_changes_ends_where_one_that_stayed_open_does() {
    let mut world = World::new();
    world.commit(&Commit::Events(vec![(0, Place::Grid)]));
    let tab = Tab::load(&world);
    let mut play = Play { world, tab, mode: Mode::Burst, stream: None };
    play.read(&QUIET, None);
    play.stream = None;
    for number in 0..50 {
        let place = [Place::Grid, Place::Someday, Place::Gone][usize::from(number) % 3];
        play.world.commit(&Commit::Events(vec![(number % 7, place)]));
    }
    play.read(&QUIET, None);
    play.assert_up_to_date();
    let cursor = seal().open(play.tab.last_event_id.as_deref().unwrap()).unwrap();
    assert!(matches!(cursor.stage, Stage::Via { .. }) && cursor.rev == play.world.head.seq, "{cursor}");
}
