//! Text in columns.

/// Columns of a page.
pub(super) const WIDTH: usize = 100;
/// No more bytes of a packet are shown.
const BYTES: usize = 24;

/// Lines of at most `width` characters, broken between words where that can be. Behind `lines` of them it is cut.
pub(super) fn wrap(text: &str, width: usize, lines: usize) -> Vec<String> {
    let mut wrapped = vec![];
    let mut line: Vec<char> = vec![];
    for word in text.split(' ') {
        if !line.is_empty() {
            if line.len() + 1 + word.chars().count() <= width {
                line.push(' ');
            } else {
                wrapped.push(std::mem::take(&mut line));
            }
        }
        for char in word.chars() {
            if line.len() == width {
                wrapped.push(std::mem::take(&mut line));
            }
            line.push(char);
        }
    }
    wrapped.push(line);
    if wrapped.len() > lines {
        wrapped.truncate(lines);
        if let Some(last) = wrapped.last_mut() {
            last.truncate(width - 1);
            last.push('…');
        }
    }
    wrapped.into_iter().map(String::from_iter).collect()
}

/// Two digits for each byte; of many the first ones, and how many there are.
pub(super) fn hex(bytes: &[u8], width: usize) -> String {
    let shown = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    if bytes.len() <= BYTES && 3 * bytes.len() <= width + 1 {
        return shown(bytes);
    }
    let rest = format!(" … ({} bytes)", bytes.len());
    let first = ((width - rest.chars().count() + 1) / 3).min(BYTES);
    shown(&bytes[..first]) + &rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_where_that_can_be() {
        assert_eq!(wrap("one two three", 7, 9), ["one two", "three"]);
        assert_eq!(wrap("a 0123456789", 4, 9), ["a", "0123", "4567", "89"]);
        assert_eq!(wrap("one two three", 5, 2), ["one", "two…"]);
        assert_eq!(wrap("", 5, 2), [""]);
    }

    #[test]
    fn bytes_are_cut_to_what_there_is_room_for() {
        assert_eq!(hex(&[0xc0, 0], 40), "c0 00");
        assert_eq!(hex(&[0xff; 24], 71), "ff ".repeat(24).trim_end());
        assert_eq!(hex(&[0xff; 24], 70), "ff ".repeat(19) + "… (24 bytes)");
        assert_eq!(hex(&[0xff; 700], 200), "ff ".repeat(24) + "… (700 bytes)");
    }
}
