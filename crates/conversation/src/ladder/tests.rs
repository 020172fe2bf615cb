use super::{Ladder, Recorder, WIDTH};
use crate::run::{Heard, LineId, Wire};
use crate::{Script, World, run, scripts};
use core::time::Duration;
use std::io;
use tidewire_core::broker::policy::Open;

fn world() -> World {
    World::new(1, || Box::new(Open::new()))
}

/// With the version of the script.
fn drawn(source: &str, wire: &mut dyn Wire) -> String {
    let script = Script::parse(source).expect("a script");
    let version = script.versions()[0];
    let mut recorder = Recorder::new(wire);
    let result = run(&script, version, &mut recorder);
    assert_eq!(result.is_err(), source.contains("# it fails"), "{result:?}");
    recorder.ladder(&script, version).to_string()
}

/// A server in memory that is treated like one that is far away: nothing is seen of it that is not read.
struct Far(World);

impl Wire for Far {
    fn open(&mut self) -> io::Result<LineId> {
        self.0.open()
    }

    fn send(&mut self, line: LineId, bytes: &[u8]) {
        self.0.send(line, bytes);
    }

    fn receive(&mut self, line: LineId, into: &mut Vec<u8>) -> Heard {
        self.0.receive(line, into)
    }

    fn close(&mut self, line: LineId, cut: bool) {
        self.0.close(line, cut);
    }

    fn wait(&mut self, time: Duration) {
        self.0.wait(time);
    }

    fn is_virtual(&self) -> bool {
        false
    }
}

#[test]
fn every_conversation_fits_on_a_page() {
    for (name, script) in scripts::all() {
        for &version in script.versions() {
            let mut world = World::limited(1, script.limits(), || Box::new(Open::new()));
            let mut recorder = Recorder::new(&mut world);
            run(&script, version, &mut recorder).expect(name);
            let Ladder { lines } = recorder.ladder(&script, version);
            let is_wide = |line: &&String| line.chars().count() > WIDTH || line.ends_with(' ');
            assert_eq!(lines.iter().find(is_wide), None, "{name}, {version:?}");
            assert!(lines.len() > script.steps.len(), "{name}, {version:?}: each step is there");
        }
    }
}

#[test]
fn packets_time_and_ends_are_drawn() {
    let script = r#"
# A will is published. [MQTT-3.1.2-8]
versions 3.1.1
bob  connects "b" clean_start
bob  gets CONNACK Success
bob  subscribes "w" qos=1 id=1
bob  gets SUBACK 1 [GrantedQoS1]
al   connects "a" clean_start keep_alive=9 will_topic="w" will_payload="gone" will_qos=1
al   gets CONNACK
wait 14s   # [MQTT-3.1.2-22]
"#;
    assert_eq!(
        drawn(script, &mut world()),
        r#"A will is published. [MQTT-3.1.2-8]

 bob     al    broker
  ├──────────────>│  CONNECT "b" clean_start
  │               │  10 0d 00 04 4d 51 54 54 04 02 00 00 00 01 62
  │<──────────────┤  CONNACK Success
  │               │  20 02 00 00
  ├──────────────>│  SUBSCRIBE "w" qos=1 id=1
  │               │  82 06 00 01 00 01 77 01
  │<──────────────┤  SUBACK 1 [GrantedQoS1]
  │               │  90 03 00 01 01
  │       ├──────>│  CONNECT "a" clean_start keep_alive=9 will_topic="w" will_payload="gone"
  │       │       │  will_qos=1
  │       │       │  10 16 00 04 4d 51 54 54 04 0e 00 09 00 01 61 00 01 77 00 04 67 6f 6e 65
  │       │<──────┤  CONNACK Success
  │       │       │  20 02 00 00
  ┊       ┊       ┊  wait 14s   # [MQTT-3.1.2-22]
  │<──────┼───────┤  PUBLISH "w" "gone" qos=1 id=1
  │       │       │  32 09 00 01 77 00 01 67 6f 6e 65
  │       ×<──────┤  the broker closes the connection"#
    );
}

#[test]
fn what_is_no_packet_is_drawn_as_bytes() {
    let script = r#"
# Nothing but packets.
versions 3.1.1
flag opens
flag sends 10 0c 00 04 "MQTT" 04 03 00 00 00 00   # the reserved flag
flag is refused
al   connects "a" clean_start
al   gets CONNACK
al   sends 30 06 00
al   sends 03 "a/b!" c0 00 00
al   gets PINGRESP and DISCONNECT
al   sends c0 00
al   is closed
"#;
    assert_eq!(
        drawn(script, &mut world()),
        r#"Nothing but packets.

flag     al    broker
  ┬               │  the client opens a connection
  ├──────────────>│  a bad CONNECT: the reserved flag of CONNECT is set   # the reserved flag
  │               │  10 0c 00 04 4d 51 54 54 04 03 00 00 00 00
  ×<──────────────┤  the broker closes the connection
          ├──────>│  CONNECT "a" clean_start
          │       │  10 0d 00 04 4d 51 54 54 04 02 00 00 00 01 61
          │<──────┤  CONNACK Success
          │       │  20 02 00 00
          ├──────>│  the beginning of a packet
          │       │  30 06 00
          ├──────>│  PUBLISH "a/b" "!" qos=0
          │       │  03 61 2f 62 21
          ├──────>│  PINGREQ
          │       │  c0 00
          ├──────>│  bytes: packet type 0 is reserved
          │       │  00
          │<──────┤  PINGRESP
          │       │  d0 00
          ×<──────┤  the broker closes the connection
          ├──────×│  bytes behind what was no packet
                  │  c0 00"#
    );
}

/// And nothing of what is done to leave the broker as it was.
#[test]
fn far_away_a_packet_is_drawn_where_it_is_read() {
    let script = r#"
# News.
versions 3.1.1
bob connects "b" clean_start
bob gets CONNACK
bob subscribes "n" id=1
bob gets SUBACK
al  connects "a" clean_start
al  gets CONNACK
al  publishes "n" "new" qos=1 id=7
al  gets PUBACK 7
bob gets PUBLISH "n" "new"
al  closes
bob gets nothing
bob gets PINGRESP    # it fails
"#;
    assert_eq!(
        drawn(script, &mut Far(world())),
        r#"News.

 bob     al    broker
  ├──────────────>│  CONNECT "b" clean_start
  │               │  10 0d 00 04 4d 51 54 54 04 02 00 00 00 01 62
  │<──────────────┤  CONNACK Success
  │               │  20 02 00 00
  ├──────────────>│  SUBSCRIBE "n" qos=0 id=1
  │               │  82 06 00 01 00 01 6e 00
  │<──────────────┤  SUBACK 1 [GrantedQoS0]
  │               │  90 03 00 01 00
  │       ├──────>│  CONNECT "a" clean_start
  │       │       │  10 0d 00 04 4d 51 54 54 04 02 00 00 00 01 61
  │       │<──────┤  CONNACK Success
  │       │       │  20 02 00 00
  │       ├──────>│  PUBLISH "n" "new" qos=1 id=7
  │       │       │  32 08 00 01 6e 00 07 6e 65 77
  │       │<──────┤  PUBACK 7 Success
  │       │       │  40 02 00 07
  │<──────┼───────┤  PUBLISH "n" "new" qos=0
  │       │       │  30 06 00 01 6e 6e 65 77
  │       ×       │  the client closes
  │               │  bob gets nothing
  ├──────────────>│  PINGREQ
  │               │  c0 00
  │<──────────────┤  PINGRESP
  │               │  d0 00
FAILED at line 15: bob gets PINGRESP    # it fails
    came: nothing"#
    );
}

#[test]
fn what_a_broker_takes_is_told_where_the_script_speaks_of_it() {
    let told = "CONNACK Success receive_maximum=";
    let connects = "# Hello.\nal connects \"a\"\nal gets CONNACK Success";
    assert!(!drawn(connects, &mut world()).contains(told));
    assert!(drawn(&format!("{connects} receive_maximum=*"), &mut world()).contains(told));
}

#[test]
fn a_wire_may_be_used_without_a_script() {
    let mut world = world();
    let mut recorder = Recorder::new(&mut world);
    let line = recorder.open().expect("there is room");
    recorder.send(line, b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a");
    assert_eq!(recorder.receive(line, &mut vec![]), Heard::Bytes);
    let script = Script::parse("# Anybody.").expect("a script");
    let ladder = recorder.ladder(&script, script.versions()[0]).to_string();
    assert!(ladder.starts_with("Anybody.\n\nclient  broker\n"), "{ladder}");
}
