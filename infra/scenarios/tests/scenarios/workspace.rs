//! What holds of the repository itself: who may depend on whom, and that the samples are what their triggers send.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayWebsocketProxyRequest};
use aws_lambda_events::dynamodb;
use aws_lambda_events::eventbridge::EventBridgeEvent;
use aws_lambda_events::lambda_function_urls::LambdaFunctionUrlRequest;
use aws_lambda_events::sqs::SqsEvent;
use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use serde_json::Value;

/// The shared crates, layer by layer: each may depend on those of the layers before its own, on no other.
const LAYERS: [&[&str]; 5] = [
    &["seam", "jwt", "domain"],
    &["contract"],
    &["store", "google", "auth"],
    &["realtime", "sync"],
    &["runtime"],
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().parent().unwrap()
}

fn packages() -> Vec<Package> {
    let mut command = MetadataCommand::new();
    let metadata = command.manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap();
    metadata.packages
}

/// The top folder a crate of ours lies in: `functions`, `shared` or `infra`.
fn home(package: &Package) -> &str {
    let path = package.manifest_path.strip_prefix(root()).unwrap();
    path.components().next().unwrap().as_str()
}

#[test]
fn dependencies_point_in_one_direction() {
    let packages = packages();
    let homes: BTreeMap<&str, &str> =
        packages.iter().map(|package| (package.name.as_str(), home(package))).collect();
    let layer = |name: &str| LAYERS.iter().position(|layer| layer.contains(&name));
    let mut wrong = Vec::new();
    for package in &packages {
        for dependency in &package.dependencies {
            let (from, to) = (package.name.as_str(), dependency.name.as_str());
            let Some(there) = homes.get(to) else { continue };
            let is_for_tests = dependency.kind == DependencyKind::Development;
            let is_allowed = match (homes[from], *there) {
                (_, "functions") => false,
                ("infra", _) | ("functions", "shared") => true,
                (_, "infra") => is_for_tests,
                // A test may look at what its crate is made for; cargo itself refuses a circle of the others.
                ("shared", "shared") => is_for_tests || layer(to) < layer(from),
                _ => false,
            };
            if !is_allowed {
                wrong.push(format!("{from} -> {to}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_shared_crate_has_its_layer() {
    let known: BTreeSet<&str> = LAYERS.concat().into_iter().collect();
    let packages = packages();
    let shared = packages.iter().filter(|package| home(package) == "shared");
    let strangers: Vec<&str> =
        shared.map(|package| package.name.as_str()).filter(|name| !known.contains(name)).collect();
    assert_eq!(strangers, Vec::<&str>::new());
}

#[test]
fn only_one_crate_names_each_service() {
    // (dependency, the crates that may have it outside tests)
    let homes: [(&str, &[&str]); 6] = [
        ("aws-sdk-apigatewaymanagement", &["realtime", "runtime"]),
        ("aws-sdk-dynamodb", &["store", "runtime", "local"]),
        ("jsonwebtoken", &["jwt"]),
        ("lambda_http", &["runtime"]),
        ("lambda_runtime", &["runtime"]),
        ("aws_lambda_events", &["runtime"]),
    ];
    for package in packages() {
        for dependency in &package.dependencies {
            let Some((name, allowed)) = homes.iter().find(|(name, _)| *name == dependency.name) else {
                continue;
            };
            let is_for_tests = dependency.kind == DependencyKind::Development;
            assert!(
                is_for_tests || allowed.contains(&package.name.as_str()),
                "{} names {name}",
                package.name
            );
        }
    }
}

#[test]
fn every_sample_is_what_its_trigger_sends() {
    let mut read = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("events")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let [function, what, _json] = name.split('.').collect::<Vec<_>>()[..] else {
            panic!("{name} is not FUNCTION.WHAT.json")
        };
        let parsed = match function {
            "fanout" => parse::<dynamodb::Event>(&text, |event| !event.records.is_empty()),
            "sync-worker" => parse::<SqsEvent>(&text, |event| !event.records.is_empty()),
            "sweep" | "watch-renewal" => {
                parse::<EventBridgeEvent<Value>>(&text, |event| event.source == "aws.scheduler")
            }
            "socket" => parse::<ApiGatewayWebsocketProxyRequest>(&text, |event| {
                event.request_context.connection_id.is_some() && event.request_context.event_type.is_some()
            }),
            // A function URL sends payload format 2, too, but its own type of it.
            _ if what.starts_with("url") => {
                parse::<LambdaFunctionUrlRequest>(&text, |event| event.request_context.http.method.is_some())
            }
            _ => parse::<ApiGatewayV2httpRequest>(&text, |event| {
                event.version.as_deref() == Some("2.0") && event.route_key.is_some()
            }),
        };
        parsed.unwrap_or_else(|why| panic!("{name}: {why}"));
        read.insert(function.to_owned());
    }
    let functions = std::fs::read_dir(root().join("functions")).unwrap();
    let functions = functions.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(
        functions.filter(|function| !read.contains(function)).collect::<Vec<_>>(),
        Vec::<String>::new()
    );
}

fn parse<T: serde::de::DeserializeOwned>(text: &str, is_meant: impl Fn(&T) -> bool) -> Result<(), String> {
    let event = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if is_meant(&event) { Ok(()) } else { Err("it parses, but as an empty one of its kind".to_owned()) }
}

/// The rows of the table of scenarios: number and what the last column says.
fn scenarios() -> Vec<(u32, String)> {
    let page = std::fs::read_to_string(root().join("infra/docs/google-scenarios.md")).unwrap();
    let row = |line: &str| {
        let mut cells = line.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim);
        let number = cells.next()?.parse().ok()?;
        Some((number, cells.next_back()?.to_owned()))
    };
    page.lines().filter_map(row).collect()
}

#[test]
fn every_scenario_of_the_sync_is_in_the_table_once_and_its_test_is_where_it_says() {
    let rows = scenarios();
    let numbers: Vec<u32> = rows.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=120).collect::<Vec<u32>>());
    let mut wrong = Vec::new();
    for (number, tests) in rows {
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            wrong.push(format!("{number}: no test"));
        }
        for name in named {
            let is_there = name.split_once("::").is_some_and(|(file, test)| {
                let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
                text.contains(&format!("fn {test}("))
            });
            if !is_there {
                wrong.push(format!("{number}: there is no {name}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
