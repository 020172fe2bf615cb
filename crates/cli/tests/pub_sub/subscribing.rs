//! What is printed, and when it ends.
use super::support::{broker, said};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_session_that_is_kept_keeps_what_comes() {
    let broker = broker();
    for (version, qos) in [("31", "1"), ("311", "1"), ("311", "2"), ("5", "1"), ("5", "2")] {
        let id = format!("kept-{version}-{qos}");
        let words = ["-V", version, "-c", "-i", &id, "-t", &id, "-q", qos];
        let output = broker.subscribe(&[&words[..], &["-E"]].concat());
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), ""));
        for n in ["1", "2", "3", "4"] {
            broker.publish(&["-t", &id, "-q", qos, "-m", n]);
        }
        // What is not printed is not acknowledged: it comes again, and nothing else does.
        for (count, expected) in [("1", "1\n"), ("1", "2\n"), ("2", "3\n4\n")] {
            let output = broker.subscribe(&[&words[..], &["-C", count]].concat());
            let printed = text(&output.stdout);
            assert_eq!((output.status.code(), printed.as_str()), (Some(0), expected), "{version}, QoS {qos}");
        }
        let output = broker.tool(&[&["sub", "-W", "1"], &words[..]].concat()).output().expect("it was built");
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn a_subscription_of_a_session_can_be_ended() {
    let broker = broker();
    let session = ["-c", "-i", "u", "-q", "1"];
    assert!(broker.subscribe(&[&session[..], &["-t", "a", "-t", "b", "-E"]].concat()).status.success());
    assert!(broker.subscribe(&[&session[..], &["-U", "a", "-E"]].concat()).status.success());
    broker.publish(&["-t", "a", "-q", "1", "-m", "not this"]);
    broker.publish(&["-t", "b", "-q", "1", "-m", "this"]);
    let output = broker.subscribe(&[&session[..], &["-t", "b", "-C", "1"]].concat());
    assert_eq!(text(&output.stdout), "this\n");
}

#[test]
fn the_time_is_up() {
    let broker = broker();
    let output = broker.tool(&["sub", "-t", "t", "-W", "1"]).output().expect("it was built");
    assert_eq!(output.status.code(), Some(27));
    assert!(said(&output).contains("-W"), "{}", said(&output));
    let output = broker.tool(&["sub", "-t", "t", "-W", "1", "--quiet"]).output().expect("it was built");
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(27), ""));
}

#[test]
fn a_time_may_be_a_part_of_a_second() {
    let broker = broker();
    let output = broker.tool(&["sub", "-t", "t", "-W", "0.2"]).output().expect("it was built");
    assert_eq!(output.status.code(), Some(27));
    assert!(said(&output).contains("0.2 s (-W)"), "{}", said(&output));
}

#[test]
fn what_was_granted_is_told_in_the_words_of_a_suback() {
    let broker = broker();
    for (qos, word) in [("0", "0x00 GrantedQoS0"), ("1", "0x01 GrantedQoS1"), ("2", "0x02 GrantedQoS2")] {
        let output = broker.subscribe(&["-d", "-t", "t", "-q", qos, "-E"]);
        assert!(said(&output).contains(&format!("subscribed: t: {word}\n")), "{}", said(&output));
    }
    let output = broker.subscribe(&["-d", "-c", "-i", "u", "-U", "t", "-E"]);
    assert!(said(&output).contains("unsubscribed: t: 0x11 NoSubscriptionExisted\n"), "{}", said(&output));
}

#[test]
fn what_matches_is_left_out() {
    let broker = broker();
    for topic in ["a/1", "a/2", "a/3"] {
        broker.publish(&["-t", topic, "-r", "-q", "1", "-m", topic]);
    }
    let output = broker.subscribe(&["-t", "a/#", "-T", "a/2", "-C", "2"]);
    let mut lines: Vec<_> = text(&output.stdout).lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["a/1", "a/3"]);
    // Those that are retained, and then a fresh one.
    for version in ["311", "5"] {
        let subscriber = broker.subscriber(&["-V", version, "-t", "a/#", "-R", "-C", "1"]);
        broker.publish(&["-t", "a/9", "-m", "fresh"]);
        subscriber.prints("fresh\n");
    }
    let subscriber = broker.subscriber(&["-t", "a/2", "--retained-only", "-v"]);
    broker.publish(&["-t", "a/2", "-m", "fresh"]);
    subscriber.prints("a/2 a/2\n");
}

#[test]
fn what_is_retained_is_cleared_as_it_comes() {
    let broker = broker();
    for topic in ["c/1", "c/2", "d"] {
        broker.publish(&["-t", topic, "-r", "-q", "1", "-m", topic]);
    }
    let output = broker.subscribe(&["-t", "c/#", "--remove-retained", "-C", "2"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&broker.subscribe(&["-t", "#", "-C", "1"]).stdout), "d\n");
}

#[test]
fn an_empty_payload_is_a_line_only_where_it_can_be_told() {
    let broker = broker();
    for (words, expected) in [
        (&["-v"][..], "e (null)\ne x\n"),
        (&["-v", "-N"], "e x"),
        (&["-F", "<%p>"], "<>\n<x>\n"),
        (&[], "x\n"),
    ] {
        let subscriber = broker.subscriber(&[&["-t", "e", "-C", "2"][..], words].concat());
        broker.publish(&["-t", "e", "-n"]);
        broker.publish(&["-t", "e", "-m", "x"]);
        subscriber.prints(expected);
    }
}

#[test]
fn a_payload_that_is_not_json_is_told_and_the_next_is_printed() {
    let broker = broker();
    let mut subscriber = broker.subscriber(&["-t", "j", "-F", "%J", "-C", "2"]);
    broker.publish(&["-t", "j", "-m", "not"]);
    broker.publish(&["-t", "j", "-m", r#"{"a": [1, 2]}"#]);
    assert!(subscriber.waits_for("JSON").contains("%j"));
    let (code, printed) = subscriber.end();
    assert!(
        text(&printed).contains(r#""topic":"j","qos":0,"retain":0,"payloadlen":13,"payload":{"a":[1,2]}}"#)
    );
    assert_eq!(code, Some(0));
}

#[test]
fn a_reader_that_goes_away_is_no_reason_to_complain() {
    let broker = broker();
    let mut subscriber = broker.subscriber(&["-t", "p", "-q", "1"]);
    subscriber.stop_reading();
    broker.publish(&["-t", "p", "-q", "1", "-m", "nobody reads it"]);
    assert_eq!(subscriber.end().0, Some(0));
}

#[test]
fn it_may_listen_to_what_the_server_says_of_itself() {
    let broker = broker();
    assert!(broker.subscribe(&["-t", "$SYS/#", "-E"]).status.success());
}
