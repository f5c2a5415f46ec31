//! What a client says of its connection and of its streams' windows (RFC 9113 sections 6.4 to 6.9).

use super::{FAREWELL, Farewell, MOST_WINDOW, Server};
use crate::net::http2::frames::{ACK, FrameHead, SETTINGS, write_go_away, write_head, write_ping};
use h2::Reason;

impl Server {
    /// Takes SETTINGS, and acknowledges them.
    pub(super) fn take_settings(&mut self, payload: &[u8]) -> Result<(), Reason> {
        let mut first_window = None;
        for setting in payload.chunks_exact(6) {
            let name = u16::from_be_bytes([setting[0], setting[1]]);
            let value = u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]);
            match name {
                1 => self.table_changed = true,
                2 if value > 1 => return Err(Reason::PROTOCOL_ERROR),
                4 if i64::from(value) > MOST_WINDOW => return Err(Reason::FLOW_CONTROL_ERROR),
                // Each time that it is said would be work for all streams; only the last counts.
                4 => first_window = Some(value),
                5 if !(1 << 14..1 << 24).contains(&value) => return Err(Reason::PROTOCOL_ERROR),
                _ => {}
            }
        }
        if let Some(window) = first_window {
            self.take_first_window(window)?;
        }
        write_head(&mut self.out, 0, SETTINGS, ACK, 0);
        Ok(())
    }

    /// Takes the window that streams have at first, which changes that of all (section 6.9.2).
    fn take_first_window(&mut self, window: u32) -> Result<(), Reason> {
        let window = i64::from(window);
        let change = window - self.first_send_window;
        let mut is_right = true;
        for (_, stream) in self.streams.iter_mut() {
            stream.widen(change);
            is_right &= stream.send_window <= MOST_WINDOW;
        }
        self.first_send_window = window;
        if is_right { Ok(()) } else { Err(Reason::FLOW_CONTROL_ERROR) }
    }

    /// The client knows our SETTINGS.
    pub(super) fn take_acknowledgement(&mut self) {
        let window = i64::from(self.limits.stream_window);
        let change = window - self.first_receive_window;
        self.streams.iter_mut().for_each(|(_, stream)| stream.receive_window += change);
        self.first_receive_window = window;
    }

    pub(super) fn take_ping(&mut self, frame: FrameHead, payload: [u8; 8]) {
        if !frame.has(ACK) {
            write_ping(&mut self.out, ACK, payload);
        } else if payload == FAREWELL && self.farewell == Farewell::Announced {
            // The client has read that it is to open no more streams; what it had sent before has come by now.
            self.farewell = Farewell::Graceful;
            write_go_away(&mut self.out, self.last, Reason::NO_ERROR);
        }
    }

    pub(super) fn take_window_update(&mut self, id: u32, increment: u32) -> Result<(), Reason> {
        if id == 0 {
            self.send_window += i64::from(increment);
            self.wake_waiting();
            return match self.send_window {
                _ if increment == 0 => Err(Reason::PROTOCOL_ERROR),
                window if window > MOST_WINDOW => Err(Reason::FLOW_CONTROL_ERROR),
                _ => Ok(()),
            };
        }
        self.check_opened(id)?;
        let Some(key) = self.streams.find(id) else { return Ok(()) };
        let stream = self.streams.get(key);
        stream.widen(i64::from(increment));
        let window = stream.send_window;
        if increment == 0 {
            self.reset(key, Reason::PROTOCOL_ERROR);
        } else if window > MOST_WINDOW {
            self.reset(key, Reason::FLOW_CONTROL_ERROR);
        }
        Ok(())
    }

    pub(super) fn take_reset(&mut self, id: u32) -> Result<(), Reason> {
        self.check_opened(id)?;
        if let Some(key) = self.streams.find(id) {
            self.reset_by_client(key);
            self.forget_arrived(key);
        } else {
            // Nothing more can come of it.
            self.is_closed_early(id, true);
        }
        Ok(())
    }

    /// Only a stream that was opened can be spoken of (section 5.1).
    fn check_opened(&self, id: u32) -> Result<(), Reason> {
        let may_be_ignored = id > self.last && self.farewell >= Farewell::Graceful;
        if id.is_multiple_of(2) || (id > self.last && !may_be_ignored) { Err(Reason::PROTOCOL_ERROR) } else { Ok(()) }
    }
}
