//! Small HTTP servers on loopback ports.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{anyhow, bail};
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
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(in_use(port)),
        Err(error) => bail!("cannot listen on port {port}: {error}"),
    }
}

/// Binds the front door on both loopback addresses, because `localhost` may mean either; 0 takes a free port.
///
/// # Errors
/// As [`bind`]. A machine without IPv6 has one listener.
pub(crate) async fn bind_front(port: u16) -> anyhow::Result<Vec<TcpListener>> {
    loop {
        let v4 = bind(port).await?;
        let found = v4.local_addr()?.port();
        match TcpListener::bind((Ipv6Addr::LOCALHOST, found)).await {
            Ok(v6) => return Ok(vec![v4, v6]),
            // Free on one address only: if any port will do, another will.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && port == 0 => {}
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => return Err(in_use(port)),
            Err(_) => return Ok(vec![v4]),
        }
    }
}

fn in_use(port: u16) -> anyhow::Error {
    anyhow!("port {port} is in use; stop what listens there, or choose another with --port")
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
