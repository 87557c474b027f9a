//! The bodies of the fuzz targets over their committed seeds and some thousand inputs near them: no fuzzer needed, and what one has
//! found stays found.
#![cfg(test)]

#[path = "../fuzz/src/targets/mod.rs"]
pub mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::thread;

use targets::TARGETS;
use targets::Target;

/// Beginnings of a seed that are tried.
const BEGINNINGS_MAX: usize = 10;
/// Changes of a seed that are tried.
const CHANGES: u64 = 12;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(name)
}

/// File names without their ending.
fn names(folder_name: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder(folder_name)).unwrap();
    entries
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

#[test]
fn every_target_has_seeds_and_a_program() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("seeds"), targets);
    assert_eq!(names("fuzz_targets"), targets);
    assert!(names("dictionaries").is_subset(&targets));
}

#[test]
fn seeds_and_what_is_near_them_pass() {
    let mut running = Vec::new();
    for target in TARGETS {
        running.push(thread::spawn(move || run_seeds(target)));
    }
    let faults: Vec<String> = running
        .into_iter()
        .flat_map(|target| target.join().unwrap())
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The inputs that fail.
fn run_seeds(&(name, run): &Target) -> Vec<String> {
    let mut faults = Vec::new();
    let entries: Vec<_> = fs::read_dir(folder("seeds").join(name)).unwrap().collect();
    assert!(!entries.is_empty(), "{name} has no seeds");
    for entry in entries {
        let path = entry.unwrap().path();
        for input in near(&fs::read(&path).unwrap()) {
            if catch_unwind(|| run(&input)).is_err() {
                faults.push(format!("{}: {}", path.display(), input.escape_ascii()));
            }
        }
    }
    faults
}

/// A seed, its beginnings, and the seed with single bytes changed, left out and doubled; always the same ones.
fn near(seed: &[u8]) -> Vec<Vec<u8>> {
    let mut inputs = vec![seed.to_vec()];
    let step = seed.len().div_ceil(BEGINNINGS_MAX).max(1);
    inputs.extend(
        (0..seed.len())
            .step_by(step)
            .map(|end| seed[..end].to_vec()),
    );
    let mut state = seed.len() as u64;
    for turn in 0..CHANGES {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let Some(at) = usize::try_from(state >> 33)
            .unwrap()
            .checked_rem(seed.len())
        else {
            break;
        };
        let mut input = seed.to_vec();
        match turn % 3 {
            0 => input[at] = state.to_le_bytes()[3],
            1 => drop(input.remove(at)),
            _ => input.insert(at, seed[at]),
        }
        inputs.push(input);
    }
    inputs
}
