//! A running cloud and what tests and the command line may do with it.

mod options;
mod quiesce;
mod socket;
mod sources;
mod start;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::UserId;
use dynoxide::Database;
use serde_json::Value;
use tokio::runtime::Runtime;

pub use options::Options;
pub use quiesce::StillBusy;

use crate::activity::Activity;
use crate::clock::Clock;
use crate::console::Console;
use crate::journal::{Entry, Journal};
use crate::lambda::pool::{Patience, Pool, Process};
use crate::lambda::{Answer, Failure};
use crate::mail::{Mail, Mailbox};
use crate::queues::Queues;
use crate::socket::{Socket, SocketApi};
use crate::sources::schedule::Schedule;
use crate::sources::stream;
use crate::table::{self, Served, Table};
use crate::template::Template;
use crate::template::resources::FunctionSpec;

/// How long the end waits for tasks and processes to be gone.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// What the parts of a running cloud share.
pub(crate) struct Inner {
    pub(crate) front_port: u16,
    pub(crate) urls: HashMap<String, String>,
    pub(crate) template: Template,
    pub(crate) database: Database,
    pub(crate) tables: Vec<Table>,
    pub(crate) dynamo: Served,
    pub(crate) queues: Queues,
    pub(crate) mailbox: Mailbox,
    pub(crate) google: Option<fake_google::Server>,
    pub(crate) pools: HashMap<String, Arc<Pool>>,
    pub(crate) specs: Vec<FunctionSpec>,
    pub(crate) socket: Option<Arc<SocketApi>>,
    pub(crate) streams: Vec<Arc<stream::Mapping>>,
    pub(crate) schedules: Vec<Schedule>,
    pub(crate) journal: Journal,
    pub(crate) activity: Activity,
    pub(crate) console: Console,
    pub(crate) clock: Clock,
    pub(crate) demo_user: Mutex<Option<UserId>>,
}

/// A running cloud; it ends, with every process, when this is dropped.
///
/// It has threads of its own, so that it neither waits for a test's runtime nor ends with it. Many live in one process.
pub struct Cloud {
    inner: Arc<Inner>,
    runtime: Option<Runtime>,
}

impl Cloud {
    /// Starts everything and answers once the front door is open.
    ///
    /// # Errors
    /// If the template can't be used, a port is taken, or the data directory can't be written.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("local-cloud")
            .enable_all()
            .build()?;
        let starting = runtime.spawn(start::start(options));
        match starting.await.context("the cloud's start panicked").and_then(|started| started) {
            Ok(inner) => Ok(Self { inner, runtime: Some(runtime) }),
            Err(error) => {
                end(runtime, std::future::ready(()));
                Err(error)
            }
        }
    }

    /// Address of the front door, e.g. `http://localhost:3000`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.inner.front_port)
    }

    /// Address of a function's own URL, without a slash at the end; `None` if it has none.
    #[must_use]
    pub fn function_url(&self, function: &str) -> Option<&str> {
        self.inner.urls.get(function).map(String::as_str)
    }

    /// Names and addresses of all function URLs.
    #[must_use]
    pub fn function_urls(&self) -> &HashMap<String, String> {
        &self.inner.urls
    }

    /// Whose tabs `POST /api/event-change-demo` speaks to, in place of the user in `SSE_DEBUG_USER`.
    pub fn set_demo_user(&self, user: UserId) {
        *self.inner.demo_user.lock().unwrap_or_else(PoisonError::into_inner) = Some(user);
    }

    /// Where browsers open a socket, e.g. `ws://localhost:3001/live`; `None` if the template has no WebSocket API.
    #[must_use]
    pub fn socket_url(&self) -> Option<String> {
        self.inner.socket.as_ref().map(|api| api.url.clone())
    }

    /// The WebSocket API's open connections, oldest first.
    #[must_use]
    pub fn sockets(&self) -> Vec<Socket> {
        self.inner.socket.as_ref().map_or_else(Vec::new, |api| api.connections.sockets())
    }

    /// The fake Google; `None` if the functions talk to another one.
    #[must_use]
    pub fn google(&self) -> Option<&fake_google::Server> {
        self.inner.google.as_ref()
    }

    /// Address of DynamoDB.
    #[must_use]
    pub fn dynamo_endpoint(&self) -> &str {
        &self.inner.dynamo.endpoint
    }

    /// A client of DynamoDB.
    #[must_use]
    pub fn dynamo(&self) -> aws_sdk_dynamodb::Client {
        table::client(&self.inner.dynamo.endpoint)
    }

    /// Physical name of the (first) table.
    #[must_use]
    pub fn table_name(&self) -> &str {
        self.inner.tables.first().map_or("", |table| table.name.as_str())
    }

    /// The embedded database.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.inner.database
    }

    /// All that the table holds, word for word, with every version that an item ever had.
    ///
    /// # Errors
    /// If the database cannot be copied or read.
    pub fn stored_values(&self) -> anyhow::Result<Vec<String>> {
        crate::database::values(&self.inner.database)
    }

    /// The bodies of the messages that are in a queue, those of dead letters too.
    ///
    /// # Errors
    /// If a queue is taken away meanwhile.
    pub fn queued_bodies(&self) -> fake_sqs::Result<Vec<String>> {
        let broker = self.queues();
        let mut bodies = Vec::new();
        for queue in broker.queues() {
            bodies.extend(broker.peek(&queue)?.into_iter().map(|message| message.body));
        }
        Ok(bodies)
    }

    /// The queues.
    #[must_use]
    pub fn queues(&self) -> &fake_sqs::Broker {
        &self.inner.queues.broker
    }

    /// Address of SQS.
    #[must_use]
    pub fn queue_endpoint(&self) -> &str {
        &self.inner.queues.endpoint
    }

    /// Mails that functions have sent, oldest first.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.inner.mailbox.mails()
    }

    /// Invocations that have ended, oldest first.
    #[must_use]
    pub fn journal(&self) -> Vec<Entry> {
        self.inner.journal.entries()
    }

    /// Forgets the invocations so far.
    pub fn clear_journal(&self) {
        self.inner.journal.clear();
    }

    /// Names of the functions.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.inner.specs.iter().map(|spec| spec.name.as_str())
    }

    /// Invokes a function once, as it is, and waits for its whole answer: the text that it would send AWS.
    ///
    /// # Errors
    /// If there is no such function, or the invocation fails.
    pub async fn invoke(&self, function: &str, event: &Value) -> anyhow::Result<Bytes> {
        let pool = Arc::clone(self.inner.pool(function)?);
        let payload = Bytes::from(event.to_string());
        let invocation = async move {
            let answer = pool.invoke(payload, "invoke".to_owned(), Patience::Waits).await?;
            Ok::<_, Failure>(Answer::collect(answer).await)
        };
        Ok(self.run(invocation).await??)
    }

    /// Processes of a function that run now.
    ///
    /// # Errors
    /// If there is no such function.
    pub fn processes(&self, function: &str) -> anyhow::Result<Vec<Process>> {
        Ok(self.inner.pool(function)?.processes())
    }

    /// How many streamed answers of a function have begun and not ended.
    ///
    /// # Errors
    /// If there is no such function.
    pub fn open_streams(&self, function: &str) -> anyhow::Result<usize> {
        Ok(self.inner.pool(function)?.streams())
    }

    /// How many processes of a function have been started so far.
    ///
    /// # Errors
    /// If there is no such function.
    pub fn cold_starts(&self, function: &str) -> anyhow::Result<u64> {
        Ok(self.inner.pool(function)?.started())
    }

    /// Kills a function's processes, whatever they are doing, and waits until they are gone; says how many there were.
    ///
    /// # Errors
    /// If there is no such function.
    pub async fn kill_environments(&self, function: &str) -> anyhow::Result<usize> {
        let pool = Arc::clone(self.inner.pool(function)?);
        self.run(async move { pool.kill_all().await }).await
    }

    /// Fires a schedule now and waits for the end of its run. `name` is the function's or the event's in the template.
    ///
    /// # Errors
    /// If there is no such schedule, or the run fails.
    pub async fn tick(&self, name: &str) -> anyhow::Result<()> {
        let (inner, name) = (Arc::clone(&self.inner), name.to_owned());
        self.run(async move { inner.tick(&name).await }).await?
    }

    /// What time it is in the cloud.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.inner.clock.now()
    }

    /// Moves the cloud's clock forward, for its services, its functions and the fake Google alike: what was to happen at a time that
    /// has come now, happens. It never moves back, not by [`Cloud::reset`] either.
    ///
    /// Work under way is as late as it would be had the time passed: wait for it first ([`Cloud::quiesce`]). Schedules fire only if the
    /// cloud runs by time. The items of a table that is kept ([`Options::data`]) expire by the system's clock.
    ///
    /// # Errors
    /// If the functions can't be told.
    pub fn advance(&self, by: Duration) -> anyhow::Result<()> {
        self.inner.advance(by)
    }

    /// Deletes the items whose time to live is over, as AWS does sooner or later; says how many there were.
    ///
    /// # Errors
    /// If the database can't be swept.
    pub fn expire_items(&self) -> anyhow::Result<usize> {
        let swept = self.inner.database.sweep_ttl().map_err(|error| anyhow::anyhow!("{error}"))?;
        self.inner.activity.moved();
        Ok(swept)
    }

    /// Empties everything: table, queues, mails, journal, Google; and ends every connection and process.
    ///
    /// # Errors
    /// If the table can't be created anew.
    pub async fn reset(&self) -> anyhow::Result<()> {
        let inner = Arc::clone(&self.inner);
        self.run(async move { inner.reset().await }).await?
    }

    /// Waits until nothing moves: no queue but the dead-letter ones holds a message, the table's streams are read to
    /// their end, no invocation but a stream's runs, and the fake Google has nothing left to push.
    ///
    /// # Errors
    /// What is still busy when the patience is over.
    pub async fn quiesce(&self, patience: Duration) -> anyhow::Result<()> {
        let inner = Arc::clone(&self.inner);
        Ok(self.run(async move { inner.quiesce(patience).await }).await??)
    }

    /// Runs a future on the cloud's own threads, which have its timers and sockets.
    async fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let runtime = self.runtime.as_ref().context("the cloud has stopped")?;
        Ok(runtime.spawn(future).await?)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            let inner = Arc::clone(&self.inner);
            end(runtime, async move { inner.stop().await });
        }
    }
}

impl Inner {
    pub(crate) fn pool(&self, function: &str) -> anyhow::Result<&Arc<Pool>> {
        self.pools.get(function).with_context(|| format!("the template has no function `{function}`"))
    }

    /// Ends every process, silently: that they fail now is no news.
    async fn stop(&self) {
        self.console.silence();
        futures_util::future::join_all(self.pools.values().map(|pool| pool.stop())).await;
    }

    pub(crate) async fn tick(&self, name: &str) -> anyhow::Result<()> {
        let schedule = self.schedules.iter().find(|schedule| schedule.is_named(name));
        schedule.with_context(|| format!("the template has no schedule `{name}`"))?.fire().await?;
        Ok(())
    }

    pub(crate) fn advance(&self, by: Duration) -> anyhow::Result<()> {
        self.clock.advance(by)?;
        self.activity.moved();
        Ok(())
    }

    /// Connections end first, then processes: what they remember is about to be forgotten.
    pub(crate) async fn reset(&self) -> anyhow::Result<()> {
        if let Some(socket) = &self.socket {
            socket.connections.close_all().await;
        }
        for pool in self.pools.values() {
            pool.kill_all().await;
        }
        for queue in self.queues.broker.queues() {
            self.queues.broker.purge(&queue)?;
        }
        table::recreate_all(&self.database, &self.template)?;
        if let Some(google) = &self.google {
            google.reset();
        }
        self.mailbox.clear();
        self.journal.clear();
        self.activity.moved();
        Ok(())
    }
}

/// Ends all tasks after a last one. On a thread of its own, because a runtime must not be dropped on another runtime's
/// thread.
fn end(runtime: Runtime, last: impl Future<Output = ()> + Send + 'static) {
    let ending = std::thread::spawn(move || {
        // What does not end in time is killed with its task.
        let _ = runtime.block_on(async { tokio::time::timeout(STOP_TIMEOUT, last).await });
        runtime.shutdown_timeout(STOP_TIMEOUT);
    });
    // A panic while stopping has been reported by its own thread.
    let _ = ending.join();
}
