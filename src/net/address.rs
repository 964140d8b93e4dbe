//! Binding and unbinding VIPs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures::TryStreamExt;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol, AddressScope, CacheInfo,
};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType};
use rtnetlink::{Handle, RouteMessageBuilder};

use super::connections;
use crate::clock;
use crate::time::Instant;

/// How our addresses are marked (IFA_PROTO, kernel 5.18 and later: `ip -d address` shows `proto 0x76`). Older kernels
/// ignore the mark; there only the configured VIPs are ever removed.
const OURS: u8 = 0x76;

/// How long the kernel may take until it takes what is for new addresses itself.
const REACHED_WITHIN: Duration = Duration::from_secs(1);

/// EPERM: a capability is missing.
const EPERM: i32 = -1;
/// EACCES: what the kernel says where IPv6 is off.
const EACCES: i32 = -13;
/// EEXIST: the address is there already.
const EEXIST: i32 = -17;
/// EADDRNOTAVAIL: the address is not there any more.
const EADDRNOTAVAIL: i32 = -99;

/// What went wrong with an address or a link.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No netlink socket.
    #[error("open a netlink socket: {0}")]
    Socket(#[from] std::io::Error),
    /// The kernel refused.
    #[error("{what} {object}: {source}{}", hint(source))]
    Kernel {
        /// What was tried.
        what: &'static str,
        /// With which address or link.
        object: String,
        /// The kernel's answer.
        source: rtnetlink::Error,
    },
    /// There is no such link.
    #[error("find the interface {name:?}: the host has {}", known.join(", "))]
    NoInterface {
        /// The one configured.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// A VIP is the node's own address.
    #[error(
        "use the VIP {address}: it is bound on {interface} as /{length}, so it is the node's own address (or kube-vip left \
         it with another mask); choose another VIP, or remove it: ip address del {address}/{length} dev {interface}"
    )]
    OwnAddress {
        /// The address.
        address: IpAddr,
        /// Its prefix length.
        length: u8,
        /// Where it is.
        interface: String,
    },
    /// The kernel took the address, but it is not there.
    #[error("bind {0}: the kernel accepted it but does not list it; something on this host removes it")]
    NotThere(IpAddr),
}

/// What the kernel means by some of its answers.
fn hint(error: &rtnetlink::Error) -> &'static str {
    match error {
        rtnetlink::Error::NetlinkError(e) if e.raw_code() == EPERM => " (vipcast needs CAP_NET_ADMIN)",
        rtnetlink::Error::NetlinkError(e) if e.raw_code() == EACCES => {
            " (is IPv6 off on this interface? see net.ipv6.conf.<interface>.disable_ipv6)"
        }
        _ => "",
    }
}

pub(super) fn kernel(what: &'static str, object: impl ToString) -> impl FnOnce(rtnetlink::Error) -> Error {
    let object = object.to_string();
    move |source| Error::Kernel { what, object, source }
}

/// The addresses of one interface, and those of ours anywhere.
#[derive(Debug)]
pub struct Addresses {
    handle: Handle,
    index: u32,
    name: String,
    links: Vec<(u32, String)>,
}

impl Addresses {
    /// Opens a netlink socket and finds the interface: the named one, else the one of the default route, else `lo`.
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Without netlink, or when the interface is not there.
    pub async fn new(interface: Option<&str>) -> Result<Self, Error> {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        let links = links(&handle).await?;
        let named = |name: &str| links.iter().find(|(_, n)| n == name);
        let found = match interface {
            Some(name) => named(name),
            None => match default_route_link(&handle).await? {
                Some(index) => links.iter().find(|(i, _)| *i == index),
                None => named("lo"),
            },
        };
        let Some((index, name)) = found.cloned() else {
            let known = links.into_iter().map(|(_, n)| n).collect();
            return Err(Error::NoInterface { name: interface.unwrap_or("lo").to_owned(), known });
        };
        Ok(Self { handle, index, name, links })
    }

    /// The interface's name.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.name
    }

    /// Every address of the host.
    ///
    /// # Errors
    /// When the kernel refuses the dump.
    pub async fn all(&self) -> Result<BTreeSet<IpAddr>, Error> {
        Ok(self.dump().await?.iter().filter_map(address_of).collect())
    }

    /// The first IPv4 address of an interface that is none of `except`; `None` where it has none.
    ///
    /// # Errors
    /// When the kernel refuses the dump.
    pub async fn ipv4_of(&self, interface: &str, except: &[IpAddr]) -> Result<Option<Ipv4Addr>, Error> {
        let index = self.links.iter().find(|(_, name)| name == interface).map(|(index, _)| *index);
        let dump = self.dump().await?;
        let on_it = dump.iter().filter(|message| Some(message.header.index) == index).filter_map(address_of);
        let mut ipv4 = on_it.filter(|address| !except.contains(address) && !address.is_loopback());
        Ok(ipv4.find_map(|address| match address {
            IpAddr::V4(v4) => Some(v4),
            IpAddr::V6(_) => None,
        }))
    }

    /// Which of `configured` are on the interface, and all that carry our mark anywhere: what this node still has
    /// to remove, or to keep, from an earlier life.
    ///
    /// # Errors
    /// When the kernel refuses the dump, or one of `configured` is an address of the node itself.
    pub async fn leftovers(&self, configured: &BTreeSet<IpAddr>) -> Result<BTreeSet<IpAddr>, Error> {
        let dump = self.dump().await?;
        let own = dump.iter().find(|m| !is_host(m) && address_of(m).is_some_and(|a| configured.contains(&a)));
        if let Some((message, address)) = own.and_then(|m| Some((m, address_of(m)?))) {
            let name = self.links.iter().find(|(index, _)| *index == message.header.index);
            return Err(Error::OwnAddress {
                address,
                length: message.header.prefix_len,
                interface: name.map(|(_, name)| name.clone()).unwrap_or_default(),
            });
        }
        let removable = dump.iter().filter(|m| self.is_removable(m, configured));
        Ok(removable.filter_map(address_of).collect())
    }

    /// Binds each as a host address: /32, or /128 without duplicate address detection. Nothing happens where one is
    /// there already as we bind it; one that kube-vip bound, which could become the source of the node's own
    /// connections, is bound anew. Returns once the kernel lists them; in their order, `true`: it was not there before.
    ///
    /// # Errors
    /// When the kernel does not list its addresses; within, when it refuses one, or does not list it afterwards.
    pub async fn bind(&self, addresses: &[IpAddr]) -> Result<Vec<Result<bool, Error>>, Error> {
        let before = self.listed().await?;
        let mut outcomes = Vec::with_capacity(addresses.len());
        for address in addresses {
            outcomes.push(self.bind_one(*address, before.get(address)).await);
        }
        if outcomes.iter().any(|outcome| matches!(outcome, Ok(true))) {
            let after = self.listed().await?;
            // For all together: where the host's rules lead elsewhere, each would wait for nothing.
            let end = clock::now() + REACHED_WITHIN;
            for (address, outcome) in addresses.iter().zip(&mut outcomes) {
                if !matches!(outcome, Ok(true)) {
                    continue;
                }
                if self.entry(after.get(address)).is_none() {
                    *outcome = Err(Error::NotThere(*address));
                } else if !self.is_reached(*address, end).await {
                    tracing::warn!(%address, "the kernel lists the address, but what is for it goes elsewhere by its routes");
                }
            }
        }
        Ok(outcomes)
    }

    async fn bind_one(&self, address: IpAddr, listed: Option<&Vec<Listed>>) -> Result<bool, Error> {
        match self.entry(listed) {
            Some(entry) if entry.is_no_source => return Ok(false),
            Some(_) => drop(self.unbind_one(address, listed).await?),
            None => {}
        }
        let length = if address.is_ipv4() { 32 } else { 128 };
        let mut request = self.handle.address().add(self.index, address, length);
        mark(request.message_mut());
        match request.execute().await {
            Err(rtnetlink::Error::NetlinkError(e)) if e.raw_code() == EEXIST => Ok(true),
            result => result.map(|()| true).map_err(kernel("bind", address)),
        }
    }

    /// Waits, not beyond `end`, until the kernel takes what is for `address` itself. An IPv6 address that it lists it
    /// may not take for some milliseconds yet: that is work it does later, and whoever sent something meanwhile would
    /// get no answer.
    async fn is_reached(&self, address: IpAddr, end: Instant) -> bool {
        loop {
            // An error says that there is no route at all.
            if self.routes_here(address).await.unwrap_or(false) {
                return true;
            }
            if clock::now() >= end {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Whether the kernel's route to `address` ends on this host.
    async fn routes_here(&self, address: IpAddr) -> Result<bool, Error> {
        let mut question = RouteMessage::default();
        let (family, length, destination) = match address {
            IpAddr::V4(v4) => (AddressFamily::Inet, 32, RouteAddress::Inet(v4)),
            IpAddr::V6(v6) => (AddressFamily::Inet6, 128, RouteAddress::Inet6(v6)),
        };
        question.header.address_family = family;
        question.header.destination_prefix_length = length;
        question.attributes.push(RouteAttribute::Destination(destination));
        let mut answers = self.handle.route().get(question).execute();
        let route = answers.try_next().await.map_err(kernel("look up the route to", address))?;
        Ok(route.is_some_and(|route| route.header.kind == RouteType::Local))
    }

    /// Removes each: as a host address on the interface, and wherever it has our mark. Its TCP connections are reset
    /// before. In their order, `false`: it was not there.
    ///
    /// # Errors
    /// When the kernel does not list its addresses; within, when it refuses one.
    pub async fn unbind(&self, addresses: &[IpAddr]) -> Result<Vec<Result<bool, Error>>, Error> {
        let listed = self.listed().await?;
        let bound: BTreeSet<IpAddr> =
            addresses.iter().filter(|address| listed.contains_key(address)).copied().collect();
        let works = reset_connections(bound.clone()).await;
        let mut outcomes = Vec::with_capacity(addresses.len());
        for address in addresses {
            outcomes.push(self.unbind_one(*address, listed.get(address)).await);
        }
        // Clients on this very node have both ends here, and may have come back while the address was still there.
        if works {
            reset_connections(bound).await;
        }
        Ok(outcomes)
    }

    async fn unbind_one(&self, address: IpAddr, listed: Option<&Vec<Listed>>) -> Result<bool, Error> {
        let mut found = false;
        let is_removable = |entry: &&Listed| entry.is_ours || (entry.index == self.index && entry.is_host);
        for entry in listed.into_iter().flatten().filter(is_removable) {
            found = true;
            match self.handle.address().del(entry.message(address)).execute().await {
                Err(rtnetlink::Error::NetlinkError(e)) if e.raw_code() == EADDRNOTAVAIL => {}
                result => result.map_err(kernel("unbind", address))?,
            }
        }
        Ok(found)
    }

    fn is_removable(&self, message: &AddressMessage, configured: &BTreeSet<IpAddr>) -> bool {
        let is_configured = |address| configured.contains(&address);
        is_ours(message)
            || (message.header.index == self.index
                && is_host(message)
                && address_of(message).is_some_and(is_configured))
    }

    /// The one on the interface.
    fn entry<'a>(&self, listed: Option<&'a Vec<Listed>>) -> Option<&'a Listed> {
        listed.into_iter().flatten().find(|entry| entry.index == self.index)
    }

    /// Every address of the host, wherever it is.
    async fn listed(&self) -> Result<BTreeMap<IpAddr, Vec<Listed>>, Error> {
        let mut listed: BTreeMap<IpAddr, Vec<Listed>> = BTreeMap::new();
        let mut dump = self.handle.address().get().execute();
        while let Some(message) = dump.try_next().await.map_err(kernel("list the addresses of", "the host"))? {
            if let Some(address) = address_of(&message) {
                listed.entry(address).or_default().push(Listed::new(&message));
            }
        }
        Ok(listed)
    }

    async fn dump(&self) -> Result<Vec<AddressMessage>, Error> {
        let request = self.handle.address().get();
        request.execute().try_collect().await.map_err(kernel("list the addresses of", "the host"))
    }
}

/// What matters of an address that the kernel lists; there may be thousands.
#[derive(Clone, Copy, Debug)]
struct Listed {
    index: u32,
    length: u8,
    is_host: bool,
    is_ours: bool,
    is_no_source: bool,
}

impl Listed {
    fn new(message: &AddressMessage) -> Self {
        Self {
            index: message.header.index,
            length: message.header.prefix_len,
            is_host: is_host(message),
            is_ours: is_ours(message),
            is_no_source: is_no_source(message),
        }
    }

    /// What names it where it is to be removed.
    fn message(self, address: IpAddr) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header.index = self.index;
        message.header.prefix_len = self.length;
        message.header.family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        message.attributes.push(AddressAttribute::Local(address));
        message
    }
}

/// Lets those who still have a connection know that it is over. Where the kernel cannot, they find out themselves;
/// `false`: it could not, for some at least.
async fn reset_connections(addresses: BTreeSet<IpAddr>) -> bool {
    if addresses.is_empty() {
        return true;
    }
    // Listing many sockets takes a while.
    let reset = tokio::task::spawn_blocking(move || connections::reset(&addresses)).await;
    let Ok(outcome) = reset else { return false };
    if outcome.count > 0 {
        tracing::info!(count = outcome.count, "reset the connections of addresses that go");
    }
    if let Some(error) = &outcome.error {
        let hint = if outcome.is_unsupported() { " (the kernel needs CONFIG_INET_DIAG_DESTROY)" } else { "" };
        tracing::warn!(
            failed = outcome.failed,
            error = format!("{error}{hint}"),
            "failed to reset the connections of addresses that go: idle ones hang until their clients' keepalive"
        );
    }
    outcome.error.is_none()
}

/// IFA_LOCAL where there is one (IPv4), else IFA_ADDRESS.
pub(super) fn address_of(message: &AddressMessage) -> Option<IpAddr> {
    let local = message.attributes.iter().find_map(|a| match a {
        AddressAttribute::Local(ip) => Some(*ip),
        _ => None,
    });
    local.or_else(|| {
        message.attributes.iter().find_map(|a| match a {
            AddressAttribute::Address(ip) => Some(*ip),
            _ => None,
        })
    })
}

/// Whether it is a /32 or /128: anything shorter is an address of the node in a network.
fn is_host(message: &AddressMessage) -> bool {
    let length = if address_of(message).is_some_and(|a| a.is_ipv4()) { 32 } else { 128 };
    message.header.prefix_len == length
}

/// Whether the kernel will not choose it as a source: see [`mark`].
fn is_no_source(message: &AddressMessage) -> bool {
    match address_of(message) {
        Some(IpAddr::V4(_)) => message.header.scope == AddressScope::Host,
        Some(IpAddr::V6(_)) => message.header.flags.contains(AddressHeaderFlags::Deprecated),
        None => false,
    }
}

fn is_ours(message: &AddressMessage) -> bool {
    message.attributes.iter().any(|a| matches!(a, AddressAttribute::Protocol(p) if u8::from(*p) == OURS))
}

/// Our mark; scope host, so that IPv4 never chooses the VIP as a source; for IPv6, which has no such scope, a
/// preferred lifetime of zero does that, and there is no prefix route and no duplicate address detection.
fn mark(message: &mut AddressMessage) {
    message.attributes.push(AddressAttribute::Protocol(AddressProtocol::from(OURS)));
    message.header.scope = AddressScope::Host;
    let ipv6 = message.attributes.iter().any(|a| matches!(a, AddressAttribute::Address(IpAddr::V6(_))));
    if ipv6 {
        let flags = AddressFlags::Nodad | AddressFlags::Noprefixroute;
        message.attributes.push(AddressAttribute::Flags(flags));
        let mut lifetimes = CacheInfo::default();
        lifetimes.ifa_preferred = 0;
        lifetimes.ifa_valid = u32::MAX;
        message.attributes.push(AddressAttribute::CacheInfo(lifetimes));
        message.header.scope = AddressScope::Universe;
    }
}

async fn links(handle: &Handle) -> Result<Vec<(u32, String)>, Error> {
    use rtnetlink::packet_route::link::LinkAttribute;
    let dump: Vec<_> = handle.link().get().execute().try_collect().await.map_err(kernel("list", "interfaces"))?;
    let name = |attributes: &[LinkAttribute]| {
        attributes.iter().find_map(|a| if let LinkAttribute::IfName(n) = a { Some(n.clone()) } else { None })
    };
    Ok(dump.iter().filter_map(|l| Some((l.header.index, name(&l.attributes)?))).collect())
}

/// Where a route leads; several ways: the first.
fn link_of(attribute: &RouteAttribute) -> Option<u32> {
    match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        RouteAttribute::MultiPath(hops) => hops.first().map(|hop| hop.interface_index),
        _ => None,
    }
}

/// The interface of the first default route of the main table, IPv4 before IPv6.
async fn default_route_link(handle: &Handle) -> Result<Option<u32>, Error> {
    let v4 = RouteMessageBuilder::<Ipv4Addr>::new().build();
    let v6 = RouteMessageBuilder::<std::net::Ipv6Addr>::new().build();
    for family in [v4, v6] {
        let dump: Vec<RouteMessage> =
            handle.route().get(family).execute().try_collect().await.map_err(kernel("list", "routes"))?;
        let is_default = |r: &&RouteMessage| {
            let header = &r.header;
            header.destination_prefix_length == 0
                && header.table == RouteHeader::RT_TABLE_MAIN
                && header.kind == RouteType::Unicast
        };
        let link = dump.iter().filter(is_default).find_map(|r| r.attributes.iter().find_map(link_of));
        if link.is_some() {
            return Ok(link);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_reached_is_waited_for_once() {
        let addresses = Addresses::new(Some("lo")).await.unwrap();
        let end = clock::now() + Duration::from_millis(20);
        let [own, other] = ["127.0.0.1", "192.0.2.99"].map(|text| text.parse().unwrap());
        let reached = async || (addresses.is_reached(own, end).await, addresses.is_reached(other, end).await);
        assert_eq!(reached().await, (true, false));
        assert!(clock::now() >= end);
        assert_eq!(reached().await, (true, false));
    }
}
