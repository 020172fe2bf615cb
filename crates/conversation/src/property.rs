//! Properties of MQTT 5.0 by the names that scripts give them.
use crate::text::{Line, ScriptError, Token};
use core::fmt;

/// How a value is written. (Section 2.2.2.2)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Byte,
    TwoBytes,
    FourBytes,
    Variable,
    /// Text or binary data: a length of two bytes before it.
    Bytes,
    Pair,
}

#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) id: u8,
    pub(crate) form: Form,
}

macro_rules! kinds {
    ($($name:ident $id:literal $form:ident,)*) => {
        /// Table 2-4.
        static KINDS: &[Kind] = &[$(Kind { name: stringify!($name), id: $id, form: Form::$form },)*];
    };
}

kinds! {
    payload_format_indicator 0x01 Byte,
    message_expiry_interval 0x02 FourBytes,
    content_type 0x03 Bytes,
    response_topic 0x08 Bytes,
    correlation_data 0x09 Bytes,
    subscription_identifier 0x0b Variable,
    session_expiry_interval 0x11 FourBytes,
    assigned_client_identifier 0x12 Bytes,
    server_keep_alive 0x13 TwoBytes,
    authentication_method 0x15 Bytes,
    authentication_data 0x16 Bytes,
    request_problem_information 0x17 Byte,
    will_delay_interval 0x18 FourBytes,
    request_response_information 0x19 Byte,
    response_information 0x1a Bytes,
    server_reference 0x1c Bytes,
    reason_string 0x1f Bytes,
    receive_maximum 0x21 TwoBytes,
    topic_alias_maximum 0x22 TwoBytes,
    topic_alias 0x23 TwoBytes,
    maximum_qos 0x24 Byte,
    retain_available 0x25 Byte,
    user_property 0x26 Pair,
    maximum_packet_size 0x27 FourBytes,
    wildcard_subscription_available 0x28 Byte,
    subscription_identifier_available 0x29 Byte,
    shared_subscription_available 0x2a Byte,
}

impl Kind {
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    pub(crate) fn with_id(id: u8) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.id == id)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Number(u32),
    Bytes(Vec<u8>),
    Pair(Vec<u8>, Vec<u8>),
    /// `*`: in a script only, and only where something is expected.
    Any,
}

#[derive(Clone, Debug)]
pub(crate) struct Property {
    pub(crate) kind: &'static Kind,
    pub(crate) value: Value,
}

impl Property {
    /// What stands behind `name=`.
    pub(crate) fn parse(kind: &'static Kind, line: &mut Line<'_>) -> Result<Self, ScriptError> {
        if line.accepts("*") {
            return Ok(Self { kind, value: Value::Any });
        }
        let value = match kind.form {
            Form::Byte => Value::Number(line.number_up_to(0xff, "a number up to 255")?),
            Form::TwoBytes => Value::Number(line.number_up_to(0xffff, "a number up to 65535")?),
            Form::FourBytes | Form::Variable => Value::Number(line.number_up_to(u32::MAX, "a number")?),
            Form::Bytes => Value::Bytes(line.bytes("a text in quotes")?),
            Form::Pair => {
                let name = line.bytes("a name in quotes")?;
                line.take("a colon", |token| (*token == Token::Colon).then_some(()))?;
                Value::Pair(name, line.bytes("a value in quotes")?)
            }
        };
        Ok(Self { kind, value })
    }

    pub(crate) fn matches(&self, seen: &Self) -> bool {
        self.kind.id == seen.kind.id && (self.value == Value::Any || self.value == seen.value)
    }

    /// Takes one off the front; `None` if there is none.
    pub(crate) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let kind = Kind::with_id(take(bytes, 1)?[0])?;
        let value = match kind.form {
            Form::Byte => Value::Number(number(take(bytes, 1)?)),
            Form::TwoBytes => Value::Number(number(take(bytes, 2)?)),
            Form::FourBytes => Value::Number(number(take(bytes, 4)?)),
            Form::Variable => {
                let length = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
                let digits = take(bytes, length)?;
                Value::Number(digits.iter().rev().fold(0, |n, byte| n << 7 | u32::from(byte & 0x7f)))
            }
            Form::Bytes => Value::Bytes(take_prefixed(bytes)?),
            Form::Pair => Value::Pair(take_prefixed(bytes)?, take_prefixed(bytes)?),
        };
        Some(Self { kind, value })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.kind.id);
        match (&self.value, self.kind.form) {
            (Value::Number(n), Form::Byte) => out.extend_from_slice(&n.to_be_bytes()[3..]),
            (Value::Number(n), Form::TwoBytes) => out.extend_from_slice(&n.to_be_bytes()[2..]),
            (Value::Number(n), Form::Variable) => variable(*n, out),
            (Value::Number(n), _) => out.extend_from_slice(&n.to_be_bytes()),
            (Value::Bytes(bytes), _) => prefixed(bytes, out),
            (Value::Pair(name, value), _) => {
                prefixed(name, out);
                prefixed(value, out);
            }
            (Value::Any, _) => {}
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.kind.name)?;
        match &self.value {
            Value::Number(n) => write!(f, "{n}"),
            Value::Bytes(bytes) => Quoted(bytes).fmt(f),
            Value::Pair(name, value) => write!(f, "{}:{}", Quoted(name), Quoted(value)),
            Value::Any => f.write_str("*"),
        }
    }
}

/// Bytes as a script writes them; of many the first ones, and how many there are.
pub(crate) struct Quoted<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_at_checked(128) {
            Some((first, rest)) if !rest.is_empty() => {
                write!(f, "\"{}…\"({} bytes)", first.escape_ascii(), self.0.len())
            }
            _ => write!(f, "\"{}\"", self.0.escape_ascii()),
        }
    }
}

fn take<'a>(bytes: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(n)?;
    *bytes = rest;
    Some(taken)
}

fn take_prefixed(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let length = take(bytes, 2)?;
    take(bytes, usize::from(u16::from_be_bytes([length[0], length[1]]))).map(<[u8]>::to_vec)
}

/// With the most significant byte first. (Section 1.5.2)
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |n, byte| n << 8 | u32::from(*byte))
}

/// A Variable Byte Integer. (Section 1.5.5)
pub(crate) fn variable(mut n: u32, out: &mut Vec<u8>) {
    loop {
        let [.., low] = n.to_be_bytes();
        n >>= 7;
        if n == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

/// A length of two bytes, and the bytes.
///
/// # Panics
/// If they are more than 65,535: a script that wants to say that has to say it in bytes.
pub(crate) fn prefixed(bytes: &[u8], out: &mut Vec<u8>) {
    let length = u16::try_from(bytes.len()).expect("a script's texts are shorter than 64 KiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}
