//! Puts the functions that a server executes side by side in a release build (`bench/link-order`): what is at rest in memory is
//! mostly the program's own pages.

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;

const LIST: &str = "bench/link-order.txt";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={LIST}");
    // Only GNU ld and lld read such a script; whoever has chosen a linker keeps it without.
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    let is_usual_linker = !flags.contains("link") && variable("RUSTC_LINKER").is_empty();
    if variable("CARGO_CFG_TARGET_OS") != "linux"
        || variable("PROFILE") != "release"
        || !is_usual_linker
    {
        return Ok(());
    }
    let mut script = String::from("SECTIONS { .text.executed : {\n");
    let list = fs::read_to_string(LIST)?;
    for name in list.lines().filter(|line| !line.starts_with('#')) {
        // What the compiler holds for cold has a section of its own.
        script.push_str(&format!("*(.text.{name}* .text.unlikely.{name}*)\n"));
    }
    script.push_str("} } INSERT BEFORE .text;\n");
    let path = PathBuf::from(variable("OUT_DIR")).join("link-order.ld");
    fs::write(&path, script)?;
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", path.display());
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script everything by its environment"
)]
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
