//! Checks the server's certificate: not at all, its chain, or its chain and its name.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// How much of the certificate is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Nothing, as in libpq without root certificates: encryption alone, which stops no one who can change the traffic.
    Nothing,
    /// That a root has signed it: `verify-ca`.
    Chain,
    /// Also that it is for this host: `verify-full`.
    ChainAndName,
}

/// Checks certificates against the roots in a file.
#[derive(Debug)]
pub(super) struct Verifier {
    depth: Depth,
    roots: RootCertStore,
    /// The roots as they stand in the file: a server may use one of them as its own certificate.
    certificates: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(
        depth: Depth,
        roots: RootCertStore,
        certificates: Vec<CertificateDer<'static>>,
        provider: &CryptoProvider,
    ) -> Self {
        Self { depth, roots, certificates, algorithms: provider.signature_verification_algorithms }
    }

    pub(super) fn unchecked(provider: &CryptoProvider) -> Self {
        Self::new(Depth::Nothing, RootCertStore::empty(), Vec::new(), provider)
    }

    fn chain(
        &self,
        parsed: &ParsedCertificate<'_>,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let algorithms = self.algorithms.all;
        match verify_server_cert_signed_by_trust_anchor(parsed, &self.roots, intermediates, now, algorithms) {
            // A certificate that `openssl req -x509` has made signs itself and calls itself an authority. In the file
            // of the roots it is trusted, as in libpq. Its dates were checked before.
            Err(error) if is_authority(&error) && self.certificates.contains(certificate) => Ok(()),
            checked => checked,
        }
    }
}

/// Whether a certificate was only refused because it is an authority's.
fn is_authority(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::Other(other))
        if other.to_string().contains("CaUsedAsEndEntity"))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.depth != Depth::Nothing {
            let parsed = ParsedCertificate::try_from(end_entity)?;
            self.chain(&parsed, end_entity, intermediates, now)?;
            if self.depth == Depth::ChainAndName {
                verify_server_name(&parsed, server_name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Checks certificates, and their names, against the roots that the operating system trusts.
pub(super) fn system(provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    Ok(Arc::new(rustls_platform_verifier::Verifier::new(provider)?))
}
