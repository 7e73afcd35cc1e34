//! Events as the web app sends them.

use serde_json::{Value, json};

/// A client-made id: 24 hex digits, another one for every number.
#[must_use]
pub fn id(number: u32) -> String {
    format!("6b0002{number:018x}")
}

/// An hour on the grid, from `start`, a full hour such as `2026-11-20T09:00:00-08:00`.
#[must_use]
pub fn timed(number: u32, title: &str, start: &str) -> Value {
    let end = start.replacen(":00:00", ":45:00", 1);
    json!({
        "_id": id(number), "title": title, "description": "", "startDate": start, "endDate": end,
        "isAllDay": false, "isSomeday": false, "origin": "compass", "priority": "unassigned", "user": "UNAUTHENTICATED_USER",
        // What only the browser's own screen needs comes along, and is ignored.
        "position": { "isOverlapping": false, "totalEventsInGroup": 1, "widthMultiplier": 1, "horizontalOrder": 1,
            "dragOffset": { "x": 0, "y": 0 }, "initialX": null, "initialY": null },
        "hasFlipped": false,
    })
}

/// Whole days on the grid, `end` excluded.
#[must_use]
pub fn all_day(number: u32, title: &str, start: &str, end: &str) -> Value {
    json!({
        "_id": id(number), "title": title, "description": "", "startDate": start, "endDate": end,
        "isAllDay": true, "isSomeday": false, "origin": "compass", "priority": "work", "user": "UNAUTHENTICATED_USER",
    })
}

/// An entry of the someday lists.
#[must_use]
pub fn someday(number: u32, title: &str, start: &str, end: &str, order: u32) -> Value {
    json!({
        "_id": id(number), "title": title, "description": "", "startDate": start, "endDate": end, "order": order,
        "isAllDay": false, "isSomeday": true, "origin": "compass", "priority": "self", "user": "UNAUTHENTICATED_USER",
    })
}
