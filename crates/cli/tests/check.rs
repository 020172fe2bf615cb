//! `tidewire check` against a broker that keeps to the specification, and against one that does not.
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::time::Duration;
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

#[test]
fn a_broker_that_answers_anything_with_the_same_is_found_out() {
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
    let (code, said, errors) = check(&["--only", "publish-qos-1", "--patience", "1", &address]);
    assert_eq!(code, Some(1));
    assert!(said.contains("FAILED publish-qos-1, 5.0") && said.contains("came: "), "{said}");
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
        (&[], 2, "HOST:PORT"),
    ] {
        let (said_code, said, errors) = check(arguments);
        assert_eq!((said_code, said.as_str()), (Some(code), ""), "{arguments:?}");
        assert!(errors.contains(word) && errors.lines().count() == 1, "{arguments:?}: {errors}");
    }
    let (code, said, _) = check(&["--list"]);
    assert!(code == Some(0) && said.lines().count() > 50);
}
