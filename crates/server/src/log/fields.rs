//! A line as the fields of an event of `tracing`, and back.
use super::TARGET;
use super::words::Line;
use std::fmt::{self, Write};
use tracing::Level;
use tracing::field::{Field, Visit};

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Something that a peer chose: in quotes.
    Text(String),
    /// A word of ours.
    Word(String),
    Number(u64),
}

/// The fields of a line, in their order.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) what: Option<String>,
    pub(super) named: Vec<(&'static str, Value)>,
    pub(super) why: Option<String>,
    pub(super) remedy: Option<String>,
    pub(super) more: Option<u64>,
    pub(super) seconds: Option<u64>,
}

/// Fields whose values peers choose.
const PEERS: [&str; 4] = ["client", "user", "topic", "behind"];

macro_rules! emit {
    ($level:expr, $line:expr) => {{
        let line = $line;
        tracing::event!(
            target: TARGET,
            $level,
            what = line.what,
            listener = line.listener.as_deref(),
            from = line.from.as_deref(),
            client = line.client.as_deref(),
            user = line.user.as_deref(),
            topic = line.topic.as_deref(),
            behind = line.behind.as_deref(),
            fault = line.fault,
            limit = line.limit,
            reason = line.reason.as_deref(),
            count = line.count,
            why = (!line.why.is_empty()).then_some(&*line.why),
            "do" = line.remedy.as_deref(),
            more = line.more(),
            seconds = line.more().map(|_| line.left_out.seconds),
        )
    }};
}

impl Line {
    /// How many of its kind were not written before it.
    fn more(&self) -> Option<u64> {
        (self.left_out.lines > 0).then_some(self.left_out.lines)
    }

    /// To the subscriber of this thread.
    pub(super) fn emit(&self) {
        // The level of an event is a constant.
        match self.level {
            Level::ERROR => emit!(Level::ERROR, self),
            Level::WARN => emit!(Level::WARN, self),
            Level::INFO => emit!(Level::INFO, self),
            Level::DEBUG => emit!(Level::DEBUG, self),
            Level::TRACE => emit!(Level::TRACE, self),
        }
    }

    /// The same without a subscriber.
    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields { what: Some(self.what.into()), ..Fields::default() };
        let word = |value: Option<&str>| value.map(|value| Value::Word(value.into()));
        let named = [("limit", word(self.limit)), ("count", self.count.map(Value::Number))];
        fields.named.extend(named.into_iter().filter_map(|(name, value)| Some((name, value?))));
        fields.why = Some(self.why.clone());
        fields.remedy.clone_from(&self.remedy);
        fields
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "what" => self.what = Some(value.into()),
            "why" | "message" => self.why = Some(value.into()),
            "do" => self.remedy = Some(value.into()),
            name if PEERS.contains(&name) => self.named.push((name, Value::Text(value.into()))),
            name => self.named.push((name, Value::Word(value.into()))),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "more" => self.more = Some(value),
            "seconds" => self.seconds = Some(value),
            name => self.named.push((name, Value::Number(value))),
        }
    }

    /// Of events that are not the server's own.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}");
        self.record_str(field, &text);
    }
}
