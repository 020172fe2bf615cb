//! The page that says which code obeys a statement, and which test shows it.
use super::citations::{Citations, Place, Role};
use super::statements::{Specification, Statement};
use std::fmt::Write as _;

const HEAD: &str = "# Conformance

`cargo xtask conformance` writes this page: each statement of the specifications that binds a client or a server
([5.0](spec/mqtt-5.0.md), [3.1.1](spec/mqtt-3.1.1.md)), the code that cites it where it is obeyed, and the tests that show it. It
fails where a statement has no code or no test, and no word on why it does not apply; where a statement binds both sides,
both have to cite it, or what they share. A statement of 3.1.1 that 5.0 has as well is cited by its name in 5.0, and has a
test that speaks 3.1.1.

[Conversations](../crates/conversation/scripts) run in memory, over TCP, and with `tidewire check` against any broker.
";

pub(super) fn write(specifications: &[Specification], citations: &Citations<'_>) -> String {
    let mut page = HEAD.to_owned();
    for specification in specifications {
        let version = &specification.version;
        write!(page, "\n## MQTT {version}\n\n| statement | binds | in short | code | shown by |\n|---|---|---|---|---|\n")
            .expect("a String takes everything");
        for statement in &specification.statements {
            row(&mut page, statement, specification, citations);
        }
    }
    page
}

fn row(page: &mut String, statement: &Statement, of: &Specification, citations: &Citations<'_>) {
    let mut places: Vec<Place<'_>> =
        of.names(statement).iter().flat_map(|name| citations.places(name)).copied().collect();
    places.sort_unstable();
    places.dedup();
    let (tests, code): (Vec<_>, Vec<_>) = places.into_iter().partition(|place| place.role == Role::Test);
    let tests =
        tests.iter().filter(|place| place.speaks(&of.version)).map(link).collect::<Vec<_>>().join(", ");
    let code = match &statement.waived {
        // Its links are seen from a folder further down.
        Some(why) => format!("does not apply: {}", why.replace("](../", "](")),
        None => code.iter().map(link).collect::<Vec<_>>().join(", "),
    };
    let Statement { id, binds, note, .. } = statement;
    writeln!(page, "| {id} | {} | {note} | {code} | {tests} |", binds.name())
        .expect("a String takes everything");
}

fn link(place: &Place<'_>) -> String {
    let short = place.path.strip_prefix("crates/").unwrap_or(place.path);
    let short =
        short.trim_start_matches("conversation/scripts/").trim_end_matches(".conv").trim_end_matches(".rs");
    let short = short.replacen("core/src/", "", 1).replacen("core/tests/", "tests/", 1);
    format!("[{short}](../{})", place.path)
}
