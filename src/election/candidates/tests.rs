use super::*;

fn at(seconds: u64) -> Instant {
    Instant::from_boot(Duration::from_secs(seconds))
}

fn candidate(node: &str, process: u32) -> Candidate {
    Candidate { node: node.to_owned(), instance: format!("{node}/{process}") }
}

/// The `count`-th note that this process of the node writes.
fn note(node: &str, process: u32, fitness: Fitness, count: i64) -> Note {
    let (reason, renewed) = (String::new(), Some(MicroTime(count)));
    Note { candidate: candidate(node, process), fitness, reason, renewed, version: Version::default() }
}

fn fit(node: &str, count: i64) -> Note {
    note(node, 1, Fitness::Fit, count)
}

fn nodes(table: &Table, seconds: u64) -> Vec<String> {
    table.fit(at(seconds)).into_iter().map(|candidate| candidate.node).collect()
}

/// n1's view, its first list was empty.
fn table() -> Table {
    let mut table = Table::new(at(0), "n1");
    table.replace(at(0), &Version::default(), Vec::new());
    table
}

#[test]
fn every_fitness_has_a_word_and_other_words_mean_nothing_known() {
    let words = ALL.map(word);
    assert_eq!(words, ["unknown", "fit", "starting", "unheard", "unfit", "drained"]);
    assert_eq!(words.map(of_word), ALL);
    assert_eq!(["", "FIT", "splendid"].map(of_word), [Fitness::Unknown; 3]);
}

#[test]
fn our_own_node_is_not_among_the_others() {
    let mut table = table();
    table.set(at(1), fit("n1", 1));
    table.set(at(1), fit("n2", 1));
    assert_eq!(table.fit(at(1)), [candidate("n2", 1)]);
}

#[test]
fn who_has_been_fit_for_longest_comes_first_and_the_unfit_not_at_all() {
    let mut table = table();
    table.set(at(1), note("n2", 1, Fitness::Unfit, 1));
    table.set(at(2), fit("n3", 1));
    table.set(at(3), fit("n4", 1));
    assert_eq!(nodes(&table, 3), ["n3", "n4"]);
    table.set(at(4), note("n3", 1, Fitness::Unheard, 2));
    table.set(at(5), fit("n3", 3));
    assert_eq!(nodes(&table, 5), ["n4", "n3"]);
    // Renewals change nothing.
    table.set(at(12), fit("n3", 4));
    table.set(at(13), fit("n4", 2));
    assert_eq!(nodes(&table, 13), ["n4", "n3"]);
}

#[test]
fn a_restart_is_no_unbroken_fitness() {
    let mut table = table();
    table.set(at(1), fit("n2", 1));
    table.set(at(2), fit("n3", 1));
    table.set(at(3), note("n2", 2, Fitness::Fit, 2));
    assert_eq!(table.fit(at(3)), [candidate("n3", 1), candidate("n2", 2)]);
}

#[test]
fn who_is_not_seen_to_change_is_gone() {
    let mut table = table();
    table.set(at(1), fit("n2", 1));
    table.set(at(10), fit("n3", 1));
    // The same note again, from a list made anew, is no sign of life.
    table.replace(at(20), &Version::default(), vec![fit("n2", 1), fit("n3", 1)]);
    assert_eq!(table.next_deadline(at(20)), Some(at(26)));
    assert_eq!(nodes(&table, 25), ["n2", "n3"]);
    assert_eq!(nodes(&table, 26), ["n3"]);
    assert_eq!(table.next_deadline(at(26)), Some(at(35)));
    table.replace(at(30), &Version::default(), vec![fit("n2", 1), fit("n3", 1)]);
    assert_eq!(nodes(&table, 30), ["n3"]);
    assert_eq!((nodes(&table, 35), table.next_deadline(at(35))), (Vec::new(), None));
    // It was only slow: it is back, and fit since now.
    table.set(at(36), fit("n3", 2));
    table.set(at(37), fit("n2", 2));
    assert_eq!(nodes(&table, 37), ["n3", "n2"]);
}

#[test]
fn what_was_there_before_us_may_be_dead_and_comes_after_the_living() {
    let mut table = Table::new(at(0), "n1");
    table.replace(at(0), &Version::default(), vec![fit("n2", 7), fit("n3", 7)]);
    assert_eq!(nodes(&table, 0), ["n2", "n3"]);
    table.set(at(5), fit("n3", 8));
    table.set(at(6), fit("n4", 1));
    assert_eq!(nodes(&table, 6), ["n3", "n4", "n2"]);
    assert_eq!(nodes(&table, 25), ["n3", "n4"]);
}

#[test]
fn deleted_notes_are_gone_at_once() {
    let mut table = table();
    table.set(at(1), fit("n2", 1));
    table.set(at(1), fit("n3", 1));
    table.set(at(1), fit("n4", 1));
    table.remove("n2");
    assert_eq!(nodes(&table, 1), ["n3", "n4"]);
    // A list that does not have it: the deletion fell into a gap of the watch.
    table.replace(at(2), &Version::default(), vec![fit("n4", 1)]);
    assert_eq!(nodes(&table, 2), ["n4"]);
}

#[test]
fn a_node_is_alone_when_nobody_was_heard_of_for_a_while_fit_or_not() {
    let mut table = Table::new(at(0), "n1");
    let alone = |table: &Table, seconds| (table.is_alone(at(seconds)), table.next_deadline(at(seconds)));
    assert_eq!([alone(&table, 24), alone(&table, 25)], [(false, Some(at(25))), (true, None)]);
    table.replace(at(30), &Version::default(), vec![note("n2", 1, Fitness::Unfit, 7), fit("n1", 3)]);
    assert_eq!([alone(&table, 54), alone(&table, 55)], [(false, Some(at(55))), (true, None)]);
    // What does not change is no sign of life, nor is what we say ourselves.
    table.replace(at(60), &Version::default(), vec![note("n2", 1, Fitness::Unfit, 7)]);
    table.set(at(60), fit("n1", 4));
    assert_eq!(alone(&table, 60), (true, None));
    table.set(at(61), note("n2", 1, Fitness::Drained, 8));
    // Its deletion is no proof that it is gone.
    table.remove("n2");
    assert_eq!([alone(&table, 85), alone(&table, 86)], [(false, Some(at(86))), (true, None)]);
}

/// The note as one version of the Lease.
fn at_version(version: u64, note: Note) -> Note {
    Note { version: Version(version.to_string()), ..note }
}

#[test]
fn a_server_that_lags_brings_nobody_back_to_life() {
    let list = |table: &mut Table, seconds, version: u64, notes: Vec<Note>| {
        table.replace(at(seconds), &Version(version.to_string()), notes);
    };
    let mut table = Table::new(at(0), "n1");
    list(&mut table, 0, 100, Vec::new());
    table.set(at(1), at_version(110, fit("n2", 5)));
    table.set(at(2), at_version(120, fit("n3", 5)));
    // A list from before both, and what its watch tells of the time since.
    list(&mut table, 20, 90, vec![at_version(80, fit("n2", 4))]);
    table.set(at(20), at_version(95, fit("n3", 4)));
    assert_eq!(
        (nodes(&table, 20), table.next_deadline(at(20))),
        (vec!["n2".to_owned(), "n3".to_owned()], Some(at(26)))
    );
    list(&mut table, 30, 90, vec![at_version(80, fit("n2", 4))]);
    assert_eq!(nodes(&table, 30), Vec::<String>::new());
    // Who is known by a list only comes after those who were seen to live.
    list(&mut table, 31, 130, vec![at_version(125, fit("n4", 1)), at_version(126, fit("n3", 6))]);
    table.set(at(32), at_version(131, fit("n5", 1)));
    assert_eq!(nodes(&table, 32), ["n5", "n3", "n4"]);
}

#[test]
fn neither_a_clock_that_is_set_back_nor_a_restored_etcd_makes_a_candidate_silent() {
    let mut table = table();
    table.set(at(1), at_version(110, fit("n2", 50)));
    // The clock of its node.
    table.set(at(20), at_version(120, fit("n2", 40)));
    assert_eq!((nodes(&table, 40), nodes(&table, 45)), (vec!["n2".to_owned()], Vec::new()));
    // etcd, from a snapshot.
    table.replace(at(40), &Version("90".to_owned()), vec![at_version(80, fit("n2", 20))]);
    table.set(at(41), at_version(91, fit("n2", 60)));
    assert_eq!(nodes(&table, 65), ["n2"]);
}
