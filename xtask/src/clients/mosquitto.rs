//! mosquitto_pub and mosquitto_sub, as people use them in scripts.
use crate::Result;
use crate::count::Count;
use crate::shell::{Running, command, run as run_command};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

type Check = fn(&Clients<'_>) -> Result;

const CHECKS: [(&str, Check); 4] = [
    ("every QoS arrives", every_qos_arrives),
    ("retained messages are kept and cleared", retained),
    ("a will is published", will),
    ("a session keeps what came while it was away", session),
];

pub(super) fn all(broker: SocketAddr) -> Result<Count> {
    let mut count = Count::default();
    for version in ["mqttv31", "mqttv311", "mqttv5"] {
        for (name, check) in CHECKS {
            count += match check(&Clients { broker, version }) {
                Ok(()) => Count::PASSED,
                Err(error) => {
                    println!("{name}, {version}: {error}");
                    Count::FAILED
                }
            };
        }
    }
    Ok(count)
}

pub(super) struct Clients<'a> {
    pub(super) broker: SocketAddr,
    pub(super) version: &'a str,
}

impl Clients<'_> {
    fn program(&self, name: &str, words: &[&str]) -> Command {
        let mut program = command(name);
        program.args(["-h", &self.broker.ip().to_string(), "-p", &self.broker.port().to_string()]);
        program.args(["-V", self.version]).args(words);
        program
    }

    pub(super) fn publish(&self, words: &[&str]) -> Result {
        run_command(self.program("mosquitto_pub", words))
    }

    /// Returns when SUBACK has come.
    pub(super) fn subscribe(&self, words: &[&str]) -> Result<Running> {
        let running = self.listen(words)?;
        let subscribed = |line: &str| line.starts_with("Subscribed").then_some(());
        running.wait_for(PATIENCE, subscribed).ok_or("SUBACK did not come")?;
        Ok(running)
    }

    /// Tells of messages in lines of `GOT QOS RETAIN TOPIC PAYLOAD`.
    fn listen(&self, words: &[&str]) -> Result<Running> {
        let mut program = command("stdbuf");
        let plain = self.program("mosquitto_sub", words);
        program.args(["-oL", "-eL"]).arg(plain.get_program()).args(plain.get_args());
        program.args(["-d", "-F", "GOT %q %r %t %p"]);
        Running::start(program)
    }
}

pub(super) fn gets(subscriber: &Running, expected: &str) -> Result {
    let got = subscriber.wait_for(PATIENCE, |line| line.strip_prefix("GOT ").map(str::to_owned));
    match got {
        Some(got) if got == expected => Ok(()),
        got => Err(format!("expected `{expected}`, got {got:?}").into()),
    }
}

fn every_qos_arrives(clients: &Clients<'_>) -> Result {
    let topic = format!("mosquitto/{}/qos", clients.version);
    for granted in ["0", "1", "2"] {
        let mut subscriber = clients.subscribe(&["-t", &topic, "-q", granted])?;
        for qos in ["0", "1", "2"] {
            clients.publish(&["-t", &topic, "-q", qos, "-m", "hello"])?;
            gets(&subscriber, &format!("{} 0 {topic} hello", qos.min(granted)))?;
        }
        subscriber.kill();
    }
    Ok(())
}

fn retained(clients: &Clients<'_>) -> Result {
    let topic = format!("mosquitto/{}/kept", clients.version);
    clients.publish(&["-t", &topic, "-q", "1", "-r", "-m", "kept"])?;
    gets(&clients.subscribe(&["-t", &topic, "-q", "1"])?, &format!("1 1 {topic} kept"))?;
    clients.publish(&["-t", &topic, "-q", "1", "-r", "-n"])?;
    let subscriber = clients.subscribe(&["-t", &topic])?;
    clients.publish(&["-t", &topic, "-m", "after"])?;
    gets(&subscriber, &format!("0 0 {topic} after"))
}

fn will(clients: &Clients<'_>) -> Result {
    let topic = format!("mosquitto/{}/will", clients.version);
    let subscriber = clients.subscribe(&["-t", &topic, "-q", "1"])?;
    let mut gone = clients.subscribe(&[
        "-t",
        "mosquitto/nothing",
        "--will-topic",
        &topic,
        "--will-payload",
        "gone",
        "--will-qos",
        "1",
    ])?;
    gone.kill();
    gets(&subscriber, &format!("1 0 {topic} gone"))
}

fn session(clients: &Clients<'_>) -> Result {
    let topic = format!("mosquitto/{}/session", clients.version);
    let id = format!("mosquitto-{}", clients.version);
    let mut words = vec!["-t", &topic, "-q", "1", "-i", &id, "-c"];
    if clients.version == "mqttv5" {
        words.extend(["-x", "60"]);
    }
    clients.subscribe(&words)?.kill();
    clients.publish(&["-t", &topic, "-q", "1", "-m", "while you were away"])?;
    gets(&clients.listen(&words)?, &format!("1 0 {topic} while you were away"))
}
