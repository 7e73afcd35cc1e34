//! The template's DynamoDB tables in an embedded database, behind the real DynamoDB protocol.
//!
//! The functions reach it over loopback HTTP with the unmodified AWS SDK; the cloud itself holds the database's handle
//! for what AWS does behind the scenes: reading streams, expiring items.
//!
//! [`TestTable`] is the same for tests of other crates that need the table and nothing else.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use dynoxide::Database;
use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::actions::delete_table::DeleteTableRequest;
use dynoxide::actions::describe_table::DescribeTableRequest;
use dynoxide::actions::update_time_to_live::UpdateTimeToLiveRequest;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::database;
use crate::template::intrinsics::{PhysicalIds, REGION};
use crate::template::{Template, TemplateError};

/// A table that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Logical id in the template.
    pub id: String,
    /// Physical name.
    pub name: String,
    /// ARN of the table.
    pub arn: String,
    /// ARN of its stream, if it has one.
    pub stream_arn: Option<String>,
}

/// Name of a table in the local database: boto3 refuses shard ids of tables whose names are shorter than 11 characters.
fn physical_name(id: &str) -> String {
    format!("meridian-{}", id.to_lowercase())
}

/// Creates every table of the template that the database does not hold yet.
///
/// # Errors
/// If a table's definition is refused, or an existing table can't be read.
pub fn create_all(database: &Database, template: &Template) -> anyhow::Result<Vec<Table>> {
    let ids = template.resources_of_type("AWS::DynamoDB::Table")?;
    ids.into_iter().map(|id| create(database, template, id)).collect()
}

fn create(database: &Database, template: &Template, id: &str) -> anyhow::Result<Table> {
    let name = physical_name(id);
    if describe(database, id, &name)?.is_none() {
        let nothing = PhysicalIds::default();
        let mut definition = json!({ "TableName": name, "BillingMode": "PAY_PER_REQUEST" });
        for property in
            ["KeySchema", "AttributeDefinitions", "LocalSecondaryIndexes", "GlobalSecondaryIndexes"]
        {
            let value = template.property(id, property, &nothing)?;
            if !value.is_null() {
                definition[property] = value;
            }
        }
        let view = template.property(id, "StreamSpecification.StreamViewType", &nothing)?;
        if !view.is_null() {
            definition["StreamSpecification"] = json!({ "StreamEnabled": true, "StreamViewType": view });
        }
        let request: CreateTableRequest = serde_json::from_value(definition)
            .with_context(|| format!("Resources.{id} does not describe a table"))?;
        database.create_table(request).map_err(|error| anyhow!("table {id}: {error}"))?;
        enable_expiry(database, template, id, &name)?;
    }
    describe(database, id, &name)?.with_context(|| format!("table {id} vanished while it was created"))
}

fn enable_expiry(database: &Database, template: &Template, id: &str, name: &str) -> anyhow::Result<()> {
    let specification = template.property(id, "TimeToLiveSpecification", &PhysicalIds::default())?;
    if specification.is_null() {
        return Ok(());
    }
    let request: UpdateTimeToLiveRequest =
        serde_json::from_value(json!({ "TableName": name, "TimeToLiveSpecification": specification }))?;
    database.update_time_to_live(request).map_err(|error| anyhow!("table {id}: {error}"))?;
    Ok(())
}

fn describe(database: &Database, id: &str, name: &str) -> anyhow::Result<Option<Table>> {
    let request = DescribeTableRequest { table_name: name.to_owned() };
    let description = match database.describe_table(request) {
        Ok(response) => serde_json::to_value(response)?["Table"].take(),
        Err(dynoxide::DynoxideError::ResourceNotFoundException(_)) => return Ok(None),
        Err(error) => bail!("table {id}: {error}"),
    };
    let text = |key: &str| description[key].as_str().map(str::to_owned);
    Ok(Some(Table {
        id: id.to_owned(),
        name: name.to_owned(),
        arn: text("TableArn").unwrap_or_default(),
        stream_arn: text("LatestStreamArn"),
    }))
}

/// Deletes the tables and creates them anew, empty.
///
/// # Errors
/// As [`create_all`].
pub fn recreate_all(database: &Database, template: &Template) -> anyhow::Result<Vec<Table>> {
    for id in template.resources_of_type("AWS::DynamoDB::Table")? {
        let request: DeleteTableRequest = serde_json::from_value(json!({ "TableName": physical_name(id) }))?;
        database.delete_table(request).map_err(|error| anyhow!("table {id}: {error}"))?;
    }
    create_all(database, template)
}

/// A served database; the server stops when this is dropped.
#[derive(Debug)]
pub struct Served {
    /// `http://127.0.0.1:<port>`.
    pub endpoint: String,
    server: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Serves the database on an ephemeral loopback port.
///
/// # Errors
/// If no port can be bound.
pub async fn serve(database: Database) -> anyhow::Result<Served> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let server = tokio::spawn(dynoxide::server::serve_on(listener, database));
    Ok(Served { endpoint, server })
}

/// A client of the served database: plain HTTP, fixed credentials.
#[must_use]
pub fn client(endpoint: &str) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .endpoint_url(endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_dynamodb::Client::from_conf(config)
}

/// The template of the repository this crate was built in.
#[must_use]
pub fn repository_template() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml")
}

/// That template with stand-ins for the parameters that have no default: what is asked of it must not depend on them.
pub(crate) fn repository() -> Result<Template, TemplateError> {
    let names =
        ["WebUrl", "SessionSigningKey", "SessionVerifyKey", "TokenEncryptionKey", "CursorKey", "MailFrom"];
    let stand_ins = names.into_iter().map(|name| (name.to_owned(), name.to_owned())).collect();
    Template::load(&repository_template(), &stand_ins)
}

/// The table of the repository's template, empty, in memory, for tests of one crate.
///
/// ```no_run
/// # async fn example() -> anyhow::Result<()> {
/// let table = local::table::TestTable::start().await?;
/// table.client.get_item().table_name(&table.table_name);
/// # Ok(()) }
/// ```
pub struct TestTable {
    /// `http://127.0.0.1:<port>`, for `AWS_ENDPOINT_URL_DYNAMODB`.
    pub endpoint: String,
    /// Physical name of the table.
    pub table_name: String,
    /// A client that leads to it.
    pub client: aws_sdk_dynamodb::Client,
    /// The database itself, e.g. for [`Database::sweep_ttl`] and streams.
    pub database: Database,
    _served: Served,
}

impl TestTable {
    /// Creates the table and serves it until the value is dropped (or the runtime it was started on ends).
    ///
    /// # Errors
    /// If the template can't be read or has no table.
    pub async fn start() -> anyhow::Result<Self> {
        let template = repository()?;
        let database = database::in_memory(None)?;
        let tables = create_all(&database, &template)?;
        let table = tables.into_iter().next().context("the template has no table")?;
        let served = serve(database.clone()).await?;
        Ok(Self {
            endpoint: served.endpoint.clone(),
            table_name: table.name,
            client: client(&served.endpoint),
            database,
            _served: served,
        })
    }

    /// All that the database holds, word for word, with every version that an item ever had.
    ///
    /// # Errors
    /// If the database cannot be copied or read.
    pub fn values(&self) -> anyhow::Result<Vec<String>> {
        database::values(&self.database)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;

    fn text(value: &str) -> AttributeValue {
        AttributeValue::S(value.to_owned())
    }

    #[tokio::test]
    async fn the_table_of_the_template_answers_through_its_indexes() {
        let table = TestTable::start().await.unwrap();
        let put = table.client.put_item().table_name(&table.table_name);
        put.item("pk", text("U#1"))
            .item("sk", text("E#1"))
            .item("when", text("S#2030"))
            .item("rev", AttributeValue::N("7".to_owned()))
            .send()
            .await
            .unwrap();

        for (index, key, value) in
            [("when", "when", text("S#2030")), ("rev", "rev", AttributeValue::N("7".to_owned()))]
        {
            let answer = table
                .client
                .query()
                .table_name(&table.table_name)
                .index_name(index)
                .consistent_read(true)
                .key_condition_expression("pk = :pk AND #key = :value")
                .expression_attribute_names("#key", key)
                .expression_attribute_values(":pk", text("U#1"))
                .expression_attribute_values(":value", value)
                .send()
                .await
                .unwrap();
            assert_eq!(answer.count(), 1, "index {index}");
        }
    }

    #[tokio::test]
    async fn two_tables_in_one_process_share_nothing() {
        let (first, second) = (TestTable::start().await.unwrap(), TestTable::start().await.unwrap());
        let put = first.client.put_item().table_name(&first.table_name);
        put.item("pk", text("U#1")).item("sk", text("HEAD")).send().await.unwrap();
        let get = second.client.get_item().table_name(&second.table_name);
        let answer = get.key("pk", text("U#1")).key("sk", text("HEAD")).send().await.unwrap();
        assert!(answer.item().is_none());
    }

    #[tokio::test]
    async fn expired_items_are_swept_and_leave_a_stream_record() {
        let table = TestTable::start().await.unwrap();
        let put = table.client.put_item().table_name(&table.table_name);
        put.item("pk", text("U#1"))
            .item("sk", text("N#1"))
            .item("expires_at", AttributeValue::N("1".to_owned()))
            .send()
            .await
            .unwrap();
        assert_eq!(table.database.sweep_ttl().unwrap(), 1);
    }
}
