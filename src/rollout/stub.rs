//! A server for tests: takes one request a connection and answers as it is told, or not at all.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A request that came.
#[derive(Debug)]
pub(super) struct Got {
    /// `GET /path?query`.
    pub(super) line: String,
    /// Name and value, the name in lower case.
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Got {
    /// Reads one from `stream`.
    pub(super) fn read(stream: impl Read) -> io::Result<Self> {
        let mut reader = BufReader::new(stream);
        let (mut lines, mut line) = (Vec::new(), String::new());
        while reader.read_line(&mut line)? > 2 {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        if lines.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let first = lines.remove(0);
        let fields: Vec<_> = lines
            .iter()
            .filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned())))
            .collect();
        let length = fields.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
        reader.read_exact(&mut body)?;
        Ok(Self { line: first.trim_end_matches(" HTTP/1.1").to_owned(), fields, body })
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The bytes of an answer.
pub(super) fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// The server.
#[derive(Debug)]
pub(super) struct Stub {
    pub(super) address: SocketAddr,
    got: Receiver<Got>,
}

impl Stub {
    /// Answers the requests with what `say` says, counting from 0; hangs where it says nothing, and hangs up where it
    /// says the empty text.
    pub(super) fn start(mut say: impl FnMut(usize) -> Option<String> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, got) = channel();
        std::thread::spawn(move || {
            let mut hanging = Vec::new();
            for number in 0.. {
                let (mut stream, _) = listener.accept().unwrap();
                let Ok(request) = Got::read(&stream) else { continue };
                let said = say(number);
                if sender.send(request).is_err() {
                    return;
                }
                match said {
                    Some(text) => drop(stream.write_all(text.as_bytes())),
                    None => hanging.push(stream),
                }
            }
        });
        Self { address, got }
    }

    /// Always the same.
    pub(super) fn always(status: &'static str, body: &'static str) -> Self {
        Self::start(move |_| Some(answer(status, body)))
    }

    /// Never answers.
    pub(super) fn hanging() -> Self {
        Self::start(|_| None)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request.
    pub(super) fn next(&self) -> Got {
        self.got.recv_timeout(Duration::from_secs(30)).expect("a request comes")
    }

    /// The requests that have come and were not looked at.
    pub(super) fn rest(&self) -> Vec<Got> {
        self.got.try_iter().collect()
    }
}

/// A port that nobody listens on.
pub(super) fn nobody() -> String {
    format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}
