//! HTTP/1.1 as both ends of a test read it: strictly, so that whatever the proxy lets through crookedly is an error.

use super::PATIENCE;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A connection with a read buffer, which can keep a copy of every byte that it read.
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    piece: Box<[u8]>,
    copy: Option<Arc<Mutex<Vec<u8>>>>,
}

/// A start line and the fields under it.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) start: String,
    pub(crate) fields: Vec<(String, String)>,
}

/// A request as a backend received it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
}

/// A chunked body.
#[derive(Debug, Default)]
pub(crate) struct Chunked {
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
}

/// What ends a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
    None,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a fresh socket takes options");
        stream.set_read_timeout(Some(PATIENCE)).expect("a fresh socket takes options");
        stream.set_write_timeout(Some(PATIENCE)).expect("a fresh socket takes options");
        Self { stream, buffer: Vec::new(), piece: vec![0; 65536].into_boxed_slice(), copy: None }
    }

    /// Copies every byte that it reads from now on.
    pub(crate) fn copying(stream: TcpStream, copy: Arc<Mutex<Vec<u8>>>) -> Self {
        Self { copy: Some(copy), ..Self::new(stream) }
    }

    pub(crate) fn stop_copying(&mut self) {
        self.copy = None;
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Ends the writing half.
    pub(crate) fn finish(&self) {
        // The other side may be gone already, which is as good.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Makes the close that follows a reset.
    pub(crate) fn reset_at_close(&self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("linger can always be set");
    }

    fn fill(&mut self) -> io::Result<usize> {
        let n = loop {
            match self.stream.read(&mut self.piece) {
                // A process that was stopped and goes on; a read with a time limit is not taken up again by itself.
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if let Some(copy) = &self.copy {
            copy.lock().unwrap().extend_from_slice(&self.piece[..n]);
        }
        self.buffer.extend_from_slice(&self.piece[..n]);
        Ok(n)
    }

    fn fill_or_fail(&mut self, what: &str) -> io::Result<()> {
        match self.fill()? {
            0 => Err(io::Error::new(ErrorKind::UnexpectedEof, format!("closed within {what}"))),
            _ => Ok(()),
        }
    }

    fn take(&mut self, n: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(n);
        std::mem::replace(&mut self.buffer, rest)
    }

    /// A message's head; `None` when the connection ends cleanly before its first byte.
    pub(crate) fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                return Head::parse(&self.take(at + 4)).map(Some);
            }
            if self.buffer.is_empty() {
                if self.fill()? == 0 {
                    return Ok(None);
                }
            } else {
                self.fill_or_fail("a head")?;
            }
        }
    }

    pub(crate) fn exactly(&mut self, n: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < n {
            self.fill_or_fail("a sized body")?;
        }
        Ok(self.take(n))
    }

    /// Whatever comes next; nothing at the end.
    pub(crate) fn some(&mut self) -> io::Result<Vec<u8>> {
        if self.buffer.is_empty() {
            self.fill()?;
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Reads and forgets `n` bytes.
    pub(crate) fn skip(&mut self, mut n: u64) -> io::Result<()> {
        loop {
            let have = self.buffer.len() as u64;
            if have >= n {
                self.buffer.drain(..usize::try_from(n).expect("at most the buffer's length"));
                return Ok(());
            }
            n -= have;
            self.buffer.clear();
            self.fill_or_fail("a sized body")?;
        }
    }

    /// What stands before the next CRLF.
    pub(crate) fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.buffer.iter().position(|&b| b == b'\n') {
                let line = self.take(at + 1);
                let Some(line) = line.strip_suffix(b"\r\n") else { return Err(crooked("a bare LF", &line)) };
                return text(line);
            }
            self.fill_or_fail("a line")?;
        }
    }

    /// A chunked body to its end.
    pub(crate) fn chunked(&mut self) -> io::Result<Chunked> {
        let mut all = Chunked::default();
        while let Some(chunk) = self.chunk()? {
            all.body.extend_from_slice(&chunk);
        }
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(all);
            }
            all.trailers.push(field(&line)?);
        }
    }

    /// One chunk; `None` for the last, whose trailers are left unread.
    pub(crate) fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = self.line()?;
        let size = line.split(';').next().unwrap_or_default();
        if size.is_empty() || !size.bytes().all(|b| b.is_ascii_hexdigit()) || line.contains('\r') {
            return Err(crooked("a chunk size", line.as_bytes()));
        }
        let size = usize::from_str_radix(size, 16).map_err(|_| crooked("a chunk size", line.as_bytes()))?;
        if size == 0 {
            return Ok(None);
        }
        let chunk = self.exactly(size)?;
        match &self.exactly(2)?[..] {
            b"\r\n" => Ok(Some(chunk)),
            other => Err(crooked("a chunk's end", other)),
        }
    }

    /// Everything until the other side closes.
    pub(crate) fn until_end(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Waits until the other side has closed or reset, and tells what came before.
    pub(crate) fn closed(&mut self) -> io::Result<Vec<u8>> {
        match self.until_end() {
            Err(e) if e.kind() == ErrorKind::ConnectionReset => Ok(std::mem::take(&mut self.buffer)),
            other => other,
        }
    }
}

impl Head {
    /// Reads a whole head with its empty line, and refuses whatever RFC 9112 does not allow a sender.
    pub(crate) fn parse(bytes: &[u8]) -> io::Result<Self> {
        let whole = text(bytes.strip_suffix(b"\r\n\r\n").ok_or_else(|| crooked("a head's end", bytes))?)?;
        let mut lines = whole.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        if start.is_empty() || start.contains(['\r', '\n', '\0']) {
            return Err(crooked("a start line", start.as_bytes()));
        }
        let fields = lines.map(field).collect::<io::Result<_>>()?;
        Ok(Self { start, fields })
    }

    /// Every value of a field.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    /// The value of a field that is there at most once.
    #[track_caller]
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} is there {} times: {self:?}", all.len());
        all.first().copied()
    }

    /// Whether a comma-separated field has this member, in any case.
    pub(crate) fn lists(&self, name: &str, member: &str) -> bool {
        self.all(name).iter().flat_map(|v| v.split(',')).any(|m| m.trim().eq_ignore_ascii_case(member))
    }

    /// The one way in which the body is framed; an error if there are two.
    pub(crate) fn framing(&self) -> io::Result<Framing> {
        match (&self.all("transfer-encoding")[..], &self.all("content-length")[..]) {
            ([], []) => Ok(Framing::None),
            ([coding], []) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
            ([], [n]) if !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Framing::Length(n.parse().map_err(|_| crooked("a length", n.as_bytes()))?))
            }
            _ => Err(crooked("framing", format!("{:?}", self.fields).as_bytes())),
        }
    }
}

impl Request {
    pub(crate) fn method(&self) -> &str {
        self.head.start.split(' ').next().unwrap_or_default()
    }

    pub(crate) fn target(&self) -> &str {
        self.head.start.split(' ').nth(1).unwrap_or_default()
    }
}

fn text(bytes: &[u8]) -> io::Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| crooked("text", bytes))
}

fn field(line: &str) -> io::Result<(String, String)> {
    let (name, value) = line.split_once(':').ok_or_else(|| crooked("a field", line.as_bytes()))?;
    let is_token =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    if !is_token || value.contains(['\r', '\n', '\0']) {
        return Err(crooked("a field", line.as_bytes()));
    }
    Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
}

fn crooked(what: &str, bytes: &[u8]) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("crooked: {what}: {:?}", String::from_utf8_lossy(bytes)))
}
