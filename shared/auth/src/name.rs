//! A person's name, and what to call someone who did not give one.

/// A name in the parts that the web app shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As given.
    pub full: String,
    /// The first word.
    pub first: String,
    /// The rest.
    pub last: String,
}

impl Name {
    /// Takes a name apart. Google need not send one: its users may come without.
    pub fn of(given: Option<&str>) -> Self {
        let full = given.map(str::trim).filter(|name| !name.is_empty()).unwrap_or("Mystery Person");
        let mut words = full.split_whitespace();
        let first = words.next().unwrap_or("Mystery").to_owned();
        let last = words.collect::<Vec<_>>().join(" ");
        let last = if last.is_empty() { "Person".to_owned() } else { last };
        Self { full: full.to_owned(), first, last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_three_parts() {
        for (given, full, first, last) in [
            (Some("Ada Lovelace"), "Ada Lovelace", "Ada", "Lovelace"),
            (Some("  Ada   King  Lovelace "), "Ada   King  Lovelace", "Ada", "King Lovelace"),
            (Some("Ada"), "Ada", "Ada", "Person"),
            (Some(" "), "Mystery Person", "Mystery", "Person"),
            (None, "Mystery Person", "Mystery", "Person"),
        ] {
            let name = Name::of(given);
            assert_eq!((name.full.as_str(), name.first.as_str(), name.last.as_str()), (full, first, last));
        }
    }
}
