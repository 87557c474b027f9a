use super::*;

const PARTS: &str = "AWS4-HMAC-SHA256 Credential=AK/20300101/us-east-1/execute-api/aws4_request, SignedHeaders=host;x-amz-date, Signature=00";
const QUERY: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20300101%2Fus-east-1%2Fexecute-api%2Faws4_request&X-Amz-Date=20300101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-a&X-Amz-Signature=00";
const DATE: &str = "20300101T000000Z";
const NEW_YEAR_2030: UnixSeconds = UnixSeconds(1_893_456_000);

type Read = Result<(), AuthorizationError>;

fn read(fields: &[(&str, &str)], query: &str) -> Read {
    let headers: Vec<Header<'_>> = fields
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    Authorization::read(&headers, query.as_bytes()).map(drop)
}

fn read_value(value: &str) -> Read {
    read(&[("Authorization", value), ("X-Amz-Date", DATE)], "")
}

#[test]
fn a_header_signature_is_read_with_any_blanks() {
    for value in [
        PARTS.to_owned(),
        PARTS.replace(", ", ","),
        PARTS
            .replace(", ", " ,\t")
            .replace("Signature=", "Signature = "),
        format!(" {PARTS} ,"),
        PARTS.replacen(' ', "   ", 1),
        PARTS.replace(", Sig", ", Other=1, Sig"),
    ] {
        let headers: [Header<'_>; 2] = [
            (b"authorization", value.as_bytes()),
            (b"x-amz-date", DATE.as_bytes()),
        ];
        let read = Authorization::read(&headers, b"").unwrap();
        assert_eq!(read.scope().access_key_id, b"AK");
        assert_eq!(read.scope().service, b"execute-api");
        assert_eq!(&*read.signed_headers, b"host;x-amz-date");
        assert_eq!(&*read.signature, b"00");
        assert_eq!(
            (read.timestamp(), read.form()),
            (NEW_YEAR_2030, Form::Header)
        );
    }
}

#[test]
fn a_query_signature_is_read_decoded() {
    let query = format!("a=1&{QUERY}&X-Amz-Security-Token=a%2Fb%3D");
    let read = Authorization::read(&[], query.as_bytes()).unwrap();
    assert_eq!(read.scope().date, b"20300101");
    assert_eq!(&*read.signed_headers, b"host;x-a");
    assert_eq!(read.session_token.as_deref(), Some(b"a/b=".as_slice()));
    assert_eq!(read.expires(), ExpiresSeconds::new(60));
    assert_eq!(read.form(), Form::Query);
}

#[test]
fn nothing_that_signs_is_missing() {
    for query in ["", "X-Amz-Date=1&X-Amz-Date=2", "x-amz-signature=1"] {
        assert_eq!(
            read(&[("Host", "h")], query),
            Err(AuthorizationError::Missing)
        );
    }
}

#[test]
fn a_part_without_equal_sign_is_named_by_its_place() {
    let cases = [
        ("Bearer x", "Bearer"),
        (" Bearer x.y.z", "Bearer"),
        ("Bearer", "Bearer"),
        (
            "AWS4-HMAC-SHA256 Credential=a, SignedHeaders ,Signature=1",
            "SignedHeaders",
        ),
        ("AWS4-HMAC-SHA256  junk", "junk"),
    ];
    for (value, part) in cases {
        let start = value.find(part).unwrap();
        let end = start + part.len();
        let want = AuthorizationError::PartWithoutEqualSign { start, end };
        assert_eq!(read_value(value), Err(want), "{value}");
    }
}

#[test]
fn only_the_missing_parts_are_named() {
    let missing = |value: &str, fields: &[(&str, &str)]| {
        let fields = [&[("Authorization", value)], fields].concat();
        match read(&fields, "") {
            Err(AuthorizationError::Incomplete {
                form: Form::Header,
                missing,
            }) => missing,
            other => panic!("{other:?}"),
        }
    };
    let none = MissingParts::default();
    let all = MissingParts {
        credential: true,
        signature: true,
        signed_headers: true,
        date: true,
        ..none
    };
    assert_eq!(missing("", &[]), all);
    assert_eq!(missing("Basic dXNlcg==", &[]), all);
    assert_eq!(missing(PARTS, &[]), MissingParts { date: true, ..none });
    let without = PARTS.replace("SignedHeaders", "Other");
    assert_eq!(
        missing(&without, &[("Date", "x")]),
        MissingParts {
            signed_headers: true,
            ..none
        }
    );
    assert_eq!(
        read(&[], "X-Amz-Signature=1&X-Amz-Date=x&X-Amz-Credential=y"),
        Err(AuthorizationError::Incomplete {
            form: Form::Query,
            missing: MissingParts {
                algorithm: true,
                signed_headers: true,
                expires: true,
                ..none
            },
        })
    );
}

#[test]
fn other_algorithms_and_odd_credentials_are_refused() {
    let wrong = |from: &str, to: &str| read_value(&PARTS.replace(from, to));
    assert_eq!(
        wrong("HMAC", "HMBC"),
        Err(AuthorizationError::AlgorithmUnsupported)
    );
    let bare = PARTS.replace("AWS4-HMAC-SHA256 ", "").replace(", ", ",");
    assert_eq!(
        read_value(&bare),
        Err(AuthorizationError::AlgorithmUnsupported)
    );
    assert_eq!(
        wrong("/aws4_request", ""),
        Err(AuthorizationError::CredentialMalformed)
    );
    assert_eq!(
        wrong("aws4_request", "aws4_request/"),
        Err(AuthorizationError::CredentialMalformed)
    );
    assert_eq!(
        wrong("AK/", "/"),
        Err(AuthorizationError::CredentialMalformed)
    );
    assert_eq!(wrong("us-east-1", ""), Ok(()));
}

#[test]
fn the_time_comes_from_either_date_field() {
    let with = |fields: &[(&str, &str)]| read(&[&[("Authorization", PARTS)], fields].concat(), "");
    assert_eq!(with(&[("Date", "Tue, 01 Jan 2030 00:00:00 GMT")]), Ok(()));
    assert_eq!(with(&[("Date", DATE)]), Ok(()));
    assert_eq!(with(&[("Date", "never"), ("X-Amz-Date", DATE)]), Ok(()));
    let unused = [("Date", "x"), ("Date", "y"), ("X-Amz-Date", DATE)];
    assert_eq!(with(&unused), Ok(()));
    let malformed = Err(AuthorizationError::DateMalformed);
    assert_eq!(
        with(&[("Date", "Mon, 01 Jan 2030 00:00:00 GMT")]),
        malformed
    );
    assert_eq!(
        with(&[("X-Amz-Date", "Tue, 01 Jan 2030 00:00:00 GMT")]),
        malformed
    );
    assert_eq!(
        with(&[("Date", DATE), ("X-Amz-Date", "20300101T000000")]),
        malformed
    );
}

#[test]
fn what_says_who_and_when_may_be_there_once() {
    let repeated = Err(AuthorizationError::PartRepeated);
    let once = [
        ("Authorization", PARTS),
        ("X-Amz-Date", DATE),
        ("X-Amz-Security-Token", "t"),
    ];
    assert_eq!(read(&once, ""), Ok(()));
    for (name, value) in once {
        assert_eq!(
            read(&[once.as_slice(), &[(name, value)]].concat(), ""),
            repeated,
            "{name}"
        );
    }
    assert_eq!(read_value(&format!("{PARTS}, Signature=00")), repeated);
    assert_eq!(read(&[], &format!("{QUERY}&X-Amz-Expires=61")), repeated);
    assert_eq!(read(&[], &format!("{QUERY}&other=1&other=2")), Ok(()));
}

#[test]
fn a_life_is_a_number_in_range() {
    let with = |expires: &str| {
        read(
            &[],
            &QUERY.replace("Expires=60", &format!("Expires={expires}")),
        )
    };
    assert_eq!(with("1"), Ok(()));
    assert_eq!(with("604800"), Ok(()));
    for wrong in ["0", "604801", "", "+60", "6e1", "99999999999"] {
        assert_eq!(
            with(wrong),
            Err(AuthorizationError::ExpiresMalformed),
            "{wrong}"
        );
    }
}

#[test]
fn any_cut_of_an_authorization_is_read_or_refused() {
    for cut in 0..PARTS.len() {
        let read = read_value(&PARTS[..cut]);
        assert_eq!(
            read.is_ok(),
            PARTS[..cut].ends_with("Signature=") || PARTS[..cut].ends_with("=0"),
            "cut at {cut}"
        );
    }
}

#[test]
fn a_printed_authorization_shows_no_signature_and_no_token() {
    let query = QUERY.replace("Signature=00", "Signature=5ec4e7") + "&X-Amz-Security-Token=hidden";
    let printed = format!("{:?}", Authorization::read(&[], query.as_bytes()).unwrap());
    assert!(printed.contains("AK/20300101"), "{printed}");
    assert!(
        !printed.contains("5ec4e7") && !printed.contains("hidden"),
        "{printed}"
    );
}
