//! What became of each row with each server, and what was to be expected.
use super::deviations::{DEVIATIONS, Deviation, Occurs};
use crate::Result;
use crate::count::Count;
use crate::shell::root;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

const PAGE: &str = "docs/TESTING.md";
const BEGIN: &str = "<!-- servers -->\n";
const END: &str = "<!-- /servers -->";

/// A server and a version, and why each row has failed, if it has.
pub(super) struct Column {
    server: &'static str,
    version: &'static str,
    rows: BTreeMap<String, Option<String>>,
}

impl Column {
    pub(super) fn empty(server: &'static str, version: &'static str) -> Self {
        Self { server, version, rows: BTreeMap::new() }
    }

    /// Of what a program of tests prints. A row that did not end is none.
    pub(super) fn of(server: &'static str, version: &'static str, printed: &str) -> Self {
        let (mut rows, mut reasons) = (BTreeMap::new(), BTreeMap::<_, String>::new());
        let mut failed = None;
        for line in printed.lines() {
            if let Some((row, verdict)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "))
            {
                rows.insert(row.to_owned(), (verdict != "ok").then(String::new));
            } else if let Some(rest) = line.strip_prefix("---- ") {
                failed = rest.strip_suffix(" stdout ----").map(str::to_owned);
            } else if line == "failures:" {
                failed = None;
            } else if let Some(row) = &failed {
                let reason = reasons.entry(row.clone()).or_default();
                *reason += line;
                *reason += "\n";
            }
        }
        for (row, reason) in reasons {
            rows.insert(row, Some(reason));
        }
        Self { server, version, rows }
    }
}

enum Cell {
    Ok,
    /// The deviation of this number.
    Known(usize),
    Failed(String),
}

pub(super) struct Matrix {
    columns: Vec<Column>,
    rows: BTreeMap<String, Vec<Cell>>,
}

impl Matrix {
    pub(super) fn judge(columns: Vec<Column>) -> Self {
        let names: BTreeSet<_> = columns.iter().flat_map(|column| column.rows.keys().cloned()).collect();
        let cells = |row: &String| columns.iter().map(|column| cell(column, row)).collect();
        let rows = names.into_iter().map(|row| (row.clone(), cells(&row))).collect();
        Self { columns, rows }
    }

    pub(super) fn count(&self) -> Count {
        let mut count = Count::default();
        for cell in self.rows.values().flatten() {
            count += if matches!(cell, Cell::Failed(_)) { Count::FAILED } else { Count::PASSED };
        }
        for deviation in self.without_row() {
            println!("no row is called {:?}: take it off the deviations", deviation.rows);
            count += Count::FAILED;
        }
        // Nothing at all is no success either.
        if self.rows.is_empty() { Count::FAILED } else { count }
    }

    fn without_row(&self) -> impl Iterator<Item = &'static Deviation> {
        let is_a_row = |part: &&str| self.rows.keys().any(|row| row.contains(part));
        DEVIATIONS.iter().filter(move |deviation| !deviation.rows.iter().all(is_a_row))
    }

    /// Is this the table in docs, or is now?
    pub(super) fn is_documented(&self, write: bool) -> Result<bool> {
        let page = root().join(PAGE);
        let text = std::fs::read_to_string(&page)?;
        let (Some(begin), Some(end)) = (text.find(BEGIN), text.find(END)) else { return Ok(false) };
        let begin = begin + BEGIN.len();
        let table = self.to_string();
        if text[begin..end] == table {
            return Ok(true);
        }
        if write {
            std::fs::write(page, format!("{}{table}{}", &text[..begin], &text[end..]))?;
        }
        Ok(write)
    }

    fn failures(&self) -> impl Iterator<Item = (&Column, &str, &str)> {
        self.rows.iter().flat_map(|(row, cells)| {
            self.columns.iter().zip(cells).filter_map(move |(column, cell)| match cell {
                Cell::Failed(reason) => Some((column, row.as_str(), reason.as_str())),
                Cell::Ok | Cell::Known(_) => None,
            })
        })
    }

    /// Those that are in the table, in the order of their numbers there.
    fn known(&self) -> BTreeSet<usize> {
        let known = |cell: &Cell| if let Cell::Known(at) = cell { Some(*at) } else { None };
        self.rows.values().flatten().filter_map(known).collect()
    }
}

fn cell(column: &Column, row: &str) -> Cell {
    let deviation = Deviation::of(column.server, column.version, row);
    match (column.rows.get(row), deviation) {
        (None, _) => Cell::Failed("it did not end, or did not run".into()),
        (Some(None), None) => Cell::Ok,
        (Some(None), Some((at, deviation))) if deviation.occurs == Occurs::Sometimes => Cell::Known(at),
        (Some(None), Some((_, deviation))) => {
            Cell::Failed(format!("it no longer deviates; it did because: {}", deviation.why))
        }
        (Some(Some(reason)), Some((at, deviation))) if reason.contains(deviation.says) => Cell::Known(at),
        (Some(Some(reason)), _) => Cell::Failed(reason.clone()),
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known();
        write!(f, "| |")?;
        self.columns.iter().try_for_each(|column| write!(f, " {} {} |", column.server, column.version))?;
        writeln!(f, "\n|---|{}", "---|".repeat(self.columns.len()))?;
        for (row, cells) in &self.rows {
            let name = row.rsplit("::").next().unwrap_or(row).replace('_', " ");
            write!(f, "| {name} |")?;
            for cell in cells {
                match cell {
                    Cell::Ok => write!(f, " ok |")?,
                    Cell::Known(at) => write!(f, " – ({}) |", known.range(..=at).count())?,
                    Cell::Failed(_) => write!(f, " FAILED |")?,
                }
            }
            writeln!(f)?;
        }
        writeln!(f)?;
        for (number, at) in (1..).zip(&known) {
            writeln!(f, "{number}. {}: {}.", DEVIATIONS[*at].servers.join(", "), DEVIATIONS[*at].why)?;
        }
        for (column, row, reason) in self.failures() {
            writeln!(f, "\n{row}, {} {}: {}", column.server, column.version, reason.trim())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "running 4 tests
test messages::qos_1_arrives ... ok
test messages::qos_2_arrives ... FAILED
test messages::qos_2_is_published ... FAILED
test messages::a_level_may_have_dots ... ok

failures:

---- messages::qos_2_arrives stdout ----

thread 'messages::qos_2_arrives' panicked at messages.rs:10:5:
assertion `left == right` failed: granted
  left: AtLeastOnce
 right: ExactlyOnce

---- messages::qos_2_is_published stdout ----

thread 'messages::qos_2_is_published' panicked at main.rs:95:60:
it is not there

failures:
    messages::qos_2_arrives
";

    #[test]
    fn what_deviates_in_another_way_or_not_at_all_has_failed() {
        let columns = vec![Column::of("RabbitMQ", "3.1.1", PRINTED), Column::empty("mosquitto", "5.0")];
        let matrix = Matrix::judge(columns);
        let shown = matrix.to_string();
        let table: Vec<_> = shown.lines().take_while(|line| !line.is_empty()).collect();
        assert_eq!(
            table,
            [
                "| | RabbitMQ 3.1.1 | mosquitto 5.0 |",
                "|---|---|---|",
                "| a level may have dots | FAILED | FAILED |",
                "| qos 1 arrives | ok | FAILED |",
                "| qos 2 arrives | – (1) | FAILED |",
                "| qos 2 is published | FAILED | FAILED |",
            ]
        );
        assert!(shown.contains("messages::a_level_may_have_dots, RabbitMQ 3.1.1: it no longer deviates"));
        assert!(shown.contains("panicked at main.rs:95:60:\nit is not there\n"));
        assert!(shown.contains("messages::qos_1_arrives, mosquitto 5.0: it did not end, or did not run"));
        let unknown = matrix.without_row().flat_map(|deviation| deviation.rows).count();
        assert!(unknown > 0, "rows that this program does not have");
        let failed = 6 + u32::try_from(matrix.without_row().count()).unwrap();
        assert_eq!(matrix.count(), Count { passed: 2, failed, skipped: 0 });
        assert_eq!(Matrix::judge(Vec::new()).count(), Count::FAILED);
    }
}
