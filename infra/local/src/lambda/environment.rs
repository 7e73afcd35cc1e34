//! One execution environment: a process of a function's binary and the Runtime API port it talks to.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::logs::Logs;
use super::runtime_api::{Call, RuntimeApi};
use crate::clock::Clock;
use crate::console::Console;
use crate::template::intrinsics::REGION;

/// How one function's processes are started.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) function: String,
    pub(crate) binary: PathBuf,
    pub(crate) memory: u32,
    pub(crate) timeout: Duration,
    /// The template's variables and the addresses of the local services; nothing else is inherited.
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) clock: Clock,
    pub(crate) console: Console,
}

impl Launch {
    fn lambda_variables(&self, id: &str, address: &str) -> [(&'static str, String); 18] {
        [
            ("AWS_LAMBDA_RUNTIME_API", address.to_owned()),
            ("AWS_LAMBDA_FUNCTION_NAME", self.function.clone()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", self.memory.to_string()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", self.function)),
            ("AWS_LAMBDA_LOG_STREAM_NAME", format!("[$LATEST]{id}")),
            ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023".to_owned()),
            ("_HANDLER", "bootstrap".to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "local".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
            ("AWS_SESSION_TOKEN", "local".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("TZ", ":UTC".to_owned()),
            ("LANG", "en_US.UTF-8".to_owned()),
        ]
    }
}

/// A running process.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) id: String,
    pub(crate) pid: Option<u32>,
    pub(crate) logs: Arc<Logs>,
    has_served: AtomicBool,
    calls: mpsc::Sender<Call>,
    api: Arc<RuntimeApi>,
    kill: CancellationToken,
    exit: watch::Receiver<Option<String>>,
}

impl Environment {
    /// Starts a process; it is not yet known whether it will ask for work.
    pub(crate) async fn start(launch: &Launch) -> anyhow::Result<Self> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        let (api, calls) = RuntimeApi::new(&launch.function, launch.timeout, launch.clock.clone());
        let router = Arc::clone(&api).router();
        let server = tokio::spawn(async move { axum::serve(listener, router).await });

        let logs = Arc::new(Logs::new(launch.function.clone(), launch.console.clone()));
        let child = match spawn(launch, &id, &address) {
            Ok(child) => child,
            Err(error) => {
                server.abort();
                return Err(error);
            }
        };
        let pid = child.id();
        let kill = CancellationToken::new();
        let (exit_sender, exit) = watch::channel(None);
        tokio::spawn(supervise(
            child,
            Arc::clone(&logs),
            kill.clone(),
            Arc::clone(&api),
            exit_sender,
            server,
        ));
        Ok(Self { id, pid, logs, has_served: AtomicBool::new(false), calls, api, kill, exit })
    }

    /// Lays an invocation ready until the process asks for it. A process that is gone or never asked for the one before
    /// drops it, which its receivers notice.
    pub(crate) fn deliver(&self, call: Call) {
        drop(self.calls.try_send(call));
    }

    /// Whether the process has asked for work before.
    pub(crate) fn has_served(&self) -> bool {
        self.has_served.load(Ordering::Relaxed)
    }

    /// Notes that it has fetched an event; says whether that was its first.
    pub(crate) fn begins_to_serve(&self) -> bool {
        !self.has_served.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.exit.borrow().is_none() && !self.kill.is_cancelled()
    }

    /// Ends the process and waits until it is gone; what it was doing fails.
    pub(crate) async fn kill(&self) {
        self.kill.cancel();
        self.exit().await;
    }

    /// Waits for the process's end; says how it ended.
    pub(crate) async fn exit(&self) -> String {
        let mut exit = self.exit.clone();
        let status = match exit.wait_for(Option::is_some).await {
            Ok(status) => status.clone().unwrap_or_default(),
            Err(_) => "the local cloud is stopping".to_owned(),
        };
        match self.api.init_error() {
            Some(error) => format!("{error} ({status})"),
            None => status,
        }
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.kill.cancel();
    }
}

fn spawn(launch: &Launch, id: &str, address: &str) -> anyhow::Result<Child> {
    let directory = launch.binary.parent().unwrap_or(&launch.binary);
    Command::new(&launch.binary)
        .env_clear()
        .envs(launch.lambda_variables(id, address))
        .envs(&launch.variables)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A Ctrl-C in the terminal is for the cloud, which then ends its children in order.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", launch.binary.display()))
}

async fn supervise(
    mut child: Child,
    logs: Arc<Logs>,
    kill: CancellationToken,
    api: Arc<RuntimeApi>,
    exit: watch::Sender<Option<String>>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
) {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let status = {
        let output = async {
            tokio::join!(
                async {
                    if let Some(pipe) = stdout {
                        logs.read(pipe).await;
                    }
                },
                async {
                    if let Some(pipe) = stderr {
                        logs.read(pipe).await;
                    }
                }
            );
        };
        tokio::pin!(output);
        let mut status = None;
        let mut is_drained = false;
        while status.is_none() || !is_drained {
            tokio::select! {
                () = &mut output, if !is_drained => is_drained = true,
                ended = child.wait(), if status.is_none() => status = Some(ended),
                () = kill.cancelled(), if status.is_none() => {
                    // It may have ended by itself in this instant; either way it is awaited next.
                    let _ = child.start_kill();
                    status = Some(child.wait().await);
                }
            }
        }
        status
    };
    server.abort();
    logs.close();
    let words = match status {
        Some(Ok(status)) => status.to_string(),
        Some(Err(error)) => error.to_string(),
        None => String::new(),
    };
    // All receivers are gone if the pool is.
    let _ = exit.send(Some(words));
    api.abandon();
}
