//! The host's links and their carrier, watched.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use futures::TryStreamExt;
use futures::channel::mpsc::UnboundedReceiver;
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::sys::SocketAddr;
use rtnetlink::{Handle, MulticastGroup};
use tokio::sync::watch;

use super::Error;
use super::address::{address_of, kernel};

/// How often all links are listed, in case a message was lost without a word.
const RELIST: Duration = Duration::from_secs(30);

/// One link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Whether it is up, and the cable in it.
    pub has_carrier: bool,
}

/// All links by index.
pub type Links = BTreeMap<u32, Link>;

/// Watches all links.
#[derive(Debug)]
pub struct LinkWatch {
    handle: Handle,
    /// The library's own queue: without a bound, but emptied at once.
    messages: UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>,
}

/// Finds the link that has an address.
#[derive(Debug)]
pub struct Owners {
    handle: Handle,
}

impl LinkWatch {
    /// Opens a netlink socket. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Without netlink.
    pub fn new() -> Result<(Self, Owners), Error> {
        let (connection, handle, messages) = rtnetlink::new_multicast_connection(&[MulticastGroup::Link])?;
        tokio::spawn(connection);
        // A socket of its own: the kernel lists one thing at a time on each.
        let (connection, lookups, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        Ok((Self { handle, messages }, Owners { handle: lookups }))
    }

    /// Publishes all links, and each change of them.
    ///
    /// # Errors
    /// When the kernel refuses to list them, or closes the socket.
    pub async fn run(mut self, tx: watch::Sender<Links>) -> Result<(), Error> {
        loop {
            let all = list(&self.handle).await?;
            replace(&tx, all);
            if !self.follow(&tx).await {
                return Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into());
            }
        }
    }

    /// Takes changes in until it is time to list all links anew; `false`: there will be no more.
    async fn follow(&mut self, tx: &watch::Sender<Links>) -> bool {
        let relist = tokio::time::sleep(RELIST);
        tokio::pin!(relist);
        loop {
            let message = tokio::select! {
                message = futures::StreamExt::next(&mut self.messages) => message,
                () = &mut relist => return true,
            };
            match message.map(|(message, _)| message.payload) {
                None => return false,
                Some(NetlinkPayload::InnerMessage(message)) => {
                    tx.send_if_modified(|links| take(links, &message));
                }
                // The kernel had more to say than the socket took.
                Some(NetlinkPayload::Overrun(_)) => return true,
                Some(_) => {}
            }
        }
    }
}

impl Owners {
    /// The index of the link that has `address`, if one has. One call at a time.
    ///
    /// # Errors
    /// When the kernel refuses to list its addresses.
    pub async fn link_of(&mut self, address: IpAddr) -> Result<Option<u32>, Error> {
        let mut dump = self.handle.address().get().execute();
        let mut found = None;
        while let Some(message) = dump.try_next().await.map_err(kernel("list", "addresses"))? {
            if address_of(&message) == Some(address) {
                found = Some(message.header.index);
            }
        }
        Ok(found)
    }
}

async fn list(handle: &Handle) -> Result<Links, Error> {
    let dump: Vec<LinkMessage> =
        handle.link().get().execute().try_collect().await.map_err(kernel("list", "interfaces"))?;
    Ok(dump.iter().filter_map(read).collect())
}

fn replace(tx: &watch::Sender<Links>, all: Links) {
    tx.send_if_modified(|links| {
        let differs = *links != all;
        *links = all;
        differs
    });
}

/// Takes in what the kernel says of one link; whether that changed anything. A bridge, say, speaks of its ports in
/// messages of its own family: one that leaves it is deleted there, and is still a link of the host.
fn take(links: &mut Links, message: &RouteNetlinkMessage) -> bool {
    match message {
        RouteNetlinkMessage::NewLink(link) if is_of_host(link) => match read(link) {
            Some((index, link)) => links.insert(index, link.clone()) != Some(link),
            None => false,
        },
        RouteNetlinkMessage::DelLink(link) if is_of_host(link) => links.remove(&link.header.index).is_some(),
        _ => false,
    }
}

fn is_of_host(message: &LinkMessage) -> bool {
    message.header.interface_family == AddressFamily::Unspec
}

fn read(message: &LinkMessage) -> Option<(u32, Link)> {
    let name = message.attributes.iter().find_map(|a| if let LinkAttribute::IfName(n) = a { Some(n) } else { None })?;
    let has_carrier = message.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp);
    Some((message.header.index, Link { name: name.clone(), has_carrier }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(family: AddressFamily, has_carrier: bool) -> LinkMessage {
        let mut message = LinkMessage::default();
        (message.header.interface_family, message.header.index) = (family, 7);
        message.header.flags = if has_carrier { LinkFlags::Up | LinkFlags::LowerUp } else { LinkFlags::Up };
        message.attributes.push(LinkAttribute::IfName("eth7".to_owned()));
        message
    }

    #[test]
    fn what_a_bridge_says_of_its_ports_is_not_about_the_link() {
        use AddressFamily::{Bridge, Unspec};
        use RouteNetlinkMessage::{DelLink, NewLink};
        let mut links = Links::new();
        let mut after = |message: RouteNetlinkMessage| {
            let changed = take(&mut links, &message);
            (changed, links.get(&7).map(|link| link.has_carrier))
        };
        assert_eq!(after(NewLink(message(Unspec, true))), (true, Some(true)));
        assert_eq!(after(NewLink(message(Unspec, true))), (false, Some(true)));
        assert_eq!(after(NewLink(message(Bridge, false))), (false, Some(true)));
        assert_eq!(after(DelLink(message(Bridge, true))), (false, Some(true)));
        assert_eq!(after(NewLink(message(Unspec, false))), (true, Some(false)));
        assert_eq!(after(DelLink(message(Unspec, true))), (true, None));
    }

    #[tokio::test]
    async fn the_loopback_is_there_and_has_its_address() {
        let (watch, mut owners) = LinkWatch::new().unwrap();
        let (tx, mut rx) = watch::channel(Links::new());
        tokio::spawn(watch.run(tx));
        let links = rx.wait_for(|links| !links.is_empty()).await.unwrap().clone();
        let (index, lo) = links.iter().find(|(_, link)| link.name == "lo").unwrap();
        assert_eq!(lo, &Link { name: "lo".to_owned(), has_carrier: true });
        assert_eq!(owners.link_of("127.0.0.1".parse().unwrap()).await.unwrap(), Some(*index));
        assert_eq!(owners.link_of("192.0.2.99".parse().unwrap()).await.unwrap(), None);
    }
}
