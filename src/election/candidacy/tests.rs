//! The shell against an API server in memory.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::election::{Fitness, instance};
use crate::kube::mock::{Etcd, Mood};

/// Longer than anything here may take; less than the period of the notes, so that what is seen was said on change.
const SOON: Duration = Duration::from_secs(7);

fn config() -> LeaseConfig {
    LeaseConfig {
        name: "plndr-cp-lock".to_owned(),
        namespace: "kube-system".to_owned(),
        duration: Duration::from_secs(5),
        renew_deadline: Duration::from_secs(3),
        retry_period: Duration::from_secs(1),
    }
}

struct Node {
    condition: watch::Sender<Condition>,
    others: watch::Receiver<Vec<Candidate>>,
}

impl Node {
    async fn start(name: &str, etcd: &Etcd) -> Self {
        Self::start_at(name, etcd, watch::channel(Mood::Serves).1).await
    }

    async fn start_at(name: &str, etcd: &Etcd, mood: watch::Receiver<Mood>) -> Self {
        let (condition, own) = watch::channel(Condition::default());
        let (fit, others) = watch::channel(Vec::new());
        let others_tx = Others { fit, none: watch::Sender::new(false) };
        let endpoints = Endpoints::fixed(vec![etcd.serve(mood).await]);
        tokio::spawn(Candidacy::new(config(), name, instance(name, "1"), endpoints).run(own, others_tx));
        Self { condition, others }
    }

    fn says(&self, fitness: Fitness, reason: &str) {
        self.condition.send_replace(Condition { fitness, reason: reason.to_owned() });
    }

    async fn knows(&mut self, nodes: &[&str]) {
        let expected: Vec<Candidate> = nodes.iter().map(|node| candidate(node)).collect();
        let known = tokio::time::timeout(SOON, self.others.wait_for(|known| *known == expected)).await;
        let known = known.map(|known| known.expect("running").clone());
        assert_eq!(known.unwrap_or_else(|_| self.others.borrow().clone()), expected);
    }
}

fn candidate(node: &str) -> Candidate {
    Candidate { node: node.to_owned(), instance: format!("{node}/1") }
}

/// The node's own Lease once its fitness is this word, without what differs from run to run.
async fn note(etcd: &Etcd, node: &str, word: &str) -> Value {
    let name = format!("plndr-cp-lock.{node}");
    let said = etcd.until(&name, |object| object["metadata"]["annotations"][FITNESS] == word);
    let object = tokio::time::timeout(SOON, said).await.expect("in time");
    json!({
        "labels": object["metadata"]["labels"],
        "annotations": object["metadata"]["annotations"],
        "holder": object["spec"]["holderIdentity"],
        "seconds": object["spec"]["leaseDurationSeconds"],
    })
}

#[tokio::test]
async fn each_says_what_it_is_and_knows_the_others_that_are_fit() {
    let etcd = Etcd::new();
    let mut one = Node::start("Node-A", &etcd).await;
    let mut two = Node::start("node-b", &etcd).await;
    let unknown = json!({
        "labels": { "vipcast.io/lease": "plndr-cp-lock" },
        "annotations": { INSTANCE: "node-a/1", FITNESS: "unknown", REASON: "" },
        "holder": "node-a", "seconds": 25,
    });
    assert_eq!(note(&etcd, "node-a", "unknown").await, unknown);
    one.says(Fitness::Fit, "");
    two.says(Fitness::Fit, "");
    one.knows(&["node-b"]).await;
    two.knows(&["node-a"]).await;
    one.says(Fitness::Unfit, "the API server said 500");
    two.knows(&[]).await;
    let unfit = json!({
        "labels": { "vipcast.io/lease": "plndr-cp-lock" },
        "annotations": { INSTANCE: "node-a/1", FITNESS: "unfit", REASON: "the API server said 500" },
        "holder": "node-a", "seconds": 25,
    });
    assert_eq!(note(&etcd, "node-a", "unfit").await, unfit);
}

#[tokio::test]
async fn only_a_candidate_s_own_lease_counts() {
    let etcd = Etcd::new();
    let lease = |name: &str, annotations: Value, holder: &str| {
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {
                "name": name, "namespace": "kube-system", "labels": { LEASE: "plndr-cp-lock" },
                "annotations": annotations,
            },
            "spec": { "holderIdentity": holder },
        })
    };
    let said = json!({ INSTANCE: "node-c/1", FITNESS: "fit" });
    // Another's name, no instance, no word for its fitness.
    etcd.put(lease("plndr-cp-lock.node-b", said.clone(), "node-c"));
    etcd.put(lease("plndr-cp-lock.node-d", json!({ FITNESS: "fit" }), "node-d"));
    etcd.put(lease("plndr-cp-lock.node-e", json!({ INSTANCE: "node-e/1" }), "node-e"));
    etcd.put(lease("plndr-cp-lock.node-c", said, "node-c"));
    let mut node = Node::start("node-a", &etcd).await;
    node.knows(&["node-c"]).await;
    etcd.delete_named("plndr-cp-lock.node-c");
    node.knows(&[]).await;
}

#[tokio::test]
async fn a_note_outlives_conflicts_deletion_and_an_api_that_was_away() {
    let etcd = Etcd::new();
    let (mood, server) = watch::channel(Mood::Serves);
    let node = Node::start_at("node-a", &etcd, server).await;
    let mut stored = etcd.until("plndr-cp-lock.node-a", |_| true).await;
    stored["metadata"]["annotations"]["note"] = json!("theirs");
    etcd.put(stored);
    node.says(Fitness::Fit, "");
    assert_eq!(note(&etcd, "node-a", "fit").await["annotations"]["note"], "theirs");
    etcd.delete_named("plndr-cp-lock.node-a");
    node.says(Fitness::Unheard, "no router");
    note(&etcd, "node-a", "unheard").await;
    mood.send_replace(Mood::Unavailable);
    node.says(Fitness::Drained, "by hand");
    mood.send_replace(Mood::Serves);
    note(&etcd, "node-a", "drained").await;
}
