//! The programs that people copy, each on its runtime, against a broker on the same one that this test has within.
use super::PATIENCE;
use super::documented::Program;
use crate::client::{Client, Message, Messages, Running, Serve};
use crate::{Clock, Wait};
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::PathBuf;

/// As an example is called on a runtime: its name, and what is behind it.
type Names = fn(&str) -> String;

/// A broker and who operates it, and the programs of one runtime.
#[derive(Debug)]
pub struct Stage {
    broker: Running,
    operator: Client,
    name: Names,
}

/// The programs as tests, in a module with the runtime's name; `$name` says what an example is called there.
#[macro_export]
macro_rules! programs {
    ($runtime:ident, $serve:expr, $name:expr) => {
        $crate::programs!(@ $runtime, $serve, $name,
            a_thousand_measurements_leave_before_the_goodbye
            readings_and_alarms_come_in_streams_of_their_own
            what_is_not_written_down_comes_again
            a_question_is_answered
            workers_of_a_group_share_the_jobs
            a_meter_finds_its_other_gateway
            a_broker_within_serves_its_program_and_others
            a_pump_does_what_it_is_told
            whoever_can_not_connect_says_why);
    };
    (@ $runtime:ident, $serve:expr, $name:expr, $($test:ident)*) => {
        mod $runtime {
            $(
                #[test]
                fn $test() {
                    $crate::suite::programs::Stage::new($serve(), $name).$test();
                }
            )*
        }
    };
}

#[expect(missing_docs, reason = "the tests say by their names what they are")]
impl Stage {
    /// A broker on that runtime.
    pub fn new(serve: Serve, name: Names) -> Self {
        let broker = serve.listen("127.0.0.1:0").start().expect("a free port on loopback");
        let operator = wait(broker.connect()).expect("it is let in");
        Self { broker, operator, name }
    }

    fn url(&self) -> String {
        format!("mqtt://{}", self.broker.addresses().next().expect("it has one listener"))
    }

    fn start(&self, name: &str, arguments: &[String]) -> Program {
        Program::start(&(self.name)(name), arguments)
    }

    /// It ends well, and says this.
    fn says(&self, name: &str, arguments: &[String], said: &str) {
        let end = self.start(name, arguments).ends_within(PATIENCE);
        assert_eq!(end, (true, said.to_owned(), String::new()), "{name}");
    }

    fn publish(&self, topic: &str, payload: &str) {
        wait(self.operator.publish(topic, payload)).expect("it is taken");
    }

    fn subscribe(&self, filter: &str) -> Messages {
        wait(self.operator.subscribe(filter)).expect("it is granted")
    }

    pub fn a_thousand_measurements_leave_before_the_goodbye(self) {
        let mut plant = self.subscribe("plant/#");
        self.says("telemetry", &[self.url()], "");
        let bars: Vec<_> = (0..1000).map(|_| text(&next(&mut plant))).collect();
        assert!((1..=1000).map(|bar| bar.to_string()).eq(bars));
    }

    pub fn readings_and_alarms_come_in_streams_of_their_own(self) {
        let mut program = self.start("typed", &[self.url()]);
        program.prints("ready");
        self.publish("7/bar", "[1700000000, 2.5]");
        program.prints("1700000000 7/bar: 2.5 bar");
        self.publish("7/alarm", "hot");
        program.prints("7/alarm: hot");
        self.publish("7/bar", "high");
        program.complains("7/bar: expected value at line 1 column 1");
    }

    pub fn what_is_not_written_down_comes_again(self) {
        let folder = std::env::temp_dir().join((self.name)("tidewire") + &std::process::id().to_string());
        let ledger = folder.join("ledger");
        let arguments = [self.url(), ledger.display().to_string()];
        let mut program = self.start("by_hand", &arguments);
        program.prints("ready");
        self.publish("orders/1", "10");
        let end = program.ends_within(PATIENCE);
        assert_eq!(end, (true, "ready\n".to_owned(), String::new()), "there is no such folder");
        let _folder = Folder::new(folder);
        let mut program = self.start("by_hand", &arguments);
        program.prints("ready");
        program.prints("10");
        self.publish("orders/2", "no sum");
        self.publish("orders/3", "20");
        program.prints("20");
        assert_eq!(std::fs::read_to_string(ledger).expect("it was written"), "20");
    }

    pub fn a_question_is_answered(self) {
        self.says("request", &[self.url()], "42\n");
    }

    pub fn workers_of_a_group_share_the_jobs(self) {
        let mut first = self.start("group", &[self.url()]);
        let mut second = self.start("group", &[self.url()]);
        first.prints("ready");
        second.prints("ready");
        let mut open: BTreeSet<_> = (0..20).map(|n| format!("jobs/{n}: 1 bytes")).collect();
        for n in 0..20 {
            self.publish(&format!("jobs/{n}"), "a");
        }
        let mut each = [0, 0];
        let clock = Clock::start();
        let end = clock.now().after(PATIENCE);
        while !open.is_empty() {
            assert!(clock.now() < end, "{open:?} are left");
            for (worker, count) in [&mut first, &mut second].into_iter().zip(&mut each) {
                if let Some(job) = worker.prints_soon() {
                    assert!(open.remove(&job), "one of them does {job:?}, once");
                    *count += 1;
                }
            }
        }
        assert!(each.iter().all(|count| *count > 0), "both do some: {each:?}");
    }

    pub fn a_meter_finds_its_other_gateway(self) {
        let mut meter = self.subscribe("meter/#");
        let (well, said, told) = self.start("bad_line", &[nobody(), self.url()]).ends_within(PATIENCE);
        assert!(well && said.is_empty(), "{told}");
        let all = "the server could not be reached; again in Some(0ns)\nconnected\n\
                   the client said goodbye; again in None\nthe client has ended: the client said goodbye\n";
        // Whoever tells of it may have begun late, or be gone before it has told of the end.
        assert!(told.contains("connected\n") && all.contains(&told), "{told}");
        let kwh: Vec<_> = (0..1000).map(|_| text(&next(&mut meter))).collect();
        assert!((0..1000).map(|kwh| kwh.to_string()).eq(kwh));
    }

    pub fn a_broker_within_serves_its_program_and_others(self) {
        self.says("within", &["127.0.0.1:0".to_owned()], "plant/state: up\nplant/7/bar: 5.2\n");
    }

    pub fn a_pump_does_what_it_is_told(self) {
        let mut pumps = self.subscribe("pump-7/+");
        let mut program = self.start("commands", &[self.url()]);
        assert_eq!(text(&next(&mut pumps)), "ready");
        self.publish("pump-7/set", "faster");
        program.prints("faster");
        let heard = [next(&mut pumps), next(&mut pumps)]
            .map(|message| format!("{}: {}", message.topic, text(&message)));
        assert_eq!(heard, ["pump-7/set: faster", "pump-7/done: faster"]);
    }

    pub fn whoever_can_not_connect_says_why(self) {
        for name in ["telemetry", "typed", "by_hand", "request", "group", "commands"] {
            let (well, said, told) = self.start(name, &[nobody()]).ends_within(PATIENCE);
            assert!(!well && said.is_empty(), "{name}");
            assert!(
                told.starts_with("Error: no server let us in: the server could not be reached"),
                "{told}"
            );
        }
    }
}

/// The URL of a server that is not there.
fn nobody() -> String {
    let free = TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound");
    format!("mqtt://{free}")
}

fn wait<F: IntoFuture>(future: F) -> F::Output {
    future.wait_for(PATIENCE).expect("it is done in time")
}

fn next(messages: &mut Messages) -> Message {
    wait(messages.next()).expect("it goes on")
}

fn text(message: &Message) -> String {
    message.text().expect("it is text").into_owned()
}

/// Goes with this.
struct Folder(PathBuf);

impl Folder {
    fn new(path: PathBuf) -> Self {
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
