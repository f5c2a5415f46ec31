//! Moves one body from one socket to the other, at the pace of the slower one.
//!
//! A pump holds at most one buffer, and reads again only when what it read has been written: that is all of the
//! backpressure. Between reads it holds nothing. Content is decoded in place and framed in place, in the room that
//! every [`Buffer`] keeps free on both sides, so that one read makes one write.

use super::buffer::{Buffer, Buffers};
use crate::http::{BodyLength, ChunkError, Decoder, HeadLimits, Transfer};
use crate::net::Stream;
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
    /// What is written after it: a last chunk with trailers.
    tail: Vec<u8>,
    tail_written: usize,
    /// What came after the body's end.
    extra: Option<Buffer>,
    /// Bytes that have gone to the sink.
    written: u64,
    /// How much content there may still be, where that is not known from the beginning.
    allowance: u64,
    waits_for: Side,
}

#[derive(Debug)]
enum Source {
    Sized(u64),
    Chunked(Decoder),
    UntilClose,
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

impl From<ChunkError> for PumpError {
    fn from(_: ChunkError) -> Self {
        Self::Malformed
    }
}

impl Pump {
    /// A body that is still to come; `limits` are for its trailers.
    pub(super) fn new(body: BodyLength, transfer: Transfer, limits: HeadLimits) -> Self {
        let source = match body {
            BodyLength::Sized(0) => Source::Over,
            BodyLength::Sized(length) => Source::Sized(length),
            BodyLength::Chunked => Source::Chunked(Decoder::new(limits)),
            BodyLength::UntilClose => Source::UntilClose,
        };
        let (tail, extra) = (Vec::new(), None);
        Self {
            source,
            transfer,
            buffer: None,
            tail,
            tail_written: 0,
            extra,
            written: 0,
            allowance: u64::MAX,
            waits_for: Side::Source,
        }
    }

    /// The same; of a body that does not say beforehand how long it is, no more content than this, if that is limited.
    pub(super) fn at_most(mut self, most: Option<usize>) -> Self {
        self.allowance = most.map_or(u64::MAX, |most| most as u64);
        self
    }

    /// Everything has been read and written.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.source, Source::Over) && self.buffer.is_none() && self.tail.is_empty()
    }

    /// Which socket the last [`poll`](Self::poll) that was pending waits for.
    pub(super) fn waits_for(&self) -> Side {
        self.waits_for
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
            Source::Sized(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(read);
                *left -= here as u64;
                if *left == 0 {
                    self.source = Source::Over;
                }
                (here, here)
            }
            Source::Chunked(decoder) => {
                let taken = decoder.decode(buffer.unread_mut())?;
                self.allowance = self.allowance.checked_sub(taken.content as u64).ok_or(PumpError::TooLarge)?;
                if taken.done {
                    decoder.compose_trailers(&mut self.tail)?;
                    self.source = Source::Over;
                }
                (taken.content, taken.consumed)
            }
        };
        if consumed < read {
            self.extra = Some(buffers.copy_of(&buffer.unread()[consumed..]));
        }
        buffer.used.end = buffer.used.start + content;
        if self.transfer == Transfer::Chunked {
            self.frame(&mut buffer);
        } else {
            self.tail.clear();
        }
        self.buffer = Some(buffer);
        Ok(())
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

    /// Writes what has been framed.
    pub(super) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut Stream,
        buffers: &Buffers,
    ) -> Poll<io::Result<()>> {
        if let Some(buffer) = &mut self.buffer {
            while !buffer.unread().is_empty() {
                let written = ready!(Pin::new(&mut *sink).poll_write(cx, buffer.unread()))?;
                buffer.consume(written);
                self.written += written as u64;
            }
            self.buffer.take().into_iter().for_each(|buffer| buffers.give(buffer));
        }
        while self.tail_written < self.tail.len() {
            self.tail_written += ready!(Pin::new(&mut *sink).poll_write(cx, &self.tail[self.tail_written..]))?;
        }
        self.tail = Vec::new();
        Pin::new(sink).poll_flush(cx)
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
        let polled = Pin::new(source).poll_read(cx, &mut space);
        let read = space.filled().len();
        match polled {
            Poll::Pending => {
                buffers.give(buffer);
                Poll::Pending
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(PumpError::Source)),
            Poll::Ready(Ok(())) if read == 0 => {
                if !matches!(self.source, Source::UntilClose) {
                    return Poll::Ready(Err(PumpError::Source));
                }
                self.source = Source::Over;
                Poll::Ready(self.accept(buffer, buffers))
            }
            Poll::Ready(Ok(())) => {
                buffer.filled(read);
                Poll::Ready(self.accept(buffer, buffers))
            }
        }
    }
}

/// A chunk's size in hexadecimal, with its line end.
fn chunk_size(size: usize, room: &mut [u8; 8]) -> &[u8] {
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4) as usize;
    for (place, digit) in room[..digits].iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(size >> (4 * place)) & 0xf];
    }
    room[digits..digits + 2].copy_from_slice(b"\r\n");
    &room[..digits + 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tls::tests::{fill, pair};
    use std::future::poll_fn;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    /// A body of which all that came has been taken by the sink, and not all of it sent: the rest must not wait for more
    /// to come, which may be never.
    #[tokio::test]
    async fn a_pump_waits_for_its_sink_until_what_it_wrote_has_gone_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _sender = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut source = Stream::Plain(listener.accept().await.unwrap().0);
        let (mut sink, mut client) = pair().await;
        let taken = fill(&mut sink).await;
        assert!(sink.has_unsent());
        let (buffers, limits) = (Buffers::default(), HeadLimits { bytes: 1_024, fields: 1 });
        let mut pump = Pump::new(BodyLength::Sized(1), Transfer::AsIs, limits);
        assert!(poll_fn(|cx| Poll::Ready(pump.poll(cx, &mut source, &mut sink, &buffers).is_pending())).await);
        assert_eq!(pump.waits_for(), Side::Sink);
        let pumped = poll_fn(|cx| match pump.poll(cx, &mut source, &mut sink, &buffers) {
            Poll::Pending if pump.waits_for() == Side::Sink => Poll::Pending,
            polled => Poll::Ready(polled.is_pending()),
        });
        let mut bytes = vec![0; taken];
        let (read, waits) = tokio::join!(client.read_exact(&mut bytes), pumped);
        read.unwrap();
        assert!(waits && !sink.has_unsent());
    }
}
