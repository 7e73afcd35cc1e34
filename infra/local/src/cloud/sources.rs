//! The template's event sources, read and started.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use dynoxide::Database;
use fake_sqs::Broker;

use crate::activity::Activity;
use crate::clock::Clock;
use crate::console::Console;
use crate::lambda::pool::Pool;
use crate::queues;
use crate::sources::filter::Filters;
use crate::sources::schedule::{Schedule, Timing};
use crate::sources::{sqs, stream};
use crate::table::Table;
use crate::template::resources::{EventSpec, FunctionSpec, ScheduleSpec, SqsSpec, StreamSpec};

/// How often expired items are looked for; AWS promises days.
const EXPIRY_SWEEP: Duration = Duration::from_secs(30);

/// After how long records of a stream are handed out again where the queues go by their own times.
const STREAM_RETRY: Duration = Duration::from_millis(500);

/// What the sources hold on to.
pub(super) struct Surroundings<'a> {
    pub(super) specs: &'a [FunctionSpec],
    pub(super) pools: &'a HashMap<String, Arc<Pool>>,
    pub(super) tables: &'a [Table],
    pub(super) database: &'a Database,
    pub(super) broker: &'a Broker,
    pub(super) redelivery: Option<Duration>,
    pub(super) stream_poll: Option<Duration>,
    pub(super) data: Option<&'a Path>,
    pub(super) activity: &'a Activity,
    pub(super) console: &'a Console,
}

/// All event sources of the template.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) queues: Vec<sqs::Mapping>,
    pub(super) streams: Vec<Arc<stream::Mapping>>,
    pub(super) schedules: Vec<Schedule>,
}

/// Reads them; nothing polls yet.
pub(super) fn read(around: &Surroundings<'_>) -> anyhow::Result<Sources> {
    let mut sources = Sources::default();
    for function in around.specs {
        let pool = &around.pools[&function.name];
        for event in &function.events {
            match event {
                EventSpec::Http { .. } => {}
                EventSpec::Sqs(spec) => sources.queues.extend(queue(around, pool, spec)),
                EventSpec::Stream(spec) => {
                    sources.streams.extend(table_stream(around, function, pool, spec)?)
                }
                EventSpec::Schedule(spec) => sources.schedules.push(schedule(function, pool, spec)?),
            }
        }
    }
    Ok(sources)
}

impl Sources {
    /// Names of the queues that take what a stream gives up.
    pub(super) fn destinations(&self) -> Vec<String> {
        let failures =
            self.streams.iter().filter_map(|mapping| mapping.spec.destination_config.on_failure.as_ref());
        failures.map(|failure| queues::name_of(&failure.destination).to_owned()).collect()
    }

    /// Starts the mappings; schedules and the sweep for expired items only if the cloud runs by time.
    pub(super) fn start(self, runs_by_time: bool, database: &Database, clock: &Clock) {
        for mapping in self.queues {
            tokio::spawn(mapping.run());
        }
        for mapping in self.streams {
            tokio::spawn(mapping.run());
        }
        if !runs_by_time {
            return;
        }
        for schedule in self.schedules.into_iter().filter(|schedule| schedule.spec.enabled) {
            tokio::spawn(schedule.run());
        }
        let (database, clock) = (database.clone(), clock.clone());
        tokio::spawn(async move {
            loop {
                clock.reaches(clock.now() + EXPIRY_SWEEP).await;
                let database = database.clone();
                // A sweep that fails is followed by another.
                drop(tokio::task::spawn_blocking(move || database.sweep_ttl()).await);
            }
        });
    }
}

fn queue(around: &Surroundings<'_>, pool: &Arc<Pool>, spec: &SqsSpec) -> Option<sqs::Mapping> {
    spec.enabled.then(|| sqs::Mapping {
        spec: spec.clone(),
        broker: around.broker.clone(),
        pool: Arc::clone(pool),
        redelivery: around.redelivery,
        console: around.console.clone(),
    })
}

fn table_stream(
    around: &Surroundings<'_>,
    function: &FunctionSpec,
    pool: &Arc<Pool>,
    spec: &StreamSpec,
) -> anyhow::Result<Option<Arc<stream::Mapping>>> {
    if !spec.enabled {
        return Ok(None);
    }
    let table = around.tables.iter().find(|table| table.stream_arn.as_deref() == Some(&spec.stream));
    let table = table.with_context(|| format!("{}: no table has the stream {}", function.id, spec.stream))?;
    let kept_in = around.data.map(|directory| directory.join(format!("stream-{}.position", function.name)));
    let position = stream::first_position(around.database, spec, &table.name, kept_in.as_ref())?;
    Ok(Some(Arc::new(stream::Mapping {
        function: function.name.clone(),
        spec: spec.clone(),
        table: table.name.clone(),
        filters: Filters::parse(&spec.filter_criteria).with_context(|| function.id.clone())?,
        database: around.database.clone(),
        broker: around.broker.clone(),
        pool: Arc::clone(pool),
        retry_after: around.redelivery.unwrap_or(STREAM_RETRY),
        poll: around.stream_poll,
        activity: around.activity.clone(),
        console: around.console.clone(),
        kept_in,
        position: Mutex::new(position),
    })))
}

fn schedule(function: &FunctionSpec, pool: &Arc<Pool>, spec: &ScheduleSpec) -> anyhow::Result<Schedule> {
    Ok(Schedule {
        function: function.name.clone(),
        spec: spec.clone(),
        timing: Timing::parse(&spec.expression).with_context(|| function.id.clone())?,
        pool: Arc::clone(pool),
    })
}
