//! Server-sent events, read: bytes in, as they come; messages out, whole (WHATWG HTML, section 9.2.6).

use std::mem::take;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Message {
    /// The last id that was given, this message's or one before.
    pub(super) id: Option<String>,
    /// The event's name; empty when it has none.
    pub(super) event: String,
    /// The data, its lines joined.
    pub(super) data: String,
}

/// A stream as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    message: Message,
    has_data: bool,
}

impl Parser {
    /// Takes in more bytes; the messages that end in them.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Message> {
        let mut whole = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' => {
                    let line = take(&mut self.line);
                    let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line)).into_owned();
                    whole.extend(self.line(&line));
                }
                byte => self.line.push(*byte),
            }
        }
        whole
    }

    fn line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let id = self.message.id.clone();
            let message = std::mem::replace(&mut self.message, Message { id, ..Message::default() });
            return take(&mut self.has_data).then_some(message);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.message.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.message.event),
            "data" => {
                if self.has_data {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
                self.has_data = true;
            }
            // A comment, which is a heartbeat, and what is not for us.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str =
        "retry: 1000\n\n: alive\n\nid: 7\nevent: step\ndata: {\"a\":1}\n\ndata:one\r\ndata: two\r\n\r\nevent: lost";

    fn message(event: &str, data: &str) -> Message {
        Message { id: Some("7".into()), event: event.into(), data: data.into() }
    }

    #[test]
    fn messages_come_out_whole_however_the_bytes_are_cut() {
        let expected = [message("step", "{\"a\":1}"), message("", "one\ntwo")];
        for size in 1..=STREAM.len() {
            let mut parser = Parser::default();
            let read: Vec<_> = STREAM.as_bytes().chunks(size).flat_map(|chunk| parser.feed(chunk)).collect();
            assert_eq!(read, expected, "in pieces of {size}");
        }
    }
}
