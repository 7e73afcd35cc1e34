//! The command line, as far as it needs no functions.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::process::{Command, Output};

fn local(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_local")).args(arguments).output().unwrap()
}

#[test]
fn fresh_keys_are_printed_by_parameter() {
    let output = local(&["keys"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<_> = text.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    assert_eq!(names, ["CursorKey", "SessionSigningKey", "SessionVerifyKey", "TokenEncryptionKey"]);
}

#[test]
fn a_port_in_use_is_said_before_anything_is_built() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = local(&["--port", &port]);
    assert!(!output.status.success());
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.starts_with(&format!("error: port {port} is in use")), "{words}");
}

#[test]
fn a_schedule_without_a_running_cloud_is_an_error_that_helps() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let output = local(&["tick", "sweep", "--port", &port]);
    assert!(!output.status.success());
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("cargo run --bin local"), "{words}");
}

#[test]
fn an_unknown_function_is_answered_with_those_there_are() {
    let output = local(&["invoke", "nobody", "/dev/null"]);
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("no function `nobody`") && words.contains("health"), "{words}");
}
