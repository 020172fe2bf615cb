//! `cargo xtask tidy`: the shape of the repository, checked.
mod crates;
mod files;
mod glossary;
mod links;
mod modules;
mod rooms;
mod verbs;

use crate::Result;
use crate::shell::{command, output, root};
use std::fmt;
use std::path::Path;

/// What is not as it should be, where, and what to do.
pub(crate) struct Complaint {
    file: String,
    /// Counted from 1; 0 for the whole file.
    line: usize,
    what: String,
}

impl Complaint {
    fn new(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.what),
            line => write!(f, "{}:{line}: {}", self.file, self.what),
        }
    }
}

/// A file of the repository that is text.
pub(crate) struct Source {
    /// From the top, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// Its lines without comments, counted from 1.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().map(without_comment).enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The number of the line from which on it is tests.
    pub(crate) fn tests_from(&self) -> usize {
        let is_tests = self.path.ends_with("/tests.rs") || self.path.contains("/tests/");
        if is_tests {
            return 1;
        }
        let marked = self.text.lines().position(|line| line == "#[cfg(test)]");
        // Before anything but a module that stands here it marks that one thing.
        let is_module = |line: &str| line.starts_with("mod ") && line.ends_with('{');
        marked
            .filter(|at| self.text.lines().nth(at + 1).is_some_and(is_module))
            .map_or(usize::MAX, |at| at + 1)
    }

    /// Its lines without comments as far as it is not tests.
    fn code_before_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests_from = self.tests_from();
        self.code().take_while(move |(number, _)| *number < tests_from)
    }
}

fn without_comment(line: &str) -> &str {
    match line.find("//") {
        // An address in a text is no comment.
        Some(at) if !line[..at].ends_with(':') => &line[..at],
        _ => line,
    }
}

pub(crate) fn run(write: bool) -> Result {
    let sources = sources()?;
    let mut complaints = crates::check()?;
    complaints.extend(files::check(&sources));
    complaints.extend(glossary::check(&sources));
    complaints.extend(links::check(&sources));
    complaints.extend(modules::check(&sources));
    complaints.extend(rooms::check(&sources));
    complaints.extend(verbs::check(&sources, write)?);
    for complaint in &complaints {
        println!("{complaint}");
    }
    if complaints.is_empty() {
        Ok(())
    } else {
        Err(format!("{} things are not tidy", complaints.len()).into())
    }
}

/// All that is or would be committed, and can be read as text.
pub(crate) fn sources() -> Result<Vec<Source>> {
    let mut git = command("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let list = output(git)?;
    let read = |path: &str| {
        let text = std::fs::read_to_string(root().join(path)).ok()?;
        Some(Source { path: path.to_owned(), text })
    };
    Ok(list.lines().filter(|path| Path::new(&root().join(path)).is_file()).filter_map(read).collect())
}
