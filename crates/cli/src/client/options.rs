//! The options that both tools have, in the letters of mosquitto's.
use super::properties::{self, Packet};
use super::url::Url;
use crate::say::{Failure, given};
use std::ffi::OsString;
use std::time::Duration;
use tidewire_core::client::{Acknowledge, Authentication, Config, Will};
use tidewire_core::codec::{PropertiesBuf, Property, PropertyError};
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::topic::TopicName;
use tidewire_core::version::Version;
use tidewire_driver::clients::{Endpoint, seed};

/// The longest packet that MQTT has room for.
const PACKET_BYTES: u32 = 268_435_460;

/// Messages that may come unacknowledged: a server that sends all of them again, after each of many breaks, still leaves
/// room on the line for acknowledgements.
const UNACKNOWLEDGED: u16 = 64;
/// The longest wait before another attempt.
const BACKOFF_MOST: Duration = Duration::from_secs(2);

/// Whom to connect to, and as whom.
#[derive(clap::Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Options {
    /// Where the server is [default: localhost]
    #[arg(short = 'h', long, value_name = "HOST")]
    host: Option<String>,

    /// Its port [default: 1883]
    #[arg(short, long, value_name = "PORT")]
    port: Option<u16>,

    #[arg(
        short = 'L',
        long,
        value_name = "URL",
        conflicts_with_all = ["host", "port"],
        help = "All at once: mqtt://[USER[:PASSWORD]@]HOST[:PORT][/TOPIC]"
    )]
    url: Option<String>,

    /// User name
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true)]
    username: Option<String>,

    /// Password
    #[arg(short = 'P', long = "pw", value_name = "PASSWORD", allow_hyphen_values = true)]
    password: Option<OsString>,

    /// Client Identifier [default: the server chooses one]
    #[arg(short, long, value_name = "ID", allow_hyphen_values = true)]
    id: Option<String>,

    /// Client Identifier: this, and the number of the process
    #[arg(short = 'I', long, value_name = "PREFIX", allow_hyphen_values = true, conflicts_with = "id")]
    id_prefix: Option<String>,

    /// Seconds between signs of life; 0 for none
    #[arg(short, long, value_name = "SECONDS", default_value_t = 60)]
    keepalive: u16,

    /// Go on with the session of this Client Identifier, and leave it behind
    #[arg(short = 'c', long = "disable-clean-session")]
    keep_session: bool,

    /// For how many seconds the server keeps the session; -1 for ever (5.0) [default: 0; with -c for ever]
    #[arg(
        short = 'x',
        long = "session-expiry-interval",
        value_name = "SECONDS",
        allow_hyphen_values = true,
        value_parser = expiry
    )]
    session_expiry: Option<u32>,

    /// Version of MQTT: 5, 311 or 31 [default: 5, and 311 with a server that does not know it]
    #[arg(short = 'V', long = "protocol-version", value_name = "VERSION", value_parser = version)]
    version: Option<Version>,

    /// A property of 5.0, as in -D publish content-type text/plain or -D connect user-property NAME VALUE; may be
    /// given several times
    #[arg(short = 'D', long = "property", value_name = "PACKET PROPERTY VALUE")]
    properties: Vec<OsString>,

    /// Topic of the Will, which the server publishes if this client vanishes
    #[arg(long, value_name = "TOPIC", allow_hyphen_values = true, help_heading = "Will")]
    will_topic: Option<String>,

    /// What the Will says [default: nothing]
    #[arg(
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        requires = "will_topic",
        help_heading = "Will"
    )]
    will_payload: Option<OsString>,

    /// QoS of the Will [default: 0]
    #[arg(long, value_name = "QOS", value_parser = qos, requires = "will_topic", help_heading = "Will")]
    will_qos: Option<QoS>,

    /// The Will is to be retained
    #[arg(long, requires = "will_topic", help_heading = "Will")]
    will_retain: bool,

    /// Say on the standard error what happens
    #[arg(short, long, help_heading = "Other")]
    pub(crate) debug: bool,

    /// Say nothing of what goes wrong; the exit code does
    #[arg(long, help_heading = "Other")]
    pub(crate) quiet: bool,

    /// As it is anyway
    #[arg(long, hide = true)]
    nodelay: bool,

    /// Print help
    #[arg(long, action = clap::ArgAction::Help, help_heading = "Other")]
    help: Option<bool>,

    /// Print version
    #[arg(long = "version", action = clap::ArgAction::Version, help_heading = "Other")]
    print_version: Option<bool>,
}

/// What the options come to.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) config: Config,
    pub(crate) server: Endpoint,
    /// The topic of the URL.
    pub(crate) topic: Option<String>,
    /// For PUBLISH.
    pub(crate) publish: PropertiesBuf,
    /// For SUBSCRIBE.
    pub(crate) subscription_identifier: Option<u32>,
    pub(crate) debug: bool,
}

impl Options {
    pub(crate) fn plan(&self) -> Result<Plan, Failure> {
        let url = self.url.as_deref().map(Url::parse).transpose()?;
        let (host, port) = match &url {
            Some(url) => (url.host, url.port),
            None => (self.host.as_deref().unwrap_or("localhost"), self.port),
        };
        let mut plan = Plan {
            config: self.config(url.as_ref())?,
            server: Endpoint::new(host, port.unwrap_or(1883)),
            topic: url.and_then(|url| url.topic).map(Into::into),
            publish: PropertiesBuf::new(),
            subscription_identifier: None,
            debug: self.debug,
        };
        self.add_properties(&mut plan)?;
        Ok(plan)
    }

    fn config(&self, url: Option<&Url<'_>>) -> Result<Config, Failure> {
        let version = if self.properties.is_empty() { self.version } else { Some(Version::V5) };
        let named = self.id.as_ref().is_some_and(|id| !id.is_empty()) || self.id_prefix.is_some();
        if self.keep_session && !named {
            return Err(Failure::Usage(
                "-c: a session that is kept needs a name: give it one with -i".into(),
            ));
        }
        if self.session_expiry == Some(u32::MAX) && !named {
            return Err(Failure::Usage("-x: a session without end needs a name: give it one with -i".into()));
        }
        let password = match (&self.password, url.and_then(|url| url.password)) {
            (Some(password), _) => Some(password.as_encoded_bytes().into()),
            (None, of_url) => of_url.map(|password| password.as_bytes().into()),
        };
        let username = self.username.as_deref().or(url.and_then(|url| url.username));
        if password.is_some() && username.is_none() && version.is_some_and(|version| !version.is_v5()) {
            return Err(Failure::Usage(
                "-P: before 5.0 a password needs a user name: say -u, or -V 5".into(),
            ));
        }
        let mut config = Config::default();
        config.client_id = self.client_id(version);
        config.version = version;
        config.clean_start = !self.keep_session;
        config.session_expiry_seconds = match (self.session_expiry, self.keep_session) {
            (Some(seconds), _) if version.is_none_or(Version::is_v5) => seconds,
            (_, true) => u32::MAX,
            (_, false) => 0,
        };
        config.keep_alive_seconds = self.keepalive;
        config.username = username.map(Into::into);
        config.password = password;
        config.will = self.will()?;
        config.acknowledge = Acknowledge::ByToken;
        config.maximum_packet_size = PACKET_BYTES;
        config.receive_maximum = UNACKNOWLEDGED;
        // Who was let in once comes back, for as long as it takes, and somebody watches.
        config.reconnect_at_first = false;
        config.backoff.most = BACKOFF_MOST;
        Ok(config)
    }

    fn client_id(&self, version: Option<Version>) -> Box<str> {
        match (&self.id, &self.id_prefix) {
            (Some(id), _) => id.as_str().into(),
            (None, Some(prefix)) => format!("{prefix}{}", std::process::id()).into(),
            // In 3.1 everybody has a name.
            (None, None) if version == Some(Version::V3_1) => {
                let random: String = seed().iter().take(7).map(|byte| format!("{byte:02x}")).collect();
                format!("tidewire-{random}").into()
            }
            (None, None) => Box::default(),
        }
    }

    fn will(&self) -> Result<Option<Will>, Failure> {
        let Some(topic) = &self.will_topic else { return Ok(None) };
        let topic = TopicName::new(topic).map_err(|error| {
            Failure::Usage(format!("--will-topic {}: {error}; as in lights/kitchen", given(topic)))
        })?;
        let payload = self.will_payload.clone().unwrap_or_default().into_encoded_bytes();
        if payload.len() > usize::from(u16::MAX) {
            return Err(Failure::Usage(format!(
                "--will-payload: it has {} bytes, and a Will has room for 65535",
                payload.len()
            )));
        }
        let publication =
            Publication::new(topic, payload).qos(self.will_qos.unwrap_or_default()).retain(self.will_retain);
        Ok(Some(Will { publication, delay_seconds: 0 }))
    }

    fn add_properties(&self, plan: &mut Plan) -> Result<(), Failure> {
        if self.properties.is_empty() {
            return Ok(());
        }
        if self.version.is_some_and(|version| !version.is_v5()) {
            return Err(Failure::Usage("-D: only 5.0 has properties: say -V 5".into()));
        }
        let mut seen = Vec::new();
        for option in &self.properties {
            let given = properties::Given::read(option)?;
            let (packet, property) = (given.packet, given.property());
            let twice = seen.contains(&(packet, property.id()));
            if twice && !matches!(property, Property::UserProperty(_)) {
                return Err(Failure::Usage(format!("-D {}: it is given twice", properties::shown(option))));
            }
            seen.push((packet, property.id()));
            let refused = |error| Failure::Usage(format!("-D {}: {error}", properties::shown(option)));
            match packet {
                Packet::Connect => add_to_connect(&mut plan.config, property).map_err(refused)?,
                Packet::Publish => plan.publish.push(property).map_err(refused)?,
                Packet::Subscribe => {
                    if let Property::SubscriptionIdentifier(identifier) = property {
                        plan.subscription_identifier = Some(identifier);
                    }
                }
                Packet::Will => match (&mut plan.config.will, property) {
                    (None, _) => {
                        return Err(Failure::Usage("-D will: there is no Will: say --will-topic".into()));
                    }
                    (Some(will), Property::WillDelayInterval(seconds)) => will.delay_seconds = seconds,
                    (Some(will), property) => {
                        will.publication = will.publication.clone().property(property).map_err(refused)?;
                    }
                },
            }
        }
        if plan.config.authentication.as_ref().is_some_and(|with| with.method.is_empty()) {
            return Err(Failure::Usage(
                "-D connect authentication-data: it needs an authentication-method, too".into(),
            ));
        }
        Ok(())
    }
}

/// Some of them the client has a place of its own for.
fn add_to_connect(config: &mut Config, property: Property<'_>) -> Result<(), PropertyError> {
    let nothing = || Authentication { method: Box::default(), data: None };
    match property {
        Property::SessionExpiryInterval(seconds) => config.session_expiry_seconds = seconds,
        Property::ReceiveMaximum(most) => config.receive_maximum = most,
        Property::TopicAliasMaximum(most) => config.topic_alias_maximum = most,
        Property::MaximumPacketSize(bytes) => config.maximum_packet_size = bytes,
        Property::AuthenticationMethod(method) => {
            config.authentication.get_or_insert_with(nothing).method = method.into();
        }
        Property::AuthenticationData(data) => {
            config.authentication.get_or_insert_with(nothing).data = Some(data.into());
        }
        property => config.properties.push(property)?,
    }
    Ok(())
}

pub(crate) fn qos(text: &str) -> Result<QoS, &'static str> {
    text.parse().ok().and_then(QoS::from_bits).ok_or("a QoS is 0, 1 or 2")
}

/// A time, in whole seconds or parts of one.
pub(crate) fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().map_err(|_| "a number of seconds, such as 0.5")?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "a number of seconds, such as 0.5")
}

/// The same, for what would be over before it began.
pub(crate) fn some_seconds(text: &str) -> Result<Duration, &'static str> {
    seconds(text).ok().filter(|time| !time.is_zero()).ok_or("a number of seconds, more than 0, such as 0.5")
}

fn version(text: &str) -> Result<Version, &'static str> {
    match text {
        "5" | "mqttv5" => Ok(Version::V5),
        "311" | "mqttv311" => Ok(Version::V3_1_1),
        "31" | "mqttv31" => Ok(Version::V3_1),
        _ => Err("a version is 5, 311 or 31"),
    }
}

fn expiry(text: &str) -> Result<u32, &'static str> {
    match text {
        "-1" | "∞" => Ok(u32::MAX),
        _ => text.parse().map_err(|_| "seconds from 0 to 4294967295, or -1 for ever"),
    }
}
