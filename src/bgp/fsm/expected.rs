//! Which messages a state accepts, by their type alone.

use super::StateName;
use crate::wire::bgp::{MessageType, Notification, error};

impl StateName {
    /// What a peer is told that sends a message of this type in this state, whatever is in it (RFC 4271 §8.2.2, RFC
    /// 6608 §4); `None`: the message is expected, or there is nobody to tell.
    #[must_use]
    pub fn refusal(self, kind: MessageType) -> Option<Notification> {
        use MessageType::{Keepalive, Notification as Goodbye, Open, RouteRefresh, Update};
        let state = match (self, kind) {
            (Self::Idle | Self::Active | Self::Connect, Open | Update | Goodbye | Keepalive | RouteRefresh)
            | (Self::OpenSent, Open | Goodbye)
            | (Self::OpenConfirm, Keepalive | Goodbye)
            | (Self::Established, Update | Goodbye | Keepalive | RouteRefresh) => return None,
            (Self::OpenSent, Update | Keepalive | RouteRefresh) => error::UNEXPECTED_IN_OPEN_SENT,
            // A collision (RFC 4271 §6.8) is an OPEN on another connection.
            (Self::OpenConfirm, Open | Update | RouteRefresh) => error::UNEXPECTED_IN_OPEN_CONFIRM,
            (Self::Established, Open) => error::UNEXPECTED_IN_ESTABLISHED,
        };
        Some(Notification::unexpected_message(state, kind))
    }
}
