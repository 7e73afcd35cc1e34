//! What Google refuses in an event for other reasons than its form: who may change what, and how much may be attached to it.

use serde_json::{Map, Value};

use super::Fields;
use crate::error::Refusal;
use http::StatusCode;

/// Kinds of events.
const TYPES: &[&str] = &["birthday", "default", "focusTime", "fromGmail", "outOfOffice", "workingLocation"];
/// Members of events of some kinds that nobody changes.
const FIXED: &[(&str, &[&str])] = &[
    ("birthday", &["start", "end", "recurrence"]),
    ("fromGmail", &["summary", "description", "location", "start", "end", "recurrence", "attendees"]),
];
/// Members that all guests of an event share. The rest belongs to each guest's copy.
const SHARED: &[&str] = &["summary", "description", "location", "start", "end", "recurrence", "attendees"];
/// Characters of a property's name; longer ones are dropped without a word.
const NAME_LENGTH: usize = 44;
const VALUE_LENGTH: usize = 1024;
const PROPERTIES: usize = 300;
const PROPERTIES_LENGTH: usize = 32 * 1024;

/// Refuses a new event of a kind that clients do not make.
pub(crate) fn check_type(given: &Fields, allowed: impl Fn(&str) -> bool) -> Result<(), Refusal> {
    let kind = given.get("eventType").and_then(Value::as_str).unwrap_or("default");
    if !TYPES.contains(&kind) {
        return Err(Refusal::bad("invalid", format!("Invalid value for: {kind} is not a valid event type.")));
    }
    if !allowed(kind) {
        let message = format!("Events of type '{kind}' are not supported by this method.");
        return Err(Refusal::bad("eventTypeRestriction", message));
    }
    Ok(())
}

/// Refuses a change that the caller may not make to this event.
pub(crate) fn check_change(previous: &Fields, next: &Fields) -> Result<(), Refusal> {
    let is_changed = |name: &&&str| shared_part(previous, name) != shared_part(next, name);
    let kind = previous.get("eventType").and_then(Value::as_str).unwrap_or("default");
    let fixed = FIXED.iter().find(|(fixed, _)| *fixed == kind).map_or(&[][..], |(_, names)| *names);
    if let Some(name) = fixed.iter().find(is_changed) {
        let message = format!("The {name} of an event of type '{kind}' cannot be changed.");
        return Err(Refusal::bad("eventTypeRestriction", message));
    }
    let Some(name) = SHARED.iter().find(is_changed) else { return Ok(()) };
    let is = |name: &str| previous.get(name).is_some_and(|value| value == true);
    if is("locked") {
        let message = format!("The event is locked: {name} cannot be changed.");
        return Err(Refusal::new(StatusCode::FORBIDDEN, "forbidden", message));
    }
    let organizer = previous.get("organizer").and_then(|organizer| organizer.get("self"));
    if organizer.is_some_and(|is_self| is_self == false) && !is("guestsCanModify") {
        let message = "Shared properties can only be changed by the organizer of the event.";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "forbiddenForNonOrganizer", message));
    }
    Ok(())
}

/// A member without what belongs to one guest: answering an invitation changes nothing that is shared.
fn shared_part(fields: &Fields, name: &str) -> Option<Value> {
    let value = fields.get(name)?;
    let Some(guests) = value.as_array().filter(|_| name == "attendees") else { return Some(value.clone()) };
    let is_other = |guest: &&Value| guest.get("self").is_none_or(|is_self| is_self == false);
    Some(guests.iter().filter(is_other).cloned().collect())
}

/// Drops and refuses properties as Google does.
pub(crate) fn bound_properties(fields: &mut Fields) -> Result<(), Refusal> {
    let Some(all) = fields.get_mut("extendedProperties").and_then(Value::as_object_mut) else {
        return Ok(());
    };
    for kind in ["private", "shared"] {
        let Some(properties) = all.get_mut(kind).and_then(Value::as_object_mut) else { continue };
        properties.retain(|name, value| name.chars().count() <= NAME_LENGTH && !value.is_null());
        if properties.len() > PROPERTIES || is_too_long(properties) {
            return Err(Refusal::bad("invalid", "Invalid extended properties: too many or too long."));
        }
    }
    all.retain(|_, properties| properties.as_object().is_none_or(|properties| !properties.is_empty()));
    if all.is_empty() {
        fields.remove("extendedProperties");
    }
    Ok(())
}

fn is_too_long(properties: &Map<String, Value>) -> bool {
    let length = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    let sum: usize = properties.iter().map(|(name, value)| name.len() + length(value)).sum();
    sum > PROPERTIES_LENGTH || properties.values().any(|value| length(value) > VALUE_LENGTH)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        value.as_object().cloned().unwrap()
    }

    fn refused(previous: Value, change: Value) -> Option<String> {
        let previous = fields(previous);
        let mut next = previous.clone();
        next.extend(fields(change));
        check_change(&previous, &next).err().map(|refusal| refusal.reason)
    }

    #[test]
    fn who_may_change_what() {
        let guest = json!({"summary": "S", "organizer": {"self": false}, "attendees": [{"email": "a", "self": true}]});
        let open = json!({"organizer": {"self": false}, "guestsCanModify": true});
        let answered = json!({"attendees": [{"email": "a", "self": true, "responseStatus": "accepted"}]});
        for (previous, change, reason) in [
            (guest.clone(), json!({"summary": "T"}), Some("forbiddenForNonOrganizer")),
            (guest.clone(), json!({"colorId": "3", "reminders": {}}), None),
            (guest, answered, None),
            (open, json!({"summary": "T"}), None),
            (json!({"organizer": {"self": true}}), json!({"summary": "T"}), None),
            (json!({"locked": true}), json!({"location": "L"}), Some("forbidden")),
            (json!({"eventType": "birthday"}), json!({"start": {}}), Some("eventTypeRestriction")),
            (json!({"eventType": "birthday"}), json!({"colorId": "3"}), None),
            (json!({"eventType": "fromGmail"}), json!({"summary": "T"}), Some("eventTypeRestriction")),
        ] {
            assert_eq!(refused(previous.clone(), change.clone()).as_deref(), reason, "{previous} {change}");
        }
    }

    #[test]
    fn a_long_property_name_is_dropped_and_a_long_value_refused() {
        let with =
            |name: String, value: String| fields(json!({"extendedProperties": {"private": {name: value}}}));
        let mut long_name = with("n".repeat(45), "v".into());
        bound_properties(&mut long_name).unwrap();
        assert!(long_name.is_empty());
        assert!(bound_properties(&mut with("n".repeat(44), "v".repeat(1024))).is_ok());
        assert!(bound_properties(&mut with("n".into(), "v".repeat(1025))).is_err());
        let many: Map<String, Value> = (0..301).map(|n| (n.to_string(), json!("v"))).collect();
        assert!(bound_properties(&mut fields(json!({"extendedProperties": {"shared": many}}))).is_err());
    }
}
