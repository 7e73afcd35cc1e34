//! What has to be read to decide about events of Google's.

use domain::sync::Theirs;
use domain::{Address, Tag};
use store::{FamilyOf, Reads};

/// What has to be read for these.
pub(crate) fn of<'a>(events: impl IntoIterator<Item = &'a Theirs> + Clone) -> Reads {
    let addresses = events.clone().into_iter().flat_map(|theirs| match theirs {
        Theirs::Exception(exception) => {
            let tag = Tag::of(exception.series_id());
            [Address::Series(tag), Address::Exception(tag, exception.slot)]
        }
        theirs => [Address::Single(theirs.id()), Address::Series(Tag::of(theirs.id()))],
    });
    let families = events.into_iter().filter_map(|theirs| match theirs {
        Theirs::Live(copy) if copy.link.base.rule.is_some() => Some(FamilyOf::Any(theirs.id())),
        Theirs::Live(_) | Theirs::Gone(_) => Some(FamilyOf::Stored(theirs.id())),
        Theirs::Exception(_) => None,
    });
    Reads::at(addresses, families)
}
