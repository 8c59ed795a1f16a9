//! The application's own TLS.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use migrations_core::{Interrupt, MigrationSet, Migrator, RunOptions};
use postgres::Socket;
use postgres::tls::MakeTlsConnect;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::site::{Site, TLS_ONLY, is_encrypted};

/// Counts the connections that use it.
#[derive(Clone)]
struct Counting {
    inner: MakeRustlsConnect,
    used: Arc<AtomicUsize>,
}

impl Counting {
    fn new(root: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Self { inner: MakeRustlsConnect::new(config), used: Arc::default() }
    }
}

impl MakeTlsConnect<Socket> for Counting {
    type Stream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;
    type TlsConnect = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;
    type Error = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Error;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Self::TlsConnect, Self::Error> {
        self.used.fetch_add(1, Ordering::SeqCst);
        MakeTlsConnect::<Socket>::make_tls_connect(&mut self.inner, domain)
    }
}

#[test]
fn every_connection_and_every_cancellation_uses_the_application_s_own() {
    let site = Site::new(TLS_ONLY);
    let own = Counting::new(&site.authority.root);
    let used = Arc::clone(&own.used);
    // The files of the settings are not read.
    let database = site.database("sslmode=require&sslrootcert=/nowhere").with_connector(own);
    assert!(is_encrypted(&mut database.connect().unwrap()));
    assert_eq!(used.load(Ordering::SeqCst), 1);

    let slow = || "SELECT pg_sleep(60)".to_owned();
    let tenant = MigrationSet::new("tenant").unwrap().with_migration("V1__slow", slow).unwrap();
    let interrupt = Interrupt::new();
    let migrator = Migrator::new(MigrationSet::new("shared").unwrap(), tenant).interrupted_by(&interrupt);
    let create = RunOptions::new().create(["acme".parse().unwrap()]);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| migrator.run_with(&database, &create));
        crate::runs::wait_for_sleep(&site);
        let before = used.load(Ordering::SeqCst);
        interrupt.raise();
        assert!(run.join().unwrap().is_err(), "it is interrupted");
        assert!(used.load(Ordering::SeqCst) > before, "the cancellation");
    });
}

#[test]
fn the_mode_decides_only_whether_tls_is_used() {
    let site = Site::new("host all all 127.0.0.1/32 scram-sha-256\n");
    let wrong = crate::authority::Authority::new("another root").root;
    for (mode, is_expected) in [("disable", Some(false)), ("prefer", Some(true)), ("verify-full", Some(true))] {
        let database = site.database(&format!("sslmode={mode}")).with_connector(Counting::new(&site.authority.root));
        let connected = database.connect().ok().map(|mut client| is_encrypted(&mut client));
        assert_eq!(connected, is_expected, "{mode}");
    }
    let refused = site.database("sslmode=prefer").with_connector(Counting::new(&wrong)).connect();
    assert!(refused.is_err(), "the connector refuses the certificate, and that is final");
}
