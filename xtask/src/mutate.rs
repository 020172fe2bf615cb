//! `cargo xtask mutate`: each rule that the broker can be made to break, and what notices.
use crate::Result;
use crate::count::Count;
use crate::shell::step;
use crate::test::counted;
use std::collections::BTreeMap;

/// Tests of this name break each rule in turn, and say who noticed.
const TESTS: &str = "is_missed";

/// A rule, by its number: its name, and who noticed that it was broken.
type Rules = BTreeMap<u32, (String, Vec<String>)>;

/// Prints the table, and fails if nobody notices that a rule is broken.
pub(crate) fn run() -> Result {
    let mut rules = Rules::new();
    let count = all(&mut rules)?;
    println!("| | broken rule | noticed by |\n|--:|---|---|");
    for (number, (name, by)) in &rules {
        println!("| {number} | {name} | {} |", by.join("; "));
    }
    let unnoticed = rules.values().filter(|(_, by)| by.is_empty()).count();
    println!("{} mutations, {unnoticed} that nobody notices", rules.len());
    if count.failed == 0 && unnoticed == 0 && !rules.is_empty() {
        Ok(())
    } else {
        Err("not each mutation is noticed".into())
    }
}

/// The same as a part of all tests. Only what is about rules is built again.
pub(crate) fn tests() -> Result<Count> {
    all(&mut Rules::new())
}

fn all(rules: &mut Rules) -> Result<Count> {
    let core = ["-p", "tidewire-core", "--features", "_rules"];
    let core = [&core[..], &["--test", "broker", "--test", "explore", "--test", "journal"]].concat();
    let conversation = ["-p", "tidewire-conversation", "--features", "_rules", "--test", "without"];
    let mut said = vec![];
    let mut count = step("rules of the specification", || noted(&conversation, &mut said))?;
    count += step("rules between shards", || noted(&core, &mut said))?;
    for line in &said {
        note(rules, line);
    }
    Ok(count)
}

fn noted(of: &[&str], said: &mut Vec<String>) -> Result<Count> {
    counted(of, &[TESTS, "--nocapture", "--test-threads=1"], |line| {
        // A test prints its name and, on the same line, what it says first.
        let line = line
            .split_once(" ... ")
            .filter(|(test, _)| test.starts_with("test "))
            .map_or(line, |(_, said)| said);
        said.push(line.to_owned());
    })
}

/// `rule 40: DiscardedByCleanStart`, or `without DiscardedByCleanStart: who noticed`.
fn note(rules: &mut Rules, line: &str) {
    if let Some((number, name)) = line.strip_prefix("rule ").and_then(|rest| rest.split_once(": ")) {
        if let Ok(number) = number.parse() {
            rules.insert(number, (name.to_owned(), vec![]));
        }
    } else if let Some((name, by)) = line.strip_prefix("without ").and_then(|rest| rest.split_once(": ")) {
        let rule = rules.values_mut().find(|(known, _)| known == name);
        if let Some((_, all)) = rule {
            all.push(by.replace('|', "/").chars().take(100).collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tests_say_of_rules_becomes_a_table() {
        let mut rules = Rules::new();
        for line in
            ["rule 1: A", "rule 2: B", "without A: a storm, seed 3", "without C: nobody knows it", "ok"]
        {
            note(&mut rules, line);
        }
        assert_eq!(rules[&1], ("A".to_owned(), vec!["a storm, seed 3".to_owned()]));
        assert_eq!(rules[&2].1, [""; 0]);
    }
}
