//! The programs that people copy, against our server: each ends by itself, and asserts what it is for.
use std::time::Duration;
use tidewire_driver::suite::documented::run;
use tidewire_server::{Options, Server};

const PATIENCE: Duration = Duration::from_secs(60);

fn server() -> (Server, String) {
    let mut options = Options::default();
    options.broker.listen = vec!["127.0.0.1:0".into()];
    options.broker.shards = Some(2);
    let server = Server::start(&options).expect("a free port on loopback");
    let address = server.addresses().next().expect("it has one listener");
    (server, format!("mqtt://{address}"))
}

/// It ends well, and has said this.
fn says(name: &str, said: &str) {
    let (_server, url) = server();
    assert_eq!(run(name, &[url], PATIENCE), (true, said.to_owned(), String::new()), "{name}");
}

#[test]
fn two_people_hear_each_other() {
    says("chat", "bob: hello yourself\n");
}

#[test]
fn a_device_that_was_away_gets_what_is_still_news() {
    says("push", "news/world: number 1\nnews/world: number 2\nnews/world: number 3\n");
}

#[test]
fn each_sum_is_billed_exactly_once() {
    says("billing", "billed: 5050\n");
}

#[test]
fn three_services_know_only_topics() {
    says("shop", "4 left, 18 points\n");
}

#[test]
fn a_burst_waits_for_its_worker() {
    says("peak", "100000 done\n");
}

#[test]
fn a_house_knows_its_lights() {
    says("lights", "2 of 3 lights are on\n");
}

#[test]
fn a_question_is_answered() {
    says("request", "42\n");
}

#[test]
fn a_bridge_of_two_servers_loses_nothing() {
    let ((_here, here), (_there, there)) = (server(), server());
    let said = "branch/sales/shoes: 1\nbranch/sales/shoes: 2\nbranch/sales/shoes: 3\n";
    assert_eq!(run("bridge", &[here, there], PATIENCE), (true, said.to_owned(), String::new()));
}

#[test]
fn a_broker_within_serves_its_program_and_others() {
    let said = "plant/state: up\nplant/7/bar: 5.2\n".to_owned();
    assert_eq!(run("within", &["127.0.0.1:0".to_owned()], PATIENCE), (true, said, String::new()));
}

#[test]
fn a_thousand_measurements_leave_before_the_goodbye() {
    says("telemetry", "");
}

#[test]
fn a_meter_finds_its_other_gateway() {
    let (_server, url) = server();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound");
    let (well, said, told) = run("bad_line", &[format!("mqtt://{free}"), url], PATIENCE);
    assert!(well && said.is_empty(), "{told}");
    let told: Vec<_> = told.lines().collect();
    assert_eq!(told[0], "the server could not be reached; again in Some(0ns)");
    let bye = ["the client said goodbye; again in None", "the client has ended: the client said goodbye"];
    assert_eq!(told[1..], [&["connected"][..], &bye].concat());
}
