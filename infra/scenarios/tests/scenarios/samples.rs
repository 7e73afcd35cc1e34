//! The samples of `events/`, each given to its function as `local invoke` does.

use std::path::Path;

use scenarios::TestApp;
use serde_json::Value;

#[tokio::test]
async fn every_function_answers_its_samples() {
    let app = TestApp::start().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let function = name.split('.').next().unwrap();
        let sample: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let answer =
            app.cloud().invoke(function, &sample).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        // A request is answered, if only with a refusal: whoever it names does not exist here. Of a stream only the body is shown.
        if sample.get("requestContext").is_some() && function != "stream" {
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            let status = answer["statusCode"].as_u64();
            assert!(status.is_some_and(|status| (200..500).contains(&status)), "{name}: {answer}");
        }
        // Nor is a queued or streamed message: it is done, and not to be delivered again.
        if sample.get("Records").is_some() {
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!(answer["batchItemFailures"].as_array().map(Vec::len), Some(0), "{name}: {answer}");
        }
    }
    // What the samples set in motion comes to rest, for users that do not exist.
    app.quiesce().await;
    assert!(app.cloud().queues().peek("SyncDeadLetterQueue.fifo").unwrap().is_empty());
}
