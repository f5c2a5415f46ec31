//! Opens a listener's address: a socket for each worker, between which the kernel spreads the connections.

use crate::net::keep_alive;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// An address could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}; {}", advice(.source))]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// The system's reason.
    pub source: io::Error,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process, or another listener, has this port",
        io::ErrorKind::PermissionDenied => "ports below 1024 need the capability NET_BIND_SERVICE",
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has this address",
        _ => "choose another address",
    }
}

const BACKLOG: i32 = 4_096;

/// Opens `address` once for each of `workers`. Port 0 is any free one, the same for all.
///
/// `SO_REUSEPORT` would let a second process of the same user share the port in silence, and take half of the
/// traffic: so the address is opened without it first.
///
/// # Errors
/// [`BindError`] with what the system said.
pub fn bind(address: SocketAddr, workers: usize) -> Result<Vec<TcpListener>, BindError> {
    let open = || -> io::Result<Vec<TcpListener>> {
        let probe = socket(address)?;
        probe.bind(&address.into())?;
        let bound = probe.local_addr()?.as_socket().expect("bound to an IP address");
        drop(probe);
        (0..workers)
            .map(|_| {
                let socket = socket(bound)?;
                socket.set_reuse_port(true)?;
                socket.bind(&bound.into())?;
                // Accepted sockets inherit both.
                socket.set_tcp_nodelay(true)?;
                keep_alive(&socket)?;
                socket.listen(BACKLOG)?;
                socket.set_nonblocking(true)?;
                Ok(socket.into())
            })
            .collect()
    };
    open().map_err(|source| BindError { address, source })
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `[::]` is every address, the IPv4 ones included.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_another_has_is_not_shared_in_silence() {
        let ours = bind(SocketAddr::from(([127, 0, 0, 1], 0)), 2).unwrap();
        let address = ours[0].local_addr().unwrap();
        assert_eq!(ours[1].local_addr().unwrap(), address);
        assert_eq!(bind(address, 2).unwrap_err().source.kind(), io::ErrorKind::AddrInUse);
    }
}
