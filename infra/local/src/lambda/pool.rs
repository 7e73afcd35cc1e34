//! One function: environments that start on demand and are reused, at most as many as the template reserves.
//!
//! An invocation runs in a task of its own, because on Lambda nothing that the caller does (leave, time out) ends it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};

use super::answer::{Answer, Failure};
use super::environment::{Environment, Launch};
use super::runtime_api::{Call, Delivery};
use crate::activity::Activity;
use crate::clock::Clock;
use crate::journal::{Entry, Journal};

/// Lambda's own bound on the time from start to the first `next`.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// Environments of a function that reserves nothing. On AWS the account's quota bounds it, and callers beyond it are
/// refused; here they wait, because the machine is smaller than the bundle's traffic may assume.
const UNRESERVED: usize = 64;
/// How long the journal waits for the `invocation` log line of an answer that has been given.
const LOG_LINE_GRACE: Duration = Duration::from_millis(150);

/// What a caller does when every environment is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It is refused, as synchronous callers of a function with reserved concurrency are.
    Refused,
    /// It waits, as event sources do.
    Waits,
}

/// A running process of a function, for tests and measurements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Id of the environment.
    pub id: String,
    /// Process id.
    pub pid: u32,
}

/// All environments of one function.
#[derive(Debug)]
pub(crate) struct Pool {
    launch: Launch,
    limit: Option<usize>,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Arc<Environment>>>,
    all: Mutex<Vec<Weak<Environment>>>,
    running: AtomicUsize,
    running_streams: AtomicUsize,
    started: AtomicU64,
    journal: Journal,
    activity: Activity,
}

impl Pool {
    pub(crate) fn new(
        launch: Launch,
        limit: Option<usize>,
        journal: Journal,
        activity: Activity,
    ) -> Arc<Self> {
        Arc::new(Self {
            launch,
            limit,
            permits: Arc::new(Semaphore::new(limit.unwrap_or(UNRESERVED))),
            idle: Mutex::default(),
            all: Mutex::default(),
            running: AtomicUsize::new(0),
            running_streams: AtomicUsize::new(0),
            started: AtomicU64::new(0),
            journal,
            activity,
        })
    }

    /// Invokes the function once and waits for its answer (for a stream: for its beginning).
    pub(crate) async fn invoke(
        self: &Arc<Self>,
        payload: Bytes,
        trigger: String,
        patience: Patience,
    ) -> Result<Answer, Failure> {
        let guard = Running::begin(self);
        let permit = self.permit(patience).await?;
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(Arc::clone(self).run(guard, permit, payload, trigger, sender));
        receiver.await.unwrap_or(Err(Failure::Stopping))
    }

    /// The clock that its environments live by.
    pub(crate) fn clock(&self) -> &Clock {
        &self.launch.clock
    }

    /// Invocations that have not ended, streams apart.
    pub(crate) fn busy(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    /// Streams that have not ended.
    pub(crate) fn streams(&self) -> usize {
        self.running_streams.load(Ordering::SeqCst)
    }

    /// Processes started so far.
    pub(crate) fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// The processes that run now.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let alive = self.environments().into_iter().filter(|environment| environment.is_alive());
        alive
            .filter_map(|environment| Some(Process { id: environment.id.clone(), pid: environment.pid? }))
            .collect()
    }

    /// Ends every process, whatever it is doing, and waits until they are gone.
    pub(crate) async fn kill_all(&self) -> usize {
        let environments = self.environments();
        lock(&self.idle).clear();
        futures_util::future::join_all(environments.iter().map(|environment| environment.kill())).await;
        environments.len()
    }

    /// Ends every process and accepts no further invocation.
    pub(crate) async fn stop(&self) {
        self.permits.close();
        self.kill_all().await;
    }

    fn environments(&self) -> Vec<Arc<Environment>> {
        lock(&self.all).iter().filter_map(Weak::upgrade).collect()
    }

    async fn permit(&self, patience: Patience) -> Result<OwnedSemaphorePermit, Failure> {
        let permits = Arc::clone(&self.permits);
        match (patience, self.limit) {
            (Patience::Refused, Some(limit)) => {
                permits.try_acquire_owned().map_err(|refusal| match refusal {
                    TryAcquireError::NoPermits => Failure::Throttled(limit),
                    TryAcquireError::Closed => Failure::Stopping,
                })
            }
            _ => permits.acquire_owned().await.map_err(|_| Failure::Stopping),
        }
    }

    async fn run(
        self: Arc<Self>,
        mut guard: Running,
        permit: OwnedSemaphorePermit,
        payload: Bytes,
        trigger: String,
        reply: oneshot::Sender<Result<Answer, Failure>>,
    ) {
        let request_id = uuid::Uuid::new_v4().to_string();
        let attempt = self.attempt(&request_id, payload, &mut guard, reply).await;
        let at = self.clock().now();
        drop(permit);
        let fields = match attempt.line {
            Some(line) => tokio::time::timeout(LOG_LINE_GRACE, line).await.ok().and_then(Result::ok),
            None => None,
        };
        self.journal.record(Entry {
            function: self.launch.function.clone(),
            trigger,
            request_id,
            failure: attempt.failure.map(|failure| failure.to_string()),
            status: attempt.status,
            at,
            duration: attempt.duration,
            is_cold: attempt.is_cold,
            fields: fields.unwrap_or_default(),
        });
        drop(guard);
    }

    /// Delivers the event to an environment and follows it to its end.
    async fn attempt(&self, request_id: &str, payload: Bytes, guard: &mut Running, reply: Reply) -> Attempt {
        let asked = Instant::now();
        let (environment, delivery, line) = match self.deliver(request_id, payload).await {
            Ok(delivered) => delivered,
            Err(failure) => {
                answer(reply, Err(failure.clone()));
                return Attempt::not_begun(failure, asked.elapsed());
            }
        };
        let is_cold = environment.begins_to_serve();
        let delivered = Instant::now();
        let mut status = None;
        let failure = self.follow(&environment, delivery, guard, reply, &mut status).await.err();
        let duration = delivered.elapsed();
        if environment.is_alive() {
            lock(&self.idle).push(environment);
        }
        Attempt { failure, status, duration, is_cold, line: Some(line) }
    }

    /// Finds an environment and waits until it has fetched the event. One that dies before that has lost nothing: an
    /// environment that had served before is replaced silently.
    async fn deliver(
        &self,
        request_id: &str,
        payload: Bytes,
    ) -> Result<(Arc<Environment>, Delivery, Line), Failure> {
        loop {
            let environment = self.idle_or_new().await?;
            let line = environment.logs.expect(request_id);
            let (call, mut delivery) = Call::new(request_id, payload.clone());
            environment.deliver(call);
            let fetched = tokio::time::timeout(INIT_TIMEOUT, async {
                tokio::select! {
                    biased;
                    fetched = &mut delivery.delivered => fetched.is_ok(),
                    _ = environment.exit() => false,
                }
            });
            let fetched = fetched.await;
            if fetched == Ok(true) {
                return Ok((environment, delivery, line));
            }
            environment.kill().await;
            if !environment.has_served() {
                return Err(Failure::Init(match fetched {
                    Ok(_) => environment.exit().await,
                    Err(_) => format!("no request for work within {} s", INIT_TIMEOUT.as_secs()),
                }));
            }
        }
    }

    async fn idle_or_new(&self) -> Result<Arc<Environment>, Failure> {
        loop {
            let Some(environment) = lock(&self.idle).pop() else { break };
            if environment.is_alive() {
                return Ok(environment);
            }
        }
        let started = Environment::start(&self.launch).await;
        let environment = Arc::new(started.map_err(|error| Failure::Init(format!("{error:#}")))?);
        self.started.fetch_add(1, Ordering::Relaxed);
        let mut all = lock(&self.all);
        all.retain(|known| known.strong_count() > 0);
        all.push(Arc::downgrade(&environment));
        Ok(environment)
    }

    /// Waits for answer and end, passes the answer on, and kills what takes too long.
    async fn follow(
        &self,
        environment: &Environment,
        delivery: Delivery,
        guard: &mut Running,
        reply: Reply,
        status: &mut Option<u16>,
    ) -> Result<(), Failure> {
        let Delivery { answer: answered, done, .. } = delivery;
        let deadline = tokio::time::Instant::now() + self.launch.timeout;
        let outcome = self.within(deadline, environment, answered).await;
        if matches!(outcome, Ok(Answer::Streaming(_))) {
            guard.becomes_stream();
        }
        *status = outcome.as_ref().ok().and_then(Answer::status);
        let begun = outcome.as_ref().map(|_| ()).map_err(Clone::clone);
        answer(reply, outcome);
        begun?;
        self.within(deadline, environment, done).await
    }

    async fn within<T>(
        &self,
        deadline: tokio::time::Instant,
        environment: &Environment,
        awaited: oneshot::Receiver<Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let settled = tokio::time::timeout_at(deadline, async {
            tokio::select! {
                biased;
                settled = awaited => settled.ok(),
                _ = environment.exit() => None,
            }
        });
        match settled.await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => {
                environment.kill().await;
                Err(Failure::Exited(environment.exit().await))
            }
            Err(_) => {
                environment.kill().await;
                Err(Failure::TimedOut(self.launch.timeout.as_secs()))
            }
        }
    }
}

type Reply = oneshot::Sender<Result<Answer, Failure>>;
type Line = oneshot::Receiver<Map<String, Value>>;

/// How an invocation went.
struct Attempt {
    failure: Option<Failure>,
    status: Option<u16>,
    duration: Duration,
    is_cold: bool,
    /// The function's `invocation` log line, which may still be on its way.
    line: Option<Line>,
}

impl Attempt {
    fn not_begun(failure: Failure, duration: Duration) -> Self {
        Self { failure: Some(failure), status: None, duration, is_cold: true, line: None }
    }
}

/// Counts an invocation from before its start to after its end.
#[derive(Debug)]
struct Running {
    pool: Arc<Pool>,
    is_stream: bool,
}

impl Running {
    fn begin(pool: &Arc<Pool>) -> Self {
        pool.running.fetch_add(1, Ordering::SeqCst);
        pool.activity.moved();
        Self { pool: Arc::clone(pool), is_stream: false }
    }

    fn becomes_stream(&mut self) {
        self.is_stream = true;
        self.pool.running_streams.fetch_add(1, Ordering::SeqCst);
        self.pool.running.fetch_sub(1, Ordering::SeqCst);
        self.pool.activity.moved();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let counter = if self.is_stream { &self.pool.running_streams } else { &self.pool.running };
        counter.fetch_sub(1, Ordering::SeqCst);
        self.pool.activity.moved();
    }
}

fn answer(reply: Reply, outcome: Result<Answer, Failure>) {
    // A caller that has left wants no answer.
    drop(reply.send(outcome));
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
