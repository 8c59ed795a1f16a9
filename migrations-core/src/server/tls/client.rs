//! Makes the connector for the settings.

use std::sync::Arc;

use postgres::config::SslNegotiation;
use rustls::client::WantsClientCert;
use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, ConfigBuilder, Error as RustlsError, InconsistentKeys};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connector::Connector;
use super::files::{ClientFiles, Roots};
use super::verifier::{self, Depth, Verifier};
use crate::conninfo::{TlsMode, TlsSettings};
use crate::report::Error;

/// The protocol's name in a direct TLS handshake, which a server requires
/// (<https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL>).
const ALPN: &[u8] = b"postgresql";

/// The connector for the settings; reads the files that they name.
pub(crate) fn connector(settings: &TlsSettings, negotiation: SslNegotiation) -> Result<Arc<dyn Connector>, Error> {
    // Named here: an application whose dependencies bring two providers has no default one, and rustls panics.
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| unusable(settings, &error))?;
    let verifier = verifier(settings, provider)?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = with_certificate(builder, settings)?;
    if negotiation == SslNegotiation::Direct {
        config.alpn_protocols = vec![ALPN.to_vec()];
    }
    Ok(Arc::new(MakeRustlsConnect::new(config)))
}

/// Checks as much of the server's certificate as the mode and the roots say. With roots, `require` and the weaker modes
/// check it like `verify-ca`, as in libpq.
fn verifier(
    settings: &TlsSettings,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::client::danger::ServerCertVerifier>, Error> {
    let roots = Roots::read(settings)?;
    let depth = if settings.mode == TlsMode::VerifyFull { Depth::ChainAndName } else { Depth::Chain };
    match roots {
        Roots::System => verifier::system(provider).map_err(|error| unusable(settings, &error)),
        Roots::File { store, certificates } => Ok(Arc::new(Verifier::new(depth, store, certificates, &provider))),
        Roots::None => Ok(Arc::new(Verifier::unchecked(&provider))),
    }
}

fn with_certificate(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    settings: &TlsSettings,
) -> Result<ClientConfig, Error> {
    let Some(files) = ClientFiles::read(settings)? else { return Ok(builder.with_no_client_auth()) };
    let ClientFiles { chain, key, certificate_path, key_path } = files;
    builder.with_client_auth_cert(chain, key).map_err(|error| {
        let problem = match error {
            RustlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => format!(
                "it is not the key of the certificate in sslcert={}; name the key that the certificate was issued for",
                certificate_path.display()
            ),
            error => format!("{error}; name a key in PEM form: PKCS#8, PKCS#1 or SEC1"),
        };
        Error::TlsSetting { setting: format!("sslkey={}", key_path.display()), problem }
    })
}

fn unusable(settings: &TlsSettings, error: &RustlsError) -> Error {
    let setting = match settings.roots {
        Some(_) => "sslrootcert=system".to_owned(),
        None => format!("sslmode={}", settings.mode.name()),
    };
    Error::TlsSetting { setting, problem: format!("{error}; set sslrootcert to a file with the root certificates") }
}
