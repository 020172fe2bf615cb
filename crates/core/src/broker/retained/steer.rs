//! From a topic, where the next one that matches a filter can be.
//!
//! Topics are in order of their bytes. All that hang below a level are together, behind the level itself with
//! a `/` and before it with a `0`, the byte that follows the slash.

/// What a filter says of a topic, and where to look on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Steer<'a> {
    Match,
    /// It does not match; any later one may.
    Next,
    /// None can match before the first `keep` bytes of this topic with `add` behind them.
    Seek {
        keep: usize,
        add: &'a str,
    },
    /// None can match any more.
    End,
}

/// What all topics begin with that can match: the levels before the first wildcard.
pub(crate) fn literal_beginning(filter: &str) -> &str {
    match filter.find(['+', '#']) {
        // The slash before `#` is not needed. [MQTT-4.7.1-2]
        Some(wildcard) => filter[..wildcard].trim_end_matches('/'),
        None => filter,
    }
}

pub(crate) fn steer<'a>(filter: &'a str, topic: &str) -> Steer<'a> {
    // Wildcards do not match a leading $; what follows it, `%`, is past all of those. [MQTT-4.7.2-1]
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return Steer::Seek { keep: 0, add: "%" };
    }
    let mut levels = Levels { topic, next: Some(0) };
    // Where the last level ends that a `+` stands for: only there can it vary.
    let mut varies = None;
    let mut last_is_plus = false;
    for wanted in filter.split('/') {
        if wanted == "#" {
            return Steer::Match;
        }
        let Some((start, end)) = levels.next() else {
            // Longer ones follow: right here below a literal level, anywhere behind for a `+`.
            return if last_is_plus { Steer::Next } else { Steer::Seek { keep: topic.len(), add: "/" } };
        };
        last_is_plus = wanted == "+";
        if last_is_plus {
            varies = Some(end);
        } else if topic[start..end] != *wanted {
            return beside(wanted, topic, start).unwrap_or_else(|| past(varies));
        }
    }
    if levels.next.is_none() { Steer::Match } else { past(varies) }
}

/// The way to the wanted level from another in its place, if the wanted one lies ahead.
fn beside<'a>(wanted: &'a str, topic: &str, start: usize) -> Option<Steer<'a>> {
    let rest = &topic[start..];
    if rest < wanted {
        return Some(Steer::Seek { keep: start, add: wanted });
    }
    // `a-b` stands between `a` and `a/b`.
    let behind = rest.strip_prefix(wanted)?;
    (behind < "/").then_some(Steer::Seek { keep: start + wanted.len(), add: "/" })
}

/// The way out of all that hangs below the last level that may vary.
fn past<'a>(varies: Option<usize>) -> Steer<'a> {
    match varies {
        Some(end) => Steer::Seek { keep: end, add: "0" },
        None => Steer::End,
    }
}

/// The levels of a topic, as ranges of its bytes.
struct Levels<'a> {
    topic: &'a str,
    next: Option<usize>,
}

impl Levels<'_> {
    fn next(&mut self) -> Option<(usize, usize)> {
        let start = self.next?;
        let slash = self.topic[start..].find('/').map(|length| start + length);
        self.next = slash.map(|slash| slash + 1);
        Some((start, slash.unwrap_or(self.topic.len())))
    }
}
