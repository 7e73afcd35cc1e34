//! The fake against answers recorded from Google: what a user did there, done here, reads the same.

use serde_json::Value;

use crate::support::{App, EMAIL};

/// The items of a recording, by that account.
fn recorded(text: &str) -> Vec<Value> {
    let recording: Value = serde_json::from_str(&text.replace("owner@example.com", EMAIL)).unwrap();
    recording["items"].as_array().unwrap().clone()
}

/// Without what differs from one creation to the next.
fn lasting(mut item: Value) -> Value {
    for name in ["etag", "created", "updated", "htmlLink"] {
        item.as_object_mut().unwrap().remove(name);
    }
    item
}

/// What a list answers once each of `items` has been made, and those that are cancelled have been deleted again.
async fn played(items: &[Value]) -> Vec<Value> {
    let app = App::start().await;
    let (_, sync_token) = app.traverse("").await;
    for item in items {
        let mut event = item.clone();
        if item["status"] == "cancelled" {
            event["status"] = "confirmed".into();
            event["start"] = item["originalStartTime"].clone();
            event["end"] = item["originalStartTime"].clone();
        }
        let event = app.google.create_event(EMAIL, "primary", event).unwrap();
        if item["status"] == "cancelled" {
            app.google.delete_event(EMAIL, "primary", event["id"].as_str().unwrap()).unwrap();
        }
    }
    let (mut full, _) = app.traverse("").await;
    let (mut delta, _) = app.traverse(&format!("syncToken={sync_token}")).await;
    let is_exception_first = delta.first().is_some_and(|first| first.get("recurrence").is_none());
    assert!(is_exception_first || delta.len() == 1, "exceptions come before their series");
    full.sort_by_key(|item| item["id"].to_string());
    delta.sort_by_key(|item| item["id"].to_string());
    assert_eq!(full, delta);
    delta
}

#[tokio::test]
async fn series_exceptions_and_cancelled_instances_read_as_recorded() {
    for text in [
        include_str!("recordings/create.json"),
        include_str!("recordings/edit-instance.json"),
        include_str!("recordings/delete-instance.json"),
    ] {
        let recorded = recorded(text);
        let mut played: Vec<Value> = played(&recorded).await.into_iter().map(lasting).collect();
        let mut expected: Vec<Value> = recorded.into_iter().map(lasting).collect();
        played.sort_by_key(|item| item["id"].to_string());
        expected.sort_by_key(|item| item["id"].to_string());
        assert_eq!(played, expected);
    }
}
