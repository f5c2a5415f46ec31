//! Requests, as their frames come (RFC 9113 section 8.1).

use super::receive::{Content, Section};
use super::stream::{Reset, Stream};
use super::{Farewell, MOST_CLOSED_EARLY, Server};
use crate::net::http2::frames::{
    END_HEADERS, END_STREAM, FrameHead, HAS_PRIORITY, PADDED, write_reset, write_window_update,
};
use crate::net::http2::hpack::{FieldSection, Unreadable};
use crate::net::http2::request::{RequestSection, trailers};
use h2::Reason;

/// How much of a field section may come before it is read, as a multiple of its largest size: Huffman's code makes
/// hardly anything longer.
const CODED: usize = 2;

impl Server {
    /// Takes a HEADERS frame.
    pub(super) fn take_headers(&mut self, frame: FrameHead, payload: &[u8]) -> Result<(), Reason> {
        let short = Reason::FRAME_SIZE_ERROR;
        let (padding, payload) = match payload.split_first() {
            Some((&padding, rest)) if frame.has(PADDED) => (usize::from(padding), rest),
            None if frame.has(PADDED) => return Err(short),
            _ => (0, payload),
        };
        let priority = if frame.has(HAS_PRIORITY) { 5 } else { 0 };
        let (_, payload) = payload.split_at_checked(priority).ok_or(short)?;
        let end = payload.len().checked_sub(padding).ok_or(Reason::PROTOCOL_ERROR)?;
        // RFC 9113 section 5.1.1.
        if frame.stream.is_multiple_of(2) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let (block, ends) = (&payload[..end], frame.has(END_STREAM));
        if frame.has(END_HEADERS) {
            return self.take_section(frame.stream, ends, block);
        }
        self.input.section = Some(Box::new(Section { stream: frame.stream, ends, block: block.to_vec() }));
        Ok(())
    }

    /// Takes what follows a HEADERS frame.
    pub(super) fn take_continuation(&mut self, frame: FrameHead, payload: &[u8]) -> Result<(), Reason> {
        let mut section = self.input.section.take().ok_or(Reason::PROTOCOL_ERROR)?;
        section.block.extend_from_slice(payload);
        if section.block.len() > self.limits.section as usize * CODED {
            return Err(Reason::ENHANCE_YOUR_CALM);
        }
        if frame.has(END_HEADERS) {
            return self.take_section(section.stream, section.ends, &section.block);
        }
        self.input.section = Some(section);
        Ok(())
    }

    fn take_section(&mut self, id: u32, ends: bool, block: &[u8]) -> Result<(), Reason> {
        let mut section = FieldSection::new(self.limits.section as usize);
        // Whatever becomes of it, it is read: the next ones build upon it (RFC 9113 section 4.3).
        self.decoder.decode(block, &mut section).map_err(|unreadable| match unreadable {
            Unreadable::Malformed => Reason::COMPRESSION_ERROR,
            Unreadable::TooLarge => Reason::ENHANCE_YOUR_CALM,
        })?;
        match self.streams.find(id) {
            Some(key) => self.take_trailers(key, ends, &section),
            None if id > self.last => self.open(id, ends, section),
            None if self.is_closed_early(id, ends) => {}
            // RFC 9113 section 5.1.1.
            None => return Err(Reason::PROTOCOL_ERROR),
        }
        Ok(())
    }

    /// The client opens a stream.
    fn open(&mut self, id: u32, ends: bool, section: FieldSection) {
        // RFC 9113 section 6.8: the client has been told that nobody looks at it.
        if self.farewell >= Farewell::Graceful {
            return;
        }
        self.last = id;
        if self.streams.open >= self.limits.streams {
            return self.send_reset(id, Reason::REFUSED_STREAM, ends);
        }
        let Ok(request) = RequestSection::new(section) else {
            return self.send_reset(id, Reason::PROTOCOL_ERROR, ends);
        };
        let announced = request.content_length();
        if ends && announced.is_some_and(|length| length > 0) {
            return self.send_reset(id, Reason::PROTOCOL_ERROR, ends);
        }
        let mut stream = Stream::new(id, self.first_receive_window, self.first_send_window);
        (stream.announced, stream.ended) = (announced, ends);
        let key = self.streams.insert(stream);
        self.arrived.push_back((key, Box::new(request)));
    }

    fn take_trailers(&mut self, key: usize, ends: bool, section: &FieldSection) {
        let stream = self.streams.get(key);
        match stream.reset {
            Some(Reset::ByUs) => return,
            None if !stream.ended => {}
            _ => return self.comes_late(key),
        }
        let is_whole = stream.announced.is_none_or(|left| left == 0);
        match trailers(section) {
            Ok(trailers) if ends && is_whole => self.change(key, |stream| {
                stream.trailers = Some(Box::new(trailers));
                stream.ended = true;
                stream.wake();
            }),
            _ => self.reset(key, Reason::PROTOCOL_ERROR),
        }
    }

    /// Something comes behind the end of the client's side (RFC 9113 section 5.1).
    fn comes_late(&mut self, key: usize) {
        let stream = self.streams.get(key);
        let id = stream.id;
        if stream.is_closed() {
            self.send_reset(id, Reason::STREAM_CLOSED, true);
        } else {
            self.reset(key, Reason::STREAM_CLOSED);
        }
    }

    /// Looks at a DATA frame's header.
    pub(super) fn begin_content(&mut self, frame: FrameHead) -> Result<(), Reason> {
        if frame.has(PADDED) && frame.length == 0 {
            return Err(Reason::FRAME_SIZE_ERROR);
        }
        let (length, ends) = (i64::from(frame.length), frame.has(END_STREAM));
        // RFC 9113 section 6.9: all of it counts, whatever becomes of it.
        self.receive_window -= length;
        if self.receive_window < 0 {
            return Err(Reason::FLOW_CONTROL_ERROR);
        }
        if frame.stream.is_multiple_of(2) || (frame.stream > self.last && self.farewell < Farewell::Graceful) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let mut found = None;
        if let Some(key) = self.streams.find(frame.stream) {
            let stream = self.streams.get(key);
            stream.receive_window -= length;
            match stream.reset {
                Some(Reset::ByUs) => self.guard.content_comes_for_nobody(frame),
                // What is empty needs no window, not even one that our SETTINGS have made smaller than nothing.
                None if !stream.ended && length > 0 && stream.receive_window < 0 => {
                    self.reset(key, Reason::FLOW_CONTROL_ERROR);
                }
                None if !stream.ended => {
                    found = Some(key);
                    if frame.length > 0 {
                        self.guard.content_comes();
                    }
                }
                _ => {
                    self.guard.content_comes_late();
                    self.comes_late(key);
                }
            }
        } else if frame.stream > self.last || self.is_closed_early(frame.stream, ends) {
            self.guard.content_comes_for_nobody(frame);
        } else {
            self.guard.content_comes_late();
            self.send_reset(frame.stream, Reason::STREAM_CLOSED, true);
        }
        self.input.content = Content::begins(frame, found);
        Ok(())
    }

    /// Takes content, of a stream or of nobody's.
    pub(super) fn take_data(&mut self, key: Option<usize>, data: &[u8]) {
        let Some(key) = key.filter(|_| !data.is_empty()) else { return };
        let stream = self.streams.get(key);
        // It may have been given up while its frame came.
        if stream.is_closed() {
            return;
        }
        if let Some(left) = &mut stream.announced {
            let Some(rest) = left.checked_sub(data.len() as u64) else {
                return self.reset(key, Reason::PROTOCOL_ERROR);
            };
            *left = rest;
        }
        // A reader that never catches up would have everything kept that it has read.
        if stream.read > stream.unread().len() {
            stream.content.drain(..stream.read);
            stream.read = 0;
        }
        stream.content.extend_from_slice(data);
        stream.wake();
        self.input.content.kept += data.len();
    }

    /// Takes the end of a DATA frame.
    pub(super) fn end_content(&mut self, frame: FrameHead) {
        let Content { stream, kept, .. } = std::mem::take(&mut self.input.content);
        // Padding, and what nobody wants.
        let wasted = usize::try_from(frame.length).expect("24 bits") - kept;
        self.give_back(wasted);
        let Some(key) = stream.filter(|&key| !self.streams.get(key).is_closed()) else { return };
        if !frame.has(END_STREAM) {
            self.give_back_to(key, wasted);
        } else if self.streams.get(key).announced.is_some_and(|left| left > 0) {
            self.reset(key, Reason::PROTOCOL_ERROR);
        } else {
            self.change(key, |stream| {
                stream.ended = true;
                stream.wake();
            });
        }
    }

    /// `count` bytes of content have been taken, or thrown away: the client gets them back once that is worth a frame.
    pub(super) fn give_back(&mut self, count: usize) {
        self.owed += i64::try_from(count).expect("it is within a window");
        if self.owed >= i64::from(self.limits.connection_window) / 2 {
            write_window_update(&mut self.out, 0, u32::try_from(self.owed).expect("it is within a window"));
            self.receive_window += self.owed;
            self.owed = 0;
        }
    }

    /// The same of one stream, whose client may have more to send.
    pub(super) fn give_back_to(&mut self, key: usize, count: usize) {
        let stream = self.streams.get(key);
        stream.owed += i64::try_from(count).expect("it is within a window");
        if !stream.ended && !stream.is_closed() && stream.owed >= i64::from(self.limits.stream_window) / 2 {
            write_window_update(&mut self.out, stream.id, u32::try_from(stream.owed).expect("it is within a window"));
            stream.receive_window += stream.owed;
            stream.owed = 0;
        }
    }

    /// Closes stream `id` with `reason`; `ended`: the client's side is over, so that nothing more can come of it.
    pub(super) fn send_reset(&mut self, id: u32, reason: Reason, ended: bool) {
        write_reset(&mut self.out, id, reason);
        if !ended {
            if self.closed_early.len() >= MOST_CLOSED_EARLY.max(self.limits.streams) {
                self.closed_early.pop_front();
            }
            self.closed_early.push_back(id);
        }
        self.wake();
    }

    /// Whether stream `id` was closed here before the client's side was over, which it is now if that `ends`.
    pub(super) fn is_closed_early(&mut self, id: u32, ends: bool) -> bool {
        let place = self.closed_early.iter().position(|&closed| closed == id);
        if let Some(place) = place.filter(|_| ends) {
            self.closed_early.remove(place);
        }
        place.is_some()
    }
}
