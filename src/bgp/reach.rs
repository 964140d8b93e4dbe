//! One attempt to connect to a peer, for whoever wants to know before there is a session.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::error::Error;
use super::settings::{PeerSettings, SpeakerConfig};

/// What it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// The connection was made, and closed without a word.
    Answers {
        /// Our end.
        from: SocketAddr,
    },
    /// It was refused.
    Refused,
    /// Nobody answered in time.
    Silent,
    /// Nobody can: the peer is on no network of this node, and our packets pass no router.
    OutOfReach,
    /// The kernel found no way, in its words.
    Failed(String),
}

/// Connects to a peer at an address as a session would: from the same end, with the same key and TTL.
///
/// # Errors
/// When the socket cannot be made so: no such source, a kernel without TCP-MD5.
pub async fn reach(peer: &PeerSettings, config: &SpeakerConfig, limit: Duration) -> Result<Reach, Error> {
    let target = peer.target(config);
    if target.is_out_of_reach() {
        return Ok(Reach::OutOfReach);
    }
    let stream = match target.connect(&|address| peer.avoid_source.contains(&address)) {
        Err(Error::Socket { step: "find a route" | "connect", source, .. }) => {
            return Ok(Reach::Failed(source.to_string()));
        }
        stream => stream?,
    };
    Ok(match tokio::time::timeout(limit, stream.writable()).await {
        Err(_) => Reach::Silent,
        Ok(Err(error)) => failed(&error),
        Ok(Ok(())) => match stream.take_error() {
            Ok(None) => stream.local_addr().map_or_else(|error| failed(&error), |from| Reach::Answers { from }),
            Ok(Some(error)) | Err(error) => failed(&error),
        },
    })
}

fn failed(error: &io::Error) -> Reach {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Reach::Refused,
        io::ErrorKind::TimedOut => Reach::Silent,
        _ => Reach::Failed(error.to_string()),
    }
}
