//! What lies where, how long it is, and words that code does not say.
use super::{Complaint, Source};
use std::collections::BTreeSet;

const TOP: [&str; 10] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "crates",
    "docs",
    "fuzz",
    "xtask",
];

const LINES_MAX: usize = 500;

/// Longer ones, and why they read better whole.
const LONG: [(&str, &str); 0] = [];

const SLEEP: &str = "thread::sleep";

/// What is never committed in crates, and what to do instead.
const NEVER: [(&str, &str); 5] = [
    ("todo!", "write it"),
    ("unimplemented!", "write it"),
    ("#[ignore", "assert today's behaviour, and say why it is wrong"),
    (SLEEP, "wait for what you wait for"),
    ("dbg!(", "take it out"),
];

pub(super) fn check(sources: &[Source]) -> Vec<Complaint> {
    let mut complaints = vec![];
    let top: BTreeSet<_> = sources.iter().map(|source| source.path.split('/').next().unwrap_or("")).collect();
    for name in top {
        if !name.starts_with('.') && !TOP.contains(&name) {
            complaints.push(Complaint::new(
                name,
                0,
                "lies at the top, where few things do: find it a folder",
            ));
        }
    }
    for source in sources.iter().filter(|source| source.path.ends_with(".rs")) {
        length(source, &mut complaints);
        if source.path.starts_with("crates/") {
            words(source, &mut complaints);
        }
    }
    for (path, _) in LONG {
        if !sources.iter().any(|source| source.path == path && source.text.lines().count() > LINES_MAX) {
            complaints.push(Complaint::new(
                path,
                0,
                "is not long any more: take it off the list of long files",
            ));
        }
    }
    complaints
}

fn length(source: &Source, complaints: &mut Vec<Complaint>) {
    let lines = source.text.lines().count();
    if lines > LINES_MAX && !LONG.iter().any(|(path, _)| *path == source.path) {
        complaints.push(Complaint::new(
            &source.path,
            LINES_MAX + 1,
            format!(
                "{lines} lines: split it, or put it on the list in xtask/src/tidy/files.rs with a reason"
            ),
        ));
    }
}

fn words(source: &Source, complaints: &mut Vec<Complaint>) {
    for (number, line) in source.code() {
        for (word, instead) in NEVER.iter().filter(|(word, _)| line.contains(word)) {
            // Programs that people copy may take their time: they measure something every so often.
            if *word == SLEEP && source.path.contains("/examples/") {
                continue;
            }
            complaints.push(Complaint::new(&source.path, number, format!("`{word}`: {instead}")));
        }
    }
}
