//! `cargo xtask conformance`: which code obeys each normative statement, and which test shows it.
mod citations;
mod page;
mod statements;

use crate::Result;
use crate::shell::root;
use crate::tidy;
use citations::{Citations, Role};
use statements::{Binds, Specification, Statement};

const PAGE: &str = "docs/CONFORMANCE.md";

/// Builds the page, or with `check` only says whether the committed one is today's. Fails if a statement has a hole.
pub(crate) fn run(check: bool) -> Result {
    let specifications = [Specification::read("5.0")?, Specification::read("3.1.1")?];
    let sources = tidy::sources()?;
    let citations = Citations::of(&sources);
    let mut holes = citations.of_nothing(&specifications);
    for specification in &specifications {
        for statement in &specification.statements {
            holes.extend(hole(statement, specification, &citations).map(|what| {
                format!("{} {}: {what} ({})", specification.version, statement.id, statement.note)
            }));
        }
    }
    let page = page::write(&specifications, &citations);
    let path = root().join(PAGE);
    if !check {
        std::fs::write(&path, page)?;
    } else if std::fs::read_to_string(&path).is_ok_and(|committed| committed == page) {
        // Nothing to say.
    } else {
        holes.push(format!("{PAGE} is not today's: run `cargo xtask conformance`"));
    }
    for hole in &holes {
        println!("{hole}");
    }
    let all: usize = specifications.iter().map(|specification| specification.statements.len()).sum();
    println!("{all} statements, {} holes", holes.len());
    if holes.is_empty() { Ok(()) } else { Err("not every statement has its code and its test".into()) }
}

/// What a statement lacks.
fn hole(statement: &Statement, of: &Specification, citations: &Citations<'_>) -> Option<&'static str> {
    let places = of.names(statement).into_iter().map(|name| citations.places(&name));
    let places: Vec<_> = places.flatten().collect();
    let has = |role| places.iter().any(|place| place.role == role);
    let obeyed = has(Role::Shared)
        || match statement.binds {
            Binds::Client => has(Role::Client),
            Binds::Server => has(Role::Server),
            Binds::Both => has(Role::Client) && has(Role::Server),
        };
    let shown = places.iter().any(|place| place.role == Role::Test && place.speaks(&of.version));
    match (obeyed, shown, statement.waived.is_some()) {
        (true, true, true) => Some("it is said not to apply, and has code and a test"),
        (_, _, true) | (true, true, false) => None,
        (true, false, false) => Some("no test shows it"),
        (false, true, false) => Some("no code cites it"),
        (false, false, false) => Some("no code cites it, and no test shows it"),
    }
}
