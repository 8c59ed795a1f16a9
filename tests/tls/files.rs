//! Files that are missing, unreadable or in their default place.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::authority::Authority;
use crate::site::{Site, TLS_ONLY};

fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_its_parameter() {
    let site = Site::new(TLS_ONLY);
    let refusal = |parameters: &str| site.refusal(&site.database(&format!("sslmode=require&{parameters}")));
    let folder = site.folder().display();
    insta::assert_snapshot!("no_root_certificate", refusal(&format!("sslrootcert={folder}/none.crt")));
    let key = site.file("only.key", &site.authority.client("app").key);
    insta::assert_snapshot!("a_key_as_root_certificate", refusal(&format!("sslrootcert={}", key.display())));
    insta::assert_snapshot!("no_certificate", refusal(&format!("sslcert={folder}/none.crt")));

    let certificate = site.file("app.crt", &site.authority.client("app").certificate);
    let with_key = |key: &Path| refusal(&format!("sslcert={}&sslkey={}", certificate.display(), key.display()));
    insta::assert_snapshot!("no_key", with_key(&site.folder().join("none.key")));
    insta::assert_snapshot!("the_key_of_another_certificate", with_key(&key));
    insta::assert_snapshot!("a_certificate_as_key", with_key(&site.file("wrong.key", &site.authority.root)));
    let text = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nZq==\n-----END ENCRYPTED PRIVATE KEY-----\n";
    insta::assert_snapshot!("an_encrypted_key", with_key(&site.file("encrypted.key", text)));
    permit(&key, 0o644);
    insta::assert_snapshot!("a_key_that_others_can_read", with_key(&key));
}

/// Root's keys may be read by their group, a user's own keys by nobody else.
#[test]
fn the_mode_of_a_key_is_checked_as_libpq_checks_it() {
    use std::os::unix::fs::MetadataExt;

    let site = Site::new(TLS_ONLY);
    let issued = site.authority.client("app");
    let (certificate, key) = (site.file("app.crt", &issued.certificate), site.file("app.key", &issued.key));
    let is_roots = fs::metadata(&key).unwrap().uid() == 0;
    let with = format!("sslmode=require&sslcert={}&sslkey={}", certificate.display(), key.display());
    for (mode, is_expected) in
        [(0o600, true), (0o400, true), (0o640, is_roots), (0o660, false), (0o604, false), (0o601, false)]
    {
        permit(&key, mode);
        assert_eq!(site.database(&with).connect().is_ok(), is_expected, "{mode:o}");
    }
}

/// The variables of another process: nothing in this one's home and environment takes part.
fn migrate(home: &Path, url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_migrate"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") || name.to_string_lossy().starts_with("SSL_") {
            command.env_remove(name);
        }
    }
    command.args(["up", "--wait", "0s"]).env("HOME", home).env("DATABASE_URL", url);
    command
}

#[test]
fn files_in_their_default_place_are_found() {
    let site = Site::new("hostssl all all 127.0.0.1/32 cert\n");
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join(".postgresql");
    fs::create_dir(&place).unwrap();
    let issued = site.authority.client("app");
    let put = |name: &str, text: &str| {
        fs::write(place.join(name), text).unwrap();
        permit(&place.join(name), 0o600);
    };
    put("postgresql.crt", &issued.certificate);
    put("postgresql.key", &issued.key);
    let outcome = |mode: &str| {
        let output = migrate(home.path(), &site.url_of("app", &format!("sslmode={mode}"))).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), text)
    };
    assert_eq!(outcome("require").0, Some(0), "the certificate and its key");
    let (code, text) = outcome("verify-ca");
    assert_eq!(code, Some(2));
    insta::assert_snapshot!("verify_ca_without_roots", text.trim());
    // The platform's roots.
    assert_ne!(outcome("verify-full").0, Some(0));

    put("root.crt", &Authority::new("another root").root);
    for mode in ["require", "verify-ca", "verify-full"] {
        let (code, text) = outcome(mode);
        assert_eq!(code, Some(1), "{mode}: the root that is there is used: {text}");
        assert!(text.contains("UnknownIssuer"), "{text}");
    }
    put("root.crt", &site.authority.root);
    for mode in ["require", "verify-ca", "verify-full"] {
        let (code, text) = outcome(mode);
        assert_eq!(code, Some(0), "{mode}: {text}");
    }
}

#[test]
fn the_files_of_the_variables_home_are_used_and_no_certificate_where_none_is_to_be_sent() {
    use migrations_core::Database;

    let site = Site::new("hostssl all all 127.0.0.1/32 cert\n");
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join(".postgresql");
    fs::create_dir(&place).unwrap();
    let issued = site.authority.client("app");
    fs::write(place.join("postgresql.crt"), &issued.certificate).unwrap();
    fs::write(place.join("postgresql.key"), &issued.key).unwrap();
    permit(&place.join("postgresql.key"), 0o600);
    let connect = |parameters: &str| {
        let url = site.url_of("app", &format!("sslmode=require{parameters}"));
        let variables = |name: &str| match name {
            "DATABASE_URL" => Some(url.clone()),
            "HOME" => Some(home.path().display().to_string()),
            _ => None,
        };
        Database::from_variables(variables).unwrap().connect().map(drop)
    };
    connect("").unwrap();
    let refused = connect("&sslcertmode=disable").unwrap_err().to_string();
    assert!(refused.contains("requires a valid client certificate"), "{refused}");
    // A certificate that is not sent is not read.
    fs::remove_file(place.join("postgresql.key")).unwrap();
    assert!(connect("").unwrap_err().to_string().contains("the certificate has no key"));
    let refused = connect("&sslcertmode=disable").unwrap_err().to_string();
    assert!(refused.contains("requires a valid client certificate"), "{refused}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_roots_of_the_system_check_the_name_too() {
    let site = Site::new(TLS_ONLY);
    let home = tempfile::tempdir().unwrap();
    let outcome = |parameters: &str| {
        // Where a distribution lets an administrator name the system's roots.
        let mut command = migrate(home.path(), &site.url(parameters));
        let output = command.env("SSL_CERT_FILE", site.root()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for parameters in ["sslrootcert=system", "sslmode=verify-full&sslrootcert=system", "sslmode=verify-full"] {
        let (code, text) = outcome(parameters);
        assert_eq!(code, Some(0), "{parameters}: {text}");
    }
    site.certify(&site.authority.server(&["db.example.com"]));
    let (code, text) = outcome("sslrootcert=system");
    assert_eq!(code, Some(1));
    assert!(text.contains("the certificate is for db.example.com, you asked for localhost"), "{text}");
}
