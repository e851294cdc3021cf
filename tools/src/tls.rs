//! TLS to gateways' addresses for operators: whom to believe, and who one is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, Error as RustlsError, RootCertStore};

/// Files of PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// Certificates of the authority that gateways' certificates must be of.
    pub(crate) authority: Option<PathBuf>,
    /// One's own certificate and its key, for gateways that ask for one.
    pub(crate) own: Option<(PathBuf, PathBuf)>,
}

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error(
        "https needs the authority of the gateways' certificates: `authority` in the profile, or \
         RIQUET_ADMIN_AUTHORITY"
    )]
    NoAuthority,
    #[error("{}: {source}", path.display())]
    Pem { path: PathBuf, source: PemError },
    #[error("certificates: {0}")]
    Refused(#[from] RustlsError),
}

/// What makes connections secure.
pub(crate) fn connector(files: &TlsFiles) -> Result<TlsConnector, TlsError> {
    let authority = files.authority.as_ref().ok_or(TlsError::NoAuthority)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authority)? {
        roots.add(certificate)?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match &files.own {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(pem(key))?;
            config.with_client_auth_cert(chain, key)?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all = CertificateDer::pem_file_iter(path).map_err(pem(path))?;
    all.collect::<Result<_, _>>().map_err(pem(path))
}

fn pem(path: &Path) -> impl FnOnce(PemError) -> TlsError {
    let path = path.to_owned();
    move |source| TlsError::Pem { path, source }
}
