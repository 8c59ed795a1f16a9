//! PgBouncer with TLS on both sides.

use migrations_core::Database;

use crate::pgbouncer::PgBouncer;
use crate::runs::whole_run;
use crate::site::{Site, is_encrypted};

#[test]
fn a_run_through_a_pooler_with_tls_on_both_sides_is_a_run() {
    let site = Site::new("hostssl all all 127.0.0.1/32 trust\n");
    site.certify(&site.authority.server(&["127.0.0.1"]));
    let server = format!("host=127.0.0.1 port={}", site.server.tcp_port().unwrap());
    // The pooler runs as the server's user, which can read the server's files.
    let data = site.server.data_dir().display();
    let tls = format!(
        "client_tls_sslmode = require\nclient_tls_cert_file = {data}/server.crt\nclient_tls_key_file = {data}/server.key\n\
         server_tls_sslmode = verify-full\nserver_tls_ca_file = {data}/clients.crt"
    );
    let verified = site.verified();
    let with_tls = |url: &str| Database::from_url(&format!("{url}?{verified}")).unwrap();
    let connect = |url: &str| with_tls(url).connect().map(|_| ()).map_err(|error| error.to_string());
    let Some(pooler) = PgBouncer::start_between(&server, &tls, connect) else {
        println!("SKIPPED: PgBouncer is not installed");
        return;
    };
    let url = pooler.url("postgres");
    let database = with_tls(&url);
    assert!(is_encrypted(&mut database.connect().unwrap()), "between the pooler and the server");
    whole_run(&site, &database);

    // The pooler refuses a client without TLS with a code of its own.
    let plain = Database::from_url(&format!("{url}?sslmode=disable")).unwrap();
    let refused = plain.connect().err().unwrap();
    assert_eq!(refused.sqlstate(), Some("08P01"), "{refused}\n{}", pooler.log());
    assert!(Database::from_url(&format!("{url}?sslmode=allow")).unwrap().connect().is_ok());
}
