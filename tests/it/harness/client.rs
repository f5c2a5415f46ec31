//! A client that sends any bytes and reads what comes back, strictly.

use super::wire::{Chunked, Framing, Head, Wire};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

/// One connection to the proxy.
pub(crate) struct Client {
    pub(crate) wire: Wire,
}

/// A response, whole.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Whether only the connection's end tells the body's.
    pub(crate) until_close: bool,
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("the proxy accepts")
    }

    pub(crate) fn try_connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { wire: Wire::new(TcpStream::connect_timeout(&address, Duration::from_secs(5))?) })
    }

    /// Connects from another of this machine's addresses.
    pub(crate) fn connect_from(source: IpAddr, address: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)
            .expect("a socket can be made");
        socket.bind(&SocketAddr::new(source, 0).into()).expect("all of 127/8 is this machine");
        socket.connect(&address.into()).expect("the proxy accepts");
        Self { wire: Wire::new(socket.into()) }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.send(bytes.as_ref()).expect("the proxy takes what is sent");
    }

    /// Reads within `limit` at most, from now on.
    pub(crate) fn set_patience(&self, limit: Duration) {
        self.wire.stream().set_read_timeout(Some(limit)).expect("the socket takes options");
    }

    /// A plain GET and its response.
    #[track_caller]
    pub(crate) fn get(&mut self, target: &str) -> Response {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"));
        self.response()
    }

    /// A GET with more fields (each ended by CRLF) and its response.
    #[track_caller]
    pub(crate) fn get_with(&mut self, target: &str, fields: &str) -> Response {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
        self.response()
    }

    /// The next head, interim ones included.
    #[track_caller]
    pub(crate) fn head(&mut self) -> (u16, Head) {
        let head = self.wire.head().expect("a response head").expect("not closed before a response");
        (status(&head).expect("a status line"), head)
    }

    /// The next response, whole; interim ones are passed over.
    #[track_caller]
    pub(crate) fn response(&mut self) -> Response {
        self.try_response("GET").expect("a whole response")
    }

    /// The next response to a request with this method, or why there is none.
    pub(crate) fn try_response(&mut self, method: &str) -> io::Result<Response> {
        loop {
            let closed = || io::Error::new(io::ErrorKind::UnexpectedEof, "closed before a response");
            let head = self.wire.head()?.ok_or_else(closed)?;
            if status(&head)? >= 200 {
                return self.rest_of(head, method);
            }
        }
    }

    /// The rest of a response whose head was read before.
    pub(crate) fn rest_of(&mut self, head: Head, method: &str) -> io::Result<Response> {
        let status = status(&head)?;
        let bodyless = method == "HEAD" || status == 204 || status == 304;
        let (mut body, mut trailers, mut until_close) = (Vec::new(), Vec::new(), false);
        if !bodyless {
            match head.framing()? {
                Framing::Length(n) => body = self.wire.exactly(n)?,
                Framing::Chunked => Chunked { body, trailers } = self.wire.chunked()?,
                Framing::None => {
                    body = self.wire.until_end()?;
                    until_close = true;
                }
            }
        }
        Ok(Response { status, head, body, trailers, until_close })
    }

    /// Asserts that the proxy closes now, without another byte.
    #[track_caller]
    pub(crate) fn assert_closed(&mut self) {
        match self.wire.closed() {
            Ok(rest) => assert!(rest.is_empty(), "bytes before the close: {:?}", String::from_utf8_lossy(&rest)),
            Err(e) => panic!("the connection was to be closed: {e}"),
        }
    }

    /// Hangs up with a reset.
    pub(crate) fn reset(self) {
        self.wire.reset_at_close();
    }
}

impl Response {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Which of the named services answered.
    pub(crate) fn backend(&self) -> &str {
        self.head.one("x-backend").unwrap_or_default()
    }
}

fn status(head: &Head) -> io::Result<u16> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, format!("crooked: a status line: {}", head.start));
    let mut parts = head.start.splitn(3, ' ');
    let (version, code) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") || code.len() != 3 || parts.next().is_none() {
        return Err(wrong());
    }
    code.parse().map_err(|_| wrong())
}
