use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use super::*;
use crate::net::credentials::renewal::Renewal;
use crate::net::credentials::slot::CredentialSlot;

const END: &str = "2099-01-01T00:00:00Z";
const END_SECONDS: u64 = 4_070_908_800;
const ROLE: &str = "arn:aws:iam::123456789012:role/reader";

/// A server that answers each request by `answer`, given its whole text, until the test ends. Its URL.
fn fake(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut text = String::new();
            while !is_whole(&text) {
                let mut piece = [0; 4096];
                match stream.read(&mut piece) {
                    Ok(0) | Err(_) => break,
                    Ok(count) => text.push_str(&String::from_utf8_lossy(&piece[..count])),
                }
            }
            let (status, body) = answer(&text);
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} Told\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            stream.write_all((head + &body).as_bytes()).ok();
        }
    });
    url
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let named = name.eq_ignore_ascii_case("content-length");
        named.then(|| value.trim().parse::<usize>().unwrap())
    });
    body.len() >= length.unwrap_or(0)
}

fn settings(variables: &[(&str, &str)]) -> ChainSettings {
    let owned = variables
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()));
    ChainSettings {
        variables: owned.collect(),
        home: None,
        region: "eu-west-1".to_owned(),
        trust: Trust::default(),
    }
}

/// No metadata service is asked for.
const NO_IMDS: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");

fn id(keys: &Keys) -> (&str, &str) {
    (&keys.source, &keys.credentials.access_key_id)
}

fn session(id: &str) -> String {
    format!(
        r#"{{"Code":"Success","AccessKeyId":"{id}","SecretAccessKey":"s","Token":"t","Expiration":"{END}"}}"#
    )
}

fn sts_answer(action: &str, id: &str) -> String {
    format!(
        "<{action}Response><{action}Result><Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
         <SessionToken>t</SessionToken><Expiration>{END}</Expiration></Credentials></{action}Result></{action}Response>"
    )
}

#[test]
fn the_environment_comes_first_and_nothing_at_all_is_told() {
    let keys = [
        ("AWS_ACCESS_KEY_ID", "ENV"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        NO_IMDS,
    ];
    let found = Chain::standard(&settings(&keys)).find().unwrap();
    assert_eq!(id(&found), ("environment", "ENV"));
    assert_eq!(found.expires, None);
    let nothing = Chain::standard(&settings(&[NO_IMDS])).find();
    assert_eq!(nothing.unwrap_err(), ChainFault::Nowhere(None));
}

#[test]
fn profiles_are_read_from_the_shared_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials");
    let text = "[default]\naws_access_key_id = D\naws_secret_access_key = s\n\
                [media]\naws_access_key_id = M\naws_secret_access_key = s\naws_session_token = t\n";
    std::fs::write(&path, text).unwrap();
    let file = ("AWS_SHARED_CREDENTIALS_FILE", path.to_str().unwrap());
    let of = |variables: &[_]| Chain::standard(&settings(variables)).find().unwrap();
    assert_eq!(id(&of(&[file, NO_IMDS])), ("profile", "D"));
    let media = of(&[file, NO_IMDS, ("AWS_PROFILE", "media")]);
    assert_eq!(id(&media), ("profile", "M"));
    assert_eq!(media.credentials.session_token.unwrap().expose(), "t");
    let named = Chain::profile(&settings(&[file]), "media").find().unwrap();
    assert_eq!(id(&named), ("profile media", "M"));
    let absent = Chain::profile(&settings(&[file]), "nobody").find();
    assert!(absent.is_err());
}

#[test]
fn the_metadata_service_is_asked_with_a_token() {
    let url = fake(|request| {
        let has_token = request
            .to_ascii_lowercase()
            .contains("x-aws-ec2-metadata-token: secret-token");
        match request.split(' ').nth(1) {
            Some("/latest/api/token") if request.starts_with("PUT") => {
                (200, "secret-token".to_owned())
            }
            Some(_) if !has_token => (401, String::new()),
            Some("/latest/meta-data/iam/security-credentials/") => (200, "node".to_owned()),
            Some("/latest/meta-data/iam/security-credentials/node") => (200, session("IMDS")),
            _ => (404, String::new()),
        }
    });
    let found = Chain::standard(&settings(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)]));
    let found = found.find().unwrap();
    assert_eq!(id(&found), ("instance metadata", "IMDS"));
    assert_eq!(found.expires, Some(UnixSeconds(END_SECONDS)));

    let refusing = fake(|_| (401, String::new()));
    let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", refusing.as_str())];
    let fault = Chain::standard(&settings(&variables)).find().unwrap_err();
    assert!(
        matches!(&fault, ChainFault::Nowhere(Some(told)) if told.starts_with("instance metadata")),
        "{fault}"
    );
}

#[test]
fn containers_give_keys_for_their_token() {
    let url = fake(|request| {
        if request.to_ascii_lowercase().contains("authorization: pass") {
            (200, session("ECS"))
        } else {
            (401, String::new())
        }
    });
    let url = format!("{url}/role");
    let full = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str());
    let pass = ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pass");
    let found = Chain::standard(&settings(&[full, pass, NO_IMDS])).find();
    assert_eq!(id(&found.unwrap()), ("container", "ECS"));
    // A place that is configured and refuses ends the search.
    let wrong = ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "other");
    let fault = Chain::standard(&settings(&[full, wrong]))
        .find()
        .unwrap_err();
    assert!(
        matches!(&fault, ChainFault::Failed { source, .. } if source == "container"),
        "{fault}"
    );
}

fn token_file(folder: &Path) -> String {
    let path = folder.join("token");
    std::fs::write(&path, "the-web-token").unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_web_identity_is_exchanged_at_sts() {
    let folder = tempfile::tempdir().unwrap();
    let token = token_file(folder.path());
    let sts = fake(|request| {
        let asked =
            request.contains("AssumeRoleWithWebIdentity") && request.contains("the-web-token");
        if asked {
            (200, sts_answer("AssumeRoleWithWebIdentity", "WEB"))
        } else {
            (400, String::new())
        }
    });
    let variables = [
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
        ("AWS_ENDPOINT_URL_STS", sts.as_str()),
        NO_IMDS,
    ];
    let found = Chain::standard(&settings(&variables)).find().unwrap();
    assert_eq!(id(&found), ("web identity", "WEB"));
    assert_eq!(found.expires, Some(UnixSeconds(END_SECONDS)));
}

/// A home whose profile `media` has these lines.
fn home(lines: &str) -> (tempfile::TempDir, ChainSettings) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    let text = format!("[default]\nregion = eu-west-1\n[profile media]\n{lines}");
    std::fs::write(&config, text).unwrap();
    let variables = [("AWS_CONFIG_FILE", config.to_str().unwrap()), NO_IMDS];
    let mut settings = settings(&variables);
    settings.home = Some(folder.path().to_owned());
    (folder, settings)
}

#[test]
fn an_sso_session_is_exchanged_for_keys() {
    const START: &str = "https://example.awsapps.com/start";
    let portal = fake(|request| {
        let wanted = [
            "role_name=Reader",
            "account_id=123456789012",
            "x-amz-sso_bearer_token: of-the-login",
        ];
        if wanted.iter().all(|part| request.contains(part)) {
            let expiration = END_SECONDS * 1000;
            let keys = format!(
                r#"{{"roleCredentials":{{"accessKeyId":"SSO","secretAccessKey":"s","sessionToken":"t","expiration":{expiration}}}}}"#
            );
            (200, keys)
        } else {
            (401, "{}".to_owned())
        }
    });
    let (folder, mut settings) = home(&format!(
        "sso_start_url = {START}\nsso_region = eu-west-1\nsso_account_id = 123456789012\nsso_role_name = Reader\n"
    ));
    settings
        .variables
        .insert("AWS_SSO_ENDPOINT".to_owned(), portal);
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, START.as_bytes());
    let name: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let cache = folder.path().join(".aws/sso/cache");
    std::fs::create_dir_all(&cache).unwrap();
    let login = |token: &str, end: &str| {
        let text = format!(r#"{{"accessToken":"{token}","expiresAt":"{end}"}}"#);
        std::fs::write(cache.join(format!("{name}.json")), text).unwrap();
        Chain::profile(&settings, "media").find()
    };
    let found = login("of-the-login", END).unwrap();
    assert_eq!(id(&found), ("SSO of profile media", "SSO"));
    assert_eq!(found.expires, Some(UnixSeconds(END_SECONDS)));
    let fault = login("of-another", END).unwrap_err().to_string();
    assert!(
        fault.starts_with("SSO of profile media: ") && !fault.contains("of-another"),
        "{fault}"
    );
    assert!(
        login("of-the-login", "2020-01-01T00:00:00Z").is_err(),
        "the login is over"
    );
}

#[test]
fn a_process_is_asked_for_keys() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("keys");
    let answer = |script: &str| {
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        let executable = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&program, executable).unwrap();
        let command = format!("credential_process = {} media\n", program.display());
        let (_home, settings) = home(&command);
        Chain::profile(&settings, "media").find()
    };
    let found = answer(&format!(
        r#"echo "{{\"Version\":1,\"AccessKeyId\":\"OF-$1\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":\"{END}\"}}""#
    ))
    .unwrap();
    assert_eq!(id(&found), ("process of profile media", "OF-media"));
    assert_eq!(found.expires, Some(UnixSeconds(END_SECONDS)));
    let fault = answer("echo not-for-a-log; exit 1")
        .unwrap_err()
        .to_string();
    assert!(
        fault.starts_with("process of profile media: ") && !fault.contains("not-for-a-log"),
        "{fault}"
    );
}

#[test]
fn a_role_is_assumed_with_the_keys_of_the_chain_and_its_session_name() {
    let sts = fake(|request| {
        let asked = [
            "AssumeRole",
            "night-shift",
            "Credential=BASE/",
            "/eu-west-1/sts/",
        ];
        if asked.iter().all(|part| request.contains(part)) {
            (200, sts_answer("AssumeRole", "ASIAROLE00000000"))
        } else {
            let code = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>";
            (403, code.to_owned())
        }
    });
    let variables = |id| {
        settings(&[
            ("AWS_ACCESS_KEY_ID", id),
            ("AWS_SECRET_ACCESS_KEY", "hidden"),
            ("AWS_ENDPOINT_URL_STS", sts.as_str()),
        ])
    };
    let role = |id| {
        Chain::standard(&variables(id))
            .assume_role(ROLE, "night-shift")
            .find()
    };
    assert_eq!(
        id(&role("BASE").unwrap()),
        (format!("role {ROLE}").as_str(), "ASIAROLE00000000")
    );
    let fault = role("OTHER").unwrap_err().to_string();
    assert!(
        fault.starts_with(&format!("role {ROLE}: ")) && !fault.contains("hidden"),
        "{fault}"
    );
}

#[test]
fn a_failing_renewal_keeps_the_keys_and_tells_why() {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    // The first keys end at once in the eyes of the renewal, so that it comes back within a second.
    let url = fake(move |_| match seen.fetch_add(1, Ordering::SeqCst) {
        0 => (200, session("FIRST").replace(END, "2001-01-01T00:00:00Z")),
        1 => (500, String::new()),
        _ => (200, session("LATER")),
    });
    let url = format!("{url}/role");
    let chain = Chain::standard(&settings(&[
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
        NO_IMDS,
    ]));
    let slot = CredentialSlot::empty("store");
    let renewal = Renewal::start(slot.clone(), chain).unwrap();
    assert_eq!(renewal.next(10_000), Some(Ok(())));
    assert!(matches!(
        renewal.next(10_000),
        Some(Err(ChainFault::Failed { .. }))
    ));
    let state = slot.state(UnixSeconds(0));
    assert_eq!(state.usable, Ok(()), "the old keys are kept");
    assert!(state.fault.unwrap().message.starts_with("container: "));
    assert_eq!(renewal.next(10_000), Some(Ok(())));
    let state = slot.state(UnixSeconds(0));
    assert_eq!(
        (state.expires, state.fault),
        (Some(UnixSeconds(END_SECONDS)), None)
    );
}
