//! Moves one body from one connection to the other, at the pace of the slower one.
//!
//! A pump holds at most one buffer, and reads again only when what it read has been written: that is all of the
//! backpressure. Between reads it holds nothing. Content is decoded in place and framed in place, in the room that
//! every [`Buffer`] keeps free on both sides, so that one read makes one write.

use super::buffer::{Buffer, Buffers};
use super::replay::{NotKept, Replay};
use crate::http::{
    BodyLength, Decoder, HeadLimits, Transfer, chunk_size, compose_trailers, grpc, trailers_of_lines,
    trailers_that_pass,
};
use crate::net::{Http2, Stream};
use crate::stats::GrpcEnd;
use http::HeaderMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One direction of an exchange.
#[derive(Debug)]
pub(super) struct Pump {
    source: Source,
    transfer: Transfer,
    /// What has been read and framed and is being written.
    buffer: Option<Buffer>,
    /// What is written after it: a last chunk with trailers, or their lines alone where the sink is an HTTP/2 stream.
    tail: Vec<u8>,
    /// Trailers from one HTTP/2 stream for another.
    trailers: Option<Box<HeaderMap>>,
    /// The sink is an HTTP/2 stream, and our side of it is still to be ended.
    ends_stream: bool,
    /// What its trailers say of how a gRPC call went.
    grpc_end: Option<GrpcEnd>,
    /// What came after the body's end.
    extra: Option<Buffer>,
    /// Bytes that have gone to the sink.
    written: u64,
    /// How much content there may still be.
    allowance: u64,
    waits_for: Side,
    /// What has been accepted, where somebody wants to have it once more.
    replay: Option<Box<Replay>>,
}

#[derive(Debug)]
enum Source {
    Sized(u64),
    Chunked(Decoder),
    UntilClose,
    /// Until its HTTP/2 stream ends; `ended` when what was read last is the end.
    Stream {
        ended: bool,
    },
    Over,
}

/// Which socket a pump waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Sink,
}

/// Why a body did not get through.
#[derive(Debug)]
pub(super) enum PumpError {
    /// The source closed, or failed, before the body's end.
    Source,
    /// The source's framing is broken.
    Malformed,
    /// There is more content than there may be.
    TooLarge,
    /// The sink takes no more.
    Sink,
}

impl Pump {
    /// A body that is still to come; `limits` are for its trailers.
    pub(super) fn new(body: BodyLength, transfer: Transfer, limits: HeadLimits) -> Self {
        let source = match body {
            BodyLength::Sized(0) => Source::Over,
            BodyLength::Sized(length) => Source::Sized(length),
            BodyLength::Chunked => Source::Chunked(Decoder::new(limits)),
            BodyLength::UntilClose => Source::UntilClose,
            // That it is as long as its head says, the protocol's own layer checks.
            BodyLength::Stream(_) => Source::Stream { ended: false },
        };
        Self {
            source,
            transfer,
            buffer: None,
            tail: Vec::new(),
            trailers: None,
            ends_stream: transfer == Transfer::Stream,
            grpc_end: None,
            extra: None,
            written: 0,
            allowance: u64::MAX,
            waits_for: Side::Source,
            replay: None,
        }
    }

    /// The same, with no more content than this, if that is limited.
    pub(super) fn at_most(mut self, most: Option<usize>) -> Self {
        self.allowance = most.map_or(u64::MAX, |most| most as u64);
        self
    }

    /// Whether the head that is sent to an HTTP/2 stream ends it, there being no content and no trailers.
    pub(super) fn ends_with_head(&mut self) -> bool {
        let nothing = self.buffer.as_ref().is_none_or(|buffer| buffer.unread().is_empty());
        let ends = matches!(self.source, Source::Over) && nothing && self.tail.is_empty() && self.trailers.is_none();
        self.ends_stream &= !ends;
        ends
    }

    /// Everything has been read and written.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.source, Source::Over) && self.buffer.is_none() && self.tail.is_empty() && !self.ends_stream
    }

    /// Which socket the last [`poll`](Self::poll) that was pending waits for.
    pub(super) fn waits_for(&self) -> Side {
        self.waits_for
    }

    /// What the trailers said of how a gRPC call went, once the body is over.
    pub(super) fn grpc_end(&self) -> Option<GrpcEnd> {
        self.grpc_end
    }

    /// How many bytes have gone to the sink, a tail left out.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// What came after the body's end, if anything.
    pub(super) fn take_extra(&mut self) -> Option<Buffer> {
        self.extra.take()
    }

    /// Takes in a buffer whose used part is the beginning of the body, and whatever follows it. The framed content is
    /// left in the [`buffer`](Self::framed), to be written.
    pub(super) fn accept(&mut self, mut buffer: Buffer, buffers: &Buffers) -> Result<(), PumpError> {
        let read = buffer.used.len();
        let (content, consumed) = match &mut self.source {
            Source::Over => (0, 0),
            Source::UntilClose => (read, read),
            Source::Stream { ended } => {
                if *ended {
                    self.source = Source::Over;
                }
                (read, read)
            }
            Source::Sized(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(read);
                *left -= here as u64;
                if *left == 0 {
                    self.source = Source::Over;
                }
                (here, here)
            }
            Source::Chunked(decoder) => {
                let taken = decoder.decode(buffer.unread_mut()).map_err(|_| PumpError::Malformed)?;
                if taken.done {
                    decoder.compose_trailers(&mut self.tail).map_err(|_| PumpError::Malformed)?;
                    self.grpc_end = grpc::status_of_lines(&self.tail);
                    self.source = Source::Over;
                }
                (taken.content, taken.consumed)
            }
        };
        self.allowance = self.allowance.checked_sub(content as u64).ok_or(PumpError::TooLarge)?;
        if consumed < read {
            self.extra = Some(buffers.copy_of(&buffer.unread()[consumed..]));
        }
        buffer.used.end = buffer.used.start + content;
        if let Some(replay) = &mut self.replay {
            replay.keep(buffer.unread(), &self.tail);
        }
        match self.transfer {
            Transfer::Chunked => self.frame(&mut buffer),
            Transfer::Stream => {}
            Transfer::AsIs | Transfer::UntilClose => self.tail.clear(),
        }
        self.buffer = Some(buffer);
        Ok(())
    }

    /// From now on keeps what is accepted in `replay`.
    pub(super) fn keep(&mut self, replay: Box<Replay>) {
        self.replay = Some(replay);
    }

    /// The whole body, content and trailer lines, of which all was to be kept if it is not known to be too long.
    pub(super) fn kept(&self) -> Result<(&[u8], &[u8]), NotKept> {
        let replay = self.replay.as_ref().filter(|replay| replay.is_whole()).ok_or(NotKept::TooLong)?;
        if matches!(self.source, Source::Over) { Ok(replay.kept()) } else { Err(NotKept::Unfinished) }
    }

    /// Reads what is left and gives it to nobody.
    ///
    /// # Errors
    /// [`PumpError`]: the pump is not to be polled again.
    pub(super) fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut Stream,
        buffers: &Buffers,
    ) -> Poll<Result<(), PumpError>> {
        loop {
            self.buffer.take().into_iter().for_each(|buffer| buffers.give(buffer));
            self.tail.clear();
            if matches!(self.source, Source::Over) {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_fill(cx, source, buffers))?;
        }
    }

    /// Puts a chunk's size and end around the content, and the last chunk after it when the body is over.
    fn frame(&mut self, buffer: &mut Buffer) {
        let content = buffer.used.len();
        if content > 0 {
            let mut size = [0; 8];
            let fits = buffer.prepend(chunk_size(content, &mut size));
            assert!(fits, "the headroom is larger than a chunk's size");
            buffer.append(b"\r\n");
        }
        if matches!(self.source, Source::Over) {
            if self.tail.is_empty() {
                buffer.append(b"0\r\n\r\n");
            } else {
                self.tail.splice(0..0, *b"0\r\n");
                self.tail.extend_from_slice(b"\r\n");
            }
        }
    }

    /// What is about to be written, so that a head can be put before it. `None` before [`accept`](Self::accept).
    pub(super) fn framed(&mut self) -> Option<&mut Buffer> {
        self.buffer.as_mut()
    }

    /// Moves what can be moved now. Ready when the body is over.
    ///
    /// # Errors
    /// [`PumpError`]: the pump is not to be polled again.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut Stream,
        sink: &mut Stream,
        buffers: &Buffers,
    ) -> Poll<Result<(), PumpError>> {
        loop {
            self.waits_for = Side::Sink;
            ready!(self.poll_flush(cx, sink, buffers)).map_err(|_| PumpError::Sink)?;
            if matches!(self.source, Source::Over) {
                return Poll::Ready(Ok(()));
            }
            self.waits_for = Side::Source;
            ready!(self.poll_fill(cx, source, buffers))?;
        }
    }

    /// Takes in what has come by now of an HTTP/2 stream's content, and puts `head` before it: whether there was any, and
    /// room for it. Errors are as those of [`poll`](Self::poll).
    pub(super) fn join(
        &mut self,
        head: &[u8],
        cx: &mut Context<'_>,
        source: &mut Stream,
        buffers: &Buffers,
    ) -> Result<bool, PumpError> {
        let fills = self.buffer.is_none() && matches!(self.source, Source::Stream { .. });
        match if fills { self.poll_fill(cx, source, buffers) } else { Poll::Pending } {
            Poll::Pending => Ok(false),
            Poll::Ready(filled) => filled.map(|()| self.framed().is_some_and(|buffer| buffer.prepend(head))),
        }
    }

    /// Writes what has been framed.
    pub(super) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut Stream,
        buffers: &Buffers,
    ) -> Poll<io::Result<()>> {
        if self.ends_stream {
            return match sink {
                Stream::Http2(stream) => self.poll_send(cx, stream, buffers),
                Stream::Plain(_) | Stream::Tls(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            };
        }
        if let Some(buffer) = &mut self.buffer {
            while !buffer.unread().is_empty() {
                let written = ready!(Pin::new(&mut *sink).poll_write(cx, buffer.unread()))?;
                buffer.consume(written);
                self.written += written as u64;
            }
            self.buffer.take().into_iter().for_each(|buffer| buffers.give(buffer));
        }
        while !self.tail.is_empty() {
            let written = ready!(Pin::new(&mut *sink).poll_write(cx, &self.tail))?;
            self.tail.drain(..written);
        }
        self.tail = Vec::new();
        Pin::new(sink).poll_flush(cx)
    }

    /// The same to an HTTP/2 stream, which the last byte ends if it can.
    fn poll_send(&mut self, cx: &mut Context<'_>, sink: &mut Http2, buffers: &Buffers) -> Poll<io::Result<()>> {
        let over = matches!(self.source, Source::Over);
        let last = over && self.tail.is_empty() && self.trailers.is_none();
        if let Some(buffer) = &mut self.buffer {
            while !buffer.unread().is_empty() {
                let sent = ready!(sink.poll_send(cx, buffer.unread(), last))?;
                buffer.consume(sent);
                self.written += sent as u64;
                self.ends_stream = !(last && buffer.unread().is_empty());
            }
            self.buffer.take().into_iter().for_each(|buffer| buffers.give(buffer));
        }
        if over && self.ends_stream {
            self.ends_stream = false;
            let lines = std::mem::take(&mut self.tail);
            let trailers = self.trailers.take().map(|trailers| *trailers).or_else(|| trailers_of_lines(&lines));
            sink.finish(trailers).map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut Stream,
        buffers: &Buffers,
    ) -> Poll<Result<(), PumpError>> {
        ready!(source.poll_read_ready(cx)).map_err(|_| PumpError::Source)?;
        let mut buffer = buffers.take();
        let mut space = ReadBuf::new(buffer.space());
        let polled = Pin::new(&mut *source).poll_read(cx, &mut space);
        let read = space.filled().len();
        match polled {
            Poll::Pending => {
                buffers.give(buffer);
                Poll::Pending
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(PumpError::Source)),
            Poll::Ready(Ok(())) if read == 0 => {
                match (&mut self.source, source) {
                    (Source::UntilClose, _) => self.source = Source::Over,
                    (Source::Stream { ended }, Stream::Http2(stream)) => {
                        *ended = true;
                        let trailers = ready!(stream.poll_trailers(cx)).map_err(|_| PumpError::Source)?;
                        self.take_trailers(trailers);
                    }
                    _ => return Poll::Ready(Err(PumpError::Source)),
                }
                Poll::Ready(self.accept(buffer, buffers))
            }
            Poll::Ready(Ok(())) => {
                buffer.filled(read);
                if let (Source::Stream { ended }, Stream::Http2(stream)) = (&mut self.source, source) {
                    *ended = stream.has_ended();
                }
                Poll::Ready(self.accept(buffer, buffers))
            }
        }
    }

    /// Trailers that came over HTTP/2, for whatever goes out.
    fn take_trailers(&mut self, trailers: Option<HeaderMap>) {
        self.grpc_end = trailers.as_ref().and_then(grpc::status_of_trailers);
        match (trailers, self.transfer) {
            (Some(trailers), Transfer::Stream) => {
                if let Some(replay) = &mut self.replay {
                    let mut lines = Vec::new();
                    compose_trailers(&mut lines, &trailers);
                    replay.keep(b"", &lines);
                }
                self.trailers = trailers_that_pass(trailers).map(Box::new);
            }
            (Some(trailers), Transfer::Chunked) => compose_trailers(&mut self.tail, &trailers),
            _ => {}
        }
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
