//! What of another configuration a running process takes up.

use super::options::{
    ADDRESS, AS_PATH_FENCE, CONTROL_SOCKET, DRAIN_ON_CORDON, HEALTH_ADDRESS, HEALTH_PORT, INTERFACE, KUBECONFIG,
    LEADER_ELECTION, LOCAL_AS, LOG_FORMAT, NODE_NAME, PORT, STANDBY, Spec,
};
use super::{BgpConfig, Config, LogConfig, Origin};

impl Config {
    /// What this process is to run with when `new` is its configuration: all of it that can change while it runs; and
    /// what differs besides and counts after a restart only, by the names of its options.
    ///
    /// All that is named here can change: virtual IPs and what they are announced with, peers and all of theirs, our AS
    /// (not under a lease, whose record has it), BGP Identifier and timers, the port to listen at, the log level.
    #[must_use]
    pub fn taking_up(&self, new: Self) -> (Self, Vec<String>) {
        let mut waits = Vec::new();
        let mut wait = |differs: bool, what: String| {
            if differs {
                waits.push(what);
            }
        };
        let Self {
            node_name,
            vips,
            vip_attributes,
            interface,
            api_port,
            bgp,
            election,
            health,
            kubeconfig,
            control_socket,
            health_port,
            drain_on_cordon,
            provider,
            eip,
            depends_on_labels,
            log,
        } = new;
        // Elastic IPs are those of the start.
        wait(self.eip.is_some() && vips != self.vips, name(&ADDRESS));
        let vips = if self.eip.is_some() { self.vips.clone() } else { vips };
        wait(node_name != self.node_name, name(&NODE_NAME));
        wait(interface != self.interface, name(&INTERFACE));
        wait(api_port != self.api_port, name(&PORT));
        wait(election != self.election, format!("{} and what the lease is", name(&LEADER_ELECTION)));
        wait(health != self.health, format!("{} and how the check is made", name(&HEALTH_ADDRESS)));
        wait(kubeconfig != self.kubeconfig, name(&KUBECONFIG));
        wait(control_socket != self.control_socket, name(&CONTROL_SOCKET));
        wait(health_port != self.health_port, name(&HEALTH_PORT));
        wait(drain_on_cordon != self.drain_on_cordon, name(&DRAIN_ON_CORDON));
        wait(
            provider != self.provider || eip != self.eip || depends_on_labels != self.depends_on_labels,
            "whose API says or does something for this node".to_owned(),
        );
        wait(log.format != self.log.format, name(&LOG_FORMAT));
        wait(bgp.standby != self.bgp.standby, name(&STANDBY));
        wait(bgp.as_path_fence != self.bgp.as_path_fence, name(&AS_PATH_FENCE));
        // The lease's record has the holder's AS, and its fence by AS path is made of that.
        let is_stuck = self.election.is_some() && bgp.local_as != self.bgp.local_as;
        wait(is_stuck, format!("{}, and with it all of BGP", name(&LOCAL_AS)));
        let BgpConfig { standby, as_path_fence, .. } = self.bgp;
        let bgp = if is_stuck { self.bgp.clone() } else { BgpConfig { standby, as_path_fence, ..bgp } };
        let log = LogConfig { level: log.level, ..self.log };
        (Self { vips, vip_attributes, bgp, log, ..self.clone() }, waits)
    }
}

fn name(spec: &'static Spec) -> String {
    Origin::Default.name(spec)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::config;

    #[test]
    fn what_can_change_while_it_runs_does() {
        let before = config(&[("leaderElection", "true")], &[]);
        let flags = [
            ("address", "10.88.0.41"),
            ("bgppeers", "10.0.0.2:65002"),
            ("localAS", "65009"),
            ("bgpHoldTimer", "90"),
            ("log", "-4"),
            ("leaderElection", "false"),
            ("interface", "eth1"),
        ];
        let (taken, waits) = before.taking_up(config(&flags, &[]));
        let lease = "--leaderElection (vip_leaderelection) and what the lease is";
        assert_eq!(waits, ["--interface (vip_interface)", lease, "--localAS (bgp_as), and with it all of BGP"]);
        // The lease and its fence hold with the AS that is in its record.
        assert_eq!((taken.bgp.local_as, taken.bgp.peers[0].name()), (65000, "10.0.0.1:179".to_owned()));
        assert_eq!((taken.vips[0].to_string(), taken.interface), ("10.88.0.41/32".to_owned(), None));
        assert_eq!(taken.log.level, crate::config::LogLevel::Debug);

        let (taken, waits) = config(&[], &[]).taking_up(config(&flags[1..4], &[]));
        assert_eq!((waits, taken.bgp.local_as), (Vec::<String>::new(), 65009));
        assert_eq!(
            (taken.bgp.hold_time, taken.bgp.peers[0].name()),
            (Duration::from_secs(90), "10.0.0.2:179".to_owned())
        );
    }

    #[test]
    fn the_same_again_is_no_change() {
        let (_, waits) = config(&[], &[]).taking_up(config(&[], &[]));
        assert_eq!(waits, Vec::<String>::new());
    }
}
