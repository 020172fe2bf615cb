//! The normative statements, as `docs/spec` lists them.
use crate::Result;
use crate::shell::root;

/// Whom a statement binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binds {
    Client,
    Server,
    Both,
}

impl Binds {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Both => "both",
        }
    }
}

#[derive(Debug)]
pub(super) struct Statement {
    /// Such as `3.1.2-4`.
    pub(super) id: String,
    pub(super) binds: Binds,
    pub(super) note: String,
    /// Statements of 5.0 that demand the same, if this is not one.
    pub(super) as_in_5: Vec<String>,
    /// Why it does not apply, if it doesn't.
    pub(super) waived: Option<String>,
}

pub(super) struct Specification {
    /// `5.0` or `3.1.1`.
    pub(super) version: String,
    pub(super) statements: Vec<Statement>,
}

impl Specification {
    pub(super) fn read(version: &str) -> Result<Self> {
        let path = format!("docs/spec/mqtt-{version}.md");
        let text = std::fs::read_to_string(root().join(&path))?;
        let statements = statements(&text).map_err(|error| format!("{path}: {error}"))?;
        Ok(Self { version: version.to_owned(), statements })
    }

    /// What it is cited by: its own name, and those of the statements of 5.0 that demand the same.
    pub(super) fn names(&self, statement: &Statement) -> Vec<String> {
        let mut names = vec![self.name(statement)];
        names.extend(statement.as_in_5.iter().map(|id| format!("MQTT-{id}")));
        names
    }

    /// What code and tests call it.
    pub(super) fn name(&self, statement: &Statement) -> String {
        match self.version.as_str() {
            "5.0" => format!("MQTT-{}", statement.id),
            version => format!("MQTT-{} of {version}", statement.id),
        }
    }
}

/// Rows of the table, and below it a line `- ID: why` for each statement that does not apply.
fn statements(text: &str) -> Result<Vec<Statement>> {
    let is_id = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let mut statements = vec![];
    for line in text.lines() {
        if let Some(row) = line.strip_prefix("| ").filter(|row| is_id(row)) {
            let cells: Vec<_> = row.trim_end_matches('|').split('|').map(str::trim).collect();
            let [id, binds, note, as_in_5 @ ..] = cells.as_slice() else {
                return Err(format!("not a statement: {line}").into());
            };
            let binds = match *binds {
                "client" => Binds::Client,
                "server" => Binds::Server,
                "both" => Binds::Both,
                other => return Err(format!("{id} binds client, server or both, not {other}").into()),
            };
            let as_in_5 = as_in_5.iter().flat_map(|ids| ids.split(", ")).filter(|id| !id.is_empty());
            statements.push(Statement {
                id: (*id).to_owned(),
                binds,
                note: (*note).to_owned(),
                as_in_5: as_in_5.map(str::to_owned).collect(),
                waived: None,
            });
        } else if let Some((ids, why)) = line.strip_prefix("- ").and_then(|rest| rest.split_once(": ")) {
            for id in ids.split(", ").filter(|id| is_id(id)) {
                let known = statements.iter_mut().find(|statement| statement.id == id);
                let known = known.ok_or_else(|| format!("no statement {id}, which is said not to apply"))?;
                known.waived = Some(why.to_owned());
            }
        }
    }
    Ok(statements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_what_does_not_apply_are_read() {
        let text = "| statement | binds | in short | as in 5.0 |\n|---|---|---|---|\n| 1.2-3 | both | It is | 1.1-1, 1.1-2 |\n\
                    | 1.2-4 | client | Is it |  |\n\n- 1.2-4: nobody asks\n- and so on: no id\n";
        let read = statements(text).unwrap();
        let [first, second] = read.as_slice() else { panic!("{read:?}") };
        assert_eq!((first.binds, first.note.as_str()), (Binds::Both, "It is"));
        assert_eq!(first.as_in_5, ["1.1-1", "1.1-2"]);
        assert_eq!((second.as_in_5.len(), second.waived.as_deref()), (0, Some("nobody asks")));
        assert!(statements("- 1.2-3: it has no row").is_err());
        assert!(statements("| 1.2-3 | neither | It is |").is_err());
    }
}
