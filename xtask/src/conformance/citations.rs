//! Where statements are cited.
use super::statements::Specification;
use crate::tidy::Source;
use std::collections::BTreeMap;

/// What the place is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Server,
    Client,
    /// What both are made of: the codec, delivery, topics.
    Shared,
    Test,
}

/// A file that cites a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place<'a> {
    pub(super) role: Role,
    pub(super) path: &'a str,
    /// The protocol versions of a conversation; of a test in Rust they are not known.
    versions: Option<&'a str>,
}

impl Place<'_> {
    /// May this test show something of this version?
    pub(super) fn speaks(&self, version: &str) -> bool {
        let version = version.trim_end_matches(".0");
        self.versions.is_none_or(|versions| versions.split(' ').any(|one| one == version))
    }
}

#[derive(Default)]
pub(super) struct Citations<'a> {
    /// By name, such as `MQTT-3.1.2-4`, or `MQTT-3.1.2-22 of 3.1.1`.
    places: BTreeMap<String, Vec<Place<'a>>>,
}

impl<'a> Citations<'a> {
    pub(super) fn of(sources: &'a [Source]) -> Self {
        let mut citations = Self::default();
        for source in sources {
            let versions = versions(source);
            let tests_from = source.tests_from();
            for (index, line) in source.text.lines().enumerate() {
                let Some(role) = role(&source.path, index + 1 >= tests_from) else { continue };
                let place = Place { role, path: &source.path, versions };
                for name in names(line) {
                    let places = citations.places.entry(name).or_default();
                    if !places.contains(&place) {
                        places.push(place);
                    }
                }
            }
        }
        citations.places.values_mut().for_each(|places| places.sort_unstable());
        citations
    }

    pub(super) fn places(&self, name: &str) -> &[Place<'a>] {
        self.places.get(name).map_or(&[], Vec::as_slice)
    }

    /// What is cited and is no statement.
    pub(super) fn of_nothing(&self, specifications: &[Specification]) -> Vec<String> {
        let known = |name: &String| {
            specifications.iter().any(|of| of.statements.iter().any(|statement| of.name(statement) == *name))
        };
        let unknown = self.places.iter().filter(|(name, _)| !known(name));
        unknown.map(|(name, places)| format!("{}: there is no {name}", places[0].path)).collect()
    }
}

/// The line `versions …` of a conversation, which speaks 5.0 if it has none.
fn versions(source: &Source) -> Option<&str> {
    let is_conversation = source.path.ends_with(".conv");
    let line = source.text.lines().find_map(|line| line.strip_prefix("versions "));
    is_conversation.then(|| line.unwrap_or("5"))
}

/// Of what a line of this file is part; of nothing, where a citation proves nothing.
fn role(path: &str, is_test: bool) -> Option<Role> {
    let inside = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
    let is_source = path.ends_with(".rs") || path.ends_with(".conv");
    if !path.starts_with("crates/")
        || !is_source
        || inside(&["crates/conversation/src", "crates/core/src/fuzz"])
    {
        None
    } else if is_test || path.ends_with(".conv") || inside(&["crates/driver/src/suite"]) {
        Some(Role::Test)
    } else if inside(&["crates/core/src/broker", "crates/server/"]) {
        Some(Role::Server)
    } else if inside(&["crates/core/src/client", "crates/driver/src/client", "crates/cli/"]) {
        Some(Role::Client)
    } else {
        Some(Role::Shared)
    }
}

/// What a line cites.
fn names(line: &str) -> impl Iterator<Item = String> {
    line.match_indices("MQTT-").filter_map(|(at, mark)| {
        let rest = &line[at + mark.len()..];
        let section = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
        let number = rest[section..].strip_prefix('-')?;
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        if section == 0 || end == 0 {
            return None;
        }
        let of = if number[end..].starts_with(" of 3.1.1") { " of 3.1.1" } else { "" };
        Some(format!("{mark}{}-{}{of}", &rest[..section], &number[..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_line_cites_is_found() {
        let line = "// Both. [MQTT-3.1.2-4] [MQTT-3.1.2-22 of 3.1.1] (MQTT-4.2-1), not MQTT-5 nor [MQTT-]";
        let found: Vec<_> = names(line).collect();
        assert_eq!(found, ["MQTT-3.1.2-4", "MQTT-3.1.2-22 of 3.1.1", "MQTT-4.2-1"]);
    }

    #[test]
    fn a_place_is_code_of_one_side_or_of_both_or_a_test() {
        assert_eq!(role("crates/core/src/broker/publish.rs", false), Some(Role::Server));
        assert_eq!(role("crates/core/src/broker/publish.rs", true), Some(Role::Test));
        assert_eq!(role("crates/driver/src/clients/mod.rs", false), Some(Role::Client));
        assert_eq!(role("crates/core/src/topic.rs", false), Some(Role::Shared));
        assert_eq!(role("crates/conversation/scripts/order.conv", false), Some(Role::Test));
        assert_eq!(role("crates/conversation/src/run.rs", false), None);
        assert_eq!(role("docs/TESTING.md", false), None);
    }

    #[test]
    fn a_conversation_shows_what_it_speaks() {
        let source = |text: &str| Source { path: "a.conv".to_owned(), text: text.to_owned() };
        let (both, new) = (source("# It.\nversions 3.1.1 5\n"), source("# It.\n"));
        let place =
            |source: &'static Source| Place { role: Role::Test, path: "a", versions: versions(source) };
        let (both, new) = (place(Box::leak(Box::new(both))), place(Box::leak(Box::new(new))));
        assert_eq!([both.speaks("3.1.1"), both.speaks("5.0")], [true, true]);
        assert_eq!([new.speaks("3.1.1"), new.speaks("5.0")], [false, true]);
    }
}
