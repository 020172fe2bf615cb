//! Names of many clients, and of their topics.

/// A text in which `%i` stands for a client's number, from 1, and `%c` for its Client Identifier.
#[derive(Clone, Debug)]
pub(super) struct Pattern(String);

impl Pattern {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// For Client Identifiers, of which no two clients may have the same.
    pub(super) fn of_ids(text: &str, clients: u32, run: u16) -> Self {
        match text {
            "" => Self(format!("bench-{run:04x}-%i")),
            text if text.contains("%i") || clients < 2 => Self(text.into()),
            text => Self(format!("{text}-%i")),
        }
    }

    /// For the client of this number, from 0.
    pub(super) fn of(&self, number: u32, client_id: &str) -> String {
        let number = (u64::from(number) + 1).to_string();
        let mut expanded = String::with_capacity(self.0.len());
        let mut rest = self.0.as_str();
        while let Some(at) = rest.find('%') {
            let (before, from) = rest.split_at(at);
            expanded += before;
            let (stands_for, length) = match from.as_bytes().get(1) {
                Some(b'i') => (number.as_str(), 2),
                Some(b'c') => (client_id, 2),
                _ => ("%", 1),
            };
            expanded += stands_for;
            rest = &from[length..];
        }
        expanded + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stand_for_number_and_name() {
        assert_eq!(Pattern::new("a/%i/%c/%x/100%").of(0, "me%i"), "a/1/me%i/%x/100%");
        assert_eq!(Pattern::of_ids("", 1, 0xab).of(6, ""), "bench-00ab-7");
        assert_eq!(Pattern::of_ids("me", 1, 0).of(0, ""), "me");
        assert_eq!(Pattern::of_ids("me", 2, 0).of(1, ""), "me-2");
        assert_eq!(Pattern::of_ids("%i-me", 2, 0).of(1, ""), "2-me");
    }
}
