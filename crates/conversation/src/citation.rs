//! What of the specification a script cites.
use core::fmt;
use tidewire_core::version::Version;

/// A section of the specification, or one of its numbered statements.
///
/// Scripts cite them in comments: `(Section 3.3.1)`, `[MQTT-3.3.1-2]`, or `[MQTT-3.1.2-22 of 3.1.1]` where an older
/// version says it, which numbers its statements in its own way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Citation {
    section: Vec<u16>,
    statement: Option<u16>,
    /// `None` where nothing is said, which means 5.0.
    of: Option<Version>,
}

/// What a chapter is called in the summary of a report, such as `3.1 CONNECT`: the first two numbers of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Heading {
    numbers: [u16; 2],
    of: Option<Version>,
}

impl Citation {
    /// `3.3`, `3.3.1`, `4.7.1-1`, `MQTT-3.3.1-2` or `[MQTT-3.1.2-22 of 3.1.1]`; `None` for anything else.
    ///
    /// A number alone is no section: names of conversations have numbers too.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let (place, of) = match text.split_once(" of ") {
            Some((place, version)) => (place, Some(version_of(version)?)),
            None => (text, None),
        };
        let place = place.strip_prefix("MQTT-").unwrap_or(place);
        let (section, statement) = match place.split_once('-') {
            Some((section, number)) => (section, Some(whole(number)?)),
            None => (place, None),
        };
        let section: Vec<_> = section.split('.').map(whole).collect::<Option<_>>()?;
        (section.len() > 1).then_some(Self { section, statement, of })
    }

    /// All that a comment cites, in its order.
    pub(crate) fn all_in(comment: &str) -> impl Iterator<Item = Self> {
        comment.match_indices(['[', '(']).filter_map(|(at, sign)| {
            let rest = &comment[at + 1..];
            if sign == "[" {
                let inner = rest.split_once(']')?.0;
                return Self::parse(inner).filter(|_| inner.starts_with("MQTT-"));
            }
            let section = rest.split_once(')')?.0.strip_prefix("Section ")?;
            Self::parse(section.split(',').next()?)
        })
    }

    /// Is it a numbered statement, and not a section as a whole?
    pub fn is_statement(&self) -> bool {
        self.statement.is_some()
    }

    /// Is it the same, or something of that section? `3.3.1-2` is within `3.3`, and `3.30.1-2` is not.
    pub fn is_within(&self, place: &Self) -> bool {
        let is_there = match place.statement {
            Some(_) => self.section == place.section && self.statement == place.statement,
            None => self.section.starts_with(&place.section),
        };
        is_there && place.of.is_none_or(|version| self.of == Some(version))
    }

    /// Where it is counted.
    pub fn heading(&self) -> Heading {
        Heading { numbers: [self.section[0], self.section[1]], of: self.of }
    }
}

/// `None` for what is no number in digits.
fn whole(text: &str) -> Option<u16> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn version_of(text: &str) -> Option<Version> {
    match text {
        "3.1" => Some(Version::V3_1),
        "3.1.1" => Some(Version::V3_1_1),
        _ => None,
    }
}

fn of(version: Version) -> &'static str {
    match version {
        Version::V3_1 => " of 3.1",
        Version::V3_1_1 => " of 3.1.1",
        Version::V5 => "",
    }
}

/// As it is cited, without the signs around it: `MQTT-3.3.1-2`, `Section 3.3.1`.
impl fmt::Display for Citation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let section: Vec<_> = self.section.iter().map(u16::to_string).collect();
        let (section, of) = (section.join("."), self.of.map_or("", of));
        match self.statement {
            Some(number) => write!(f, "MQTT-{section}-{number}{of}"),
            None => write!(f, "Section {section}{of}"),
        }
    }
}

impl fmt::Display for Heading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor] = self.numbers;
        write!(f, "{major}.{minor}")?;
        let name = self.name();
        f.write_str(if name.is_empty() { "" } else { " " })?;
        write!(f, "{name}{}", self.of.map_or("", of))
    }
}

impl Heading {
    /// Its two numbers.
    pub fn section(self) -> [u16; 2] {
        self.numbers
    }

    /// Empty for a chapter without one, which no script should cite.
    fn name(self) -> &'static str {
        let of_5 = self.of.is_none_or(Version::is_v5);
        match self.numbers {
            [1, 5] => "Data representation",
            [2, 1] => "Structure of an MQTT Control Packet",
            [2, 2] if of_5 => "Variable Header",
            [2, 2] => "Fixed header",
            [2, 3] => {
                if of_5 {
                    "Payload"
                } else {
                    "Variable header"
                }
            }
            [2, 4] => "Reason Code",
            [3, 1] => "CONNECT",
            [3, 2] => "CONNACK",
            [3, 3] => "PUBLISH",
            [3, 4] => "PUBACK",
            [3, 5] => "PUBREC",
            [3, 6] => "PUBREL",
            [3, 7] => "PUBCOMP",
            [3, 8] => "SUBSCRIBE",
            [3, 9] => "SUBACK",
            [3, 10] => "UNSUBSCRIBE",
            [3, 11] => "UNSUBACK",
            [3, 12] => "PINGREQ",
            [3, 13] => "PINGRESP",
            [3, 14] => "DISCONNECT",
            [3, 15] => "AUTH",
            [4, 1] if of_5 => "Session State",
            [4, 1] => "Storing state",
            [4, 2] => "Network Connections",
            [4, 3] => "Quality of Service levels and protocol flows",
            [4, 4] => "Message delivery retry",
            [4, 5] => "Message receipt",
            [4, 6] => "Message ordering",
            [4, 7] => "Topic Names and Topic Filters",
            [4, 8] if of_5 => "Subscriptions",
            [4, 9] => "Flow Control",
            [4, 10] => "Request / Response",
            [4, 11] => "Server redirection",
            [4, 12] => "Enhanced authentication",
            [4, 8 | 13] => "Handling errors",
            [6, 0] => "WebSocket",
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cited(comment: &str) -> Vec<String> {
        Citation::all_in(comment).map(|citation| citation.to_string()).collect()
    }

    #[test]
    fn what_a_comment_cites_is_found() {
        let comment = "# Why. [MQTT-3.3.1-2] [MQTT-3.1.2-22 of 3.1.1] (Section 4.3.3, method B)";
        assert_eq!(cited(comment), ["MQTT-3.3.1-2", "MQTT-3.1.2-22 of 3.1.1", "Section 4.3.3"]);
        for nothing in
            ["", "# (see below) [3.3.1-2]", "# [MQTT-3.3.1-]", "# [MQTT-3.3.1-2", "# [MQTT-3.3.1-2 of 4]"]
        {
            assert_eq!(cited(nothing), [""; 0], "{nothing}");
        }
    }

    #[test]
    fn a_section_has_what_is_in_it_and_nothing_with_a_longer_number() {
        for (cited, place, is_within) in [
            ("MQTT-3.3.1-2", "3.3", true),
            ("MQTT-3.3.1-2", "3.3.1", true),
            ("MQTT-3.3.1-2", "3.3.1-2", true),
            ("MQTT-3.3.1-2", "MQTT-3.3.1-2", true),
            ("MQTT-3.3.1-22", "3.3.1-2", false),
            ("MQTT-3.30.1-2", "3.3", false),
            ("MQTT-3.31.1-2", "3.3", false),
            ("MQTT-3.3.1-2", "3.3.2", false),
            ("3.3", "3.3.1", false),
            ("MQTT-3.1.2-22 of 3.1.1", "3.1.2-22", true),
            ("MQTT-3.1.2-22", "3.1.2-22 of 3.1.1", false),
        ] {
            let parsed = |text| Citation::parse(text).expect(text);
            assert_eq!(parsed(cited).is_within(&parsed(place)), is_within, "{cited} within {place}");
        }
        for nothing in ["", "3", "publish-qos-1", "3.", "3.x", "+3.1", "MQTT", "3.1-"] {
            assert_eq!(Citation::parse(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn headings_are_those_of_the_version() {
        let heading = |text| Citation::parse(text).expect(text).heading().to_string();
        assert_eq!(heading("MQTT-3.10.4-1"), "3.10 UNSUBSCRIBE");
        assert_eq!(heading("MQTT-4.8.2-1"), "4.8 Subscriptions");
        assert_eq!(heading("MQTT-4.8.0-1 of 3.1.1"), "4.8 Handling errors of 3.1.1");
        assert_eq!(heading("9.9"), "9.9");
    }
}
