//! Small HTTP servers on loopback ports.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{anyhow, bail};
use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::{TcpListener, TcpStream};

/// The command line's option for the front door's port.
pub(crate) const FRONT: &str = "--port";
/// The command line's option for the WebSocket API's port.
pub(crate) const SOCKET: &str = "--socket-port";

/// Binds a free loopback port.
///
/// # Errors
/// If there is none.
pub(crate) async fn bind() -> anyhow::Result<TcpListener> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?)
}

/// Binds a front door on both loopback addresses, because `localhost` may mean either; 0 takes a free port. A machine without IPv6 has one
/// listener.
///
/// # Errors
/// In plain words, which name the command line's option, if the port is taken.
pub(crate) async fn bind_front(port: u16, option: &str) -> anyhow::Result<Vec<TcpListener>> {
    let in_use =
        || anyhow!("port {port} is in use; stop what listens there, or choose another with {option}");
    loop {
        let v4 = match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => listener,
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => return Err(in_use()),
            Err(error) => bail!("cannot listen on port {port}: {error}"),
        };
        let found = v4.local_addr()?.port();
        match TcpListener::bind((Ipv6Addr::LOCALHOST, found)).await {
            Ok(v6) => return Ok(vec![v4, v6]),
            // Free on one address only: if any port will do, another will.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && port == 0 => {}
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => return Err(in_use()),
            Err(_) => return Ok(vec![v4]),
        }
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
