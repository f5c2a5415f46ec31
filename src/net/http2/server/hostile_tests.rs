//! What a client must not come by: memory, work and patience that its frames do not pay for.

use super::*;
use crate::net::http2::frames::{HEAD, MOST_PAYLOAD};

const WIDE: Limits = Limits { streams: 100, stream_window: 1 << 16, connection_window: 100 << 16, section: 4 << 10 };

fn word(value: u32) -> [u8; 4] {
    value.to_be_bytes()
}

/// `INITIAL_WINDOW_SIZE`.
fn first_window(value: u32) -> Vec<u8> {
    [&[0, 4][..], &word(value)].concat()
}

/// Streams that were answered, and whose content waits, all of them, for the connection's window.
fn downloads(peer: &Peer, count: u32) -> Vec<Http2> {
    peer.sends(SETTINGS, 0, 0, &first_window(1 << 20));
    let mut streams: Vec<_> = (0..count)
        .map(|place| {
            peer.sends(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * place, GET);
            let mut stream = peer.accepts().unwrap();
            stream.send_response(&Response::new(()), false).unwrap();
            stream
        })
        .collect();
    let content = vec![0; MOST_PAYLOAD];
    while peer.sends_on(&mut streams[0], &content).is_ready() {
        peer.takes();
    }
    streams.iter_mut().for_each(|stream| assert!(peer.sends_on(stream, &content).is_pending()));
    peer.takes();
    peer.wakes();
    streams
}

#[test]
fn an_upload_that_is_never_caught_up_with_is_kept_no_longer_than_it_is_unread() {
    let peer = Peer::new();
    peer.sends(HEADERS, END_HEADERS, 1, POST);
    let mut stream = peer.accepts().unwrap();
    let mut window = i64::from(LIMITS.stream_window);
    for _ in 0..2_000 {
        while window >= 8_192 {
            peer.sends(DATA, 0, 1, &[0; 8_192]);
            window -= 8_192;
        }
        assert_eq!(peer.reads(&mut stream, 8_000), Poll::Ready(8_000));
        window += i64::from(given_back(&peer.takes(), 1));
    }
    let mut server = peer.server.borrow_mut();
    let key = server.streams.find(1).unwrap();
    let held = server.streams.get(key).content.capacity();
    assert!(held <= 4 * LIMITS.stream_window as usize, "{held}");
}

#[test]
fn what_was_sent_is_not_kept_for_a_client_that_never_takes_all() {
    let peer = Peer::new();
    peer.sends(HEADERS, END_HEADERS, 1, POST);
    let mut stream = peer.accepts().unwrap();
    for _ in 0..20_000 {
        // Each byte of content pays for a PING.
        peer.sends(DATA, 0, 1, b"x");
        peer.sends(PING, 0, 0, &[0; 8]);
        assert_eq!(peer.reads(&mut stream, 1), Poll::Ready(1));
        let unsent = peer.server.borrow().unsent().len();
        peer.server.borrow_mut().sent(unsent - 1);
    }
    let held = peer.server.borrow().out.capacity();
    assert!(!peer.server.borrow().is_over() && held < 4_096, "{held}");
}

#[test]
fn the_end_of_content_needs_no_window() {
    let peer = Peer {
        server: Rc::new(RefCell::new(Server::new(Limits { stream_window: 16 << 10, ..LIMITS }, 0))),
        wakes: Arc::default(),
    };
    peer.server.borrow_mut().receive(PREFACE, 0);
    peer.sends(SETTINGS, 0, 0, &[]);
    peer.sends(HEADERS, END_HEADERS, 1, POST);
    let mut stream = peer.accepts().unwrap();
    // The window is that of the protocol until the client knows ours, which is smaller.
    (0..3).for_each(|_| peer.sends(DATA, 0, 1, &[0; MOST_PAYLOAD]));
    peer.sends(SETTINGS, ACK, 0, &[]);
    peer.sends(DATA, END_STREAM, 1, &[]);
    assert!(peer.takes().iter().all(|frame| frame.kind != RST_STREAM));
    assert_eq!(peer.reads(&mut stream, 4 * MOST_PAYLOAD), Poll::Ready(3 * MOST_PAYLOAD));
    assert!(stream.has_ended());
}

/// CVE-2025-8671: the server is made to do what the client does not.
#[test]
fn a_request_that_was_reset_here_before_anybody_has_begun_with_it_is_kept_for_nobody() {
    for (name, kind, flags, payload) in [
        ("an increment of nothing", WINDOW_UPDATE, 0, &word(0)[..]),
        ("a window that is too large", WINDOW_UPDATE, 0, &word((1 << 31) - 1)),
        ("trailers that do not end", HEADERS, END_HEADERS, &[]),
        ("trailers that are none", HEADERS, END_HEADERS | END_STREAM, GET),
    ] {
        let peer = Peer::new();
        let mut id = 1;
        while !peer.server.borrow().is_over() {
            peer.sends(HEADERS, END_HEADERS, id, POST);
            peer.sends(kind, flags, id, payload);
            peer.takes();
            assert!(peer.server.borrow().arrived.is_empty() && peer.server.borrow().streams.is_empty(), "{name}");
            id += 2;
        }
        assert!((300..350).contains(&(id / 2)), "{name}: as many as resets of the client's own: {}", id / 2);
    }
}

#[test]
fn content_that_is_wrong_before_anybody_has_begun_with_it_ends_its_stream_alone() {
    let peer = Peer::new();
    // POST with `content-length: 1`.
    let announced = [POST, &[0x0f, 0x0d, 1, b'1']].concat();
    for (id, flags, content) in [(1, 0, &b"two"[..]), (3, END_STREAM, b"two"), (5, END_STREAM, b"")] {
        peer.sends(HEADERS, END_HEADERS, id, &announced);
        peer.sends(DATA, flags, id, content);
        peer.sends(DATA, 0, id, b"and more");
        let frames = peer.takes();
        assert_eq!(frames.iter().map(|frame| (frame.kind, frame.stream)).next(), Some((RST_STREAM, id)));
    }
    assert!(peer.accepts().is_none() && !peer.server.borrow().is_over());
}

#[test]
fn a_setting_that_is_said_again_and_again_is_as_much_work_as_one() {
    let peer = Peer::with(WIDE);
    let _streams = downloads(&peer, 100);
    peer.sends(SETTINGS, 0, 0, &[first_window(0), first_window(1 << 20)].concat().repeat(1_000));
    assert!(peer.wakes() <= 101);
    // What is wrong in between is wrong.
    peer.sends(SETTINGS, 0, 0, &[first_window(1 << 31), first_window(1)].concat());
    assert!(peer.server.borrow().is_over());
}

/// CVE-2019-9511.
#[test]
fn content_in_crumbs_is_a_flood() {
    let crumbs = |size: u32| {
        let peer = Peer::new();
        peer.sends(SETTINGS, 0, 0, &first_window(0));
        peer.sends(HEADERS, END_HEADERS | END_STREAM, 1, GET);
        let mut stream = peer.accepts().unwrap();
        stream.send_response(&Response::new(()), false).unwrap();
        peer.takes();
        (0..10_000)
            .take_while(|_| {
                peer.sends(WINDOW_UPDATE, 0, 1, &word(size));
                peer.sends(WINDOW_UPDATE, 0, 0, &word(size));
                let goes_on = !peer.server.borrow().is_over();
                if goes_on {
                    assert_eq!(peer.sends_on(&mut stream, &[0; MOST_PAYLOAD]), Poll::Ready(size as usize));
                    peer.takes();
                }
                goes_on
            })
            .count()
    };
    assert!((900..1_100).contains(&crumbs(1)));
    assert_eq!(crumbs(4_096), 10_000);
}

/// Messages of a few bytes are nothing of the client's making.
#[test]
fn content_that_is_small_is_no_flood() {
    let peer = Peer::new();
    peer.sends(HEADERS, END_HEADERS | END_STREAM, 1, GET);
    let mut stream = peer.accepts().unwrap();
    stream.send_response(&Response::new(()), false).unwrap();
    for _ in 0..10_000 {
        assert_eq!(peer.sends_on(&mut stream, b"tiny"), Poll::Ready(4));
        peer.sends(PING, 0, 0, &[0; 8]);
        peer.sends(WINDOW_UPDATE, 0, 1, &word(4));
        peer.sends(WINDOW_UPDATE, 0, 0, &word(4));
        peer.takes();
    }
    assert!(!peer.server.borrow().is_over());
}

#[test]
fn a_window_for_one_stream_wakes_one_and_in_the_end_all() {
    let peer = Peer::with(WIDE);
    let mut streams = downloads(&peer, 100);
    let content = vec![0; MOST_PAYLOAD];
    let mut served = 0;
    while served < 100 {
        peer.sends(WINDOW_UPDATE, 0, 0, &word(1_000));
        assert_eq!(peer.wakes(), 1);
        assert_eq!(peer.sends_on(&mut streams[served], &content), Poll::Ready(1_000));
        assert!(peer.sends_on(&mut streams[served], &content).is_pending());
        peer.takes();
        peer.wakes();
        served += 1;
    }
    // Whoever does not take what it was woken for leaves it to the next one.
    peer.sends(WINDOW_UPDATE, 0, 0, &word(1_000));
    for stream in streams {
        assert!(peer.wakes() > 0);
        drop(stream);
    }
}

#[test]
fn as_many_streams_are_woken_as_have_something_to_send_for_a_window() {
    let peer = Peer::with(WIDE);
    let mut streams = downloads(&peer, 100);
    streams.iter_mut().for_each(|stream| assert!(peer.sends_on(stream, &[0; 100]).is_pending()));
    peer.sends(WINDOW_UPDATE, 0, 0, &word(1_000));
    assert_eq!(peer.wakes(), 10);
}

#[test]
fn a_stream_whose_own_window_has_shut_leaves_the_connections_to_the_next_one() {
    let peer = Peer::with(WIDE);
    let mut streams = downloads(&peer, 2);
    peer.sends(WINDOW_UPDATE, 0, 0, &word(1_000));
    assert_eq!(peer.wakes(), 1);
    peer.sends(SETTINGS, 0, 0, &first_window(0));
    peer.sends(WINDOW_UPDATE, 0, 3, &word(1 << 20));
    peer.wakes();
    assert!(peer.sends_on(&mut streams[0], b"x").is_pending());
    assert!(peer.wakes() > 0);
    assert!(peer.sends_on(&mut streams[1], b"x").is_ready());
}

#[test]
fn a_client_that_has_spent_everything_is_told_at_once() {
    let peer = Peer::new();
    (0..1_000).for_each(|_| peer.server.borrow_mut().given_up(0));
    assert!(peer.server.borrow().is_over());
    assert_eq!(peer.takes().last().map(|frame| (frame.kind, frame.word(4))), Some((GOAWAY, 11)));
}

#[test]
fn as_many_streams_as_there_may_be_can_be_closed_early() {
    let limits = Limits { streams: 1_000, ..WIDE };
    let peer = Peer::with(limits);
    let ids = (0..1_000).map(|place| 1 + 2 * place);
    for id in ids.clone() {
        peer.sends(HEADERS, END_HEADERS, id, POST);
        peer.server.borrow_mut().guard.section_is_sent();
        let mut stream = peer.accepts().unwrap();
        stream.send_response(&Response::new(()), true).unwrap();
    }
    peer.takes();
    // The client does not know yet.
    for id in ids {
        peer.sends(HEADERS, END_HEADERS | END_STREAM, id, &[]);
        peer.server.borrow_mut().guard.section_is_sent();
    }
    assert!(!peer.server.borrow().is_over() && peer.takes().is_empty());
    assert!(peer.server.borrow().closed_early.is_empty(), "nothing can come of them any more");
}

#[test]
fn content_that_nobody_wants_any_more_and_that_is_none_is_a_flood() {
    let peer = Peer::new();
    peer.sends(HEADERS, END_HEADERS, 1, POST);
    drop(peer.accepts());
    let sent = (0..10_000).take_while(|_| {
        peer.sends(DATA, END_STREAM, 1, &[]);
        peer.takes();
        !peer.server.borrow().is_over()
    });
    assert!(sent.count() < 2_100);
}

/// Or else it could not be told that a stream is given up, nor upload anything meanwhile.
#[test]
fn a_client_that_takes_no_content_is_read_from_and_one_that_takes_no_answers_is_not() {
    let peer = Peer::new();
    peer.sends(SETTINGS, 0, 0, &first_window(1 << 30));
    peer.sends(WINDOW_UPDATE, 0, 0, &word(1 << 30));
    peer.sends(HEADERS, END_HEADERS | END_STREAM, 1, GET);
    let mut stream = peer.accepts().unwrap();
    stream.send_response(&Response::new(()), false).unwrap();
    while peer.sends_on(&mut stream, &[0; MOST_PAYLOAD]).is_ready() {}
    assert!(peer.server.borrow().has_room());
    for _ in 0..10_000 {
        if peer.server.borrow().has_room() {
            peer.sends(PING, 0, 0, &[0; 8]);
            peer.server.borrow_mut().guard.section_is_sent();
        }
    }
    assert!(!peer.server.borrow().is_over() && !peer.server.borrow().has_room());
    assert!(peer.server.borrow().unsent().len() < 2 * MOST_UNSENT + HEAD + 8);
}

/// A download, polled only when it was woken.
struct Download {
    stream: Option<Http2>,
    id: u32,
    left: usize,
    wakes: Arc<Wakes>,
}

impl Download {
    fn runs(&mut self) {
        if self.wakes.0.swap(0, SeqCst) == 0 {
            return;
        }
        let waker = Arc::clone(&self.wakes).into();
        while let Some(stream) = &mut self.stream {
            let piece = self.left.min(9_000);
            match stream.poll_send(&mut Context::from_waker(&waker), &vec![0; piece], piece == self.left) {
                Poll::Ready(Ok(sent)) => self.left -= sent,
                Poll::Ready(Err(_)) => self.left = 0,
                Poll::Pending => return,
            }
            if self.left == 0 {
                self.stream = None;
            }
        }
    }
}

proptest! {
    /// Whatever a client does with its windows, and takes, and gives up: in the end nobody sleeps who could send.
    #[test]
    fn nobody_sleeps_for_ever(
        steps in proptest::collection::vec((0_u8..8, 0_usize..6, 1_u32..30_000), 0..120),
    ) {
        let peer = Peer::with(WIDE);
        let mut downloads: Vec<_> = (0..6)
            .map(|place| {
                let id = 1 + 2 * place;
                peer.sends(HEADERS, END_HEADERS | END_STREAM, id, GET);
                let mut stream = peer.accepts().unwrap();
                stream.send_response(&Response::new(()), false).unwrap();
                let wakes = Arc::new(Wakes(AtomicUsize::new(1)));
                Download { stream: Some(stream), id, left: 100_000, wakes }
            })
            .collect();
        for (step, which, amount) in steps {
            let download = &mut downloads[which];
            match step {
                0 => peer.sends(WINDOW_UPDATE, 0, 0, &word(amount)),
                1 => peer.sends(WINDOW_UPDATE, 0, download.id, &word(amount)),
                2 => peer.sends(SETTINGS, 0, 0, &first_window(amount)),
                3 => {
                    let unsent = peer.server.borrow().unsent().len();
                    peer.server.borrow_mut().sent(unsent.min(amount as usize));
                }
                4 => download.runs(),
                5 => downloads.iter_mut().for_each(Download::runs),
                6 if amount < 3_000 => peer.sends(RST_STREAM, 0, download.id, &word(8)),
                7 if amount < 3_000 => download.stream = None,
                _ => {}
            }
            peer.server.borrow_mut().guard.section_is_sent();
        }
        peer.sends(SETTINGS, 0, 0, &first_window(1 << 20));
        peer.sends(WINDOW_UPDATE, 0, 0, &word(1 << 20));
        for _ in 0..1_000 {
            downloads.iter_mut().for_each(Download::runs);
            let unsent = peer.server.borrow().unsent().len();
            peer.server.borrow_mut().sent(unsent);
        }
        prop_assert!(downloads.iter().all(|download| download.stream.is_none()));
        prop_assert!(!peer.server.borrow().is_over() && peer.server.borrow().streams.is_empty());
    }
}
