use super::{Limit, LimitError, Limits, Unit};
use std::string::{String, ToString};
use std::vec::Vec;

fn set(name: &str, value: &str) -> Result<String, LimitError> {
    let mut limits = Limits::default();
    limits.set(name, value)?;
    Ok(limits.get(name).expect("what can be set can be asked for"))
}

fn message(name: &str, value: &str) -> String {
    set(name, value).unwrap_err().to_string()
}

/// The rows that count something.
fn counting() -> impl Iterator<Item = (&'static super::Row, Limit)> {
    let rows = Limits::table().iter().zip(Limit::ALL.iter().copied());
    rows.filter(|(row, _)| row.unit.words().is_none())
}

#[test]
fn a_word_is_one_of_those_that_there_are() {
    for row in Limits::table() {
        let Some(words) = row.unit.words() else { continue };
        assert_eq!(words.len() as u64, row.maximum + 1, "{}", row.name);
        for word in words {
            assert_eq!(set(row.name, word).as_deref(), Ok(*word), "{}", row.name);
        }
        for garbage in ["", "1", "0", "true", "YES", "yes ", "unlimited"] {
            let said = message(row.name, garbage);
            assert!(said.ends_with(words[0]) || said.ends_with(words[words.len() - 1]), "{said}");
        }
    }
    assert!(Limits::default().set_number(Limit::retain_available, 2).is_err());
    let said = message("share_strategy", "sticky");
    assert_eq!(
        said,
        "limit `share_strategy` cannot be `sticky`: write in_turn, least_loaded, by_topic or random"
    );
}

#[test]
fn each_row_takes_its_range_and_nothing_else() {
    for (row, _) in counting() {
        let maximum = row.maximum.to_string();
        assert_eq!(set(row.name, &maximum).as_deref(), Ok("unlimited"), "{}", row.name);
        assert_eq!(set(row.name, "unlimited").as_deref(), Ok("unlimited"), "{}", row.name);
        assert_eq!(set(row.name, "1").as_deref(), Ok("1"), "{}", row.name);
        assert_eq!(set(row.name, "0").is_ok(), row.minimum == 0, "{}", row.name);
        if let Some(beyond) = row.maximum.checked_add(1) {
            let out_of_range =
                LimitError::OutOfRange { name: row.name, minimum: row.minimum, maximum: row.maximum };
            assert_eq!(set(row.name, &beyond.to_string()), Err(out_of_range));
        }
        for garbage in
            ["", " ", "-1", "+1", "1.5", "0x10", "ten", "1 ", "unlimitedKiB", "Unlimited", "1kb", "KiB"]
        {
            let refused = set(row.name, garbage).unwrap_err();
            assert!(matches!(refused, LimitError::NotANumber { .. }), "{} {garbage}", row.name);
        }
    }
}

#[test]
fn a_number_is_taken_as_its_text_is() {
    for (row, limit) in counting() {
        assert_eq!(row.name, limit.name());
        for number in [0, 1, 1000, 65_535, 65_536, row.maximum, row.maximum.saturating_add(1)] {
            let (mut by_number, mut by_text) = (Limits::default(), Limits::default());
            let taken = by_number.set_number(limit, number);
            assert_eq!(taken, by_text.set(row.name, &number.to_string()), "{} {number}", row.name);
            assert_eq!(by_number, by_text);
            assert_eq!(by_number.is_set(row.name), taken.is_ok());
        }
    }
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut limits = Limits::default();
    for row in Limits::table() {
        assert!(limits.set(row.name, "many").is_err());
    }
    assert_eq!(limits, Limits::default());
}

#[test]
fn each_default_is_what_the_table_says() {
    let mut limits = Limits::default();
    for row in Limits::table() {
        limits.set(row.name, row.default).unwrap();
    }
    for row in Limits::table() {
        assert_eq!(limits.get(row.name), Limits::default().get(row.name));
    }
}

#[test]
fn what_is_got_can_be_set() {
    for value in ["1", "1023", "1024", "65535", "1000000"] {
        for row in Limits::table() {
            if let Ok(text) = set(row.name, value) {
                assert_eq!(set(row.name, &text), Ok(text));
            }
        }
    }
}

#[test]
fn bytes_have_suffixes_and_others_do_not() {
    for row in Limits::table() {
        let taken = set(row.name, "2KiB");
        match row.unit {
            Unit::Bytes => assert_eq!(taken.as_deref(), Ok("2KiB"), "{}", row.name),
            _ => assert!(matches!(taken, Err(LimitError::NotANumber { .. })), "{}", row.name),
        }
    }
    assert_eq!(set("queued_bytes", "3MiB"), set("queued_bytes", "3145728"));
    assert_eq!(set("queued_bytes", "5GiB").as_deref(), Ok("5GiB"));
    assert_eq!(set("queued_bytes", "18446744073709551615GiB").as_deref(), Ok("unlimited"));
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let limits = Limits::default();
    assert_eq!((limits.packet_bytes(), limits.connect_bytes()), (16 << 20, 512 * 1024));
    assert_eq!((limits.receive_maximum(), limits.in_flight(), limits.in_flight_v3()), (1024, 1024, 1024));
    assert_eq!(limits.session_expiry_seconds(), 7 * 24 * 3600);
    assert_eq!(limits.keep_alive_seconds(), u16::MAX);
    assert_eq!(limits.shard_queued_bytes(), 1 << 30);
}

#[test]
fn who_is_exempt_is_no_longer_once_a_limit_was_set() {
    let mut limits = Limits::default();
    for name in [
        "connections_per_address",
        "connects_per_second",
        "connections_per_identity",
        "sessions_per_identity",
    ] {
        assert!(!limits.is_set(name));
        let default = limits.get(name).unwrap();
        limits.set(name, &default).unwrap();
        assert!(limits.is_set(name), "{name}: to its default as well");
        let doc = Limits::table().iter().find(|row| row.name == name).unwrap().doc;
        assert!(doc.contains("on each shard") && doc.contains("unless it is set"), "{name} says so: {doc}");
    }
    assert!(!limits.is_set("packet_bytes") && !limits.is_set("no such"));
}

#[test]
fn rows_are_told_apart_and_explained() {
    let names: Vec<&str> = Limits::table().iter().map(|row| row.name).collect();
    for row in Limits::table() {
        assert_eq!(names.iter().filter(|name| **name == row.name).count(), 1);
        assert!(row.doc.ends_with('.') && !row.doc.contains("  "), "{}", row.doc);
    }
    assert_eq!(Limits::default().get("no such"), None);
}

#[test]
fn errors_say_what_would_do() {
    assert_eq!(
        message("queue_messages", "1"),
        "there is no limit `queue_messages`; did you mean `queued_messages`?"
    );
    assert_eq!(message("nothing like\nit", "1"), r"there is no limit `nothing like\nit`");
    assert_eq!(
        message("packet_bytes", "lots"),
        "limit `packet_bytes` (bytes) cannot be `lots`: write `65536`, `64KiB` or `unlimited`"
    );
    assert_eq!(
        message("sessions", "1KiB"),
        "limit `sessions` (count) cannot be `1KiB`: write `100` or `unlimited`"
    );
    assert_eq!(message("receive_maximum", "0"), "limit `receive_maximum` must be from 1 to 65535");
}
