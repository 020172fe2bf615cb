//! Deadlines.
use super::event::Cause;
use super::link::Ping;
use super::{Action, Client, Next, Phase, Timer};
use crate::reason::ReasonCode;
use crate::time::{Deadline, Duration, Instant};

/// A server answers a PINGREQ within half of the Keep Alive, and never needs less than this.
const PATIENCE: Duration = Duration::from_secs(1);

impl Client {
    /// The Keep Alive that holds. [MQTT-3.2.2-21] [MQTT-3.1.2-21]
    fn keep_alive(&self) -> Duration {
        let ours = self.config.keep_alive_seconds;
        Duration::from_secs(self.link.server.keep_alive_seconds.unwrap_or(ours).into())
    }

    pub(super) fn due(&self) -> Option<Deadline<Timer>> {
        let at = |at, timer| Some(Deadline { at, timer });
        let phase = match self.phase {
            Phase::Idle => return None,
            Phase::Waiting(until) => at(until, Timer::Reconnect),
            Phase::Opening(until) | Phase::Asking(until) | Phase::Greeting(until) => {
                at(until, Timer::Connect)
            }
            Phase::Closing(until) => at(until, Timer::Linger),
            Phase::Aborted => None,
            Phase::Up => self.keep_alive_due(),
        };
        let drain =
            self.leaving.as_ref().filter(|_| !matches!(self.phase, Phase::Closing(_) | Phase::Aborted));
        let drain = drain.and_then(|leaving| at(leaving.deadline, Timer::Drain));
        [phase, drain].into_iter().flatten().min_by_key(|deadline| deadline.at)
    }

    /// A PINGREQ is due when we were silent for so long, or the server was: it may be gone while we talk.
    fn keep_alive_due(&self) -> Option<Deadline<Timer>> {
        let keep_alive = self.keep_alive();
        if keep_alive.is_zero() {
            return None;
        }
        Some(match self.link.ping {
            // What the server says may lie unread, because the application is slow. It is not held against the
            // server; but it goes on to hear from us.
            Ping::Sent(_) if self.link.held => {
                Deadline { at: self.link.sent.after(keep_alive), timer: Timer::KeepAlive }
            }
            // The transport is busy with what we sent before: no answer can be expected.
            Ping::Queued => return None,
            Ping::Sent(since) => {
                Deadline { at: since.after((keep_alive / 2).max(PATIENCE)), timer: Timer::PingResponse }
            }
            Ping::None => {
                let quiet = self.link.sent.min(self.link.heard);
                Deadline { at: quiet.after(keep_alive), timer: Timer::KeepAlive }
            }
        })
    }

    pub(super) fn on_timeout(&mut self, now: Instant) {
        let Some(due) = self.due().filter(|due| due.at <= now) else { return };
        match due.timer {
            Timer::Connect => self.close(now, Cause::ConnectTimeout, Next::Reconnect),
            // [MQTT-3.1.2-20]
            Timer::KeepAlive => {
                self.link.out.extend_from_slice(&[0xc0, 0]);
                self.link.ping = Ping::Queued;
                self.actions.transmit();
            }
            Timer::PingResponse => {
                self.fail(now, Cause::KeepAlive, ReasonCode::KeepAliveTimeout, Next::Reconnect);
            }
            Timer::Reconnect => self.open(now),
            Timer::Drain => self.leave_now(now),
            Timer::Linger => {
                self.phase = Phase::Aborted;
                self.actions.push(Action::Abort);
            }
        }
    }
}
