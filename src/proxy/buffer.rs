//! The memory that bytes pass through.
//!
//! A connection that waits holds none of it: a buffer is taken when the socket is readable and goes back when its
//! bytes are written, so a worker has about as many as it has bodies on the way, and they stay in its cache. They are
//! zeroed once, when made.

use std::cell::RefCell;
use std::ops::Range;

/// Free bytes kept in front of what is read, so that a new head or a chunk's size can be put before it, and the whole
/// be written at once.
pub(super) const HEADROOM: usize = 1_024;
/// Free bytes kept behind it, for a chunk's end and the last chunk.
pub(super) const TAILROOM: usize = 8;
const READ: usize = 16 * 1_024;
/// What a worker keeps for later: above it, memory goes back to the allocator.
const KEPT: usize = 64;
const KEPT_HEAD: usize = 4_096;

/// Room for one read, and the part of it that is still to be used.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// The bytes in use.
    pub(super) used: Range<usize>,
}

impl Buffer {
    fn new() -> Self {
        Self { bytes: vec![0; HEADROOM + READ + TAILROOM], used: HEADROOM..HEADROOM }
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.used.clone()]
    }

    pub(super) fn unread_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.used.clone()]
    }

    /// The first `count` bytes are done with.
    pub(super) fn consume(&mut self, count: usize) {
        self.used.start += count;
    }

    /// Where the next read goes.
    pub(super) fn space(&mut self) -> &mut [u8] {
        let end = self.bytes.len() - TAILROOM;
        &mut self.bytes[self.used.end..end]
    }

    /// `count` bytes have been read into the [`space`](Self::space).
    pub(super) fn filled(&mut self, count: usize) {
        self.used.end += count;
    }

    pub(super) fn clear(&mut self) {
        self.used = HEADROOM..HEADROOM;
    }

    /// Makes room behind the used bytes: moves them to the front, or doubles the buffer.
    pub(super) fn grow(&mut self) {
        if self.used.start > HEADROOM {
            self.bytes.copy_within(self.used.clone(), HEADROOM);
            self.used = HEADROOM..HEADROOM + self.used.len();
        } else {
            let doubled = self.bytes.len() * 2;
            self.bytes.resize(doubled, 0);
        }
    }

    /// Puts `bytes` right before the used ones; false if there is no room.
    pub(super) fn prepend(&mut self, bytes: &[u8]) -> bool {
        let Some(start) = self.used.start.checked_sub(bytes.len()) else { return false };
        self.bytes[start..self.used.start].copy_from_slice(bytes);
        self.used.start = start;
        true
    }

    /// Puts `bytes` right behind the used ones: [`TAILROOM`] bytes of them always fit.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes[self.used.end..self.used.end + bytes.len()].copy_from_slice(bytes);
        self.used.end += bytes.len();
    }
}

/// A worker's buffers that are not in use.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    reads: RefCell<Vec<Buffer>>,
    heads: RefCell<Vec<Vec<u8>>>,
}

impl Buffers {
    pub(super) fn take(&self) -> Buffer {
        self.reads.borrow_mut().pop().unwrap_or_else(Buffer::new)
    }

    pub(super) fn give(&self, mut buffer: Buffer) {
        let mut reads = self.reads.borrow_mut();
        if reads.len() < KEPT && buffer.bytes.len() == HEADROOM + READ + TAILROOM {
            buffer.clear();
            reads.push(buffer);
        }
    }

    /// A buffer that holds a copy of `bytes`.
    pub(super) fn copy_of(&self, bytes: &[u8]) -> Buffer {
        let mut buffer = self.take();
        while buffer.space().len() < bytes.len() {
            buffer.grow();
        }
        buffer.space()[..bytes.len()].copy_from_slice(bytes);
        buffer.filled(bytes.len());
        buffer
    }

    /// An empty vector for a composed head.
    pub(super) fn take_head(&self) -> Vec<u8> {
        self.heads.borrow_mut().pop().unwrap_or_default()
    }

    pub(super) fn give_head(&self, mut head: Vec<u8>) {
        let mut heads = self.heads.borrow_mut();
        if heads.len() < KEPT && head.capacity() <= KEPT_HEAD {
            head.clear();
            heads.push(head);
        }
    }
}
