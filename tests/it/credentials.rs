//! The store's keys change while the gateway runs: absent, found, changed, expired.

use sluicegate::net::credentials::slot::CredentialSlot;
use sluicegate::net::credentials::slot::Keys;
use sluicegate::wire::date::UnixSeconds;
use sluicegate::wire::sigv4::credentials::Credentials;
use sluicegate::wire::sigv4::credentials::Secret;

use crate::support::backend::Backend;
use crate::support::client::fetch;
use crate::support::gateway::on_each_driver;
use crate::support::object_api::gateway_for;
use crate::support::object_api::object_api;

/// Far enough in the future for every test, and in the past.
const NEVER: Option<UnixSeconds> = Some(UnixSeconds(u64::MAX));
const LONG_AGO: Option<UnixSeconds> = Some(UnixSeconds(1));

fn keys(access_key_id: &str, expires: Option<UnixSeconds>) -> Keys {
    Keys {
        credentials: Credentials {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: Secret::new("secret"),
            session_token: Some(Secret::new(format!("token of {access_key_id}"))),
        },
        expires,
        source: "test".to_owned(),
    }
}

/// The access key and the token that signed the last request.
fn last_signer(store: &Backend) -> (String, String) {
    let requests = store.requests();
    let request = requests.last().unwrap();
    let authorization = request.field("authorization").unwrap();
    let (_, rest) = authorization.split_once("Credential=").unwrap();
    let (id, _) = rest.split_once('/').unwrap();
    let token = request.field("x-amz-security-token").unwrap();
    (id.to_owned(), token.to_owned())
}

#[test]
fn each_request_is_signed_with_the_keys_of_its_moment() {
    on_each_driver(|driver| {
        let store =
            Backend::answering(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec());
        let slot = CredentialSlot::empty("store");
        let gateway = gateway_for(&object_api(), driver, &store, |settings| {
            settings.credentials = slot.clone();
        });
        let status = || fetch(gateway.address, "GET", "/o/b/k", &[], b"").status();

        let answer = fetch(gateway.address, "GET", "/o/b/k", &[], b"");
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.body, b"{\"message\":\"Service Unavailable\"}");
        assert_eq!(store.connections(), 0, "nothing goes out unsigned");

        for id in ["FIRST", "SECOND", "FIRST"] {
            slot.publish(keys(id, NEVER));
            assert_eq!(status(), 200);
            assert_eq!(
                last_signer(&store),
                (id.to_owned(), format!("token of {id}"))
            );
        }

        slot.publish(keys("THIRD", LONG_AGO));
        assert_eq!(status(), 503);
        assert_eq!(store.requests().len(), 3);
        slot.publish(keys("FOURTH", None));
        assert_eq!(status(), 200);
        assert_eq!(last_signer(&store).0, "FOURTH");
    });
}
