//! Whose address a request has: that of the connection, or what a trusted proxy says of it.

use std::net::IpAddr;
use std::rc::Rc;

use crate::net::address::PeerAddress;
use crate::net::address_range::TrustedPeer;
use crate::serve::connection::Client;
use crate::wire::forwarded_for::client_address;
use crate::wire::http1::fields::Fields;

/// Whether whoever connected may speak for others.
#[must_use]
pub fn is_trusted(trusted: &[TrustedPeer], peer: PeerAddress) -> bool {
    trusted.iter().any(|range| range.is_of(peer))
}

/// `$context.identity.sourceIp` of a request with these fields.
#[must_use]
pub fn source_ip(trusted: &[TrustedPeer], client: &mut Client, fields: &Fields) -> Rc<str> {
    let peer = client.peer;
    if !is_trusted(trusted, peer) {
        return client.source_ip();
    }
    let nearest = match peer {
        PeerAddress::Inet(address) => Some(address.ip()),
        PeerAddress::Unix => None,
    };
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    client_address(nearest, fields, is_trusted)
        .map_or_else(|| client.source_ip(), |address| address.to_string().into())
}
