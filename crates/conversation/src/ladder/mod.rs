//! A conversation as a ladder: a column for each client and one for the broker, and an arrow for each packet.
//!
//! ```
//! use tidewire_conversation::ladder::Recorder;
//! use tidewire_conversation::{Script, World, run};
//! use tidewire_core::broker::policy::Open;
//! use tidewire_core::version::Version;
//!
//! let script = Script::parse("# Are you there?\nal connects \"a\"\nal gets CONNACK\nal sends PINGREQ\n")?;
//! let mut world = World::new(1, || Box::new(Open::new()));
//! let mut recorder = Recorder::new(&mut world); // or a `Tcp`
//! let result = run(&script, Version::V3_1_1, &mut recorder);
//! println!("{}", recorder.ladder(&script, Version::V3_1_1));
//! result?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
mod label;
mod recorder;
mod text;

#[cfg(test)]
mod tests;

pub use recorder::Recorder;

use crate::packet::Outgoing;
use crate::run::{Failure, LineId};
use crate::script::{Doing, Script, Step, What as Action};
use core::fmt;
use label::Direction;
use recorder::{Event, Record, What};
use std::collections::BTreeSet;
use text::{WIDTH, hex, wrap};
use tidewire_core::version::Version;

/// Between two columns, at least.
const APART: usize = 8;
/// Between the broker's column and what stands beside it.
const GAP: usize = 3;
/// Of a label; a longer one is cut.
const LABEL_LINES: usize = 4;
/// For text, however many clients there are: then a ladder is wider.
const TEXT: usize = 30;

/// What went over a wire, as lines of at most 100 columns unless a script has more than six clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    lines: Vec<String>,
}

impl fmt::Display for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

impl Recorder<'_> {
    /// Draws what went over the wire while this script was run with this version: as far as it went, and at the end
    /// where it went another way.
    pub fn ladder(self, script: &Script, version: Version) -> Ladder {
        let Record { clients, events, failure } = self.into_record();
        let mut drawing = Drawing::new(script, version, &clients);
        drawing.head(&clients);
        let failed = failure.as_ref().map(|failure| failure.line);
        for (at, event) in events.iter().enumerate() {
            match event.what {
                // What it expects has not come true.
                What::Step if Some(event.line) == failed => {}
                _ => drawing.event(event, events.get(at + 1)),
            }
        }
        if let Some(Failure { line, step, fault, .. }) = failure {
            drawing.lines.extend(wrap(&format!("FAILED at line {line}: {step}"), WIDTH, LABEL_LINES));
            let came = wrap(&format!("came: {fault}"), WIDTH - 4, LABEL_LINES);
            drawing.lines.extend(came.iter().map(|line| format!("    {line}")));
        }
        Ladder { lines: drawing.lines }
    }
}

struct Drawing<'s> {
    script: &'s Script,
    version: Version,
    /// The columns of the clients and, behind them, of the broker.
    columns: Vec<usize>,
    /// Which clients have a connection.
    is_open: Vec<bool>,
    connections: Vec<Connection>,
    /// Lines of the script whose comments stand there.
    commented: BTreeSet<usize>,
    lines: Vec<String>,
}

struct Connection {
    id: LineId,
    client: usize,
    to_server: Direction,
    to_client: Direction,
}

impl<'s> Drawing<'s> {
    fn new(script: &'s Script, version: Version, clients: &[String]) -> Self {
        let widths: Vec<_> = clients.iter().map(|name| name.chars().count()).chain([BROKER.len()]).collect();
        let mut columns = vec![widths[0].max(4) / 2];
        for pair in widths.windows(2) {
            let apart = (pair[0] + pair[1]).div_ceil(2) + 2;
            columns.push(columns[columns.len() - 1] + apart.max(APART));
        }
        Self {
            script,
            version,
            columns,
            is_open: vec![false; clients.len()],
            connections: vec![],
            commented: BTreeSet::new(),
            lines: vec![],
        }
    }

    fn head(&mut self, clients: &[String]) {
        self.lines = wrap(self.script.title(), WIDTH, usize::MAX);
        self.lines.push(String::new());
        let mut names = String::new();
        for (name, column) in clients.iter().map(String::as_str).chain([BROKER]).zip(&self.columns) {
            let width = name.chars().count();
            let blank = (column - width / 2).saturating_sub(names.chars().count());
            names += &" ".repeat(blank);
            names += name;
        }
        self.lines.push(names);
    }

    fn event(&mut self, event: &Event, next: Option<&Event>) {
        let at = event.line;
        match &event.what {
            What::Step => self.step(at),
            What::Opened(id, client) => {
                let spoken = self.spoken(at);
                self.connections.push(Connection {
                    id: *id,
                    client: *client,
                    to_server: Direction::to_server(self.version),
                    to_client: Direction::to_client(spoken),
                });
                self.is_open[*client] = true;
                // CONNECT opens too, and says enough.
                if !next.is_some_and(|next| matches!(next.what, What::Sent(..)) && next.line == at) {
                    let mut lanes = self.lanes('│');
                    lanes[self.columns[*client]] = '┬';
                    self.row(at, &lanes, "the client opens a connection", &[]);
                }
            }
            What::Sent(id, bytes) => self.packets(at, *id, bytes, true),
            What::Came(id, bytes) => self.packets(at, *id, bytes, false),
            What::ServerClosed(id) => {
                let client = self.connection(*id).client;
                let mut lanes = self.arrow(client, false);
                lanes[self.columns[client]] = '×';
                self.is_open[client] = false;
                self.row(at, &lanes, "the broker closes the connection", &[]);
            }
            What::Closed(id) => {
                let client = self.connection(*id).client;
                let mut lanes = self.lanes('│');
                lanes[self.columns[client]] = '×';
                self.is_open[client] = false;
                let cut = self.find(at).is_some_and(|step| does(step, |what| matches!(what, Action::Cut)));
                self.row(at, &lanes, if cut { "the connection is cut" } else { "the client closes" }, &[]);
            }
        }
    }

    /// What leaves no packet behind.
    fn step(&mut self, at: usize) {
        let Some(step) = self.find(at) else { return };
        match &step.doing {
            Doing::Wait(_) => {
                let text = step.text.split('#').next().unwrap_or_default().trim().to_owned();
                self.row(at, &self.lanes('┊'), &text, &[]);
            }
            Doing::Client { who, what: Action::ExpectNothing } => {
                let text = format!("{who} gets nothing");
                self.row(at, &self.lanes('│'), &text, &[]);
            }
            Doing::Client { .. } => {}
        }
    }

    fn packets(&mut self, at: usize, id: LineId, bytes: &[u8], to_server: bool) {
        let client = self.connection(id).client;
        let lanes = self.arrow(client, to_server);
        let step = self.find(at).map_or("", |step| &step.text);
        let mut rest = bytes;
        loop {
            let connection = self.connection(id);
            let direction = if to_server { &mut connection.to_server } else { &mut connection.to_client };
            let Some((label, bytes)) = direction.next(&mut rest, step) else { return };
            self.row(at, &lanes, &label, bytes);
        }
    }

    /// Beside these lanes what happened, what the script says of it in a comment, and the bytes.
    fn row(&mut self, at: usize, lanes: &[char], label: &str, bytes: &[u8]) {
        let first = self.columns[self.columns.len() - 1] + GAP;
        let width = WIDTH.saturating_sub(first).max(TEXT);
        let mut beside = wrap(label, width, LABEL_LINES);
        let comment = self.find(at).map_or("", |step| &step.comment);
        if !comment.is_empty() && self.commented.insert(at) {
            let comment = format!("# {comment}");
            match beside.last_mut() {
                Some(last) if last.chars().count() + 3 + comment.chars().count() <= width => {
                    *last += &format!("   {comment}");
                }
                _ => beside.extend(wrap(&comment, width, LABEL_LINES)),
            }
        }
        if !bytes.is_empty() {
            beside.push(hex(bytes, width));
        }
        let plain = self.lanes('│');
        for (row, text) in beside.iter().enumerate() {
            let mut line: String = if row == 0 { lanes } else { &plain }.iter().collect();
            line += &" ".repeat(GAP - 1);
            line += text;
            self.lines.push(line.trim_end().to_owned());
        }
    }

    fn lanes(&self, sign: char) -> Vec<char> {
        let mut lanes = vec![' '; self.columns[self.columns.len() - 1] + 1];
        for (column, is_open) in self.columns.iter().zip(self.is_open.iter().chain([&true])) {
            lanes[*column] = if *is_open { sign } else { ' ' };
        }
        lanes
    }

    /// Between this client and the broker.
    fn arrow(&self, client: usize, to_server: bool) -> Vec<char> {
        let mut lanes = self.lanes('│');
        let (from, to) = (self.columns[client], lanes.len() - 1);
        for lane in &mut lanes[from + 1..to] {
            *lane = if *lane == ' ' { '─' } else { '┼' };
        }
        if to_server {
            lanes[from] = '├';
            // Behind its end nobody takes anything.
            lanes[to - 1] = if self.is_open[client] { '>' } else { '×' };
        } else {
            lanes[to] = '┤';
            lanes[from + 1] = '<';
        }
        lanes
    }

    fn connection(&mut self, id: LineId) -> &mut Connection {
        self.connections.iter_mut().find(|connection| connection.id == id).expect("it was opened")
    }

    fn find(&self, line: usize) -> Option<&'s Step> {
        self.script.steps.iter().find(|step| step.line == line)
    }

    /// The version of a connection that this line opens.
    fn spoken(&self, line: usize) -> Version {
        let said = self.find(line).and_then(|step| match &step.doing {
            Doing::Client { what: Action::Open(version), .. } => *version,
            Doing::Client { what: Action::Send(Outgoing::Connect(connect)), .. } => connect.version,
            _ => None,
        });
        said.unwrap_or(self.version)
    }
}

const BROKER: &str = "broker";

fn does(step: &Step, is: impl FnOnce(&Action) -> bool) -> bool {
    matches!(&step.doing, Doing::Client { what, .. } if is(what))
}
