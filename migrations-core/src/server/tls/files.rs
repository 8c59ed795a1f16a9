//! Reads certificates and keys, from the files that are named or from libpq's default ones.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::conninfo::{ClientCertificate, TlsMode, TlsRoots, TlsSettings};
use crate::report::Error;

/// What the server's certificate is checked against.
pub(super) enum Roots {
    /// The roots that the operating system trusts.
    System,
    /// The certificates in a file.
    File { store: RootCertStore, certificates: Vec<CertificateDer<'static>> },
    /// Nothing.
    None,
}

impl Roots {
    pub(super) fn read(settings: &TlsSettings) -> Result<Self, Error> {
        let file = match &settings.roots {
            Some(TlsRoots::System) => return Ok(Self::System),
            Some(TlsRoots::File(file)) => Some(file.clone()),
            None => default_file(settings, "root.crt"),
        };
        match (file, settings.mode) {
            (Some(file), _) => Self::from_file(&file),
            (None, TlsMode::VerifyFull) => Ok(Self::System),
            (None, TlsMode::VerifyCa) => Err(Error::TlsSetting {
                setting: "sslmode=verify-ca".to_owned(),
                problem:
                    "there are no root certificates to check the server's certificate against; set sslrootcert to \
                          a file with them, or put them into ~/.postgresql/root.crt"
                        .to_owned(),
            }),
            (None, _) => Ok(Self::None),
        }
    }

    fn from_file(file: &Path) -> Result<Self, Error> {
        let certificates = certificates("sslrootcert", file)?;
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            let added = store.add(certificate.clone());
            added.map_err(|error| {
                unusable("sslrootcert", file, &format!("{error}; it has to hold X.509 certificates"))
            })?;
        }
        Ok(Self::File { store, certificates })
    }
}

/// The client's certificate and its key.
pub(super) struct ClientFiles {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) certificate_path: PathBuf,
    pub(super) key_path: PathBuf,
}

impl ClientFiles {
    /// The files that are named or in their default place; none without a certificate.
    pub(super) fn read(settings: &TlsSettings) -> Result<Option<Self>, Error> {
        let certificate = match &settings.certificate {
            ClientCertificate::Disabled => None,
            ClientCertificate::File(file) => Some(file.clone()),
            ClientCertificate::Default => default_file(settings, "postgresql.crt"),
        };
        let Some(certificate_path) = certificate else { return Ok(None) };
        let chain = certificates("sslcert", &certificate_path)?;
        let key = settings.key.clone().or_else(|| default_file(settings, "postgresql.key"));
        let Some(key_path) = key else {
            let problem = "the certificate has no key; set sslkey to the file with it";
            return Err(unusable("sslcert", &certificate_path, problem));
        };
        let key = private_key(&key_path)?;
        Ok(Some(Self { chain, key, certificate_path, key_path }))
    }
}

/// The file of this name in the folder where libpq looks for it, if it is there.
fn default_file(settings: &TlsSettings, name: &str) -> Option<PathBuf> {
    let file = settings.home.as_ref()?.join(".postgresql").join(name);
    // In a folder that may not be entered, a file is not there, as for libpq.
    fs::metadata(&file).is_ok().then_some(file)
}

fn certificates(option: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let problem = match found {
        Ok(found) if !found.is_empty() => return Ok(found),
        Ok(_) | Err(PemError::NoItemsFound) => "it holds no certificate in PEM form (BEGIN CERTIFICATE)".to_owned(),
        Err(PemError::Io(error)) => format!("{error}; name a file with certificates that this process can read"),
        Err(_) => "it is not in PEM form; convert it with openssl x509 -inform der".to_owned(),
    };
    Err(unusable(option, file, &problem))
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let unreadable =
        |error: &std::io::Error| unusable("sslkey", file, &format!("{error}; name a file that this process can read"));
    let metadata = fs::metadata(file).map_err(|error| unreadable(&error))?;
    if is_too_open(&metadata) {
        let problem = "others than its owner have access to it; permit its owner alone (chmod 600), or its group to \
                       read it if root owns it (chmod 640)";
        return Err(unusable("sslkey", file, problem));
    }
    let text = fs::read(file).map_err(|error| unreadable(&error))?;
    // The reason is left out: it can quote the file.
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        let problem = if text.windows(9).any(|part| part == b"ENCRYPTED") {
            "it is encrypted, which is not supported; decrypt it: openssl pkey -in FILE -out FILE"
        } else {
            "it holds no private key in PEM form; PKCS#8, PKCS#1 and SEC1 are known"
        };
        unusable("sslkey", file, problem)
    })
}

/// libpq's rule: 0600, or 0640 where root owns the file and the process reads it as a member of its group.
#[cfg(unix)]
fn is_too_open(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let refused = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    metadata.is_file() && metadata.mode() & refused != 0
}

#[cfg(not(unix))]
fn is_too_open(_: &Metadata) -> bool {
    false
}

fn unusable(option: &str, file: &Path, problem: &str) -> Error {
    Error::TlsSetting { setting: format!("{option}={}", file.display()), problem: problem.to_owned() }
}
