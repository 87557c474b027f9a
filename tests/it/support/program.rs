//! The `sluicegate` program as a process.

use std::io::BufRead;
use std::io::BufReader;
use std::process::Child;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

/// A command whose environment says nothing about the gateway or AWS.
pub(crate) fn sluicegate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("SLUICEGATE_") || text.starts_with("AWS_") {
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
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_heard(command.stderr(Stdio::null()))
    }

    /// With standard error as the command has it.
    pub(crate) fn start_heard(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
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
