//! Puts a cloud together, in the order in which its parts need each other's addresses.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use axum::extract::{ConnectInfo, State};
use axum::{Router, body::Body};
use dynoxide::Database;
use tokio::net::TcpListener;

use super::{Inner, Options, sources};
use crate::activity::Activity;
use crate::console::Console;
use crate::gateway::distribution::{Distribution, Target};
use crate::gateway::function_url::FunctionUrl;
use crate::gateway::http_api::HttpApi;
use crate::gateway::routes::{Route, Routes};
use crate::journal::Journal;
use crate::keys::Keys;
use crate::lambda::environment::Launch;
use crate::lambda::pool::Pool;
use crate::mail::Mailbox;
use crate::table::{self, Served, Table};
use crate::template::Template;
use crate::template::intrinsics::{ACCOUNT, PhysicalIds, REGION};
use crate::template::resources::{EventSpec, FunctionSpec};
use crate::{control, queues, server};

/// File inside the data directory that holds the table.
const DATABASE: &str = "table.sqlite";
/// Mail goes nowhere; its sender only has to look like one.
const MAIL_FROM: &str = "no-reply@meridian.example";

/// Addresses of the services that functions find through the SDK's own variables.
struct Services {
    dynamo: Served,
    queues: queues::Queues,
    mailbox: Mailbox,
    mail_endpoint: String,
}

pub(super) async fn start(options: Options) -> anyhow::Result<Arc<Inner>> {
    let console = Console::new(options.output);
    let activity = Activity::new();
    let journal = Journal::new(console.clone());
    let front = server::bind(options.port).await?;
    if let Some(directory) = &options.data {
        std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    }

    let (google, google_parameters) = options.google.start().await?;
    let keys = match &options.data {
        Some(directory) => Keys::kept_in(directory)?,
        None => Keys::generate()?,
    };
    let mut parameters = keys.parameters().clone();
    parameters.extend(google_parameters);
    parameters.insert("WebUrl".to_owned(), options.web_url.clone());
    parameters.insert("MailFrom".to_owned(), MAIL_FROM.to_owned());
    parameters.extend(options.parameters.clone());
    let template = Template::load(&options.template, &parameters)?;

    let mut ids = PhysicalIds::default();
    let database = open(options.data.as_deref())?;
    let tables = table::create_all(&database, &template)?;
    name_tables(&mut ids, &tables);
    let services = Services {
        dynamo: table::serve(database.clone()).await?,
        queues: queues::start(&template, &mut ids).await?,
        mailbox: Mailbox::new(console.clone(), activity.clone()),
        mail_endpoint: String::new(),
    };
    let services = serve_mail(services).await?;
    let listeners = name_functions(&template, &mut ids).await?;

    let functions = template.functions()?;
    let specs = functions.iter().map(|(id, _)| template.function(id, &ids));
    let specs = specs.collect::<Result<Vec<_>, _>>()?;
    let mut pools = HashMap::new();
    for spec in &specs {
        let mut variables = template.environment(&spec.id, &ids)?;
        variables.extend(services.variables());
        variables.extend(options.variables.clone());
        let launch = Launch {
            function: spec.name.clone(),
            binary: options.functions_dir.join(&spec.name),
            memory: spec.memory,
            timeout: Duration::from_secs(spec.timeout),
            variables,
            console: console.clone(),
        };
        let pool = Pool::new(launch, spec.reserved_concurrency, journal.clone(), activity.clone());
        pools.insert(spec.name.clone(), pool);
    }

    let front_port = front.local_addr()?.port();
    let api = Arc::new(HttpApi {
        id: API_ID.to_owned(),
        routes: routes(&specs),
        pools: pools.clone(),
        port: front_port,
    });
    let urls = serve_urls(&specs, &pools, listeners)?;
    let distribution = Distribution::read(&template, &ids, Target::Api(Arc::clone(&api)), |domain| {
        if domain.starts_with(&format!("{API_ID}.execute-api.")) {
            return Some(Target::Api(Arc::clone(&api)));
        }
        let url = urls.values().find(|url| domain.ends_with(&format!(":{}", url.port)))?;
        Some(Target::Url(Arc::clone(url)))
    })?;

    let mut queues = services.queues;
    let sources = sources::read(&sources::Surroundings {
        specs: &specs,
        pools: &pools,
        tables: &tables,
        database: &database,
        broker: &queues.broker,
        redelivery: options.redelivery,
        data: options.data.as_deref(),
        activity: &activity,
        console: &console,
    })?;
    queues.dead_letter.extend(sources.destinations());

    let inner = Arc::new(Inner {
        front_port,
        urls: urls
            .iter()
            .map(|(name, url)| (name.clone(), format!("http://127.0.0.1:{}", url.port)))
            .collect(),
        template,
        database,
        tables,
        dynamo: services.dynamo,
        queues,
        streams: sources.streams.clone(),
        schedules: sources.schedules.clone(),
        mailbox: services.mailbox,
        google,
        pools,
        specs,
        journal,
        activity,
        console,
    });
    sources.start(options.runs_by_time, &inner.database);
    serve_front(front, distribution, &inner);
    Ok(inner)
}

const API_ID: &str = "api";

fn open(directory: Option<&std::path::Path>) -> anyhow::Result<Database> {
    let opened = match directory {
        Some(directory) => {
            let path = directory.join(DATABASE);
            Database::new(path.to_str().context("the data directory's name is not UTF-8")?)
        }
        None => Database::memory(),
    };
    opened.map_err(|error| anyhow!("cannot open the table's database: {error}"))
}

fn name_tables(ids: &mut PhysicalIds, tables: &[Table]) {
    for table in tables {
        ids.set_ref(&table.id, &table.name);
        ids.set_attribute(&table.id, "Arn", &table.arn);
        if let Some(arn) = &table.stream_arn {
            ids.set_attribute(&table.id, "StreamArn", arn);
        }
    }
}

async fn serve_mail(mut services: Services) -> anyhow::Result<Services> {
    let listener = server::bind(0).await?;
    services.mail_endpoint = format!("http://{}", listener.local_addr()?);
    server::spawn(listener, services.mailbox.clone().router());
    Ok(services)
}

impl Services {
    fn variables(&self) -> BTreeMap<String, String> {
        let endpoints = [
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.dynamo.endpoint),
            ("AWS_ENDPOINT_URL_SQS", &self.queues.endpoint),
            ("AWS_ENDPOINT_URL_SESV2", &self.mail_endpoint),
        ];
        endpoints.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }
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
            let listener = server::bind(0).await?;
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
        let router = Router::new().fallback(by_url).with_state(Arc::clone(&url));
        server::spawn(listener, router);
        urls.insert(function.name.clone(), url);
    }
    Ok(urls)
}

async fn by_url(
    State(url): State<Arc<FunctionUrl>>,
    ConnectInfo(client): ConnectInfo<std::net::SocketAddr>,
    request: axum::http::Request<Body>,
) -> axum::http::Response<Body> {
    url.handle(request, client.ip().to_string()).await
}

async fn by_distribution(
    State(distribution): State<Arc<Distribution>>,
    ConnectInfo(client): ConnectInfo<std::net::SocketAddr>,
    request: axum::http::Request<Body>,
) -> axum::http::Response<Body> {
    distribution.target(request.uri().path()).handle(request, client.ip().to_string()).await
}

fn serve_front(listener: TcpListener, distribution: Distribution, inner: &Arc<Inner>) {
    let router = Router::new()
        .fallback(by_distribution)
        .with_state(Arc::new(distribution))
        .nest("/_local", control::router(Arc::downgrade(inner)));
    server::spawn(listener, router);
}
