//! What a history is made of: values that are short to read when one fails. Numbers that name a thing are taken modulo what there is, so that a
//! history stays one when steps are taken out of it.

use std::fmt;

use domain::Scope;
use seam::Random;

/// Who there is, and what then happens.
#[derive(Clone, Debug)]
pub struct History {
    pub cast: Cast,
    pub steps: Vec<Step>,
}

/// How much there is of what a history is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cast {
    /// Whether there is a second user, with an account of their own.
    pub are_two: bool,
    /// Whether everybody has two more calendars that are synced: one of their own, and one that they may only read.
    pub has_calendars: bool,
}

/// A step, and the number that the texts it writes carry: it stays the same when other steps are taken out.
#[derive(Clone)]
pub struct Step {
    pub number: u16,
    /// Whose it is, of those whom there are.
    pub who: u8,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    /// The user of the web app does something.
    Here(Act),
    /// The user does something at Google.
    There(Act),
    /// The worker takes the next message.
    Work(Luck),
    /// Something becomes of the next notification.
    Push(PushLuck),
    /// Google answers the next calls of a kind badly.
    Google(Trouble),
    /// Time passes, and the schedules fire.
    Wait(Span),
    /// Something about the account.
    Account(Turn),
}

/// What an event or a series is changed to, at either side.
#[derive(Clone, Debug)]
pub struct Act {
    /// Which of what is shown.
    pub which: u8,
    pub scope: Scope,
    pub change: Change,
}

#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// A new event.
    Create(Kind),
    Title,
    Description,
    /// By days, and by hours, which an all-day event leaves out.
    Shift(i8, i8),
    /// In hours, or in days.
    Length(u8),
    /// From timed to all-day or back.
    TurnAllDay,
    /// Another rule, also of what was a single event.
    Rule(u8),
    /// The rule is taken away.
    Never,
    /// Here: another priority. At Google: a member that we do not know.
    Other(u8),
    Delete,
    /// Here: to the someday list or back. At Google: out of the bin.
    Return,
    /// At Google: to another calendar of those that there are, one of which is not synced.
    Move(u8),
}

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Timed,
    AllDay,
    Series(u8),
    AllDaySeries(u8),
    Someday,
}

/// What becomes of a worker's run.
#[derive(Clone, Copy, Debug)]
pub enum Luck {
    Good,
    /// The message is delivered again although it was done.
    Twice,
    /// The worker takes the second message first: another one of the user's that was sent late.
    OutOfOrder,
    /// The process dies at its so manieth call that changes something outside, before it is made or after it has had its effect.
    Crash(u8, bool),
    /// It dies of such a call of a kind, as soon as it comes to it, be it in a later run.
    Doomed(u8, bool),
    /// The answer of its so manieth call is lost.
    Lost(u8),
    /// Its so manieth call is made twice.
    Repeated(u8),
    /// Its time is up after each of its steps.
    Short,
    /// As [`Luck::Crash`] and [`Luck::Short`]. No random history has it: those come to it by [`Luck::Doomed`].
    Cut(u8, bool),
}

#[derive(Clone, Copy, Debug)]
pub enum PushLuck {
    Dropped,
    Duplicated,
    Reordered,
    Held,
    /// What was held back is sent.
    Released,
}

/// What Google does to the next calls of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// 403 `rateLimitExceeded`.
    RateLimit,
    /// 403 `userRateLimitExceeded`.
    UserRateLimit,
    /// 429.
    TooManyRequests,
    /// 403 `quotaExceeded`: no writes for a while.
    WritesLocked,
    /// 403 `dailyLimitExceeded`: of the project, not of the user.
    ProjectLimit,
    /// 403 `insufficientPermissions`: consent does not cover it any more.
    ScopeMissing,
    /// 403 `forbidden`, of one event.
    Forbidden,
    /// 503.
    Unavailable,
    /// 500.
    Broken,
    /// 409 `conflict`.
    Conflict,
    /// 412 although nothing has changed.
    Stale,
    /// 400 because of `sequence`.
    Sequence,
    /// The write happens and the answer does not come.
    CommittedThenDropped,
    /// The write happens and the answer is an error.
    CommittedThenFailed,
    /// The write happens and the answer breaks off.
    CommittedThenCut,
    /// Nothing happens and no answer comes.
    Dropped,
    /// The token endpoint fails.
    TokenEndpoint,
    /// 410.
    TokenSpent,
    /// 400 that means the same.
    TokenRefused,
    PageTokensExpired,
    /// Lists come in pages of so many.
    Pages(u8),
}

#[derive(Clone, Copy, Debug)]
pub enum Span {
    Minutes(u8),
    Hours(u8),
    Days(u8),
}

#[derive(Clone, Copy, Debug)]
pub enum Turn {
    AccessExpires,
    Revoke,
    Reconnect,
    /// The user presses *Repair*.
    Repair,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, who, what } = self;
        let who = ["", "the other one: "][usize::from(*who) % 2];
        write!(f, "{number:>3} {who}{what:?}")
    }
}

/// The history that a seed stands for.
pub fn history(seed: u64) -> History {
    let dice = Dice(Random::seeded(seed));
    let cast = Cast { are_two: dice.below(4) == 0, has_calendars: dice.below(3) == 0 };
    let length = 8 + dice.below(if cast.are_two { 20 } else { 14 });
    let whats = std::iter::repeat_with(|| (if cast.are_two { dice.byte(2) } else { 0 }, dice.what()));
    let steps = whats.take(length).zip(1..);
    let steps = steps.map(|((who, what), number)| Step { number, who, what });
    History { cast, steps: steps.collect() }
}

struct Dice(Random);

impl Dice {
    fn below(&self, bound: u64) -> usize {
        usize::try_from(self.0.below(bound)).unwrap()
    }

    fn byte(&self, bound: u64) -> u8 {
        u8::try_from(self.0.below(bound)).unwrap()
    }

    fn pick<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64)]
    }

    fn what(&self) -> What {
        match self.below(100) {
            0..28 => What::Here(self.act(true)),
            28..54 => What::There(self.act(false)),
            54..76 => What::Work(self.luck()),
            76..80 => What::Push(self.pick(&[
                PushLuck::Dropped,
                PushLuck::Duplicated,
                PushLuck::Reordered,
                PushLuck::Held,
                PushLuck::Released,
            ])),
            80..89 => What::Google(self.trouble()),
            89..95 => What::Wait(self.span()),
            _ => What::Account(self.pick(&[
                Turn::AccessExpires,
                Turn::Revoke,
                Turn::Reconnect,
                Turn::Reconnect,
                Turn::Repair,
                Turn::Repair,
            ])),
        }
    }

    fn act(&self, is_here: bool) -> Act {
        let kind = match self.below(9) {
            0..2 => Kind::Timed,
            2 => Kind::AllDay,
            3..6 => Kind::Series(self.byte(6)),
            6..8 => Kind::AllDaySeries(self.byte(6)),
            _ => Kind::Someday,
        };
        let change = match self.below(40) {
            0..8 => Change::Create(kind),
            8..15 => Change::Title,
            15..18 => Change::Description,
            18..23 => Change::Shift(self.pick(&[0, 0, 1, -1, 2, 7]), self.pick(&[0, 3, -3, 6])),
            23..25 => Change::Length(1 + self.byte(3)),
            25..27 => Change::TurnAllDay,
            27..30 => Change::Rule(self.byte(6)),
            30 => Change::Never,
            31..33 => Change::Other(self.byte(3)),
            33..38 => Change::Delete,
            38 if !is_here => Change::Move(self.byte(6)),
            _ => Change::Return,
        };
        let scope = self.pick(&[Scope::This, Scope::This, Scope::Following, Scope::All]);
        Act { which: self.byte(64), scope, change }
    }

    fn luck(&self) -> Luck {
        match self.below(14) {
            0..4 => Luck::Good,
            4 => Luck::Short,
            5 => Luck::Twice,
            6 => Luck::OutOfOrder,
            7..9 => Luck::Crash(self.byte(8), self.below(2) == 0),
            9..12 => Luck::Doomed(self.byte(24), self.below(2) == 0),
            12 => Luck::Lost(self.byte(24)),
            _ => Luck::Repeated(self.byte(24)),
        }
    }

    /// What only strikes writes is drawn more often: there are fewer of them.
    fn trouble(&self) -> Trouble {
        if self.below(3) == 0 {
            return self.pick(&[
                Trouble::Forbidden,
                Trouble::Conflict,
                Trouble::Stale,
                Trouble::Sequence,
                Trouble::CommittedThenDropped,
                Trouble::CommittedThenFailed,
                Trouble::CommittedThenCut,
            ]);
        }
        self.pick(&[
            Trouble::RateLimit,
            Trouble::UserRateLimit,
            Trouble::TooManyRequests,
            Trouble::WritesLocked,
            Trouble::ProjectLimit,
            Trouble::ScopeMissing,
            Trouble::Unavailable,
            Trouble::Broken,
            Trouble::Dropped,
            Trouble::TokenEndpoint,
            Trouble::TokenSpent,
            Trouble::TokenRefused,
            Trouble::PageTokensExpired,
            Trouble::Pages(1 + self.byte(3)),
        ])
    }

    fn span(&self) -> Span {
        match self.below(4) {
            0..2 => Span::Minutes(1 + self.byte(40)),
            2 => Span::Hours(1 + self.byte(12)),
            _ => Span::Days(1 + self.byte(9)),
        }
    }
}
