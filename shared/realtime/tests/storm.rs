//! A storm of reconnects: a hundred of them while two hundred changes happen, over an event stream and over a socket whose posts are lost, come twice and overtake
//! each other. Nothing is missed, a frame that comes twice has the id of the first, and no catch-up says a name twice.
//!
//! The network is a model; between it and the client are the real machines and the real text.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests fail by panicking, like the tests"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use contract::stream::StreamEvent;
use domain::{EventId, Notice, Rev, UserId, Views};
use proptest::prelude::*;
use realtime::socket::Visit;
use realtime::socket::live::Run;
use realtime::{Mode, Next, Opening, Policy, Session};
use serde_json::{Value, json};
use store::{Changes, CursorKey, Head, LogEntry, Profile, Seal, Touched};

const START: DateTime<Utc> = DateTime::from_timestamp_millis(1_763_600_000_000).unwrap();
const USER: UserId = UserId::new([1; 12]);
const CHANGES: usize = 200;
const RECONNECTS: usize = 100;

/// Chance, from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }

    fn is(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

#[derive(Clone, Copy, Default)]
struct Item {
    rev: Rev,
    grid: Rev,
    someday: Rev,
}

/// A user's log and what is true of it.
struct World {
    head: Head,
    items: BTreeMap<u8, Item>,
    notices: Vec<(Rev, Notice)>,
    entries: Vec<LogEntry>,
    /// When each view, and the metadata, last changed.
    changed: [Rev; 3],
}

impl World {
    fn new() -> Self {
        let head = Head::new("ab12".into(), Profile::default(), START);
        let (items, notices, entries) = Default::default();
        Self { head, items, notices, entries, changed: [0; 3] }
    }

    fn commit(&mut self, dice: &mut Dice) {
        self.head.seq += 1;
        self.head.changed_at = START;
        let rev = self.head.seq;
        let mut entry = LogEntry { user: USER, rev, job: None, touched: None, notice: None };
        if dice.is(10) {
            self.notices.push((rev, Notice::Metadata));
            self.changed[2] = rev;
            entry.notice = Some(Notice::Metadata);
        } else {
            let number = u8::try_from(dice.below(20)).unwrap();
            let views = [(true, false), (false, true), (true, true)][dice.below(3)];
            let item = self.items.entry(number).or_default();
            item.rev = rev;
            if views.0 {
                (item.grid, self.changed[0]) = (rev, rev);
            }
            if views.1 {
                (item.someday, self.changed[1]) = (rev, rev);
            }
            let views = Views { is_grid: views.0, is_someday: views.1 };
            entry.touched = Some(Touched { id: Some(EventId::new([number; 12])), views });
        }
        self.entries.push(entry);
    }

    fn changes(&self, after: Rev) -> Changes {
        let mut changes = Changes { upto: after, ..Changes::default() };
        for (number, item) in self.items.iter().filter(|(_, item)| item.rev > after) {
            changes.upto = changes.upto.max(item.rev);
            let views = Views { is_grid: item.grid > after, is_someday: item.someday > after };
            changes.views = changes.views.union(views);
            changes.touched.push(Touched { id: Some(EventId::new([*number; 12])), views });
        }
        for (rev, notice) in self.notices.iter().filter(|(rev, _)| *rev > after) {
            changes.upto = changes.upto.max(*rev);
            changes.notices.push(notice.clone());
        }
        changes
    }
}

fn seal() -> Seal {
    CursorKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap().of(USER)
}

/// What a client has: each view as of some rev.
struct Copy {
    fetched: [Rev; 3],
    /// Every frame that came, by id and name.
    seen: HashMap<(String, String), Value>,
    duplicates: usize,
}

impl Copy {
    fn new() -> Self {
        Self { fetched: [0; 3], seen: HashMap::new(), duplicates: 0 }
    }

    /// Notes a frame; says whether it came before.
    fn note(&mut self, id: &str, name: &str, mut frame: Value) -> bool {
        // Where the client was is not what the frame says.
        frame.as_object_mut().and_then(|frame| frame.remove("after"));
        let known = self.seen.insert((id.to_owned(), name.to_owned()), frame.clone());
        self.duplicates += usize::from(known.is_some());
        if let Some(known) = &known {
            assert_eq!(*known, frame, "two frames with one id differ");
        }
        known.is_some()
    }

    fn fetch(&mut self, name: &str, world: &World) {
        let names = [StreamEvent::EventChanged, StreamEvent::SomedayEventChanged, StreamEvent::UserMetadata];
        for (view, event) in names.iter().enumerate() {
            if event.as_str() == name || name == "RESET" {
                self.fetched[view] = world.head.seq;
            }
        }
    }

    fn assert_missed_nothing(&self, world: &World) {
        for (view, (fetched, changed)) in self.fetched.iter().zip(world.changed).enumerate() {
            assert!(*fetched >= changed, "view {view} is of {fetched} and changed at {changed}");
        }
    }
}

/// An EventSource.
struct Tab {
    copy: Copy,
    last_event_id: Option<String>,
    stream: Option<Session>,
    reconnects: usize,
}

impl Tab {
    fn read(&mut self, world: &World, cut: Option<usize>) {
        let now = START + TimeDelta::hours(1);
        let blocks = match self.stream.take() {
            None => {
                self.reconnects += 1;
                let policy = Policy::new(Mode::Hold);
                let opening = Opening::new(policy, seal(), self.last_event_id.as_deref(), None);
                let backlog = opening.backlog_after().map(|rev| world.changes(rev));
                let (session, blocks) = opening.answer(&world.head, backlog, now);
                self.stream = Some(session);
                blocks
            }
            Some(mut session) => {
                let Next::Read(after) = session.next(now) else { panic!("a held stream ends") };
                let changes = world.changes(after);
                let blocks = session.told(&changes, Some(&world.head), now);
                self.stream = Some(session);
                blocks
            }
        };
        let mut text = String::new();
        blocks.iter().for_each(|block| block.write(&seal(), &mut text).unwrap());
        if let Some(cut) = cut {
            text.truncate(cut % (text.len() + 1));
            self.stream = None;
        }
        self.receive(&text, world);
    }

    fn receive(&mut self, text: &str, world: &World) {
        let mut names = BTreeSet::new();
        for block in text.split_inclusive("\n\n").filter(|block| block.ends_with("\n\n")) {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            let (Some(id), Some(name)) = (field("id: "), field("event: ")) else { continue };
            assert!(names.insert(name.to_owned()), "{name} is said twice in one answer");
            self.copy.note(id, name, json!(name));
            self.copy.fetch(name, world);
            self.last_event_id = Some(id.to_owned());
        }
    }
}

/// A client of the socket, as the messages' documentation tells to write one.
struct Client {
    copy: Copy,
    cursor: Option<String>,
    /// Whether a hello waits for its answer.
    is_waiting: bool,
    /// Whether a frame has shown that something is missing.
    is_behind: bool,
}

impl Client {
    /// Takes a frame; says whether a hello has to be sent.
    fn receive(&mut self, text: &str, world: &World) -> bool {
        let frame: Value = serde_json::from_str(text).unwrap();
        let text_of = |name: &str| frame[name].as_str().map(str::to_owned);
        let (name, id, after) = (text_of("type").unwrap(), text_of("id"), text_of("after"));
        let is_end = name == "READY" || name == "PONG";
        if !is_end {
            let is_duplicate = self.copy.note(id.as_ref().unwrap(), &name, frame.clone());
            // A duplicate may be left out: whatever it said was fetched when it came first.
            if !is_duplicate || name == "RESET" {
                self.copy.fetch(&name, world);
            }
        }
        let leads_to = text_of("cursor").or(id);
        if name == "RESET" || after == self.cursor {
            self.cursor = leads_to;
        } else if leads_to != self.cursor {
            self.is_behind = true;
        }
        if is_end {
            self.is_waiting = false;
        }
        let says_hello = self.is_behind && !self.is_waiting;
        if says_hello {
            (self.is_behind, self.is_waiting) = (false, true);
        }
        says_hello
    }
}

/// A socket, its client, and a network between them that may be bad.
struct Line {
    client: Client,
    /// Frames under way.
    under_way: Vec<String>,
    is_bad: bool,
    /// Up to which entry of the log was fanned out.
    fanned_out: usize,
    hellos: usize,
}

impl Line {
    fn post(&mut self, frame: String, dice: &mut Dice) {
        if self.is_bad && dice.is(15) {
            return;
        }
        if self.is_bad && dice.is(15) {
            self.under_way.push(frame.clone());
        }
        self.under_way.push(frame);
    }

    fn deliver(&mut self, world: &World, dice: &mut Dice) {
        while !self.under_way.is_empty() {
            let window = if self.is_bad { self.under_way.len().min(3) } else { 1 };
            let frame = self.under_way.remove(dice.below(window));
            if self.client.receive(&frame, world) {
                self.say("hello", world, dice);
            }
        }
    }

    /// The client says where it is, and is answered.
    fn say(&mut self, kind: &str, world: &World, dice: &mut Dice) {
        self.hellos += 1;
        self.client.is_waiting = true;
        let message = json!({ "type": kind, "cursor": self.client.cursor }).to_string();
        let visit = Visit::read(&message, seal()).unwrap();
        let backlog = visit.backlog_after().map(|rev| world.changes(rev));
        let session = store::Session::begin(START, START + TimeDelta::days(100));
        let answer = visit.answer(Some(&session), Some((&world.head, backlog)), START);
        let mut names = BTreeSet::new();
        for frame in answer.frames {
            let text = frame.text().unwrap();
            let name = serde_json::from_str::<Value>(&text).unwrap()["type"].to_string();
            assert!(names.insert(name), "a name is said twice in one catch-up: {text}");
            self.post(text, dice);
        }
    }

    /// What `fanout` does with the next entries: a batch of any size, now and then one that was dealt with before.
    fn fan_out(&mut self, world: &World, dice: &mut Dice) {
        let back = if self.is_bad && dice.is(20) { dice.below(4) } else { 0 };
        let from = self.fanned_out.saturating_sub(back);
        let to = world.entries.len();
        for run in Run::of(&world.entries[from..to]) {
            for frame in run.frames("ab12", &seal()) {
                self.post(frame.text().unwrap(), dice);
            }
        }
        self.fanned_out = to;
    }
}

fn storm(seed: u64) -> (usize, usize, usize) {
    let mut dice = Dice(seed);
    let mut world = World::new();
    let mut tab = Tab { copy: Copy::new(), last_event_id: None, stream: None, reconnects: 0 };
    let client = Client { copy: Copy::new(), cursor: None, is_waiting: false, is_behind: false };
    let mut line = Line { client, under_way: Vec::new(), is_bad: true, fanned_out: 0, hellos: 0 };
    tab.read(&world, None);
    line.say("hello", &world, &mut dice);
    for change in 0..CHANGES {
        world.commit(&mut dice);
        let cut = (change % (CHANGES / RECONNECTS) == 0).then(|| dice.below(1_000));
        if cut.is_some() {
            tab.stream = None;
            // The socket breaks, too: what was under way is lost, and the client comes back.
            line.under_way.clear();
            line.say("hello", &world, &mut dice);
        }
        tab.read(&world, cut.filter(|_| dice.is(50)));
        if dice.is(70) {
            line.fan_out(&world, &mut dice);
        }
        if dice.is(60) {
            line.deliver(&world, &mut dice);
        }
    }
    // The network holds. The next ping, or the next frame, shows what is missing.
    line.is_bad = false;
    line.deliver(&world, &mut dice);
    line.say("ping", &world, &mut dice);
    line.deliver(&world, &mut dice);
    tab.read(&world, None);
    tab.read(&world, None);
    tab.copy.assert_missed_nothing(&world);
    line.client.copy.assert_missed_nothing(&world);
    assert_eq!(
        line.client.cursor.as_deref(),
        Some(&*seal().seal(&store::Cursor::new("ab12", world.head.seq)))
    );
    assert!(tab.reconnects >= RECONNECTS && line.hellos >= RECONNECTS);
    (line.client.copy.duplicates, line.hellos, tab.reconnects)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn a_storm_of_reconnects_misses_nothing(seed in any::<u64>()) {
        let (duplicates, ..) = storm(seed);
        // The network did what it was told to, so something was recognised.
        prop_assert!(duplicates > 0);
    }
}
