//! Debian's RabbitMQ with its plugin for MQTT, as whoever runs this, with ports, names and files of its own.
use super::matrix::Column;
use super::{Folder, Rows, USER, free_address, ready};
use crate::Result;
use crate::packages::RABBITMQ_SERVER;
use crate::shell::{Running, command};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// One of three ports may be taken between the moment when it was free and the one when it is wanted.
const ATTEMPTS: u32 = 3;

pub(super) fn with(rows: &Rows<'_>) -> Result<Vec<Column>> {
    let mut last = "it was not tried".into();
    for _ in 0..ATTEMPTS {
        let folder = Folder::new("rabbitmq")?;
        match RabbitMq::start(&folder.0) {
            Ok(server) => return Ok(rows(server.address)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

struct RabbitMq {
    address: SocketAddr,
    _running: Running,
    /// Erlang's register of names: started here, or it would start one that goes on for ever.
    _names: Running,
}

impl RabbitMq {
    fn start(folder: &Path) -> Result<Self> {
        let (address, names, nodes) = (free_address()?, free_address()?.port(), free_address()?.port());
        let names_running = start_names(names)?;
        std::fs::write(folder.join("enabled_plugins"), "[rabbitmq_mqtt].\n")?;
        let text = format!(
            "listeners.tcp = none\nmqtt.listeners.tcp.1 = {address}\n\
             mqtt.allow_anonymous = true\nmqtt.default_user = {USER}\nmqtt.default_pass = {USER}\n\
             log.console = true\nlog.file = false\n"
        );
        std::fs::write(folder.join("rabbitmq.conf"), text)?;
        let mut rabbitmq = command(RABBITMQ_SERVER);
        for (name, file) in FILES {
            rabbitmq.env(name, folder.join(file));
        }
        rabbitmq.env("ERL_EPMD_PORT", names.to_string()).env("RABBITMQ_DIST_PORT", nodes.to_string());
        rabbitmq.envs(SETTINGS);
        let running = Running::start(rabbitmq)?;
        ready(&running, STARTS_WITHIN, |line| line.contains("Server startup complete"))?;
        Ok(Self { address, _running: running, _names: names_running })
    }
}

fn start_names(port: u16) -> Result<Running> {
    let mut names = command("epmd");
    names.args(["-d", "-d", "-port", &port.to_string(), "-address", "127.0.0.1"]);
    let running = Running::start(names)?;
    ready(&running, STARTS_WITHIN, |line| line.contains("entering the main select() loop"))?;
    Ok(running)
}

/// All that it reads and writes. At home it keeps a secret.
const FILES: [(&str, &str); 9] = [
    ("HOME", ""),
    ("RABBITMQ_CONF_ENV_FILE", "none"),
    ("RABBITMQ_CONFIG_FILE", "rabbitmq.conf"),
    ("RABBITMQ_ENABLED_PLUGINS_FILE", "enabled_plugins"),
    ("RABBITMQ_GENERATED_CONFIG_DIR", "generated"),
    ("RABBITMQ_LOG_BASE", "log"),
    ("RABBITMQ_MNESIA_BASE", "mnesia"),
    ("RABBITMQ_PID_FILE", "pid"),
    ("RABBITMQ_SCHEMA_DIR", "schema"),
];

const SETTINGS: [(&str, &str); 5] = [
    ("ERL_EPMD_ADDRESS", "127.0.0.1"),
    ("RABBITMQ_LOGS", "-"),
    ("RABBITMQ_NODENAME", "rows@localhost"),
    ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}"),
    // Then its script becomes the server, and does not stay in front of it.
    ("RUNNING_UNDER_SYSTEMD", "true"),
];
