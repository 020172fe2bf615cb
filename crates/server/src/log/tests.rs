use super::*;
use std::sync::mpsc;
use tidewire_core::broker::Cause;
use tidewire_core::broker::ledger::Reason;
use tidewire_core::codec::DecodeError;
use tidewire_core::reason::ReasonCode;
use tidewire_core::version::Version;

/// What was written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics here").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("nobody panics here").clone()).expect("text")
    }
}

/// What is written of these, without the time of day.
fn written(
    format: Format,
    level: LevelFilter,
    occurrences: impl IntoIterator<Item = Occurrence>,
) -> Vec<String> {
    let sink = Written::default();
    let logging = Logging::start(format, level, sink.clone()).expect("a thread");
    for occurrence in occurrences {
        logging.log().tell(occurrence);
    }
    drop(logging);
    sink.text().lines().map(without_time).collect()
}

fn without_time(line: &str) -> String {
    let digits = |c: char| c.is_ascii_digit();
    let at = line.find("20").expect("a time of this century");
    let (before, rest) = line.split_at(at);
    let (time, rest) = rest.split_at("2026-11-29T19:33:24.512Z".len());
    assert_eq!(time.replace(digits, "0"), "0000-00-00T00:00:00.000Z", "{line}");
    // How long it took depends on who else is running.
    let rest = match rest.rsplit_once("more in ") {
        Some((rest, _)) => format!("{rest}more in 1 s"),
        None => match rest.rsplit_once("\"seconds\":") {
            Some((rest, _)) => format!("{rest}\"seconds\":1}}"),
            None => rest.into(),
        },
    };
    format!("{before}{rest}")
}

fn somebody() -> Who {
    Who {
        listener: Some("127.0.0.1:1883".into()),
        from: Some(([203, 0, 113, 9], 51312).into()),
        client: Some("pump-7".into()),
        user: Some("pump".into()),
    }
}

fn refused(cause: Cause) -> Occurrence {
    Occurrence::Refused { who: somebody(), reason: ReasonCode::BadUserNameOrPassword, cause, limit: None }
}

fn connected(client: &str) -> Occurrence {
    let who = Who { client: Some(client.into()), user: None, ..somebody() };
    Occurrence::Connected {
        who,
        anonymous: true,
        version: Version::V5,
        keep_alive: 60,
        session_present: false,
    }
}

#[test]
fn text_and_json_have_the_same_fields_in_the_same_order() {
    let lines =
        || [refused(Cause::Denied), refused(Cause::Malformed(DecodeError::WillQoS)), refused(Cause::Denied)];
    assert_eq!(
        written(Format::Text, LevelFilter::INFO, lines()),
        [
            " WARN refused listener=127.0.0.1:1883 from=203.0.113.9:51312 client=\"pump-7\" user=\"pump\" \
             reason=0x86: it is not let in: 0x86 BadUserNameOrPassword",
            " WARN refused listener=127.0.0.1:1883 from=203.0.113.9:51312 client=\"pump-7\" user=\"pump\" \
             fault=will-qos reason=0x86: the Will QoS is 3 [MQTT-3.1.2-12]; tidewire explain will-qos",
            " WARN refused from=203.0.113.9: 1 more in 1 s",
        ]
    );
    assert_eq!(
        written(Format::Json, LevelFilter::INFO, lines()),
        [
            "{\"at\":\"\",\"level\":\"warn\",\"what\":\"refused\",\"listener\":\"127.0.0.1:1883\",\
             \"from\":\"203.0.113.9:51312\",\"client\":\"pump-7\",\"user\":\"pump\",\"reason\":\"0x86\",\
             \"why\":\"it is not let in: 0x86 BadUserNameOrPassword\"}",
            "{\"at\":\"\",\"level\":\"warn\",\"what\":\"refused\",\"listener\":\"127.0.0.1:1883\",\
             \"from\":\"203.0.113.9:51312\",\"client\":\"pump-7\",\"user\":\"pump\",\"fault\":\"will-qos\",\
             \"reason\":\"0x86\",\"why\":\"the Will QoS is 3 [MQTT-3.1.2-12]\",\"do\":\"tidewire explain will-qos\"}",
            "{\"at\":\"\",\"level\":\"warn\",\"what\":\"refused\",\"from\":\"203.0.113.9\",\"more\":1,\"seconds\":1}",
        ]
    );
}

#[test]
fn who_speaks_something_else_is_guessed_at_unless_it_has_said_who_it_is() {
    let tls = Cause::Malformed(DecodeError::ReservedFlags);
    let stranger = Occurrence::Refused {
        who: Who { client: None, user: None, ..somebody() },
        reason: ReasonCode::MalformedPacket,
        cause: tls,
        limit: None,
    };
    let client =
        Occurrence::Closed { who: somebody(), reason: ReasonCode::MalformedPacket, cause: tls, limit: None };
    let lines = written(Format::Text, LevelFilter::INFO, [stranger, client]);
    assert!(lines[0].contains("; perhaps it speaks TLS or HTTP") && !lines[1].contains("TLS"), "{lines:?}");
}

#[test]
fn on_a_terminal_the_level_has_its_colour() {
    let lines = written(Format::Text.on_terminal(), LevelFilter::INFO, [Occurrence::Stopped]);
    assert_eq!(lines, ["\x1b[2m\x1b[0m \x1b[32mINFO\x1b[0m stopped: all connections are closed"]);
    assert_eq!(Format::Json.on_terminal(), Format::Json);
}

#[test]
fn a_level_lets_through_what_matters_as_much() {
    let lines = || [connected("c"), refused(Cause::Denied), refused(Cause::JournalFailed)];
    for (level, expected) in
        [(LevelFilter::OFF, 0), (LevelFilter::ERROR, 1), (LevelFilter::WARN, 2), (LevelFilter::INFO, 3)]
    {
        assert_eq!(written(Format::Text, level, lines()).len(), expected, "{level}");
    }
}

#[test]
fn what_a_peer_chose_is_escaped_and_cut() {
    let long = "é".repeat(1000);
    let lines = written(Format::Text, LevelFilter::INFO, [connected("a\n\"b"), connected(&long)]);
    assert!(lines[0].contains("client=\"a\\n\\\"b\": MQTT 5.0"), "{}", lines[0]);
    assert!(lines[1].contains(&format!("client=\"{}…\": MQTT 5.0", "é".repeat(128))), "{}", lines[1]);
}

#[test]
fn each_kind_of_line_is_in_the_list_and_weighs_what_it_counts() {
    let dropped = |reason| Occurrence::Dropped { who: Who::default(), reason, count: 7 };
    for reason in Reason::ALL {
        assert!(Occurrence::WHATS.contains(&dropped(reason).what()));
        assert_eq!(dropped(reason).weight(), 7);
    }
    let lines = (0..30).map(|_| dropped(Reason::QueueFull));
    let lines = written(Format::Text, LevelFilter::INFO, lines);
    assert_eq!(lines.len(), 21);
    assert_eq!(lines[20], " WARN queue-full: 70 more in 1 s");
}

/// A pipe that nobody empties until it is let go.
struct Stuck {
    go: mpsc::Receiver<()>,
    begun: mpsc::Sender<()>,
    sink: Written,
}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.begun.send(());
        // Once it has been let go, the other end is gone and nothing is waited for.
        let _ = self.go.recv();
        self.sink.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_log_that_nobody_empties_holds_up_nobody_and_says_afterwards_what_it_lost() {
    let (let_go, go) = mpsc::channel();
    let (begun, has_begun) = mpsc::channel();
    let sink = Written::default();
    let stuck = Stuck { go, begun, sink: sink.clone() };
    let logging = Logging::start(Format::Text, LevelFilter::INFO, stuck).expect("a thread");
    logging.log().tell(Occurrence::Stopped);
    has_begun.recv().expect("it writes");
    // From here on nothing leaves, and yet all of this returns.
    let line = [b'x'; 1023].into_iter().chain([b'\n']).collect::<Vec<u8>>();
    for _ in 0..5000 {
        logging.lines.push(&line);
    }
    logging.flush(Duration::from_millis(1));
    drop(let_go);
    logging.flush(tidewire_driver::suite::PATIENCE);
    let text = sink.text();
    let kept = text.lines().filter(|line| line.starts_with("xxx")).count();
    assert_eq!(kept, 1024, "a MiB of lines waits");
    let lost = text.lines().find(|line| line.contains(" left-out ")).map(without_time);
    let said = " WARN left-out count=3976: so many lines could not be written; \
                see that whoever reads the log keeps up, and that its disk is not full";
    assert_eq!(lost.as_deref(), Some(said));
}

/// A disk that is full for the first few writes.
struct Full {
    writes: u32,
    sink: Written,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.writes > 0 {
            self.writes -= 1;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.sink.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A disk that has room for so many bytes, and after a failure for all that comes.
struct Filling {
    left: usize,
    sink: Written,
}

impl Write for Filling {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            self.left = usize::MAX;
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(self.left);
        self.left -= taken;
        self.sink.write(&bytes[..taken])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_that_is_torn_is_one_line_and_one_is_lost() {
    let sink = Written::default();
    let filling = Filling { left: 10, sink: sink.clone() };
    let logging = Logging::start(Format::Text, LevelFilter::INFO, filling).expect("a thread");
    for line in ["first\n", "second\n", "third\n"] {
        logging.lines.push(line.as_bytes());
        logging.flush(tidewire_driver::suite::PATIENCE);
    }
    let text = sink.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[..3], ["first", "seco", "third"], "{text}");
    assert!(lines[3].contains(" left-out count=1:"), "{text}");
    assert_eq!(lines.len(), 4, "{text}");
}

#[test]
fn a_full_disk_costs_lines_and_no_more() {
    let sink = Written::default();
    let full = Full { writes: 2, sink: sink.clone() };
    let logging = Logging::start(Format::Json, LevelFilter::INFO, full).expect("a thread");
    for _ in 0..3 {
        logging.log().tell(Occurrence::Stopped);
        logging.flush(tidewire_driver::suite::PATIENCE);
    }
    drop(logging);
    let lines: Vec<_> = sink.text().lines().map(without_time).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("\"what\":\"stopped\""), "{}", lines[0]);
    assert!(lines[1].contains("\"what\":\"left-out\",\"count\":2"), "{}", lines[1]);
}

#[test]
fn a_program_around_it_may_have_a_subscriber_of_its_own() {
    let sink = Written::default();
    let writer = sink.clone();
    let own = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(own, || Log::default().tell(connected("c")));
    let text = sink.text();
    assert!(text.contains(" INFO tidewire: ") && text.contains("client=\"c\""), "{text}");
}
