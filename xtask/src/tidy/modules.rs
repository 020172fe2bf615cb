//! Inside the core, imports point from the outer modules to the inner ones only.
use super::{Complaint, Source};

const SOURCE: &str = "crates/core/src/";

/// From the innermost outward. Modules of one row may import each other, except the two sides of the protocol.
const ROWS: [&[&str]; 7] = [
    &["id", "output", "qos", "reason", "seed", "slab", "text", "time", "version"],
    &["topic"],
    &["codec"],
    &["message"],
    &["delivery"],
    SIDES,
    &["fuzz"],
];
const SIDES: &[&str] = &["broker", "client"];

fn row(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&module))
}

pub(super) fn check(sources: &[Source]) -> Vec<Complaint> {
    let mut complaints = vec![];
    for source in sources {
        let Some(path) = source.path.strip_prefix(SOURCE) else { continue };
        let module = path.split(['/', '.']).next().unwrap_or_default();
        if module == "lib" || !path.ends_with(".rs") {
            continue;
        }
        if row(module).is_none() {
            let what = format!(
                "`{module}` has no place among the modules: give it one in xtask/src/tidy/modules.rs"
            );
            complaints.push(Complaint::new(&source.path, 1, what));
            continue;
        }
        for (number, line) in source.code_before_tests() {
            for imported in imports(line) {
                if !may_import(module, imported) {
                    let what =
                        format!("`{module}` imports `{imported}`, which lies further out: turn it round");
                    complaints.push(Complaint::new(&source.path, number, what));
                }
            }
        }
    }
    complaints
}

fn may_import(module: &str, imported: &str) -> bool {
    match (row(module), row(imported)) {
        (Some(own), Some(other)) if own == other => ROWS[own] != SIDES || module == imported,
        (Some(own), Some(other)) => other < own,
        _ => true,
    }
}

/// The modules that a line names behind `crate::`.
fn imports(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).flat_map(|rest| {
        let names = match rest.strip_prefix('{') {
            Some(list) => list.split(',').collect(),
            None => vec![rest],
        };
        names.into_iter().map(|name| {
            let name = name.trim_start();
            name.split(|c: char| !(c.is_ascii_lowercase() || c == '_')).next().unwrap_or_default()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_point_inward() {
        for (module, imported, allowed) in [
            ("codec", "topic", true),
            ("topic", "codec", false),
            ("broker", "client", false),
            ("client", "broker", false),
            ("broker", "broker", true),
            ("fuzz", "broker", true),
            ("broker", "fuzz", false),
            ("id", "time", true),
            ("message", "qos", true),
        ] {
            assert_eq!(may_import(module, imported), allowed, "{module} imports {imported}");
        }
    }

    #[test]
    fn imports_are_found_wherever_they_stand() {
        let line = "use crate::{codec::Publish, qos}; fn f() -> crate::broker::Mail { crate::Input::More }";
        let found: Vec<_> = imports(line).filter(|name| !name.is_empty()).collect();
        assert_eq!(found, ["codec", "qos", "broker"]);
    }
}
