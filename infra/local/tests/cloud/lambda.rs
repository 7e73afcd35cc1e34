//! Environments: when they start, that they are reused, and what their end means.

use serde_json::json;

use crate::{cloud, invoke, journal};

#[tokio::test]
async fn an_environment_is_reused() {
    let cloud = cloud().await;
    let first = invoke(&cloud, "web", json!({})).await.unwrap();
    let second = invoke(&cloud, "web", json!({})).await.unwrap();
    assert_eq!(first["pid"], second["pid"]);
    assert_eq!(cloud.cold_starts("web").unwrap(), 1);
    assert_eq!(journal(&cloud).await.iter().map(|entry| entry.is_cold).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn concurrent_invocations_get_environments_of_their_own() {
    let cloud = cloud().await;
    let wait = || invoke(&cloud, "web", json!({ "do": "wait", "ms": 300 }));
    let (first, second) = tokio::join!(wait(), wait());
    assert_ne!(first.unwrap()["pid"], second.unwrap()["pid"]);
}

#[tokio::test]
async fn a_crash_is_one_failed_invocation() {
    let cloud = cloud().await;
    let before = invoke(&cloud, "web", json!({})).await.unwrap();
    let error = invoke(&cloud, "web", json!({ "do": "exit" })).await.unwrap_err();
    assert_eq!(error.to_string(), "Runtime.ExitError: the process ended (exit status: 3)");
    let after = invoke(&cloud, "web", json!({})).await.unwrap();
    assert_ne!(before["pid"], after["pid"]);
    assert_eq!(journal(&cloud).await.iter().filter(|entry| !entry.is_ok()).count(), 1);
}

#[tokio::test]
async fn a_reported_error_and_a_panic_keep_the_environment() {
    let cloud = cloud().await;
    let before = invoke(&cloud, "web", json!({})).await.unwrap();
    for what in ["fail", "panic"] {
        let error = invoke(&cloud, "web", json!({ "do": what })).await.unwrap_err().to_string();
        assert!(error.contains("as told"), "{error}");
    }
    let after = invoke(&cloud, "web", json!({})).await.unwrap();
    assert_eq!(before["pid"], after["pid"]);
}

#[tokio::test]
async fn an_invocation_that_takes_too_long_is_killed() {
    let cloud = cloud().await;
    let error = invoke(&cloud, "web", json!({ "do": "hang" })).await.unwrap_err();
    assert_eq!(error.to_string(), "Sandbox.Timedout: task timed out after 2 seconds");
    assert_eq!(cloud.processes("web").unwrap(), []);
}

#[tokio::test]
async fn a_process_killed_between_invocations_costs_nothing() {
    let cloud = cloud().await;
    invoke(&cloud, "web", json!({})).await.unwrap();
    assert_eq!(cloud.kill_environments("web").await.unwrap(), 1);
    invoke(&cloud, "web", json!({})).await.unwrap();
    assert!(journal(&cloud).await.iter().all(local::Entry::is_ok));
}

#[tokio::test]
async fn a_function_sees_the_template_s_variables_and_nothing_of_ours() {
    let cloud = cloud().await;
    let variables = invoke(&cloud, "web", json!({ "do": "environment" })).await.unwrap();
    assert_eq!(variables["TABLE_NAME"], "meridian-table");
    assert_eq!(variables["LOG_LEVEL"], "info");
    assert_eq!(variables["QUEUE"], cloud.queues().queue_url("Queue.fifo"));
    assert_eq!(variables["STREAM"], format!("{}/", cloud.function_url("stream").unwrap()));
    assert_eq!(variables["AWS_LAMBDA_FUNCTION_NAME"], "web");
    assert_eq!(variables["AWS_ENDPOINT_URL_DYNAMODB"], cloud.dynamo_endpoint());
    assert_eq!(variables.get("PATH"), None);
}

#[tokio::test]
async fn the_journal_knows_what_an_invocation_cost() {
    let cloud = cloud().await;
    invoke(&cloud, "web", json!({})).await.unwrap();
    assert_eq!(journal(&cloud).await[0].read_units(), Some(1.5));
}

#[tokio::test]
async fn a_binary_that_is_missing_is_a_failed_start() {
    let mut options = crate::options();
    options.functions_dir = "/nowhere".into();
    let cloud = local::Cloud::start(options).await.unwrap();
    let error = invoke(&cloud, "web", json!({})).await.unwrap_err();
    assert!(error.to_string().starts_with("Runtime.InitError: cannot start"), "{error}");
}

#[tokio::test]
async fn nothing_is_left_running_when_the_cloud_is_dropped() {
    let cloud = cloud().await;
    invoke(&cloud, "web", json!({})).await.unwrap();
    let pid = cloud.processes("web").unwrap()[0].pid;
    drop(cloud);
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let is_gone = state.is_empty() || state.contains(") Z ");
    assert!(is_gone, "{state}");
}
