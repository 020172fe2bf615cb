//! Topic Names and Topic Filters, valid by construction.
use crate::text::{self, Text, TextError, words};
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

/// A Topic Name: what a message is published to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

/// A Topic Filter: what a subscription asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter(Arc<str>);

impl TopicName {
    /// Checks and copies.
    pub fn new(name: &str) -> Result<Self, TopicError> {
        check_name(name.as_bytes()).map(|_| Self(name.into()))
    }

    /// The caller knows that it is one: it was checked when it came in.
    #[cfg(any(feature = "broker", feature = "client"))]
    pub(crate) fn known(name: Text<'_>) -> Self {
        Self(name.as_str().into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it stands in a packet.
    pub fn as_text(&self) -> Text<'_> {
        Text::known_str(&self.0)
    }

    /// Its levels in order, the empty ones among them. (Section 4.7.1.1)
    /// ```
    /// use tidewire_core::topic::TopicName;
    ///
    /// let topic: TopicName = "plant/pump-7/bar".try_into()?;
    /// assert!(topic.levels().eq(["plant", "pump-7", "bar"]));
    /// # Ok::<(), tidewire_core::topic::TopicError>(())
    /// ```
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl TopicFilter {
    /// Checks and copies. What begins with `$share/` must be a Shared Subscription's filter.
    pub fn new(filter: &str) -> Result<Self, TopicError> {
        check_filter(filter)?;
        check_share(filter)?;
        Ok(Self(filter.into()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Share Name and filter, if this is a Shared Subscription's.
    pub fn share(&self) -> Option<(&str, &str)> {
        share(&self.0)
    }

    /// Is a message published to `name` meant? The Share Name plays no part in it.
    pub fn matches(&self, name: &str) -> bool {
        matches(self.share().map_or(&self.0, |(_, filter)| filter), name)
    }
}

/// What both are made from, and what they are as text.
macro_rules! converts {
    ($($topic:ident)*) => {
        $(impl TryFrom<&str> for $topic {
            type Error = TopicError;

            fn try_from(text: &str) -> Result<Self, TopicError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $topic {
            type Error = TopicError;

            fn try_from(text: String) -> Result<Self, TopicError> {
                Self::new(&text)
            }
        }

        impl TryFrom<&String> for $topic {
            type Error = TopicError;

            fn try_from(text: &String) -> Result<Self, TopicError> {
                Self::new(text)
            }
        }

        impl From<&Self> for $topic {
            fn from(same: &Self) -> Self {
                same.clone()
            }
        }

        impl AsRef<str> for $topic {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $topic {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        })*
    };
}

converts!(TopicName TopicFilter);

/// Why a text is not a Topic Name or Filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicError {
    /// Not one character. [MQTT-4.7.3-1]
    Empty,
    /// More than 65,535 bytes, or than is allowed here. [MQTT-4.7.3-3]
    TooLong,
    /// More levels than are allowed here.
    TooManyLevels,
    /// Not well-formed UTF-8. [MQTT-1.5.4-1]
    NotUtf8,
    /// U+0000. [MQTT-4.7.3-2]
    Nul,
    /// Another control character. (Section 1.5.4)
    ControlCharacter,
    /// A code point that is no character, such as U+FFFF. (Section 1.5.4)
    NonCharacter,
    /// `#` or `+` in a Topic Name. [MQTT-4.7.0-1]
    Wildcard,
    /// `#` that is not the last level, or a wildcard that is not a whole level. [MQTT-4.7.1-1] [MQTT-4.7.1-2]
    MisplacedWildcard,
    /// Not of the form `$share/name/filter`. [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    ShareName,
}

impl From<TextError> for TopicError {
    fn from(error: TextError) -> Self {
        match error {
            TextError::NotUtf8 => Self::NotUtf8,
            TextError::Nul => Self::Nul,
            TextError::ControlCharacter => Self::ControlCharacter,
            TextError::NonCharacter => Self::NonCharacter,
        }
    }
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the topic is empty",
            Self::TooLong => "the topic is too long",
            Self::TooManyLevels => "the topic has too many levels",
            Self::NotUtf8 => "the topic is not well-formed UTF-8",
            Self::Nul => "the topic contains U+0000",
            Self::ControlCharacter => "the topic contains a control character",
            Self::NonCharacter => "the topic contains a non-character of Unicode",
            Self::Wildcard => "the Topic Name contains a wildcard",
            Self::MisplacedWildcard => "the Topic Filter has a wildcard where none may be",
            Self::ShareName => "the filter of the Shared Subscription is not $share/name/filter",
        })
    }
}

impl core::error::Error for TopicError {}

/// Checks a Topic Name.
#[inline]
pub fn check_name(name: &[u8]) -> Result<Text<'_>, TopicError> {
    let unusual = |word| words::not_printable_ascii(word) | words::wildcard_or_not_ascii(word);
    if name.is_empty() || name.len() > LENGTH_MAX || text::any(name, unusual) {
        return check_unusual_name(name);
    }
    Ok(Text::known(name))
}

const LENGTH_MAX: usize = 65_535;

#[cold]
fn check_unusual_name(name: &[u8]) -> Result<Text<'_>, TopicError> {
    if has_wildcard(validate_text(name)?) { Err(TopicError::Wildcard) } else { Ok(Text::known(name)) }
}

/// What Topic Names and Topic Filters have in common.
#[inline]
fn validate_text(topic: &[u8]) -> Result<&[u8], TopicError> {
    if topic.is_empty() {
        return Err(TopicError::Empty);
    }
    if topic.len() > LENGTH_MAX {
        return Err(TopicError::TooLong);
    }
    if text::any(topic, words::not_printable_ascii) {
        text::check_name(topic)?;
    }
    Ok(topic)
}

fn has_wildcard(topic: &[u8]) -> bool {
    text::any(topic, words::wildcard_or_not_ascii) && topic.iter().any(|byte| matches!(byte, b'#' | b'+'))
}

/// Checks a Topic Filter, as every version has it: `$share` is a level like any other.
pub fn check_filter(filter: &str) -> Result<(), TopicError> {
    validate_filter(filter.as_bytes())
}

/// [`check_filter`] for bytes of which nothing is known.
#[inline]
pub(crate) fn validate_filter(filter: &[u8]) -> Result<(), TopicError> {
    validate_text(filter)?;
    let (words, last) = filter.as_chunks::<8>();
    for (word, at) in words.iter().zip((0..).step_by(8)) {
        validate_wildcards(filter, at, u64::from_le_bytes(*word))?;
    }
    let mut word = [0; 8];
    word[..last.len()].copy_from_slice(last);
    validate_wildcards(filter, filter.len() - last.len(), u64::from_le_bytes(word))
}

/// Each `+` of this word is a whole level, and `#` is the last one. [MQTT-4.7.1-1] [MQTT-4.7.1-2]
#[inline]
fn validate_wildcards(filter: &[u8], start: usize, word: u64) -> Result<(), TopicError> {
    let mut found = words::wildcard_or_not_ascii(word) & words::of(0x80);
    while found != 0 {
        let at = start + (found.trailing_zeros() / 8) as usize;
        let (begins, after) = (at == 0 || filter[at - 1] == b'/', filter.get(at + 1));
        let whole_level = match filter[at] {
            b'+' => begins && after.is_none_or(|byte| *byte == b'/'),
            b'#' => begins && after.is_none(),
            _ => true,
        };
        if !whole_level {
            return Err(TopicError::MisplacedWildcard);
        }
        found &= found - 1;
    }
    Ok(())
}

/// Checks that a filter that begins with `$share/` is of the form `$share/name/filter`.
pub fn check_share(filter: &str) -> Result<(), TopicError> {
    validate_share(filter.as_bytes()).map(|_| ())
}

pub(crate) const SHARE: &str = "$share/";

/// [`check_share`], and whether it is one.
#[inline]
pub(crate) fn validate_share(filter: &[u8]) -> Result<bool, TopicError> {
    let Some(rest) = filter.strip_prefix(SHARE.as_bytes()) else { return Ok(false) };
    let end = rest.iter().position(|byte| *byte == b'/').ok_or(TopicError::ShareName)?;
    let (name, filter) = rest.split_at(end);
    if name.is_empty() || has_wildcard(name) || filter.len() < 2 {
        Err(TopicError::ShareName)
    } else {
        Ok(true)
    }
}

/// Share Name and filter of a Shared Subscription's filter; `None` if it is not one. [MQTT-4.8.2-1]
pub fn share(filter: &str) -> Option<(&str, &str)> {
    if validate_share(filter.as_bytes()) == Ok(true) { filter[SHARE.len()..].split_once('/') } else { None }
}

/// What the group of a Shared Subscription's filter is called: Share Name, `/`, Topic Filter.
#[cfg(feature = "broker")]
pub(crate) fn group_of(filter: &str) -> Option<&str> {
    share(filter).map(|_| &filter[SHARE.len()..])
}

/// The Topic Filter of the group of that name.
#[cfg(feature = "broker")]
pub(crate) fn filter_of_group(name: &str) -> &str {
    name.split_once('/').map_or("", |(_, filter)| filter)
}

/// What its members subscribe to.
#[cfg(feature = "broker")]
pub(crate) fn share_of_group(name: &str) -> alloc::boxed::Box<str> {
    [SHARE, name].concat().into()
}

/// Checks that there are at most `max` levels.
pub fn check_levels(topic: &str, max: u32) -> Result<(), TopicError> {
    validate_levels(topic.as_bytes(), max)
}

/// [`check_levels`] for bytes.
#[inline]
pub(crate) fn validate_levels(topic: &[u8], max: u32) -> Result<(), TopicError> {
    // As many levels as bytes and one more: short ones need not be counted.
    if topic.len() < max as usize { Ok(()) } else { count_levels(topic, max) }
}

#[cold]
fn count_levels(topic: &[u8], max: u32) -> Result<(), TopicError> {
    let separators = topic.iter().filter(|byte| **byte == b'/').count();
    if separators < max as usize { Ok(()) } else { Err(TopicError::TooManyLevels) }
}

/// Does the Topic Filter match the Topic Name? Byte by byte, nothing is normalised. [MQTT-4.7.3-4]
pub fn matches(filter: &str, name: &str) -> bool {
    // [MQTT-4.7.2-1]
    if name.starts_with('$') && filter.starts_with(['#', '+']) {
        return false;
    }
    let mut levels = name.split('/');
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            // Also the parent level itself. (Section 4.7.1.2)
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests;
