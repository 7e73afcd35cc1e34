//! Small HTTP servers on loopback ports.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::bail;
use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::{TcpListener, TcpStream};

/// Binds a loopback port; 0 takes a free one.
///
/// # Errors
/// In plain words if the port is taken.
pub(crate) async fn bind(port: u16) -> anyhow::Result<TcpListener> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            bail!("port {port} is in use; stop what listens there, or choose another with --port")
        }
        Err(error) => bail!("cannot listen on port {port}: {error}"),
    }
}

/// Serves until the runtime ends. Handlers can ask for the client's address.
pub(crate) fn spawn(listener: TcpListener, router: Router) {
    let listener = listener.tap_io(|stream: &mut TcpStream| {
        // Only latency depends on it: a connection that refuses the option still works.
        let _ = stream.set_nodelay(true);
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
}
