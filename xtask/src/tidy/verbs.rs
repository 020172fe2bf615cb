//! Which test shows which verb of the broker: `// verb: handle_open` and `// action: Transmit` stand above tests.
use super::{Complaint, Source};
use crate::Result;
use crate::shell::root;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const BROKER: &str = "crates/core/src/broker/";
const TABLE: &str = "docs/TESTING.md";
const BEGIN: &str = "<!-- verbs -->\n";
const END: &str = "<!-- /verbs -->";

/// A verb or an action, where it stands, and the tests that name it.
struct Verb {
    file: String,
    line: usize,
    tests: Vec<String>,
}

pub(super) fn check(sources: &[Source], write: bool) -> Result<Vec<Complaint>> {
    let mut complaints = vec![];
    let mut verbs = broker_verbs(sources);
    for source in sources.iter().filter(|source| is_rust_of_crates(source)) {
        for mention in mentions(source) {
            match verbs.get_mut(&(mention.kind, mention.name.to_owned())) {
                Some(verb) => verb.tests.push(format!("`{}`: {}", source.path, mention.test)),
                None => {
                    let what = format!(
                        "the broker has no {} `{}`: name one that it has",
                        mention.kind, mention.name
                    );
                    complaints.push(Complaint::new(&source.path, mention.line, what));
                }
            }
        }
    }
    for ((kind, name), verb) in verbs.iter().filter(|(_, verb)| verb.tests.is_empty()) {
        let what =
            format!("no test shows the {kind} `{name}`: write one under a comment `// {kind}: {name}`");
        complaints.push(Complaint::new(&verb.file, verb.line, what));
    }
    complaints.extend(compare(&table(&verbs), write)?);
    Ok(complaints)
}

fn is_rust_of_crates(source: &Source) -> bool {
    source.path.starts_with("crates/") && source.path.ends_with(".rs")
}

fn broker_verbs(sources: &[Source]) -> BTreeMap<(&'static str, String), Verb> {
    let mut verbs = BTreeMap::new();
    for source in sources.iter().filter(|source| source.path.starts_with(BROKER)) {
        let mut inside = None;
        let mut before = "";
        for (number, line) in source.code_before_tests() {
            // What only tests can call is no verb.
            let is_for_tests = core::mem::replace(&mut before, line).contains("#[cfg(feature = \"_");
            let found = match inside {
                Some("verb") if !is_for_tests => {
                    let function =
                        line.strip_prefix("    pub ").map(|rest| rest.trim_start_matches("const "));
                    function.and_then(|rest| rest.strip_prefix("fn "))
                }
                Some("action") => {
                    line.strip_prefix("    ").filter(|rest| rest.starts_with(char::is_uppercase))
                }
                _ => None,
            };
            if let (Some(kind), Some(rest)) = (inside, found) {
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let verb = Verb { file: source.path.clone(), line: number, tests: vec![] };
                verbs.insert((kind, name), verb);
            }
            inside = match line.trim_end() {
                "impl Broker {" => Some("verb"),
                "pub enum Action {" => Some("action"),
                "}" => None,
                _ => inside,
            };
        }
    }
    verbs
}

struct Mention<'a> {
    kind: &'static str,
    name: &'a str,
    test: &'a str,
    line: usize,
}

/// Comments in tests, each with the function that follows it.
fn mentions(source: &Source) -> Vec<Mention<'_>> {
    let lines: Vec<_> = source.text.lines().collect();
    let mut mentions = vec![];
    for (index, line) in lines.iter().enumerate().skip(source.tests_from().saturating_sub(1)) {
        for kind in ["verb", "action"] {
            let Some(names) = line.trim().strip_prefix("// ").and_then(|rest| rest.strip_prefix(kind)) else {
                continue;
            };
            let Some(names) = names.strip_prefix(": ") else { continue };
            let function = lines[index..].iter().find_map(|line| line.trim_start().strip_prefix("fn "));
            let test = function.and_then(|rest| rest.split('(').next()).unwrap_or("");
            let names = names.split(',').map(str::trim);
            mentions.extend(names.map(|name| Mention { kind, name, test, line: index + 1 }));
        }
    }
    mentions
}

fn table(verbs: &BTreeMap<(&'static str, String), Verb>) -> String {
    let mut table = String::from("| verb or action | shown by |\n|---|---|\n");
    for ((kind, name), verb) in verbs {
        let name = if *kind == "action" { format!("Action::{name}") } else { name.clone() };
        writeln!(table, "| `{name}` | {} |", verb.tests.join("<br>")).expect("a String takes everything");
    }
    table
}

/// The committed table is the one that the tests make, or is made so.
fn compare(table: &str, write: bool) -> Result<Option<Complaint>> {
    let text = std::fs::read_to_string(root().join(TABLE))?;
    let (Some(begin), Some(end)) = (text.find(BEGIN), text.find(END)) else {
        let what = format!("the table has no place: put {} and {END} where it is to stand", BEGIN.trim());
        return Ok(Some(Complaint::new(TABLE, 0, what)));
    };
    let begin = begin + BEGIN.len();
    if &text[begin..end] == table {
        return Ok(None);
    }
    if write {
        std::fs::write(root().join(TABLE), format!("{}{table}{}", &text[..begin], &text[end..]))?;
        return Ok(None);
    }
    let line = text[..begin].lines().count() + 1;
    Ok(Some(Complaint::new(TABLE, line, "the table of verbs is not today's: run `cargo xtask tidy --write`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn verbs_are_found_and_tied_to_the_tests_that_name_them() {
        let broker = source(
            "crates/core/src/broker/mod.rs",
            "pub enum Action {\n    /// Says.\n    Transmit(Id),\n    Move {\n        to: Id,\n    },\n}\nimpl Broker {\n    \
             pub fn new() {\n        1\n    }\n    pub const fn check(&self) {}\n    pub(crate) fn x() {}\n    fn y() {}\n}\npub fn z() {}\n",
        );
        let names: Vec<_> =
            broker_verbs(&[broker]).into_keys().map(|(kind, name)| format!("{kind} {name}")).collect();
        assert_eq!(names, ["action Move", "action Transmit", "verb check", "verb new"]);

        let tests = source(
            "crates/core/src/broker/tests.rs",
            "// verb: new, check\n#[test]\nfn it_works() {}\n// action: Move\nfn moved() {}\n",
        );
        let found: Vec<_> =
            mentions(&tests).iter().map(|m| format!("{} {} {}", m.kind, m.name, m.test)).collect();
        assert_eq!(found, ["verb new it_works", "verb check it_works", "action Move moved"]);
    }
}
