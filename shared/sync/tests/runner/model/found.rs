//! What histories have found, cut down: each was a defect, and stays a test.

use domain::Scope;

use super::history;
use super::step::{Act, Change, Kind, Luck, Step, What};

fn act(which: u8, scope: Scope, change: Change) -> Act {
    Act { which, scope, change }
}

fn run(whats: impl IntoIterator<Item = What>) {
    let steps: Vec<Step> = whats.into_iter().zip(1..).map(|(what, number)| Step { number, what }).collect();
    assert_eq!(history::run(&steps), Ok(()));
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
