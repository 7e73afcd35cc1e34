//! The WebSocket API's part of a start: its port is bound before the functions are made, whose variables hold its address, and served when
//! there are functions to lead to.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;

use super::Options;
use super::start::Reports;
use crate::clock::Clock;
use crate::lambda::pool::Pool;
use crate::server;
use crate::socket::{API_ID, Connections, Limits, SocketApi};
use crate::template::Template;
use crate::template::intrinsics::PhysicalIds;

/// A port that nobody is served on yet.
pub(super) struct Bound {
    /// Logical id of the API.
    id: String,
    port: u16,
    /// Where browsers connect.
    url: String,
    listeners: Vec<TcpListener>,
}

/// Binds the port of the template's WebSocket API, if it has one, and gives it and its parts their physical ids.
pub(super) async fn bind(
    template: &Template,
    ids: &mut PhysicalIds,
    port: u16,
) -> anyhow::Result<Option<Bound>> {
    let Some(id) = template.socket_id()? else { return Ok(None) };
    let listeners = server::bind_front(port, server::SOCKET).await?;
    let port = listeners.first().context("no port for sockets")?.local_addr()?.port();
    ids.set_ref(id, API_ID);
    ids.set_attribute(id, "ApiId", API_ID);
    let endpoint = format!("ws://localhost:{port}");
    ids.set_attribute(id, "ApiEndpoint", endpoint.clone());
    template.name_socket_parts(ids)?;
    let url = format!("{endpoint}/{}", template.socket_stage(id, ids)?);
    Ok(Some(Bound { id: id.to_owned(), port, url, listeners }))
}

impl Bound {
    /// Where functions post, under the SDK's own name, and where browsers connect. They take the place of what the template says, which is
    /// the API's host on AWS.
    pub(super) fn variables(&self) -> [(String, String); 2] {
        let posts = format!("http://127.0.0.1:{}", self.port);
        [
            ("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI".to_owned(), posts),
            ("SOCKET_URL".to_owned(), self.url.clone()),
        ]
    }

    /// Opens it.
    pub(super) fn serve(
        self,
        template: &Template,
        ids: &PhysicalIds,
        pools: &HashMap<String, Arc<Pool>>,
        options: &Options,
        reports: &Reports,
        clock: &Clock,
    ) -> anyhow::Result<Arc<SocketApi>> {
        let spec = template.socket(&self.id, ids)?;
        let limits = Limits::divided_by(options.socket_limits_divided_by);
        let connections = Connections::new(clock.clone(), reports.activity.clone());
        let (pools, clock) = (pools.clone(), clock.clone());
        let api = SocketApi { spec, pools, port: self.port, url: self.url, limits, clock, connections };
        let api = Arc::new(api);
        for listener in self.listeners {
            server::spawn(listener, Arc::clone(&api).router());
        }
        Ok(api)
    }
}
