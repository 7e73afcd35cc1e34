//! The three-way merge of an event that changed here and at Google.
//!
//! Who wins stands in the policy. What loses is named, so that the caller can keep it.

use serde::{Deserialize, Serialize};

use crate::{Priority, Recurrence, Span, Zone};

use super::policy::{self, Winner};

/// What an event's copies here and at Google have in common. Empty texts are absent, because Google drops them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shared {
    /// Google's `summary`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Google's `description`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Google's `start` and `end`.
    pub span: Span,
    /// Kept at Google as a private extended property.
    pub priority: Priority,
    /// Google's `recurrence` and the zone of its `start`; none for what is no series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
}

/// How a series recurs. Merges as one: lines of two rules together would be a third.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Where its wall-clock time stays the same.
    pub zone: Zone,
    /// The lines.
    pub recurrence: Recurrence,
}

impl Rule {
    /// Whether both make the same slots, as far as Google can tell. A zone says nothing about days.
    fn is_same(&self, other: &Self, is_all_day: bool) -> bool {
        let is_same_zone = is_all_day || self.zone.iana() == other.zone.iana();
        is_same_zone && self.recurrence.is_same(&other.recurrence)
    }
}

impl Shared {
    /// Whether both mean the same, however their times are written.
    pub fn is_same(&self, other: &Self) -> bool {
        FIELDS.iter().all(|field| field.is_same(self, other))
    }
}

impl Shared {
    /// Whether both recur alike.
    pub fn is_same_rule(&self, other: &Self) -> bool {
        Field::Rule.is_same(self, other)
    }
}

/// A field that merges on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "named after what they hold")]
pub enum Field {
    Title,
    Description,
    Span,
    Priority,
    Rule,
}

const FIELDS: [Field; 5] = [Field::Title, Field::Description, Field::Span, Field::Priority, Field::Rule];

impl Field {
    fn is_same(self, a: &Shared, b: &Shared) -> bool {
        match self {
            Field::Title => a.title == b.title,
            Field::Description => a.description == b.description,
            Field::Span => a.span.is_same_time(&b.span),
            Field::Priority => a.priority == b.priority,
            Field::Rule => match (&a.rule, &b.rule) {
                (Some(ours), Some(theirs)) => {
                    ours.is_same(theirs, a.span.is_all_day() && b.span.is_all_day())
                }
                (ours, theirs) => ours.is_none() && theirs.is_none(),
            },
        }
    }

    fn copy(self, from: &Shared, to: &mut Shared) {
        match self {
            Field::Title => to.title.clone_from(&from.title),
            Field::Description => to.description.clone_from(&from.description),
            Field::Span => to.span.clone_from(&from.span),
            Field::Priority => to.priority = from.priority,
            Field::Rule => to.rule.clone_from(&from.rule),
        }
    }
}

/// The base of an exception's merge, once it has taken over at Google what its series has become: where `ours` was edited (or is nothing any more),
/// that is no edit at Google which could win against it.
pub(super) fn with_inherited(base: &Shared, ours: Option<&Shared>, theirs: &Shared, made: &Shared) -> Shared {
    let mut agreed = base.clone();
    for field in FIELDS {
        let is_edited = ours.is_none_or(|ours| !field.is_same(base, ours));
        if is_edited && field.is_same(theirs, made) {
            field.copy(theirs, &mut agreed);
        }
    }
    agreed
}

/// What a merge came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// What both sides shall hold.
    pub value: Shared,
    /// Whether ours has to change.
    pub changes_ours: bool,
    /// Whether Google's has to change.
    pub changes_theirs: bool,
    /// Fields that changed on both sides to different values; one of them lost.
    pub conflicts: Vec<Field>,
}

/// Merges `ours` and `theirs`, which both came from `base` (without a base, every difference is a conflict).
///
/// `ours_is_later` says whose commit came later; on a tie it is false.
pub fn merge(base: Option<&Shared>, ours: &Shared, theirs: &Shared, ours_is_later: bool) -> Merged {
    let mut value = ours.clone();
    let mut conflicts = Vec::new();
    for field in FIELDS {
        if field.is_same(ours, theirs) {
            continue;
        }
        let (we_changed, they_changed) = match base {
            Some(base) => (!field.is_same(base, ours), !field.is_same(base, theirs)),
            None => (true, true),
        };
        if we_changed && they_changed {
            conflicts.push(field);
        }
        if policy::winner(we_changed, they_changed, ours_is_later) == Winner::Theirs {
            field.copy(theirs, &mut value);
        }
    }
    let (changes_ours, changes_theirs) = (!value.is_same(ours), !value.is_same(theirs));
    Merged { value, changes_ours, changes_theirs, conflicts }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::EventTime;

    fn shared(title: &str, hour: u32) -> Shared {
        let time = |hour: u32| format!("2026-11-20T{hour:02}:00:00Z").parse::<EventTime>().unwrap();
        let span = Span::new(time(hour), time(hour + 1)).unwrap();
        Shared {
            title: Some(title.into()),
            description: None,
            span,
            priority: Priority::Unassigned,
            rule: None,
        }
    }

    #[test]
    fn different_fields_merge() {
        let merged = merge(Some(&shared("a", 1)), &shared("b", 1), &shared("a", 2), false);
        assert_eq!(merged.value, shared("b", 2));
        assert!(merged.changes_ours && merged.changes_theirs && merged.conflicts.is_empty());
    }

    #[test]
    fn of_the_same_field_the_later_commit_wins_and_google_on_a_tie() {
        let (base, ours, theirs) = (shared("a", 1), shared("b", 1), shared("c", 1));
        let later = merge(Some(&base), &ours, &theirs, true);
        assert_eq!((later.value, later.conflicts), (ours.clone(), vec![Field::Title]));
        let tie = merge(Some(&base), &ours, &theirs, false);
        assert_eq!((tie.value, tie.conflicts), (theirs, vec![Field::Title]));
    }

    #[test]
    fn an_echo_changes_nothing() {
        let ours = shared("b", 1);
        let merged = merge(Some(&shared("a", 1)), &ours, &ours, false);
        assert!(!merged.changes_ours && !merged.changes_theirs && merged.conflicts.is_empty());
    }

    fn any_shared() -> impl Strategy<Value = Shared> {
        let rule = proptest::option::of(prop_oneof![Just(("UTC", 2)), Just(("+00:00", 2)), Just(("UTC", 3))]);
        ("[ab]?", "[ab]?", 0u32..3, prop_oneof![Just(Priority::Work), Just(Priority::Own)], rule).prop_map(
            |(title, description, hour, priority, rule)| Shared {
                title: Some(title).filter(|text| !text.is_empty()),
                description: Some(description).filter(|text| !text.is_empty()),
                priority,
                rule: rule.map(|(zone, count)| Rule {
                    zone: zone.parse().unwrap(),
                    recurrence: Recurrence::parse(&[format!("RRULE:FREQ=DAILY;COUNT={count}")]).unwrap(),
                }),
                ..shared("", hour)
            },
        )
    }

    proptest! {
        /// Once both sides hold the merged value and agree on it as their base, nothing is left to do.
        #[test]
        fn a_merge_reaches_a_fixpoint(base in any_shared(), ours in any_shared(), theirs in any_shared(), later: bool) {
            let value = merge(Some(&base), &ours, &theirs, later).value;
            let again = merge(Some(&value), &value, &value, later);
            prop_assert!(!again.changes_ours && !again.changes_theirs);
        }

        /// A field that only one side changed is never lost.
        #[test]
        fn a_one_sided_edit_is_kept(base in any_shared(), ours in any_shared(), theirs in any_shared(), later: bool) {
            let merged = merge(Some(&base), &ours, &theirs, later);
            for field in FIELDS {
                let (we, they) = (!field.is_same(&base, &ours), !field.is_same(&base, &theirs));
                if we && !they { prop_assert!(field.is_same(&merged.value, &ours)); }
                if they && !we { prop_assert!(field.is_same(&merged.value, &theirs)); }
                if we && they && !field.is_same(&ours, &theirs) { prop_assert!(merged.conflicts.contains(&field)); }
            }
        }
    }
}
