//! Running other programs, and saying how long it took.
use crate::Result;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask is a folder of the repository").to_owned()
}

/// Where builds go, and what tests install.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

#[allow(clippy::disallowed_methods, reason = "a task says how long it took, by the real clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Names a step, does it, and says how long it took.
pub(crate) fn step<T>(name: &str, f: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("== {name}");
    let start = now();
    let result = f();
    let verdict = if result.is_ok() { "done" } else { "FAILED" };
    println!("== {name}: {verdict} after {:.1} s", start.elapsed().as_secs_f64());
    result
}

/// At the top of the repository.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Fails if the program does.
pub(crate) fn run(mut command: Command) -> Result {
    let status = command.status().map_err(|error| format!("cannot run {}: {error}", shown(&command)))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", shown(&command)).into()) }
}

/// What it prints, if it succeeds.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let output = command.output().map_err(|error| format!("cannot run {}: {error}", shown(&command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {}\n{said}", shown(&command), output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Prints the lines of the program's standard output as they come, and shows them to `look`.
pub(crate) fn watch(mut command: Command, mut look: impl FnMut(&str)) -> Result<ExitStatus> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run {}: {error}", shown(&command)))?;
    for line in BufReader::new(child.stdout.take().expect("it is piped")).lines() {
        let line = line?;
        println!("{line}");
        look(&line);
    }
    Ok(child.wait()?)
}

/// Is there a program of this name?
pub(crate) fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn shown(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// A program that runs beside this one; it does not outlive it.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    /// Both what it prints and what it complains of come as its lines.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot run {}: {error}", shown(&command)))?;
        let (sender, lines) = mpsc::channel();
        let stdout: Box<dyn Read + Send> = Box::new(child.stdout.take().expect("it is piped"));
        let stderr: Box<dyn Read + Send> = Box::new(child.stderr.take().expect("it is piped"));
        for stream in [stdout, stderr] {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(std::io::Result::ok) {
                    // Nobody may listen any more; the pipe is to be emptied all the same.
                    let _ = sender.send(line);
                }
            });
        }
        Ok(Self { child, lines })
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The first line of which `f` makes something, if it comes in time.
    pub(crate) fn wait_for<T>(&self, patience: Duration, mut f: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let deadline = now() + patience;
        loop {
            let line = self.lines.recv_timeout(deadline.saturating_duration_since(now())).ok()?;
            if let Some(found) = f(&line) {
                return Some(found);
            }
        }
    }

    /// Kills it, so that it has no time to say goodbye.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
