//! From text to steps.
mod values;

use crate::citation::Citation;
use crate::packet::{AckKind, Connect, Expected, Filter, Outgoing, Publish, Reasons, Will};
use crate::text::{Line, ScriptError, Token};
use core::time::Duration;
use tidewire_core::broker::Limits;
use tidewire_core::qos::QoS;
use tidewire_core::version::Version;
use values::{
    duration, id, is_name, one_reason, properties, property, qos, reason_list, reasons, short, version,
};

/// A conversation, ready to be run.
#[derive(Clone, Debug)]
pub struct Script {
    title: String,
    versions: Vec<Version>,
    needs_tidewire: bool,
    limits: Limits,
    citations: Vec<Citation>,
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) comment: String,
    pub(crate) doing: Doing,
}

#[derive(Clone, Debug)]
pub(crate) enum Doing {
    Wait(Duration),
    Client { who: String, what: What },
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Open(Option<Version>),
    Send(Outgoing),
    Expect(Vec<Expected>),
    ExpectNothing,
    ExpectClosed,
    ExpectRefused(Reasons),
    Close,
    Cut,
}

impl Script {
    /// Reads a script, or says where it is not one.
    pub fn parse(source: &str) -> Result<Self, ScriptError> {
        let title = source.lines().find_map(|line| line.trim().strip_prefix('#')).unwrap_or("").trim();
        let mut script = Self {
            title: title.to_owned(),
            versions: vec![Version::V5],
            needs_tidewire: false,
            limits: Limits::default(),
            citations: vec![],
            steps: vec![],
        };
        for (index, text) in source.lines().enumerate() {
            let mut line = Line::new(index + 1, text)?;
            for citation in Citation::all_in(line.comment()) {
                if !script.citations.contains(&citation) {
                    script.citations.push(citation);
                }
            }
            if !line.is_empty() {
                script.line(&mut line, text)?;
                line.end()?;
            }
        }
        Ok(script)
    }

    /// Its first comment.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What its comments cite, each once: numbered statements, and sections as a whole.
    pub fn citations(&self) -> &[Citation] {
        &self.citations
    }

    /// The numbered statements among what it cites.
    pub fn statements(&self) -> impl Iterator<Item = &Citation> {
        self.citations.iter().filter(|citation| citation.is_statement())
    }

    /// What to run it with.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// Does it rest on a decision that other brokers may take differently?
    pub fn needs_tidewire(&self) -> bool {
        self.needs_tidewire
    }

    /// What its broker is to be limited to, as [`World::limited`](crate::World::limited) takes it.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Does it need other limits than a broker has unless it is told? No wire sets them.
    pub fn needs_limits(&self) -> bool {
        self.limits != Limits::default()
    }

    /// Does it let more time pass than anybody would want to wait?
    pub fn needs_virtual_time(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.doing, Doing::Wait(_)))
    }

    fn needs(&mut self, line: &mut Line<'_>) -> Result<(), ScriptError> {
        if line.accepts("tidewire") {
            return Ok(());
        }
        limit(&mut self.limits, line)?;
        while !line.is_empty() {
            limit(&mut self.limits, line)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &mut Line<'_>, text: &str) -> Result<(), ScriptError> {
        let doing = match line.word("a client, `wait`, `versions` or `needs`")? {
            "versions" => {
                self.versions.clear();
                while !line.is_empty() {
                    self.versions.push(version(line)?);
                }
                return Ok(());
            }
            "needs" => {
                self.needs_tidewire = true;
                return self.needs(line);
            }
            "wait" => Doing::Wait(duration(line)?),
            who => Doing::Client { who: who.to_owned(), what: what(line)? },
        };
        let (text, comment) = (text.trim().to_owned(), line.comment().to_owned());
        self.steps.push(Step { line: line.number(), text, comment, doing });
        Ok(())
    }
}

/// `limit=value`, as [`Limits::set`] takes both.
fn limit(limits: &mut Limits, line: &mut Line<'_>) -> Result<(), ScriptError> {
    const LIMIT: &str = "`tidewire`, or limits of it such as receive_maximum=2";
    let at_limit = line.fail(LIMIT);
    let Some(name) = line.key() else { return at_limit };
    line.take("a value that this limit can have", |token| match token {
        Token::Word(value) => limits.set(name, value).ok(),
        _ => None,
    })
}

fn what(line: &mut Line<'_>) -> Result<What, ScriptError> {
    const VERB: &str =
        "a verb: opens, connects, publishes, subscribes, unsubscribes, sends, gets, is, closes";
    let at_verb = line.fail(VERB);
    Ok(match line.word(VERB)? {
        "opens" => What::Open(match line.key() {
            Some("version") => Some(version(line)?),
            _ => None,
        }),
        "connects" => What::Send(Outgoing::Connect(connect(line)?)),
        "publishes" => What::Send(Outgoing::Publish(publish(line)?)),
        "subscribes" => What::Send(subscribe(line)?),
        "unsubscribes" => What::Send(unsubscribe(line)?),
        "sends" => What::Send(sends(line)?),
        "gets" if line.accepts("nothing") => What::ExpectNothing,
        "gets" => What::Expect(expected(line)?),
        "closes" => What::Close,
        "is" if line.accepts("closed") => What::ExpectClosed,
        "is" if line.accepts("cut") => What::Cut,
        "is" if line.accepts("refused") => What::ExpectRefused(reasons(line)?),
        "is" => return line.fail("`closed`, `refused` or `cut`"),
        _ => return at_verb,
    })
}

fn connect(line: &mut Line<'_>) -> Result<Connect, ScriptError> {
    let mut connect = Connect {
        version: None,
        client_id: line.bytes("a Client Identifier in quotes")?,
        clean_start: false,
        keep_alive: 0,
        username: None,
        password: None,
        will: None,
        properties: vec![],
    };
    let will = |connect: &mut Connect| connect.will.take().unwrap_or_default();
    while !line.is_empty() {
        if line.accepts("clean_start") {
            connect.clean_start = true;
        } else if line.accepts("will_retain") {
            connect.will = Some(Will { retain: true, ..will(&mut connect) });
        } else {
            match line.key() {
                Some("version") => connect.version = Some(version(line)?),
                Some("keep_alive") => connect.keep_alive = short(line, "seconds, up to 65535")?,
                Some("username") => connect.username = Some(line.bytes("a text in quotes")?),
                Some("password") => connect.password = Some(line.bytes("a text in quotes")?),
                Some("will_topic") => {
                    connect.will =
                        Some(Will { topic: line.bytes("a topic in quotes")?, ..will(&mut connect) });
                }
                Some("will_payload") => {
                    let payload = line.bytes("a payload in quotes")?;
                    connect.will = Some(Will { payload, ..will(&mut connect) });
                }
                Some("will_qos") => connect.will = Some(Will { qos: qos(line)?, ..will(&mut connect) }),
                key => will_or_own_property(&mut connect, key, line)?,
            }
        }
    }
    Ok(connect)
}

/// `will_content_type` is a property of the will, `content_type` would be one of the CONNECT.
fn will_or_own_property(
    connect: &mut Connect,
    key: Option<&str>,
    line: &mut Line<'_>,
) -> Result<(), ScriptError> {
    let of_will = match key {
        Some("will_delay_interval") => key,
        _ => key.and_then(|key| key.strip_prefix("will_")),
    };
    match of_will {
        Some(_) => {
            let property = property(of_will, line)?;
            connect.will.get_or_insert_default().properties.push(property);
        }
        None => connect.properties.push(property(key, line)?),
    }
    Ok(())
}

fn publish(line: &mut Line<'_>) -> Result<Publish, ScriptError> {
    let mut publish = Publish {
        topic: line.bytes("a Topic Name in quotes")?,
        payload: line.bytes("a payload in quotes")?,
        qos: QoS::AtMostOnce,
        id: None,
        dup: false,
        retain: false,
        properties: vec![],
    };
    while !line.is_empty() && line.peek() != Some(&Token::Word("and")) {
        if line.accepts("retain") {
            publish.retain = true;
        } else if line.accepts("dup") {
            publish.dup = true;
        } else {
            match line.key() {
                Some("qos") => publish.qos = qos(line)?,
                Some("id") => publish.id = Some(id(line)?),
                key => publish.properties.push(property(key, line)?),
            }
        }
    }
    Ok(publish)
}

fn subscribe(line: &mut Line<'_>) -> Result<Outgoing, ScriptError> {
    let (mut filters, mut properties, mut packet_id) = (Vec::<Filter>::new(), vec![], None);
    while !line.is_empty() {
        if let Some(Token::Text(filter)) = line.peek() {
            filters.push(Filter { filter: filter.clone(), options: 0 });
            line.skip();
            continue;
        }
        let Some(filter) = filters.last_mut() else { return line.fail("a Topic Filter in quotes") };
        if line.accepts("no_local") {
            filter.options |= 0x04;
        } else if line.accepts("retain_as_published") {
            filter.options |= 0x08;
        } else {
            match line.key() {
                Some("qos") => filter.options |= qos(line)?.bits(),
                Some("retain_handling") => {
                    let handling = line.number_up_to(2, "0, 1 or 2")?;
                    filter.options |= handling.to_be_bytes()[3] << 4;
                }
                Some("id") => packet_id = Some(id(line)?),
                key => properties.push(property(key, line)?),
            }
        }
    }
    let Some(id) = packet_id else { return line.fail("`id=`") };
    Ok(Outgoing::Subscribe { id, filters, properties })
}

fn unsubscribe(line: &mut Line<'_>) -> Result<Outgoing, ScriptError> {
    let (mut filters, mut properties, mut packet_id) = (vec![], vec![], None);
    while !line.is_empty() {
        match line.key() {
            None => filters.push(line.bytes("a Topic Filter in quotes")?),
            Some("id") => packet_id = Some(id(line)?),
            key => properties.push(property(key, line)?),
        }
    }
    let Some(id) = packet_id else { return line.fail("`id=`") };
    Ok(Outgoing::Unsubscribe { id, filters, properties })
}

fn sends(line: &mut Line<'_>) -> Result<Outgoing, ScriptError> {
    if let Some(Token::Word(word)) = line.peek()
        && let Some(&(_, kind)) = AckKind::ALL.iter().find(|(name, kind)| name == word && !kind.lists())
    {
        line.skip();
        let id = id(line)?;
        return Ok(Outgoing::Ack { kind, id, reason: one_reason(line)?, properties: properties(line)? });
    }
    if line.accepts("PINGREQ") {
        return Ok(Outgoing::Pingreq);
    }
    if line.accepts("DISCONNECT") {
        return Ok(Outgoing::Disconnect { reason: one_reason(line)?, properties: properties(line)? });
    }
    if line.accepts("AUTH") {
        return Ok(Outgoing::Auth { reason: one_reason(line)?, properties: properties(line)? });
    }
    let mut bytes = vec![];
    while !line.is_empty() {
        const EXPECTED: &str = "a packet that a client sends, or bytes as two hexadecimal digits, or a text";
        bytes.extend(line.take(EXPECTED, |token| match token {
            Token::Word(word) if word.len() == 2 => u8::from_str_radix(word, 16).ok().map(|byte| vec![byte]),
            Token::Text(text) => Some(text.clone()),
            _ => None,
        })?);
    }
    Ok(Outgoing::Bytes(bytes))
}

/// Packets, with `and` between them.
fn expected(line: &mut Line<'_>) -> Result<Vec<Expected>, ScriptError> {
    let mut all = vec![];
    loop {
        all.push(one_expected(line)?);
        if !line.accepts("and") {
            return Ok(all);
        }
    }
}

fn one_expected(line: &mut Line<'_>) -> Result<Expected, ScriptError> {
    const PACKET: &str = "`nothing`, or a packet that a server sends";
    let not_a_packet = line.fail(PACKET);
    let name = line.word(PACKET)?;
    if let Some(&(_, kind)) = AckKind::ALL.iter().find(|(known, _)| *known == name) {
        let id = match line.peek() {
            Some(Token::Word(word)) if word.parse::<u16>().is_ok() || is_name(word) => Some(id(line)?),
            _ => None,
        };
        let reasons = if kind.lists() { reason_list(line)? } else { vec![reasons(line)?] };
        return Ok(Expected::Ack { kind, id, reasons, properties: properties(line)? });
    }
    Ok(match name {
        "CONNACK" => Expected::Connack {
            reasons: reasons(line)?,
            session_present: line.accepts("session_present"),
            properties: properties(line)?,
        },
        "PUBLISH" => Expected::Publish(publish(line)?),
        "PINGRESP" => Expected::Pingresp,
        "DISCONNECT" => Expected::Disconnect { reasons: reasons(line)?, properties: properties(line)? },
        "AUTH" => Expected::Auth { reasons: reasons(line)?, properties: properties(line)? },
        _ => return not_a_packet,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_script_is_shown_at_its_place() {
        for (source, line, column, expected) in [
            ("# t\nalice talks", 2, 7, "a verb"),
            ("alice gets PUBLICK", 1, 12, "`nothing`"),
            ("alice gets CONNACK Sucess", 1, 20, "Reason Codes"),
            ("alice subscribes qos=1 id=1", 1, 18, "a Topic Filter"),
            ("alice subscribes \"t\"", 1, 21, "`id=`"),
            ("alice publishes \"t\" \"p\" qos=3", 1, 29, "0, 1 or 2"),
            ("alice connects \"a\" colour=1", 1, 27, "an option"),
            ("alice is closed now", 1, 17, "the end of the line"),
            ("versions 4", 1, 10, "3.1, 3.1.1 or 5"),
            ("needs mosquitto", 1, 7, "`tidewire`, or limits"),
            ("needs maximum_qos=3", 1, 19, "a value"),
            ("wait 9 bars", 1, 6, "a time"),
            ("alice sends 3", 1, 13, "a packet that a client sends"),
        ] {
            let error = Script::parse(source).expect_err(source);
            assert_eq!((error.line, error.column), (line, column), "{source}: {error}");
            assert!(error.expected.starts_with(expected), "{source}: {error}");
        }
    }
}
