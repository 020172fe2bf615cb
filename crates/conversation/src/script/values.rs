//! What stands in a line behind its verb: properties, Reason Codes, identifiers, versions and numbers.
use crate::packet::{Id, Reasons};
use crate::property::{Kind, Property};
use crate::text::{Line, ScriptError, Token};
use core::time::Duration;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::version::Version;

pub(super) fn properties(line: &mut Line<'_>) -> Result<Vec<Property>, ScriptError> {
    let mut properties = vec![];
    while let Some(key) = line.key() {
        properties.push(property(Some(key), line)?);
    }
    Ok(properties)
}

pub(super) fn property(key: Option<&str>, line: &mut Line<'_>) -> Result<Property, ScriptError> {
    match key.and_then(Kind::named) {
        Some(kind) => Property::parse(kind, line),
        None => line.fail("an option or a property of this packet before this"),
    }
}

/// `Success` where nothing is said.
pub(super) fn one_reason(line: &mut Line<'_>) -> Result<ReasonCode, ScriptError> {
    match line.peek() {
        Some(Token::Word(_)) => line.take("a Reason Code", |token| match token {
            Token::Word(word) => reason(word),
            _ => None,
        }),
        _ => Ok(ReasonCode::Success),
    }
}

/// `A|B`; none where nothing is said.
pub(super) fn reasons(line: &mut Line<'_>) -> Result<Reasons, ScriptError> {
    match line.peek() {
        Some(Token::Word(word)) if *word != "and" && *word != "session_present" => {
            line.take("Reason Codes with `|` between them", alternatives)
        }
        _ => Ok(vec![]),
    }
}

/// `[A B|C]`, one for each Topic Filter; none where nothing is said.
pub(super) fn reason_list(line: &mut Line<'_>) -> Result<Vec<Reasons>, ScriptError> {
    let mut all = vec![];
    if line.peek() == Some(&Token::Open) {
        line.skip();
        while line.peek() != Some(&Token::Close) {
            all.push(line.take("a Reason Code or a closing bracket", alternatives)?);
        }
        line.skip();
    }
    Ok(all)
}

fn alternatives(token: &Token<'_>) -> Option<Reasons> {
    let Token::Word(word) = token else { return None };
    word.split('|').map(|name| reason(name).map(ReasonCode::byte)).collect()
}

fn reason(name: &str) -> Option<ReasonCode> {
    if let Some(digits) = name.strip_prefix("0x") {
        return ReasonCode::from_byte(u8::from_str_radix(digits, 16).ok()?);
    }
    if name == "GrantedQoS0" {
        return Some(ReasonCode::Success);
    }
    (0..=u8::MAX).filter_map(ReasonCode::from_byte).find(|code| format!("{code:?}") == name)
}

/// Names for Packet Identifiers are written small, so that they differ from Reason Codes.
pub(super) fn is_name(word: &str) -> bool {
    word != "and" && word.starts_with(|c: char| c.is_ascii_lowercase())
}

pub(super) fn id(line: &mut Line<'_>) -> Result<Id, ScriptError> {
    line.take("a Packet Identifier or a name for one", |token| match token {
        Token::Word(word) if is_name(word) => Some(Id::Name((*word).to_owned())),
        Token::Word(word) => word.parse().ok().map(Id::Number),
        _ => None,
    })
}

pub(super) fn version(line: &mut Line<'_>) -> Result<Version, ScriptError> {
    line.take("3.1, 3.1.1 or 5", |token| match token {
        Token::Word("3.1") => Some(Version::V3_1),
        Token::Word("3.1.1") => Some(Version::V3_1_1),
        Token::Word("5") => Some(Version::V5),
        _ => None,
    })
}

pub(super) fn qos(line: &mut Line<'_>) -> Result<QoS, ScriptError> {
    line.take("0, 1 or 2", |token| match token {
        Token::Word("0") => Some(QoS::AtMostOnce),
        Token::Word("1") => Some(QoS::AtLeastOnce),
        Token::Word("2") => Some(QoS::ExactlyOnce),
        _ => None,
    })
}

pub(super) fn short(line: &mut Line<'_>, expected: &'static str) -> Result<u16, ScriptError> {
    line.take(expected, |token| match token {
        Token::Word(word) => word.parse().ok(),
        _ => None,
    })
}

/// `90s`, `500ms`, `2h`.
pub(super) fn duration(line: &mut Line<'_>) -> Result<Duration, ScriptError> {
    line.take("a time such as 90s, 500ms or 2h", |token| {
        let Token::Word(word) = token else { return None };
        let (number, unit) = word.split_at(word.find(|c: char| !c.is_ascii_digit())?);
        let number: u64 = number.parse().ok()?;
        Some(match unit {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            _ => return None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_codes_go_by_their_names() {
        assert_eq!(reason("SessionTakenOver"), Some(ReasonCode::SessionTakenOver));
        assert_eq!(reason("0x8e"), Some(ReasonCode::SessionTakenOver));
        assert_eq!(reason("GrantedQoS0"), Some(ReasonCode::Success));
        assert_eq!(reason("Sucess"), None);
    }
}
