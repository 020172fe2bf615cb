//! How the broker is cut: rooms below that know nothing of it, reactions above that call in one direction only.
use super::{Complaint, Source};
use std::collections::{BTreeMap, BTreeSet};

const BROKER: &str = "crates/core/src/broker/";

/// The rooms, and which others each may import.
const ROOMS: [(&str, &[&str]); 10] = [
    ("base", &[]),
    ("messages", &["base"]),
    ("authority", &["base", "messages"]),
    ("router", &["base", "messages"]),
    ("retained", &["base", "messages", "authority", "router"]),
    ("groups", &["base", "messages", "authority", "router", "retained"]),
    ("session", &["base", "messages", "authority", "router", "retained", "groups"]),
    ("connection", &["base", "messages", "authority", "router", "retained", "groups", "session"]),
    ("shards", &["base", "messages", "authority", "router", "retained", "groups", "session", "connection"]),
    (
        "journal",
        &["base", "messages", "authority", "router", "retained", "groups", "session", "connection", "shards"],
    ),
];

/// The public words, which all may use.
const WORDS: [&str; 2] = ["announce", "cause"];

/// The reactions. A call goes to the same file or to one further down.
const REACTIONS: [&str; 37] = [
    "mod",
    "check",
    "trace",
    "timing",
    "passage",
    "after",
    "restore",
    "snapshot",
    "inbound",
    "verdict",
    "connect",
    "again",
    "local",
    "revoke",
    "mail",
    "commit",
    "publish",
    "accept",
    "subscribe",
    "acks",
    "ending",
    "leaving",
    "spread",
    "deliver",
    "transmit",
    "replay",
    "share",
    "lent",
    "room",
    "pause",
    "answer",
    "watch",
    "tell",
    "breaches",
    "handles",
    // These hold words only.
    "config",
    "announce",
];

const FIELDS_MAX: usize = 20;

pub(super) fn check(sources: &[Source]) -> Vec<Complaint> {
    let mut complaints = vec![];
    let mut upper = vec![];
    for source in sources {
        let Some(path) = source.path.strip_prefix(BROKER).and_then(|path| path.strip_suffix(".rs")) else {
            continue;
        };
        match path.split_once('/') {
            Some((room, inside)) => in_room(source, room, inside, &mut complaints),
            None if REACTIONS.contains(&path) => upper.push((path, source)),
            None if WORDS.contains(&path) => {}
            None => complaints.push(Complaint::new(
                &source.path,
                1,
                "has no place among the reactions: give it one in xtask/src/tidy/rooms.rs",
            )),
        }
    }
    directions(&upper, &mut complaints);
    for (name, source) in upper {
        if name == "mod" {
            fields(source, &mut complaints);
            verbs(source, &mut complaints);
        }
    }
    complaints
}

/// A room knows nothing of the broker, and imports rooms before it only.
fn in_room(source: &Source, room: &str, inside: &str, complaints: &mut Vec<Complaint>) {
    let Some((_, may)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        let what = format!("`{room}` is no room yet: give it a place in xtask/src/tidy/rooms.rs");
        return complaints.push(Complaint::new(&source.path, 1, what));
    };
    // `mod.rs` is one floor above its neighbours.
    let depth = inside.split('/').count() - usize::from(inside.ends_with("mod"));
    for (number, line) in source.code_before_tests() {
        if words(line).any(|word| word == "Broker") {
            let what = format!("the room `{room}` knows nothing of Broker: return what is to be done");
            complaints.push(Complaint::new(&source.path, number, what));
        }
        if line.contains(&"super::".repeat(depth + 1)) {
            complaints.push(Complaint::new(&source.path, number, "leaves its room: say `crate::broker::…`"));
        }
        for name in imported(line) {
            if name != room && !may.contains(&name) && !WORDS.contains(&name) {
                let what = format!("`{room}` imports `{name}`, which does not lie before it: turn it round");
                complaints.push(Complaint::new(&source.path, number, what));
            }
        }
    }
}

/// What a line names behind `crate::broker::`.
fn imported(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::broker::").skip(1).flat_map(|rest| {
        let names = rest.strip_prefix('{').map_or_else(|| vec![rest], |list| list.split(',').collect());
        names.into_iter().filter_map(|name| words(name).next())
    })
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

/// No reaction calls one that stands before it.
fn directions(upper: &[(&str, &Source)], complaints: &mut Vec<Complaint>) {
    let place = |file: &str| REACTIONS.iter().position(|name| *name == file);
    let mut defined = BTreeMap::new();
    for (file, source) in upper {
        for (_, name) in methods(source) {
            defined.insert(name, *file);
        }
    }
    for (file, source) in upper {
        for (number, line) in of_broker(source) {
            for called in calls(line) {
                let Some(to) = defined.get(called) else { continue };
                if place(to) < place(file) {
                    let what = format!("`{file}` calls `{called}` of `{to}`, which stands before it");
                    complaints.push(Complaint::new(&source.path, number, what));
                }
            }
        }
    }
}

/// The lines within `impl Broker`.
fn of_broker(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let mut inside = false;
    source.code_before_tests().filter(move |(_, line)| {
        inside = (inside && *line != "}") || line.trim_end() == "impl Broker {";
        inside
    })
}

/// The methods of the broker that are defined here. They have one name each, so text is enough.
fn methods(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    of_broker(source).filter_map(|(number, line)| Some((number, method(line)?)))
}

fn method(line: &str) -> Option<&str> {
    let line = line.strip_prefix("    ").filter(|line| !line.starts_with(' '))?;
    let (before, rest) = line.split_once("fn ")?;
    before
        .split(' ')
        .all(|word| word.is_empty() || word == "const" || word.starts_with("pub"))
        .then_some(())?;
    words(rest).next()
}

/// Methods that a line calls on the broker.
fn calls(line: &str) -> impl Iterator<Item = &str> {
    ["self.", "b.", "broker."].into_iter().flat_map(move |on| {
        line.match_indices(on).filter_map(move |(at, _)| {
            let is_whole = !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
            let rest = &line[at + on.len()..];
            let name = words(rest).next().filter(|name| rest.starts_with(*name))?;
            (is_whole && rest[name.len()..].starts_with('(')).then_some(name)
        })
    })
}

fn fields(source: &Source, complaints: &mut Vec<Complaint>) {
    let mut lines = source.code().skip_while(|(_, line)| *line != "pub struct Broker {");
    let Some((number, _)) = lines.next() else {
        return complaints.push(Complaint::new(&source.path, 1, "there is no `pub struct Broker {` here"));
    };
    let count = lines.take_while(|(_, line)| *line != "}").filter(|(_, line)| line.contains(": ")).count();
    if count > FIELDS_MAX {
        let what = format!("Broker has {count} fields, and {FIELDS_MAX} at most: find this one a part");
        complaints.push(Complaint::new(&source.path, number, what));
    }
}

/// What comes in with the time is one act, so that what follows from it is done before it returns.
fn verbs(source: &Source, complaints: &mut Vec<Complaint>) {
    let lines: Vec<_> = of_broker(source).collect();
    let starts: BTreeSet<usize> = methods(source).map(|(number, _)| number).collect();
    for (at, (number, line)) in lines.iter().enumerate() {
        let Some(name) = method(line).filter(|name| !name.starts_with("poll_")) else { continue };
        let body = lines[at + 1..].iter().take_while(|(number, _)| !starts.contains(number));
        let text: String = std::iter::once(*line).chain(body.map(|(_, line)| *line)).collect();
        let signature = text.split('{').next().unwrap_or_default();
        let is_verb = signature.contains("&mut self") && signature.contains("now: Instant");
        if is_verb && !text.contains("self.act(now, ") {
            let what = format!("the verb `{name}` is not one `act`");
            complaints.push(Complaint::new(&source.path, *number, what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small broker that is as it should be, but for what a test puts in place of a file.
    fn complaints(path: &str, text: &str) -> Vec<String> {
        let mut files = BTreeMap::from([
            (
                "mod.rs",
                "pub struct Broker {\n    limits: Limits,\n}\n\nimpl Broker {\n    pub fn handle(&mut self, now: Instant) {\n        self.act(now, |b| b.fail(now));\n    }\n}\n",
            ),
            ("ending.rs", "impl Broker {\n    fn fail(&mut self) {\n        self.answer(1);\n    }\n}\n"),
            ("answer.rs", "impl Broker {\n    fn answer(&mut self, n: u32) {}\n}\n"),
            (
                "session/mod.rs",
                "use crate::broker::messages::queue::Queue;\nuse crate::broker::announce::Event;\n",
            ),
        ]);
        files.insert(path, text);
        let source =
            |(path, text): (&str, &str)| Source { path: format!("{BROKER}{path}"), text: text.to_owned() };
        let sources: Vec<_> = files.into_iter().map(source).collect();
        check(&sources).into_iter().map(|complaint| complaint.what).collect()
    }

    fn is_found(path: &str, text: &str, what: &str) {
        let found = complaints(path, text);
        assert!(found.len() == 1 && found[0].contains(what), "{path}: {found:?}");
    }

    #[test]
    fn a_broker_that_is_as_it_should_be_is_left_alone() {
        assert_eq!(complaints("base/mod.rs", "//! What Broker stands on.\n"), Vec::<String>::new());
    }

    #[test]
    fn a_room_that_knows_the_broker_is_found() {
        is_found("session/mod.rs", "impl Broker {}\n", "knows nothing of Broker");
        is_found("session/will.rs", "fn due(broker: &Broker) {}\n", "knows nothing of Broker");
    }

    #[test]
    fn an_import_of_what_lies_behind_is_found() {
        is_found(
            "messages/queue.rs",
            "use crate::broker::session::Session;\n",
            "`messages` imports `session`",
        );
        is_found(
            "router/mod.rs",
            "fn f(g: &crate::broker::authority::Grant) {}\n",
            "`router` imports `authority`",
        );
        is_found("shards/post.rs", "use crate::broker::{base::NONE, journal::Pen};\n", "imports `journal`");
        is_found("shards/post.rs", "use super::super::journal::Pen;\n", "leaves its room");
        is_found("shards/mod.rs", "use super::journal::Pen;\n", "leaves its room");
        assert_eq!(
            complaints("shards/post/tests.rs", "use super::super::note::Note;\n"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_call_back_is_found() {
        let text = "impl Broker {\n    fn answer(&mut self, n: u32) {\n        self.fail();\n    }\n}\n";
        is_found("answer.rs", text, "`answer` calls `fail` of `ending`");
        let text =
            "impl Broker {\n    fn answer(&mut self, n: u32) {\n        each(|b| b.fail());\n    }\n}\n";
        is_found("answer.rs", text, "`answer` calls `fail` of `ending`");
    }

    #[test]
    fn a_file_or_a_room_without_a_place_is_found() {
        is_found("more.rs", "", "no place among the reactions");
        is_found("cellars/mod.rs", "", "is no room yet");
    }

    #[test]
    fn too_many_fields_and_a_verb_that_is_no_act_are_found() {
        let fields: String = (0..=FIELDS_MAX).map(|n| format!("    f{n}: u32,\n")).collect();
        is_found("mod.rs", &format!("pub struct Broker {{\n{fields}}}\n"), "has 21 fields");
        let verb = "    pub fn handle(\n        &mut self,\n        now: Instant,\n    ) {\n        self.fail(now)\n    }\n";
        let text = format!("pub struct Broker {{\n}}\n\nimpl Broker {{\n{verb}}}\n");
        is_found("mod.rs", &text, "`handle` is not one `act`");
    }
}
