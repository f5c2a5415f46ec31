//! Streams of one connection: what each carries, and that none is in another's way.

use crate::harness::frames::{self, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM};
use crate::harness::{Conn, Frame, FrameClient, eventually, front, front_with};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};

/// Answers in chunks, with a trailer.
fn in_chunks(conn: &mut Conn) {
    while conn.request().is_some() {
        conn.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\nX-Mixed: Case\r\n\r\n");
        conn.send("3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\nHost: evil\r\n\r\n");
    }
}

#[test]
fn a_response_in_chunks_becomes_frames_and_its_trailers_follow() {
    let (mut serin, _backend) = front(in_chunks);
    let mut client = FrameClient::connect(serin.address());
    client.send(&Frame::get(1));
    let answer = client.answer(1);
    assert_eq!((answer.status, answer.text(), answer.whole), (200, "abcde", true));
    assert_eq!(answer.interim, [103]);
    assert_eq!(answer.field("x-mixed"), Some("Case"));
    assert!(answer.field("date").is_some() && answer.field("transfer-encoding").is_none());
    assert_eq!(answer.trailers, [("x-sum".to_owned(), "5".to_owned())]);
}

#[test]
fn interim_responses_without_an_end_are_no_response() {
    let (mut serin, _backend) = front(|conn| {
        conn.request();
        while conn.send("HTTP/1.1 103 Early Hints\r\n\r\n") {}
    });
    let mut client = FrameClient::connect(serin.address());
    client.send(&Frame::get(1));
    let answer = client.answer(1);
    assert_eq!((answer.status, answer.interim.len(), answer.field("x-serin-reason")), (502, 100, Some("bad-response")));
}

#[test]
fn a_requests_trailers_go_on_in_chunks() {
    let (mut serin, backend) = front(|conn| conn.reply_to_all("HTTP/1.1 204 No Content\r\n\r\n"));
    let mut client = FrameClient::connect(serin.address());
    client.send(&Frame::post(1));
    client.send(&Frame::data(1, *b"abc", false));
    client.send(&Frame::headers(1, &[("x-sum", "3"), ("content-length", "3")], true));
    let answer = client.answer(1);
    assert_eq!((answer.status, answer.whole, answer.frames), (204, true, vec![]));
    let request = backend.only_request();
    assert_eq!((&request.body[..], &request.trailers[..]), (&b"abc"[..], &[("x-sum".to_owned(), "3".to_owned())][..]));
    assert!(backend.crooked().is_empty());
}

#[test]
fn cookies_are_one_for_http1_and_a_length_is_the_clients() {
    let (mut serin, backend) = front(|conn| conn.reply_to_all("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    let mut client = FrameClient::connect(serin.address());
    let more = [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("content-length", "4"), ("te", "trailers")];
    client.send(&Frame::headers(1, &[&frames::request("POST", "/p?q")[..], &more].concat(), false));
    client.send(&Frame::data(1, *b"abcd", true));
    let answer = client.answer(1);
    assert_eq!((answer.text(), answer.field("content-length"), &answer.frames[..]), ("ok", Some("2"), &[2][..]));
    let head = backend.only_request().head;
    assert_eq!(head.start, "POST /p?q HTTP/1.1");
    assert_eq!((head.one("cookie"), head.one("content-length")), (Some("a=1; b=2"), Some("4")));
    assert_eq!(
        (head.one("host"), head.one("te"), head.one("x-forwarded-proto")),
        (Some("test"), Some("trailers"), Some("http"))
    );
}

#[test]
fn a_head_alone_ends_its_stream() {
    let (mut serin, _backend) = front(|conn| {
        while let Some(request) = conn.request() {
            let reply =
                if request.head.start.starts_with("HEAD") { "200 OK\r\nContent-Length: 5" } else { "304 Not Modified" };
            conn.send(format!("HTTP/1.1 {reply}\r\n\r\n"));
        }
    });
    let mut client = FrameClient::connect(serin.address());
    client.send(&Frame::headers(1, &frames::request("HEAD", "/"), true));
    let answer = client.answer(1);
    assert_eq!((answer.status, answer.field("content-length"), answer.frames.len()), (200, Some("5"), 0));
    client.send(&Frame::get(3));
    let answer = client.answer(3);
    assert_eq!((answer.status, answer.whole, answer.frames.len()), (304, true, 0));
}

#[test]
fn the_client_may_wait_for_a_100() {
    let (mut serin, _backend) = front(|conn| {
        let head = conn.head().expect("a request");
        conn.send("HTTP/1.1 100 Continue\r\n\r\n");
        let request = conn.rest_of(head).expect("its content");
        conn.reply(&format!("{}", request.body.len()));
    });
    let mut client = FrameClient::connect(serin.address());
    let expects = [&frames::request("POST", "/")[..], &[("expect", "100-continue")]].concat();
    client.send(&Frame::headers(1, &expects, false));
    let interim = client.until(|frame| frame.is(HEADERS)).expect("the interim head");
    assert!(!interim.has(END_STREAM));
    client.send(&Frame::data(1, *b"abc", true));
    assert_eq!(client.answer(1).text(), "3");
}

/// Answers each request with a line that it waits for.
fn on_command(commands: Receiver<&'static str>) -> impl Fn(&mut Conn) + Send + Sync + 'static {
    let commands = Mutex::new(commands);
    move |conn| {
        while conn.request().is_some() {
            let Ok(reply) = commands.lock().unwrap().recv() else { break };
            if !conn.send(reply) || !reply.contains("Content-Length: 2\r\n") {
                break;
            }
        }
    }
}

#[test]
fn what_breaks_off_is_reset_and_never_ended() {
    let (command, commands) = mpsc::channel();
    let (mut serin, _backend) = front(on_command(commands));
    let mut client = FrameClient::connect(serin.address());
    for (stream, reply) in [
        (1, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"),
        (3, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"),
    ] {
        client.send(&Frame::get(stream));
        command.send(reply).expect("the backend waits");
        let answer = client.answer(stream);
        assert_eq!((answer.text(), answer.whole, answer.reset), ("ab", false, Some(frames::INTERNAL_ERROR)));
    }
    client.send(&Frame::get(5));
    command.send("not HTTP at all").expect("the backend waits");
    let answer = client.answer(5);
    assert_eq!((answer.status, answer.field("x-serin-reason"), answer.whole), (502, Some("bad-response"), true));
    serin.await_count("serin_failures_total", &[("cause", "truncated")], 2);
}

#[test]
fn a_reset_gives_the_request_up_and_nothing_else() {
    let (command, commands) = mpsc::channel();
    let (mut serin, backend) = front(on_command(commands));
    let mut client = FrameClient::connect(serin.address());
    client.send(&Frame::get(1));
    backend.await_requests(1);
    client.send(&Frame::reset(1, frames::CANCEL));
    serin.await_count("serin_requests_total", &[("code", "499")], 1);
    command.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").expect("the backend waits");
    client.send(&Frame::get(3));
    backend.await_requests(2);
    command.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").expect("the backend waits");
    assert_eq!(client.answer(3).text(), "ok");
}

#[test]
fn a_connection_that_ends_takes_its_streams_with_it() {
    let (_command, commands) = mpsc::channel();
    let (mut serin, backend) = front(on_command(commands));
    let mut client = FrameClient::connect(serin.address());
    (0..3).for_each(|n| client.send(&Frame::get(1 + 2 * n)));
    backend.await_requests(1);
    eventually("all of them are under way", || backend.connections() == 3);
    drop(client);
    serin.await_count("serin_requests_total", &[("code", "499")], 3);
    eventually("the connection is counted no more", || serin.count("serin_connections", &[("side", "client")]) == 0);
}

#[test]
fn an_early_answer_is_whole_and_the_rest_of_the_request_is_not_asked_for() {
    let (mut serin, _backend) = front(|conn| {
        conn.head();
        conn.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
        conn.await_close();
    });
    let mut client = FrameClient::connect(serin.address());
    client.send(&Frame::post(1));
    let answer = client.answer(1);
    assert_eq!((answer.status, answer.text(), answer.whole), (413, "big", true));
    let reset = client.until(|frame| frame.is(RST_STREAM)).expect("a reset");
    assert_eq!(reset.code(), frames::NO_ERROR);
}

#[test]
fn replies_of_our_own_are_http2_too() {
    let config = "listeners: [{ name: web, address: \"127.0.0.1:0\" }]\n";
    let (mut serin, _backend) = front_with(config, |conn| drop(conn.head()));
    let mut client = FrameClient::connect(serin.address());
    client.send(&Frame::headers(1, &[&frames::request("GET", "/")[..], &[("expect", "tea")]].concat(), true));
    let answer = client.answer(1);
    assert_eq!((answer.status, answer.field("x-serin-reason")), (417, Some("refused")));
    assert!(answer.text().starts_with("417 ") && answer.whole);
    serin.await_count("serin_refused_requests_total", &[("code", "417")], 1);
}

#[test]
fn a_process_that_leaves_says_so_and_finishes_what_is_under_way() {
    let (command, commands) = mpsc::channel();
    let (mut serin, backend) = front_with("drain: { grace: 0s }", on_command(commands));
    let mut client = FrameClient::connect(serin.address());
    client.send(&Frame::get(1));
    backend.await_requests(1);
    serin.signal("TERM");
    assert_eq!(client.until(|frame| frame.is(GOAWAY)).expect("it says so").code(), frames::NO_ERROR);
    let ping = client.until(|frame| frame.is(PING)).expect("it asks whether that has come");
    client.send(&Frame::new(PING, frames::ACK, 0, ping.payload));
    command.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").expect("the backend waits");
    let answer = client.answer(1);
    assert_eq!((answer.text(), answer.whole), ("ok", true));
    while client.next().is_some() {}
    drop(client);
    assert_eq!(serin.exit().code, Some(0));
}

/// Section 9.1: whoever closes an idle connection says so first, and takes what is on its way.
#[test]
fn an_idle_connection_is_told_before_it_is_closed() {
    let (mut serin, _backend) = front_with("timeouts: { idle: 300ms }", |conn| {
        conn.reply_to_all("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    for answers in [true, false] {
        let mut client = FrameClient::connect(serin.address());
        client.send(&Frame::get(1));
        assert_eq!(client.answer(1).text(), "ok");
        let said = client.until(|frame| frame.is(GOAWAY)).expect("a farewell");
        assert_eq!(said.code(), 0);
        let ping = client.until(|frame| frame.is(PING)).expect("a question");
        // On its way when that was said.
        client.send(&Frame::get(3));
        assert_eq!(client.answer(3).text(), "ok");
        if answers {
            client.send(&Frame::new(PING, frames::ACK, 0, ping.payload));
            let last = client.until(|frame| frame.is(GOAWAY)).expect("the last word");
            assert_eq!(last.payload[..4], [0, 0, 0, 3]);
        }
        assert!(client.next().is_none(), "it is closed");
    }
}
