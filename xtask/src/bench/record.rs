//! What ours cost when it was last recorded.
use super::Family;
use super::measure::{Measured, OURS};
use crate::Result;
use crate::shell::root;
use serde_json::Value;
use std::fmt::Write as _;

/// So much more is nothing yet.
const TOLERANCE: f64 = 1.03;

#[derive(Debug, PartialEq)]
pub(super) struct Record {
    family: Family,
    compiler: String,
    /// In the order of the table.
    lines: Vec<Cost>,
}

/// For each packet, or delivery.
#[derive(Clone, Debug, PartialEq)]
struct Cost {
    line: String,
    instructions: f64,
    allocations: f64,
}

pub(super) struct Verdict {
    pub(super) said: String,
    pub(super) is_good: bool,
}

impl Record {
    pub(super) fn of(family: Family, measured: &[Measured], compiler: String) -> Self {
        let ours = measured.iter().filter(|measured| measured.by == OURS);
        Self { family, compiler, lines: ours.map(Cost::of).collect() }
    }

    pub(super) fn read(family: Family) -> Result<Self> {
        let file = family.file();
        let text = std::fs::read_to_string(root().join(&file))?;
        Self::parse(family, &text).ok_or_else(|| format!("{file} is not what `--record` writes").into())
    }

    pub(super) fn write(&self) -> Result {
        Ok(std::fs::write(root().join(self.family.file()), self.text())?)
    }

    /// A line of the file for each line of the table.
    fn text(&self) -> String {
        let lines = self.lines.iter().map(|cost| {
            let Cost { line, instructions, allocations } = cost;
            format!("    {{ \"line\": \"{line}\", \"instructions\": {instructions}, \"allocations\": {allocations} }}")
        });
        let lines: Vec<_> = lines.collect();
        format!(
            "{{\n  \"compiler\": \"{}\",\n  \"lines\": [\n{}\n  ]\n}}\n",
            self.compiler,
            lines.join(",\n")
        )
    }

    fn parse(family: Family, text: &str) -> Option<Self> {
        let record: Value = serde_json::from_str(text).ok()?;
        let cost = |cost: &Value| {
            Some(Cost {
                line: cost["line"].as_str()?.to_owned(),
                instructions: cost["instructions"].as_f64()?,
                allocations: cost["allocations"].as_f64()?,
            })
        };
        let lines = record["lines"].as_array()?.iter().map(cost).collect::<Option<_>>()?;
        Some(Self { family, compiler: record["compiler"].as_str()?.to_owned(), lines })
    }

    /// Another compiler makes other code: then nothing is said to be wrong.
    pub(super) fn compare(&self, measured: &[Measured], compiler: &str) -> Verdict {
        let now = Self::of(self.family, measured, compiler.to_owned());
        let mut verdict = Verdict { said: String::new(), is_good: true };
        for cost in &now.lines {
            let before = self.lines.iter().find(|before| before.line == cost.line);
            verdict.is_good &= before.is_some_and(|before| !cost.is_beyond(before));
            writeln!(verdict.said, "{}", cost.beside(before)).expect("a String takes everything");
        }
        for gone in self.lines.iter().filter(|before| now.lines.iter().all(|cost| cost.line != before.line)) {
            verdict.is_good = false;
            writeln!(verdict.said, "{:24} is recorded, but not measured", gone.line).expect("as above");
        }
        if self.compiler != now.compiler {
            verdict.is_good = true;
            let said =
                format!("recorded with {}, and this is {compiler}: nothing is compared", self.compiler);
            verdict.said += &said;
        } else if !verdict.is_good {
            let record = format!("if it is worth it: cargo xtask bench {} --record", self.family.name());
            verdict.said += &record;
        }
        verdict
    }
}

impl Cost {
    fn of(measured: &Measured) -> Self {
        // So that files do not differ in digits that say nothing.
        let rounded = |number: f64, unit: f64| (number * unit).round() / unit;
        Self {
            line: measured.line.clone(),
            instructions: rounded(measured.instructions, 10.0),
            allocations: rounded(measured.allocations, 1000.0),
        }
    }

    fn is_beyond(&self, before: &Self) -> bool {
        self.instructions > before.instructions * TOLERANCE
            || self.allocations > before.allocations * TOLERANCE
    }

    fn beside(&self, before: Option<&Self>) -> String {
        let Self { line, instructions, allocations } = self;
        let counts = format!("{line:24} {instructions:9.1} instructions, {allocations:5.3} allocations");
        match before {
            None => format!("{counts}: NOT RECORDED"),
            Some(before) => {
                let percent = 100.0 * (instructions / before.instructions - 1.0);
                let alarm = if self.is_beyond(before) { ": TOO MUCH" } else { "" };
                let before = before.allocations;
                format!("{counts}, recorded {percent:+5.1} %, {before:5.3}{alarm}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(line: &str, instructions: f64, allocations: f64) -> Measured {
        let (line, by) = (line.to_owned(), OURS.to_owned());
        Measured { line, by, instructions, allocations, ..Measured::default() }
    }

    fn record(compiler: &str) -> Record {
        let measured = [measured("a", 100.04, 0.0), measured("b", 200.0, 0.5)];
        Record::of(Family::Core, &measured, compiler.to_owned())
    }

    #[test]
    fn what_is_written_can_be_read() {
        assert_eq!(Record::parse(Family::Core, &record("rustc 1").text()), Some(record("rustc 1")));
        assert_eq!(Record::parse(Family::Core, "{}"), None);
    }

    #[test]
    fn what_grows_is_found() {
        for (a, b, is_good) in [
            ((102.9, 0.0), (205.0, 0.51), true),
            ((90.0, 0.0), (10.0, 0.0), true),
            ((103.2, 0.0), (200.0, 0.5), false),
            ((100.0, 0.004), (200.0, 0.5), false),
            ((100.0, 0.0), (200.0, 0.6), false),
        ] {
            let now = [measured("a", a.0, a.1), measured("b", b.0, b.1)];
            assert_eq!(record("rustc 1").compare(&now, "rustc 1").is_good, is_good, "{a:?} {b:?}");
            assert!(record("rustc 1").compare(&now, "rustc 2").is_good, "another compiler");
        }
    }

    #[test]
    fn lines_come_and_go_only_with_the_record() {
        let (a, b, c) = (measured("a", 1.0, 0.0), measured("b", 1.0, 0.0), measured("c", 1.0, 0.0));
        assert!(!record("").compare(&[a.clone(), b, c], "").is_good);
        assert!(!record("").compare(&[a], "").is_good);
    }

    #[test]
    fn what_is_to_be_recorded_is_named() {
        for (family, command) in
            [(Family::Codec, "bench codec --record"), (Family::Core, "bench core --record")]
        {
            let record = Record::of(family, &[measured("a", 1.0, 0.0)], String::new());
            let verdict = record.compare(&[measured("a", 2.0, 0.0)], "");
            assert!(!verdict.is_good && verdict.said.ends_with(command), "{}", verdict.said);
        }
    }

    #[test]
    fn only_ours_is_recorded() {
        let other = Measured { by: "other".to_owned(), ..measured("a", 1.0, 1.0) };
        assert_eq!(Record::of(Family::Codec, &[other], String::new()).lines, []);
    }
}
