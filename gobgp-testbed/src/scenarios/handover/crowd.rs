//! Who uses the VIPs while they move: pings, new connections, and connections that stay; and what each of them felt.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::lab::{Lab, VIP, VIP6};
use crate::parts::probe::Probe;
use crate::parts::router::Kind;
use crate::parts::visitor::{Guest, Manner, Stay, Visit, Visitors, serve};
use crate::process::Process;
use crate::scenarios::SOON;

/// 500 questions a second.
const QUESTIONS: Duration = Duration::from_millis(2);
/// 100 new connections a second.
const VISITS: Duration = Duration::from_millis(10);
/// So many questions may be lost.
const LOST: usize = 1;

/// The client's pings and connections, in both families, and the servers on the nodes.
pub(super) struct Crowd {
    servers: Vec<Process>,
    sides: [Side; 2],
}

/// One family.
struct Side {
    name: &'static str,
    probe: Probe,
    visitors: Visitors,
    guests: Vec<(Manner, Guest)>,
}

impl Crowd {
    /// Everybody comes, and is served by this node.
    pub(super) fn gather(lab: &Lab, node: u8) -> Result<Self> {
        let servers = lab.nodes.iter().map(|node| serve(node, node.name())).collect::<Result<_>>()?;
        let side = |name, vip: IpAddr| -> Result<Side> {
            let guest = |manner| Ok((manner, Guest::start(&lab.client, vip, manner)?));
            Ok(Side {
                name,
                probe: Probe::start(&lab.client, vip, QUESTIONS)?,
                visitors: Visitors::start(&lab.client, vip, VISITS)?,
                guests: [Manner::Talking, Manner::Silent].into_iter().map(guest).collect::<Result<_>>()?,
            })
        };
        let sides = [side("IPv4", VIP.into())?, side("IPv6", VIP6.into())?];
        let crowd = Self { servers, sides };
        crowd.wait_served(node, Duration::ZERO)?;
        Ok(crowd)
    }

    /// Real-time scheduling for all of them, see [`Process::hurry`].
    pub(super) fn hurry(&self) -> Result<()> {
        self.servers.iter().try_for_each(Process::hurry)?;
        for side in &self.sides {
            side.probe.hurry()?;
            side.visitors.hurry()?;
            side.guests.iter().try_for_each(|(_, guest)| guest.hurry())?;
        }
        Ok(())
    }

    /// Waits until this node serves whoever comes, in both families; when that was so for all.
    pub(super) fn wait_served(&self, node: u8, from: Duration) -> Result<Duration> {
        let name = format!("n{node}");
        let first =
            self.sides.iter().map(|side| side.visitors.wait_met(&name, from, SOON)).collect::<Result<Vec<_>>>()?;
        first.into_iter().max().context("there are two sides")
    }

    /// Waits until those who stay are with this node too.
    pub(super) fn wait_stayers(&self, node: u8, from: Duration, within: Duration) -> Result<()> {
        let name = format!("n{node}");
        let mut guests = self.sides.iter().flat_map(|side| &side.guests);
        guests.try_for_each(|(_, guest)| guest.wait_with(&name, from, within).map(drop))
    }

    /// What they felt between these moments.
    pub(super) fn toll(&self, from: Duration, to: Duration) -> Result<Vec<Toll>> {
        self.sides.iter().map(|side| side.toll(from, to)).collect()
    }
}

/// What one family felt.
#[derive(Debug, Clone)]
pub(super) struct Toll {
    pub(super) family: &'static str,
    /// Questions without an answer.
    pub(super) lost: usize,
    /// The longest time without an answer.
    pub(super) silence: Duration,
    /// How many came anew.
    pub(super) came: usize,
    /// Those who were not connected.
    pub(super) failed: Vec<Visit>,
    /// Those who were connected before the move and thrown out by it.
    pub(super) cut: Vec<Visit>,
    /// The longest anyone took to be connected.
    pub(super) slowest: Duration,
    /// Those who stayed: how long after `from` they were thrown out, and how long after that they were back.
    pub(super) stayed: Vec<(Manner, Duration, Duration)>,
}

impl Side {
    fn toll(&self, from: Duration, to: Duration) -> Result<Toll> {
        let visits = self.visitors.between(from, to)?;
        let connected = visits.iter().filter_map(|visit| visit.connected);
        let stayed = self.guests.iter().filter_map(|(manner, guest)| Some((*manner, guest.stays().ok()?)));
        Ok(Toll {
            family: self.name,
            lost: self.probe.lost(from)?,
            silence: self.probe.silence(from, to)?,
            came: visits.len(),
            failed: visits.iter().filter(|visit| visit.connected.is_none()).cloned().collect(),
            cut: visits.iter().filter(|visit| visit.connected.is_some() && visit.met.is_err()).cloned().collect(),
            slowest: connected.max().unwrap_or_default(),
            stayed: stayed
                .filter_map(|(manner, stays)| absence(&stays, from).map(|(out, back)| (manner, out, back)))
                .collect(),
        })
    }
}

/// When a guest was thrown out first after `from`, and how long it was before it was back for good.
fn absence(stays: &[Stay], from: Duration) -> Option<(Duration, Duration)> {
    let out = stays.iter().find_map(|stay| match stay {
        Stay::Lost(at, _) if *at >= from => Some(*at),
        Stay::Lost(..) | Stay::With(..) => None,
    })?;
    let Some(Stay::With(back, _)) = stays.last() else { return None };
    Some((out.saturating_sub(from), back.saturating_sub(out)))
}

impl Toll {
    /// Fails where anyone who came was not served, or more than one question was lost. FRR takes an IPv6 route out of its
    /// kernel before it puts another in its place (`42-control` shows it): who comes in between finds no route, and that
    /// is not held against vipcast.
    pub(super) fn expect_none(&self, router: Kind) -> Result<()> {
        let excused = router == Kind::Frr && self.family == "IPv6";
        let failed: Vec<&Visit> = self.failed.iter().filter(|visit| !(excused && is_unreachable(visit))).collect();
        ensure!(failed.is_empty(), "{}: new connections failed: {failed:?}", self.family);
        ensure!(self.lost <= LOST, "{}: {} of 500 questions a second were lost", self.family, self.lost);
        Ok(())
    }
}

/// Whether the router had no route at that moment.
pub(super) fn is_unreachable(visit: &Visit) -> bool {
    visit.met.as_ref().is_err_and(|wrong| wrong.contains("nreachable"))
}

impl fmt::Display for Toll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        let Self { family, lost, came, .. } = self;
        write!(f, "{family}: {lost} of 500/s questions lost, longest silence {:.0} ms; ", millis(self.silence))?;
        let (failed, cut) = (self.failed.len(), self.cut.len());
        write!(f, "{came} new connections: {failed} failed, {cut} reset, slowest {:.1} ms", millis(self.slowest))?;
        for (manner, out, back) in &self.stayed {
            let manner = if *manner == Manner::Silent { "silent" } else { "busy" };
            write!(
                f,
                "; kept-alive ({manner}) reset after {:.0} ms, back {:.1} ms later",
                millis(*out),
                millis(*back)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absence_lasts_until_the_last_return() {
        let at = Duration::from_millis;
        let with = |millis, name: &str| Stay::With(at(millis), name.to_owned());
        let lost = |millis| Stay::Lost(at(millis), "reset".to_owned());
        let stays = [with(10, "n1"), lost(110), with(111, "n1"), lost(112), with(115, "n2")];
        assert_eq!(absence(&stays, at(100)), Some((at(10), at(5))));
        assert_eq!(absence(&stays, at(112)), Some((at(0), at(3))));
        assert_eq!(absence(&stays, at(120)), None);
        assert_eq!(absence(&stays[..4], at(100)), None);
    }
}
