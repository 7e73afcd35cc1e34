//! What histories have found, cut down: each was a defect, and stays a test.

use domain::Scope;

use super::census::Census;
use super::history;
use super::step::{Act, Cast, Change, History, Kind, Luck, Step, Trouble, What};

fn act(which: u8, scope: Scope, change: Change) -> Act {
    Act { which, scope, change }
}

fn run(whats: impl IntoIterator<Item = What>) {
    run_with(Cast::default(), whats);
}

fn run_with(cast: Cast, whats: impl IntoIterator<Item = What>) {
    let steps = whats.into_iter().zip(1..).map(|(what, number)| Step { number, who: 0, what });
    let history = History { cast, steps: steps.collect() };
    assert_eq!(history::run(&history, &mut Census::default()), Ok(()));
}

#[test]
fn an_occurrence_that_is_edited_here_and_cancelled_at_google_keeps_what_we_do_not_know() {
    run([
        What::Work(Luck::Good),
        What::There(act(0, Scope::This, Change::Create(Kind::AllDaySeries(4)))),
        What::Work(Luck::Good),
        What::There(act(1, Scope::This, Change::Delete)),
        What::Here(act(1, Scope::This, Change::Title)),
    ]);
}

#[test]
fn an_event_that_is_edited_here_and_deleted_at_google_keeps_what_we_do_not_know() {
    run([
        What::Work(Luck::Good),
        What::There(act(0, Scope::This, Change::Create(Kind::Timed))),
        What::Work(Luck::Good),
        What::There(act(0, Scope::This, Change::Delete)),
        What::Here(act(0, Scope::This, Change::Title)),
    ]);
}

#[test]
fn a_series_of_googles_that_is_split_here_keeps_what_we_do_not_know() {
    run([
        What::There(act(0, Scope::All, Change::Create(Kind::AllDaySeries(4)))),
        What::Work(Luck::Good),
        What::Here(act(1, Scope::Following, Change::TurnAllDay)),
    ]);
}

#[test]
fn a_repair_leaves_alone_what_was_put_aside_with_its_series() {
    run([
        What::Work(Luck::Good),
        What::Here(act(0, Scope::Following, Change::Create(Kind::AllDaySeries(5)))),
        What::Work(Luck::Good),
        What::There(act(2, Scope::This, Change::Title)),
        What::Here(act(0, Scope::All, Change::Return)),
    ]);
}

#[test]
fn an_occurrence_that_leaves_a_series_that_may_only_be_read_is_taken_back() {
    run_with(
        Cast { has_calendars: true, ..Cast::default() },
        [
            What::There(act(2, Scope::This, Change::Create(Kind::Series(5)))),
            What::Work(Luck::Good),
            What::Here(act(1, Scope::This, Change::Never)),
        ],
    );
}

#[test]
fn a_series_that_may_only_be_read_and_is_put_aside_comes_back() {
    run_with(
        Cast { has_calendars: true, ..Cast::default() },
        [
            What::There(act(2, Scope::All, Change::Create(Kind::Series(5)))),
            What::Work(Luck::Good),
            What::Here(act(0, Scope::Following, Change::Return)),
        ],
    );
}

#[test]
fn an_edit_of_an_occurrence_that_a_rule_of_googles_takes_away_is_recorded() {
    run([
        What::Here(act(51, Scope::This, Change::Create(Kind::AllDaySeries(1)))),
        What::Here(act(62, Scope::Following, Change::Description)),
        What::Work(Luck::Twice),
        What::Here(act(36, Scope::Following, Change::Rule(3))),
        What::Here(act(21, Scope::Following, Change::Create(Kind::AllDay))),
        What::Work(Luck::Crash(6, true)),
        What::There(act(35, Scope::All, Change::Rule(5))),
        What::Here(act(18, Scope::This, Change::Title)),
    ]);
}

#[test]
fn an_event_that_may_only_be_read_and_becomes_a_series_is_one_event_again() {
    run_with(
        Cast { has_calendars: true, ..Cast::default() },
        [
            What::There(act(2, Scope::This, Change::Create(Kind::Timed))),
            What::Work(Luck::Good),
            What::Here(act(0, Scope::This, Change::Rule(2))),
        ],
    );
}

#[test]
fn an_occurrence_that_is_put_aside_goes_from_the_calendar_of_its_series() {
    for calendar in [1, 2] {
        run_with(
            Cast { has_calendars: true, ..Cast::default() },
            [
                What::There(act(calendar, Scope::All, Change::Create(Kind::AllDaySeries(4)))),
                What::Work(Luck::Good),
                What::Here(act(1, Scope::This, Change::Return)),
            ],
        );
    }
}

#[test]
fn a_cancelled_occurrence_that_google_has_refused_is_cancelled_by_a_repair() {
    let first = What::Here(act(0, Scope::This, Change::Create(Kind::AllDaySeries(3))));
    let then = What::Here(act(1, Scope::This, Change::Delete));
    let history = History {
        cast: Cast::default(),
        steps: vec![
            Step { number: 5, who: 0, what: first },
            Step { number: 12, who: 0, what: then },
            // Its number decides what is refused: a deletion.
            Step { number: 14, who: 0, what: What::Google(Trouble::Forbidden) },
        ],
    };
    assert_eq!(history::run(&history, &mut Census::default()), Ok(()));
}

#[test]
fn what_is_split_off_a_part_that_was_not_sent_yet_keeps_what_we_do_not_know() {
    run([
        What::There(act(63, Scope::Following, Change::Create(Kind::Series(3)))),
        What::Work(Luck::Good),
        What::Here(act(5, Scope::Following, Change::Title)),
        What::Here(act(6, Scope::This, Change::Never)),
    ]);
}
