//! What the operating system says to a process that is to end.
use std::io;
use tokio::runtime::Runtime;

/// A wish that the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// From a terminal: Ctrl-C.
    Interrupt,
    /// From whoever supervises it.
    Terminate,
}

/// Signals that are waited for instead of ending the process at once.
#[derive(Debug)]
pub struct Signals {
    runtime: Runtime,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// From now on they are caught.
    pub fn catch() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        drop(entered);
        Ok(Self { runtime, interrupt, terminate })
    }

    /// Waits for the next.
    pub fn wait(&mut self) -> Signal {
        let (interrupt, terminate) = (&mut self.interrupt, &mut self.terminate);
        self.runtime.block_on(std::future::poll_fn(|cx| {
            if interrupt.poll_recv(cx).is_ready() {
                std::task::Poll::Ready(Signal::Interrupt)
            } else {
                terminate.poll_recv(cx).map(|_| Signal::Terminate)
            }
        }))
    }
}

#[cfg(not(unix))]
impl Signals {
    /// From now on they are caught.
    pub fn catch() -> io::Result<Self> {
        Ok(Self { runtime: tokio::runtime::Builder::new_current_thread().enable_io().build()? })
    }

    /// Waits for the next.
    pub fn wait(&mut self) -> Signal {
        let _ = self.runtime.block_on(tokio::signal::ctrl_c());
        Signal::Interrupt
    }
}

/// SIGHUP, by which a server is asked to read its configuration again, and told that its terminal was closed. From now on
/// it is heard instead of ending the process.
#[derive(Debug)]
pub struct Hangups {
    #[cfg(unix)]
    runtime: Runtime,
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Hangups {
    /// From now on they are caught.
    pub fn catch() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let hangup = signal(SignalKind::hangup())?;
        drop(entered);
        Ok(Self { runtime, hangup })
    }

    /// Waits for the next; false if there will be none.
    pub fn wait(&mut self) -> bool {
        let hangup = &mut self.hangup;
        self.runtime.block_on(hangup.recv()).is_some()
    }
}

#[cfg(not(unix))]
impl Hangups {
    /// There are none.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {})
    }

    /// There are none.
    pub fn wait(&mut self) -> bool {
        false
    }
}
