//! What a command prints on standard output.

use std::io::Write;

use serde::Serialize;

use crate::app::exit::Exit;
use crate::app::exit::Failure;

/// Prints `text` as it is. A reader that has left ends the command without a word.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|cause| match cause.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::already_told(Exit::FailedWhileRunning),
            _ => Failure::new(
                Exit::FailedWhileRunning,
                format!("standard output: {cause}"),
            ),
        })
}

/// Prints `value` as one JSON document with indentation.
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|cause| Failure::new(Exit::FailedWhileRunning, cause))?;
    print(&(json + "\n"))
}
