//! What the tools have in common: whom to connect to and as whom, what is sent and what is printed, and what ends it.
mod input;
mod options;
mod output;
mod properties;
mod reasons;
mod topics;
mod url;
mod watched;

pub(crate) use input::{Input, Source};
pub(crate) use options::{Options, Plan, qos, seconds, some_seconds};
pub(crate) use output::{Output, Printing, Unprinted, unread};
pub(crate) use properties::join;
pub(crate) use reasons::{lost, not_published, not_subscribed, silent, timed_out};
pub(crate) use topics::{filters, name, template};
pub(crate) use watched::{Event, FAREWELL, Haste, Watched, catch_signals, code_of};

use crate::say::{self, Failure};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tokio::runtime::Builder;

/// Runs a tool to its end. Its client has a thread of its own, so that waiting for a pipe does not silence it.
pub(crate) fn run<T>(quiet: bool, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    if quiet {
        say::be_quiet();
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::Machine(format!("can't start: {error}; raise ulimit -u or -n")))?;
    let done = runtime.block_on(work);
    // Names may be looked up for longer than anybody wants to wait.
    runtime.shutdown_background();
    done
}

/// What a future comes to that does not wait.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}
