//! Both ends of the proxy: they keep every byte, and read it with the strict parser alone.

use super::strict::{self, Message, Reading};
use crate::harness::Client;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longer than whatever the proxy waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A backend that keeps what came over each connection.
pub(super) struct Recorder {
    pub(super) address: SocketAddr,
    stop: Arc<AtomicBool>,
    acceptor: JoinHandle<Vec<JoinHandle<Vec<u8>>>>,
}

/// What a backend sends for a request, and whether it closes then.
pub(super) type Answer = (Vec<u8>, bool);

impl Recorder {
    pub(super) fn start(answer: impl Fn(&Message) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let (stop, answer) = (Arc::<AtomicBool>::default(), Arc::new(answer));
        let end = Arc::clone(&stop);
        let acceptor = std::thread::spawn(move || {
            let mut connections = Vec::new();
            while let Ok((stream, _)) = listener.accept() {
                if end.load(SeqCst) {
                    break;
                }
                let answer = Arc::clone(&answer);
                connections.push(std::thread::spawn(move || serve(stream, &*answer)));
            }
            connections
        });
        Self { address, stop, acceptor }
    }

    /// What came over each connection. All of it: the proxy must have ended before.
    pub(super) fn finish(self) -> Vec<Vec<u8>> {
        self.stop.store(true, SeqCst);
        drop(TcpStream::connect(self.address));
        let connections = self.acceptor.join().expect("it does not panic");
        connections.into_iter().map(|connection| connection.join().expect("it does not panic")).collect()
    }
}

/// Answers each request that is whole, and reads on until the connection ends.
fn serve(mut stream: TcpStream, answer: &dyn Fn(&Message) -> Answer) -> Vec<u8> {
    let (mut bytes, mut at, mut listens) = (Vec::new(), 0, true);
    let mut piece = vec![0; 65536];
    loop {
        while listens && at < bytes.len() {
            match strict::request(&bytes[at..]) {
                Ok(Reading::Whole(request, length)) => {
                    at += length;
                    let (response, closes) = answer(&request);
                    // A proxy that has hung up is not this side's concern.
                    let _ = stream.write_all(&response);
                    if closes {
                        let _ = stream.shutdown(Shutdown::Write);
                        listens = false;
                    }
                }
                Ok(_) => break,
                Err(_) => listens = false,
            }
        }
        match stream.read(&mut piece) {
            Ok(0) => return bytes,
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return bytes,
        }
    }
}

/// The requests on one connection, and the beginning of one more if there is one.
pub(super) fn requests(bytes: &[u8]) -> Result<(Vec<Message>, Option<Message>), String> {
    let (mut whole, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        match strict::request(&bytes[at..])? {
            Reading::Whole(request, length) => {
                whole.push(request);
                at += length;
            }
            Reading::Incomplete(Some(begun)) => return Ok((whole, Some(begun))),
            Reading::Incomplete(None) | Reading::UntilEnd(_) => {
                return Err(format!("half a head: {:?}", String::from_utf8_lossy(&bytes[at..])));
            }
        }
    }
    Ok((whole, None))
}

/// How a client's connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// In order.
    Closed,
    Reset,
    /// Not at all: the client went away first.
    Open,
}

/// A client's connection, with what came over it so far.
pub(super) struct Reader {
    client: Client,
    bytes: Vec<u8>,
    at: usize,
    end: End,
}

/// What a client reads next.
#[derive(Debug)]
pub(super) enum Next {
    Response(Message),
    /// The connection ended within a response, of which this much is known.
    Cut(Option<Message>),
    /// The connection ended, and no response had begun.
    Nothing,
}

impl Reader {
    pub(super) fn new(client: Client) -> Self {
        client.set_patience(PATIENCE);
        Self { client, bytes: Vec::new(), at: 0, end: End::Open }
    }

    /// Sends as much as the proxy takes.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        let _ = self.client.wire.send(bytes);
    }

    /// Ends the sending half.
    pub(super) fn finish(&self) {
        self.client.wire.finish();
    }

    /// Everything that came.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn end(&self) -> End {
        self.end
    }

    /// The next response, interim ones included.
    pub(super) fn next(&mut self, to_head: bool) -> Result<Next, String> {
        loop {
            let rest = &self.bytes[self.at..];
            let reading = if rest.is_empty() { Reading::Incomplete(None) } else { strict::response(rest, to_head)? };
            match (reading, self.end) {
                (Reading::Whole(response, length), _) => {
                    self.at += length;
                    return Ok(Next::Response(response));
                }
                (Reading::UntilEnd(response), End::Closed) => {
                    self.at = self.bytes.len();
                    return Ok(Next::Response(response));
                }
                (_, End::Open) => self.fill()?,
                _ if rest.is_empty() => return Ok(Next::Nothing),
                (Reading::Incomplete(begun), _) => return Ok(Next::Cut(begun)),
                (Reading::UntilEnd(begun), End::Reset) => return Ok(Next::Cut(Some(begun))),
            }
        }
    }

    fn fill(&mut self) -> Result<(), String> {
        match self.client.wire.some() {
            Ok(bytes) if bytes.is_empty() => self.end = End::Closed,
            Ok(bytes) => self.bytes.extend(bytes),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.end = End::Reset,
            Err(error) => return Err(format!("neither an answer nor an end: {error}")),
        }
        Ok(())
    }
}
