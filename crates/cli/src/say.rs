//! Lines for people.
use std::fmt;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// Why a command could not be carried out: one line that says where, why, and what to do.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was said wrongly.
    Usage(String),
    /// It was said well, but this machine won't.
    Machine(String),
    /// It ends with a code of its own.
    Code(u8, String),
    /// The same, and there is nothing to say.
    Quiet(u8),
}

impl Failure {
    /// Says it, and with what code to end.
    pub(crate) fn report(&self) -> ExitCode {
        self.say();
        ExitCode::from(self.code())
    }

    /// Says it.
    pub(crate) fn say(&self) {
        match self {
            Self::Usage(text) | Self::Machine(text) | Self::Code(_, text) => error_line(text),
            Self::Quiet(_) => {}
        }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Machine(_) => 1,
            Self::Code(code, _) | Self::Quiet(code) => *code,
        }
    }

    /// The same, and where it was.
    pub(crate) fn at(self, place: impl fmt::Display) -> Self {
        let at = |text: String| format!("{place}: {text}");
        match self {
            Self::Usage(text) => Self::Usage(at(text)),
            Self::Machine(text) => Self::Machine(at(text)),
            Self::Code(code, text) => Self::Code(code, at(text)),
            Self::Quiet(code) => Self::Quiet(code),
        }
    }

    /// The same with this code.
    pub(crate) fn with_code(self, code: u8) -> Self {
        match self {
            Self::Usage(text) | Self::Machine(text) | Self::Code(_, text) => Self::Code(code, text),
            Self::Quiet(_) => Self::Quiet(code),
        }
    }

    /// The same, and this besides.
    pub(crate) fn and(self, more: &str) -> Self {
        let and = |text: String| format!("{text}; {more}");
        match self {
            Self::Usage(text) => Self::Usage(and(text)),
            Self::Machine(text) => Self::Machine(and(text)),
            Self::Code(code, text) => Self::Code(code, and(text)),
            Self::Quiet(code) => Self::Code(code, more.into()),
        }
    }
}

/// What somebody gave or sent, as it may stand in a line: without anything that a terminal would obey, and no longer
/// than it helps.
pub(crate) fn given(text: &str) -> String {
    let mut escaped: String = text.chars().flat_map(char::escape_debug).take(GIVEN + 1).collect();
    if escaped.chars().count() > GIVEN {
        escaped.pop();
        escaped += &format!("… ({} bytes)", text.len());
    }
    escaped
}

/// Characters of what was given, at most.
const GIVEN: usize = 128;
/// Characters of a line: those at its beginning and those at its end, where it says what to do.
const LINE: (usize, usize) = (500, 300);

/// Whatever is in it, it is one line that fits on a screen.
fn one_line(text: &str) -> String {
    let harmless = |c: char| match c {
        '"' | '\'' | '\\' => c.to_string(),
        c => c.escape_debug().to_string(),
    };
    let line: String = text.chars().map(harmless).collect();
    let (length, (first, last)) = (line.chars().count(), LINE);
    if length <= first + last {
        return line;
    }
    let (beginning, end): (String, String) =
        (line.chars().take(first).collect(), line.chars().skip(length - last).collect());
    format!("{beginning} … {end}")
}

/// What was asked for. A reader that has gone away is no reason to complain.
pub(crate) fn line(text: impl fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Nobody wants to know what has to be told.
static QUIET: AtomicBool = AtomicBool::new(false);

/// From now on nothing is told but what was asked for.
pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// What has to be told.
pub(crate) fn error_line(text: impl fmt::Display) {
    if !QUIET.load(Ordering::Relaxed) {
        debug_line(text);
    }
}

/// How it goes, on a terminal: in place of what was said there before.
pub(crate) fn live_line(text: impl fmt::Display) {
    if !QUIET.load(Ordering::Relaxed) {
        let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
    }
}

/// What somebody asked to be told.
pub(crate) fn debug_line(text: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "tidewire: {}", one_line(&text.to_string()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_is_cut_and_harmless() {
        assert_eq!(given("lights/kitchen"), "lights/kitchen");
        assert_eq!(given("a\u{1b}[2J\n\u{202e}"), "a\\u{1b}[2J\\n\\u{202e}");
        assert_eq!(given(&"ü".repeat(GIVEN)), "ü".repeat(GIVEN));
        assert_eq!(given(&"ü".repeat(GIVEN + 1)), "ü".repeat(GIVEN) + "… (258 bytes)");
        assert_eq!(given(&"\n".repeat(70_000)).chars().count(), GIVEN + "… (70000 bytes)".chars().count());
    }

    #[test]
    fn a_line_is_one_and_says_what_to_do() {
        assert_eq!(one_line("what's \"this\"?\n\tü\\"), "what's \"this\"?\\n\\tü\\");
        let (first, last) = LINE;
        assert_eq!(one_line(&"x".repeat(first + last)).len(), first + last);
        let cut = one_line(&format!("{}; try again", "x".repeat(70_000)));
        assert_eq!(cut.chars().count(), first + last + 3);
        assert!(cut.starts_with("xx") && cut.ends_with("xx; try again"), "{cut}");
    }
}
