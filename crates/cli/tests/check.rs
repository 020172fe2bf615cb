//! `tidewire check` against a broker that keeps to the specification, and against one that does not.
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::time::Duration;
use tidewire_conversation::{Script, scripts};
use tidewire_server::{Options, Server};

fn check(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_tidewire"))
        .arg("check")
        .args(arguments)
        .output()
        .expect("it can be started");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

tidewire_driver::on_each! {
    [tokio, mio, #[cfg(feature = "async-std")] async_std] { our_own_broker_passes }
}

fn our_own_broker_passes(runtime: &str) {
    let mut options = Options::default();
    options.broker.listen = vec!["127.0.0.1:0".into()];
    options.runtime = runtime.parse().expect("a runtime");
    let server = Server::start(&options).expect("a free port on loopback");
    let address = server.addresses().next().expect("it has one listener").to_string();
    let (code, said, errors) = check(&["--all", &address]);
    assert_eq!(code, Some(0), "{said}{errors}");
    assert!(said.ends_with(" conversations, 0 went another way\n"), "{said}");
    server.shutdown(Duration::ZERO);
    server.join();
}

/// A broker that answers whatever comes with CONNACK.
fn answers_the_same() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut buffer = [0; 1000];
                while matches!(stream.read(&mut buffer), Ok(n) if n > 0) {
                    if stream.write_all(&[0x20, 3, 0, 0, 0]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn a_broker_that_answers_anything_with_the_same_is_found_out() {
    let address = answers_the_same();
    let (code, said, errors) = check(&["--only", "connect-twice", "--patience", "1", &address]);
    assert_eq!(code, Some(1));
    let (_, source) = scripts::ALL.iter().find(|(name, _)| *name == "connect-twice").expect("it is there");
    let script = Script::parse(source).expect("it is a script");
    let line = 1 + source.lines().position(|line| line.contains("DISCONNECT")).expect("it ends so");
    let cited: Vec<_> = script.citations().iter().map(ToString::to_string).collect();
    let reported = format!(
        "FAILED connect-twice, 5.0: {}\n    line {line}: alice gets DISCONNECT ProtocolError\n    \
         came: CONNACK Success\n    cites: {}\n",
        script.title(),
        cited.join(", ")
    );
    assert!(said.contains(&reported), "{said}");
    let ended = "\n3 conversations, 3 went another way\n";
    assert!(said.contains("\n3.1 CONNECT: held 0, failed 3\n") && said.ends_with(ended), "{said}");
    assert!(errors.contains("does not keep to the specification"), "{errors}");
}

#[test]
fn a_program_reads_the_report_as_json() {
    let address = answers_the_same();
    let only = ["--json", "--only", "publish-qos-1", "--patience", "1", &address];
    let (code, said, _) = check(&only);
    assert_eq!((code, said.lines().count()), (Some(1), 1));
    let report: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&report["version"], &report["broker"]), (&json!(1), &json!(address)));
    let conversations = report["conversations"].as_array().expect("a list");
    let (held, failed) = (report["held"].as_u64(), report["failed"].as_u64());
    assert_eq!((held, failed), (Some(0), Some(conversations.len() as u64)));
    let of_5 = conversations.iter().find(|held| held["version"] == "5.0").expect("one of 5.0");
    assert_eq!((&of_5["name"], &of_5["result"]), (&json!("publish-qos-1"), &json!("failed")));
    assert!(of_5["title"].as_str().is_some_and(|title| title.starts_with("QoS 1: ")), "{of_5}");
    assert!(of_5["statements"].as_array().is_some_and(|all| all.contains(&json!("MQTT-4.3.2-2"))), "{of_5}");
    assert!(of_5["line"].is_u64() && of_5["step"].is_string(), "{of_5}");
    assert_eq!(of_5["came"], "CONNACK Success");
}

#[test]
fn a_section_means_what_is_said_there() {
    let listed = |only: &str| -> BTreeSet<String> {
        let (code, said, errors) = check(&["--list", "--all", "--only", only]);
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{only}");
        said.lines().map(|line| line.split(':').next().expect("a name").to_owned()).collect()
    };
    let (chapter, section, statement) = (listed("3.3"), listed("3.3.1"), listed("MQTT-3.3.1-2"));
    assert!(statement.contains("malformed-dup") && statement.len() < section.len(), "{statement:?}");
    assert_eq!(statement, listed("3.3.1-2"));
    assert!(statement.is_subset(&section) && section.is_subset(&chapter) && section.len() < chapter.len());
    assert!(!listed("3.1").contains("unsubscribe"), "3.10 is not in 3.1");
    assert!(listed("publish-qos").contains("publish-qos-1"));
}

#[test]
fn a_ladder_is_drawn_in_memory_and_over_the_wire() {
    let (code, said, errors) = check(&["--draw", "connect-and-ping", "--version", "3.1.1"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(said.starts_with("connect-and-ping, 3.1.1\n") && said.contains("<"), "{said}");
    let (code, said, errors) = check(&["--draw", "connect-twice", "--patience", "1", &answers_the_same()]);
    assert_eq!(code, Some(1));
    assert!(said.contains("CONNACK Success\n") && said.contains("20 03 00 00 00\n"), "{said}");
    assert!(said.contains("\nFAILED at line "), "{said}");
    assert!(errors.contains("does not keep to the specification"), "{errors}");
}

#[test]
fn a_mistake_is_answered_with_what_to_do() {
    let free = TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound");
    for (arguments, code, word) in [
        (&[&*free.to_string()][..], 1, "is a broker listening there?"),
        (&["tidewire.invalid:1883"], 1, "can't reach tidewire.invalid:1883"),
        (&["localhost"], 2, "say localhost:1883"),
        (&["localhost:1", "--only", "no such thing"], 2, "--list says which there are"),
        (&["localhost:1", "--only", "9.9"], 2, "they are about sections 1.5, 2.1, "),
        (&["localhost:1", "--only", "will-after-keep"], 2, "will-after-keep-alive: that needs time"),
        (&["localhost:1", "--only", "shared-death"], 2, "--all includes"),
        (&["localhost:1", "--draw", "keep-alive"], 2, "without HOST:PORT it is drawn in memory"),
        (&["--draw", "no such thing"], 2, "--list says which there are"),
        (&["--draw", "will-"], 2, ", others: say which"),
        (&["--draw", "connect-twice", "--version", "4"], 2, "5, 3.1.1 or 3.1"),
        (&["--draw", "no-local", "--version", "3.1"], 2, "no-local is for 5.0 only"),
        (&["localhost:1", "--version", "5"], 2, "--draw"),
        (&[], 2, "HOST:PORT"),
    ] {
        let (said_code, said, errors) = check(arguments);
        assert_eq!((said_code, said.as_str()), (Some(code), ""), "{arguments:?}");
        assert!(errors.contains(word) && errors.lines().count() == 1, "{arguments:?}: {errors}");
    }
    let (code, said, _) = check(&["--list"]);
    assert!(code == Some(0) && said.lines().count() > 50);
}
