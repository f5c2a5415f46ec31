//! HTTP/2 frame by frame: a client that sends exactly what it is told, and reads what comes.

use super::{PATIENCE, hpack};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;

/// Error codes (RFC 9113 section 7).
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const STREAM_CLOSED: u32 = 5;
pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const COMPRESSION_ERROR: u32 = 9;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    /// A whole field section.
    pub(crate) fn headers(stream: u32, fields: &[(&str, &str)], end: bool) -> Self {
        let flags = END_HEADERS | if end { END_STREAM } else { 0 };
        Self::new(HEADERS, flags, stream, hpack::literals(fields))
    }

    /// A request that could not be plainer.
    pub(crate) fn get(stream: u32) -> Self {
        Self::headers(stream, &request("GET", "/"), true)
    }

    /// The head of a request whose content is to come.
    pub(crate) fn post(stream: u32) -> Self {
        Self::headers(stream, &request("POST", "/"), false)
    }

    pub(crate) fn data(stream: u32, content: impl Into<Vec<u8>>, end: bool) -> Self {
        Self::new(DATA, if end { END_STREAM } else { 0 }, stream, content)
    }

    pub(crate) fn settings(settings: &[(u16, u32)]) -> Self {
        let payload = settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
        Self::new(SETTINGS, 0, 0, payload.collect::<Vec<_>>())
    }

    pub(crate) fn window_update(stream: u32, increment: u32) -> Self {
        Self::new(WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
    }

    pub(crate) fn reset(stream: u32, code: u32) -> Self {
        Self::new(RST_STREAM, 0, stream, code.to_be_bytes())
    }

    pub(crate) fn ping(payload: [u8; 8]) -> Self {
        Self::new(PING, 0, 0, payload)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("a frame").to_be_bytes();
        let mut bytes = length[1..].to_vec();
        bytes.extend_from_slice(&[self.kind, self.flags]);
        bytes.extend_from_slice(&self.stream.to_be_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    pub(crate) fn is(&self, kind: u8) -> bool {
        self.kind == kind
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The error code of a `RST_STREAM` or a `GOAWAY`.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.is(GOAWAY) { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("four bytes"))
    }
}

/// The pseudo-header fields of a request.
pub(crate) fn request<'a>(method: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
    [(":method", method), (":scheme", "http"), (":authority", "test"), (":path", path)]
}

/// A client's connection.
pub(crate) struct FrameClient<S = TcpStream> {
    stream: S,
    buffer: Vec<u8>,
}

/// A response, or what came of it.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The heads before the last one.
    pub(crate) interim: Vec<u16>,
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Its stream has ended, as it should.
    pub(crate) whole: bool,
    /// The frames of content, by their lengths.
    pub(crate) frames: Vec<usize>,
    /// The code of a reset.
    pub(crate) reset: Option<u32>,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

impl FrameClient {
    /// Connects and says nothing.
    #[track_caller]
    pub(crate) fn silent(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the proxy accepts");
        stream.set_nodelay(true).expect("a fresh socket takes options");
        stream.set_read_timeout(Some(PATIENCE)).expect("a fresh socket takes options");
        stream.set_write_timeout(Some(PATIENCE)).expect("a fresh socket takes options");
        Self { stream, buffer: Vec::new() }
    }

    /// Connects and begins: the preface, and settings that ask for no dynamic table. The other side's settings are
    /// acknowledged as they come.
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::with_settings(address, &[])
    }

    /// The same with more settings.
    #[track_caller]
    pub(crate) fn with_settings(address: SocketAddr, more: &[(u16, u32)]) -> Self {
        let mut client = Self::silent(address);
        client.begin(more);
        client
    }

    /// The same connection once more, for another thread to read from.
    pub(crate) fn other_half(&mut self) -> Self {
        let stream = self.stream.try_clone().expect("a socket can be cloned");
        Self { stream, buffer: std::mem::take(&mut self.buffer) }
    }

    /// Ends the writing half.
    pub(crate) fn finish(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

impl<S: Read + Write> FrameClient<S> {
    /// Begins on a connection that is there, as [`connect`](FrameClient::connect) does.
    pub(crate) fn over(stream: S) -> Self {
        let mut client = Self { stream, buffer: Vec::new() };
        client.begin(&[]);
        client
    }

    fn begin(&mut self, more: &[(u16, u32)]) {
        self.raw(PREFACE);
        self.send(&Frame::settings(&[&[(1, 0)], more].concat()));
    }

    /// Sends what it can: a proxy that has hung up is the test's to notice.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub(crate) fn send(&mut self, frame: &Frame) {
        self.raw(&frame.bytes());
    }

    /// The next frame; `None` at the end, an orderly one or not.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let head = self.exactly(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        let frame = Frame::new(head[3], head[4], stream, self.exactly(length)?);
        if frame.is(SETTINGS) && !frame.has(ACK) {
            self.send(&Frame::new(SETTINGS, ACK, 0, []));
        }
        Some(frame)
    }

    /// The next frame that `wanted` wants; `None` at the end.
    #[track_caller]
    pub(crate) fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let frame = self.next()?;
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }

    /// The answer on `stream`; windows are kept open. Frames of other streams are lost.
    #[track_caller]
    pub(crate) fn answer(&mut self, stream: u32) -> Answer {
        let mut answer = Answer::default();
        while let Some(frame) = self.next() {
            assert!(!frame.is(GOAWAY) || frame.code() == NO_ERROR, "GOAWAY {} behind {answer:?}", frame.code());
            if frame.stream != stream {
                continue;
            }
            match frame.kind {
                HEADERS => {
                    assert!(frame.has(END_HEADERS), "no test needs a longer section");
                    let mut fields = hpack::read(&frame.payload);
                    if fields.first().is_some_and(|(name, _)| name == ":status") {
                        answer.interim.extend((answer.status > 0).then_some(answer.status));
                        answer.status = fields.remove(0).1.parse().expect("a status");
                        answer.fields = fields;
                    } else {
                        answer.trailers = fields;
                    }
                }
                DATA => {
                    let length = u32::try_from(frame.payload.len()).expect("a frame");
                    if length > 0 && !frame.has(END_STREAM) {
                        self.send(&Frame::window_update(0, length));
                        self.send(&Frame::window_update(stream, length));
                    }
                    answer.frames.push(frame.payload.len());
                    answer.body.extend_from_slice(&frame.payload);
                }
                RST_STREAM => {
                    answer.reset = Some(frame.code());
                    return answer;
                }
                _ => {}
            }
            if matches!(frame.kind, HEADERS | DATA) && frame.has(END_STREAM) {
                answer.whole = true;
                return answer;
            }
        }
        answer
    }

    fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut piece = [0; 16_384];
        while self.buffer.len() < length {
            match self.stream.read(&mut piece) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                read => match patient(read) {
                    0 => return None,
                    count => self.buffer.extend_from_slice(&piece[..count]),
                },
            }
        }
        let rest = self.buffer.split_off(length);
        Some(std::mem::replace(&mut self.buffer, rest))
    }
}

fn patient(read: io::Result<usize>) -> usize {
    read.unwrap_or_else(|error| panic!("waited {PATIENCE:?} in vain for a frame: {error}"))
}
