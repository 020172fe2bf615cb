//! What the documentation links to is there, and still has the name that the link says.
use super::{Complaint, Source};
use crate::shell::root;
use std::path::{Component, Path, PathBuf};

pub(super) fn check(sources: &[Source]) -> Vec<Complaint> {
    let mut complaints = vec![];
    for page in sources.iter().filter(|source| source.path.ends_with(".md")) {
        for (index, line) in page.text.lines().enumerate() {
            for link in links(line) {
                if let Some(what) = fault(&page.path, &link, sources) {
                    complaints.push(Complaint::new(&page.path, index + 1, what));
                }
            }
        }
    }
    complaints
}

#[derive(Debug, PartialEq)]
struct Link<'a> {
    text: &'a str,
    to: &'a str,
}

/// `[text](to)`, as often as it stands in a line.
fn links(line: &str) -> impl Iterator<Item = Link<'_>> {
    line.match_indices("](").filter_map(|(at, _)| {
        let text = &line[line[..at].rfind('[')? + 1..at];
        let rest = &line[at + 2..];
        Some(Link { text, to: &rest[..rest.find(')')?] })
    })
}

fn fault(page: &str, link: &Link<'_>, sources: &[Source]) -> Option<String> {
    let to = link.to.split('#').next().unwrap_or_default();
    if to.is_empty() || to.contains("://") {
        return None;
    }
    let path = normal(&Path::new(page).parent()?.join(to));
    if !root().join(&path).exists() {
        return Some(format!("there is no `{to}`: it was moved, or never there"));
    }
    let name = link.text.strip_prefix('`')?.strip_suffix('`')?.rsplit("::").next()?;
    let target = sources.iter().find(|source| Path::new(&source.path) == path && to.ends_with(".rs"))?;
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (is_name && !defines(&target.text, name)).then(|| format!("`{to}` has no `{name}` any more"))
}

fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

fn defines(text: &str, name: &str) -> bool {
    ["fn", "struct", "enum", "trait", "type", "const", "mod", "macro_rules!"].iter().any(|kind| {
        let defined = format!("{kind} {name}");
        text.match_indices(&defined)
            .any(|(at, _)| !text[at + defined.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<String> {
        let sources = [Source {
            path: "xtask/src/main.rs".to_owned(),
            text: "fn main() {}\nstruct Arguments;\n".to_owned(),
        }];
        links(line).find_map(|link| fault("docs/TESTING.md", &link, &sources))
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        assert!(of("see [this](../xtask/src/never.rs)").expect("a fault").contains("there is no"));
        assert!(of("[`nobody`](../xtask/src/main.rs)").expect("a fault").contains("no `nobody`"));
        assert!(
            of("[`mai`](../xtask/src/main.rs)").expect("a fault").contains("no `mai`"),
            "not a part of it"
        );
    }

    #[test]
    fn a_link_that_leads_somewhere_is_left_alone() {
        for line in [
            "[`main`](../xtask/src/main.rs) and [`crate::Arguments`](../xtask/src/main.rs)",
            "[main.rs](../xtask/src/main.rs)",
            "[above](#above) [there](https://example.org/)",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
