//! What the demo prints when it is ready: lines that work as they stand.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use crate::app::demo::data_dir::DataDir;
use crate::app::gateway::base_url;
use crate::net::address::ListenAt;

/// The demo, as told to the person who started it.
pub struct Banner<'a> {
    /// The gateway's addresses.
    pub listen: &'a [ListenAt],
    /// Those where TLS is spoken.
    pub tls: &'a [ListenAt],
    /// Where the dashboard is.
    pub admin: Option<&'a str>,
    /// The stage of the sample API.
    pub stage: &'a str,
    /// The sample bucket.
    pub bucket: &'a str,
    /// The store's address.
    pub store: SocketAddr,
    /// Where the data is kept.
    pub data_dir: &'a DataDir,
    /// This program, for the line that starts the sidecar.
    pub program: &'a Path,
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, store, .. } = self;
        let plain = self.listen.iter().map(|at| ("http", at));
        for (scheme, address) in plain.chain(self.tls.iter().map(|at| ("https", at))) {
            writeln!(
                f,
                "sluicegate: the sample API is at {}",
                base_url(scheme, address, self.stage)
            )?;
        }
        if let Some(url) = self.admin {
            writeln!(f, "sluicegate: its dashboard is at {url}")?;
        }
        let base = self
            .listen
            .first()
            .map_or_else(String::new, |first| base_url("http", first, self.stage));
        let over = match self.listen.first() {
            Some(ListenAt::Unix(socket)) => format!("--unix-socket {} ", shell_word(&socket.path)),
            Some(ListenAt::Inet(_)) | None => String::new(),
        };
        let base = base.split(' ').next().unwrap_or_default();
        let keys = shell_word(&self.data_dir.keys_file());
        writeln!(
            f,
            "\nList a bucket, put bytes into it, get them back as Base64 in JSON:\n"
        )?;
        let octets = "-H 'Content-Type: application/octet-stream' --data-binary '[raw bytes]'";
        for line in [
            format!("curl {over}'{base}/{bucket}'"),
            format!("curl {over}-X PUT {octets} '{base}/s3?key={bucket}/raw-bytes'"),
            format!("curl {over}-H 'Accept: application/json' '{base}/s3?key={bucket}/raw-bytes'"),
        ] {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "\nThe store behind it speaks S3:\n")?;
        writeln!(
            f,
            "  . {keys}; aws --endpoint-url http://{store} s3 ls s3://{bucket}/"
        )?;
        writeln!(f, "\nA sidecar gives it to S3 clients that have no keys:\n")?;
        writeln!(
            f,
            "  . {keys}; {} sidecar --listen 127.0.0.1:9000 --s3-endpoint http://{store}",
            shell_word(self.program)
        )?;
        writeln!(
            f,
            "\nData and keys are kept in {}. Ctrl-C stops it.",
            self.data_dir.path().display()
        )
    }
}

/// `path` as one word of a POSIX shell; with a slash in it, since `.` would search the PATH otherwise.
fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text = if text.contains('/') {
        text.into_owned()
    } else {
        format!("./{text}")
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    if text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_one_word_for_a_shell() {
        assert_eq!(shell_word(Path::new("/d/keys.env")), "/d/keys.env");
        assert_eq!(shell_word(Path::new("keys.env")), "./keys.env");
        assert_eq!(shell_word(Path::new("/my data/k")), "'/my data/k'");
        assert_eq!(shell_word(Path::new("/it's/k")), r"'/it'\''s/k'");
    }
}
