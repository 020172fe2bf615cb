use super::bench::{Bench, FIRST, PEER};
use super::*;
use crate::Ready;
use crate::memory::Wire;
use crate::script::Seen;
use CloseCause::{Linger, PeerClosed, Reset};
use Seen::{Blocked, Bytes, Closed, JournalFailed, MailIn, MailOut, Passage, Payload, Timeout, Transmit};
use std::sync::{Arc, Mutex};
use tidewire_core::id::Position;

fn bytes(text: &str) -> Seen {
    Bytes(0, text.into())
}

/// What was done with the bytes, and how the connection ended.
fn inward(seen: Vec<Seen>) -> Vec<Seen> {
    seen.into_iter().filter(|seen| matches!(seen, Bytes(..) | Payload(..) | Closed(..))).collect()
}

// Reading.

#[test]
fn a_short_read_means_drained() {
    let (mut bench, wire) = Bench::connected();
    let before = wire.reads();
    wire.send(b"x");
    assert_eq!(bench.settle(), [bytes("x")]);
    assert_eq!(wire.reads(), before + 1);
}

#[test]
fn the_end_that_comes_with_the_last_bytes_is_found_after_them() {
    let (mut bench, wire) = Bench::connected();
    wire.send_and_finish(b"x");
    assert_eq!(bench.settle(), [bytes("x"), Closed(0, PeerClosed)]);
    assert!(wire.is_closed());
}

#[test]
fn whoever_asks_and_half_closes_still_hears_the_answer() {
    let (mut bench, wire) = Bench::connected();
    wire.send_and_finish(b"e");
    assert_eq!(bench.settle(), [bytes("e"), Transmit(0), Closed(0, PeerClosed)]);
    assert_eq!(wire.received(), b"e");
}

#[test]
fn a_peer_that_vanished_is_told_from_one_that_hung_up() {
    let (mut bench, wire) = Bench::connected();
    wire.vanish();
    assert_eq!(bench.settle(), [Closed(0, CloseCause::Vanished)]);
}

#[test]
fn a_broken_line_gives_its_last_bytes_first() {
    let (mut bench, wire) = Bench::connected();
    wire.send(b"x");
    wire.reset();
    assert_eq!(bench.settle(), [bytes("x"), Closed(0, Reset)]);
}

#[test]
fn bytes_arrive_in_order_however_they_are_split() {
    for most in 1..5 {
        let (mut bench, wire) = Bench::connected();
        wire.split_reads(most);
        wire.send_and_finish(b"1234567");
        let mut read = Vec::new();
        for seen in bench.settle() {
            match seen {
                Bytes(0, bytes) => read.extend(bytes),
                end => assert_eq!(end, Closed(0, PeerClosed)),
            }
        }
        assert_eq!(read, b"1234567");
    }
}

#[test]
fn a_turn_reads_so_much_and_everybody_in_turn() {
    let mut bench = Bench::new(1);
    let mut wires: Vec<Wire> = (0..3).map(|_| bench.connect()).collect();
    let quiet = bench.connect();
    for wire in &wires {
        wire.send(&vec![b'.'; 1 << 20]);
    }
    quiet.send(b"x");
    wires.push(quiet);
    assert_eq!(bench.shards[0].turn(), Turn::Again);
    let read: Vec<usize> = wires.iter().take(3).map(|wire| (1 << 20) - wire.unread()).collect();
    assert_eq!(read, [2 * 131_072, 131_072, 131_072], "in pieces of one read, to the turn's budget");
    assert_eq!(wires[3].unread(), 0, "the quiet one does not wait for the loud ones");
    bench.settle();
    assert!(wires.iter().all(|wire| wire.unread() == 0));
}

#[test]
fn a_large_payload_is_read_to_where_it_stays() {
    let (mut bench, wire) = Bench::connected();
    bench.machine().payload = Some(vec![0; 3]);
    wire.send(b"abcd");
    assert_eq!(bench.settle(), [Payload(0, 3), bytes("d")]);
}

#[test]
fn a_payload_that_needs_nothing_more_is_not_the_end() {
    let (mut bench, wire) = Bench::connected();
    bench.machine().payload = Some(vec![]);
    wire.send(b"d");
    assert_eq!(inward(bench.settle())[0], bytes("d"));
}

// Hold, Pause and Resume.

#[test]
fn what_is_held_stays_in_the_socket_and_resume_reads_at_once() {
    for hold in ["h", "p"] {
        let (mut bench, wire) = Bench::connected();
        wire.send(hold.as_bytes());
        assert_eq!(bench.settle(), [bytes(hold)]);
        wire.send_and_finish(b"x");
        assert_eq!(bench.settle(), [], "neither bytes nor end");
        assert_eq!(wire.unread(), 1);
        // No edge will come any more.
        bench.machine().tasks.push_back(Task::Resume(FIRST));
        assert_eq!(bench.settle(), [bytes("x"), Closed(0, PeerClosed)]);
    }
}

#[test]
fn after_done_bytes_are_thrown_away_up_to_the_end() {
    let (mut bench, wire) = Bench::connected();
    wire.send(b"d");
    bench.settle();
    wire.send_and_finish(&vec![b'x'; 1 << 20]);
    assert_eq!(bench.settle(), [Closed(0, PeerClosed)]);
    assert_eq!(wire.unread(), 0);
}

// Writing.

#[test]
fn mail_leaves_before_anything_is_written() {
    let mut bench = Bench::new(2);
    let wire = bench.connect();
    wire.send(b"em");
    assert_eq!(bench.settle(), [bytes("em"), MailOut, Transmit(0)]);
    assert_eq!(bench.settle_shard(1), [MailIn(ShardId(0))]);
}

#[test]
fn mail_from_all_reads_of_a_turn_is_one_batch() {
    let mut bench = Bench::new(2);
    let wires = [bench.connect(), bench.connect()];
    for wire in &wires {
        wire.send(b"m");
    }
    let seen = bench.settle();
    assert_eq!(seen.iter().filter(|seen| **seen == MailOut).count(), 1);
}

#[test]
fn a_full_socket_is_reported_once_and_written_when_it_can_be() {
    let (mut bench, wire) = Bench::connected();
    wire.take_only(2);
    bench.machine().say(FIRST, b"12345");
    assert_eq!(bench.settle(), [Transmit(0), Blocked(0, 3)]);
    // Announced while it is known to be full: not tried.
    bench.machine().say(FIRST, b"678");
    assert_eq!(bench.settle(), []);
    wire.take_only(usize::MAX);
    assert_eq!(bench.settle(), [Transmit(0)], "after the leftover the machine is asked again");
    assert_eq!(wire.received(), b"12345678");
}

#[test]
fn a_socket_that_takes_a_little_at_a_time_gets_everything() {
    let (mut bench, wire) = Bench::connected();
    wire.take_only(0);
    bench.machine().say(FIRST, b"12345");
    let mut received = Vec::new();
    for _ in 0..5 {
        let _ = bench.settle();
        wire.take_only(1);
        let _ = bench.settle();
        received.extend(wire.received());
    }
    assert_eq!(received, b"12345");
}

#[test]
fn much_output_is_polled_in_pieces_and_leaves_room_for_others() {
    let mut bench = Bench::new(1);
    let (greedy, modest) = (bench.connect(), bench.connect());
    bench.machine().say(FIRST, &vec![b'x'; 3 << 20]);
    bench.machine().say(Place { index: 1, generation: 0 }, b"y");
    assert_eq!(bench.shards[0].turn(), Turn::Again);
    assert_eq!(greedy.received().len(), 1 << 20);
    assert_eq!(modest.received(), b"y");
    bench.settle();
    assert_eq!(greedy.received().len(), 2 << 20);
}

#[test]
fn a_write_that_fails_lets_the_last_bytes_be_read_before_the_end() {
    let (mut bench, wire) = Bench::connected();
    wire.send(b"h");
    bench.settle();
    wire.send(b"x");
    wire.reset();
    bench.machine().say(FIRST, b"1");
    assert_eq!(bench.settle(), [Transmit(0)], "held: the end is not reported");
    bench.machine().tasks.push_back(Task::Resume(FIRST));
    assert_eq!(bench.settle(), [bytes("x"), Closed(0, Reset)]);
}

// Ends.

#[test]
fn close_flushes_half_closes_and_waits_for_the_peer() {
    let (mut bench, wire) = Bench::connected();
    wire.send(b"ec");
    assert_eq!(bench.settle(), [bytes("ec"), Transmit(0)]);
    assert!(wire.is_finished() && !wire.is_closed());
    assert_eq!(wire.received(), b"e");
    wire.send(b"unheard");
    assert_eq!(bench.settle(), []);
    assert_eq!(wire.unread(), 0, "or the peer would get a reset instead of our last words");
    wire.finish();
    assert_eq!(bench.settle(), [Closed(0, PeerClosed)]);
    assert!(wire.is_closed());
}

#[test]
fn close_reads_what_was_held() {
    let (mut bench, wire) = Bench::connected();
    wire.send(b"h");
    bench.settle();
    wire.send(b"x");
    bench.machine().tasks.push_back(Task::Close(FIRST));
    assert_eq!(bench.settle(), [Transmit(0)]);
    assert_eq!(wire.unread(), 0);
}

#[test]
fn close_of_a_full_socket_waits_for_it() {
    let (mut bench, wire) = Bench::connected();
    wire.take_only(0);
    bench.machine().say(FIRST, b"goodbye");
    bench.settle();
    bench.machine().tasks.push_back(Task::Close(FIRST));
    bench.settle();
    assert!(!wire.is_finished());
    wire.take_only(usize::MAX);
    bench.settle();
    assert!(wire.is_finished());
    assert_eq!(wire.received(), b"goodbye");
}

#[test]
fn a_peer_that_never_takes_its_goodbye_is_aborted() {
    let (mut bench, wire) = Bench::connected();
    wire.take_only(0);
    bench.machine().say(FIRST, b"goodbye");
    bench.machine().tasks.push_back(Task::Close(FIRST));
    bench.settle();
    bench.machine().tasks.push_back(Task::Abort(FIRST));
    assert_eq!(bench.settle(), [Closed(0, Linger)]);
    assert!(wire.is_closed());
}

#[test]
fn every_end_is_reported_once_whatever_coincides() {
    for commands in ["ca", "ac", "cc", "a", "da", "hc", "eca", "vc", "va"] {
        let mut bench = Bench::new(2);
        let wire = bench.connect();
        wire.send_and_finish(commands.as_bytes());
        let mut seen = bench.settle();
        seen.extend(bench.settle_shard(1));
        let ends = seen.iter().filter(|seen| matches!(seen, Closed(..))).count();
        assert_eq!(ends, 1, "{commands}: {seen:?}");
        assert!(wire.is_closed(), "{commands}");
    }
}

#[test]
fn late_news_hits_nobody() {
    let (mut bench, wire) = Bench::connected();
    wire.finish();
    bench.settle();
    let newcomer = bench.connect();
    newcomer.send(b"h");
    bench.settle();
    for ready in [(true, false, false), (false, true, false), (true, true, true)] {
        let (readable, writable, closed) = ready;
        bench.shards[0].reactor().pretend(Ready { place: FIRST, readable, writable, closed });
    }
    bench.machine().tasks.push_back(Task::Abort(FIRST));
    bench.machine().tasks.push_back(Task::Close(FIRST));
    assert_eq!(bench.settle(), []);
    assert!(!newcomer.is_closed() && !newcomer.is_finished());
}

// Between shards, and with the world.

#[test]
fn a_socket_moves_with_what_lies_in_it() {
    let mut bench = Bench::new(2);
    let wire = bench.connect();
    wire.split_reads(2);
    wire.send_and_finish(b"hv1234");
    assert_eq!(bench.settle(), [bytes("hv")], "and no close after a move");
    let seen = bench.settle_shard(1);
    assert_eq!(seen, [Passage(0), bytes("12"), bytes("34"), Closed(0, PeerClosed)]);
}

#[test]
fn timers_are_handled_when_they_are_due() {
    let mut bench = Bench::new(1);
    let due = Instant::from_secs(7);
    bench.machine().timeout = Some(due);
    assert_eq!(bench.shards[0].turn(), Turn::Wait(Some(due)));
    bench.network.set_now(due);
    assert_eq!(bench.settle(), [Timeout]);
    assert_eq!(bench.shards[0].turn(), Turn::Wait(None));
}

#[test]
fn records_go_to_the_journal_and_come_back_as_durable() {
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<(String, Position)>>>);
    impl Journal for Kept {
        fn begin(&mut self, _whole: Position, _synced: Synced) {}

        fn append(&mut self, bytes: &[u8], up_to: Position) {
            self.0.lock().unwrap().push((String::from_utf8_lossy(bytes).into(), up_to));
        }
    }
    let (mut bench, wire) = Bench::connected();
    let kept = Kept::default();
    bench.shards[0].journal = Some(Box::new(kept.clone()));
    wire.send(b"j");
    bench.settle();
    wire.send(b"jj");
    bench.settle();
    let expected = [("record".into(), Position(1)), ("record".into(), Position(2))];
    assert_eq!(*kept.0.lock().unwrap(), expected);
    bench.shards[0].mailbox().post(Post::Durable(Position(2)));
    assert_eq!(bench.settle(), [Seen::Durable(Position(2))]);
}

#[test]
fn records_without_a_journal_are_not_taken_for_written() {
    let (mut bench, wire) = Bench::connected();
    wire.send(b"j");
    assert_eq!(bench.settle(), [bytes("j"), JournalFailed]);
}

#[test]
fn a_call_runs_between_inputs() {
    let (mut bench, wire) = Bench::connected();
    bench.shards[0].mailbox().post(Post::Call(Box::new(|machine, _| machine.say(FIRST, b"hi"))));
    bench.settle();
    assert_eq!(wire.received(), b"hi");
}

// Shutdown.

#[test]
fn a_shutdown_ends_when_all_shards_are_quiet() {
    let mut bench = Bench::new(2);
    let wire = bench.connect();
    let deadline = Instant::from_secs(10);
    for shard in &mut bench.shards {
        shard.machine.drained = true;
        shard.mailbox().post(Post::Shutdown(deadline));
    }
    bench.shards[0].machine.tasks.push_back(Task::Close(FIRST));
    assert_eq!(bench.rest(0), Turn::Wait(Some(deadline)), "the peer has not closed yet");
    assert_eq!(bench.rest(1), Turn::Wait(Some(deadline)), "mail may still come");
    wire.finish();
    assert_eq!(bench.rest(0), Turn::Ended);
    assert_eq!(bench.rest(1), Turn::Ended);
}

#[test]
fn a_shutdown_does_not_wait_beyond_its_deadline() {
    let (mut bench, wire) = Bench::connected();
    wire.take_only(0);
    bench.machine().say(FIRST, b"goodbye");
    bench.settle();
    let deadline = Instant::from_secs(10);
    bench.shards[0].mailbox().post(Post::Shutdown(deadline));
    assert_eq!(bench.shards[0].turn(), Turn::Wait(Some(deadline)));
    bench.machine().seen.clear();
    bench.network.set_now(deadline);
    assert_eq!(bench.shards[0].turn(), Turn::Ended);
    assert_eq!(bench.machine().seen, [Closed(0, CloseCause::Shutdown)]);
    drop(bench);
    assert!(wire.is_closed());
}

#[test]
fn nobody_new_is_let_in_once_a_shutdown_has_begun() {
    let mut bench = Bench::new(1);
    bench.shards[0].mailbox().post(Post::Shutdown(Instant::from_secs(10)));
    let (wire, socket) = bench.network.connect();
    bench.shards[0].mailbox().post_accepted(socket, PEER).unwrap();
    assert_eq!(bench.settle(), [Seen::Shutdown]);
    assert!(wire.is_closed());
}
