//! The fake against answers recorded from Google: what a user did there, done here, reads the same.
//!
//! The recordings were made by the Compass project (MIT), whose web app is what all this is for; here only their items are kept.

use fake_google::Scope;
use serde_json::{Value, json};

use crate::support::{App, EMAIL};

/// The items of a recording, by that account.
fn recorded(text: &str) -> Vec<Value> {
    let recording: Value = serde_json::from_str(&text.replace("owner@example.com", EMAIL)).unwrap();
    sorted(recording["items"].as_array().unwrap().clone())
}

fn sorted(mut items: Vec<Value>) -> Vec<Value> {
    items.sort_by_key(|item| item["id"].as_str().unwrap().to_owned());
    items
}

/// Without what differs from one change to the next.
fn lasting(mut item: Value) -> Value {
    for name in ["etag", "updated", "htmlLink"] {
        item.as_object_mut().unwrap().remove(name);
    }
    item
}

/// A series before it was cut: without end.
fn endless(mut series: Value) -> Value {
    let rule = series["recurrence"][0].as_str().unwrap().split(";UNTIL=").next().unwrap().to_owned();
    series["recurrence"] = json!([rule]);
    series
}

/// What an incremental list tells after `act` has changed a calendar in which there was `before`.
async fn told(before: Vec<Value>, act: impl FnOnce(&App)) -> Vec<Value> {
    let app = App::start().await;
    app.google.plant(EMAIL, "primary", before).unwrap();
    let (_, sync_token) = app.traverse("").await;
    act(&app);
    let (delta, _) = app.traverse(&format!("syncToken={sync_token}")).await;
    let is_exception_first = delta.first().is_some_and(|first| first.get("recurrence").is_none());
    assert!(
        is_exception_first || delta.len() < 2 || delta.iter().all(|item| item.get("recurrence").is_some())
    );
    sorted(delta)
}

fn assert_same(told: Vec<Value>, recorded: Vec<Value>) {
    let etags: Vec<&Value> = told.iter().map(|item| &item["etag"]).collect();
    assert!(etags.iter().all(|etag| *etag == etags[0]), "one action, one etag: {etags:?}");
    let lasting = |items: Vec<Value>| items.into_iter().map(lasting).collect::<Vec<_>>();
    pretty_assert(&lasting(told), &lasting(recorded));
}

fn pretty_assert(told: &[Value], recorded: &[Value]) {
    assert_eq!(told, recorded, "\n{}\n{}", json!(told), json!(recorded));
}

/// The texts of an item; null where it has none.
fn texts(item: &Value) -> Value {
    json!({"summary": item["summary"], "description": item["description"]})
}

fn id(item: &Value) -> String {
    item["id"].as_str().unwrap().to_owned()
}

fn is_exception(item: &Value) -> bool {
    item.get("recurringEventId").is_some()
}

#[tokio::test]
async fn a_new_series_reads_as_recorded() {
    let items = recorded(include_str!("recordings/create.json"));
    let mut given = items[0].clone();
    given
        .as_object_mut()
        .unwrap()
        .retain(|name, _| ["id", "summary", "start", "end", "recurrence"].contains(&name.as_str()));
    let told = told(vec![], |app| drop(app.google.create_event(EMAIL, "primary", given).unwrap())).await;
    let lasting = |item: &Value| {
        let mut item = lasting(item.clone());
        item["created"].take();
        item
    };
    assert_eq!(lasting(&told[0]), lasting(&items[0]));
}

#[tokio::test]
async fn an_edited_instance_is_told_with_its_series_and_its_siblings() {
    for text in [
        include_str!("recordings/edit-instance.json"),
        include_str!("recordings/edit-instance-2.json"),
        include_str!("recordings/edit-instance-3.json"),
    ] {
        let items = recorded(text);
        let (exceptions, series): (Vec<Value>, Vec<Value>) = items.iter().cloned().partition(is_exception);
        let told = told(series, |app| {
            for item in &exceptions {
                let mut patch = texts(item);
                (patch["start"], patch["end"]) = (item["start"].clone(), item["end"].clone());
                app.google.edit_event(EMAIL, "primary", &id(item), patch).unwrap();
            }
        });
        assert_same(told.await, items);
    }
}

#[tokio::test]
async fn a_deleted_instance_is_told_with_its_series() {
    for text in
        [include_str!("recordings/delete-instance.json"), include_str!("recordings/delete-instance-2.json")]
    {
        let items = recorded(text);
        let (gone, series): (Vec<Value>, Vec<Value>) = items.iter().cloned().partition(is_exception);
        let told = told(series, |app| app.google.delete_event(EMAIL, "primary", &id(&gone[0])).unwrap());
        assert_same(told.await, items);
    }
}

#[tokio::test]
async fn this_and_following_ends_one_series_and_begins_another() {
    for text in [
        include_str!("recordings/edit-following-1.json"),
        include_str!("recordings/edit-following-2.json"),
        include_str!("recordings/edit-following-3.json"),
        include_str!("recordings/edit-following-4.json"),
    ] {
        let items = recorded(text);
        let (begun, mut before): (Vec<Value>, Vec<Value>) =
            items.iter().cloned().partition(|item| id(item).contains("_R"));
        before[0] = endless(before[0].clone());
        let (series, stamp) = begun[0]["id"].as_str().unwrap().split_once("_R").unwrap();
        let told = told(before, |app| {
            let instance = format!("{series}_{stamp}Z");
            app.google.edit_series(EMAIL, "primary", &instance, Scope::Following, texts(&begun[0])).unwrap();
        });
        assert_same(told.await, items);
    }
}

#[tokio::test]
async fn all_events_reach_exceptions_and_what_was_split_off() {
    for text in [include_str!("recordings/edit-all-1.json"), include_str!("recordings/edit-all-2.json")] {
        let items = recorded(text);
        let mut before = items.clone();
        for (n, item) in before.iter_mut().enumerate() {
            item["summary"] = format!("Before {n}").into();
            item["description"] = "Before".into();
        }
        let told = told(before, |app| {
            app.google.edit_series(EMAIL, "primary", &id(&items[1]), Scope::All, texts(&items[0])).unwrap();
        });
        let mut told = told.await;
        // The texts of the three were recorded as they had become by several edits; only the title was part of this one.
        for (told, recorded) in told.iter_mut().zip(&items) {
            told["description"] = recorded["description"].clone();
        }
        let items = items.iter().cloned().map(|mut item| {
            item["description"] = item["description"].take();
            item
        });
        assert_same(told, items.collect());
    }
}

#[tokio::test]
async fn of_a_deleted_series_only_the_series_is_told() {
    for text in [include_str!("recordings/delete-all-1.json"), include_str!("recordings/delete-all-2.json")] {
        let items = recorded(text);
        let mut series = recorded(include_str!("recordings/create.json")).remove(0);
        series["id"] = items[0]["id"].clone();
        let exception = format!("{}_20250326T123000Z", id(&series));
        let app = App::start().await;
        app.google.plant(EMAIL, "primary", [series]).unwrap();
        app.google.edit_event(EMAIL, "primary", &exception, json!({"summary": "Once"})).unwrap();
        let (_, sync_token) = app.traverse("").await;
        app.google.delete_series(EMAIL, "primary", &exception, Scope::All).unwrap();
        let (delta, _) = app.traverse(&format!("syncToken={sync_token}")).await;
        assert_same(delta, items);
    }
}
