//! The user's list of priorities: names, each known by an id.
//!
//! No screen of the web app shows the list; what an event carries is one of the four of [`crate::Priority`], and those are what
//! the list of a new user holds. A name is there once: ids are made from names, so that asking twice for one makes no second entry.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Priority, PriorityId, Refusal, UserId, id};

/// The most entries of a list.
pub const LIMIT: usize = 100;

/// The most characters of a name.
const NAME_LIMIT: usize = 100;

/// The names that a new user finds.
const DEFAULTS: [Priority; 4] =
    [Priority::Unassigned, Priority::Own, Priority::Work, Priority::Relationships];

/// The name of a priority: not empty, at most a hundred characters, no blanks around it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        let name = text.trim();
        if name.is_empty() {
            return Err(Refusal::field("name", "must not be empty"));
        }
        if name.chars().count() > NAME_LIMIT {
            return Err(Refusal::TooLong { field: "name", limit: NAME_LIMIT });
        }
        Ok(Self(name.to_owned()))
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An entry of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedPriority {
    /// Its id; it stays when the name changes.
    pub id: PriorityId,
    /// Its name; no other entry of the list has it.
    pub name: Name,
}

/// What a new user's list holds. The same ids whenever it is asked for.
pub fn defaults(user: UserId) -> [NamedPriority; 4] {
    DEFAULTS.map(|priority| {
        let name = Name(priority.as_str().to_owned());
        NamedPriority { id: made_from(user, &name, 0), name }
    })
}

/// The entry that has this name, or the one to be added: under `wanted`, if the client chose an id.
///
/// # Errors
/// [`Refusal::BadField`] when the list is full, or `wanted` is another entry's.
pub fn upsert(
    user: UserId,
    known: &[NamedPriority],
    wanted: Option<PriorityId>,
    name: Name,
) -> Result<NamedPriority, Refusal> {
    if let Some(entry) = known.iter().find(|entry| entry.name == name) {
        return Ok(entry.clone());
    }
    if known.len() >= LIMIT {
        return Err(Refusal::field(
            "name",
            format!("there are {LIMIT} priorities already, and no room for more"),
        ));
    }
    let is_taken = |id: PriorityId| known.iter().any(|entry| entry.id == id);
    match wanted {
        Some(id) if is_taken(id) => Err(Refusal::field("_id", "another priority has it")),
        Some(id) => Ok(NamedPriority { id, name }),
        None => Ok(NamedPriority { id: free(user, &name, is_taken), name }),
    }
}

/// The entry under a new name, if one is given; `None` when there is no such entry.
///
/// # Errors
/// [`Refusal::BadField`] when another entry has the name.
pub fn rename(
    known: &[NamedPriority],
    id: PriorityId,
    name: Option<Name>,
) -> Result<Option<NamedPriority>, Refusal> {
    let Some(entry) = known.iter().find(|entry| entry.id == id) else { return Ok(None) };
    let name = name.unwrap_or_else(|| entry.name.clone());
    if known.iter().any(|other| other.id != id && other.name == name) {
        return Err(Refusal::field("name", "another priority has it"));
    }
    Ok(Some(NamedPriority { id, name }))
}

/// The first id made from the name that is free: an entry that was renamed keeps the id of its former name.
fn free(user: UserId, name: &Name, is_taken: impl Fn(PriorityId) -> bool) -> PriorityId {
    let mut attempt = 0;
    loop {
        let id = made_from(user, name, attempt);
        if !is_taken(id) {
            return id;
        }
        attempt += 1;
    }
}

fn made_from(user: UserId, name: &Name, attempt: u32) -> PriorityId {
    let parts: [&[u8]; 4] = [b"priority", user.as_bytes(), name.as_str().as_bytes(), &attempt.to_be_bytes()];
    PriorityId::new(id::digest(&parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: UserId = UserId::new([1; 12]);
    const EVE: UserId = UserId::new([2; 12]);

    fn name(text: &str) -> Name {
        text.to_owned().try_into().unwrap()
    }

    #[test]
    fn a_new_user_finds_the_four_that_events_may_carry_under_ids_of_their_own() {
        let names = defaults(ADA).map(|entry| entry.name.to_string());
        assert_eq!(names, ["unassigned", "self", "work", "relationships"]);
        assert_eq!(defaults(ADA), defaults(ADA));
        for (of_ada, of_eve) in defaults(ADA).iter().zip(&defaults(EVE)) {
            assert_ne!(of_ada.id, of_eve.id);
        }
    }

    #[test]
    fn a_name_is_there_once() {
        let known = defaults(ADA);
        assert_eq!(upsert(ADA, &known, None, name(" work ")).unwrap(), known[2]);
        assert_eq!(upsert(ADA, &known, Some(PriorityId::new([7; 12])), name("work")).unwrap(), known[2]);
        let garden = upsert(ADA, &known, None, name("garden")).unwrap();
        assert_eq!(upsert(ADA, &known, None, name("garden")).unwrap(), garden);
        assert!(rename(&known, known[0].id, Some(name("work"))).is_err());
        assert!(upsert(ADA, &known, Some(known[0].id), name("garden")).is_err());
    }

    #[test]
    fn the_former_name_of_an_entry_may_be_another_ones() {
        let mut known = defaults(ADA);
        known[2] = rename(&known, known[2].id, Some(name("job"))).unwrap().unwrap();
        assert_eq!(known[2].id, defaults(ADA)[2].id);
        let work = upsert(ADA, &known, None, name("work")).unwrap();
        assert!(known.iter().all(|entry| entry.id != work.id));
        assert_eq!(rename(&known, PriorityId::new([9; 12]), Some(name("new"))).unwrap(), None);
        assert_eq!(rename(&known, known[2].id, None).unwrap().as_ref(), Some(&known[2]));
    }

    #[test]
    fn the_list_has_an_end_and_names_have_one_too() {
        let mut known: Vec<NamedPriority> = Vec::new();
        for number in 0..LIMIT {
            known.push(upsert(ADA, &known, None, name(&number.to_string())).unwrap());
        }
        assert!(upsert(ADA, &known, None, name("one more")).is_err());
        assert_eq!(upsert(ADA, &known, None, name("7")).unwrap(), known[7]);
        for bad in ["", "   ", &"é".repeat(101)] {
            assert!(Name::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        assert_eq!(name(&"é".repeat(100)).as_str().chars().count(), 100);
    }
}
