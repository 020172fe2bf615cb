//! Packets by their names, with the fields that matter, in the words of a script.
use crate::property::Quoted;
use crate::read::{Seen, properties};
use std::fmt::Write;
use tidewire_core::codec::{
    Connect, DecodeError, Decoder, FilterNames, Filters, Item, Limits, Mode, Packet, Properties,
    RetainHandling, Will,
};
use tidewire_core::id::PacketId;
use tidewire_core::version::{Role, Version};

/// One direction of a connection.
pub(super) struct Direction {
    decoder: Decoder,
    /// What was no packet: behind it nothing can be told apart.
    fault: Option<DecodeError>,
    /// Of the run.
    version: Version,
}

impl Direction {
    /// What a server reads: it learns the version.
    pub(super) fn to_server(run: Version) -> Self {
        Self::new(Mode { role: Role::Server, version: None }, run)
    }

    /// What a client reads that speaks this version.
    pub(super) fn to_client(version: Version) -> Self {
        Self::new(Mode { role: Role::Client, version: Some(version) }, version)
    }

    fn new(mode: Mode, version: Version) -> Self {
        Self { decoder: Decoder::new(mode), fault: None, version }
    }

    /// The next packet off the front of `input`: what it is, and its bytes. `None` at the end. What its line of the
    /// script says decides what matters of it.
    pub(super) fn next<'i>(&mut self, input: &mut &'i [u8], step: &str) -> Option<(String, &'i [u8])> {
        let all = *input;
        if all.is_empty() {
            return None;
        }
        if self.fault.is_some() {
            *input = &[];
            return Some(("bytes behind what was no packet".to_owned(), all));
        }
        let held = self.decoder.held();
        let label = match self.decoder.next(&Limits::NONE, input) {
            Ok(Some(Item::Packet(packet))) => label(&packet, self.version, step),
            Ok(_) if held == 0 => "the beginning of a packet".to_owned(),
            Ok(_) => "more of it".to_owned(),
            Err(error) => {
                self.fault = Some(error);
                *input = &[];
                refused(all[0], error)
            }
        };
        Some((label, &all[..all.len() - input.len()]))
    }
}

/// What would be a packet of this kind.
fn refused(first: u8, error: DecodeError) -> String {
    const NAMES: [&str; 15] = [
        "CONNECT",
        "CONNACK",
        "PUBLISH",
        "PUBACK",
        "PUBREC",
        "PUBREL",
        "PUBCOMP",
        "SUBSCRIBE",
        "SUBACK",
        "UNSUBSCRIBE",
        "UNSUBACK",
        "PINGREQ",
        "PINGRESP",
        "DISCONNECT",
        "AUTH",
    ];
    let name = usize::from(first >> 4).checked_sub(1).and_then(|kind| NAMES.get(kind));
    name.map_or_else(|| format!("bytes: {error}"), |name| format!("a bad {name}: {error}"))
}

/// The version of a CONNECT is told if it is not that of the run.
fn label(packet: &Packet<'_>, run: Version, step: &str) -> String {
    match packet {
        Packet::Connect(connect) => of_connect(connect, run),
        Packet::Subscribe(subscribe) => {
            of_filters(&of_subscriptions(subscribe.filters), subscribe.packet_id, subscribe.properties)
        }
        Packet::Unsubscribe(unsubscribe) => {
            of_filters(&of_names(unsubscribe.filters), unsubscribe.packet_id, unsubscribe.properties)
        }
        Packet::Pingreq => "PINGREQ".to_owned(),
        other => Seen::of(other).map_or_else(String::new, |seen| of_server(seen, step)),
    }
}

/// Each CONNACK tells what the broker takes, and few lines are about that.
fn of_server(mut seen: Seen, step: &str) -> String {
    const LIMITS: [&str; 3] = ["receive_maximum", "maximum_packet_size", "topic_alias_maximum"];
    if let Seen::Connack { properties, .. } = &mut seen {
        properties
            .retain(|property| !LIMITS.contains(&property.kind.name) || step.contains(property.kind.name));
    }
    seen.to_string()
}

fn of_connect(connect: &Connect<'_>, run: Version) -> String {
    let mut label = format!("CONNECT {}", Quoted(connect.client_id.as_str().as_bytes()));
    if connect.version != run {
        label += match connect.version {
            Version::V3_1 => " version=3.1",
            Version::V3_1_1 => " version=3.1.1",
            Version::V5 => " version=5",
        };
    }
    label += if connect.clean_start { " clean_start" } else { "" };
    if connect.keep_alive > 0 {
        add(&mut label, format_args!(" keep_alive={}", connect.keep_alive));
    }
    if let Some(username) = connect.username {
        add(&mut label, format_args!(" username={}", Quoted(username.as_str().as_bytes())));
    }
    if let Some(password) = connect.password {
        add(&mut label, format_args!(" password={}", Quoted(password)));
    }
    if let Some(will) = &connect.will {
        of_will(&mut label, will);
    }
    of_properties(&mut label, "", connect.properties);
    label
}

fn of_will(label: &mut String, will: &Will<'_>) {
    let (topic, payload) = (Quoted(will.topic.as_str().as_bytes()), Quoted(will.payload));
    add(label, format_args!(" will_topic={topic} will_payload={payload} will_qos={}", will.qos.bits()));
    *label += if will.retain { " will_retain" } else { "" };
    of_properties(label, "will_", will.properties);
}

fn of_subscriptions(filters: Filters<'_>) -> String {
    let mut label = "SUBSCRIBE".to_owned();
    for (filter, options) in filters.iter() {
        add(&mut label, format_args!(" {} qos={}", Quoted(filter.as_bytes()), options.qos.bits()));
        label += if options.no_local { " no_local" } else { "" };
        label += if options.retain_as_published { " retain_as_published" } else { "" };
        if options.retain_handling != RetainHandling::Send {
            add(&mut label, format_args!(" retain_handling={}", options.retain_handling as u8));
        }
    }
    label
}

fn of_names(filters: FilterNames<'_>) -> String {
    let mut label = "UNSUBSCRIBE".to_owned();
    filters.iter().for_each(|filter| add(&mut label, format_args!(" {}", Quoted(filter.as_bytes()))));
    label
}

fn of_filters(filters: &str, id: PacketId, properties: Properties<'_>) -> String {
    let mut label = format!("{filters} id={}", id.get());
    of_properties(&mut label, "", properties);
    label
}

/// As a script has them: `will_delay_interval` has its prefix already.
fn of_properties(label: &mut String, prefix: &str, of: Properties<'_>) {
    for property in properties(of) {
        let prefix = if property.kind.name.starts_with(prefix) { "" } else { prefix };
        add(label, format_args!(" {prefix}{property}"));
    }
}

fn add(label: &mut String, text: std::fmt::Arguments<'_>) {
    label.write_fmt(text).expect("a String takes any text");
}
