//! Puts a cloud together, in the order in which its parts need each other's addresses: tables, queues and function URLs
//! first, then functions (whose variables hold those addresses), then what leads to functions.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{Request, Response};
use axum::middleware::from_fn;
use axum::routing::get;
use dynoxide::Database;
use tokio::net::TcpListener;

use super::{Inner, Options, socket, sources};
use crate::activity::Activity;
use crate::clock::Clock;
use crate::console::Console;
use crate::database;
use crate::gateway::distribution::{Distribution, Target};
use crate::gateway::function_url::FunctionUrl;
use crate::gateway::http_api::HttpApi;
use crate::gateway::routes::{Route, Routes};
use crate::journal::Journal;
use crate::keys::Keys;
use crate::lambda::environment::Launch;
use crate::lambda::pool::Pool;
use crate::mail::Mailbox;
use crate::queues::{self, Queues};
use crate::table::{self, Served, Table};
use crate::template::Template;
use crate::template::intrinsics::{ACCOUNT, PhysicalIds, REGION};
use crate::template::resources::{EventSpec, FunctionSpec};
use crate::{control, debug, outside, page, server};

/// File inside the data directory that holds the table.
const DATABASE: &str = "table.sqlite";
/// Who is told of a change that is none, in the environment of the local cloud.
const DEMO_USER: &str = "SSE_DEBUG_USER";
/// Mail goes nowhere; its sender only has to look like one.
const MAIL_FROM: &str = "no-reply@meridian.example";
/// Physical id of the HTTP API.
const API_ID: &str = "api";

/// Where everything reports to.
pub(super) struct Reports {
    console: Console,
    pub(super) activity: Activity,
    journal: Journal,
}

/// What functions call, and who listens there.
struct Services {
    database: Database,
    tables: Vec<Table>,
    dynamo: Served,
    queues: Queues,
    mailbox: Mailbox,
    mail_endpoint: String,
}

/// The functions and the ports of their URLs, not yet served.
struct Functions {
    specs: Vec<FunctionSpec>,
    pools: HashMap<String, Arc<Pool>>,
    listeners: HashMap<String, TcpListener>,
}

pub(super) async fn start(mut options: Options) -> anyhow::Result<Arc<Inner>> {
    let console = Console::new(options.output, options.transcript.clone());
    let reports = Reports { journal: Journal::new(console.clone()), activity: Activity::new(), console };
    let front = server::bind_front(options.port, server::FRONT).await?;
    if let Some(directory) = &options.data {
        std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    }
    let clock = Clock::new(options.data.as_deref())?;
    let google = std::mem::take(&mut options.google);
    let (google, parameters) = google.start(options.data.as_deref(), &clock).await?;
    let template = Template::load(&options.template, &with_defaults(parameters, &options)?)?;

    let mut ids = PhysicalIds::default();
    let mut services = services(&template, &mut ids, &options, &reports, &clock).await?;
    let socket = socket::bind(&template, &mut ids, options.socket_port).await?;
    let mut endpoints = services.variables();
    endpoints.extend(socket.iter().flat_map(socket::Bound::variables));
    let functions = functions(&template, &mut ids, &options, &endpoints, &reports, &clock).await?;
    let sources = sources::read(&sources::Surroundings {
        specs: &functions.specs,
        pools: &functions.pools,
        tables: &services.tables,
        database: &services.database,
        broker: &services.queues.broker,
        redelivery: options.redelivery,
        stream_poll: options.stream_poll,
        data: options.data.as_deref(),
        activity: &reports.activity,
        console: &reports.console,
    })?;
    services.queues.dead_letter.extend(sources.destinations());

    let front_port = front.first().context("no front door")?.local_addr()?.port();
    let urls = serve_urls(&functions.specs, &functions.pools, functions.listeners)?;
    let distribution = distribution(&template, &ids, &functions.specs, &functions.pools, &urls, front_port)?;
    let socket = match socket {
        Some(bound) => Some(bound.serve(&template, &ids, &functions.pools, &options, &reports, &clock)?),
        None => None,
    };
    let addresses = urls.iter().map(|(name, url)| (name.clone(), format!("http://127.0.0.1:{}", url.port)));
    let inner = Arc::new(Inner {
        front_port,
        urls: addresses.collect(),
        template,
        database: services.database,
        tables: services.tables,
        dynamo: services.dynamo,
        queues: services.queues,
        mailbox: services.mailbox,
        google,
        pools: functions.pools,
        specs: functions.specs,
        socket,
        streams: sources.streams.clone(),
        schedules: sources.schedules.clone(),
        journal: reports.journal,
        activity: reports.activity,
        demo_user: Mutex::new(outside(DEMO_USER).and_then(|user| user.parse().ok())),
        console: reports.console,
        clock,
    });
    sources.start(options.runs_by_time, &inner.database, &inner.clock);
    let operator = options.parameters.get("MaintenanceToken").filter(|secret| !secret.is_empty());
    serve_front(front, distribution, &inner, operator.cloned());
    Ok(inner)
}

/// The parameters' values: our own, Google's, and over them those that were asked for.
fn with_defaults(
    google: BTreeMap<String, String>,
    options: &Options,
) -> anyhow::Result<BTreeMap<String, String>> {
    let keys = match &options.data {
        Some(directory) => Keys::kept_in(directory)?,
        None => Keys::generate()?,
    };
    let mut parameters = keys.parameters().clone();
    parameters.insert("WebUrl".to_owned(), options.web_url.clone());
    parameters.insert("MailFrom".to_owned(), MAIL_FROM.to_owned());
    parameters.extend(google);
    parameters.extend(options.parameters.clone());
    Ok(parameters)
}

async fn services(
    template: &Template,
    ids: &mut PhysicalIds,
    options: &Options,
    reports: &Reports,
    clock: &Clock,
) -> anyhow::Result<Services> {
    let database = open(options.data.as_deref(), clock)?;
    let tables = table::create_all(&database, template)?;
    for table in &tables {
        ids.set_ref(&table.id, &table.name);
        ids.set_attribute(&table.id, "Arn", &table.arn);
        if let Some(arn) = &table.stream_arn {
            ids.set_attribute(&table.id, "StreamArn", arn);
        }
    }
    let mailbox = Mailbox::new(reports.console.clone(), reports.activity.clone());
    let listener = server::bind().await?;
    let mail_endpoint = format!("http://{}", listener.local_addr()?);
    server::spawn(listener, mailbox.clone().router());
    Ok(Services {
        dynamo: table::serve(database.clone()).await?,
        queues: queues::start(template, ids, clock.clone()).await?,
        database,
        tables,
        mailbox,
        mail_endpoint,
    })
}

impl Services {
    /// The SDK's own variables for addresses.
    fn variables(&self) -> BTreeMap<String, String> {
        let endpoints = [
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.dynamo.endpoint),
            ("AWS_ENDPOINT_URL_SQS", &self.queues.endpoint),
            ("AWS_ENDPOINT_URL_SESV2", &self.mail_endpoint),
        ];
        endpoints.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }
}

/// Opens the table's database.
fn open(directory: Option<&Path>, clock: &Clock) -> anyhow::Result<Database> {
    match directory {
        Some(directory) => database::in_file(&directory.join(DATABASE)),
        None => database::in_memory(Some(clock)),
    }
}

async fn functions(
    template: &Template,
    ids: &mut PhysicalIds,
    options: &Options,
    endpoints: &BTreeMap<String, String>,
    reports: &Reports,
    clock: &Clock,
) -> anyhow::Result<Functions> {
    let clock_file = clock.file().to_str().context("the clock's directory is not UTF-8")?;
    let listeners = name_functions(template, ids).await?;
    let mut specs = Vec::new();
    let mut pools = HashMap::new();
    for (id, name) in template.functions()? {
        let spec = template.function(&id, ids)?;
        let mut variables = template.environment(&id, ids)?;
        variables.extend(endpoints.clone());
        variables.insert("CLOCK_OFFSET_FILE".to_owned(), clock_file.to_owned());
        variables.extend(options.variables.clone());
        let launch = Launch {
            binary: options.functions_dir.join(&name),
            function: name.clone(),
            memory: spec.memory,
            timeout: Duration::from_secs(spec.timeout),
            variables,
            clock: clock.clone(),
            console: reports.console.clone(),
        };
        let (journal, activity) = (reports.journal.clone(), reports.activity.clone());
        pools.insert(name, Pool::new(launch, spec.reserved_concurrency, journal, activity));
        specs.push(spec);
    }
    Ok(Functions { specs, pools, listeners })
}

/// Names functions and APIs, and binds a port for every function URL: variables of other functions may hold its address.
async fn name_functions(
    template: &Template,
    ids: &mut PhysicalIds,
) -> anyhow::Result<HashMap<String, TcpListener>> {
    let mut listeners = HashMap::new();
    for (id, name) in template.functions()? {
        ids.set_ref(&id, &name);
        ids.set_attribute(&id, "Arn", format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"));
        if !template.resource(&id)?["Properties"]["FunctionUrlConfig"].is_null() {
            let listener = server::bind().await?;
            let address = format!("http://{}/", listener.local_addr()?);
            ids.set_attribute(&format!("{id}Url"), "FunctionUrl", address);
            listeners.insert(name, listener);
        }
    }
    for id in template.resources_of_type("AWS::Serverless::HttpApi")? {
        ids.set_ref(id, API_ID);
    }
    Ok(listeners)
}

fn routes(specs: &[FunctionSpec]) -> Routes {
    let mut routes = Vec::new();
    for spec in specs {
        for event in &spec.events {
            if let EventSpec::Http { method, path } = event {
                let (method, path, function) = (method.clone(), path.clone(), spec.name.clone());
                routes.push(Route { method, path, function });
            }
        }
    }
    Routes::new(routes)
}

fn serve_urls(
    specs: &[FunctionSpec],
    pools: &HashMap<String, Arc<Pool>>,
    mut listeners: HashMap<String, TcpListener>,
) -> anyhow::Result<HashMap<String, Arc<FunctionUrl>>> {
    let mut urls = HashMap::new();
    for function in specs {
        let (Some(spec), Some(listener)) = (function.url, listeners.remove(&function.name)) else { continue };
        let pool = Arc::clone(&pools[&function.name]);
        let url = Arc::new(FunctionUrl { spec, pool, port: listener.local_addr()?.port() });
        server::spawn(listener, Router::new().fallback(by_url).with_state(Arc::clone(&url)));
        urls.insert(function.name.clone(), url);
    }
    Ok(urls)
}

fn distribution(
    template: &Template,
    ids: &PhysicalIds,
    specs: &[FunctionSpec],
    pools: &HashMap<String, Arc<Pool>>,
    urls: &HashMap<String, Arc<FunctionUrl>>,
    port: u16,
) -> anyhow::Result<Distribution> {
    let api = HttpApi { id: API_ID.to_owned(), routes: routes(specs), pools: pools.clone(), port };
    let api = Target::Api(Arc::new(api));
    Distribution::read(template, ids, api.clone(), |domain| {
        if domain.starts_with(&format!("{API_ID}.execute-api.")) {
            return Some(api.clone());
        }
        let url = urls.values().find(|url| domain.ends_with(&format!(":{}", url.port)))?;
        Some(Target::Url(Arc::clone(url)))
    })
}

async fn by_url(
    State(url): State<Arc<FunctionUrl>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request<Body>,
) -> Response<Body> {
    url.handle(request, client.ip().to_string()).await
}

async fn by_distribution(
    State(distribution): State<Arc<Distribution>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request<Body>,
) -> Response<Body> {
    distribution.target(request.uri().path()).handle(request, client.ip().to_string()).await
}

fn serve_front(
    listeners: Vec<TcpListener>,
    distribution: Distribution,
    inner: &Arc<Inner>,
    operator: Option<String>,
) {
    let cloud = Arc::downgrade(inner);
    let mut own = control::router(cloud.clone()).merge(page::router(cloud.clone()));
    if let Some(google) = &inner.google {
        own = own.nest("/google", google.administration());
    }
    let router = Router::new()
        .fallback(by_distribution)
        .with_state(Arc::new(distribution))
        .merge(debug::router(cloud, operator))
        .nest("/_local", own.layer(from_fn(page::guard)))
        .route("/_local/", get(page::without_slash));
    for listener in listeners {
        server::spawn(listener, router.clone());
    }
}
