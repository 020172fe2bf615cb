//! `cargo xtask suite`: the same tests on each runtime, and a table of what came of them.
use crate::count::Count;
use crate::shell::step;
use crate::{Result, clients, test};
use std::fmt;

/// What a broker can be run on.
pub(crate) const RUNTIMES: [&str; 3] = ["tokio", "async-std", "mio"];

/// Not all of them are there without this.
pub(crate) const WITH_ALL: [&str; 2] = ["--features", "tidewire/async-std"];

/// Where tests can run; the first is no runtime, and has no sockets.
const COLUMNS: [&str; 4] = ["memory", RUNTIMES[0], RUNTIMES[1], RUNTIMES[2]];

/// Where tests are that run in more than one column.
const PACKAGES: [&str; 7] = [
    "tidewire-driver",
    "tidewire-tokio",
    "tidewire-async-std",
    "tidewire-mio",
    "tidewire-conversation",
    "tidewire-server",
    "tidewire",
];

/// Only these; `cargo xtask test` runs them among all the others.
pub(crate) fn run() -> Result {
    let mut table = Table::default();
    let packages = PACKAGES.iter().flat_map(|package| ["--package", package]);
    // Without `--tests`, which would leave out the examples that some of them run.
    let of: Vec<_> = packages.chain(WITH_ALL).collect();
    let names = COLUMNS.map(|column| format!("{}::", column.replace('-', "_")));
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut count = step("tests on each runtime", || test::tests(&of, &names, &mut table))?;
    count += step("clients", || clients::all(&[], &mut table))?;
    count += table.print();
    println!("{count}");
    if count.failed == 0 { Ok(()) } else { Err("not all tests passed on each runtime".into()) }
}

/// What came of each test in each column.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

struct Row {
    test: String,
    cells: [Option<Count>; COLUMNS.len()],
}

impl Table {
    /// `test mio::NAME ... ok`, if it is such a line: the test stands in a module with the runtime's name, or, as far as a
    /// module can have that, with one like it.
    pub(crate) fn note_line(&mut self, line: &str) {
        let parts = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "));
        let Some((column, test, verdict)) = parts
            .and_then(|(path, verdict)| path.split_once("::").map(|(column, test)| (column, test, verdict)))
        else {
            return;
        };
        if !test.contains("::") {
            let column = column.replace('_', "-");
            self.note(test, &column, if verdict == "ok" { Count::PASSED } else { Count::FAILED });
        }
    }

    pub(crate) fn note(&mut self, test: &str, column: &str, done: Count) {
        let Some(column) = COLUMNS.iter().position(|known| *known == column) else { return };
        let at = self.rows.iter().position(|row| row.test == test).unwrap_or_else(|| {
            self.rows.push(Row { test: test.to_owned(), cells: [None; COLUMNS.len()] });
            self.rows.len() - 1
        });
        *self.rows[at].cells[column].get_or_insert_default() += done;
    }

    /// Prints it, and counts as failed what ran on one runtime and not on another.
    pub(crate) fn print(&self) -> Count {
        if self.rows.is_empty() {
            return Count::default();
        }
        println!("{self}");
        let mut count = Count::default();
        for row in self.rows.iter().filter(|row| row.has_hole()) {
            println!("{}: it did not run on each runtime", row.test);
            count += Count::FAILED;
        }
        count
    }
}

impl Row {
    fn has_hole(&self) -> bool {
        let sockets = &self.cells[COLUMNS.len() - RUNTIMES.len()..];
        sockets.iter().any(Option::is_some) && sockets.iter().any(Option::is_none)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.test.len()).max().unwrap_or_default();
        write!(f, "{:width$}", "test")?;
        COLUMNS.iter().try_for_each(|column| write!(f, "  {column:>9}"))?;
        for row in &self.rows {
            write!(f, "\n{:width$}", row.test)?;
            row.cells
                .iter()
                .try_for_each(|cell| write!(f, "  {:>9}", cell.map_or_else(String::new, brief)))?;
        }
        Ok(())
    }
}

fn brief(done: Count) -> String {
    match done {
        Count { failed: 1.., .. } => "FAILED".to_owned(),
        Count { passed: 0, .. } => "skipped".to_owned(),
        Count { passed: 1, .. } => "ok".to_owned(),
        Count { passed, .. } => format!("{passed} ok"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runners_say_becomes_a_table() {
        let mut table = Table::default();
        for line in [
            "test tokio::news ... ok",
            "test async_std::news ... ok",
            "test mio::news ... FAILED",
            "test memory::news ... ok",
            "test memory::tests::other ... ok",
            "test alone ... ok",
            "test result: ok. 5 passed; 0 failed",
        ] {
            table.note_line(line);
        }
        table.note("clients", "mio", Count { passed: 7, failed: 0, skipped: 0 });
        assert_eq!(
            table.to_string(),
            "test        memory      tokio  async-std        mio\n\
             news            ok         ok         ok     FAILED\n\
             clients                                        7 ok"
        );
        assert_eq!(table.print(), Count::FAILED, "clients did not run on tokio");
    }
}
