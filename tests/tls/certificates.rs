//! What is checked in the server's certificate, and the client's own.

use std::process::Command;

use migrations_core::Database;

use crate::authority::{Authority, self_signed};
use crate::site::{Site, TLS_ONLY, is_encrypted};

/// Only with the client certificate of the role.
const CERTIFICATE: &str = "hostssl all all 127.0.0.1/32 cert\n";

#[test]
fn the_chain_and_the_name_are_checked_as_the_mode_says() {
    let site = Site::new(TLS_ONLY);
    let root = site.root();
    let other = site.file("other.crt", &Authority::new("another root").root);
    let accepts = |mode: &str, root: &std::path::Path| {
        let database = site.database(&format!("sslmode={mode}&sslrootcert={}", root.display()));
        database.connect().is_ok_and(|mut client| is_encrypted(&mut client))
    };
    for mode in ["require", "verify-ca", "verify-full"] {
        assert!(accepts(mode, &root), "{mode}");
        assert!(!accepts(mode, &other), "{mode}");
    }
    site.certify(&site.authority.server(&["db.example.com", "10.0.0.7"]));
    assert!(accepts("require", &root) && accepts("verify-ca", &root), "these modes do not check the name");
    assert!(!accepts("verify-full", &root));
    // The address is the name where the URL has no other.
    site.certify(&site.authority.server(&["127.0.0.1"]));
    let port = site.server.tcp_port().unwrap();
    for host in [format!("host=127.0.0.1 port={port}"), format!("hostaddr=127.0.0.1 port={port}")] {
        let root = root.display();
        let pairs =
            format!("{host} user=app password='Zq app\\'s' dbname=postgres sslmode=verify-full sslrootcert={root}");
        assert!(is_encrypted(&mut Database::from_url(&pairs).unwrap().connect().unwrap()), "{host}");
    }
    site.certify(&site.authority.expired_server());
    assert!(!accepts("require", &root) && !accepts("verify-ca", &root) && !accepts("verify-full", &root));
    assert!(site.database("sslmode=require").connect().is_ok(), "without roots, nothing is checked");
}

#[test]
fn a_self_signed_certificate_is_its_own_root() {
    let site = Site::new(TLS_ONLY);
    let own = self_signed("localhost");
    site.certify(&own);
    let root = site.file("own.crt", &own.certificate);
    let database = site.database(&format!("sslmode=verify-full&sslrootcert={}", root.display()));
    assert!(is_encrypted(&mut database.connect().unwrap()));
    let other = site.file("same-name.crt", &self_signed("localhost").certificate);
    assert!(site.database(&format!("sslmode=verify-ca&sslrootcert={}", other.display())).connect().is_err());
}

#[test]
fn a_client_certificate_takes_the_place_of_a_password() {
    let site = Site::new(CERTIFICATE);
    let issued = site.authority.client("app");
    let certificate = site.file("app.crt", &issued.certificate);
    let key = site.file("app.key", &issued.key);
    let with = format!("{}&sslcert={}&sslkey={}", site.verified(), certificate.display(), key.display());
    let mut client = Database::from_url(&site.url_of("app", &with)).unwrap().connect().unwrap();
    let name = "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(client.query_one(name, &[]).unwrap().get::<_, String>(0), "/CN=app");

    let refusal =
        |role: &str, parameters: &str| site.refusal(&Database::from_url(&site.url_of(role, parameters)).unwrap());
    insta::assert_snapshot!("client_certificate_missing", refusal("app", &site.verified()));
    insta::assert_snapshot!("client_certificate_of_another_role", refusal("postgres", &with));
    let stranger = Authority::new("another root").client("app");
    let certificate = site.file("stranger.crt", &stranger.certificate);
    let key = site.file("stranger.key", &stranger.key);
    let with = format!("{}&sslcert={}&sslkey={}", site.verified(), certificate.display(), key.display());
    // The server closes the connection right after its alert: the client's next message can fail before it is read.
    let is_alert = |text: &String| text.contains("alert");
    let text = (0..50).map(|_| refusal("app", &with)).find(is_alert).expect("the server sends an alert");
    insta::assert_snapshot!("client_certificate_of_another_authority", text);
}

/// What `openssl` writes; none where it is not installed.
fn openssl(arguments: &[&str]) -> Option<String> {
    let output = Command::new("openssl").args(arguments).output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_key_may_have_any_of_its_three_forms() {
    let Some(rsa) = openssl(&["genpkey", "-algorithm", "RSA"]) else {
        println!("SKIPPED: openssl is not installed");
        return;
    };
    let site = Site::new(CERTIFICATE);
    let ec = site.authority.client("app");
    let rsa_certificate = site.authority.client_with_key("app", &rsa);
    let (ec_key, rsa_key) = (site.file("ec.key", &ec.key), site.file("rsa.key", &rsa));
    let sec1 = openssl(&["ec", "-in", ec_key.to_str().unwrap()]).unwrap();
    let pkcs1 = openssl(&["rsa", "-traditional", "-in", rsa_key.to_str().unwrap()]).unwrap();
    for (certificate, key, form) in [
        (&ec.certificate, &ec.key, "BEGIN PRIVATE KEY"),
        (&ec.certificate, &sec1, "BEGIN EC PRIVATE KEY"),
        (&rsa_certificate, &pkcs1, "BEGIN RSA PRIVATE KEY"),
    ] {
        assert!(key.contains(form), "{form}");
        let (certificate, key) = (site.file("any.crt", certificate), site.file("any.key", key));
        let with = format!("{}&sslcert={}&sslkey={}", site.verified(), certificate.display(), key.display());
        let connected = Database::from_url(&site.url_of("app", &with)).unwrap().connect();
        assert!(connected.is_ok(), "{form}: {:?}", connected.err());
    }
}
