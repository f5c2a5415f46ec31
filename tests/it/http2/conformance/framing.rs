//! Sections 4 to 6: frames, streams and what each type of frame may say.

use super::*;

pub(super) fn rows() -> Vec<Row> {
    [layout(), streams_and_content(), about_the_connection(), windows_and_sections()].concat()
}

/// The beginning of a plain request's section, and the rest.
fn halves() -> (Vec<u8>, Vec<u8>) {
    let mut half = hpack::literals(&request("GET", "/"));
    let rest = half.split_off(10);
    (half, rest)
}

/// A section that is not over.
fn cut(flags: u8) -> Vec<Frame> {
    frame(HEADERS, flags, 1, halves().0)
}

/// Section 4.
fn layout() -> Vec<Row> {
    let block = hpack::literals(&request("GET", "/"));
    let resized_within = [&block[..], &[0x20]].concat();
    vec![
        ("4.1", "a frame of an unknown type", frame(0xbe, 0xff, 0, [0; 30]), &[Nothing]),
        ("4.1", "a frame of an unknown type on a stream", after(open(), frame(0xbe, 0xff, 1, [0; 30])), &[Nothing]),
        ("4.1", "the reserved bit of a stream's number", frame(PRIORITY, 0, 0x8000_0003, [0, 0, 0, 0, 9]), &[Nothing]),
        ("4.1", "flags that mean nothing", frame(PING, 0xfe, 0, [0; 8]), &[Nothing]),
        ("4.2", "DATA above the limit", after(open(), frame(DATA, 0, 1, vec![0; 16_385])), SIZE),
        ("4.2", "HEADERS above the limit", frame(HEADERS, 5, 1, vec![0; 16_385]), SIZE),
        ("4.2", "SETTINGS above the limit", frame(SETTINGS, 0, 0, vec![0; 16_386]), SIZE),
        ("4.2", "a frame of an unknown type above the limit", frame(0xbe, 0, 0, vec![0; 16_385]), SIZE),
        ("4.2", "CONTINUATION above the limit", after(cut(1), frame(CONTINUATION, 4, 1, vec![0; 16_385])), SIZE),
        ("4.2", "a frame too short for what it has to say", frame(HEADERS, 5 | HAS_PRIORITY, 1, [0; 4]), SHORT),
        ("4.3", "a field section that is none", frame(HEADERS, 5, 1, [0xff; 5]), COMPRESSION),
        ("4.3", "an index beyond the table", frame(HEADERS, 5, 1, [0xff, 0x20]), COMPRESSION),
        ("4.3", "a larger table than allowed", frame(HEADERS, 5, 1, [0x3f, 0xff, 0xff, 3]), COMPRESSION),
        ("4.3", "a size of the table within a section", frame(HEADERS, 5, 1, resized_within), COMPRESSION),
        ("4.3", "a field that breaks off", frame(HEADERS, 5, 1, &block[..block.len() - 1]), COMPRESSION),
        ("4.3", "the index of nothing", frame(HEADERS, 5, 1, [0x80]), COMPRESSION),
    ]
}

/// Sections 5.1 to 6.4.
fn streams_and_content() -> Vec<Row> {
    let block = hpack::literals(&request("GET", "/"));
    let padded = [&[2, 0, 0, 0, 0, 9][..], &block, &[0; 2]].concat();
    vec![
        ("5.1", "DATA on an idle stream", vec![Frame::data(1, *b"x", true)], PROTOCOL),
        ("5.1", "RST_STREAM on an idle stream", vec![Frame::reset(1, 8)], PROTOCOL),
        ("5.1", "WINDOW_UPDATE on an idle stream", vec![Frame::window_update(1, 1)], PROTOCOL),
        (
            "5.1",
            "WINDOW_UPDATE on a stream that only the server could open",
            vec![Frame::window_update(2, 1)],
            PROTOCOL,
        ),
        ("5.1", "RST_STREAM on a stream that only the server could open", vec![Frame::reset(2, 8)], PROTOCOL),
        ("5.1", "PRIORITY on an idle stream", frame(PRIORITY, 0, 7, [0, 0, 0, 0, 9]), &[Nothing]),
        ("5.1", "PRIORITY behind the end", after(get(1), frame(PRIORITY, 0, 1, [0, 0, 0, 0, 9])), &[Answer(200)]),
        ("5.1", "WINDOW_UPDATE behind the end", after(get(1), vec![Frame::window_update(1, 1)]), &[Answer(200)]),
        ("5.1", "RST_STREAM behind a reset", after(open(), vec![Frame::reset(1, 8), Frame::reset(1, 8)]), &[Nothing]),
        (
            "5.1",
            "WINDOW_UPDATE behind a reset",
            after(open(), vec![Frame::reset(1, 8), Frame::window_update(1, 1)]),
            &[Nothing],
        ),
        ("5.1.1", "an even number", get(2), PROTOCOL),
        ("5.1.1", "a number below one that was used", after(get(5), get(3)), PROTOCOL),
        ("5.1.1", "HEADERS on no stream", get(0), PROTOCOL),
        ("5.1.1", "a number that a larger one has closed", after(get(5), open()), PROTOCOL),
        ("6.1", "DATA on no stream", frame(DATA, 0, 0, *b"x"), PROTOCOL),
        ("6.1", "DATA with more padding than payload", after(open(), frame(DATA, PADDED, 1, [5, 0, 0])), PROTOCOL),
        ("6.1", "DATA that is padding alone, and too much", after(open(), frame(DATA, PADDED, 1, [3, 0, 0])), PROTOCOL),
        ("6.1", "DATA with no room for the padding's length", after(open(), frame(DATA, PADDED, 1, [])), SHORT),
        (
            "6.1",
            "DATA that is padding alone",
            after(open(), frame(DATA, PADDED | END_STREAM, 1, [2, 0, 0])),
            &[Answer(200)],
        ),
        (
            "6.2",
            "HEADERS with padding and a priority",
            frame(HEADERS, 5 | PADDED | HAS_PRIORITY, 1, padded),
            &[Answer(200)],
        ),
        ("6.2", "HEADERS with no room for the padding's length", frame(HEADERS, 5 | PADDED, 1, []), SHORT),
        ("6.2", "HEADERS with more padding than payload", frame(HEADERS, 5 | PADDED, 1, [9, 0, 0]), PROTOCOL),
        ("6.2", "DATA within a field section", after(cut(1), frame(DATA, 0, 1, *b"x")), PROTOCOL),
        ("6.2", "PRIORITY within a field section", after(cut(1), frame(PRIORITY, 0, 1, [0, 0, 0, 0, 9])), PROTOCOL),
        ("6.2", "an unknown frame within a field section", after(cut(1), frame(0xbe, 0, 0, [])), PROTOCOL),
        ("6.3", "PRIORITY on no stream", frame(PRIORITY, 0, 0, [0, 0, 0, 0, 9]), PROTOCOL),
        (
            "6.3",
            "PRIORITY of a wrong length",
            frame(PRIORITY, 0, 1, [0; 4]),
            &[Stream(FRAME_SIZE_ERROR), Connection(FRAME_SIZE_ERROR)],
        ),
        ("6.4", "RST_STREAM on no stream", frame(RST_STREAM, 0, 0, [0, 0, 0, 8]), PROTOCOL),
        ("6.4", "RST_STREAM of a wrong length", after(open(), frame(RST_STREAM, 0, 1, [0; 3])), SIZE),
        ("6.4", "RST_STREAM that is too long", after(open(), frame(RST_STREAM, 0, 1, [0; 5])), SIZE),
    ]
}

/// Sections 6.5 to 6.8.
fn about_the_connection() -> Vec<Row> {
    vec![
        ("6.5", "SETTINGS on a stream", frame(SETTINGS, 0, 1, []), PROTOCOL),
        ("6.5", "SETTINGS of a wrong length", frame(SETTINGS, 0, 0, [0; 3]), SIZE),
        ("6.5", "SETTINGS that acknowledges and says something", frame(SETTINGS, ACK, 0, [0; 6]), SIZE),
        ("6.5", "SETTINGS with nothing in it", frame(SETTINGS, 0, 0, []), &[Nothing]),
        ("6.5.2", "a setting that is unknown", vec![Frame::settings(&[(0xaaaa, 7)])], &[Nothing]),
        ("6.5.2", "ENABLE_PUSH of 2", vec![Frame::settings(&[(2, 2)])], PROTOCOL),
        ("6.5.2", "INITIAL_WINDOW_SIZE too large", vec![Frame::settings(&[(4, 1 << 31)])], FLOW),
        ("6.5.2", "MAX_FRAME_SIZE too small", vec![Frame::settings(&[(5, 16_383)])], PROTOCOL),
        ("6.5.2", "MAX_FRAME_SIZE too large", vec![Frame::settings(&[(5, 1 << 24)])], PROTOCOL),
        ("6.5.2", "ENABLE_PUSH of 1", vec![Frame::settings(&[(2, 1)])], &[Nothing]),
        (
            "6.5.3",
            "one value that is wrong before one that is right",
            vec![Frame::settings(&[(4, 1 << 31), (4, 9)])],
            FLOW,
        ),
        (
            "6.5.3",
            "the last of several values",
            after(vec![Frame::settings(&[(4, 0), (4, 9)])], get(1)),
            &[Answer(200)],
        ),
        ("6.6", "PUSH_PROMISE from a client", after(open(), frame(PUSH_PROMISE, 4, 1, [0, 0, 0, 2])), PROTOCOL),
        ("6.7", "PING on a stream", frame(PING, 0, 1, [0; 8]), PROTOCOL),
        ("6.7", "PING of a wrong length", frame(PING, 0, 0, [0; 6]), SIZE),
        ("6.7", "PING that acknowledges nothing", frame(PING, ACK, 0, [7; 8]), &[Nothing]),
        ("6.7", "PING that is too long", frame(PING, 0, 0, [0; 9]), SIZE),
        ("6.8", "GOAWAY on a stream", frame(GOAWAY, 0, 1, [0; 8]), PROTOCOL),
        ("6.8", "GOAWAY that is too short", frame(GOAWAY, 0, 0, [0; 7]), SIZE),
    ]
}

/// Sections 6.9 to 7.
fn windows_and_sections() -> Vec<Row> {
    let (_, rest) = halves();
    vec![
        ("6.9", "the reserved bit of an increment", frame(WINDOW_UPDATE, 0, 0, [0x80, 0, 0, 1]), &[Nothing]),
        ("6.9", "WINDOW_UPDATE of a stream of a wrong length", after(open(), frame(WINDOW_UPDATE, 0, 1, [0; 5])), SIZE),
        (
            "6.9",
            "WINDOW_UPDATE by nothing",
            after(open(), vec![Frame::window_update(1, 0)]),
            &[Stream(PROTOCOL_ERROR), Connection(PROTOCOL_ERROR)],
        ),
        ("6.9", "WINDOW_UPDATE of the connection by nothing", vec![Frame::window_update(0, 0)], PROTOCOL),
        ("6.9", "WINDOW_UPDATE of a wrong length", frame(WINDOW_UPDATE, 0, 0, [0; 3]), SIZE),
        (
            "6.9.1",
            "a connection's window above the limit",
            vec![Frame::window_update(0, (1 << 31) - 1)],
            &[Connection(FLOW_CONTROL_ERROR)],
        ),
        (
            "6.9.1",
            "a stream's window above the limit",
            after(open(), vec![Frame::window_update(1, (1 << 31) - 1)]),
            &[Stream(FLOW_CONTROL_ERROR)],
        ),
        (
            "6.9.2",
            "a stream's window above the limit by SETTINGS",
            after(open(), vec![Frame::window_update(1, 1), Frame::settings(&[(4, (1 << 31) - 1)])]),
            &[Connection(FLOW_CONTROL_ERROR)],
        ),
        ("6.10", "a section that is cut short by another", after(cut(1), get(3)), PROTOCOL),
        ("6.10", "CONTINUATION on no stream", after(cut(1), frame(CONTINUATION, END_HEADERS, 0, &rest[..])), PROTOCOL),
        (
            "6.10",
            "CONTINUATION of another stream",
            after(cut(1), frame(CONTINUATION, END_HEADERS, 3, &rest[..])),
            PROTOCOL,
        ),
        (
            "6.10",
            "CONTINUATION behind a whole section",
            after(get(1), frame(CONTINUATION, END_HEADERS, 1, [])),
            PROTOCOL,
        ),
        ("6.10", "CONTINUATION behind nothing", frame(CONTINUATION, END_HEADERS, 1, &rest[..]), PROTOCOL),
        (
            "6.10",
            "a field section in two frames",
            after(cut(1), frame(CONTINUATION, END_HEADERS, 1, &rest[..])),
            &[Answer(200)],
        ),
        ("7", "RST_STREAM with an unknown code", after(open(), vec![Frame::reset(1, 0xdead_beef)]), &[Nothing]),
    ]
}
