//! What Serin itself sends: frames and responses as a client may expect them, whatever the backend has said.

use super::*;
use crate::harness::frames::PREFACE;
use crate::harness::{Conn, front_with};

/// As much of HTTP/1.1 in a response as HTTP/2 has no place for, in a head that is too large for a frame.
fn odd(conn: &mut Conn) {
    while conn.request().is_some() {
        let filler = format!("X-Filler: {}\r\n", "~".repeat(1_000)).repeat(30);
        conn.send(format!(
            "HTTP/1.1 200 All Right\r\nX-UPPER: 1\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nKeep-Alive: 1\r\n\
             Proxy-Connection: close\r\nTransfer-Encoding: chunked\r\nUpgrade: h2c\r\n{filler}\r\n"
        ));
        conn.send(format!("C350\r\n{}\r\n0\r\nX-Sum: 1\r\n\r\n", "x".repeat(50_000)));
    }
}

/// Sections 4.1, 4.2, 5.1.1, 6 and 8.4: which flags a frame may have, on which streams it may be, how long it may be for
/// a client that has set nothing; a frame of priorities, or a promise, is never sent.
fn assert_well_formed(frame: &Frame) {
    let (flags, on_stream) = match frame.kind {
        DATA => (END_STREAM, Some(true)),
        HEADERS => (END_STREAM | END_HEADERS, Some(true)),
        CONTINUATION => (END_HEADERS, Some(true)),
        RST_STREAM => (0, Some(true)),
        SETTINGS | PING => (ACK, Some(false)),
        GOAWAY => (0, Some(false)),
        WINDOW_UPDATE => (0, None),
        _ => panic!("not to be sent: {frame:?}"),
    };
    assert_eq!(frame.flags & !flags, 0, "flags that mean nothing: {frame:?}");
    assert!(on_stream.is_none_or(|on_stream| on_stream == (frame.stream > 0)), "{frame:?}");
    assert!(frame.stream == 0 || frame.stream % 2 == 1, "a stream that nobody has opened: {frame:?}");
    assert!(frame.payload.len() <= 16_384, "a frame of {} bytes", frame.payload.len());
}

/// Sections 4.3, 6.10, 8.1, 8.2, 8.3.2, and RFC 7541 section 4.2.
#[test]
fn a_response_is_made_of_frames_and_fields_as_they_have_to_be() {
    let (mut serin, _backend) = front_with("limits: { headerBytes: 64KiB }", odd);
    let mut client = FrameClient::connect(serin.address());
    client.until(|frame| frame.is(SETTINGS) && frame.has(ACK)).expect("it is settled");
    client.send(&Frame::window_update(0, 1 << 20));
    client.send(&Frame::get(1));
    let (mut blocks, mut is_within, mut length) = (Vec::<Vec<u8>>::new(), false, 0);
    loop {
        let frame = client.next().expect("the response");
        assert_well_formed(&frame);
        assert_eq!(is_within, frame.is(CONTINUATION), "a field section is in one piece: {frame:?}");
        match frame.kind {
            HEADERS => blocks.push(frame.payload.clone()),
            CONTINUATION => blocks.last_mut().expect("its beginning").extend(&frame.payload),
            DATA => length += frame.payload.len(),
            _ => continue,
        }
        is_within = !frame.is(DATA) && !frame.has(END_HEADERS);
        if frame.has(END_STREAM) && !frame.is(CONTINUATION) {
            assert!(!is_within);
            break;
        }
    }
    assert_eq!((blocks.len(), length), (2, 50_000));
    assert!(blocks[0].len() > 16_384, "the test is of a head in several frames");
    assert_eq!(blocks[0][0], 0x20, "the table is made as small as the client has asked for, first of all");
    let [head, trailers] = [&blocks[0], &blocks[1]].map(|block| hpack::read(block));
    assert_eq!(head[0], (":status".to_owned(), "200".to_owned()));
    assert!(head[1..].iter().chain(&trailers).all(|(name, _)| !name.starts_with(':')), "{trailers:?}");
    let all = head.iter().chain(&trailers).map(|(name, _)| name.as_str()).collect::<Vec<_>>();
    assert!(all.iter().all(|name| name.to_ascii_lowercase() == *name) && all.contains(&"x-upper"), "{all:?}");
    for hop in ["connection", "x-hop", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
        assert!(!all.contains(&hop), "{hop}");
    }
    assert_eq!(trailers, [("x-sum".to_owned(), "1".to_owned())]);
}

/// Section 8.6: there is no 101 in HTTP/2.
#[test]
fn a_backends_101_goes_to_nobody() {
    let (mut serin, _backend) = front(|conn| {
        conn.reply_to_all("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    });
    let mut client = FrameClient::connect(serin.address());
    client.send(&Frame::get(1));
    let answer = client.answer(1);
    assert_eq!((answer.status, answer.interim.len(), answer.whole), (502, 0, true));
}

/// Sections 3.4 and 6.5.2: the first frame is SETTINGS, and its values are within their bounds.
#[test]
fn the_first_frame_is_settings_within_bounds() {
    let (mut serin, _backend) = front(|conn| conn.reply_to_all("HTTP/1.1 204 No Content\r\n\r\n"));
    let mut client = FrameClient::silent(serin.address());
    client.raw(&[PREFACE, &Frame::settings(&[]).bytes()].concat());
    let first = client.next().expect("a frame");
    assert!(first.is(SETTINGS) && !first.has(ACK) && first.stream == 0, "{first:?}");
    for setting in first.payload.chunks(6) {
        let value = u32::from_be_bytes(setting[2..].try_into().expect("four bytes"));
        match setting[1] {
            1 => assert!(
                value >= 4_096,
                "a smaller table would have to be acknowledged by the client's encoder: {value}"
            ),
            2 => assert_eq!(value, 0, "a server pushes only where it is asked to"),
            4 => assert!(value < 1 << 31, "{value}"),
            5 => assert!((1 << 14..1 << 24).contains(&value), "{value}"),
            _ => {}
        }
    }
}

/// Section 6.5.3: each is acknowledged, by as many frames.
#[test]
fn each_settings_frame_is_acknowledged() {
    let (mut serin, _backend) = front(|conn| conn.reply_to_all("HTTP/1.1 204 No Content\r\n\r\n"));
    let mut client = FrameClient::connect(serin.address());
    (0..9).for_each(|n| client.send(&Frame::settings(&[(4, 100 + n)])));
    client.send(&Frame::ping([1; 8]));
    let mut acknowledged = 0;
    while let Some(frame) = client.until(|frame| frame.has(ACK)) {
        if frame.is(SETTINGS) {
            acknowledged += 1;
        }
        if acknowledged == 10 {
            break;
        }
    }
    assert_eq!(acknowledged, 10);
}

/// Section 5.4.2: a reset is not answered by one.
#[test]
fn a_reset_is_not_answered_by_a_reset() {
    let (mut serin, backend) = front(|conn| {
        while let Some(request) = conn.request() {
            if request.head.start.contains("/held") {
                conn.await_close();
            } else {
                conn.reply("ok");
            }
        }
    });
    let mut client = FrameClient::connect(serin.address());
    for (n, stream) in (1..).step_by(4).take(8).enumerate() {
        client.send(&Frame::headers(stream, &request("GET", "/held"), true));
        backend.await_requests(2 * n + 1);
        client.send(&Frame::reset(stream, 8));
        client.send(&Frame::get(stream + 2));
        loop {
            let frame = client.next().expect("it goes on");
            assert!(!frame.is(RST_STREAM), "{frame:?}");
            if frame.stream == stream + 2 && frame.has(END_STREAM) && frame.is(DATA) {
                break;
            }
        }
    }
}

/// Section 6.8: the last stream's number never becomes larger, and what was promised to be served is.
#[test]
fn a_farewell_never_takes_back_what_it_has_said() {
    let (mut serin, backend) = front_with("drain: { grace: 0s }", |conn| {
        while conn.request().is_some() {
            conn.reply("ok");
        }
    });
    let mut client = FrameClient::connect(serin.address());
    client.send(&Frame::post(1));
    client.send(&Frame::get(3));
    assert_eq!(client.answer(3).text(), "ok");
    backend.await_requests(1);
    serin.signal("TERM");
    let (mut last, mut served) = (u32::MAX, false);
    while let Some(frame) = client.next() {
        if frame.is(GOAWAY) {
            let said = u32::from_be_bytes(frame.payload[..4].try_into().expect("four bytes"));
            assert!((3..=last).contains(&said) && frame.code() == 0, "{frame:?} behind {last}");
            if last == u32::MAX {
                client.send(&Frame::data(1, *b"x", true));
            }
            last = said;
        } else if frame.is(PING) {
            client.send(&Frame::new(PING, ACK, 0, frame.payload));
        } else if frame.stream == 1 && frame.is(DATA) {
            served = frame.payload == b"ok";
        }
    }
    assert!(served && last < u32::MAX, "{last}");
}
