//! The demo's folder: the embedded store's data, and its keys in a file that only the owner reads.

use std::fs;
use std::io;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};

use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::settings::environment::Environment;
use crate::wire::sigv4::credentials::Secret;

/// The file with the keys, in the folder. A shell can read it: `. sluicegate.env`.
pub const KEYS_FILE: &str = "sluicegate.env";
/// Where the data goes if there is neither `XDG_DATA_HOME` nor `HOME`.
const FOLDER_FALLBACK: &str = "sluicegate-data";
const FOLDER_MODE: u32 = 0o700;
const KEYS_MODE: u32 = 0o600;
const ACCESS_KEY_BYTES: usize = 20;
const SECRET_KEY_BYTES: usize = 40;
const ACCESS_KEY_NAME: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY_NAME: &str = "AWS_SECRET_ACCESS_KEY";
/// A random byte modulo 32 picks each as likely as the others: 5 bits a letter.
const KEY_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The keys of the embedded store.
#[derive(Debug)]
pub struct StoreKeys {
    /// Access key id.
    pub access_key_id: String,
    /// Secret key.
    pub secret_access_key: Secret,
}

/// The folder, existing and writable.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
}

impl DataDir {
    /// `--data-dir`, else `$XDG_DATA_HOME/sluicegate`, else `~/.local/share/sluicegate`, else `./sluicegate-data`.
    /// A default that cannot be made gives way to the last.
    pub fn open(chosen: Option<&Path>, environment: &Environment) -> Result<Self, Failure> {
        let path = match chosen {
            Some(path) => path.to_owned(),
            None => default_folder(environment).unwrap_or_else(|| PathBuf::from(FOLDER_FALLBACK)),
        };
        match make_folder(&path) {
            Ok(()) => Ok(Self { path }),
            Err(_) if chosen.is_none() && path != Path::new(FOLDER_FALLBACK) => {
                Self::open(Some(Path::new(FOLDER_FALLBACK)), environment)
            }
            Err(cause) => Err(Failure::new(
                Exit::CouldNotBind,
                format!(
                    "cannot use the folder {}: {cause}; another can be given with --data-dir",
                    path.display()
                ),
            )),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file with the keys.
    pub fn keys_file(&self) -> PathBuf {
        self.path.join(KEYS_FILE)
    }

    /// The keys of the first start, made at the first start.
    pub fn keys(&self) -> Result<StoreKeys, Failure> {
        let path = self.keys_file();
        let told = |cause: io::Error| {
            let message = format!(
                "{}: {cause}; another folder can be given with --data-dir",
                path.display()
            );
            Failure::new(Exit::BadConfiguration, message)
        };
        match fs::read_to_string(&path) {
            Ok(text) => parse_keys(&text).ok_or_else(|| {
                let message = format!(
                    "no {ACCESS_KEY_NAME} and {SECRET_KEY_NAME} in it; delete it for new ones"
                );
                told(io::Error::new(io::ErrorKind::InvalidData, message))
            }),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                let keys = generate().map_err(told)?;
                write_keys(&path, &keys).map_err(told)?;
                Ok(keys)
            }
            Err(cause) => Err(told(cause)),
        }
    }
}

fn default_folder(environment: &Environment) -> Option<PathBuf> {
    let xdg = environment.value("XDG_DATA_HOME").map(PathBuf::from);
    let home = environment
        .value("HOME")
        .map(|home| Path::new(home).join(".local/share"));
    let base = xdg.filter(|path| path.is_absolute()).or(home)?;
    Some(base.join("sluicegate"))
}

fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(path)?;
    // A folder that was there may not be writable; the first file to be made tells.
    let probe = path.join(".writable");
    fs::write(&probe, b"")?;
    fs::remove_file(&probe)
}

fn generate() -> io::Result<StoreKeys> {
    Ok(StoreKeys {
        access_key_id: random_text(ACCESS_KEY_BYTES)?,
        secret_access_key: Secret::new(random_text(SECRET_KEY_BYTES)?),
    })
}

fn random_text(bytes: usize) -> io::Result<String> {
    let mut random = vec![0; bytes];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| io::Error::other("the system gave no random bytes"))?;
    let letters = random
        .iter()
        .filter_map(|&byte| KEY_ALPHABET.get(usize::from(byte % 32)));
    Ok(letters.map(|&letter| char::from(letter)).collect())
}

/// Written beside and renamed, so that half a file is never read.
fn write_keys(path: &Path, keys: &StoreKeys) -> io::Result<()> {
    let text = format!(
        "# Keys of the embedded S3 store. `. {KEYS_FILE}` gives them to a shell.\n\
         export {ACCESS_KEY_NAME}={}\nexport {SECRET_KEY_NAME}={}\nexport AWS_DEFAULT_REGION=us-east-1\n",
        keys.access_key_id,
        keys.secret_access_key.expose()
    );
    let beside = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(KEYS_MODE)
        .open(&beside)?;
    file.set_permissions(fs::Permissions::from_mode(KEYS_MODE))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

fn parse_keys(text: &str) -> Option<StoreKeys> {
    let value = |name: &str| {
        let mut lines = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("export "));
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    Some(StoreKeys {
        access_key_id: value(ACCESS_KEY_NAME)?,
        secret_access_key: Secret::new(value(SECRET_KEY_NAME)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_readable_by_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er");
        let data_dir = DataDir::open(Some(&path), &Environment::of(&[])).unwrap();
        let first = data_dir.keys().unwrap();
        assert_eq!(first.access_key_id.len(), ACCESS_KEY_BYTES);
        assert_eq!(first.secret_access_key.expose().len(), SECRET_KEY_BYTES);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data_dir.keys_file()), KEYS_MODE);
        assert_eq!(mode(&path), FOLDER_MODE);

        let again = DataDir::open(Some(&path), &Environment::of(&[]))
            .unwrap()
            .keys()
            .unwrap();
        assert_eq!(again.access_key_id, first.access_key_id);
        assert_eq!(again.secret_access_key, first.secret_access_key);
    }

    #[test]
    fn a_keys_file_without_keys_is_a_fault_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join(KEYS_FILE),
            "export AWS_ACCESS_KEY_ID=A\n",
        )
        .unwrap();
        let data_dir = DataDir::open(Some(folder.path()), &Environment::of(&[])).unwrap();
        let failure = data_dir.keys().unwrap_err();
        assert_eq!(failure.exit, Exit::BadConfiguration);
        assert!(failure.message.contains(KEYS_FILE), "{}", failure.message);
    }

    #[test]
    fn the_folder_follows_the_environment() {
        let folder = |pairs: &[(&'static str, &str)]| default_folder(&Environment::of(pairs));
        let home = ("HOME", "/h");
        assert_eq!(
            folder(&[("XDG_DATA_HOME", "/d"), home]).unwrap(),
            Path::new("/d/sluicegate")
        );
        assert_eq!(
            folder(&[("XDG_DATA_HOME", "rel"), home]).unwrap(),
            Path::new("/h/.local/share/sluicegate")
        );
        assert_eq!(
            folder(&[home]).unwrap(),
            Path::new("/h/.local/share/sluicegate")
        );
        assert_eq!(folder(&[]), None);
    }

    #[test]
    fn a_chosen_folder_that_cannot_be_made_names_the_option() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let failure = DataDir::open(Some(&file.join("sub")), &Environment::of(&[])).unwrap_err();
        assert!(
            failure.message.contains("--data-dir"),
            "{}",
            failure.message
        );
    }
}
