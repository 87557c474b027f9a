//! The repair of text: at every cut what the standard library makes of the whole.

use sluicegate::wire::utf8::Repair;

use super::cuts::ways;

/// Repairs `data`.
pub fn run(data: &[u8]) {
    let wanted = String::from_utf8_lossy(data);
    for pieces in ways(data).iter().chain([&vec![data]]) {
        let (mut repair, mut out) = (Repair::new(), Vec::new());
        for piece in pieces {
            repair.repair(piece, &mut out);
        }
        repair.finish(&mut out);
        assert_eq!(out, wanted.as_bytes(), "{pieces:?}");
    }
}
