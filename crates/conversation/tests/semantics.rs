//! Nothing in docs/guide/semantics.md is untested: each point of it names a conversation that there is.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use tidewire_conversation::scripts;

const PAGE: &str = include_str!("../../../docs/guide/semantics.md");
const SCRIPTS: &str = "../../crates/conversation/scripts/";

/// What stands under a numbered heading: bullets with the lines that go on with them, and the rows of tables.
struct Section<'a> {
    heading: &'a str,
    points: Vec<String>,
}

fn sections() -> Vec<Section<'static>> {
    let mut sections: Vec<Section<'_>> = vec![];
    for line in PAGE.lines().filter(|line| definition(line).is_none()) {
        if let Some(heading) = line.strip_prefix("## ") {
            sections.push(Section { heading, points: vec![] });
        } else if let Some(Section { points, .. }) = sections.last_mut() {
            match points.last_mut() {
                Some(point) if line.starts_with("  ") => *point += line,
                _ if line.starts_with("- ") || is_row(line) => points.push(line.to_owned()),
                _ => {}
            }
        }
    }
    sections
}

/// A row that is neither the head of its table nor the line under that.
fn is_row(line: &str) -> bool {
    line.starts_with('|') && !line.starts_with("|-") && !line.ends_with("| shown by |")
}

/// The name and the target of `[name]: target`.
fn definition(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix('[')?.split_once("]: ")
}

/// The names of conversations in a text, each in brackets.
fn shown_by(text: &str) -> impl Iterator<Item = &str> {
    text.split('[').skip(1).filter_map(|rest| rest.split_once(']')).map(|(name, _)| name)
}

#[test]
fn each_link_leads_to_a_conversation_and_none_is_idle() {
    let mut defined = BTreeSet::new();
    for (name, target) in PAGE.lines().filter_map(definition) {
        assert_eq!(target, format!("{SCRIPTS}{name}.conv"));
        assert!(scripts::ALL.iter().any(|(known, _)| *known == name), "there is no {name}.conv");
        assert!(defined.insert(name), "{name} is defined twice");
    }
    let sections = sections();
    let points = sections.iter().flat_map(|section| &section.points);
    assert_eq!(points.flat_map(|point| shown_by(point)).collect::<BTreeSet<_>>(), defined);
}

#[test]
fn each_point_of_each_section_is_shown_by_a_conversation() {
    let sections = sections();
    let numbered = |(n, section): (usize, &Section<'_>)| section.heading.starts_with(&format!("{}. ", n + 1));
    assert!(sections.len() == 11 && sections.iter().enumerate().all(numbered), "eleven, in their order");
    for Section { heading, points } in &sections {
        assert!(points.len() > 1, "{heading}");
        for point in points {
            assert!(shown_by(point).next().is_some(), "{heading}: nothing shows this:\n{point}");
        }
    }
}
