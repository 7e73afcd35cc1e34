//! The fuzz targets on their seeds, and for a second on what can be made of them.
#![expect(clippy::expect_used, reason = "it fails by panicking, like any test")]

#[path = "../../../fuzz/driver.rs"]
mod driver;
#[path = "../../../fuzz/targets.rs"]
mod targets;

#[test]
fn nothing_that_a_stranger_sends_breaks_anything_or_tells_him_anything() {
    for (name, inputs) in driver::run(std::time::Duration::from_secs(1), 7) {
        assert!(inputs > 0, "{name}");
    }
}

/// A seed for each kind of cursor, so that what is made of them comes close to a genuine one. Written anew when the form changes:
/// `cargo test -p realtime --test fuzz -- --ignored`.
#[test]
#[ignore = "writes the seeds"]
fn seeds_are_written() {
    use store::{Cursor, CursorKey, Stage};
    let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let key = CursorKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    let at = |stage| Cursor::new("ab12", 30).at(stage);
    for (name, cursor) in [
        ("whole", at(Stage::Whole)),
        ("part", at(Stage::Part { upto: 40, names: 3 })),
        ("via", at(Stage::Via { after: 20, names: 3 })),
        ("walk", at(Stage::Walk { began: 40 })),
        ("nowhere", Cursor::nowhere()),
    ] {
        for (user, number) in [("", 1), ("-of-somebody-else", 2)] {
            let text = key.of(domain::UserId::new([number; 12])).seal(&cursor);
            std::fs::write(seeds.join(format!("cursor/{name}{user}")), &text).unwrap();
            for kind in ["hello", "ping"] {
                let message = serde_json::json!({ "type": kind, "cursor": text }).to_string();
                std::fs::write(seeds.join(format!("message/{kind}-{name}{user}")), message).unwrap();
            }
        }
    }
    std::fs::write(seeds.join("message/ping"), "{\"type\":\"ping\"}").unwrap();
    std::fs::write(seeds.join("message/wrong"), "{\"type\":[]}").unwrap();
    std::fs::write(seeds.join("ticket/good"), "the only one\nhttps://app.example").unwrap();
    std::fs::write(seeds.join("ticket/foreign"), "the only one\nhttps://evil.example").unwrap();
    std::fs::write(seeds.join("ticket/guessed"), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nnull")
        .unwrap();
}
