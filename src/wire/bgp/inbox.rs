//! From a stream to messages.

use super::{MessageType, Notification, frame_len, message_type};

/// What has arrived of a stream and was not taken yet. Whole messages come out, wherever the stream was cut on its way.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// How much of `bytes` is taken.
    taken: usize,
}

impl Inbox {
    /// More of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend(bytes);
    }

    /// Throws away what has arrived.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.taken = 0;
    }

    /// The type of the message that comes next; `None` while too little of it is there, or if no such type exists.
    #[must_use]
    pub fn next_type(&self) -> Option<MessageType> {
        message_type(self.rest())
    }

    /// Takes the next message; `None` while there is no whole one.
    ///
    /// # Errors
    /// As [`frame_len`]. Nothing is taken: there is no more to be had of this stream.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, Notification> {
        let Some(length) = frame_len(self.rest())? else { return Ok(None) };
        let start = self.taken;
        self.taken += length;
        Ok(self.bytes.get(start..self.taken))
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }
}
