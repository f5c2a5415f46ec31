//! A backend that does what a test's script says, and remembers every byte that it was sent.

use super::wire::{Framing, Head, Request, Wire};
use super::{PATIENCE, eventually};
use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A listening backend; its connections end with it.
pub(crate) struct Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    connections: AtomicUsize,
    streams: Mutex<HashMap<usize, TcpStream>>,
    raw: Mutex<Vec<Arc<Mutex<Vec<u8>>>>>,
    requests: Mutex<Vec<Request>>,
    crooked: Mutex<Vec<String>>,
}

/// One accepted connection, in the hands of the script.
pub(crate) struct Conn {
    /// Counted from 0, over the backend's life.
    pub(crate) number: usize,
    pub(crate) wire: Wire,
    shared: Arc<Shared>,
}

impl Backend {
    /// Runs `script` once for each connection, which is closed when it returns.
    pub(crate) fn start(script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address"), script)
    }

    /// The same, at a given address.
    pub(crate) fn start_at(address: SocketAddr, script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).expect("the address is free");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::<Shared>::default();
        let (theirs, script) = (Arc::clone(&shared), Arc::new(script));
        let acceptor = std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if theirs.stop.load(SeqCst) {
                    break;
                }
                let mut conn = Conn::new(stream, &theirs);
                let script = Arc::clone(&script);
                std::thread::spawn(move || script(&mut conn));
            }
        });
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// Answers every request with the same bytes, on connections that stay open.
    pub(crate) fn replying(reply: &str) -> Self {
        let reply = reply.to_owned();
        Self::start(move |conn| conn.reply_to_all(&reply))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    /// The requests that were read whole so far, in the order in which they ended.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The only request so far.
    #[track_caller]
    pub(crate) fn only_request(&self) -> Request {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.into_iter().next().expect("there is one")
    }

    /// Waits until `n` requests were read whole.
    #[track_caller]
    pub(crate) fn await_requests(&self, n: usize) {
        eventually(&format!("the backend has {n} requests"), || self.shared.requests.lock().unwrap().len() >= n);
    }

    /// What came over all connections, as it came.
    pub(crate) fn raw(&self) -> Vec<Vec<u8>> {
        self.shared.raw.lock().unwrap().iter().map(|c| c.lock().unwrap().clone()).collect()
    }

    /// What a strict reader could not accept.
    pub(crate) fn crooked(&self) -> Vec<String> {
        self.shared.crooked.lock().unwrap().clone()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        drop(TcpStream::connect(self.address));
        for (_, stream) in self.shared.streams.lock().unwrap().drain() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        // The backend's own handle goes too, or the connection would stay open.
        self.shared.streams.lock().unwrap().remove(&self.number);
    }
}

impl Conn {
    fn new(stream: TcpStream, shared: &Arc<Shared>) -> Self {
        let copy = Arc::<Mutex<Vec<u8>>>::default();
        shared.raw.lock().unwrap().push(Arc::clone(&copy));
        let number = shared.connections.fetch_add(1, SeqCst);
        let handle = stream.try_clone().expect("a socket can be cloned");
        shared.streams.lock().unwrap().insert(number, handle);
        Self { number, wire: Wire::copying(stream, copy), shared: Arc::clone(shared) }
    }

    /// Keeps no copy of what it reads from now on: for bodies that do not fit in memory.
    pub(crate) fn forget(&mut self) {
        self.wire.stop_copying();
    }

    /// The next request's head; `None` when there is none to come.
    pub(crate) fn head(&mut self) -> Option<Head> {
        self.note(Wire::head).flatten()
    }

    /// The next whole request; `None` when there is none to come.
    pub(crate) fn request(&mut self) -> Option<Request> {
        let head = self.head()?;
        self.rest_of(head)
    }

    /// The body that belongs to a head that was read before.
    pub(crate) fn rest_of(&mut self, head: Head) -> Option<Request> {
        let framing = self.note(|_| head.framing())?;
        let (body, trailers) = match framing {
            Framing::None => Default::default(),
            Framing::Length(n) => (self.note(|wire| wire.exactly(n))?, Vec::new()),
            Framing::Chunked => self.note(Wire::chunked).map(|c| (c.body, c.trailers))?,
        };
        let request = Request { head, body, trailers };
        self.shared.requests.lock().unwrap().push(request.clone());
        Some(request)
    }

    fn note<T>(&mut self, read: impl FnOnce(&mut Wire) -> io::Result<T>) -> Option<T> {
        match read(&mut self.wire) {
            Ok(value) => Some(value),
            Err(e) => {
                if e.kind() == io::ErrorKind::InvalidData {
                    self.shared.crooked.lock().unwrap().push(e.to_string());
                }
                None
            }
        }
    }

    /// Sends what it can: a proxy that has hung up is the test's to notice.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.wire.send(bytes.as_ref()).is_ok()
    }

    /// Answers every request with the same bytes until the connection ends.
    pub(crate) fn reply_to_all(&mut self, reply: &str) {
        while self.request().is_some() {
            if !self.send(reply) {
                break;
            }
        }
    }

    /// A plain answer with this body.
    pub(crate) fn reply(&mut self, body: &str) -> bool {
        self.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    }

    /// Makes the close at the script's end a reset.
    pub(crate) fn reset(&mut self) {
        self.wire.reset_at_close();
    }

    /// Waits until the proxy has closed this connection; whether it did in time.
    pub(crate) fn await_close(&mut self) -> bool {
        self.wire.stream().set_read_timeout(Some(PATIENCE)).expect("the socket takes options");
        self.wire.closed().is_ok()
    }
}
