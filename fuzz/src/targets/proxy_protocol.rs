//! Who connected: headers of the PROXY protocol and `X-Forwarded-For`. Nobody makes himself another's address.

use std::net::IpAddr;
use std::net::SocketAddr;

use sluicegate::wire::forwarded_for::client_address;
use sluicegate::wire::http1::fields::Fields;
use sluicegate::wire::proxy_protocol::Announced;
use sluicegate::wire::proxy_protocol::HEADER_BYTES_MAX;
use sluicegate::wire::proxy_protocol::read;

/// Takes `data` as a header of a connection and as values of the field, a line each.
pub fn run(data: &[u8]) {
    header(data);
    forwarded(data);
}

fn header(data: &[u8]) {
    let whole = read(data);
    for end in 0..data.len().min(300) {
        match (whole, read(&data[..end])) {
            (Ok(Some((used, said))), Ok(Some(early))) => {
                assert!(early == (used, said) && used <= end);
            }
            (Ok(Some((used, _))), Ok(None)) => assert!(end < used),
            (Ok(None) | Err(_), Ok(None)) | (Err(_), Err(_)) => {}
            (_, early) => panic!("{whole:?}, but {early:?} after {end} bytes"),
        }
    }
    let Ok(Some((used, said))) = whole else {
        return;
    };
    assert!(used <= data.len() && used <= HEADER_BYTES_MAX);
    if let Announced::Client(client) = said {
        let (line, binary) = written(client);
        assert_eq!(read(line.as_bytes()), Ok(Some((line.len(), said))));
        assert_eq!(read(&binary), Ok(Some((binary.len(), said))));
    }
}

/// The header of that client in both versions.
fn written(client: SocketAddr) -> (String, Vec<u8>) {
    let (ip, port) = (client.ip(), client.port());
    let mut binary = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
    let line = match ip {
        IpAddr::V4(v4) => {
            binary.extend_from_slice(&[0x11, 0, 12]);
            binary.extend_from_slice(&v4.octets());
            binary.extend_from_slice(&[0; 4]);
            format!("PROXY TCP4 {ip} 192.0.2.1 {port} 443\r\n")
        }
        IpAddr::V6(v6) => {
            binary.extend_from_slice(&[0x21, 0, 36]);
            binary.extend_from_slice(&v6.octets());
            binary.extend_from_slice(&[0; 16]);
            format!("PROXY TCP6 {ip} ::1 {port} 443\r\n")
        }
    };
    binary.extend_from_slice(&port.to_be_bytes());
    binary.extend_from_slice(&[1, 187]);
    (line, binary)
}

fn forwarded(data: &[u8]) {
    let trusted = |ip: IpAddr| ip.is_loopback() || ip.to_string().starts_with("10.");
    let (near, stranger) = ("10.0.0.1".parse().ok(), "192.0.2.9".parse().ok());
    let values: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
    let of = |first: &[u8], nearest| {
        let mut fields = Fields::new();
        for value in [first].iter().chain(&values) {
            fields.push(b"X-Forwarded-For", value);
        }
        client_address(nearest, &fields, trusted)
    };
    assert_eq!(of(b"", stranger), stranger, "a stranger is not believed");
    let client = of(b"6.6.6.6", near);
    if client.is_some_and(|ip| !trusted(ip)) && client != "6.6.6.6".parse().ok() {
        assert_eq!(
            of(b"7.7.7.7, 10.0.0.1", near),
            client,
            "what is in front plays no part"
        );
    }
}
