//! Where in the configuration file a fault is, and what may be told of it: never a value that could be a secret.

/// Bytes of a key that is shown though it was found by its looks alone.
const KEY_BYTES_MAX: usize = 64;

/// The dotted key of a fault: `toml` tells it only in the text of an error without input.
pub fn key_of(error: &mut toml::de::Error) -> Option<String> {
    error.set_input(None);
    let text = error.to_string();
    let key = text.trim_end().lines().last()?.strip_prefix("in `")?;
    key.strip_suffix('`').map(str::to_owned)
}

/// The key that begins the line at `offset`, for faults of syntax: `key = …`, `[table]`. Only what looks like a key of this
/// program, since the line may stand within a secret of several lines.
pub fn key_of_line(text: &str, offset: usize) -> Option<String> {
    let before = text.get(..offset)?;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(start..)?.lines().next()?.trim_start();
    let key = match line.strip_prefix('[') {
        Some(table) => table.trim_start_matches('[').split(']').next()?,
        None => line.split_once('=')?.0,
    };
    let key = key.trim();
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.');
    let is_key = (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(good);
    is_key.then(|| key.to_owned())
}

/// What is wrong, in the parser's words. A value of a wrong type is left out: `integer`, not the number, which may be a secret
/// without its quotes.
pub fn message_of(error: &toml::de::Error) -> String {
    let message = error.message();
    let Some(rest) = message.strip_prefix("invalid type: ") else {
        return message.to_owned();
    };
    let (found, wanted) = rest.rsplit_once(", expected ").unwrap_or(("", "another"));
    let found = found.split(['`', '"']).next().unwrap_or_default().trim();
    let found = if found.is_empty() {
        "another type"
    } else {
        found
    };
    let wanted = if wanted.starts_with("struct ") {
        "a table"
    } else {
        wanted
    };
    format!("found {found} (not shown, it may be a secret), wanted {wanted}")
}

/// Line and column, both from 1, of the byte at `offset`; columns count characters.
pub fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::app::settings::file::ConfigFile;

    fn fault_of(text: &str) -> String {
        ConfigFile::parse(Path::new("s.toml"), text.to_owned())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_secret_of_a_wrong_type_or_syntax_is_not_shown() {
        for value in [
            "4711",
            "-4711",
            "471147114711471147114711471147",
            "4711.5",
            "0x4711",
            "hunter4711",
            "4711hunter",
            "\"hunter4711",
            "'a' hunter4711",
            "true4711",
            "[\"4711\"]",
            "[4711]",
            "{ a4711 = 4711 }",
            "{ a = hunter4711",
            "4711-05-27",
            "\"\"\"\nhunter4711 = 4711",
            "\"a b4711\"",
            "\"\\q4711\"",
        ] {
            for key in ["secret_access_key", "session_token"] {
                let fault = fault_of(&format!("[s3]\n{key} = {value}\n"));
                assert!(fault.starts_with("s.toml:"), "{fault}");
                assert!(!fault.contains("4711"), "{value}: {fault}");
                let told = fault.contains(key) || value.contains('\n');
                assert!(told, "{value}: {fault}");
            }
        }
    }

    #[test]
    fn a_wrong_type_is_told_by_its_kind() {
        let fault = fault_of("[s3]\nsecret_access_key = 4711\n");
        assert!(
            fault.starts_with("s.toml:2:21: s3.secret_access_key: found integer ("),
            "{fault}"
        );
        assert!(fault.ends_with("wanted a string"), "{fault}");
        let fault = fault_of("s3 = 'hunter2'\n");
        assert!(fault.starts_with("s.toml:1:6: s3: found string"), "{fault}");
        assert!(fault.ends_with("wanted a table"), "{fault}");
    }

    #[test]
    fn faults_of_syntax_have_a_key_or_none_but_no_empty_one() {
        for (text, start) in [
            (
                "[server\nworkers = 1\n",
                "s.toml:1:8: server: unclosed table",
            ),
            ("[s3]\nregion = \n", "s.toml:2:"),
            (
                "[s3]\nregion = us\n",
                "s.toml:2:10: region: string values must be quoted",
            ),
            ("[s3]\n[s3]\n", "s.toml:2:2: s3: duplicate key"),
            ("x\n", "s.toml:1:2: key with no value"),
        ] {
            let fault = fault_of(text);
            assert!(fault.starts_with(start), "{fault}");
            assert!(!fault.contains(": : "), "{fault}");
        }
    }
}
