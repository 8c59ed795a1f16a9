//! Every `sslmode` on servers with and without TLS.

use migrations_core::{Database, Error};
use postgres::Config;
use postgres::config::{SslMode, SslNegotiation};

use crate::site::{PASSWORD, Site, is_encrypted};

/// Whether a connection with these parameters uses TLS; none if it is refused.
fn outcome(site: &Site, parameters: &str) -> Option<bool> {
    site.database(parameters).connect().ok().map(|mut client| is_encrypted(&mut client))
}

const ANY: &str = "host all all 127.0.0.1/32 trust\n";
const TLS_ONLY: &str = "hostssl all all 127.0.0.1/32 trust\n";
const PLAIN_ONLY: &str = "hostnossl all all 127.0.0.1/32 trust\n";

#[test]
fn a_mode_encrypts_what_libpq_encrypts() {
    let verified = "verify-full";
    let with_tls = Site::new(ANY);
    let root = with_tls.root();
    let results = |hba: &str| {
        with_tls.permit(hba);
        ["disable", "allow", "prefer", "require", verified].map(|mode| {
            let roots = if mode == verified { format!("&sslrootcert={}", root.display()) } else { String::new() };
            outcome(&with_tls, &format!("sslmode={mode}{roots}"))
        })
    };
    assert_eq!(results(ANY), [Some(false), Some(false), Some(true), Some(true), Some(true)]);
    assert_eq!(results(TLS_ONLY), [None, Some(true), Some(true), Some(true), Some(true)]);
    assert_eq!(results(PLAIN_ONLY), [Some(false), Some(false), Some(false), None, None]);
    assert_eq!(outcome(&with_tls, ""), Some(false), "prefer is the default, and falls back");

    let without = Site::without_tls(ANY);
    let modes = ["disable", "allow", "prefer", "require", "verify-full"];
    let results = modes.map(|mode| outcome(&without, &format!("sslmode={mode}")));
    assert_eq!(results, [Some(false), Some(false), Some(false), None, None]);
}

#[test]
fn prefer_falls_back_when_the_handshake_fails_and_require_does_not() {
    let site = Site::new(ANY);
    let other = site.file("other.crt", &crate::authority::Authority::new("another root").root);
    let with = |mode: &str| format!("sslmode={mode}&sslrootcert={}", other.display());
    assert_eq!(outcome(&site, &with("prefer")), Some(false));
    assert_eq!(outcome(&site, &with("require")), None, "with roots, require checks the chain");
    assert_eq!(outcome(&site, "sslmode=require"), Some(true), "without, it does not");
    site.permit(TLS_ONLY);
    insta::assert_snapshot!("both_ways_are_refused", site.refusal(&site.database(&with("prefer"))));
}

#[test]
fn a_wrong_password_is_not_sent_again_without_tls() {
    let site = Site::new("host all all 127.0.0.1/32 scram-sha-256\n");
    let database = Database::from_url(&site.url_of("app:wrong", "sslmode=prefer")).unwrap();
    assert_eq!(database.connect().err().unwrap().sqlstate(), Some("28P01"));
    let log = site.server.log();
    assert_eq!(log.matches("password authentication failed").count(), 1, "{log}");
}

#[test]
fn a_socket_never_uses_tls() {
    let site = Site::new(TLS_ONLY);
    for mode in ["disable", "prefer", "require", "verify-full"] {
        let url = format!("{}?sslmode={mode}&sslcert=/nowhere", site.server.url("postgres"));
        let mut client = Database::from_url(&url).unwrap().connect().unwrap();
        assert!(!is_encrypted(&mut client), "{mode}");
    }
}

#[test]
fn a_configuration_of_the_driver_has_its_three_modes() {
    let site = Site::new(ANY);
    for (mode, is_expected) in [(SslMode::Disable, false), (SslMode::Prefer, true), (SslMode::Require, true)] {
        let mut config = Config::new();
        config.host("127.0.0.1").port(site.server.tcp_port().unwrap()).user("app").password(PASSWORD);
        config.dbname("postgres").ssl_mode(mode);
        let mut client = Database::from_config(config).unwrap().connect().unwrap();
        assert_eq!(is_encrypted(&mut client), is_expected, "{mode:?}");
    }
}

#[test]
fn weak_modes_are_refused_where_libpq_refuses_them() {
    let refused = |parameters: &str| match Database::from_url(&format!("postgres://app@localhost/app?{parameters}")) {
        Err(error @ Error::Parameter { .. }) => error.to_string(),
        other => panic!("{parameters}: {other:?}"),
    };
    insta::assert_snapshot!("a_weak_mode_with_the_roots_of_the_system", refused("sslmode=require&sslrootcert=system"));
    insta::assert_snapshot!("a_weak_mode_with_direct_negotiation", refused("sslnegotiation=direct"));
    let mut config = Config::new();
    config.host("localhost").user("app").ssl_negotiation(SslNegotiation::Direct);
    let of_driver = Database::from_config(config).unwrap().connect();
    assert!(matches!(of_driver, Err(Error::TlsSetting { .. })), "{:?}", of_driver.map(|_| ()));
}

#[test]
fn the_password_can_be_bound_to_the_tls_connection() {
    let site = Site::new("host all all 127.0.0.1/32 scram-sha-256\n");
    let bound = |mode: &str| site.database(&format!("sslmode={mode}&channel_binding=require"));
    assert!(is_encrypted(&mut bound("require").connect().unwrap()));
    insta::assert_snapshot!("channel_binding_without_tls", site.refusal(&bound("disable")));
}
