//! Why a limit was not set.
use super::{Limits, Row, Unit};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

/// Why a limit was not set, and what would do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitError {
    /// There is no limit of that name.
    Unknown {
        /// What was asked for.
        name: Box<str>,
        /// What may have been meant.
        nearest: Option<&'static str>,
    },
    /// The value is no number of what the limit counts, nor `unlimited`.
    NotANumber {
        /// Which limit.
        name: &'static str,
        /// What it counts.
        unit: Unit,
        /// What was asked for.
        value: Box<str>,
    },
    /// The server could not work like that, or the protocol cannot say it.
    OutOfRange {
        /// Which limit.
        name: &'static str,
        /// The least that it can be.
        minimum: u64,
        /// The greatest that it can be.
        maximum: u64,
    },
}

impl LimitError {
    pub(crate) fn unknown(name: &str) -> Self {
        Self::Unknown { name: name.into(), nearest: nearest(name) }
    }

    pub(crate) fn not_a_number(row: &Row, value: &str) -> Self {
        Self::NotANumber { name: row.name, unit: row.unit, value: value.into() }
    }

    pub(crate) fn out_of_range(row: &Row) -> Self {
        Self::OutOfRange { name: row.name, minimum: row.minimum, maximum: row.maximum }
    }
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name, nearest } => {
                write!(f, "there is no limit `{}`", name.escape_debug())?;
                match nearest {
                    Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
                    None => Ok(()),
                }
            }
            Self::NotANumber { name, unit, value } => {
                let value = value.escape_debug();
                if unit.words().is_some() {
                    return write!(f, "limit `{name}` cannot be `{value}`: write {unit}");
                }
                let example = if *unit == Unit::Bytes { "`65536`, `64KiB`" } else { "`100`" };
                write!(f, "limit `{name}` ({unit}) cannot be `{value}`: write {example} or `unlimited`")
            }
            Self::OutOfRange { name, minimum, maximum } => {
                write!(f, "limit `{name}` must be from {minimum} to {maximum}")
            }
        }
    }
}

impl core::error::Error for LimitError {}

/// The limit whose name takes the fewest changes, if those are few.
fn nearest(name: &str) -> Option<&'static str> {
    let changes = |row: &Row| (distance(name.as_bytes(), row.name.as_bytes()), row.name);
    // No name is as long as that, and the work grows with the length.
    let (fewest, nearest) = Limits::table().iter().map(changes).min().filter(|_| name.len() <= 64)?;
    (fewest <= 1 + name.len() / 4).then_some(nearest)
}

/// How many bytes to insert, remove or replace to make one text the other.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = core::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
