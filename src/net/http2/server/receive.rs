//! Takes a client's bytes apart into frames, in whatever pieces they come.
//!
//! Content is passed on as it comes, and every other frame when it is whole, mostly without being copied.

use super::{Farewell, Server};
use crate::net::http2::frames::{
    ACK, CONTINUATION, DATA, FrameHead, GOAWAY, HEAD, HEADERS, PADDED, PING, PREFACE, PUSH_PROMISE, RST_STREAM,
    SETTINGS, WINDOW_UPDATE,
};
use h2::Reason;

/// How far a client's bytes have been understood.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// How much of the preface has come.
    preface: usize,
    head: [u8; HEAD],
    /// How much of the header has come; all of it while its payload comes.
    have: usize,
    frame: Option<FrameHead>,
    /// How much of the payload is to come.
    left: usize,
    /// What has come of a payload that is to be whole.
    payload: Vec<u8>,
    /// Of DATA.
    pub(super) content: Content,
    settled: bool,
    /// The field section that has begun and goes on in the next frame, and whether the stream ends with it.
    pub(super) section: Option<Box<Section>>,
}

/// The DATA frame that comes.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Content {
    /// Whose it is, if anybody's.
    pub(super) stream: Option<usize>,
    /// The byte that says how much padding there is has still to come.
    pub(super) is_padded: bool,
    pub(super) padding: usize,
    /// How much of the payload is content that somebody wants.
    pub(super) kept: usize,
}

/// A field section that is in several frames.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) stream: u32,
    pub(super) ends: bool,
    pub(super) block: Vec<u8>,
}

impl Input {
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    pub(super) fn is_within_section(&self) -> bool {
        let is_of_one = |frame: FrameHead| matches!(frame.kind, HEADERS | CONTINUATION);
        self.section.is_some()
            || self.frame.is_some_and(is_of_one)
            || (self.settled && self.have > 0 && self.frame.is_none())
    }
}

impl Server {
    /// Takes in what the client has sent. What is wrong with it [ends](Self::fail) the connection.
    pub fn receive(&mut self, mut bytes: &[u8], now_ms: u64) {
        self.guard.time_passes(now_ms);
        while self.farewell < Farewell::Abrupt && !bytes.is_empty() {
            if let Err(reason) = self.take(&mut bytes) {
                self.fail(reason);
            } else if self.guard.is_spent() {
                self.fail(Reason::ENHANCE_YOUR_CALM);
            }
        }
    }

    /// Takes a piece of `bytes`, which are not empty.
    fn take(&mut self, bytes: &mut &[u8]) -> Result<(), Reason> {
        let input = &mut self.input;
        if let Some(expected) = PREFACE.get(input.preface..).filter(|rest| !rest.is_empty()) {
            let (piece, rest) = bytes.split_at(bytes.len().min(expected.len()));
            *bytes = rest;
            input.preface += piece.len();
            return if expected.starts_with(piece) { Ok(()) } else { Err(Reason::PROTOCOL_ERROR) };
        }
        let Some(frame) = input.frame else {
            let (piece, rest) = bytes.split_at(bytes.len().min(HEAD - input.have));
            *bytes = rest;
            input.head[input.have..input.have + piece.len()].copy_from_slice(piece);
            input.have += piece.len();
            if input.have == HEAD {
                let frame = FrameHead::read(input.head);
                input.frame = Some(frame);
                input.left = usize::try_from(frame.length).expect("24 bits");
                self.begin(frame)?;
                if frame.length == 0 {
                    self.end(frame, &[])?;
                }
            }
            return Ok(());
        };
        let (piece, rest) = bytes.split_at(bytes.len().min(input.left));
        *bytes = rest;
        input.left -= piece.len();
        let is_whole = input.left == 0;
        match frame.kind {
            DATA => {
                self.take_content(piece)?;
                if is_whole { self.end(frame, &[]) } else { Ok(()) }
            }
            _ if is_whole && input.payload.is_empty() => self.end(frame, piece),
            _ => {
                input.payload.extend_from_slice(piece);
                if !is_whole {
                    return Ok(());
                }
                let payload = std::mem::take(&mut input.payload);
                self.end(frame, &payload)
            }
        }
    }

    /// Looks at a frame's header.
    fn begin(&mut self, frame: FrameHead) -> Result<(), Reason> {
        self.guard.frame_comes(frame);
        // RFC 9113 section 3.4: the first frame is SETTINGS.
        let is_first = !std::mem::replace(&mut self.input.settled, true);
        if is_first && (frame.kind != SETTINGS || frame.has(ACK)) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        if !frame.has_right_length() {
            return Err(Reason::FRAME_SIZE_ERROR);
        }
        // RFC 9113 section 6.10: nothing comes between the frames of a section.
        let goes_on = self.input.section.as_ref().map(|section| section.stream);
        let is_in_order = match goes_on {
            Some(stream) => frame.kind == CONTINUATION && frame.stream == stream,
            None => frame.kind != CONTINUATION,
        };
        if !is_in_order || !frame.has_right_place() || frame.kind == PUSH_PROMISE {
            return Err(Reason::PROTOCOL_ERROR);
        }
        if frame.kind == DATA { self.begin_content(frame) } else { Ok(()) }
    }

    /// Takes a whole frame.
    fn end(&mut self, frame: FrameHead, payload: &[u8]) -> Result<(), Reason> {
        (self.input.frame, self.input.have) = (None, 0);
        let word = || u32::from_be_bytes(payload.try_into().expect("its length was checked"));
        match frame.kind {
            DATA => self.end_content(frame),
            HEADERS => return self.take_headers(frame, payload),
            CONTINUATION => return self.take_continuation(frame, payload),
            RST_STREAM => return self.take_reset(frame.stream),
            SETTINGS if frame.has(ACK) => self.take_acknowledgement(),
            SETTINGS => return self.take_settings(payload),
            PING => self.take_ping(frame, payload.try_into().expect("its length was checked")),
            WINDOW_UPDATE => return self.take_window_update(frame.stream, word() & 0x7fff_ffff),
            GOAWAY => self.client_leaves = true,
            // RFC 9113 sections 5.3.2 and 5.5: priorities, and what is unknown.
            _ => {}
        }
        Ok(())
    }

    /// Takes a part of a DATA frame's payload.
    fn take_content(&mut self, mut piece: &[u8]) -> Result<(), Reason> {
        let content = &mut self.input.content;
        if content.is_padded {
            content.is_padded = false;
            content.padding = usize::from(piece[0]);
            piece = &piece[1..];
            // RFC 9113 section 6.1.
            if content.padding > self.input.left + piece.len() {
                return Err(Reason::PROTOCOL_ERROR);
            }
        }
        let padding = content.padding.saturating_sub(self.input.left).min(piece.len());
        let stream = content.stream;
        self.take_data(stream, &piece[..piece.len() - padding]);
        Ok(())
    }
}

impl Content {
    /// Of a frame's payload, how much says and is padding.
    pub(super) fn begins(frame: FrameHead, stream: Option<usize>) -> Self {
        Self { stream, is_padded: frame.has(PADDED), padding: 0, kept: 0 }
    }
}
