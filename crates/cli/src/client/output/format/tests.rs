//! Formats, each with what it makes of one message.
use super::*;
use jiff::tz::{TimeZone, offset};
use tidewire_core::codec::{PropertiesBuf, Property};

fn properties() -> PropertiesBuf {
    PropertiesBuf::of([
        Property::UserProperty(("a", "b")),
        Property::UserProperty(("c", "d e")),
        Property::ContentType("text/x"),
        Property::CorrelationData(b"xyz"),
        Property::ResponseTopic("r/t"),
        Property::MessageExpiryInterval(77),
        Property::PayloadFormatIndicator(true),
        Property::SubscriptionIdentifier(9),
    ])
    .expect("they can be sent")
}

/// What `format` makes of a message with this payload.
fn printed_with(format: &str, payload: &'static [u8], properties: &PropertiesBuf) -> String {
    let payload = Payload::Whole(payload.into());
    let printed = Printed {
        topic: "k/1",
        payload: &payload,
        qos: QoS::AtLeastOnce,
        retain: true,
        packet_id: 12,
        properties: properties.as_properties(),
    };
    let now = jiff::Timestamp::new(1_470_818_943, 786_368_637).expect("in range");
    let now = now.to_zoned(TimeZone::fixed(offset(1)));
    let mut out = Vec::new();
    let format = Format::parse(format).expect("valid");
    format.check(&printed).expect("it can be printed");
    format.print(&printed, &now, &mut out).expect("a Vec takes anything");
    String::from_utf8(out).expect("text")
}

fn printed(format: &str) -> String {
    printed_with(format, b"hello", &properties())
}

#[test]
fn letters_stand_for_what_a_message_has() {
    assert_eq!(printed("%t %p %q %r %l %m%%"), "k/1 hello 1 1 5 12%");
    assert_eq!(printed("%x %X"), "68656c6c6f 68656C6C6F");
    assert_eq!(printed("%P|%C|%D|%R|%E|%F|%S|%A"), "a:b c:d e|text/x|xyz|r/t|77|1|9|");
}

#[test]
fn what_a_message_does_not_have_leaves_its_place_empty() {
    assert_eq!(
        printed_with("[%P%C%D%R%E%F%S%A][%3E][%-8C]", b"", &PropertiesBuf::new()),
        "[][   ][        ]"
    );
}

#[test]
fn a_field_has_a_width_a_side_and_a_longest() {
    assert_eq!(printed("[%10t][%-10t][%010t]"), "[       k/1][k/1       ][       k/1]");
    assert_eq!(printed("[%.2t][%-5.1t][%5.0t]"), "[k/][k    ][     ]");
    assert_eq!(printed("[%05l][%-5l][%5l][%-05l]"), "[00005][5    ][    5][5    ]");
    assert_eq!(printed("[%-8p][%8p][%08p][%2p]"), "[hello   ][   hello][000hello][hello]");
    assert_eq!(printed("[%12x][%-12X]"), "[  68656c6c6f][68656C6C6F  ]");
    // These have neither.
    assert_eq!(printed("[%5q][%5r]"), "[1][1]");
}

#[test]
fn the_time_is_told_in_the_letters_of_strftime() {
    assert_eq!(printed("@Y-@m-@dT@H:@M:@S@z"), "2016-08-10T09:49:03+0100");
    assert_eq!(
        printed("%I %U @s.@N @@"),
        "2016-08-10T09:49:03+0100 1470818943.786368637 1470818943.786368637 @"
    );
    assert_eq!(printed("@F @T @j @a @b"), "2016-08-10 09:49:03 223 Wed Aug");
}

#[test]
fn a_backslash_begins_what_is_hard_to_type() {
    assert_eq!(printed(r"\\\0\a\e\n\r\t\v"), "\\\0\x07\x1b\n\r\t\x0b");
    assert_eq!(printed("ü\\tü"), "ü\tü");
}

#[test]
fn json_has_all_of_it() {
    let start = r#"{"tst":"2016-08-10T09:49:03.786368+0100","topic":"k/1","qos":1,"retain":1,"payloadlen":"#;
    let no = PropertiesBuf::new();
    assert_eq!(
        printed_with("%j", b"say \"hi\"", &no),
        format!(r#"{start}8,"mid":12,"payload":"say \"hi\""}}"#)
    );
    let json = br#" {"b": [1.50, "x y"], "a": null} "#;
    assert_eq!(
        printed_with("%J", json, &no),
        format!(r#"{start}33,"mid":12,"payload":{{"b":[1.50,"x y"],"a":null}}}}"#)
    );
    let of_5 = r#""user-properties":{"a":"b","c":"d e"},"content-type":"text/x","correlation-data":"xyz","#;
    let more = r#""response-topic":"r/t","message-expiry-interval":77,"payload-format-indicator":1,"#;
    assert_eq!(
        printed("%j"),
        format!(
            r#"{start}5,"mid":12,"properties":{{{of_5}{more}"subscription-identifier":9}},"payload":"hello"}}"#
        )
    );
}

#[test]
fn a_payload_that_is_not_json_is_not_printed_as_such() {
    let payload = Payload::Whole(b"{]"[..].into());
    let printed = Printed {
        topic: "t",
        payload: &payload,
        qos: QoS::AtMostOnce,
        retain: false,
        packet_id: 0,
        properties: Properties::default(),
    };
    assert!(Format::parse("%J").expect("valid").check(&printed).is_err());
    assert!(Format::parse("%j").expect("valid").check(&printed).is_ok());
}

#[test]
fn what_means_nothing_is_named() {
    for (format, error) in [
        ("%Q", FormatError::Field('Q')),
        ("%5", FormatError::Incomplete),
        ("x%", FormatError::Incomplete),
        ("x@", FormatError::Incomplete),
        ("x\\", FormatError::Incomplete),
        ("\\z", FormatError::Escape('z')),
        ("@!", FormatError::Time('!')),
        ("%99999t", FormatError::Width),
    ] {
        assert_eq!(Format::parse(format), Err(error), "{format}");
    }
}
