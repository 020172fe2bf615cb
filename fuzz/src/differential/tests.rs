use super::*;

/// A row of the table in docs/DIFFERENTIAL.md.
struct Row<'t> {
    class: &'t str,
    version: Version,
    packet: Vec<u8>,
    peer: &'t str,
    we: &'t str,
}

fn rows(table: &str) -> Vec<Row<'_>> {
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [class, version, bytes, peer, we, statement, right] = cells[..] else {
            panic!("seven cells: {row}")
        };
        assert!(!statement.is_empty() && !right.is_empty(), "who is right, and why: {row}");
        let version = match version {
            "3.1" => Version::V3_1,
            "3.1.1" => Version::V3_1_1,
            "5" => Version::V5,
            other => panic!("a version: {other}"),
        };
        let bytes = bytes.trim_matches('`').split(' ');
        let packet = bytes.map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal digits")).collect();
        Row { class, version, packet, peer, we }
    })
    .collect()
}

#[test]
fn each_class_has_an_example_that_disagrees_in_that_way() {
    let rows = rows(include_str!("../../../docs/DIFFERENTIAL.md"));
    let names: Vec<_> = rows.iter().map(|row| row.class).collect();
    let classes: Vec<_> = Class::ALL.iter().map(|class| format!("{class:?}")).collect();
    assert_eq!(names, classes, "the rows of the table are the classes");
    for (row, class) in rows.iter().zip(Class::ALL) {
        let Row { version, packet, peer, we, .. } = row;
        let first = [Version::V3_1, Version::V3_1_1, Version::V5].iter().position(|v| v == version);
        let first = u8::try_from(first.expect("one of the three")).expect("it is small");
        assert_eq!(one_packet(&[&[first], &packet[..]].concat()), Some((*version, &packet[..])), "{class:?}");
        let verdicts = Verdicts::of(*version, packet);
        assert!(verdicts.disagree(), "{class:?}: {verdicts:?}");
        assert_eq!(Class::of(*version, packet, &verdicts), Some(*class), "{verdicts:?}");
        assert_eq!(verdicts.peers.is_err(), peer.starts_with("refuses"), "{class:?}, the peer: {verdicts:?}");
        assert_eq!(verdicts.ours.is_err(), we.starts_with("refuse"), "{class:?}, we: {verdicts:?}");
    }
}
