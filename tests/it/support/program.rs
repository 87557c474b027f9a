//! The `sluicegate` program as a process.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::net::SocketAddr;
use std::process::Child;
use std::process::ChildStderr;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

/// A command whose environment says nothing about the gateway or AWS.
pub(crate) fn sluicegate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["SLUICEGATE_", "AWS_", "OTEL_"]
            .iter()
            .any(|begin| text.starts_with(begin))
        {
            command.env_remove(name);
        }
    }
    // The default port of the admin listener is one for the whole machine.
    command.env("SLUICEGATE_ADMIN", "off");
    command.args(arguments);
    command
}

/// Runs to the end: exit status, standard output, standard error.
pub(crate) fn ended(command: &mut Command) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A program that runs until it is told to stop; killed when it is dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdout: BufReader<ChildStdout>,
    /// Only of [`Running::start_told`].
    stderr: Option<BufReader<ChildStderr>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_heard(command.stderr(Stdio::null()))
    }

    /// With standard error as the command has it.
    pub(crate) fn start_heard(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = None;
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// As [`Running::start`], with the diagnostics kept for [`Running::told_until`].
    pub(crate) fn start_told(command: &mut Command) -> Self {
        let told = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = told.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = child.stderr.take().map(BufReader::new);
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// The diagnostics up to the first line that holds `last`.
    pub(crate) fn told_until(&mut self, last: &str) -> String {
        let stderr = self
            .stderr
            .as_mut()
            .expect("a program whose diagnostics are kept");
        let mut told = String::new();
        loop {
            let begins = told.len();
            let bytes = stderr.read_line(&mut told).unwrap();
            assert!(bytes > 0, "the program ended after {told}");
            if told[begins..].contains(last) {
                return told;
            }
        }
    }

    /// The first address that is printed.
    pub(crate) fn address(&mut self) -> SocketAddr {
        let line = self.lines_until("127.0.0.1:").pop().unwrap();
        let port: String = line
            .split("127.0.0.1:")
            .nth(1)
            .unwrap()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()))
    }

    /// The next lines of standard output, up to the first that holds `last`.
    pub(crate) fn lines_until(&mut self, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let bytes = self.stdout.read_line(&mut line).unwrap();
            assert!(bytes > 0, "the program ended after {lines:?}");
            lines.push(line.trim_end().to_owned());
            if line.contains(last) {
                return lines;
            }
        }
    }

    /// Everything on standard output until the program has ended.
    pub(crate) fn rest(&mut self) -> String {
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).unwrap();
        text
    }

    /// Sends a signal by its name, as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = ["-s", name, &self.child.id().to_string()].map(str::to_owned);
        assert!(Command::new("kill").args(kill).status().unwrap().success());
    }

    /// Sends a signal and waits for the end; the exit status.
    pub(crate) fn end(self, signal: &str) -> i32 {
        self.signal(signal);
        self.wait()
    }

    /// Waits for the end; the exit status.
    pub(crate) fn wait(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // ignored: the program has ended already, or the test has failed
        let _ignored = self.child.kill();
        let _ignored = self.child.wait();
    }
}
