//! A program that people copy, against our server.
use std::net::TcpListener;
use std::time::Duration;
use tidewire_driver::suite::documented::run;
use tidewire_mio::{Wait, connect};
use tidewire_server::{Options, Server};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_pump_does_what_it_is_told_until_the_server_goes() {
    let mut options = Options::default();
    options.broker.listen = vec!["127.0.0.1:0".into()];
    let server = Server::start(&options).expect("a free port on loopback");
    let url = format!("mqtt://{}", server.addresses().next().expect("it has one listener"));
    let pump = std::thread::spawn({
        let url = url.clone();
        move || run("commands", &[url], PATIENCE)
    });
    let operator = connect(url).wait().expect("it is let in");
    let mut pumps = operator.subscribe("pump-7/+").wait().expect("it is granted");
    let mut next = || pumps.next().wait_for(PATIENCE).expect("it comes in time").expect("it goes on");
    assert_eq!(next().text().as_deref(), Ok("ready"));
    operator.publish("pump-7/set", "faster").wait().expect("somebody listens");
    let heard =
        [next(), next()].map(|message| format!("{}: {}", message.topic, message.text().unwrap_or_default()));
    assert_eq!(heard, ["pump-7/set: faster", "pump-7/done: faster"]);
    // It waits for the server to come back; nobody does.
    server.shutdown(Duration::ZERO);
    server.join();
    drop(pump);
}

#[test]
fn a_broker_within_serves_its_program_and_others() {
    let said = "plant/state: up\nplant/7/bar: 5.2\n".to_owned();
    assert_eq!(run("within_blocking", &["127.0.0.1:0".to_owned()], PATIENCE), (true, said, String::new()));
}

#[test]
fn whoever_can_not_connect_says_why() {
    let free = TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound");
    let (well, said, told) = run("commands", &[format!("mqtt://{free}")], PATIENCE);
    assert!(!well && said.is_empty());
    assert!(told.starts_with("Error: no server let us in: the server could not be reached"), "{told}");
}
