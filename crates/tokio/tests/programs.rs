//! The programs that people copy, against our server: each ends by itself, and asserts what it is for.
use std::time::Duration;
use tidewire_driver::suite::documented::run;
use tidewire_server::{Options, Server};

tidewire_driver::programs!(tokio, tidewire_tokio::serve, str::to_owned);

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
fn a_bridge_of_two_servers_loses_nothing() {
    let ((_here, here), (_there, there)) = (server(), server());
    let said = "branch/sales/shoes: 1\nbranch/sales/shoes: 2\nbranch/sales/shoes: 3\n";
    assert_eq!(run("bridge", &[here, there], PATIENCE), (true, said.to_owned(), String::new()));
}
