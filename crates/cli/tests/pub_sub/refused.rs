//! What is said to somebody who asks for something that can't be had: one line, and an exit code.
use super::support::{broker, said, tool};
use crate::server::Server;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

/// It fails with this code and says one line with all of these words.
fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewire"));
    let output = command.args(arguments).stdin(Stdio::null()).output().expect("the binary runs");
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    assert!(said.starts_with("tidewire: "), "{said}");
    for word in words {
        assert!(said.contains(word), "{arguments:?}: no `{word}` in {said}");
    }
    assert!(output.stdout.is_empty(), "{arguments:?}");
}

#[test]
fn a_topic_or_filter_that_can_t_be_is_named_with_one_that_can() {
    refused(&["pub", "-t", "a/#", "-m", "x"], 2, &["a/#", "wildcard", "one topic"]);
    refused(&["pub", "-t", "a/+/b", "-m", "x"], 2, &["a/+/b", "one topic"]);
    refused(&["pub", "-t", "", "-m", "x"], 2, &["empty", "lights/kitchen"]);
    refused(&["sub", "-t", "a/#/b"], 2, &["a/#/b", "lights/#"]);
    refused(&["sub", "-t", "a+"], 2, &["a+", "lights/+"]);
    refused(&["sub", "-t", ""], 2, &["empty", "lights/kitchen"]);
    refused(&["sub", "-t", "a", "-T", "#/a"], 2, &["-T", "#/a"]);
    refused(&["sub", "-U", "#/a"], 2, &["-U", "#/a"]);
    refused(&["pub", "-t", "a", "-m", "x", "--will-topic", "#"], 2, &["--will-topic", "lights/kitchen"]);
}

#[test]
fn what_is_missing_is_asked_for() {
    refused(&["pub", "-m", "x"], 2, &["-t"]);
    refused(&["pub", "-t", "a"], 2, &["-m", "-f", "-l", "-s", "-n"]);
    refused(&["sub"], 2, &["-t"]);
    refused(&["pub", "-t", "a", "-n", "-c"], 2, &["-c", "-i"]);
    refused(&["sub", "-t", "a", "-x", "-1"], 2, &["-x", "-i"]);
    refused(&["pub", "-t", "a", "-n", "-V", "311", "-P", "x"], 2, &["-P", "-u"]);
    refused(&["sub", "-t", "a", "-D", "will", "content-type", "x"], 2, &["--will-topic"]);
    refused(&["sub", "-t", "a", "--will-payload", "x"], 2, &["--will-topic"]);
    refused(&["pub", "-t", "a", "-s"], 1, &["-s", "-n"]);
}

#[test]
fn what_can_t_be_together_is_named() {
    refused(&["pub", "-t", "a", "-m", "x", "-n"], 2, &["--message", "--null-message"]);
    refused(&["pub", "-t", "a", "-n", "-i", "x", "-I", "y"], 2, &["--id", "--id-prefix"]);
    refused(&["sub", "-t", "a", "-R", "--retained-only"], 2, &["-R", "--retained-only"]);
    refused(&["sub", "-t", "a", "-V", "311", "-D", "connect", "receive-maximum", "5"], 2, &["-D", "-V 5"]);
    let twice = ["-D", "publish", "content-type", "x", "-D", "publish", "content-type", "y"];
    refused(&[&["pub", "-t", "a", "-n"][..], &twice].concat(), 2, &["content-type y", "twice"]);
}

#[test]
fn a_value_that_makes_no_sense_is_named_with_one_that_does() {
    refused(&["pub", "-t", "a", "-n", "-q", "3"], 2, &["3", "0, 1 or 2"]);
    refused(&["pub", "-t", "a", "-n", "-V", "7"], 2, &["7", "5, 311 or 31"]);
    refused(&["pub", "-t", "a", "-n", "-x", "soon"], 2, &["soon", "-1 for ever"]);
    refused(&["pub", "-t", "a", "-n", "--repeat-delay=-1"], 2, &["0.5"]);
    refused(&["pub", "-L", "http://a/b", "-n"], 2, &["http://a/b", "mqtt://"]);
    refused(&["sub", "-L", "mqtts://a/b"], 2, &["TLS"]);
    refused(&["sub", "-t", "a", "-F", "%Q"], 2, &["%Q", "%t topic"]);
    refused(&["sub", "-t", "a", "-C", "0"], 2, &["0"]);
    refused(&["pub", "-t", "a", "-n", "-D", "publish", "colour", "red"], 2, &["colour", "content-type"]);
    refused(&["pub", "-t", "a", "-f", "/does/not/exist"], 1, &["-f /does/not/exist", "No such file"]);
}

#[test]
fn an_unknown_option_is_named_and_one_that_is_not_there_yet_explained() {
    refused(&["pub", "-t", "a", "-n", "--nope"], 2, &["--nope", "--help"]);
    refused(&["sub", "-t", "a", "--retained"], 2, &["--retained", "--retained-only"]);
    refused(&["pub", "-t", "a", "-n", "--cafile", "x"], 2, &["--cafile", "TLS"]);
    refused(&["sub", "-t", "a", "--unix", "x"], 2, &["--unix", "TCP"]);
}

/// What was given, or came, is repeated as far as it helps, and with nothing that a terminal would obey.
#[test]
fn nothing_that_is_long_or_strange_is_repeated_as_it_came() {
    let long = "a".repeat(70_000);
    let strange = format!("\u{1b}[2J\n\u{202e}{long}");
    let wildcard = format!("{strange}/#/");
    let (url, limit, assigned) = (format!("mqtt://{long}:x"), format!("{strange}=1"), format!("{strange}=x"));
    let host = format!("{}.invalid", strange.replace('\n', ""));
    #[rustfmt::skip]
    let all: [&[&str]; 27] = [
        &["pub", "-t", &wildcard, "-m", "x"],
        &["pub", "-t", "t", "-f", &strange],
        &["pub", "-t", "t", "-n", "-q", &strange],
        &["pub", "-t", "t", "-n", "-V", &strange],
        &["pub", "-t", "t", "-n", "-x", &strange],
        &["pub", "-t", "t", "-n", "-p", &strange],
        &["pub", "-t", "t", "-n", "-M", &strange],
        &["pub", "-t", "t", "-n", "--repeat", &strange],
        &["pub", "-t", "t", "-n", "--repeat-delay", &strange],
        &["pub", "-t", "t", "-n", &strange],
        &["pub", "-t", "t", "-n", &format!("--{strange}")],
        &["pub", "-t", "t", "-n", "-h", &host],
        &["pub", "-t", "t", "-n", "--will-topic", &wildcard],
        &["pub", "-t", "t", "-n", "-L", &url],
        &["pub", "-t", "t", "-n", "-D", &strange, "a", "b"],
        &["pub", "-t", "t", "-n", "-D", "publish", &strange, "b"],
        &["pub", "-t", "t", "-n", "-D", "publish", "payload-format-indicator", &strange],
        &["sub", "-t", &wildcard],
        &["sub", "-t", "t", "-T", &wildcard],
        &["sub", "-U", &wildcard],
        &["sub", "-t", "t", "-F", &format!("{strange}%Q")],
        &["sub", "-t", "t", "-W", &strange],
        &["check", &strange],
        &["check", "127.0.0.1:1", "--only", &strange],
        &["explain", &strange],
        &["broker", "--limit", &limit],
        &["broker", "--listen", &strange],
    ];
    let broker = [&["broker", "--limit", &assigned][..], &["broker", "--lenient", &strange], &[&strange]];
    for words in all.iter().chain(&broker) {
        let output = Command::new(env!("CARGO_BIN_EXE_tidewire")).args(*words).stdin(Stdio::null()).output();
        let output = output.expect("the binary runs");
        assert!(matches!(output.status.code(), Some(1 | 2)), "{:?}", output.status);
        assert_harmless(&said(&output), words[0], words[words.len() - 1]);
    }
}

/// One line that fits on a screen.
fn assert_harmless(said: &str, tool: &str, last: &str) {
    let who = format!("{tool} … {}", last.chars().take(20).collect::<String>().escape_debug());
    assert!(said.len() < 1000, "{who}: {} bytes are said", said.len());
    assert!(said.lines().count() == 1, "{who}: {} lines are said", said.lines().count());
    let is_harmless = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
    assert!(said.chars().all(is_harmless), "{who}: {}", said.escape_debug());
}

#[test]
fn what_others_chose_is_not_repeated_as_it_came_either() {
    let broker = broker();
    let (long, deep) = ("a".repeat(60_000), "$SYS/".to_owned() + &"b".repeat(60_000));
    let refused = broker.tool(&["pub", "-t", &deep, "-q", "1", "-m", "x"]).output().expect("it was built");
    assert_eq!(refused.status.code(), Some(0x87));
    assert_harmless(&said(&refused), "pub", "$SYS/bbb");
    let subscriber = broker.subscriber(&["-t", "+", "-F", "%J", "-C", "1"]);
    broker.publish(&["-t", &long, "-m", "no JSON"]);
    broker.publish(&["-t", "a", "-m", "{}"]);
    assert_harmless(&subscriber.says(), "sub", "%J");
}

#[test]
fn each_tool_says_its_version() {
    for words in [
        &["--version"][..],
        &["pub", "--version"],
        &["rr", "--version"],
        &["sub", "--version"],
        &["broker", "--version"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_tidewire")).args(words).output().expect("it was built");
        let printed = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", said(&output));
        assert!(printed.starts_with("tidewire") && printed.contains(env!("CARGO_PKG_VERSION")), "{printed}");
    }
}

#[test]
fn a_server_that_is_not_there_is_named_with_what_to_do() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound");
    let port = nobody.port().to_string();
    for words in [&["pub", "-n"][..], &["sub"]] {
        let place = [words, &["-t", "a", "-h", "127.0.0.1", "-p", &port]].concat();
        refused(&place, 1, &[&nobody.to_string(), "refused", "-h and -p"]);
        let place = [words, &["-t", "a", "-h", "no.such.host.invalid"]].concat();
        refused(&place, 1, &["no.such.host.invalid:1883", "-h and -p"]);
    }
}

/// It ends with this code, and one line says so with all of these words.
fn is_explained(output: &Output, code: i32, expected: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.lines().count() == 1 && expected.iter().all(|word| said.contains(word)), "{said}");
}

#[test]
fn what_the_server_refuses_is_explained() {
    let broker = broker();
    for (words, code, expected) in [
        (&["pub", "-t", "$SYS/x", "-q", "1", "-m", "x"][..], 0x87, &["$SYS/x", "0x87", "server's own"][..]),
        (&["pub", "-t", "$SYS/x", "-q", "2", "-m", "x"], 0x87, &["$SYS/x", "0x87", "server's own"]),
    ] {
        is_explained(&broker.tool(words).output().expect("it was built"), code, expected);
    }
    let server = Server::once(|wire| {
        wire.lets_in(true);
        wire.grants(true, 0x9e);
    });
    let output = tool(server.address, &["sub", "-t", "$share/g/t"]).output().expect("it was built");
    is_explained(&output, 0x9e, &["$share/g/t", "0x9e", "leave out $share"]);
    server.join();
    // Before 5.0 a server has no words for it.
    broker.publish(&["-V", "311", "-t", "$SYS/x", "-q", "1", "-m", "x"]);
}

#[test]
fn a_payload_that_is_too_large_is_told_with_what_is_not() {
    let broker = broker();
    let large = vec![0; 70_000];
    for qos in ["0", "1", "2"] {
        let output = broker.pipe(&["-t", "t", "-q", qos, "-s"], &large);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.lines().count() == 1 && said.contains("70000") && said.contains("65536"), "{said}");
    }
    // Before 5.0 a server can only close, whatever is tried again.
    let output = broker.pipe(&["-V", "311", "-t", "t", "-q", "1", "-s", "--patience", "1"], &large);
    assert_eq!(output.status.code(), Some(27));
    assert!(said(&output).contains("too large"), "{}", said(&output));
}
