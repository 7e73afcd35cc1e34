//! All queues together, still without waiting or drawing ids: what takes more than one queue to decide or to do.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::message::Received;
use crate::queue::Queue;
use crate::spec::{QueueSpec, queue_of_arn};

/// Every queue by name.
#[derive(Debug, Default)]
pub(crate) struct State {
    queues: BTreeMap<String, Queue>,
    created: u64,
}

/// What one look at a queue yields.
pub(crate) struct Look {
    pub(crate) deliveries: Vec<Received>,
    /// Whether any queue is another one than before.
    pub(crate) has_changed: bool,
}

impl State {
    pub(crate) fn names(&self) -> Vec<String> {
        self.queues.keys().cloned().collect()
    }

    pub(crate) fn queue(&mut self, name: &str) -> Result<&mut Queue> {
        self.queues.get_mut(name).ok_or(Error::QueueDoesNotExist)
    }

    pub(crate) fn create(&mut self, specs: Vec<QueueSpec>, now: Duration) -> Result<()> {
        let known = |name: &str| self.queues.get(name).map(|queue| &queue.spec);
        for spec in &specs {
            spec.validate()?;
            check_redrive(spec, |name| specs.iter().find(|spec| spec.name == name).or_else(|| known(name)))?;
            known(&spec.name).map_or(Ok(()), |existing| check_same(existing, spec))?;
        }
        for spec in specs {
            if !self.queues.contains_key(&spec.name) {
                self.created += 1;
                self.queues.insert(spec.name.clone(), Queue::new(spec, self.created, now));
            }
        }
        Ok(())
    }

    pub(crate) fn delete(&mut self, name: &str) -> Result<()> {
        self.queues.remove(name).map(drop).ok_or(Error::QueueDoesNotExist)
    }

    pub(crate) fn set_attributes(
        &mut self,
        name: &str,
        attributes: &BTreeMap<String, String>,
        now: Duration,
    ) -> Result<()> {
        let mut spec = self.queue(name)?.spec.clone();
        spec.apply(attributes)?;
        spec.validate()?;
        check_redrive(&spec, |name| self.queues.get(name).map(|queue| &queue.spec))?;
        let queue = self.queue(name)?;
        queue.spec = spec;
        queue.modified_at = now;
        Ok(())
    }

    /// Receives what is there; messages that were received too often move to the dead-letter queue on the way.
    pub(crate) fn receive(
        &mut self,
        name: &str,
        max: usize,
        visibility: Option<Duration>,
        now: Duration,
    ) -> Result<Look> {
        let redrive = self.queue(name)?.spec.redrive.as_ref();
        let target = redrive.map(|redrive| redrive.dead_letter_queue.clone());
        let target = target.filter(|target| self.queues.contains_key(target));
        let queue = self.queue(name)?;
        let has_expired = queue.expire(now);
        let harvest = queue.receive(max, visibility, target.is_some(), now);
        let has_changed = has_expired || !harvest.deliveries.is_empty() || !harvest.exhausted.is_empty();
        if let Some(target) = target.and_then(|target| self.queues.get_mut(&target)) {
            for message in harvest.exhausted {
                target.take_dead_letter(message, name, now);
            }
        }
        Ok(Look { deliveries: harvest.deliveries, has_changed })
    }

    /// Moves visible messages out of a dead-letter queue and returns their number; see [`crate::Broker::redrive`].
    pub(crate) fn redrive(
        &mut self,
        source: &str,
        destination: Option<&str>,
        mut new_id: impl FnMut() -> String,
        now: Duration,
    ) -> Result<usize> {
        self.check_move(source, destination)?;
        let existing = self.names();
        let target_of = |origin: Option<&str>| {
            let name = destination.or_else(|| queue_of_arn(origin?))?;
            existing.iter().find(|existing| *existing == name)
        };
        let wanted = |origin: Option<&str>| target_of(origin).is_some();
        let taken =
            self.queue(source)?.take_out(now, |message| wanted(message.dead_letter_source.as_deref()));
        let count = taken.len();
        for message in taken {
            let target = target_of(message.dead_letter_source.as_deref());
            if let Some(queue) = target.and_then(|target| self.queues.get_mut(target)) {
                queue.take_redriven(message, new_id(), now);
            }
        }
        Ok(count)
    }

    fn check_move(&self, source: &str, destination: Option<&str>) -> Result<()> {
        let from = self.queues.get(source).ok_or(Error::ResourceNotFound("SourceArn"))?;
        if let Some(destination) = destination {
            let to = self.queues.get(destination).ok_or(Error::ResourceNotFound("DestinationArn"))?;
            if to.spec.is_fifo != from.spec.is_fifo {
                return Err(Error::UnsupportedOperation(
                    "Source and destination must be same type of queue.",
                ));
            }
        }
        let feeds_source = |queue: &Queue| {
            queue.spec.redrive.as_ref().is_some_and(|redrive| redrive.dead_letter_queue == source)
        };
        if !self.queues.values().any(feeds_source) {
            return Err(Error::UnsupportedOperation(
                "Source queue must be configured as a Dead Letter Queue.",
            ));
        }
        Ok(())
    }
}

/// A dead-letter queue must exist and be of its source's kind.
fn check_redrive<'a>(spec: &QueueSpec, find: impl Fn(&str) -> Option<&'a QueueSpec>) -> Result<()> {
    let Some(redrive) = &spec.redrive else { return Ok(()) };
    let reason = match find(&redrive.dead_letter_queue) {
        Some(target) if target.is_fifo == spec.is_fifo => return Ok(()),
        Some(_) => "Dead-letter queue must be same type of queue as the source.",
        None => "Dead letter target does not exist.",
    };
    Err(Error::parameter("RedrivePolicy", &redrive.dead_letter_queue, reason))
}

fn check_same(existing: &QueueSpec, wanted: &QueueSpec) -> Result<()> {
    let (existing, wanted) = (existing.attributes(), wanted.attributes());
    let different = wanted.into_iter().find(|(name, value)| existing.get(name) != Some(value));
    different.map_or(Ok(()), |(name, _)| Err(Error::QueueNameExists(name)))
}
