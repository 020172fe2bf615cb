//! `tidewire explain`, and that what a client is told can be explained.
use std::process::Command;
use tidewire_core::broker::ProtocolError;
use tidewire_core::codec::catalogue::CATALOGUE;

fn explain(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tidewire"))
        .arg("explain")
        .args(arguments)
        .output()
        .expect("it can be started");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_fault_is_explained_with_its_statement_its_bytes_and_a_remedy() {
    let (code, said, _) = explain(&["packet-id-zero"]);
    let expected = "\
packet-id-zero: the Packet Identifier is 0
  statement    MQTT-2.2.1-3
  Reason Code  0x82 ProtocolError
  for example  what a server reads in 3.1.1: 40 02 00 00
  remedy       Give each SUBSCRIBE, UNSUBSCRIBE, and PUBLISH with QoS 1 or 2, a Packet Identifier from 1 to 65,535, and acknowledge with the same.
";
    assert_eq!((code, said.as_str()), (Some(0), expected));
}

#[test]
fn a_fault_that_no_packet_shows_by_itself_is_explained_as_well() {
    let (code, said, _) = explain(&["receive-maximum-exceeded"]);
    let expected = "\
receive-maximum-exceeded: more messages with QoS 1 and 2 are under way than the Receive Maximum allows
  statement    MQTT-3.3.4-7
  Reason Code  0x93 ReceiveMaximumExceeded
  remedy       Wait for acknowledgements before sending more, or raise the limit `receive_maximum`.
";
    assert_eq!((code, said.as_str()), (Some(0), expected));
}

#[test]
fn all_faults_are_listed_or_those_of_a_reason_code() {
    let (_, all, _) = explain(&[]);
    assert_eq!(all.lines().count(), CATALOGUE.len() + ProtocolError::ALL.len());
    for line in all.lines() {
        let name = line.split(' ').next().expect("a name");
        assert_eq!(explain(&[name]).0, Some(0), "{name}");
    }
    let (_, malformed, _) = explain(&["0x81"]);
    assert!(malformed.starts_with("0x81 MalformedPacket\nreserved-flags"), "{malformed}");
    assert_eq!(explain(&["129"]).1, malformed);
    assert_eq!(explain(&["0x95"]).1.lines().count(), 3);
}

#[test]
fn what_is_unknown_is_answered_in_one_line() {
    for wrong in ["packet-id", "0x05", "300", "a\nb"] {
        let (code, said, errors) = explain(&[wrong]);
        assert_eq!((code, said.as_str(), errors.lines().count()), (Some(2), "", 1), "{errors}");
        assert!(errors.contains("`tidewire explain` lists the faults"));
    }
}
