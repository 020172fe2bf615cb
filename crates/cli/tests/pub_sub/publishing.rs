//! What is published, from where, and with what.
use super::support::{broker, fed, said};
use std::process::Command;

/// Bytes that are no text.
const BYTES: &[u8] = b"\x00\xff\r\n\nend";

#[test]
fn a_payload_arrives_byte_by_byte_wherever_it_comes_from() {
    let broker = broker();
    let file = std::env::temp_dir().join(format!("tidewire-payload-{}", std::process::id()));
    std::fs::write(&file, BYTES).expect("a folder for such files");
    for qos in ["0", "1", "2"] {
        let subscriber = broker.subscriber(&["-t", "b", "-q", qos, "-N", "-C", "2"]);
        assert_eq!(broker.pipe(&["-t", "b", "-q", qos, "-s"], BYTES).status.code(), Some(0));
        broker.publish(&["-t", "b", "-q", qos, "-f", file.to_str().expect("text")]);
        assert_eq!(subscriber.end(), (Some(0), [BYTES, BYTES].concat()));
    }
    std::fs::remove_file(&file).expect("it is there");
    let subscriber = broker.subscriber(&["-t", "t", "-C", "2"]);
    broker.publish(&["-t", "t", "-m", "-5 ° --help"]);
    broker.publish(&["-t", "t", "-m", "-m"]);
    subscriber.prints("-5 ° --help\n-m\n");
}

/// Only the standard input may be empty by mistake: a file was chosen.
#[test]
fn an_empty_file_is_an_empty_message() {
    let broker = broker();
    let subscriber = broker.subscriber(&["-t", "e", "-v", "-C", "1"]);
    broker.publish(&["-t", "e", "-f", "/dev/null"]);
    subscriber.prints("e (null)\n");
}

#[test]
fn of_an_option_that_is_repeated_the_last_holds() {
    let broker = broker();
    let session = ["-i", "nobody", "-i", "again", "-c", "-c", "-k", "5", "-k", "10", "-x", "9", "-x", "99"];
    let once = ["-t", "o", "-q", "0", "-q", "1", "-F", "%p", "-F", "%q %r %p", "-W", "1", "-W", "20"];
    let subscriber = broker.subscriber(&[&session[..], &once, &["-C", "7", "-C", "1"]].concat());
    let will = ["--will-topic", "w", "--will-topic", "v", "--will-qos", "2", "--will-qos", "0"];
    let what = ["-t", "t", "-t", "o", "-m", "one", "-m", "two", "-q", "2", "-q", "1", "-V", "311", "-V", "5"];
    broker.publish(
        &[&what[..], &will, &["-r", "-r", "-M", "1", "-M", "2", "--repeat", "3", "--repeat", "1"]].concat(),
    );
    subscriber.prints("1 0 two\n");
}

/// Bytes that are no text, in hexadecimal and as they are.
#[test]
fn correlation_data_are_bytes() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let broker = broker();
    for (given, printed) in [
        (&b"0x00fF0a"[..], &b"\x00\xff\n|"[..]),
        (b"0x", b"|"),
        (b"\xff\xfe raw", b"\xff\xfe raw|"),
        (b"xyz", b"xyz|"),
    ] {
        let subscriber = broker.subscriber(&["-t", "d", "-C", "1", "-N", "-F", "%D|"]);
        let mut publisher = broker.tool(&["pub", "-t", "d", "-m", "x", "-D", "publish", "correlation-data"]);
        let output = publisher.arg(OsStr::from_bytes(given)).output().expect("it was built");
        assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), ""));
        assert_eq!(subscriber.end(), (Some(0), printed.to_vec()));
    }
}

#[test]
fn each_line_is_a_message_and_an_empty_one_is_one_too() {
    let broker = broker();
    for qos in ["0", "1", "2"] {
        let subscriber = broker.subscriber(&["-t", "l", "-q", qos, "-v", "-C", "4"]);
        let output = broker.pipe(&["-t", "l", "-q", qos, "-l"], b"one\ntwo\n\nthe last");
        assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), ""));
        subscriber.prints("l one\nl two\nl (null)\nl the last\n");
    }
    assert_eq!(broker.pipe(&["-t", "l", "-l"], b"").status.code(), Some(0));
}

#[test]
fn ten_thousand_lines_are_ten_thousand_messages() {
    let broker = broker();
    let lines: String = (0..10_000).map(|n| format!("{n}\n")).collect();
    let subscriber = broker.subscriber(&["-t", "many", "-q", "1", "-C", "10000"]);
    let publisher = std::thread::spawn({
        let command = broker.tool(&["pub", "-t", "many", "-q", "1", "-l"]);
        let lines = lines.clone();
        move || fed(command, lines.as_bytes())
    });
    subscriber.prints(&lines);
    assert_eq!(publisher.join().expect("it ends").status.code(), Some(0));
}

#[test]
fn what_is_retained_is_kept_until_it_is_cleared() {
    let broker = broker();
    broker.publish(&["-t", "k", "-r", "-q", "1", "-m", "kept"]);
    let output = broker.subscribe(&["-t", "k", "-F", "%r %p", "-C", "1"]);
    assert_eq!(output.stdout, b"1 kept\n");
    broker.publish(&["-t", "k", "-r", "-q", "1", "-n"]);
    broker.publish(&["-t", "k/after", "-r", "-q", "1", "-m", "after"]);
    assert_eq!(broker.subscribe(&["-t", "k/#", "-C", "1"]).stdout, b"after\n");
}

#[test]
fn properties_go_with_a_message() {
    let broker = broker();
    let format = "%P|%C|%D|%R|%F|%S";
    let subscriber = broker.subscriber(&[
        "-t",
        "p",
        "-C",
        "1",
        "-F",
        format,
        "-D",
        "subscribe",
        "subscription-identifier",
        "9",
    ]);
    #[rustfmt::skip]
    broker.publish(&[
        "-t", "p", "-m", "x",
        "-D", "publish", "user-property", "a", "b", "-D", "PUBLISH", "user-property", "c", "-d e",
        "-D", "publish", "content-type", "text/x", "-D", "publish", "correlation-data", "xyz",
        "-D", "publish", "response-topic", "r/t", "-D", "publish", "payload-format-indicator", "1",
    ]);
    subscriber.prints("a:b c:-d e|text/x|xyz|r/t|1|9\n");
}

#[test]
fn a_message_is_published_as_often_as_asked() {
    let broker = broker();
    let subscriber = broker.subscriber(&["-t", "r", "-q", "2", "-C", "3"]);
    broker.publish(&["-t", "r", "-q", "2", "-m", "again", "--repeat", "3", "--repeat-delay", "0.01"]);
    subscriber.prints("again\nagain\nagain\n");
}

#[test]
fn a_url_says_where_and_what() {
    let broker = broker();
    let url = format!("mqtt://{}/u/r/l", broker.address);
    let subscriber = broker.subscriber(&["-t", "u/#", "-v", "-C", "1"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewire"));
    assert!(command.args(["pub", "-L", &url, "-m", "x"]).status().expect("it was built").success());
    subscriber.prints("u/r/l x\n");
}

#[test]
fn an_own_will_is_published_when_it_vanishes() {
    let broker = broker();
    for version in ["31", "311", "5"] {
        let subscriber = broker.subscriber(&["-t", "w", "-q", "1", "-F", "%q %p", "-C", "1"]);
        let will = ["--will-topic", "w", "--will-payload", "gone", "--will-qos", "1"];
        let mortal = broker.subscriber(&[&["-V", version, "-t", "other"][..], &will].concat());
        drop(mortal);
        subscriber.prints("1 gone\n");
    }
}

#[test]
fn one_refused_line_keeps_no_other_from_being_sent_and_is_told() {
    let broker = broker();
    let output = broker.pipe(&["-t", "$SYS/x", "-q", "1", "-l"], b"one\ntwo\n");
    assert_eq!(output.status.code(), Some(0x87));
    let said = said(&output);
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.contains("line 1") && said.contains("line 2") && said.contains("server's own"), "{said}");
}
