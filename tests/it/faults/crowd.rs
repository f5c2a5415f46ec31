//! Many connections at once, from as many of this machine's addresses as their ports need.

use crate::harness::{Serin, skipped};
use serin::machine::raise_open_files;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Connections from one address: a part of the ports that the kernel gives out.
const FROM_ONE_ADDRESS: usize = 4_000;

/// Whether this process, and the proxy that inherits the limit, may have `connections` open, and others' beside them.
/// Where they may not, the test says so and is skipped.
pub(super) fn fits(connections: usize) -> bool {
    let most = raise_open_files().unwrap_or(0);
    let fits = most >= connections as u64 + 2_000;
    if !fits {
        skipped(&format!("{connections} connections do not fit into the hard limit of {most} open files"));
    }
    fits
}

/// Opens `count` connections; `receive` is the size of their receive buffers where it matters.
pub(super) fn connect(address: SocketAddr, count: usize, receive: Option<usize>) -> Vec<TcpStream> {
    (0..count).map(|n| connect_one(address, n / FROM_ONE_ADDRESS, receive).expect("the proxy accepts")).collect()
}

fn connect_one(address: SocketAddr, source: usize, receive: Option<usize>) -> io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    if let Some(receive) = receive {
        socket.set_recv_buffer_size(receive)?;
    }
    let source = Ipv4Addr::new(127, 90, 0, 1 + u8::try_from(source).expect("a few addresses"));
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect_timeout(&address.into(), Duration::from_secs(5))?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

/// How many client connections the proxy has open.
#[track_caller]
pub(super) fn open(serin: &Serin) -> usize {
    usize::try_from(serin.count("serin_connections", &[("side", "client")])).expect("not that many")
}
