//! The shell against an API server in memory.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::election::Fitness;
use crate::kube::Endpoint;
use crate::kube::mock::{Etcd, Mood};

/// Longer than anything here may take; far less than the lease.
const SOON: Duration = Duration::from_secs(8);

fn config() -> LeaseConfig {
    LeaseConfig {
        name: "plndr-cp-lock".to_owned(),
        namespace: "kube-system".to_owned(),
        duration: Duration::from_secs(60),
        renew_deadline: Duration::from_secs(40),
        retry_period: Duration::from_secs(1),
    }
}

struct Candidate {
    leadership: watch::Receiver<Leadership>,
    releaser: Releaser,
}

impl Candidate {
    fn start(name: &str, endpoints: Vec<Endpoint>) -> Self {
        let (tx, leadership) = watch::channel(Leadership::UNKNOWN);
        let endpoints = Endpoints::fixed(endpoints);
        let circumstances = Circumstances {
            condition: watch::channel(Condition { fitness: Fitness::Fit, reason: String::new() }).1,
            candidates: watch::channel(Vec::new()).1,
            alone: watch::channel(false).1,
            silent: watch::channel(true).1,
            announced: watch::channel(None).1,
            stale: watch::channel(Duration::from_secs(18)).1,
            fence: Fence::default(),
        };
        let id = crate::election::instance(name, "1");
        let (election, releaser) = LeaseElection::new(config(), name, id, endpoints, circumstances);
        tokio::spawn(election.run(tx));
        Self { leadership, releaser }
    }

    async fn until(&mut self, wanted: impl FnMut(&Leadership) -> bool) -> Leadership {
        tokio::time::timeout(SOON, self.leadership.wait_for(wanted)).await.expect("in time").expect("running").clone()
    }

    async fn holds(&mut self) {
        self.until(|leadership| matches!(leadership, Leadership::Held { .. })).await;
    }

    async fn follows(&mut self, name: &str) {
        let follows = |leadership: &Leadership| matches!(leadership, Leadership::Follower { holder: Some(holder), .. } if holder == name);
        self.until(follows).await;
    }
}

fn serving() -> watch::Receiver<Mood> {
    watch::channel(Mood::Serves).1
}

/// The object without what differs from run to run.
fn essence(etcd: &Etcd) -> Value {
    let object = etcd.object().expect("the lease");
    json!({
        "name": object["metadata"]["name"],
        "labels": object["metadata"]["labels"],
        "instance": object["metadata"]["annotations"]["vipcast.io/instance"],
        "holder": object["spec"]["holderIdentity"],
        "seconds": object["spec"]["leaseDurationSeconds"],
        "transitions": object["spec"]["leaseTransitions"],
    })
}

#[tokio::test]
async fn a_release_is_taken_over_at_once() {
    let etcd = Etcd::new();
    let mut first = Candidate::start("Node-A", vec![etcd.serve(serving()).await]);
    first.holds().await;
    let created = json!({
        "name": "plndr-cp-lock", "labels": null, "instance": "node-a/1", "holder": "node-a", "seconds": 60,
        "transitions": 0,
    });
    assert_eq!(essence(&etcd), created);

    let mut second = Candidate::start("node-b", vec![etcd.serve(serving()).await]);
    second.follows("node-a").await;
    first.releaser.clone().release(clock::now() + SOON).await;
    second.holds().await;
    let taken = json!({
        "name": "plndr-cp-lock", "labels": null, "instance": "node-b/1", "holder": "node-b", "seconds": 60,
        "transitions": 1,
    });
    assert_eq!(essence(&etcd), taken);
}

#[tokio::test]
async fn an_update_keeps_what_others_put_on_the_object() {
    let etcd = Etcd::new();
    etcd.put(json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "plndr-cp-lock", "namespace": "kube-system", "labels": { "app": "vip" }, "uid": "u" },
    }));
    let mut candidate = Candidate::start("node-a", vec![etcd.serve(serving()).await]);
    candidate.holds().await;
    let taken = json!({
        "name": "plndr-cp-lock", "labels": { "app": "vip" }, "instance": "node-a/1", "holder": "node-a", "seconds": 60,
        "transitions": 1,
    });
    assert_eq!(essence(&etcd), taken);
    assert_eq!(etcd.object().unwrap()["metadata"]["uid"], "u");
}

#[tokio::test]
async fn deletion_ends_the_entitlement_at_once() {
    let etcd = Etcd::new();
    let mut candidate = Candidate::start("node-a", vec![etcd.serve(serving()).await]);
    candidate.holds().await;
    etcd.delete();
    let nobody = Leadership::UNKNOWN;
    assert_eq!(candidate.until(|leadership| *leadership == nobody).await, nobody);
}

#[tokio::test]
async fn a_dead_api_server_is_left_for_the_next_one() {
    for mood in [Mood::Hangs, Mood::Unavailable] {
        let etcd = Etcd::new();
        let dead = Etcd::new().serve(watch::channel(mood).1).await;
        let mut candidate = Candidate::start("node-a", vec![dead, etcd.serve(serving()).await]);
        candidate.holds().await;
    }
}

#[tokio::test]
async fn a_holder_whose_server_dies_renews_through_another() {
    let etcd = Etcd::new();
    let (mood, first) = watch::channel(Mood::Serves);
    let mut candidate = Candidate::start("node-a", vec![etcd.serve(first).await, etcd.serve(serving()).await]);
    candidate.holds().await;
    mood.send_replace(Mood::Unavailable);
    let before = candidate.leadership.borrow().clone();
    let Leadership::Held { until: last, .. } = before else { panic!("{before:?}") };
    // Two renewals on, the second cannot have been on its way when the server died.
    let later = last + Duration::from_millis(1500);
    candidate.until(|leadership| matches!(leadership, Leadership::Held { until, .. } if *until > later)).await;
}

#[tokio::test]
async fn leaving_ends_at_the_deadline_where_nothing_answers() {
    let etcd = Etcd::new();
    let (mood, server) = watch::channel(Mood::Serves);
    let mut candidate = Candidate::start("node-a", vec![etcd.serve(server).await]);
    candidate.holds().await;
    mood.send_replace(Mood::Hangs);
    let deadline = clock::now() + Duration::from_millis(300);
    tokio::time::timeout(SOON, candidate.releaser.clone().release(deadline)).await.expect("in time");
    assert_eq!(etcd.object().unwrap()["spec"]["holderIdentity"], "node-a");
}

#[tokio::test]
async fn followers_cost_nothing_but_a_list_and_a_watch() {
    let etcd = Etcd::new();
    let mut holder = Candidate::start("node-a", vec![etcd.serve(serving()).await]);
    holder.holds().await;
    let counted = etcd.counted_apart();
    let mut follower = Candidate::start("node-b", vec![counted.serve(serving()).await]);
    follower.follows("node-a").await;
    // Two renewals of the holder later.
    let Leadership::Held { until: start, .. } = holder.leadership.borrow().clone() else { panic!("lost") };
    let later = start + Duration::from_millis(1500);
    holder.until(|leadership| matches!(leadership, Leadership::Held { until, .. } if *until > later)).await;
    let mut methods: Vec<String> =
        counted
            .requests()
            .iter()
            .map(|line| {
                if line.contains("watch=true") {
                    "WATCH".to_owned()
                } else {
                    line.split('?').next().unwrap().to_owned()
                }
            })
            .collect();
    methods.sort();
    let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
    assert_eq!(methods, [format!("GET {leases}"), format!("GET {leases}/plndr-cp-lock"), "WATCH".to_owned()]);
}
