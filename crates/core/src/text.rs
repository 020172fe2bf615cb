//! Text as MQTT defines it: UTF-8 Encoded Strings.
use alloc::boxed::Box;
use core::fmt;

/// Why bytes are not a UTF-8 Encoded String, or not one that may name something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextError {
    /// Not well-formed UTF-8: cut off, overlong, a surrogate. [MQTT-1.5.4-1]
    NotUtf8,
    /// It contains U+0000. [MQTT-1.5.4-2]
    Nul,
    /// It contains U+0001 to U+001F or U+007F to U+009F, which no name may. (Section 1.5.4)
    ControlCharacter,
    /// It contains a code point that is no character and never will be, U+FDD0 to U+FDEF or U+FFFE and U+FFFF of any
    /// plane, which no name may. (Section 1.5.4)
    NonCharacter,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUtf8 => "the text is not well-formed UTF-8",
            Self::Nul => "the text contains U+0000",
            Self::ControlCharacter => "the text contains a control character",
            Self::NonCharacter => "the text contains a non-character of Unicode",
        })
    }
}

impl core::error::Error for TextError {}

/// A UTF-8 Encoded String of a packet: valid by construction, so it has no U+0000. (Section 1.5.4)
///
/// Packets have room for 65,535 bytes of it; one that is longer is [refused](crate::codec::EncodeError::TooLarge) when it
/// is to be sent.
///
/// [`new`](Self::new) makes one of a `str`. Where it is to be a Topic Name, [`topic::check_name`](crate::topic::check_name)
/// makes one that is, and so does a [`TopicName`](crate::topic::TopicName).
/// ```
/// use tidewire_core::text::{Text, TextError};
///
/// assert_eq!(Text::new("pump 7")?.as_bytes(), b"pump 7");
/// assert_eq!(Text::new("pump\0"), Err(TextError::Nul));
/// # Ok::<(), TextError>(())
/// ```
///
/// Most texts are compared, hashed and forwarded, and for that their bytes do. To make a `str` of them would check
/// them once more, and for a small PUBLISH that is more work than all the rest of decoding it; so that is done
/// only where somebody asks for it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// Checks a `str`.
    ///
    /// # Errors
    /// [`Nul`](TextError::Nul), if it contains U+0000: a `str` has no other fault. [MQTT-1.5.4-2]
    pub fn new(text: &'a str) -> Result<Self, TextError> {
        check(text.as_bytes())
    }

    /// The caller knows that it is one: these bytes were checked when they came in.
    #[inline]
    pub(crate) const fn known(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// [`known`](Self::known), of what is kept as a `str`.
    #[inline]
    pub(crate) const fn known_str(text: &'a str) -> Self {
        Self(text.as_bytes())
    }

    /// In UTF-8.
    #[inline]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// As text; the time it takes grows with its length.
    pub fn as_str(self) -> &'a str {
        debug_assert!(core::str::from_utf8(self.0).is_ok(), "it was checked when it was read");
        core::str::from_utf8(self.0).unwrap_or_default()
    }

    /// How many bytes.
    #[inline]
    pub const fn len(self) -> usize {
        self.0.len()
    }

    /// Not one character.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> TryFrom<&'a str> for Text<'a> {
    type Error = TextError;

    fn try_from(text: &'a str) -> Result<Self, TextError> {
        Self::new(text)
    }
}

impl From<Text<'_>> for Box<str> {
    fn from(text: Text<'_>) -> Self {
        text.as_str().into()
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Checks a UTF-8 Encoded String. U+FEFF is a character like any other. [MQTT-1.5.4-3]
#[inline]
pub fn check(bytes: &[u8]) -> Result<Text<'_>, TextError> {
    if any(bytes, words::zero_or_not_ascii) { check_unusual(bytes) } else { Ok(Text(bytes)) }
}

#[cold]
fn check_unusual(bytes: &[u8]) -> Result<Text<'_>, TextError> {
    let text = core::str::from_utf8(bytes).map_err(|_| TextError::NotUtf8)?;
    if any(bytes, words::zero) { Err(TextError::Nul) } else { Ok(Text::known(text.as_bytes())) }
}

/// Checks a text that names something: it also has no control characters, and nothing that is no character.
///
/// The standard lets a receiver refuse both. Names end up in logs, paths and rules, and other receivers close the
/// connection on which such a Topic Name reaches them; so here they are refused.
#[inline]
pub fn check_name(bytes: &[u8]) -> Result<Text<'_>, TextError> {
    if any(bytes, words::not_printable_ascii) { check_unusual_name(bytes) } else { Ok(Text(bytes)) }
}

#[cold]
fn check_unusual_name(bytes: &[u8]) -> Result<Text<'_>, TextError> {
    let text = check(bytes)?;
    for c in text.as_str().chars() {
        if c.is_control() {
            return Err(TextError::ControlCharacter);
        }
        if is_non_character(c) {
            return Err(TextError::NonCharacter);
        }
    }
    Ok(text)
}

/// Reserved by Unicode for ever: the 32 from U+FDD0, and the last two of each plane.
fn is_non_character(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

/// Is the top bit of a byte set in what `find` makes of one of the words that `bytes` consist of?
///
/// The words may overlap, and one that is not full is filled up with `a`.
#[inline(always)]
pub(crate) fn any(bytes: &[u8], find: impl Fn(u64) -> u64) -> bool {
    let found = if let Some(last) = bytes.last_chunk::<8>() {
        let mut found = find(u64::from_le_bytes(*last));
        for word in bytes.as_chunks::<8>().0 {
            found |= find(u64::from_le_bytes(*word));
        }
        found
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        find(u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)))
    } else {
        find(bytes.iter().fold(words::of(b'a'), |word, byte| word << 8 | u64::from(*byte)))
    };
    found & words::of(0x80) != 0
}

/// Eight bytes looked at together. What is found sets the top bit of a byte; the other bits mean nothing.
///
/// A byte that is found may make its neighbours look found as well, never one that is not there.
pub(crate) mod words {
    /// The same byte eight times.
    pub(crate) const fn of(byte: u8) -> u64 {
        byte as u64 * 0x0101_0101_0101_0101
    }

    /// A byte that is zero.
    #[inline(always)]
    pub(crate) const fn zero(word: u64) -> u64 {
        word.wrapping_sub(of(1)) & !word
    }

    /// A byte that is zero, or not ASCII.
    #[inline(always)]
    pub(crate) const fn zero_or_not_ascii(word: u64) -> u64 {
        word.wrapping_sub(of(1)) | word
    }

    /// A byte that is not ASCII, or an ASCII control character.
    #[inline(always)]
    pub(crate) const fn not_printable_ascii(word: u64) -> u64 {
        // Subtracting borrows below 0x20, adding carries at 0x7F; above, the bit is set to begin with.
        word | word.wrapping_add(of(1)) | word.wrapping_sub(of(0x20))
    }

    /// The wildcards `#` and `+`, and perhaps what is not ASCII: they differ in one bit.
    #[inline(always)]
    pub(crate) const fn wildcard_or_not_ascii(word: u64) -> u64 {
        ((word | of(b'#' ^ b'+')) ^ of(b'#' | b'+')).wrapping_sub(of(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::num::u8::ANY;
    use proptest::prelude::{prop_assert_eq, proptest};
    use std::vec::Vec;

    #[test]
    fn what_is_not_text() {
        let cases: [(&[u8], Option<TextError>); 11] = [
            (b"", None),
            (b"plain", None),
            (b"\xef\xbb\xbfmarked", None),
            (b"\xed\x9f\xbf", None),
            (b"\xed\xa0\x80", Some(TextError::NotUtf8)),
            (b"\xc0\x80", Some(TextError::NotUtf8)),
            (b"\xf4\x90\x80\x80", Some(TextError::NotUtf8)),
            (b"\xc3", Some(TextError::NotUtf8)),
            (b"a\0b", Some(TextError::Nul)),
            (b"eight or more \0", Some(TextError::Nul)),
            (b"line\nbreak", None),
        ];
        for (bytes, error) in cases {
            assert_eq!(check(bytes).err(), error, "{bytes:x?}");
        }
    }

    #[test]
    fn names_have_no_control_characters() {
        for refused in
            ["a\u{1}", "a\u{1f}b", "\u{7f}", "long enough \u{7f} for words", "\u{80}", "\u{9f}\u{9f}"]
        {
            assert_eq!(check_name(refused.as_bytes()), Err(TextError::ControlCharacter), "{refused:?}");
        }
        for accepted in ["", " ", "~", "\u{a0}", "\u{feff}", "\u{fffd}", "\u{2a6d4}", "temperature/kitchen"] {
            assert_eq!(check_name(accepted.as_bytes()), Ok(Text::known_str(accepted)));
        }
    }

    #[test]
    fn names_have_no_code_points_that_are_no_characters() {
        let all: Vec<char> = ('\0'..=char::MAX).filter(|c| is_non_character(*c)).collect();
        assert_eq!(all.len(), 66, "as Unicode has it: 32, and two of each of 17 planes");
        for c in all {
            let name = std::format!("a/{c}");
            assert_eq!(check_name(name.as_bytes()), Err(TextError::NonCharacter), "{c:?}");
            assert_eq!(check(name.as_bytes()), Text::new(&name), "what merely travels may have {c:?}");
        }
        for c in ['\u{fdcf}', '\u{fdf0}', '\u{fffd}', '\u{10000}', '\u{1fffd}', '\u{20000}', '\u{10fffd}'] {
            let name = std::format!("a/{c}");
            assert_eq!(check_name(name.as_bytes()), Text::new(&name), "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn words_find_what_a_loop_finds(bytes in vec(ANY, 0..40)) {
            let printable = |b: &u8| (0x20..0x7f).contains(b);
            prop_assert_eq!(any(&bytes, words::zero), bytes.contains(&0));
            prop_assert_eq!(any(&bytes, words::not_printable_ascii), !bytes.iter().all(printable));
            prop_assert_eq!(any(&bytes, words::zero_or_not_ascii), bytes.contains(&0) || !bytes.is_ascii());
            let ascii: Vec<u8> = bytes.iter().map(|b| b & 0x7f).collect();
            let wildcard = ascii.iter().any(|b| matches!(b, b'#' | b'+'));
            prop_assert_eq!(any(&ascii, words::wildcard_or_not_ascii), wildcard);
            prop_assert_eq!(check(&bytes), check_unusual(&bytes));
        }
    }
}
