//! Files that settings name: read to their limit, whatever the system says of their size.

use std::fs::File;
use std::io;
use std::io::Read;
use std::path::Path;

use crate::app::settings::files_read;

/// The text of the file at `path`, if it has at most `bytes_max` bytes; one more is read to tell.
pub fn read_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    let text = read_bytes(path, bytes_max)?;
    String::from_utf8(text).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))
}

/// As [`read_text`], whatever the bytes are.
pub fn read_bytes(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    files_read::note(path);
    let mut bytes = Vec::new();
    let mut bounded = File::open(path)?.take(bytes_max.saturating_add(1));
    bounded.read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let message = format!("larger than the limit of {}", size(bytes_max));
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// `6 MB (6291456 bytes)`
fn size(bytes: u64) -> String {
    const KB: u64 = 1024;
    match bytes {
        whole if whole >= KB * KB && whole % (KB * KB) == 0 => {
            format!("{} MB ({whole} bytes)", whole / (KB * KB))
        }
        other => format!("{other} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        let fault = read_text(&path, 4).unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(fault.to_string(), "larger than the limit of 4 bytes");
    }

    #[test]
    fn a_device_without_end_is_read_no_further() {
        let fault = read_text(Path::new("/dev/zero"), 2 * 1024 * 1024).unwrap_err();
        let text = "larger than the limit of 2 MB (2097152 bytes)";
        assert_eq!(fault.to_string(), text);
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, [0xff]).unwrap();
        assert_eq!(read_text(&path, 5).unwrap_err().to_string(), "not UTF-8");
    }
}
