use super::*;

fn at(seconds: u64) -> Instant {
    Instant::from_boot(Duration::from_secs(seconds))
}

fn candidate(node: &str, process: u32) -> Candidate {
    Candidate { node: node.to_owned(), instance: format!("{node}/{process}") }
}

/// The `count`-th note that this process of the node writes.
fn note(node: &str, process: u32, fitness: Fitness, count: i64) -> Note {
    Note { candidate: candidate(node, process), fitness, reason: String::new(), renewed: Some(MicroTime(count)) }
}

fn fit(node: &str, count: i64) -> Note {
    note(node, 1, Fitness::Fit, count)
}

fn nodes(table: &Table, seconds: u64) -> Vec<String> {
    table.fit(at(seconds)).into_iter().map(|candidate| candidate.node).collect()
}

/// n1's view, its first list was empty.
fn table() -> Table {
    let mut table = Table::new("n1");
    table.replace(at(0), Vec::new());
    table
}

#[test]
fn every_fitness_has_a_word_and_other_words_mean_nothing_known() {
    let words = ALL.map(word);
    assert_eq!(words, ["unknown", "fit", "unheard", "unfit", "drained"]);
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
    table.replace(at(20), vec![fit("n2", 1), fit("n3", 1)]);
    assert_eq!(table.next_deadline(at(20)), Some(at(26)));
    assert_eq!(nodes(&table, 25), ["n2", "n3"]);
    assert_eq!(nodes(&table, 26), ["n3"]);
    assert_eq!(table.next_deadline(at(26)), Some(at(35)));
    table.replace(at(30), vec![fit("n2", 1), fit("n3", 1)]);
    assert_eq!(nodes(&table, 30), ["n3"]);
    assert_eq!((nodes(&table, 35), table.next_deadline(at(35))), (Vec::new(), None));
    // It was only slow: it is back, and fit since now.
    table.set(at(36), fit("n3", 2));
    table.set(at(37), fit("n2", 2));
    assert_eq!(nodes(&table, 37), ["n3", "n2"]);
}

#[test]
fn what_was_there_before_us_may_be_dead_and_comes_after_the_living() {
    let mut table = Table::new("n1");
    table.replace(at(0), vec![fit("n2", 7), fit("n3", 7)]);
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
    table.replace(at(2), vec![fit("n4", 1)]);
    assert_eq!(nodes(&table, 2), ["n4"]);
}
