//! The text of every error of a connection, on real servers.

use std::net::TcpListener;
use std::time::Duration;

use migrations_core::Database;

use crate::authority::Authority;
use crate::site::{Site, TLS_ONLY};

const PLAIN: &str = "host all all 127.0.0.1/32 scram-sha-256\n";

#[test]
fn what_the_server_s_host_based_rules_refuse_says_what_to_change() {
    let site = Site::new(TLS_ONLY);
    let refusal = |parameters: &str| site.refusal(&site.database(parameters));
    insta::assert_snapshot!("only_with_tls", refusal("sslmode=disable"));
    site.permit("hostnossl all all 127.0.0.1/32 scram-sha-256\n");
    insta::assert_snapshot!("only_without_tls", refusal("sslmode=require"));
    site.permit("host all stranger 127.0.0.1/32 scram-sha-256\n");
    insta::assert_snapshot!("no_entry_with_tls", refusal("sslmode=require"));
    insta::assert_snapshot!("no_entry_either_way", refusal("sslmode=prefer"));
    site.permit("host all all 127.0.0.1/32 reject\n");
    insta::assert_snapshot!("rejected", refusal("sslmode=prefer"));
    let without = Site::without_tls("host all stranger 127.0.0.1/32 scram-sha-256\n");
    insta::assert_snapshot!("no_entry_and_no_tls", without.refusal(&without.database("sslmode=prefer")));
}

#[test]
fn a_role_and_its_password_are_named() {
    let site = Site::without_tls(PLAIN);
    let refusal = |role: &str| site.refusal(&Database::from_url(&site.url_of(role, "")).unwrap());
    insta::assert_snapshot!("wrong_password", refusal("app:wrong"));
    insta::assert_snapshot!("no_password", refusal("app"));
    site.execute("CREATE ROLE idle PASSWORD 'x'");
    insta::assert_snapshot!("no_login", refusal("idle:x"));
    site.execute("CREATE ROLE weak LOGIN PASSWORD 'x'; REVOKE CONNECT ON DATABASE postgres FROM public");
    insta::assert_snapshot!("no_connect_privilege", refusal("weak:x"));
    site.permit("host all all 127.0.0.1/32 trust\n");
    insta::assert_snapshot!("no_role", refusal("nobody"));
    let url = site.url("").replace("/postgres?", "/nowhere?");
    insta::assert_snapshot!("no_database", site.refusal(&Database::from_url(&url).unwrap()));
}

#[test]
fn peer_and_ident_say_which_user_may_be_which_role() {
    let site = Site::without_tls("");
    // Nothing listens where an identification server would.
    site.permit("local all app peer\nhost all all 127.0.0.1/32 ident\n");
    let socket = site.server.url("postgres").replace("postgres@", "app@");
    insta::assert_snapshot!("peer", site.refusal(&Database::from_url(&socket).unwrap()));
    insta::assert_snapshot!("ident", site.refusal(&site.database("")));
}

#[test]
fn what_is_wrong_with_a_certificate_is_said() {
    let site = Site::new(TLS_ONLY);
    let other = site.file("other.crt", &Authority::new("another root").root);
    let unknown = site.database(&format!("sslmode=verify-full&sslrootcert={}", other.display()));
    insta::assert_snapshot!("unknown_issuer", site.refusal(&unknown));
    let refusal = || site.refusal(&site.database(&site.verified()));
    site.certify(&site.authority.server(&["db.example.com", "10.0.0.7"]));
    insta::assert_snapshot!("another_name", refusal());
    site.certify(&site.authority.nameless_server());
    insta::assert_snapshot!("no_name", refusal());
    site.certify(&site.authority.expired_server());
    let times = [(r"\d{10} \(UNIX\)", "NOW (UNIX)"), (r"after \d{10} \(\d+ seconds", "after THEN (N seconds")];
    insta::with_settings!({filters => times}, { insta::assert_snapshot!("expired", refusal()) });
    let without = Site::without_tls(PLAIN);
    insta::assert_snapshot!("no_tls_there", without.refusal(&without.database("sslmode=require")));
}

#[test]
fn a_network_without_a_server_is_told_as_before() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for mode in ["disable", "prefer", "require"] {
        let url = format!("postgres://app@127.0.0.1:{port}/app?sslmode={mode}");
        let error = Database::from_url(&url).unwrap().connect().err().unwrap().to_string();
        insta::assert_snapshot!("nothing_listens", error.replace(&port.to_string(), "PORT"));
    }
    let database = Database::from_url("postgres://app@nowhere.invalid/app").unwrap();
    let error = database.wait(Duration::ZERO).err().unwrap().to_string();
    assert!(error.contains("check host and port") && error.contains("lookup"), "{error}");
}
