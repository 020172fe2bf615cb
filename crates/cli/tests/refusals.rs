//! What is said to somebody who asks for something that can't be had: one line, and an exit code.
use std::net::TcpListener;
use std::process::{Command, Output};

fn tidewire(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidewire")).args(arguments).output().expect("the binary runs")
}

/// It fails with this code and says one line with all of these words.
fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    let output = tidewire(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    assert!(said.starts_with("tidewire: "), "{said}");
    for word in words {
        assert!(said.contains(word), "{arguments:?}: no `{word}` in {said}");
    }
    assert!(output.stdout.is_empty(), "{arguments:?}: nothing was started");
}

#[test]
fn an_unknown_option_is_named_with_one_like_it() {
    refused(&["broker", "--lisen", "127.0.0.1:0"], 2, &["--lisen", "--listen", "--help"]);
    refused(&["borker"], 2, &["borker", "broker"]);
}

#[test]
fn an_unknown_limit_is_named_with_the_way_to_the_table() {
    refused(&["broker", "--limit", "colour=7"], 2, &["colour", "--limit help"]);
    refused(&["broker", "--limit", "paket_bytes=7"], 2, &["paket_bytes", "mean `packet_bytes`"]);
    refused(&["broker", "--limit", "packet_bytes"], 2, &["packet_bytes", "value"]);
}

#[test]
fn a_value_that_makes_no_sense_is_named_with_one_that_does() {
    refused(&["broker", "--shards", "0"], 2, &["--shards", "0"]);
    refused(&["broker", "--shards", "many"], 2, &["--shards", "many"]);
    refused(&["broker", "--runtime", "smol"], 2, &["--runtime", "smol", "tokio, mio"]);
    refused(&["broker", "--runtime"], 2, &["--runtime", "tokio, mio"]);
    refused(&["broker", "--limit", "packet_bytes=big"], 2, &["packet_bytes", "big", "64KiB"]);
    refused(&["broker", "--limit", "packet_bytes=0"], 2, &["packet_bytes"]);
    refused(&["broker", "--listen", "1883"], 2, &["1883", "127.0.0.1:1883"]);
    refused(&["broker", "--listen", "127.0.0.1:mqtt"], 2, &["mqtt", "127.0.0.1:1883"]);
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = taken.local_addr().expect("bound").to_string();
    refused(&["broker", "--listen", &address], 1, &[&address, "in use", "another port"]);
}

#[test]
fn an_address_of_another_machine_is_named_with_what_to_do() {
    // TEST-NET-1: nobody has it.
    let listen = ["broker", "--allow-anonymous", "--listen", "192.0.2.1:0"];
    refused(&listen, 1, &["192.0.2.1", "no interface", "0.0.0.0"]);
}

#[test]
fn beyond_loopback_it_takes_a_decision() {
    refused(&["broker", "--listen", "0.0.0.0:0"], 2, &["0.0.0.0:0", "--allow-anonymous"]);
    refused(&["broker", "--listen", "127.0.0.1:0", "--listen", "[::]:0"], 2, &["[::]:0"]);
}

#[test]
fn help_goes_to_whom_it_was_asked_by() {
    let help = tidewire(&["broker", "--help"]);
    let text = String::from_utf8_lossy(&help.stdout);
    assert!(help.status.success() && help.stderr.is_empty());
    for option in ["--listen", "--shards", "--runtime", "--limit", "--limit help", "--allow-anonymous"] {
        assert!(text.contains(option), "no {option} in {text}");
    }
    let limits = tidewire(&["broker", "--limit", "help"]);
    assert!(limits.status.success() && limits.stderr.is_empty());
    assert!(String::from_utf8_lossy(&limits.stdout).contains("packet_bytes"));
    assert!(tidewire(&["--version"]).status.success());
    assert_eq!(tidewire(&[]).status.code(), Some(2));
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_reason_to_complain() {
    let command = format!("{} broker --help | true", env!("CARGO_BIN_EXE_tidewire"));
    let output = Command::new("sh").args(["-c", &command]).output().expect("sh runs");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
