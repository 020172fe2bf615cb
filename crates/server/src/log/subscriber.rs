//! Lines as text for people, or as flat JSON: the same fields in the same order.
use super::fields::{Fields, Value};
use super::words::Line;
use super::writer::Lines;
use std::fmt::{self, Write};
use std::str::FromStr;
use tidewire_driver::Clock;
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// The same with colours, for terminals.
    Colours,
    /// For programs: a flat object for each line.
    Json,
}

impl Format {
    /// What it is called on the command line.
    pub const NAMES: [&str; 2] = ["text", "json"];

    /// In colours, if it is text.
    #[must_use]
    pub fn on_terminal(self) -> Self {
        match self {
            Self::Text | Self::Colours => Self::Colours,
            Self::Json => Self::Json,
        }
    }

    /// A line without a subscriber.
    pub(super) fn render(self, line: &Line) -> String {
        let mut text = String::new();
        let _ = self.write(&mut text, line.level, &line.fields());
        text
    }

    fn write(self, out: &mut dyn Write, level: Level, fields: &Fields) -> fmt::Result {
        let at = Clock::wall();
        let at = i64::try_from(at.as_millis()).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        let at = at.unwrap_or_default();
        match self {
            Self::Text => write_text(out, &format_args!("{at:.3}"), level.as_str(), fields),
            Self::Colours => {
                let level = format_args!("{}{}\x1b[0m", colour(level), level.as_str()).to_string();
                write_text(out, &format_args!("\x1b[2m{at:.3}\x1b[0m"), &level, fields)
            }
            Self::Json => write_json(out, &format_args!("{at:.3}"), level, fields),
        }
    }
}

/// It is no format's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownFormat;

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no such format; there are {}", Format::NAMES.join(" and "))
    }
}

impl std::error::Error for UnknownFormat {}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        match name {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(UnknownFormat),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Json { "json" } else { "text" })
    }
}

/// Red, yellow, green, or nothing.
fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "",
    }
}

/// A subscriber that hands lines to a writer.
pub(super) fn dispatch(format: Format, level: LevelFilter, lines: Lines) -> Dispatch {
    let subscriber =
        tracing_subscriber::fmt().with_max_level(level).with_writer(lines).event_format(format).finish();
    Dispatch::new(subscriber)
}

impl<S, N> FormatEvent<S, N> for Format
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        fields.what.get_or_insert_with(|| event.metadata().target().into());
        self.write(&mut out, *event.metadata().level(), &fields)
    }
}

/// `2026-11-29T19:33:24.512Z WARN refused from=203.0.113.9:51312: why; what to do; 41 more in 10 s`
fn write_text(out: &mut dyn Write, at: &dyn fmt::Display, level: &str, fields: &Fields) -> fmt::Result {
    write!(out, "{at} {level} {}", fields.what.as_deref().unwrap_or_default())?;
    for (name, value) in &fields.named {
        match value {
            Value::Text(text) => write!(out, " {name}=\"{}\"", escaped(text, '"'))?,
            Value::Word(word) => write!(out, " {name}={}", escaped(word, '\0'))?,
            Value::Number(number) => write!(out, " {name}={number}")?,
        }
    }
    let more = fields.more.map(|more| format!("{more} more in {} s", fields.seconds.unwrap_or_default()));
    let said = [fields.why.as_ref(), fields.remedy.as_ref(), more.as_ref()];
    let mut before = ": ";
    for said in said.into_iter().flatten() {
        write!(out, "{before}{}", escaped(said, '\0'))?;
        before = "; ";
    }
    writeln!(out)
}

fn write_json(out: &mut dyn Write, at: &dyn fmt::Display, level: Level, fields: &Fields) -> fmt::Result {
    write!(out, "{{\"at\":\"{at}\",\"level\":\"{}\"", level.as_str().to_ascii_lowercase())?;
    member(out, "what", fields.what.as_deref().unwrap_or_default())?;
    for (name, value) in &fields.named {
        match value {
            Value::Text(value) | Value::Word(value) => member(out, name, value)?,
            Value::Number(number) => write!(out, ",\"{name}\":{number}")?,
        }
    }
    for (name, said) in [("why", &fields.why), ("do", &fields.remedy)] {
        if let Some(said) = said {
            member(out, name, said)?;
        }
    }
    if let Some(more) = fields.more {
        write!(out, ",\"more\":{more},\"seconds\":{}", fields.seconds.unwrap_or_default())?;
    }
    out.write_str("}\n")
}

fn member(out: &mut dyn Write, name: &str, text: &str) -> fmt::Result {
    write!(out, ",\"{name}\":\"{}\"", InJson(text))
}

/// Nothing that moves a cursor, ends a line or turns the direction of writing; and not this quotation mark.
fn escaped(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            // These are as they should be, and `escape_debug` would change them.
            '\'' => out.push(char),
            '"' if quote != '"' => out.push(char),
            '\\' if quote != '"' => out.push(char),
            _ => out.extend(char.escape_debug()),
        }
    }
    out
}

/// What stands between the quotation marks of a string: also what JSON allows, and a terminal would obey, is escaped.
struct InJson<'a>(&'a str);

impl fmt::Display for InJson<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\'' => f.write_char(char)?,
                _ if char.escape_debug().len() == 1 => f.write_char(char)?,
                _ => {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        write!(f, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_chose_stays_within_its_quotes_and_its_line() {
        let hostile = "a\nERROR \"b\\ \u{202e}\u{7f}\u{1b}[2J\u{fdd0}é'";
        let text = escaped(hostile, '"');
        assert_eq!(text, "a\\nERROR \\\"b\\\\ \\u{202e}\\u{7f}\\u{1b}[2J\\u{fdd0}é'");
        let json = InJson(hostile).to_string();
        assert_eq!(json, "a\\u000aERROR \\\"b\\\\ \\u202e\\u007f\\u001b[2J\\ufdd0é'");
    }

    #[test]
    fn each_format_is_found_by_its_name() {
        for name in Format::NAMES {
            assert_eq!(name.parse::<Format>().expect("a name").to_string(), name);
        }
        assert_eq!(
            "xml".parse::<Format>().expect_err("none").to_string(),
            "no such format; there are text and json"
        );
    }
}
