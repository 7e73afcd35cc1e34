//! Builds the function binaries with the cargo that built this crate.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::outside;
use crate::table::repository;

/// What to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target<'a> {
    /// Binaries of the workspace, as they deploy.
    Binaries(&'a [String]),
    /// The same with the features that the workspace's tests switch on in shared dependencies: what `cargo test` has
    /// built is then used again, where the plain binaries would have every dependency built a second time.
    BinariesAmongTests(&'a [String]),
    /// An example of this crate, for its own tests.
    Example(&'a str),
}

impl Target<'_> {
    fn arguments(&self) -> Vec<&str> {
        match self {
            Self::Binaries(names) => names.iter().flat_map(|name| ["--bin", name]).collect(),
            Self::BinariesAmongTests(names) => {
                // An example among what is asked for makes cargo count the tests' dependencies in.
                let example = ["--example", "probe"];
                example.into_iter().chain(names.iter().flat_map(|name| ["--bin", name])).collect()
            }
            Self::Example(name) => vec!["--example", name],
        }
    }

    /// As cargo's messages call it.
    fn kind(&self) -> &'static str {
        match self {
            Self::Binaries(_) | Self::BinariesAmongTests(_) => "bin",
            Self::Example(_) => "example",
        }
    }
}

/// Told while cargo works.
pub trait Progress {
    /// Another unit is done; there may be more of them than were expected.
    fn unit(&mut self, name: &str);
    /// A compiler message of level error or warning, rendered.
    fn message(&mut self, text: &str);
}

/// Compiler messages to standard error, nothing else.
#[derive(Debug)]
struct Plain;

impl Progress for Plain {
    fn unit(&mut self, _name: &str) {}

    fn message(&mut self, text: &str) {
        eprint!("{text}");
    }
}

/// Builds the binaries of all functions in the repository's template for a test or, released, for a measurement; once
/// per process. Says where they are.
///
/// # Errors
/// If the template can't be read or a function does not compile.
pub fn functions(is_release: bool) -> anyhow::Result<PathBuf> {
    static BUILT: Mutex<Option<HashMap<bool, PathBuf>>> = Mutex::new(None);
    // A second caller waits here for the first one's build.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_default();
    if let Some(directory) = built.get(&is_release) {
        return Ok(directory.clone());
    }
    let names: Vec<String> = repository()?.functions()?.into_iter().map(|(_, name)| name).collect();
    let target = if is_release { Target::Binaries(&names) } else { Target::BinariesAmongTests(&names) };
    let directory = run(target, is_release, &mut Plain)?;
    built.insert(is_release, directory.clone());
    Ok(directory)
}

/// Builds and says in which directory the results are.
///
/// Always from the workspace's root and by binary: cargo unifies features over what it selects, and another selection
/// would build every dependency a second time.
///
/// # Errors
/// If something does not compile (the messages have been passed on), or cargo can't be started.
pub fn run(target: Target<'_>, is_release: bool, progress: &mut dyn Progress) -> anyhow::Result<PathBuf> {
    let mut command = Command::new(outside("CARGO").map_or_else(|| OsString::from("cargo"), OsString::from));
    command.arg("build").arg("--message-format=json").current_dir(workspace());
    command.args(target.arguments());
    command.args(is_release.then_some("--release"));
    // Set by the cargo that runs us, these would make build scripts run again that watch them (ring's does), and with
    // them a quarter of the dependencies.
    for (name, _) in std::env::vars_os() {
        let is_ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
        if name.to_str().is_some_and(|name| is_ours.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let words = child.stderr.take().map(|pipe| std::thread::spawn(move || listen(pipe)));

    let mut directory = None;
    let stdout = child.stdout.take().context("cargo has no output")?;
    for line in std::io::BufReader::new(stdout).lines() {
        let message: Value = serde_json::from_str(&line?).unwrap_or_default();
        match message["reason"].as_str() {
            Some("compiler-artifact") => {
                progress.unit(message["target"]["name"].as_str().unwrap_or_default());
                if message["target"]["kind"][0] == target.kind() {
                    let executable = message["executable"].as_str().map(Path::new);
                    directory = executable.and_then(Path::parent).map(Path::to_owned).or(directory);
                }
            }
            Some("compiler-message") => {
                progress.message(message["message"]["rendered"].as_str().unwrap_or_default());
            }
            _ => {}
        }
    }
    let status = child.wait()?;
    if !status.success() {
        let words = words.and_then(|reader| reader.join().ok()).unwrap_or_default();
        bail!("the build failed\n{words}");
    }
    directory.context("cargo built no binary")
}

/// Keeps what cargo says, for the case that it fails; that it waits for another cargo is said at once.
fn listen(pipe: impl std::io::Read) -> String {
    let mut words = String::new();
    for line in std::io::BufReader::new(pipe).lines().map_while(Result::ok) {
        if line.contains("Blocking waiting") {
            eprintln!("{}", line.trim());
        }
        words.push_str(&line);
        words.push('\n');
    }
    words
}

/// How many units a build is expected to have: as many as the lock file has packages, or fewer.
#[must_use]
pub fn expected_units() -> u64 {
    let lock = std::fs::read_to_string(workspace().join("Cargo.lock")).unwrap_or_default();
    lock.matches("[[package]]").count() as u64
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
