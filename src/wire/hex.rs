//! Bytes as a log shows them.

use std::fmt;

/// Octets of a value that are shown; what is longer is cut, so that a peer cannot fill a log with one message.
const SHOWN: usize = 32;

/// `0x` and the octets; of a long value its first 32 and how many more there are.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        for octet in self.0.iter().take(SHOWN) {
            write!(f, "{octet:02x}")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} octets more"),
        }
    }
}
