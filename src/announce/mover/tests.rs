use std::sync::{Arc, Mutex};

use super::*;
use crate::vip::{Holder, Standing};

const DEADLINE: Duration = Duration::from_secs(10);
const OWN: &str = "own";

/// A cloud, and what was asked of it.
#[derive(Clone, Default)]
struct Cloud(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    /// Each assignment's number, and the device.
    assigned: BTreeMap<IpAddr, (u32, &'static str)>,
    last: u32,
    asked: Vec<String>,
    /// Calls that never end.
    hangs: bool,
    trouble: Option<Trouble>,
    /// The address that it refuses to assign.
    refused: Option<IpAddr>,
    /// Where the address is taken out of the configuration while it is being assigned.
    removes: Option<watch::Sender<Facts>>,
}

impl Cloud {
    fn with<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }

    fn assign(&self, device: &'static str) {
        self.assign_to(vip().address(), device);
    }

    fn assign_to(&self, address: IpAddr, device: &'static str) {
        self.with(|world| {
            world.last += 1;
            world.assigned.insert(address, (world.last, device));
        });
    }

    /// What was asked for, looks left out.
    fn changes(&self) -> Vec<String> {
        self.with(|world| world.asked.iter().filter(|asked| *asked != "look").cloned().collect())
    }

    async fn ask(&self, what: String) -> Result<(), Trouble> {
        let hangs = self.with(|world| {
            world.asked.push(what);
            world.hangs
        });
        if hangs {
            return std::future::pending().await;
        }
        self.with(|world| world.trouble.clone().map_or(Ok(()), Err))
    }
}

impl Elastic for Cloud {
    async fn look(&mut self, addresses: &[IpAddr]) -> Result<Assignments, Trouble> {
        self.ask("look".to_owned()).await?;
        let assigned = |address| {
            self.with(|world| match world.assigned.get(address) {
                None => Assigned::Nobody,
                Some((id, OWN)) => Assigned::Here { id: id.to_string() },
                Some((id, device)) => Assigned::Elsewhere { id: id.to_string(), device: (*device).to_owned() },
            })
        };
        Ok(addresses.iter().map(|address| (*address, Ok(assigned(address)))).collect())
    }

    async fn attach(&mut self, address: IpAddr) -> Result<(), Trouble> {
        self.ask("attach".to_owned()).await?;
        if self.with(|world| world.refused == Some(address)) {
            let (text, wait) = ("assign: no".to_owned(), Duration::from_millis(50));
            return Err(Trouble { text, wait, is_ordered: false });
        }
        self.assign_to(address, OWN);
        if let Some(facts) = self.with(|world| world.removes.take()) {
            facts.send_modify(|facts| facts.vips.retain(|vip| vip.address() != address));
        }
        Ok(())
    }

    async fn detach(&mut self, id: &str) -> Result<(), Trouble> {
        self.ask(format!("detach {id}")).await?;
        self.with(|world| world.assigned.retain(|_, (known, _)| known.to_string() != id));
        Ok(())
    }
}

struct Stage {
    cloud: Cloud,
    facts: watch::Sender<Facts>,
    bound: watch::Sender<BTreeSet<Vip>>,
    moves: watch::Receiver<Moves>,
}

fn vip() -> Vip {
    Vip::new([192, 0, 2, 1].into())
}

fn second() -> Vip {
    Vip::new([192, 0, 2, 2].into())
}

fn holder(millis: u64) -> Standing {
    Standing::Holder { until: now() + Duration::from_millis(millis), term: 7, prepend: 0 }
}

impl Stage {
    fn start(standing: Standing, is_bound: bool, cloud: Cloud) -> Self {
        let facts = Facts { vips: vec![vip()], attributes: BTreeMap::new(), standing };
        let (facts, facts_rx) = watch::channel(facts);
        let (bound, bound_rx) = watch::channel(is_bound.then(vip).into_iter().collect());
        let (mover, moves) = Mover::new(cloud.clone(), facts_rx, bound_rx);
        tokio::spawn(mover.run());
        Self { cloud, facts, bound, moves }
    }

    fn stand(&self, standing: Standing) {
        self.facts.send_modify(|facts| facts.standing = standing);
    }

    /// It holds the lease for both addresses.
    fn hold_both(&self) {
        self.bound.send_replace([vip(), second()].into());
        self.facts.send_modify(|facts| (facts.vips, facts.standing) = (vec![vip(), second()], holder(60_000)));
    }

    async fn wait(&mut self, is_so: impl Fn(&Moved) -> bool + Send) {
        let changed = self.moves.wait_for(|moves| moves.get(&vip()).is_some_and(&is_so));
        tokio::time::timeout(DEADLINE, changed).await.unwrap().unwrap();
    }

    async fn wait_asked(&self, what: &str) {
        let asked = async {
            while !self.cloud.with(|world| world.asked.iter().any(|asked| asked == what)) {
                sleep_until(now() + Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DEADLINE, asked).await.unwrap();
    }
}

#[tokio::test]
async fn a_holder_binds_then_takes_the_address_and_gives_up_its_own() {
    let cloud = Cloud::default();
    cloud.assign("other");
    let mut stage = Stage::start(holder(60_000), false, cloud.clone());
    // Before it is bound the cloud is asked, and left as it is.
    stage.wait(|moved| moved.here == Some(false)).await;
    assert_eq!(cloud.changes(), Vec::<String>::new());
    stage.bound.send_replace([vip()].into());
    stage.wait(|moved| moved.here == Some(true)).await;
    assert_eq!(cloud.changes(), ["detach 1", "attach"]);
    stage.stand(Standing::Follower(Holder::Elsewhere));
    stage.wait(|moved| moved.here == Some(false)).await;
    assert_eq!(cloud.changes(), ["detach 1", "attach", "detach 2"]);
}

#[tokio::test]
async fn who_gives_up_leaves_the_assignment_of_another_alone() {
    let cloud = Cloud::default();
    let mut stage = Stage::start(holder(60_000), true, cloud.clone());
    stage.wait(|moved| moved.here == Some(true)).await;
    cloud.assign("other");
    stage.stand(Standing::Follower(Holder::Elsewhere));
    stage.wait(|moved| moved.here == Some(false)).await;
    assert_eq!(cloud.changes(), ["attach"]);
}

#[tokio::test]
async fn what_is_lost_is_taken_back_after_a_renewal_alone() {
    let cloud = Cloud::default();
    let mut stage = Stage::start(holder(60_000), true, cloud.clone());
    stage.wait(|moved| moved.here == Some(true)).await;
    cloud.assign("successor");
    stage.wait(|moved| moved.here == Some(false)).await;
    assert_eq!(cloud.changes(), ["attach"]);
    stage.stand(holder(61_000));
    stage.wait(|moved| moved.here == Some(true)).await;
    assert_eq!(cloud.changes(), ["attach", "detach 2", "attach"]);
}

#[tokio::test]
async fn an_entitlement_that_is_over_breaks_a_call_off() {
    let cloud = Cloud::default();
    let mut stage = Stage::start(Standing::Follower(Holder::Unknown), true, cloud.clone());
    stage.wait(|moved| moved.here == Some(false)).await;
    cloud.with(|world| {
        world.hangs = true;
        world.asked.clear();
    });
    stage.stand(holder(1_000));
    stage.wait_asked("look").await;
    sleep_until(now() + Duration::from_millis(1_100)).await;
    cloud.with(|world| world.hangs = false);
    // The call that hung is dropped: the next holder's are made.
    stage.stand(holder(60_000));
    stage.wait(|moved| moved.here == Some(true)).await;
    assert_eq!(cloud.changes(), ["attach"]);
}

#[tokio::test]
async fn trouble_is_published_and_over_with_the_first_success() {
    let cloud = Cloud::default();
    let wait = Duration::from_millis(50);
    cloud.with(|world| world.trouble = Some(Trouble { text: "list: no".to_owned(), wait, is_ordered: true }));
    let mut stage = Stage::start(holder(60_000), true, cloud.clone());
    stage.wait(|moved| moved.failure.as_deref() == Some("list: no")).await;
    cloud.with(|world| world.trouble = None);
    stage.wait(|moved| *moved == Moved::new(true, Some(7))).await;
    assert_eq!(cloud.changes(), ["attach"]);
}

#[tokio::test]
async fn what_is_no_vip_any_more_is_removed_by_the_id_it_has_and_no_other() {
    let cloud = Cloud::default();
    let mut stage = Stage::start(Standing::Follower(Holder::Unknown), true, cloud.clone());
    stage.wait(|moved| moved.here == Some(false)).await;
    cloud.with(|world| world.removes = Some(stage.facts.clone()));
    stage.hold_both();
    stage.wait(|moved| moved.here == Some(true)).await;
    stage.wait(|moved| moved.here == Some(false)).await;
    assert_eq!(cloud.changes(), ["attach", "attach", "detach 1"]);
}

#[tokio::test]
async fn trouble_with_one_address_is_none_with_the_others() {
    let cloud = Cloud::default();
    cloud.with(|world| world.refused = Some(vip().address()));
    let mut stage = Stage::start(Standing::Follower(Holder::Unknown), true, cloud.clone());
    stage.hold_both();
    stage.wait(|moved| moved.failure.as_deref() == Some("assign: no")).await;
    let is_moved = |moves: &Moves| moves.get(&second()).is_some_and(|moved| moved.here == Some(true));
    tokio::time::timeout(DEADLINE, stage.moves.wait_for(is_moved)).await.unwrap().unwrap();
    // And that one is tried again.
    cloud.with(|world| world.refused = None);
    stage.wait(|moved| moved.here == Some(true) && moved.failure.is_none()).await;
}
