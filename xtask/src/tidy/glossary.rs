//! Words that we do not use: the last columns of the glossary.
use super::{Complaint, Source};

const GLOSSARY: &str = "docs/GLOSSARY.md";

/// A word that is not to be used below a folder, and what to write instead.
struct Old<'a> {
    word: &'a str,
    instead: &'a str,
    below: &'a str,
}

pub(super) fn check(sources: &[Source]) -> Vec<Complaint> {
    let Some(glossary) = sources.iter().find(|source| source.path == GLOSSARY) else {
        return vec![Complaint::new(GLOSSARY, 0, "is gone: it says which words we use")];
    };
    let old = old_words(&glossary.text);
    let mut complaints = vec![];
    if old.is_empty() {
        complaints.push(Complaint::new(GLOSSARY, 1, "no table of it can be read"));
    }
    for source in sources.iter().filter(|source| source.path.ends_with(".rs")) {
        let here: Vec<_> = old.iter().filter(|old| source.path.starts_with(old.below)).collect();
        for (number, line) in source.code() {
            for word in identifiers(line) {
                if let Some(old) = here.iter().find(|old| old.word == word) {
                    let what = format!("`{word}` is an old name: {}", old.instead);
                    complaints.push(Complaint::new(&source.path, number, what));
                }
            }
        }
    }
    complaints
}

fn old_words(glossary: &str) -> Vec<Old<'_>> {
    let mut old = vec![];
    let mut below = "";
    for line in glossary.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            below = quoted(heading).next().unwrap_or_default();
        }
        let cells: Vec<_> = line.strip_prefix("| ").map(|row| row.split(" | ").collect()).unwrap_or_default();
        if let [_, instead, not] = cells[..] {
            old.extend(quoted(not).map(|word| Old { word, instead, below }));
        }
    }
    old
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The identifiers of a line, those in its texts aside.
fn identifiers(line: &str) -> impl Iterator<Item = &str> {
    line.split('"').step_by(2).flat_map(|code| {
        code.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "## Everywhere, in `crates`\n\n| it | we write | not |\n|---|---|---|\n| a | `packet_id` | `pkid` |\n\n\
                        ## In `crates/core`\n\n| it | we write | not |\n|---|---|---|\n| b | `Busy` | `Flow`, `lane` |\n";

    fn complaints(path: &str, text: &str) -> Vec<String> {
        let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
        let sources = [source(GLOSSARY, TEXT), source(path, text)];
        check(&sources).into_iter().map(|complaint| complaint.what).collect()
    }

    #[test]
    fn an_old_name_is_found_where_it_is_old() {
        let found = complaints("crates/core/src/a.rs", "let pkid = flow.lane();\n");
        assert_eq!(found, ["`pkid` is an old name: `packet_id`", "`lane` is an old name: `Busy`"]);
        assert_eq!(complaints("crates/cli/src/a.rs", "struct Flow;\n"), [""; 0]);
    }

    #[test]
    fn words_in_comments_texts_and_other_names_are_no_matter() {
        let text = "// the pkid\nlet a = \"pkid\"; let pkids = Flows;\n";
        assert_eq!(complaints("crates/core/src/a.rs", text), [""; 0]);
    }
}
