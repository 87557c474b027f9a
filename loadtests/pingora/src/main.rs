//! A reverse proxy of a few lines on pingora, for `loadtests/matrix`: one thread, connections kept on both sides, no access log.
//!
//!     sluicegate-pingora-peer LISTEN_PORT ORIGIN_PORT

use std::process::ExitCode;

use async_trait::async_trait;
use pingora::Result;
use pingora::prelude::HttpPeer;
use pingora::proxy::ProxyHttp;
use pingora::proxy::Session;
use pingora::proxy::http_proxy_service;
use pingora::server::Server;
use pingora::server::configuration::ServerConf;

/// As many as the connections of any cell.
const UPSTREAM_CONNECTIONS_KEPT: usize = 256;

struct ToOrigin {
    address: String,
}

#[async_trait]
impl ProxyHttp for ToOrigin {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.address.as_str(), false, String::new())))
    }
}

fn main() -> ExitCode {
    let ports: Vec<u16> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let [listen, origin] = ports[..] else {
        eprintln!("sluicegate-pingora-peer LISTEN_PORT ORIGIN_PORT");
        return ExitCode::from(2);
    };
    let conf = ServerConf {
        threads: 1,
        upstream_keepalive_pool_size: UPSTREAM_CONNECTIONS_KEPT,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let address = format!("127.0.0.1:{origin}");
    let mut proxy = http_proxy_service(&server.configuration, ToOrigin { address });
    proxy.add_tcp(&format!("127.0.0.1:{listen}"));
    server.add_service(proxy);
    server.run_forever()
}
