//! Requests, and who answers them.
use super::broker::Broker;
use super::support::{Running, broker, fed, said, tool};
use crate::server::Server;
use std::process::{Command, Output, Stdio};
use tidewire_tokio::{QoS, Version, connect};
use tokio::runtime::{Builder, Runtime};

/// Says at `double` what is asked there, twice; until it is dropped.
struct Responder(Runtime);

impl Responder {
    /// Where the request says, with what ties the answer to it.
    fn of_5(broker: &Broker) -> Self {
        Self::start(broker, Version::V5, None)
    }

    /// There, whatever the request says.
    fn at(broker: &Broker, answers: &'static str) -> Self {
        Self::start(broker, Version::V3_1_1, Some(answers))
    }

    fn start(broker: &Broker, version: Version, answers: Option<&'static str>) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let url = format!("mqtt://{}", broker.address);
        let (client, mut requests) = runtime.block_on(async {
            let client = connect(url).version(version).await.expect("the broker is up");
            let requests = client.subscribe("double").await.expect("it is granted");
            (client, requests)
        });
        runtime.spawn(async move {
            while let Some(request) = requests.next().await {
                let text = request.text().expect("text").into_owned();
                let answer = match answers {
                    Some(topic) => client.publish(topic, text.repeat(2)),
                    None => client.reply(&request, text.repeat(2)),
                };
                answer.qos(QoS::AtMostOnce).await.expect("the broker is up");
            }
        });
        Self(runtime)
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        std::mem::replace(&mut self.0, runtime).shutdown_background();
    }
}

fn request(broker: &Broker, words: &[&str]) -> Output {
    broker.tool(&[&["rr", "-W", "20"], words].concat()).output().expect("it was built")
}

fn printed(output: &Output) -> (Option<i32>, String, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), said(output))
}

fn answered(text: &str) -> (Option<i32>, String, String) {
    (Some(0), text.to_owned(), String::new())
}

#[test]
fn the_first_answer_is_printed_in_the_manner_that_was_asked_for() {
    let broker = broker();
    let _responder = Responder::of_5(&broker);
    let asked = ["-t", "double", "-e", "answers/1", "-m", "ab"];
    for (how, text) in [
        (&[][..], "abab\n"),
        (&["-v"], "answers/1 abab\n"),
        (&["-N"], "abab"),
        (&["-F", "%t|%p|%q", "-q", "2"], "answers/1|abab|0\n"),
        (&["-D", "publish", "correlation-data", "tied", "-F", "%D %p"], "tied abab\n"),
    ] {
        assert_eq!(printed(&request(&broker, &[&asked[..], how].concat())), answered(text), "{how:?}");
    }
}

#[test]
fn before_5_the_topic_alone_ties_the_answer() {
    let broker = broker();
    let _responder = Responder::at(&broker, "answers/3");
    for version in ["31", "311"] {
        let output =
            request(&broker, &["-V", version, "-t", "double", "-e", "answers/3", "-q", "1", "-m", "x"]);
        assert_eq!(printed(&output), answered("xx\n"));
    }
}

#[test]
fn each_line_is_a_request_once_the_one_before_is_answered() {
    let broker = broker();
    let _responder = Responder::of_5(&broker);
    let words = ["rr", "-W", "20", "-t", "double", "-e", "a", "-q", "1", "-l"];
    assert_eq!(printed(&fed(broker.tool(&words), b"1\n2\n3\n")), answered("11\n22\n33\n"));
    assert_eq!(printed(&fed(broker.tool(&words), b"")), answered(""));
}

/// Another's, and one that was there before.
#[test]
fn what_is_no_answer_is_not_printed() {
    let broker = broker();
    broker.publish(&["-t", "a", "-r", "-q", "1", "-m", "stale"]);
    let mut requester = Running::subscribed(broker.tool(&[
        "rr",
        "-d",
        "-W",
        "20",
        "-t",
        "q",
        "-e",
        "a",
        "-m",
        "x",
        "-D",
        "publish",
        "correlation-data",
        "mine",
    ]));
    requester.waits_for("asked");
    broker.publish(&["-t", "a", "-m", "another's", "-D", "publish", "correlation-data", "other"]);
    broker.publish(&["-t", "a", "-m", "right", "-D", "publish", "correlation-data", "mine"]);
    requester.prints("right\n");
}

#[test]
fn who_does_not_say_whose_it_is_answers_all() {
    let broker = broker();
    let mut requester =
        Running::subscribed(broker.tool(&["rr", "-d", "-W", "20", "-t", "q", "-e", "a", "-m", "x"]));
    requester.waits_for("asked");
    broker.publish(&["-t", "a", "-m", "plain"]);
    requester.prints("plain\n");
}

#[test]
fn without_an_answer_in_time_it_ends_with_a_line() {
    // Somebody listens and says nothing.
    let broker = broker();
    let _silent = broker.subscriber(&["-t", "q"]);
    for qos in ["0", "1", "2"] {
        let words = ["rr", "-W", "0.2", "-t", "q", "-e", "a", "-q", qos, "-m", "x"];
        let output = broker.tool(&words).output().expect("it was built");
        let (code, out, said) = printed(&output);
        assert_eq!((code, out.as_str()), (Some(27), ""), "{said}");
        assert_eq!(said, "tidewire: q: no answer came: the time is up: 0.2 s (-W)\n");
    }
}

#[test]
fn a_server_that_knows_that_nobody_listens_is_believed() {
    let server = Server::once(|wire| {
        wire.lets_in(true);
        wire.grants(true, 1);
        let (first, publish) = wire.packet();
        assert_eq!(first, 0x32, "PUBLISH with QoS 1");
        wire.says(&[0x40, 3, publish[3], publish[4], 0x10]);
        wire.rest();
    });
    let output = tool(server.address, &["rr", "-t", "q", "-e", "a", "-q", "1", "-m", "x"]).output();
    let (code, _, said) = printed(&output.expect("it was built"));
    assert_eq!(code, Some(0x10), "{said}");
    assert!(said.starts_with("tidewire: q: nobody subscribes to it"), "{said}");
    server.join();
}

#[test]
fn what_is_missing_is_asked_for() {
    for (words, word) in [
        (&["-t", "q", "-m", "x"][..], "-e answers/me"),
        (&["-e", "a", "-m", "x"], "-t lights/kitchen"),
        (&["-t", "q", "-e", "a"], "-m TEXT"),
        (&["-t", "q", "-e", "a/#", "-m", "x"], "name one topic"),
        (&["-t", "q", "-e", "a", "-m", "x", "-D", "publish", "response-topic", "b"], "leave out one"),
    ] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_tidewire")).arg("rr").args(words).stdin(Stdio::null()).output();
        let (code, _, said) = printed(&output.expect("it was built"));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.lines().count() == 1 && said.contains(word), "{words:?}: {said}");
    }
}

/// Debian's, if it is here: it hears what ours would.
#[test]
fn the_other_makers_tool_is_answered_as_well() {
    let broker = broker();
    let _responder = Responder::of_5(&broker);
    let (ip, port) = (broker.address.ip().to_string(), broker.address.port().to_string());
    let words = ["-h", &ip, "-p", &port, "-t", "double", "-e", "answers/1", "-m", "ab", "-W", "20", "-v"];
    match Command::new("mosquitto_rr").args(words).stdin(Stdio::null()).output() {
        Ok(output) => assert_eq!(printed(&output), answered("answers/1 abab\n")),
        Err(_) => println!("skipped: there is no mosquitto_rr; apt install mosquitto-clients"),
    }
}
