//! What has to be kept up to date although nobody wants what came: the table of fields, and the windows.

use super::*;
use crate::harness::frames::{CANCEL, REFUSED_STREAM};
use crate::harness::front_with;

/// The static table's fields of a plain request but its path (RFC 7541 appendix A), and the authority.
const ASK: [u8; 8] = [0x82, 0x86, 0x01, 4, b't', b'e', b's', b't'];

/// A request whose path is put into the dynamic table (RFC 7541 section 6.2.1), and these fields.
fn remembered(stream: u32, more: &[(&str, &str)]) -> Frame {
    let mut block = [&ASK[..], &[0x44]].concat();
    hpack::string(&mut block, b"/remembered");
    block.extend(hpack::literals(more));
    Frame::new(HEADERS, 5, stream, block)
}

/// A request whose path is the dynamic table's newest field, 62 (RFC 7541 sections 2.3.3 and 6.1).
fn again(stream: u32) -> Frame {
    Frame::new(HEADERS, 5, stream, [&ASK[..], &[0xbe]].concat())
}

/// Section 4.3: a field section is read to its end whatever becomes of its stream, since the next ones build upon it.
#[test]
fn the_table_of_fields_outlives_what_is_refused() {
    let (mut serin, backend) = front_with("http2: { maxConcurrentStreams: 1 }", |conn| {
        while let Some(request) = conn.request() {
            if request.head.start.contains("/held") {
                conn.await_close();
            } else {
                conn.reply("ok");
            }
        }
    });
    let mut client = FrameClient::connect(serin.address());
    client.until(|frame| frame.is(SETTINGS) && frame.has(ACK)).expect("it is settled");
    // Malformed.
    client.send(&remembered(1, &[("connection", "close")]));
    assert_eq!(client.answer(1).reset, Some(PROTOCOL_ERROR));
    client.send(&again(3));
    assert_eq!(client.answer(3).text(), "ok");
    // One stream too many.
    client.send(&Frame::headers(5, &request("GET", "/held"), true));
    backend.await_requests(2);
    client.send(&remembered(7, &[]));
    assert_eq!(client.answer(7).reset, Some(REFUSED_STREAM));
    client.send(&Frame::reset(5, CANCEL));
    client.send(&again(9));
    assert_eq!(client.answer(9).text(), "ok");
    let asked = backend.requests().into_iter().map(|request| request.head.start).collect::<Vec<_>>();
    assert_eq!(asked, ["GET /remembered HTTP/1.1", "GET /held HTTP/1.1", "GET /remembered HTTP/1.1"]);
}

/// A client that sends content as far as the windows let it, and never further.
struct Sender {
    client: FrameClient,
    /// What may be sent on the connection.
    connection: i64,
    /// What may be sent on the stream that was asked for last.
    stream: (u32, i64),
    /// With how much a stream begins.
    initial: i64,
}

impl Sender {
    fn new(address: SocketAddr) -> Self {
        let mut client = FrameClient::connect(address);
        let settings = client.until(|frame| frame.is(SETTINGS) && !frame.has(ACK)).expect("its settings");
        let initial = settings.payload.chunks(6).find(|setting| setting[..2] == [0, 4]).expect("its window");
        let initial = i64::from(u32::from_be_bytes(initial[2..].try_into().expect("four bytes")));
        Self { client, connection: 65_535, stream: (0, 0), initial }
    }

    fn open(&mut self, head: &Frame) {
        self.client.send(head);
        self.stream = (head.stream, self.initial);
    }

    /// Sends a frame of content on the stream that was opened last.
    fn content(&mut self, flags: u8, payload: &[u8]) {
        let length = i64::try_from(payload.len()).expect("a frame");
        while self.connection.min(self.stream.1) < length {
            let update = self.client.until(|frame| frame.is(WINDOW_UPDATE)).expect("a window is opened again");
            let increment = i64::from(u32::from_be_bytes(update.payload[..].try_into().expect("four bytes")));
            match update.stream {
                0 => self.connection += increment,
                stream if stream == self.stream.0 => self.stream.1 += increment,
                _ => {}
            }
        }
        self.connection -= length;
        self.stream.1 -= length;
        self.client.send(&Frame::new(DATA, flags, self.stream.0, payload));
    }
}

/// A connection's window of 128 KiB.
const SMALL: &str = "http2: { maxConcurrentStreams: 2, streamWindow: 64KiB }";

/// Sections 5.1 and 6.9: content for a stream that has been reset is of no use, and counts in the connection's window
/// all the same; what it took is given back.
#[test]
fn content_that_is_thrown_away_takes_nothing_of_the_connections_window() {
    let (mut serin, _backend) = front_with(SMALL, |conn| conn.reply_to_all("HTTP/1.1 204 No Content\r\n\r\n"));
    let mut sender = Sender::new(serin.address());
    let malformed = [&request("POST", "/")[..], &[("connection", "close")]].concat();
    // Four times as much as the window would let through.
    for stream in (1..).step_by(2).take(16) {
        sender.open(&Frame::headers(stream, &malformed, false));
        (0..4).for_each(|_| sender.content(0, &[0; 8_192]));
    }
    sender.client.send(&Frame::get(101));
    assert_eq!(sender.client.answer(101).status, 204);
}

/// Section 6.1: padding counts in the windows, and what it took is given back too.
#[test]
fn padding_takes_nothing_of_the_windows_for_good() {
    let (mut serin, backend) = front_with(SMALL, |conn| conn.reply_to_all("HTTP/1.1 204 No Content\r\n\r\n"));
    let mut sender = Sender::new(serin.address());
    sender.open(&Frame::post(1));
    // More padding than the connection's window lets through, let alone the stream's.
    let padded = [&[255][..], &[b'x'; 1_024], &[0; 255]].concat();
    (0..600).for_each(|_| sender.content(PADDED, &padded));
    sender.content(END_STREAM, b"");
    assert_eq!(sender.client.answer(1).status, 204);
    assert_eq!(backend.only_request().body.len(), 600 * 1_024);
}
