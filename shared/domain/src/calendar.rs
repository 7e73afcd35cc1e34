//! The user's list of calendars, with what a provider says of each and what the user chose.
//!
//! Entries come from two sides. A provider lists its calendars to us, and that is the truth about them; a client may add one, too. What
//! only a client said is not `is_confirmed`: it is kept and shown, and grants nothing. Whoever reads events of a calendar asks [`Calendar::is_synced`].

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::{CalendarId, Refusal, UserId, id};

/// The most calendars that clients may add to.
pub const LIMIT: usize = 250;

/// The most characters of an id or etag, of a name, and of a longer text.
const ID_LIMIT: usize = 1_024;
const NAME_LIMIT: usize = 1_024;
const TEXT_LIMIT: usize = 8_192;
/// The most reminders, and of other things in a row.
const ROW_LIMIT: usize = 50;
/// Four weeks.
const REMINDER_LIMIT: u32 = 40_320;

/// A colour: `#rrggbb`, in the case it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Color(String);

impl TryFrom<String> for Color {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        let is_color = text
            .strip_prefix('#')
            .is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        if is_color { Ok(Self(text)) } else { Err(Refusal::field("color", "must be #rrggbb")) }
    }
}

impl From<Color> for String {
    fn from(color: Color) -> Self {
        color.0
    }
}

/// Whose calendar it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Google Calendar.
    #[default]
    Google,
}

impl Provider {
    /// As it is written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Google => "google",
        }
    }
}

/// What the user may do in a calendar (Google: CalendarList resource, `accessRole`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it all")]
pub enum AccessRole {
    FreeBusyReader,
    Reader,
    Writer,
    Owner,
}

impl AccessRole {
    /// Whether the user may change its events.
    pub fn can_write(self) -> bool {
        self >= Self::Writer
    }
}

/// A kind of conference that events of a calendar may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Google's")]
pub enum ConferenceSolution {
    HangoutsMeet,
    EventHangout,
    EventNamedHangout,
}

/// Which conferences a calendar allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are Google's")]
pub struct ConferenceProperties {
    pub allowed_conference_solution_types: Vec<ConferenceSolution>,
}

/// How a reminder reaches the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it all")]
pub enum ReminderMethod {
    Email,
    Popup,
}

/// A reminder of every event of a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reminder {
    /// How.
    pub method: ReminderMethod,
    /// How many minutes before the event; at most four weeks.
    pub minutes: u32,
}

/// What a calendar notifies of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Google's")]
pub enum NotificationType {
    EventCreation,
    EventChange,
    EventCancellation,
    EventResponse,
    Agenda,
}

/// How it notifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are Google's")]
pub enum NotificationMethod {
    Email,
}

/// A notification that the user switched on at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are Google's")]
pub struct Notification {
    #[serde(rename = "type")]
    pub kind: NotificationType,
    pub method: NotificationMethod,
}

/// The notifications of a calendar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are Google's")]
pub struct NotificationSettings {
    pub notifications: Vec<Notification>,
}

/// What a provider says of a calendar, in its own spelling (Google: CalendarList resource).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listing {
    /// Its id at the provider. With the provider, it is what makes the calendar this one.
    pub id: String,
    /// Its version there.
    pub etag: String,
    /// Its name.
    pub summary: String,
    /// Whose it is.
    #[serde(default)]
    pub provider: Provider,
    /// The name that the user gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary_override: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// What the user may do in it.
    pub access_role: AccessRole,
    /// Whether it is the user's own first calendar there.
    #[serde(default, rename = "primary")]
    pub is_primary: bool,
    /// Which conferences it allows.
    pub conference_properties: ConferenceProperties,
    /// The reminders of its events.
    pub default_reminders: Vec<Reminder>,
    /// The notifications it sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification_settings: Option<NotificationSettings>,
}

/// A calendar in the user's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// Its id here.
    pub id: CalendarId,
    /// The colour behind its events.
    pub background_color: Color,
    /// The colour of their text.
    pub color: Color,
    /// Whether the user wants to see its events.
    pub is_selected: bool,
    /// Whether it is the user's first calendar. At most one is.
    pub is_primary: bool,
    /// Whether the provider itself listed it to us. What only a client said grants nothing.
    #[serde(default)]
    pub is_confirmed: bool,
    /// The zone of its events, unless they say another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Tz>,
    /// When it came into the list.
    pub created_at: DateTime<Utc>,
    /// When it last changed here, if it ever did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<DateTime<Utc>>,
    /// What its provider says of it.
    pub listing: Listing,
}

impl Calendar {
    /// Whether its events are to be read from the provider: the user wants them, and the provider has shown that the user may.
    pub fn is_synced(&self) -> bool {
        self.is_selected && self.is_confirmed
    }

    fn is_same(&self, other: &Self) -> bool {
        (self.listing.provider, &self.listing.id) == (other.listing.provider, &other.listing.id)
    }

    /// What the types of the fields do not say.
    fn check(&self) -> Result<(), Refusal> {
        let Listing { id, etag, summary, summary_override, description, location, .. } = &self.listing;
        if id.is_empty() {
            return Err(Refusal::field("metadata.id", "must not be empty"));
        }
        for (field, text, limit) in [
            ("metadata.id", Some(id), ID_LIMIT),
            ("metadata.etag", Some(etag), ID_LIMIT),
            ("metadata.summary", Some(summary), NAME_LIMIT),
            ("metadata.summaryOverride", summary_override.as_ref(), NAME_LIMIT),
            ("metadata.description", description.as_ref(), TEXT_LIMIT),
            ("metadata.location", location.as_ref(), NAME_LIMIT),
        ] {
            if text.is_some_and(|text| text.chars().count() > limit) {
                return Err(Refusal::TooLong { field, limit });
            }
        }
        let reminders = &self.listing.default_reminders;
        if reminders.iter().any(|reminder| reminder.minutes > REMINDER_LIMIT) {
            let problem = format!("minutes must not be more than {REMINDER_LIMIT}");
            return Err(Refusal::field("metadata.defaultReminders", problem));
        }
        let solutions = &self.listing.conference_properties.allowed_conference_solution_types;
        let notifications = self.listing.notification_settings.as_ref();
        for (field, count) in [
            ("metadata.defaultReminders", reminders.len()),
            ("metadata.conferenceProperties.allowedConferenceSolutionTypes", solutions.len()),
            (
                "metadata.notificationSettings.notifications",
                notifications.map_or(0, |settings| settings.notifications.len()),
            ),
        ] {
            if count > ROW_LIMIT {
                return Err(Refusal::field(field, format!("must not have more than {ROW_LIMIT} elements")));
            }
        }
        Ok(())
    }
}

/// The id of a calendar for which nobody chose one: the same whenever it is asked for.
pub fn id_of(user: UserId, provider: Provider, id_there: &str) -> CalendarId {
    let parts: [&[u8]; 4] = [b"calendar", user.as_bytes(), provider.as_str().as_bytes(), id_there.as_bytes()];
    CalendarId::new(id::digest(&parts))
}

/// What stands for an id at a provider where its own text will not do: such an id has any length and any characters.
pub fn fingerprint(id_there: &str) -> String {
    CalendarId::new(id::digest(&[id_there.as_bytes()])).to_string()
}

/// What a client adds. It has said so, and nobody else has. The very same calendar may be added again: an answer may get lost.
///
/// # Errors
/// [`Refusal`] when a field is out of bounds, the list is full, or another calendar has the id, the place at the provider, or the first rank.
pub fn add(known: &[Calendar], calendar: Calendar) -> Result<Calendar, Refusal> {
    calendar.check()?;
    let calendar = Calendar { is_confirmed: false, ..calendar };
    if known.contains(&calendar) {
        return Ok(calendar);
    }
    if known.len() >= LIMIT {
        return Err(Refusal::field(
            "metadata.id",
            format!("there are {LIMIT} calendars already, and no room for more"),
        ));
    }
    for other in known {
        if other.is_same(&calendar) {
            return Err(Refusal::field("metadata.id", "this calendar is in the list already"));
        }
        if other.id == calendar.id {
            return Err(Refusal::field("_id", "another calendar has it"));
        }
        if other.is_primary && calendar.is_primary {
            return Err(Refusal::field("primary", "another calendar is it"));
        }
    }
    Ok(calendar)
}

/// The calendars whose selection changes. Ids that are not in the list are skipped.
pub fn select(known: &[Calendar], wanted: &BTreeMap<CalendarId, bool>, now: DateTime<Utc>) -> Vec<Calendar> {
    known
        .iter()
        .filter_map(|calendar| {
            let is_selected = *wanted.get(&calendar.id)?;
            (is_selected != calendar.is_selected).then(|| Calendar {
                is_selected,
                updated_at: Some(now),
                ..calendar.clone()
            })
        })
        .collect()
}

/// What changes when a provider lists these calendars to us: new ones come in, of those that are known the provider's part and what the user
/// has said there of colours is replaced, and the choices that were made here stay. If one of them is the first calendar, no other is.
pub fn learn(known: &[Calendar], listed: Vec<Calendar>, now: DateTime<Utc>) -> Vec<Calendar> {
    let first = listed.iter().find(|calendar| calendar.is_primary).cloned();
    let is_first = |calendar: &Calendar, otherwise: bool| {
        first.as_ref().map_or(otherwise, |first| first.is_same(calendar))
    };
    let mut next: Vec<Calendar> = known.to_vec();
    for calendar in listed {
        match next.iter_mut().find(|other| other.is_same(&calendar)) {
            Some(other) => {
                other.listing = calendar.listing;
                other.is_primary = calendar.is_primary;
                other.is_confirmed = true;
                (other.color, other.background_color) = (calendar.color, calendar.background_color);
                other.time_zone = calendar.time_zone;
            }
            None => next.push(Calendar { is_confirmed: true, ..calendar }),
        }
    }
    for calendar in &mut next {
        calendar.is_primary = is_first(calendar, calendar.is_primary);
    }
    let mut changed: Vec<Calendar> = next
        .into_iter()
        .filter(|calendar| !known.contains(calendar))
        .map(|calendar| {
            let is_new = !known.iter().any(|other| other.is_same(&calendar));
            let updated_at = if is_new { calendar.updated_at } else { Some(now) };
            Calendar { updated_at, ..calendar }
        })
        .collect();
    // Whatever touches the first rank stands first, so that it is written in one transaction however long the list is.
    let was_primary =
        |calendar: &Calendar| known.iter().any(|other| other.is_primary && other.is_same(calendar));
    changed.sort_by_key(|calendar| !(calendar.is_primary || was_primary(calendar)));
    changed
}

/// The calendars that leave the list when a provider says that it has those with these ids no more. What only a client said it never had.
pub fn withdraw(known: &[Calendar], provider: Provider, gone: &BTreeSet<String>) -> Vec<Calendar> {
    let is_gone = |calendar: &&Calendar| {
        let Calendar { listing, is_confirmed, .. } = calendar;
        *is_confirmed && listing.provider == provider && gone.contains(&listing.id)
    };
    known.iter().filter(is_gone).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: UserId = UserId::new([1; 12]);

    fn now() -> DateTime<Utc> {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }

    fn calendar(at_google: &str) -> Calendar {
        Calendar {
            id: id_of(ADA, Provider::Google, at_google),
            background_color: Color("#16a765".into()),
            color: Color("#000000".into()),
            is_selected: true,
            is_primary: false,
            is_confirmed: false,
            time_zone: None,
            created_at: now(),
            updated_at: None,
            listing: Listing {
                id: at_google.into(),
                etag: "\"1\"".into(),
                summary: at_google.to_uppercase(),
                provider: Provider::Google,
                summary_override: None,
                description: None,
                location: None,
                access_role: AccessRole::Owner,
                is_primary: false,
                conference_properties: ConferenceProperties::default(),
                default_reminders: vec![Reminder { method: ReminderMethod::Popup, minutes: 10 }],
                notification_settings: None,
            },
        }
    }

    fn first(at_google: &str) -> Calendar {
        Calendar { is_primary: true, ..calendar(at_google) }
    }

    fn confirmed(calendar: Calendar) -> Calendar {
        Calendar { is_confirmed: true, ..calendar }
    }

    fn field(result: Result<Calendar, Refusal>) -> &'static str {
        match result {
            Err(Refusal::BadField { field, .. } | Refusal::TooLong { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_calendar_is_there_once_and_one_is_the_first() {
        let known = [first("a")];
        assert_eq!(add(&known, known[0].clone()).unwrap(), known[0]);
        assert_eq!(field(add(&known, calendar("a"))), "metadata.id");
        assert_eq!(field(add(&known, first("b"))), "primary");
        assert_eq!(field(add(&known, Calendar { id: known[0].id, ..calendar("b") })), "_id");
        assert_eq!(add(&known, calendar("b")).unwrap(), calendar("b"));
    }

    #[test]
    fn what_a_client_says_of_itself_grants_nothing() {
        let claimed = add(&[], confirmed(calendar("a"))).unwrap();
        assert!(claimed.is_selected && !claimed.is_synced());
        assert!(learn(&[claimed], vec![calendar("a")], now())[0].is_synced());
    }

    #[test]
    fn fields_have_bounds() {
        let with = |change: &dyn Fn(&mut Listing)| {
            let mut calendar = calendar("a");
            change(&mut calendar.listing);
            field(add(&[], calendar))
        };
        assert_eq!(with(&|listing| listing.id.clear()), "metadata.id");
        assert_eq!(with(&|listing| listing.summary = "x".repeat(NAME_LIMIT + 1)), "metadata.summary");
        assert_eq!(with(&|listing| listing.description = Some("x".repeat(9_000))), "metadata.description");
        assert_eq!(
            with(&|listing| listing.default_reminders[0].minutes = 40_321),
            "metadata.defaultReminders"
        );
        let many = vec![Reminder { method: ReminderMethod::Email, minutes: 1 }; ROW_LIMIT + 1];
        assert_eq!(with(&|listing| listing.default_reminders = many.clone()), "metadata.defaultReminders");
        for bad in ["", "#", "16a765", "#16a76", "#16a7655", "#16a76g", "#é0000"] {
            assert!(Color::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        let full: Vec<Calendar> = (0..LIMIT).map(|number| calendar(&number.to_string())).collect();
        assert_eq!(field(add(&full, calendar("x"))), "metadata.id");
    }

    #[test]
    fn a_selection_changes_what_it_changes() {
        let known = [calendar("a"), calendar("b")];
        let stranger = id_of(ADA, Provider::Google, "c");
        let wanted = BTreeMap::from([(known[0].id, true), (known[1].id, false), (stranger, false)]);
        let changed = select(&known, &wanted, now());
        assert_eq!(changed, [Calendar { is_selected: false, updated_at: Some(now()), ..calendar("b") }]);
        assert_eq!(select(&changed, &wanted, now()), []);
    }

    #[test]
    fn what_a_provider_has_no_more_leaves_the_list_unless_only_a_client_said_it_was_there() {
        let known = [confirmed(calendar("a")), confirmed(calendar("b")), calendar("c")];
        let gone = ["b", "c", "d"].map(str::to_owned).into();
        assert_eq!(withdraw(&known, Provider::Google, &gone), [known[1].clone()]);
    }

    #[test]
    fn who_may_only_read_may_not_write() {
        use AccessRole::{FreeBusyReader, Owner, Reader, Writer};
        assert_eq!(
            [FreeBusyReader, Reader, Writer, Owner].map(AccessRole::can_write),
            [false, false, true, true]
        );
    }

    #[test]
    fn the_provider_has_the_last_word_and_the_user_keeps_his_choices() {
        let claimed = Calendar { is_selected: false, ..first("a") };
        let mut renamed = calendar("a");
        renamed.listing.summary = "Renamed".into();
        let listed = vec![renamed.clone(), calendar("c"), first("b")];
        let changed = learn(std::slice::from_ref(&claimed), listed.clone(), now());
        let of_a = Calendar { is_selected: false, updated_at: Some(now()), ..confirmed(renamed) };
        assert_eq!(changed, [of_a, confirmed(first("b")), confirmed(calendar("c"))]);
        assert_eq!(learn(&changed, listed, now()), [], "told again, nothing changes");
        let recoloured = Calendar { color: Color("#ffffff".into()), ..calendar("c") };
        assert_eq!(learn(&changed, vec![recoloured], now())[0].color, Color("#ffffff".into()));
        // A page of the list without the first calendar says nothing of the first rank.
        assert_eq!(learn(&changed, vec![calendar("c")], now()), []);
    }
}
