//! An address at which nothing happens.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A listener whose queue is full, so that a further connect is neither taken nor refused.
pub(crate) fn black_hole() -> (SocketAddr, socket2::Socket, Vec<TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut held = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        held.push(stream);
        assert!(held.len() < 100, "a full queue takes no more");
    }
    (address, socket, held)
}
