//! How many tests passed, read from what test runners print.
use std::fmt;
use std::ops::AddAssign;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) skipped: u32,
}

impl Count {
    pub(crate) const PASSED: Self = Self { passed: 1, failed: 0, skipped: 0 };
    pub(crate) const FAILED: Self = Self { passed: 0, failed: 1, skipped: 0 };
    pub(crate) const SKIPPED: Self = Self { passed: 0, failed: 0, skipped: 1 };

    /// `test result: ok. 5 passed; 0 failed; 1 ignored; …`, or `5 passed, 0 failed, 1 skipped`.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let counts = match line.strip_prefix("test result: ") {
            Some(rest) => rest.split_once(". ")?.1,
            None => line,
        };
        let mut count = Self::default();
        let mut parts = counts.split([',', ';']);
        count.passed = number(parts.next()?, &["passed"])?;
        count.failed = number(parts.next()?, &["failed"])?;
        if let Some(part) = parts.next() {
            count.skipped = number(part, &["skipped", "ignored"])?;
        }
        Some(count)
    }
}

fn number(part: &str, names: &[&str]) -> Option<u32> {
    let (number, name) = part.trim().split_once(' ')?;
    names.contains(&name).then_some(number.parse().ok()?)
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 { write!(f, ", {} skipped", self.skipped) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_lines_of_runners_are_understood() {
        let cargo = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.08s";
        assert_eq!(Count::parse(cargo), Some(Count { passed: 5, failed: 2, skipped: 1 }));
        assert_eq!(Count::parse("7 passed, 0 failed"), Some(Count { passed: 7, failed: 0, skipped: 0 }));
        let all = Count { passed: 7, failed: 1, skipped: 2 };
        assert_eq!(Count::parse(&all.to_string()), Some(all));
        for line in ["", "7 passed", "test result: ok", "7 of 8 passed, 1 failed", "a passed, b failed"] {
            assert_eq!(Count::parse(line), None, "{line}");
        }
    }
}
