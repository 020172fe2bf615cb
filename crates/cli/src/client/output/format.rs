//! How a message is printed: `-F`, in the letters of mosquitto's tools.
use super::json::{self, NotJson};
use jiff::Zoned;
use std::fmt;
use std::io::{self, Write};
use tidewire_core::codec::Properties;
use tidewire_core::message::Payload;
use tidewire_core::qos::QoS;

/// No field is wider.
const WIDTH_MAX: usize = 65_535;

/// What is printed of a message.
pub(super) struct Printed<'a> {
    pub(super) topic: &'a str,
    pub(super) payload: &'a Payload,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    /// 0 with QoS 0.
    pub(super) packet_id: u16,
    pub(super) properties: Properties<'a>,
}

/// What stands between `%` and its letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Room {
    left: bool,
    zeros: bool,
    width: usize,
    most: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Field(char, Room),
    /// In the letters of strftime.
    Time(String),
}

/// A format string that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pieces: Vec<Piece>,
}

const FIELDS: &str = "%ACDEFIjJlmpPqrRStUxX";

/// Why it was not.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FormatError {
    Incomplete,
    Field(char),
    Time(char),
    Escape(char),
    Width,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete => f.write_str("it ends too early; %%, @@ and \\\\ stand for %, @ and \\"),
            Self::Field(letter) => write!(
                f,
                "%{letter} means nothing; what does is %t topic, %p payload, %x payload in hexadecimal, %l its length, \
                 %q QoS, %r retained, %m Packet Identifier, %I time, %U seconds, %j JSON, %J the same around a payload \
                 that is JSON; of 5.0 %A %C %D %E %F %P %R %S; and %%"
            ),
            Self::Time(letter) => {
                write!(f, "@{letter} means nothing; @Y-@m-@d @H:@M:@S and the like do, and @@")
            }
            Self::Escape(letter) => {
                write!(f, "\\{letter} means nothing; what does is \\n \\r \\t \\v \\a \\e \\0 and \\\\")
            }
            Self::Width => write!(f, "no field is wider than {WIDTH_MAX}"),
        }
    }
}

impl Format {
    pub(super) fn parse(text: &str) -> Result<Self, FormatError> {
        let mut pieces = Vec::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            let piece = match letter {
                '%' => field(&mut letters)?,
                '@' => time(letters.next().ok_or(FormatError::Incomplete)?)?,
                '\\' => Piece::Text(vec![escape(letters.next().ok_or(FormatError::Incomplete)?)?]),
                letter => Piece::Text(letter.to_string().into_bytes()),
            };
            match (pieces.last_mut(), piece) {
                (Some(Piece::Text(text)), Piece::Text(more)) => text.extend(more),
                (_, piece) => pieces.push(piece),
            }
        }
        Ok(Self { pieces })
    }

    /// The message as it is to be printed, without an end of line.
    pub(super) fn print(&self, printed: &Printed<'_>, now: &Zoned, out: &mut impl Write) -> io::Result<()> {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.write_all(text)?,
                Piece::Time(format) => write!(out, "{}", now.strftime(format))?,
                Piece::Field(letter, room) => room.print(*letter, printed, now, out)?,
            }
        }
        Ok(())
    }

    /// Can it be printed at all? `%J` wants a payload that is JSON.
    pub(super) fn check(&self, printed: &Printed<'_>) -> Result<(), NotJson> {
        if self.pieces.iter().any(|piece| matches!(piece, Piece::Field('J', _))) {
            json::check(&printed.payload.to_vec())?;
        }
        Ok(())
    }
}

type Letters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn field(letters: &mut Letters<'_>) -> Result<Piece, FormatError> {
    let mut room = Room {
        left: letters.next_if_eq(&'-').is_some(),
        zeros: letters.next_if_eq(&'0').is_some(),
        ..Room::default()
    };
    room.width = number(letters)?.unwrap_or(0);
    if letters.next_if_eq(&'.').is_some() {
        room.most = Some(number(letters)?.unwrap_or(0));
    }
    match letters.next() {
        Some('%') => Ok(Piece::Text(b"%".to_vec())),
        Some(letter) if FIELDS.contains(letter) => Ok(Piece::Field(letter, room)),
        Some(letter) => Err(FormatError::Field(letter)),
        None => Err(FormatError::Incomplete),
    }
}

fn number(letters: &mut Letters<'_>) -> Result<Option<usize>, FormatError> {
    let mut number = None;
    while let Some(digit) = letters.peek().and_then(|letter| letter.to_digit(10)) {
        letters.next();
        let next = number.unwrap_or(0) * 10 + digit as usize;
        if next > WIDTH_MAX {
            return Err(FormatError::Width);
        }
        number = Some(next);
    }
    Ok(number)
}

fn time(letter: char) -> Result<Piece, FormatError> {
    let format = match letter {
        '@' => return Ok(Piece::Text(b"@".to_vec())),
        // Nanoseconds, all nine digits of them.
        'N' => "%9N".to_owned(),
        letter => format!("%{letter}"),
    };
    match jiff::fmt::strtime::format(&format, &Zoned::default()) {
        Ok(_) => Ok(Piece::Time(format)),
        Err(_) => Err(FormatError::Time(letter)),
    }
}

fn escape(letter: char) -> Result<u8, FormatError> {
    Ok(match letter {
        '\\' => b'\\',
        '0' => 0,
        'a' => 7,
        'e' => 0x1b,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        letter => return Err(FormatError::Escape(letter)),
    })
}

impl Room {
    fn print(
        &self,
        letter: char,
        printed: &Printed<'_>,
        now: &Zoned,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let properties = printed.properties;
        match letter {
            'A' => self.number(properties.topic_alias(), out),
            'C' => self.text(properties.content_type().unwrap_or_default(), out),
            'D' => out.write_all(properties.correlation_data().unwrap_or_default()),
            'E' => self.number(properties.message_expiry_interval(), out),
            'F' => self.number(properties.payload_format_indicator().map(u8::from), out),
            'I' => self.text(&now.strftime("%FT%T%z").to_string(), out),
            'j' => json::print(printed, now, false, out),
            'J' => json::print(printed, now, true, out),
            'l' => self.number(Some(printed.payload.len()), out),
            'm' => self.number(Some(printed.packet_id), out),
            'p' => self.payload(printed.payload, |bytes, out| out.write_all(bytes), 1, out),
            'P' => out.write_all(pairs(properties).as_bytes()),
            'q' => write!(out, "{}", printed.qos.bits()),
            'r' => write!(out, "{}", u8::from(printed.retain)),
            'R' => self.text(properties.response_topic().unwrap_or_default(), out),
            'S' => self.number(properties.subscription_identifier(), out),
            't' => self.text(printed.topic, out),
            'U' => write!(out, "{}.{:09}", now.timestamp().as_second(), now.subsec_nanosecond()),
            'x' => self.payload(
                printed.payload,
                |bytes, out| bytes.iter().try_for_each(|b| write!(out, "{b:02x}")),
                2,
                out,
            ),
            'X' => self.payload(
                printed.payload,
                |bytes, out| bytes.iter().try_for_each(|b| write!(out, "{b:02X}")),
                2,
                out,
            ),
            _ => Ok(()),
        }
    }

    /// Where there is none, its place stays empty.
    fn number(&self, number: Option<impl fmt::Display>, out: &mut impl Write) -> io::Result<()> {
        let text = number.map(|number| number.to_string()).unwrap_or_default();
        self.padded(text.len(), self.zeros, out, |out| out.write_all(text.as_bytes()))
    }

    /// Cut, and counted, in bytes.
    fn text(&self, text: &str, out: &mut impl Write) -> io::Result<()> {
        let most = self.most.unwrap_or(text.len()).min(text.len());
        let text = &text.as_bytes()[..most];
        self.padded(text.len(), false, out, |out| out.write_all(text))
    }

    fn payload<W: Write>(
        &self,
        payload: &Payload,
        print: impl Fn(&[u8], &mut W) -> io::Result<()>,
        characters: usize,
        out: &mut W,
    ) -> io::Result<()> {
        self.padded(payload.len() * characters, self.zeros, out, |out| {
            payload.pieces().iter().try_for_each(|piece| print(piece, out))
        })
    }

    fn padded<W: Write>(
        &self,
        length: usize,
        zeros: bool,
        out: &mut W,
        print: impl FnOnce(&mut W) -> io::Result<()>,
    ) -> io::Result<()> {
        let width = self.width.saturating_sub(length);
        if self.left {
            print(out)?;
            return write!(out, "{:width$}", "");
        }
        if zeros {
            write!(out, "{:0<width$}", "")?;
        } else {
            write!(out, "{:width$}", "")?;
        }
        print(out)
    }
}

fn pairs(properties: Properties<'_>) -> String {
    let pairs: Vec<_> = properties.user_properties().map(|(name, value)| format!("{name}:{value}")).collect();
    pairs.join(" ")
}

#[cfg(test)]
mod tests;
