//! What a client may not do for ever: it is told to be calm and closed, or waited for no longer, and others are served.

use crate::harness::frames::{
    self, ACK, CANCEL, CONTINUATION, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PREFACE, PRIORITY, RST_STREAM, SETTINGS,
    request,
};
use crate::harness::{Frame, FrameClient, PATIENCE, Serin, eventually, front, front_with, hpack};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Sends `piece` after piece until the connection is closed, with the code of the `GOAWAY`.
#[track_caller]
fn flood(client: &mut FrameClient, mut piece: impl FnMut(u32) -> Vec<u8>) -> Option<u32> {
    let began = Instant::now();
    let mut reader = client.other_half();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reads = scope.spawn(|| {
            let code = reader.until(|frame| frame.is(GOAWAY)).map(|frame| frame.code());
            over.store(true, SeqCst);
            while reader.next().is_some() {}
            code
        });
        for round in 0.. {
            if over.load(SeqCst) {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "nobody stops it");
            client.raw(&piece(round));
        }
        client.finish();
        reads.join().expect("it reads on")
    })
}

/// That another client is served as ever.
#[track_caller]
fn serves(address: SocketAddr) {
    let mut client = FrameClient::connect(address);
    client.send(&Frame::get(1));
    assert_eq!(client.answer(1).text(), "ok");
}

fn opened(address: SocketAddr) -> FrameClient {
    let mut client = FrameClient::connect(address);
    client.until(|frame| frame.is(SETTINGS) && frame.has(ACK)).expect("it is settled");
    client
}

#[test]
fn floods_of_frames_that_serve_nobody_are_stopped() {
    let (mut serin, _backend) = front(|conn| conn.reply_to_all(OK));
    let address = serin.address();
    let many = |frame: Frame| frame.bytes().repeat(50);
    for (name, frame) in [
        ("PING", Frame::ping([0; 8])),
        ("PING that acknowledges", Frame::new(frames::PING, ACK, 0, [0; 8])),
        ("SETTINGS", Frame::settings(&[(3, 100)])),
        ("empty SETTINGS", Frame::settings(&[])),
        ("PRIORITY", Frame::new(PRIORITY, 0, 9, [0, 0, 0, 0, 9])),
        ("WINDOW_UPDATE", Frame::window_update(0, 1)),
        ("unknown frames", Frame::new(0xbe, 0, 0, [])),
    ] {
        let code = flood(&mut opened(address), |_| many(frame.clone()));
        assert_eq!(code, Some(ENHANCE_YOUR_CALM), "{name}");
        serves(address);
    }
}

#[test]
fn empty_content_without_an_end_is_stopped() {
    let (mut serin, _backend) = front(|conn| {
        conn.request();
        conn.await_close();
    });
    let mut client = opened(serin.address());
    client.send(&Frame::post(1));
    let code = flood(&mut client, |_| Frame::data(1, *b"", false).bytes().repeat(50));
    assert_eq!(code, Some(ENHANCE_YOUR_CALM));
    serin.await_count("serin_requests_total", &[("code", "499")], 1);
}

#[test]
fn a_head_without_an_end_is_stopped() {
    let (mut serin, _backend) = front(|conn| conn.reply_to_all(OK));
    let address = serin.address();
    for piece in [vec![], hpack::literals(&[("a", "b")]), hpack::literals(&[("a", &"b".repeat(16_000))])] {
        let mut client = opened(address);
        client.send(&Frame::new(HEADERS, 0, 1, hpack::literals(&request("GET", "/"))));
        let code = flood(&mut client, |_| Frame::new(CONTINUATION, 0, 1, piece.clone()).bytes());
        assert_eq!(code, Some(ENHANCE_YOUR_CALM), "{} bytes", piece.len());
    }
    serves(address);
}

/// CVE-2023-44487: the streams that are reset do not count as open, and their requests must not pile up all the same.
#[test]
fn requests_that_are_reset_at_once_are_stopped_and_do_not_pile_up() {
    let (mut serin, backend) = front_with("http2: { maxConcurrentStreams: 8 }", |conn| {
        conn.head();
        conn.await_close();
    });
    let address = serin.address();
    let mut client = opened(address);
    let code = flood(&mut client, |round| {
        let streams = (0..20).map(|n| 1 + 2 * (20 * round + n));
        streams.flat_map(|stream| [Frame::get(stream).bytes(), Frame::reset(stream, CANCEL).bytes()].concat()).collect()
    });
    assert_eq!(code, Some(ENHANCE_YOUR_CALM));
    eventually("nothing is under way", || serin.count("serin_connections", &[("side", "upstream")]) == 0);
    let requests = serin.count("serin_requests_total", &[]);
    assert!(requests < 1_000 && backend.connections() < 1_000, "{requests}");
}

#[test]
fn streams_over_the_limit_are_stopped() {
    let (mut serin, backend) = front_with("http2: { maxConcurrentStreams: 8 }", |conn| {
        conn.head();
        conn.await_close();
    });
    let mut client = opened(serin.address());
    let code = flood(&mut client, |round| (0..20).flat_map(|n| Frame::get(1 + 2 * (20 * round + n)).bytes()).collect());
    assert_eq!(code, Some(ENHANCE_YOUR_CALM));
    assert!(backend.connections() <= 8);
}

#[test]
fn a_list_of_fields_above_the_limit_is_431_and_far_above_it_the_end() {
    let (mut serin, _backend) =
        front_with("limits: { headerBytes: 4KiB, headerCount: 10 }", |conn| conn.reply_to_all(OK));
    let address = serin.address();
    let mut client = opened(address);
    let long = "x".repeat(4_200);
    client.send(&Frame::headers(1, &[&request("GET", "/")[..], &[("a", &*long)]].concat(), true));
    assert_eq!(client.answer(1).status, 431);
    let many: Vec<_> = (0..11).map(|n| format!("a{n}")).collect();
    let many: Vec<_> = many.iter().map(|name| (&**name, "1")).collect();
    client.send(&Frame::headers(3, &[&request("GET", "/")[..], &many].concat(), true));
    assert_eq!(client.answer(3).status, 431);
    let fits = "x".repeat(3_900);
    client.send(&Frame::headers(5, &[&request("GET", "/")[..], &[("a", &*fits)]].concat(), true));
    assert_eq!(client.answer(5).status, 200);
    // The sections that are indexed once and named ten thousand times.
    let mut bomb = hpack::literals(&request("GET", "/"));
    bomb.push(0x40);
    hpack::string(&mut bomb, b"a");
    hpack::string(&mut bomb, "x".repeat(3_000).as_bytes());
    bomb.extend([0x80 | 0x3e].repeat(10_000));
    client.send(&Frame::new(HEADERS, 5, 7, bomb));
    assert_eq!(client.until(|frame| frame.is(GOAWAY)).expect("the end").code(), ENHANCE_YOUR_CALM);
}

fn impatient(more: &str) -> (Serin, crate::harness::Backend) {
    front_with(&format!("timeouts: {{ headerRead: 300ms, idle: 300ms }}\n{more}"), |conn| {
        // One response a connection: what is left open then is under way, and not idle.
        if conn.request().is_some() {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1 << 20);
            let _ = conn.send(head) && conn.send(vec![b'x'; 1 << 20]);
        }
    })
}

#[test]
fn nobody_is_waited_for_without_an_end() {
    let (mut serin, _backend) = impatient("");
    let address = serin.address();
    let closed = |bytes: &[u8]| {
        let mut client = FrameClient::silent(address);
        client.raw(bytes);
        while client.next().is_some() {}
    };
    // A part of the preface; no settings; nothing behind them; a head that does not go on.
    closed(&PREFACE[..20]);
    closed(PREFACE);
    let settled = [PREFACE, &Frame::settings(&[]).bytes()].concat();
    closed(&settled);
    closed(&[&settled[..], &Frame::new(HEADERS, 0, 1, hpack::literals(&request("GET", "/"))).bytes()].concat());
    closed(&[&settled[..], &Frame::get(1).bytes()[..12]].concat());
    eventually("all are gone", || serin.count("serin_connections", &[("side", "client")]) == 0);
}

#[test]
fn a_client_that_takes_nothing_is_given_up() {
    let (mut serin, backend) = impatient("");
    // All at once: a pause between, on a busy machine, would be taken for a client that has nothing to say.
    let begins = |address, window, requests: u32| {
        let settings = Frame::settings(&[(1, 0), (4, window)]).bytes();
        let gets = (0..requests).flat_map(|n| Frame::get(1 + 2 * n).bytes()).collect();
        let mut client = FrameClient::silent(address);
        client.raw(&[PREFACE.to_vec(), settings, Frame::window_update(0, 1 << 30).bytes(), gets].concat());
        client
    };
    // Its window is shut: the stream is given up, and the connection is idle then.
    let mut shut = begins(serin.address(), 0, 1);
    assert!(shut.until(|frame| frame.is(RST_STREAM)).is_some());
    while shut.next().is_some() {}
    // Its windows are open, and it does not read: what is in the kernel's buffers stays there.
    let began = Instant::now();
    let _deaf = begins(serin.address(), 1 << 30, 40);
    backend.await_requests(2);
    eventually("both are gone", || serin.count("serin_connections", &[("side", "client")]) == 0);
    eventually("nothing is under way", || serin.count("serin_connections", &[("side", "upstream")]) == 0);
    // Serin's own time-outs did that, which are a tenth of this: not those of the streams that were reset, half a minute,
    // nor the kernel's, a quarter of an hour.
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
}
