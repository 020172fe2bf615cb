//! A line of a script as tokens that know their columns.
use core::fmt;

/// Where a script is not one, and what should stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1.
    pub column: usize,
    /// What should stand there.
    pub expected: &'static str,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: expected {}", self.line, self.column, self.expected)
    }
}

impl core::error::Error for ScriptError {}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// `gets`, `7`, `0x87`, `Success|NotAuthorized`.
    Word(&'a str),
    /// `key=`, without the sign.
    Key(&'a str),
    /// What stands in quotes, and how often: `"x"*100`.
    Text(Vec<u8>),
    Colon,
    Open,
    Close,
}

/// A line, and how far it was read.
pub(crate) struct Line<'a> {
    number: usize,
    tokens: Vec<(usize, Token<'a>)>,
    at: usize,
    length: usize,
    comment: &'a str,
}

impl<'a> Line<'a> {
    pub(crate) fn new(number: usize, source: &'a str) -> Result<Self, ScriptError> {
        let mut lexer = Lexer { line: number, source, at: 0 };
        let tokens = lexer.tokens()?;
        let comment = source[lexer.at..].trim_start_matches('#').trim();
        Ok(Self { number, tokens, at: 0, length: source.len(), comment })
    }

    /// What stands behind its tokens; empty if nothing does.
    pub(crate) fn comment(&self) -> &'a str {
        self.comment
    }

    pub(crate) fn number(&self) -> usize {
        self.number
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at == self.tokens.len()
    }

    /// The place of the next token is not what `expected` says.
    pub(crate) fn fail<T>(&self, expected: &'static str) -> Result<T, ScriptError> {
        let column = self.tokens.get(self.at).map_or(self.length, |(column, _)| *column);
        Err(ScriptError { line: self.number, column: column + 1, expected })
    }

    pub(crate) fn peek(&self) -> Option<&Token<'a>> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    pub(crate) fn skip(&mut self) {
        self.at += 1;
    }

    /// Takes the next token if `f` makes something of it.
    pub(crate) fn take<T>(
        &mut self,
        expected: &'static str,
        f: impl FnOnce(&Token<'a>) -> Option<T>,
    ) -> Result<T, ScriptError> {
        match self.peek().and_then(f) {
            Some(found) => {
                self.skip();
                Ok(found)
            }
            None => self.fail(expected),
        }
    }

    pub(crate) fn word(&mut self, expected: &'static str) -> Result<&'a str, ScriptError> {
        self.take(expected, |token| match token {
            Token::Word(word) => Some(*word),
            _ => None,
        })
    }

    /// Takes the next token if it is this word.
    pub(crate) fn accepts(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(&Token::Word(word));
        self.at += usize::from(found);
        found
    }

    pub(crate) fn key(&mut self) -> Option<&'a str> {
        let Some(&Token::Key(key)) = self.peek() else { return None };
        self.skip();
        Some(key)
    }

    pub(crate) fn bytes(&mut self, expected: &'static str) -> Result<Vec<u8>, ScriptError> {
        self.take(expected, |token| match token {
            Token::Text(bytes) => Some(bytes.clone()),
            _ => None,
        })
    }

    pub(crate) fn number_up_to(&mut self, maximum: u32, expected: &'static str) -> Result<u32, ScriptError> {
        self.take(expected, |token| match token {
            Token::Word(word) => word.parse().ok().filter(|n| *n <= maximum),
            _ => None,
        })
    }

    pub(crate) fn end(&self) -> Result<(), ScriptError> {
        if self.is_empty() { Ok(()) } else { self.fail("the end of the line") }
    }
}

struct Lexer<'a> {
    line: usize,
    source: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn tokens(&mut self) -> Result<Vec<(usize, Token<'a>)>, ScriptError> {
        let mut tokens = Vec::new();
        loop {
            let rest = &self.source[self.at..];
            self.at += rest.len() - rest.trim_start().len();
            let start = self.at;
            match self.source[start..].chars().next() {
                None | Some('#') => return Ok(tokens),
                Some('"') => tokens.push((start, Token::Text(self.quoted()?))),
                Some('[') => tokens.push((start, self.sign(Token::Open))),
                Some(']') => tokens.push((start, self.sign(Token::Close))),
                Some(':') => tokens.push((start, self.sign(Token::Colon))),
                Some(_) => tokens.push((start, self.word()?)),
            }
        }
    }

    fn sign(&mut self, token: Token<'a>) -> Token<'a> {
        self.at += 1;
        token
    }

    fn word(&mut self) -> Result<Token<'a>, ScriptError> {
        let rest = &self.source[self.at..];
        let length = rest.find(|c: char| c.is_whitespace() || "[]=:\"#".contains(c)).unwrap_or(rest.len());
        if length == 0 {
            return self.fail("a word");
        }
        self.at += length;
        if rest[length..].starts_with('=') {
            self.at += 1;
            return Ok(Token::Key(&rest[..length]));
        }
        Ok(Token::Word(&rest[..length]))
    }

    /// `"…"` with `\"`, `\\`, `\n` and `\xNN`, then perhaps `*N`.
    fn quoted(&mut self) -> Result<Vec<u8>, ScriptError> {
        let bytes = self.source.as_bytes();
        let mut text = Vec::new();
        self.at += 1;
        loop {
            match bytes.get(self.at) {
                None => return self.fail("a closing quote"),
                Some(b'"') => break,
                Some(b'\\') => text.push(self.escape()?),
                Some(&byte) => text.push(byte),
            }
            self.at += 1;
        }
        self.at += 1;
        if bytes.get(self.at) == Some(&b'*') {
            let digits = &self.source[self.at + 1..];
            let length = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            let Ok(times) = digits[..length].parse() else { return self.fail("how many times") };
            self.at += 1 + length;
            return Ok(text.repeat(times));
        }
        Ok(text)
    }

    /// Leaves `at` on the last character of the escape.
    fn escape(&mut self) -> Result<u8, ScriptError> {
        self.at += 1;
        match self.source.as_bytes().get(self.at) {
            Some(b'n') => Ok(b'\n'),
            Some(&byte @ (b'"' | b'\\')) => Ok(byte),
            Some(b'x') => {
                let digits = self.source.get(self.at + 1..self.at + 3);
                let Some(byte) = digits.and_then(|d| u8::from_str_radix(d, 16).ok()) else {
                    return self.fail("two hexadecimal digits");
                };
                self.at += 2;
                Ok(byte)
            }
            _ => self.fail("one of \\n, \\\", \\\\ and \\xNN"),
        }
    }

    fn fail<T>(&self, expected: &'static str) -> Result<T, ScriptError> {
        Err(ScriptError { line: self.line, column: self.at + 1, expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_falls_into_tokens() {
        let line = Line::new(1, r##"al gets [A] "a\"\x00#" "x"*3 k="v":7 # not this"##).unwrap();
        let tokens: Vec<_> = line.tokens.into_iter().map(|(_, token)| token).collect();
        assert_eq!(
            tokens,
            [
                Token::Word("al"),
                Token::Word("gets"),
                Token::Open,
                Token::Word("A"),
                Token::Close,
                Token::Text(b"a\"\0#".to_vec()),
                Token::Text(b"xxx".to_vec()),
                Token::Key("k"),
                Token::Text(b"v".to_vec()),
                Token::Colon,
                Token::Word("7"),
            ]
        );
    }

    #[test]
    fn an_error_knows_its_column() {
        for (source, column) in [("a \"b", 5), ("a =", 3), (r#"a "\q""#, 5), (r#""\xg0""#, 3), ("\"a\"*x", 4)]
        {
            let Err(error) = Line::new(7, source) else { panic!("{source} was read") };
            assert_eq!((error.line, error.column), (7, column), "{source}: {error}");
        }
    }
}
