//! The one way out of the process: a call with a deadline, billed, and open to a test's faults.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::{Class, ledger};

/// The other side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// DynamoDB.
    Store,
    /// SQS.
    Queue,
    /// Google's OAuth and Calendar endpoints.
    Google,
    /// SES.
    Mail,
    /// API Gateway's connections.
    Socket,
}

/// What a test can do to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call never leaves: the caller sees an error, the other side nothing.
    FailBefore,
    /// The call takes effect, but its answer is lost.
    FailAfter,
    /// The call is made after this time, which counts against the deadline.
    Delay(Duration),
    /// The call is made twice; the caller sees the second answer.
    Repeat,
}

/// Decides about each call in turn. Tests implement it; production has none.
pub trait Script: Send + Sync {
    /// The fault for this call, if any.
    fn next(&self, kind: Kind, operation: &'static str) -> Option<Fault>;
}

/// A call did not bring an answer: it ran out of time, or a test cut it off. Whether it took effect is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind:?} call {operation} was interrupted: {cause}")]
pub struct Interrupted {
    /// The other side.
    pub kind: Kind,
    /// The operation, in the other side's own terms (`TransactWriteItems`, `events.list`).
    pub operation: &'static str,
    /// Why there is no answer.
    pub cause: &'static str,
}

impl Interrupted {
    /// Always worth another try.
    pub fn class(&self) -> Class {
        Class::Transient
    }
}

/// The way out to one other side.
#[derive(Clone)]
pub struct Seam {
    kind: Kind,
    deadline: Duration,
    script: Option<Arc<dyn Script>>,
}

impl Seam {
    /// A seam whose calls must be answered within `deadline`, which must be shorter than the function's own time-out.
    pub fn new(kind: Kind, deadline: Duration) -> Self {
        Self { kind, deadline, script: None }
    }

    /// The same seam under a test's script.
    pub fn with_script(self, script: Arc<dyn Script>) -> Self {
        Self { script: Some(script), ..self }
    }

    /// Makes one call. `call` is a function because a fault may make it twice; retries belong to the caller, who
    /// knows what is safe to repeat.
    ///
    /// # Errors
    /// The call's own error, or [`Interrupted`] converted into it.
    pub async fn call<T, E, F>(&self, operation: &'static str, call: impl Fn() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: From<Interrupted>,
    {
        let interrupted = |cause| E::from(Interrupted { kind: self.kind, operation, cause });
        let fault = self.script.as_ref().and_then(|script| script.next(self.kind, operation));
        let guarded = async {
            match fault {
                None => call().await,
                Some(Fault::FailBefore) => Err(interrupted("cut off before the call")),
                Some(Fault::FailAfter) => call().await.and(Err(interrupted("answer lost"))),
                Some(Fault::Delay(delay)) => {
                    pause(delay).await;
                    call().await
                }
                Some(Fault::Repeat) => match call().await {
                    Ok(_) => call().await,
                    Err(error) => Err(error),
                },
            }
        };
        let _billed = Billed::begin(self.kind);
        tokio::time::timeout(self.deadline, guarded)
            .await
            .unwrap_or_else(|_| Err(interrupted("deadline passed")))
    }
}

impl fmt::Debug for Seam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seam")
            .field("kind", &self.kind)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

#[expect(clippy::disallowed_methods, reason = "the one home of deliberate waiting")]
async fn pause(delay: Duration) {
    tokio::time::sleep(delay).await;
}

/// Closes the ledger's entry also when the future is dropped half-way.
struct Billed(Kind);

impl Billed {
    fn begin(kind: Kind) -> Self {
        ledger::begin(kind);
        Self(kind)
    }
}

impl Drop for Billed {
    fn drop(&mut self) {
        ledger::end(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    struct Once(Mutex<Option<Fault>>);
    impl Script for Once {
        fn next(&self, _: Kind, _: &'static str) -> Option<Fault> {
            self.0.lock().unwrap().take()
        }
    }

    async fn run(fault: Option<Fault>) -> (Result<u32, Interrupted>, u32) {
        let calls = AtomicU32::new(0);
        let seam =
            Seam::new(Kind::Store, Duration::from_secs(3)).with_script(Arc::new(Once(Mutex::new(fault))));
        let answer = seam.call("Query", || async { Ok(calls.fetch_add(1, Ordering::SeqCst) + 1) }).await;
        (answer, calls.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn each_fault_does_what_it_says() {
        assert_eq!(run(None).await, (Ok(1), 1));
        assert_eq!(run(Some(Fault::Repeat)).await, (Ok(2), 2));
        assert_eq!(run(Some(Fault::Delay(Duration::from_secs(1)))).await, (Ok(1), 1));
        let (before, calls) = run(Some(Fault::FailBefore)).await;
        assert_eq!((before.unwrap_err().cause, calls), ("cut off before the call", 0));
        let (after, calls) = run(Some(Fault::FailAfter)).await;
        assert_eq!((after.unwrap_err().cause, calls), ("answer lost", 1));
        let (late, calls) = run(Some(Fault::Delay(Duration::from_secs(4)))).await;
        assert_eq!((late.unwrap_err().cause, calls), ("deadline passed", 0));
    }
}
