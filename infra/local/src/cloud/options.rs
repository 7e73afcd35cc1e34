//! How a cloud is started.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::console::{Output, Transcript};
use crate::google::Google;

/// Everything that can be chosen; [`Options::new`] suits a test.
pub struct Options {
    /// Port of the front door; 0 takes a free one. All other ports but the WebSocket API's are free ones.
    pub port: u16,
    /// Port of the WebSocket API, if the template has one; 0 takes a free one.
    pub socket_port: u16,
    /// By what API Gateway's limits on a connection's time (two hours; ten minutes without a message) are divided.
    pub socket_limits_divided_by: u32,
    /// Directory that keeps table, keys and positions; `None` keeps nothing.
    pub data: Option<PathBuf>,
    /// Where the function binaries are, each named as in the template.
    pub functions_dir: PathBuf,
    /// The template.
    pub template: PathBuf,
    /// Origin of the web app (parameter `WebUrl`).
    pub web_url: String,
    /// Values of further parameters of the template.
    pub parameters: BTreeMap<String, String>,
    /// Environment variables that every function gets beside the template's.
    pub variables: BTreeMap<String, String>,
    /// Which Google the functions talk to.
    pub google: Google,
    /// Whether schedules and the TTL sweep run by time. Without, only [`crate::Cloud::tick`] and
    /// [`crate::Cloud::expire_items`] run them.
    pub runs_by_time: bool,
    /// After how long a message whose invocation failed is handed out again, whatever the function told the queue. `None` leaves
    /// it to the queue's visibility time-out or the function's wish, as on AWS: many minutes, which nobody waits for on one machine.
    pub redelivery: Option<Duration>,
    /// How often the table's stream is looked at; Lambda does so four times a second. `None` notices at once what a function has written.
    pub stream_poll: Option<Duration>,
    /// Where a line goes for each invocation, warning and mail.
    pub output: Output,
    /// Keeps what functions write and queues hand out.
    pub transcript: Option<Transcript>,
}

impl Options {
    /// Free ports, nothing kept, nothing printed, nothing by time, a fake Google.
    #[must_use]
    pub fn new(functions_dir: PathBuf) -> Self {
        Self {
            port: 0,
            socket_port: 0,
            socket_limits_divided_by: 1,
            data: None,
            functions_dir,
            template: crate::table::repository_template(),
            web_url: "http://localhost:9080".to_owned(),
            parameters: BTreeMap::new(),
            variables: BTreeMap::new(),
            google: Google::default(),
            runs_by_time: false,
            redelivery: Some(Duration::from_millis(500)),
            stream_poll: None,
            output: Output::Silent,
            transcript: None,
        }
    }
}
