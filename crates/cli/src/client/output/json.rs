//! A message as JSON: `%j` and `%J`.
use super::format::Printed;
use jiff::Zoned;
use serde_json::Value;
use std::io::{self, Write};
use tidewire_core::codec::{Properties, Property};

/// A payload that should be JSON and is not.
#[derive(Debug)]
pub(super) struct NotJson;

pub(super) fn check(payload: &[u8]) -> Result<(), NotJson> {
    serde_json::from_slice::<Value>(payload).map(|_| ()).map_err(|_| NotJson)
}

/// The payload is a string, or, if `nested`, the JSON that it is.
pub(super) fn print(
    printed: &Printed<'_>,
    now: &Zoned,
    nested: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let (topic, time) = (string(printed.topic), now.strftime("%FT%T.%6f%z"));
    let (qos, retain, length) = (printed.qos.bits(), u8::from(printed.retain), printed.payload.len());
    write!(out, r#"{{"tst":"{time}","topic":{topic},"qos":{qos},"retain":{retain},"payloadlen":{length}"#)?;
    if printed.packet_id > 0 {
        write!(out, r#","mid":{}"#, printed.packet_id)?;
    }
    if !printed.properties.is_empty() {
        write!(out, r#","properties":{{{}}}"#, properties(printed.properties))?;
    }
    let payload = printed.payload.to_vec();
    out.write_all(br#","payload":"#)?;
    if nested {
        out.write_all(&minified(&payload))?;
    } else {
        out.write_all(string(&String::from_utf8_lossy(&payload)).as_bytes())?;
    }
    out.write_all(b"}")
}

fn string(text: &str) -> String {
    Value::from(text).to_string()
}

fn properties(properties: Properties<'_>) -> String {
    let mut members: Vec<String> = Vec::new();
    for property in properties.iter() {
        match property {
            Property::PayloadFormatIndicator(is) => {
                members.push(format!(r#""payload-format-indicator":{}"#, u8::from(is)));
            }
            Property::MessageExpiryInterval(seconds) => {
                members.push(format!(r#""message-expiry-interval":{seconds}"#));
            }
            Property::ContentType(text) => members.push(format!(r#""content-type":{}"#, string(text))),
            Property::ResponseTopic(text) => members.push(format!(r#""response-topic":{}"#, string(text))),
            Property::CorrelationData(data) => {
                members.push(format!(r#""correlation-data":{}"#, string(&String::from_utf8_lossy(data))));
            }
            Property::SubscriptionIdentifier(n) => members.push(format!(r#""subscription-identifier":{n}"#)),
            // All of them stand where the first one does.
            Property::UserProperty(_) if !members.iter().any(|m| m.starts_with(r#""user-properties""#)) => {
                let pairs: Vec<_> = properties
                    .user_properties()
                    .map(|(name, value)| format!("{}:{}", string(name), string(value)))
                    .collect();
                members.push(format!(r#""user-properties":{{{}}}"#, pairs.join(",")));
            }
            _ => {}
        }
    }
    members.join(",")
}

/// Without the white space between its tokens, and otherwise as it came.
fn minified(json: &[u8]) -> Vec<u8> {
    let (mut in_string, mut escaped) = (false, false);
    let stays = |byte: &u8| {
        let stays = in_string || !byte.is_ascii_whitespace();
        if escaped {
            escaped = false;
        } else if *byte == b'"' {
            in_string = !in_string;
        } else {
            escaped = in_string && *byte == b'\\';
        }
        stays
    };
    let mut stays = stays;
    json.iter().copied().filter(|byte| stays(byte)).collect()
}
