//! TLS without the server being asked first, from PostgreSQL 17 on.

use migrations_embedded::Server;

use crate::site::{Site, TLS_ONLY, is_encrypted};

#[test]
fn direct_negotiation_works_with_the_servers_that_know_it() {
    let site = Site::new(TLS_ONLY);
    let database = site.database(&format!("{}&sslnegotiation=direct", site.verified()));
    if major(&site.server) >= 17 {
        assert!(is_encrypted(&mut database.connect().unwrap()));
        return;
    }
    println!("SKIPPED: direct negotiation needs PostgreSQL 17, this is {}", major(&site.server));
    insta::assert_snapshot!("direct_on_an_old_server", site.refusal(&database));
}

fn major(server: &Server) -> u32 {
    let version = std::fs::read_to_string(server.data_dir().join("PG_VERSION")).unwrap();
    version.trim().parse().unwrap()
}
