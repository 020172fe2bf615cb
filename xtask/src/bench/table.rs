//! All that was measured, as a table.
use super::measure::{Bar, Measured, OURS};
use std::fmt::Write as _;

/// In Markdown: a line of the table for each line, a column for each codec.
pub(super) fn of(measured: &[Measured]) -> String {
    let codecs = in_order(measured.iter().map(|measured| measured.by.as_str()));
    let mut table = String::from("Instructions · allocations · nanoseconds for each packet (× ours).\n\n");
    put_row(&mut table, ["packet", "ours must be", "met"].into_iter().chain(codecs.iter().copied()));
    put_row(&mut table, std::iter::repeat_n("---", 3 + codecs.len()));
    for line in in_order(measured.iter().map(|measured| measured.line.as_str())) {
        let of_line: Vec<_> = measured.iter().filter(|measured| measured.line == line).collect();
        let Some(ours) = of_line.iter().find(|measured| measured.by == OURS) else { continue };
        let cell = |codec: &&str| {
            let theirs = of_line.iter().find(|measured| measured.by == *codec);
            theirs.map_or_else(|| "–".to_owned(), |theirs| cell(theirs, ours))
        };
        let first = [ours.title.clone(), ours.bar.shown(), met(ours).to_owned()];
        put_row(&mut table, first.into_iter().chain(codecs.iter().map(cell)));
    }
    table
}

/// The same where there is nobody to compare with, and no time.
pub(super) fn alone(measured: &[Measured]) -> String {
    let mut table = String::new();
    put_row(&mut table, ["for each delivery", "instructions", "allocations"].into_iter());
    put_row(&mut table, ["---", "--:", "--:"].into_iter());
    for measured in measured {
        let counts = [whole(measured.instructions), fraction(measured.allocations)];
        put_row(&mut table, std::iter::once(measured.title.clone()).chain(counts));
    }
    table
}

fn put_row(table: &mut String, cells: impl Iterator<Item = impl AsRef<str>>) {
    cells.for_each(|cell| write!(table, "| {} ", cell.as_ref()).expect("a String takes everything"));
    table.push_str("|\n");
}

/// Each once, as they first come.
fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = vec![];
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

fn cell(theirs: &Measured, ours: &Measured) -> String {
    let times = |theirs: f64, ours: f64| {
        if theirs == ours { String::new() } else { format!(" ({:.1}×)", theirs / ours) }
    };
    let instructions = whole(theirs.instructions) + &times(theirs.instructions, ours.instructions);
    let allocations = fraction(theirs.allocations);
    let (Some(theirs), Some(ours)) = (theirs.nanoseconds, ours.nanoseconds) else {
        return format!("{instructions} · {allocations}");
    };
    format!("{instructions} · {allocations} · {}{}", fraction(theirs), times(theirs, ours))
}

/// With a mark between thousands.
fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut marked = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            marked.push(',');
        }
        marked.push(digit);
    }
    marked
}

/// With as many digits as say something.
fn fraction(number: f64) -> String {
    match number {
        ..0.005 => "0".to_owned(),
        ..1.0 => format!("{number:.2}"),
        ..100.0 => format!("{number:.1}").trim_end_matches(".0").to_owned(),
        _ => whole(number),
    }
}

impl Bar {
    fn shown(&self) -> String {
        let instructions = self.instructions.map(|most| format!("≤ {}", whole(most)));
        let nanoseconds = self.nanoseconds.map(|most| format!("≤ {} ns", fraction(most)));
        let allocations = self.allocations.map(|most| match most {
            0.0 => "no allocation".to_owned(),
            _ => format!("≤ {most} allocation"),
        });
        let bars: Vec<_> = [instructions, nanoseconds, allocations].into_iter().flatten().collect();
        bars.join(", ")
    }
}

fn met(ours: &Measured) -> &'static str {
    let within =
        |bar: Option<f64>, value: Option<f64>| bar.zip(value).is_none_or(|(bar, value)| value <= bar);
    let bar = ours.bar;
    let is_met = within(bar.instructions, Some(ours.instructions))
        && within(bar.nanoseconds, ours.nanoseconds)
        && within(bar.allocations, Some(ours.allocations));
    match (bar == Bar::default(), is_met) {
        (true, _) => "",
        (false, true) => "yes",
        (false, false) => "**no**",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(line: &str, codec: &str, instructions: f64, nanoseconds: f64) -> Measured {
        Measured {
            line: line.to_owned(),
            title: line.to_uppercase(),
            by: codec.to_owned(),
            instructions,
            nanoseconds: Some(nanoseconds),
            ..Measured::default()
        }
    }

    #[test]
    fn a_table_has_a_column_for_each_codec_and_says_what_is_met() {
        let bar = Bar { instructions: Some(1200.0), nanoseconds: Some(9.0), allocations: Some(0.0) };
        let table = of(&[
            Measured { bar, ..measured("a", OURS, 1200.0, 9.04) },
            Measured { allocations: 2.0, ..measured("a", "other", 2400.0, 18.08) },
            measured("b", OURS, 99.0, 0.5),
        ]);
        let rows: Vec<_> = table.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| packet | ours must be | met | Tidewire | other |",
                "| --- | --- | --- | --- | --- |",
                "| A | ≤ 1,200, ≤ 9 ns, no allocation | **no** | 1,200 · 0 · 9 | 2,400 (2.0×) · 2 · 18.1 (2.0×) |",
                "| B |  |  | 99 · 0 · 0.50 | – |",
            ]
        );
    }

    #[test]
    fn a_table_without_others_has_a_row_for_each_line() {
        let table = alone(&[
            Measured { allocations: 0.65, ..measured("a", OURS, 1234.4, 0.0) },
            measured("b", OURS, 99.0, 0.0),
        ]);
        let rows: Vec<_> = table.lines().skip(2).collect();
        assert_eq!(rows, ["| A | 1,234 | 0.65 |", "| B | 99 | 0 |"]);
    }

    #[test]
    fn numbers_are_short() {
        for (number, text) in
            [(0.0, "0"), (0.23, "0.23"), (9.04, "9"), (18.08, "18.1"), (1234567.0, "1,234,567")]
        {
            assert_eq!(fraction(number), text);
        }
    }
}
